"""`geosoil init`: a commented recipe, filled in from files or to start with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geosoil_cli.many import ManyCommand
from geosoil_cli.options import CUBE_OPTIONS, PRODUCT_OPTIONS, given, with_options
from geosoil_cli.printing import echo, end_starting, show

PUBLISHED = ("gf5", "soc", "lead", "library")
# The files of each kind of data: those that it needs, then those that it can have besides.
KINDS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cube": (("cube", "samples"), ()),
    "spectra": (("table",), ("cube", "sensor", "samples", "library")),
    "covariates": (("covariates", "samples"), ()),
    "profiles": (("covariates", "profiles"), ()),
    "table": (("table",), ()),
}
FLAGS = {"cube": "--cube CUBE", "sensor": "--sensor NAME", "samples": "--samples POINTS",
         "library": "--library LIBRARY", "covariates": "--covariates A.tif B.tif ...",
         "profiles": "--profiles HORIZONS", "table": "TABLE"}  # fmt: skip
NAMES = (*KINDS, *PUBLISHED)

EXAMPLES = """
    geosoil init cube --cube enmap.tif --samples soc.csv --target SOC --unit %
    geosoil init spectra LIBRARY.csv --target soc --group site --models pls,svm
    geosoil init spectra SCANS/ --samples lab.xlsx --library LIBRARY.csv --target soc
    geosoil init covariates --covariates A.tif B.tif --samples points.gpkg --target zinc --unit mg/kg
    geosoil init profiles --covariates A.tif B.tif --profiles horizons.csv --target soc
    geosoil init table TABLE.csv --target clay
"""


@click.command(cls=ManyCommand, examples=EXAMPLES)
@click.argument("kind", type=click.Choice(NAMES), default="cube", metavar="[KIND]")
@click.argument("table", required=False)
@click.option("--cube", "--for", "cube", metavar="CUBE", help="Cube; for spectra the cube that is to be mapped.")
@click.option("--sensor", metavar="NAME", help="For spectra: sensor that is to be mapped, such as ENMAP.")
@click.option("--samples", metavar="POINTS", help="Table of sample points; for spectra another table with the target.")
@click.option("--library", metavar="LIBRARY", help="Spectral library with the target, for the spectra of one site.")
@click.option("--covariates", multiple=True, metavar="A.tif B.tif ...", help="Covariate rasters of any grids.")
@click.option("--profiles", metavar="HORIZONS", help="Horizons, or depth layers of `geosoil depths`.")
@click.option("--target", "targets", multiple=True, metavar="COLUMN ...", help="Columns to predict.")
@click.option("--unit", "units", multiple=True, metavar="UNIT ...", help="Their units, such as % or mg/kg.")
@click.option("--models", multiple=True, metavar="KIND,...", help="Models; default: those that suit the samples.")
@click.option("--id", "sample_id", metavar="COLUMN", help="Column with the name of each sample.")
@click.option("--group", metavar="COLUMN", help="Column whose samples are tested together, such as the site.")
@click.option("--x", metavar="COLUMN", help="Column of the x coordinates, for a table without geometry.")
@click.option("--y", metavar="COLUMN", help="Column of the y coordinates.")
@click.option("--crs", metavar="EPSG:CODE", help="CRS of the coordinates.")
@click.option("--layer", metavar="NAME", help="Layer of the table, or sheet of a workbook, if it has several.")
@click.option(
    "--columns",
    multiple=True,
    metavar="A,B,...",
    help="Columns of a table that are features; default: as the names show.",
)
@click.option("--top", "top_cm", metavar="COLUMN", help="Column of the upper depth of a horizon in cm.")
@click.option("--bottom", "bottom_cm", metavar="COLUMN", help="Column of the lower depth of a horizon in cm.")
@click.option("--quantity", type=click.Choice(["reflectance", "absorbance"]), help="What the values of spectra are.")
@click.option("--like", metavar="GRID.tif", help="Raster whose grid is used; default: the first covariate.")
@with_options(CUBE_OPTIONS, PRODUCT_OPTIONS)
@click.option("--name", metavar="NAME", help="Name of the model; default: the target.")
@click.option("-o", "--output", type=Path, metavar="RECIPE.toml", help="File to write; default: standard output.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
def command(kind: str, table: str | None, **options: Any) -> None:
    """Print a recipe that is filled in from your files, or a commented one to start with.

    KIND is cube (the default), spectra, covariates, profiles or table. Without files it prints a commented recipe to
    start with. gf5, soc, lead and library are recipes of published methods.
    """
    options = {key: value for key, value in given(options).items() if value != ()}
    if table is not None:
        options[{"cube": "samples", "covariates": "samples", "profiles": "profiles"}.get(kind, "table")] = table
    if not options.keys() - {"output", "force"}:
        _give_template(kind, **options)
        return
    _check_files(kind, options)
    if "profiles" in options:
        options["table"] = options.pop("profiles")
    if "band_table" in options:
        options["bands"] = options.pop("band_table")
    for key in ("models", "columns"):
        if key in options:
            options[key] = [word.strip() for text in options[key] for word in text.split(",") if word.strip()]
    from geosoil.workflows.init import init_recipe

    made = init_recipe(kind, **options)
    if made.path is None:
        end_starting()
        click.echo(made.text, nl=False)  # TOML has its own escapes
    else:
        show(made)


def _give_template(kind: str, output: Path | None = None, *, force: bool = False) -> None:
    """Print or write the recipe of a published method, or the template of a kind of data."""
    from geosoil.pipeline.recipe import recipe_template
    from geosoil.workflows.init import write_recipe

    text = recipe_template(kind)
    if output is None:
        end_starting()
        click.echo(text, nl=False)
    else:
        write_recipe(text, output, force=force)
        echo(f"{output}: the recipe of {kind} to start with")


def _check_files(kind: str, options: dict[str, Any]) -> None:
    """Raise UsageError for files that a kind of data needs and lacks, or does not have."""
    if kind in PUBLISHED:
        raise click.UsageError(
            f"{kind} is the recipe of a published method and takes no files: choose {', '.join(KINDS)}"
        )
    needed, besides = KINDS[kind]
    missing = [FLAGS[name] for name in needed if name not in options]
    if missing:
        raise click.UsageError(f"{kind} needs {' and '.join(missing)}")
    for name in FLAGS.keys() - {*needed, *besides}:
        if name in options:
            others = [other for other, (first, more) in KINDS.items() if name in first + more]
            raise click.UsageError(f"{kind} takes no {FLAGS[name].split()[0]}, which is for {', '.join(others)}")
