"""`geosoil predict`: predict the rows of a table with one or several models."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.many import ManyCommand
from geosoil_cli.options import (
    BARE_SOIL_OPTIONS,
    CUBE_OPTIONS,
    MASK_OPTIONS,
    PRODUCT_OPTIONS,
    TABLE_OPTIONS,
    bare_soil_of,
    given,
    require_kind,
    with_options,
)
from geosoil_cli.printing import show

OF_POINTS = ("x", "y", "crs", *MASK_OPTIONS)
SPECTRA = "a table of spectra, without --cube and --covariates"
ALLOWED = {
    "--cube": (*CUBE_OPTIONS, *BARE_SOIL_OPTIONS, "keep_masks", "pixel_m", *OF_POINTS),
    "--covariates": ("like", *OF_POINTS),
    SPECTRA: ("scale", "quantity", "wavelength_unit", "x", "y", "crs"),
}


def _names(ctx: click.Context, option: click.Parameter, text: str | None) -> tuple[str, ...] | None:
    """Return the names of a text such as `a,b`."""
    return None if text is None else tuple(name.strip() for name in text.split(","))


EXAMPLES = """
    geosoil predict spectra.csv --model as_svr -o predicted.csv
    geosoil predict points.gpkg --cube gf5.tif --model as_svr -o predicted.gpkg
"""


@click.command(cls=ManyCommand, examples=EXAMPLES)
@click.argument("table", metavar="TABLE")
@click.option("--model", required=True, multiple=True, metavar="NAME_OR_DIR ...", help="One or several models.")
@click.option("-o", "--output", metavar="OUT.csv", help="CSV, Parquet or GeoPackage; default: TABLE_MODEL.csv.")
@click.option("--cube", metavar="CUBE", help="TABLE has points; predict their pixels in this cube.")
@click.option(
    "--covariates", multiple=True, metavar="A.tif B.tif ...", help="TABLE has points; predict their pixels in these."
)
@click.option("--id", "id_column", metavar="NAME", help="Column of ids; default: sample_id or id, else row numbers.")
@click.option(
    "--keep", callback=_names, metavar="NAME,...", help="Columns of TABLE that the output has too; all: all of them."
)
@click.option(
    "--outputs", callback=_names, metavar="KIND,...", help="Kinds of columns, such as prediction; default: all."
)
@click.option(
    "--quantity", type=click.Choice(["reflectance", "absorbance"]), help="What spectra are; default: as the file says."
)
@click.option(
    "--wavelength-unit",
    type=click.Choice(["nm", "um", "cm-1"]),
    help="Unit of wavelengths; default: as the file says, or nm.",
)
@click.option("--x", metavar="NAME", help="Column of x or longitude of a table without geometry; default: by its name.")
@click.option("--y", metavar="NAME", help="Column of y or latitude of a table without geometry; default: by its name.")
@click.option("--crs", help="CRS of x and y, for instance EPSG:4326.")
@click.option(
    "--keep-mask",
    "keep_masks",
    callback=_names,
    metavar="MASK,...",
    help="Keep the pixels of these quality masks of a product, such as water.",
)
@PRODUCT_OPTIONS["pixel_m"]
@click.option("--like", metavar="GRID.tif", help="Raster whose grid covariates take; default: the first of them.")
@with_options(TABLE_OPTIONS, CUBE_OPTIONS, MASK_OPTIONS, BARE_SOIL_OPTIONS)
def command(table: str, model: tuple[str, ...], output: str | None, **options: Any) -> None:
    """Predict every row of TABLE, and write the predictions as a table.

    TABLE is a table or folder of spectra, a table with one column per covariate, or, with --cube or --covariates, a
    table of points. Rows that cannot be predicted are kept, without a prediction. Give TABLE before the options.
    """
    from geosoil.workflows.predict import predict_table
    from geosoil_cli.progress import make_reporter

    options = given(options)
    if not options.get("covariates"):
        options.pop("covariates", None)
    if {"cube", "covariates"} <= options.keys():
        raise click.UsageError("give either --cube CUBE or --covariates A.tif B.tif ...")
    kind = "--cube" if "cube" in options else "--covariates" if "covariates" in options else SPECTRA
    require_kind(options, ALLOWED, kind)
    with make_reporter() as progress:
        result = predict_table(table, model, output, progress=progress, **bare_soil_of(options))
    show(result, notes=result.notes)
