"""`geosoil assess`: the accuracy of a map by independent points."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.options import TABLE_OPTIONS, given, with_options
from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil assess zn.tif points.gpkg --target zn_mg_kg -o accuracy.csv
    geosoil assess zn.tif points.gpkg --target zn_mg_kg --design stratified --strata zone --areas area_ha
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("soil_map", metavar="MAP")
@click.argument("points", metavar="POINTS")
@click.option("--target", required=True, metavar="COLUMN", help="Column of the measured values, in the unit of MAP.")
@click.option(
    "--design",
    type=click.Choice(["purposive", "random", "stratified"]),
    default="purposive",
    show_default=True,
    help="How the points were chosen; only you know whether they were drawn at random.",
)
@click.option("--strata", metavar="COLUMN", help="Column of the strata; requires --design stratified.")
@click.option(
    "--areas", metavar="COLUMN|RASTER", help="Column of the area of the point's stratum, or raster of their codes."
)
@click.option("--band", metavar="NAME", help="Band of MAP; default: the one named as the target, or the only one.")
@click.option(
    "--trust", metavar="TRUST.tif", help="Bands lower, upper and inside; default: MAP_trust.tif, if it exists."
)
@click.option("--level", type=float, help="Level of the intervals in TRUST.tif; default: as it states, or 0.9.")
@click.option("-o", "--output", metavar="OUT.csv|json", help="File of the figures; a report (.html) goes beside it.")
@click.option("--id", "id_column", metavar="NAME", help="Column of ids; default: sample_id or id, else row numbers.")
@click.option("--x", metavar="NAME", help="Column of x or longitude of a table without geometry; default: by its name.")
@click.option("--y", metavar="NAME", help="Column of y or latitude of a table without geometry; default: by its name.")
@click.option("--crs", help="CRS of x and y, for instance EPSG:4326.")
@with_options(TABLE_OPTIONS)
def command(soil_map: str, points: str, **options: Any) -> None:
    """Assess MAP by POINTS that its model has not learned from: R2, RMSE, bias and Lin's concordance.

    Points of a random or stratified sample give estimates for the whole area with design-based standard errors. Other
    points (purposive, the default) describe only themselves; their intervals come from a bootstrap.
    """
    from geosoil.workflows.assess import assess_map

    result = assess_map(soil_map, points, **given(options))
    show(result, notes=result.notes)
