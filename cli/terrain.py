"""`geosoil terrain`: a DEM in, its covariates out."""

from __future__ import annotations

from typing import Any

import click


@click.command()
@click.argument("dem", metavar="DEM")
@click.option("-o", "--output", required=True, metavar="TERRAIN.tif", help="The bands of covariates.")
@click.option("--band", metavar="NAME", help="The band of heights, where the file has several.")
@click.option(
    "--slope-method",
    type=click.Choice(["horn", "zevenbergen_thorne"]),
    default="horn",
    show_default=True,
    help="Horn as in GDAL and GRASS; Zevenbergen-Thorne as in SAGA.",
)
@click.option(
    "--flow",
    type=click.Choice(["mfd", "d8"]),
    default="mfd",
    show_default=True,
    help="Shared among all lower neighbours, or all to the steepest.",
)
@click.option(
    "--ls",
    type=click.Choice(["moore", "desmet_govers", "boehner_selige"]),
    default="desmet_govers",
    show_default=True,
    help="Formula of the LS-factor.",
)
@click.option(
    "--ls-convention",
    type=click.Choice(["paper", "saga"]),
    default="paper",
    show_default=True,
    help="Desmet-Govers by its paper (area at the inlet) or as SAGA has it.",
)
@click.option(
    "--stream-area-m2",
    type=click.FloatRange(0, min_open=True),
    help="Where streams begin; default 1 km2, less on a small DEM.",
)
@click.option("--streams", metavar="STREAMS.gpkg", help="Also write the streams as lines, with their order and length.")
@click.option(
    "--degrees",
    type=click.Choice(["refuse", "scale"]),
    default="refuse",
    show_default=True,
    help="Scale the cells of a DEM in degrees by latitude.",
)
@click.option(
    "--z-factor",
    type=click.FloatRange(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Heights x this are metres.",
)
@click.option("--threads", type=click.IntRange(1), help="Blocks computed at once; default: all cores.")
def command(dem: str, output: str, **options: Any) -> None:
    """Compute slope, aspect, curvatures, catchment area, TWI, LS-factor and streams of a DEM."""
    from geosoil.workflows.terrain import map_terrain
    from geosoil_cli.progress import make_reporter

    with make_reporter() as progress:
        result = map_terrain(dem, output, **options, progress=progress)
    for note in result.notes:
        click.echo(note)
    click.echo(result.summary())
