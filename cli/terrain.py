"""`geosoil terrain`: covariates computed from a DEM."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil terrain dem.tif -o terrain.tif --streams streams.gpkg
    geosoil terrain dem.tif -o terrain.tif --ls moore --flow d8
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("dem", metavar="DEM")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="TERRAIN.tif",
    help="Output raster, one band per covariate; a report goes beside it.",
)
@click.option("--band", metavar="NAME", help="Band of heights, if the file has several bands.")
@click.option(
    "--nodata", type=float, help="The stored value that means nodata; default: as the file states, and usual codes."
)
@click.option(
    "--slope-method",
    type=click.Choice(["horn", "zevenbergen_thorne"]),
    default="horn",
    show_default=True,
    help="Method of the slope: Horn (as GDAL and GRASS) or Zevenbergen-Thorne (as SAGA).",
)
@click.option(
    "--flow",
    type=click.Choice(["mfd", "d8"]),
    default="mfd",
    show_default=True,
    help="Flow goes to all lower neighbours (mfd) or to the steepest one (d8).",
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
    help="Desmet-Govers as in the paper (area at the inlet) or as in SAGA.",
)
@click.option(
    "--stream-area-m2",
    type=click.FloatRange(0, min_open=True),
    help="Catchment area at which streams begin (default: 1 km2, less on a small DEM).",
)
@click.option("--streams", metavar="STREAMS.gpkg", help="Also write the streams as lines with order and length.")
@click.option(
    "--degrees",
    type=click.Choice(["refuse", "scale"]),
    default="refuse",
    show_default=True,
    help="If the DEM is in degrees: refuse it, or scale its cells by latitude.",
)
@click.option(
    "--z-factor",
    type=click.FloatRange(0, min_open=True),
    help="Factor that converts heights to metres (default: by the unit that the file states, else 1).",
)
@click.option("--qgz", "project", is_flag=True, help="Write TERRAIN.qgz, a QGIS project of all bands and the streams.")
@click.option("--threads", type=click.IntRange(1), help="Number of threads (default: all cores).")
def command(dem: str, output: str, **options: Any) -> None:
    """Compute slope, aspect, curvatures, catchment area, wetness index, LS-factor and streams of a DEM."""
    from geosoil.workflows.terrain import map_terrain
    from geosoil_cli.progress import make_reporter

    with make_reporter() as progress:
        result = map_terrain(dem, output, **options, progress=progress)
    show(result, notes=result.notes)
