"""`geosoil info`: describe a cube, a raster, a table of spectra or samples, or a model."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.options import CUBE_OPTIONS, PRODUCT_OPTIONS, TABLE_OPTIONS, with_options
from geosoil_cli.printing import echo


@click.command()
@click.argument("path")
@with_options(CUBE_OPTIONS, PRODUCT_OPTIONS, TABLE_OPTIONS)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(path: str, **cube_options: Any) -> None:
    """Describe a cube, a raster, a table of spectra or samples, or a model."""
    from geosoil.workflows.info import describe_path

    text = describe_path(path, **cube_options)
    if cube_options["as_json"]:
        click.echo(text)  # JSON has its own escapes
    else:
        echo(text)
