"""`geosoil explain`: which wavelengths or covariates the predictions of a model depend on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geosoil_cli.many import ManyCommand
from geosoil_cli.options import (
    BARE_SOIL_OPTIONS,
    COVARIATE_OPTIONS,
    CUBE_OPTIONS,
    MASK_OPTIONS,
    OF_A_CUBE,
    PRODUCT_OPTIONS,
    bare_soil_of,
    given,
    require_kind,
    with_options,
)
from geosoil_cli.printing import show

OF_RASTERS = ("n_pixels", "project", *MASK_OPTIONS)
ALLOWED = {
    "--samples": ("source_model", "source_samples", "budget", "x", "y", "crs"),
    "--cube": (*OF_A_CUBE, *OF_RASTERS),
    "--covariates": (*COVARIATE_OPTIONS, *OF_RASTERS),
}

EXAMPLES = """
    geosoil explain --model as_svr --samples lab.parquet -o shap
    geosoil explain --model cu_plsr --cube gf5.tif -o shap.tif --pixels 500
    geosoil explain --model soc --covariates dem.tif slope.tif -o shap.tif
"""


@click.command(cls=ManyCommand, examples=EXAMPLES)
@click.option("--model", required=True, metavar="NAME_OR_DIR", help="Model folder, or the name of a known model.")
@click.option("--samples", type=Path, metavar="TABLE", help="Samples to explain: spectra, or one column per covariate.")
@click.option("--cube", metavar="CUBE", help="Cube to explain on a regular sub-grid.")
@click.option(
    "--covariates", multiple=True, metavar="A.tif B.tif ...", help="Covariates to explain on a regular sub-grid."
)
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="PATH",
    help="Folder for samples; file or s3:// address SHAP.tif for rasters.",
)
@click.option("--source-model", metavar="NAME_OR_DIR", help="Model that it was fine-tuned from, to draw above it.")
@click.option("--source-samples", type=Path, metavar="TABLE", help="Samples for the source model; default: --samples.")
@click.option(
    "--background",
    "n_background",
    type=click.IntRange(1),
    help="Number of rows that represent an absent feature; default: all, up to 1000.",
)
@click.option("--x", metavar="NAME", help="Column of x or longitude, for a model with place; default: by its name.")
@click.option("--y", metavar="NAME", help="Column of y or latitude, for a model with place; default: by its name.")
@click.option("--crs", help="CRS of x and y, for instance EPSG:4326.")
@click.option("--budget", type=click.IntRange(1), help="Largest number of rows to predict per model; default: 500000.")
@click.option(
    "--pixels",
    "n_pixels",
    type=click.IntRange(1),
    help="Largest number of pixels to explain; default: 2000 of a cube, 500 of covariates.",
)
@with_options(CUBE_OPTIONS, PRODUCT_OPTIONS, BARE_SOIL_OPTIONS, COVARIATE_OPTIONS, MASK_OPTIONS)
@click.option("--qgz", "project", is_flag=True, help="Write SHAP.qgz, a QGIS project of all bands.")
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Random seed for drawing background rows and samples.",
)
def command(
    model: str, samples: Path | None, cube: str | None, covariates: tuple[str, ...], output: str, **options: Any
) -> None:
    """Explain which wavelengths or covariates the predictions of a model depend on (SHAP)."""
    inputs = {"--samples": samples, "--cube": cube, "--covariates": covariates or None}
    kinds = [flag for flag, value in inputs.items() if value is not None]
    if len(kinds) != 1:
        raise click.UsageError("give --samples or --cube or --covariates, one of them")
    options = given(options)
    require_kind(options, ALLOWED, kinds[0])
    options = bare_soil_of(options)
    from geosoil_cli.progress import make_reporter

    if samples is not None:
        from geosoil.workflows.explain import explain_samples

        result = explain_samples(model, samples, output, **options)
    elif cube is not None:
        from geosoil.workflows.explain_map import explain_map

        with make_reporter() as progress:
            result = explain_map(model, cube, output, progress=progress, **options)
    else:
        from geosoil.workflows.explain_map import explain_covariates_map

        with make_reporter() as progress:
            result = explain_covariates_map(model, covariates, output, progress=progress, **options)
    show(result)
