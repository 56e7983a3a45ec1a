"""`geosoil info`: what a cube, a table of spectra or a model holds."""

from __future__ import annotations

import click


@click.command()
@click.argument("path")
@click.option("--bands", metavar="CSV", help="Wavelengths of a cube that has none.")
def command(path: str, bands: str | None) -> None:
    """Tell what a cube, a table of spectra or a model holds."""
    from geosoil.workflows.info import describe_path

    click.echo(describe_path(path, band_table=bands))
