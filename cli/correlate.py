"""`geosoil correlate`: a soil map and the terrain in, the table of their correlations out."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.option("--map", "soil_map", required=True, metavar="SOM.tif", help="The map of a property.")
@click.option(
    "--terrain", required=True, multiple=True, metavar="TERRAIN.tif", help="Of `geosoil terrain`; repeatable."
)
@click.option(
    "-o", "--output", required=True, metavar="TABLE.csv", help="The table; the map with streams goes beside it."
)
@click.option("--band", metavar="NAME", help="The band of the property; default: the first.")
@click.option(
    "--factor", "factors", multiple=True, metavar="NAME", help="Default: twi, slope_deg, ls_factor; repeatable."
)
@click.option("--all-bands", is_flag=True, help="All bands of the terrain but aspect.")
@click.option("--zones", metavar="ZONES.gpkg", help="Polygons, or `halves`: the left and right half of the image.")
@click.option("--zone-column", metavar="NAME", help="The column of the zones' names; default zone, or name.")
@click.option("--streams", metavar="STREAMS.gpkg", help="Lines to draw; default: the terrain's band `stream`.")
def command(factors: tuple[str, ...], all_bands: bool, **options: Any) -> None:
    """Correlate a soil map with terrain, for the whole image and by zone, and draw the streams over it."""
    from geosoil.workflows.correlate import PAPER_FACTORS, correlate_map

    if factors and all_bands:
        raise click.UsageError("--factor and --all-bands exclude each other")
    options["factors"] = None if all_bands else factors or PAPER_FACTORS
    result = correlate_map(**options)
    for note in result.notes:
        click.echo(note)
    click.echo(result.summary())
