"""`geosoil correlate`: correlations of a soil map with terrain."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil correlate --map som.tif --terrain terrain.tif -o correlations.csv
    geosoil correlate --map som.tif --terrain terrain.tif --zones halves -o correlations.csv
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.option("--map", "soil_map", required=True, metavar="SOM.tif", help="Map of a soil property.")
@click.option(
    "--terrain", required=True, multiple=True, metavar="TERRAIN.tif", help="Output of geosoil terrain; repeatable."
)
@click.option(
    "-o", "--output", required=True, metavar="TABLE.csv", help="Output table; a report and a picture go beside it."
)
@click.option("--band", metavar="NAME", help="Band of the property (default: the first).")
@click.option(
    "--factor",
    "factors",
    multiple=True,
    metavar="NAME",
    help="Band of the terrain; repeatable (default: twi, slope_deg, ls_factor).",
)
@click.option("--all-bands", is_flag=True, help="Use all bands of the terrain except aspect.")
@click.option(
    "--zones", metavar="ZONES.gpkg", help="File of polygons, or halves: the left and right half of the image."
)
@click.option("--zone-column", metavar="NAME", help="Column of the names of zones (default: zone or name).")
@click.option("--zone-layer", metavar="NAME", help="Layer of the zones, for a file with several layers.")
@click.option(
    "--streams", metavar="STREAMS.gpkg", help="Stream lines to draw (default: the band stream of the terrain)."
)
def command(factors: tuple[str, ...], all_bands: bool, **options: Any) -> None:
    """Correlate a soil map with terrain, for the whole image and by zone, and draw the streams over it."""
    from geosoil.workflows.correlate import PAPER_FACTORS, correlate_map

    if factors and all_bands:
        raise click.UsageError("--factor and --all-bands exclude each other")
    options["factors"] = None if all_bands else factors or PAPER_FACTORS
    result = correlate_map(**options)
    show(result, notes=result.notes)
