"""`geosoil view`: maps in the browser."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.options import CUBE_OPTIONS, TABLE_OPTIONS, given, with_options
from geosoil_cli.printing import echo, show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil view as.tif --cube gf5.tif --samples samples.gpkg
    geosoil view as.tif cu.tif --dem dem.tif
    geosoil view as.tif --html as.html
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("maps", metavar="MAP.tif ...", nargs=-1, required=True)
@click.option("--cube", metavar="CUBE", help="Cube to show in colours, and to take the spectrum of a pixel from.")
@click.option("--samples", metavar="POINTS", help="Table of points with measured values.")
@click.option("--dem", metavar="DEM", help="Raster of heights, to show as shaded relief under the map.")
@click.option(
    "--attributions",
    metavar="SHAP.tif",
    help="Result of `geosoil explain --cube`; default: MAP_shap.tif beside the map.",
)
@click.option(
    "--model",
    metavar="NAME_OR_DIR",
    help="Model whose training range is drawn behind spectra; default: the one that made the map.",
)
@click.option("--html", metavar="OUT.html", help="Write one file that works offline, instead of a server.")
@click.option(
    "--megabytes",
    type=click.FloatRange(3, 500),
    default=20,
    show_default=True,
    help="Largest size of --html in MB; maps are thinned to fit.",
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the server (default: any free one).")
@click.option("--no-browser", is_flag=True, help="Print the address instead of opening a browser.")
@click.option("--x", metavar="NAME", help="Column of x or longitude of the points; default: by its name.")
@click.option("--y", metavar="NAME", help="Column of y or latitude of the points; default: by its name.")
@click.option("--crs", help="CRS of x and y, for instance EPSG:4326.")
@with_options(CUBE_OPTIONS, TABLE_OPTIONS)
def command(
    maps: tuple[str, ...], html: str | None, megabytes: float, port: int, no_browser: bool, **options: Any
) -> None:
    """View maps in the browser, with their trust, spectra and samples.

    OUT_trust.tif and OUT_shap.tif beside a map are shown with it. The server answers this computer only, at an address
    with a secret token, until Ctrl-C.
    """
    from geosoil.workflows.view import open_scene, serve_view, write_view

    if html is not None:
        made = write_view(html, maps, limit_bytes=int(megabytes * 1e6), **given(options))
        show(made, notes=made.notes)
        return
    scene = open_scene(maps, **given(options))

    def opened(url: str) -> None:
        echo(f"view       {url}")
        echo("Ctrl-C ends the server")
        if not no_browser:
            import webbrowser

            webbrowser.open(url)

    try:
        serve_view(scene, port=port, opened=opened)
    except KeyboardInterrupt:
        echo("the server has ended")
