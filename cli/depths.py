"""`geosoil depths`: means of standard depths from a table of soil horizons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geosoil_cli.options import TABLE_OPTIONS, with_options
from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil depths horizons.csv -o sites.gpkg --crs EPSG:4326 --property soc_pct
    geosoil depths horizons.csv -o sites.gpkg --layers 0,30,60 --clip 0 100
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("horizons", metavar="HORIZONS")
@click.option("-o", "--output", required=True, type=Path, metavar="SITES.gpkg", help="Output with one row per profile.")
@click.option("--id", "profile_id", default="profile_id", show_default=True, help="Column of profile ids.")
@click.option("--x", default="x", show_default=True, help="Column of x or longitude, for a table without geometry.")
@click.option("--y", default="y", show_default=True, help="Column of y or latitude, for a table without geometry.")
@click.option("--crs", help="CRS of the coordinates, for instance EPSG:4326.")
@click.option("--top", "top_cm", default="top_cm", show_default=True, help="Column of upper depths in cm.")
@click.option("--bottom", "bottom_cm", default="bottom_cm", show_default=True, help="Column of lower depths in cm.")
@click.option(
    "--property",
    "properties",
    multiple=True,
    metavar="NAME",
    help="Column of a soil property; repeatable (default: all columns of numbers).",
)
@click.option("--layers", default="0,5,15,30,60,100,200", show_default=True, help="Limits of the layers in cm.")
@click.option("--lambda", "smoothing", type=float, default=0.1, show_default=True, help="Smoothing of the splines.")
@click.option(
    "--min-coverage",
    type=float,
    default=0.5,
    show_default=True,
    help="Smallest share of a layer that horizons must cover.",
)
@click.option(
    "--clip", type=(float, float), metavar="LOW HIGH", help="Clip the means to this range (default: no clip)."
)
@click.option("--density", is_flag=True, help="Add soc_kg_m3, computed from the measured bulk_density_g_cm3.")
@click.option(
    "--coarse-fragments", metavar="NAME", help="Column of the volume of coarse fragments in %; requires --density."
)
@click.option(
    "--on-error",
    type=click.Choice(["stop", "drop"]),
    default="stop",
    show_default=True,
    help="If a profile has faults: stop, or drop the profile.",
)
@with_options(TABLE_OPTIONS)
def command(horizons: str, output: Path, layers: str, **options: Any) -> None:
    """Bring soil horizons to the means of standard depths by equal-area splines."""
    from geosoil.workflows.depths import harmonise_table

    try:
        limits_cm = [float(limit) for limit in layers.split(",")]
    except ValueError as error:
        raise click.UsageError(f"--layers {layers}: expected limits in cm such as 0,5,15,30") from error
    if options["coarse_fragments"] and not options["density"]:
        raise click.UsageError("--coarse-fragments requires --density")
    result = harmonise_table(horizons, output, limits_cm=limits_cm, **options)
    show(result, summary="\n".join([result.summary(), *result.notes, f"{output}: {len(result.sites)} profiles"]))
