"""`geosoil info`: describe a cube, a raster, a table of spectra or samples, or a model."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.options import CUBE_OPTIONS, PRODUCT_OPTIONS, TABLE_OPTIONS, with_options
from geosoil_cli.printing import echo, end_starting, printing
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil info gf5.tif
    geosoil info models/soc --json
    geosoil info samples.gpkg
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("path")
@with_options(CUBE_OPTIONS, PRODUCT_OPTIONS, TABLE_OPTIONS)
def command(path: str, **cube_options: Any) -> None:
    """Describe a cube, a raster, a table of spectra or samples, or a model."""
    from geosoil.workflows.info import describe_path

    text = describe_path(path, as_json=printing().as_json, **cube_options)
    if printing().as_json:
        end_starting()
        click.echo(text)  # JSON has its own escapes
    else:
        echo(text)
