"""`geosoil init`: a commented recipe to begin with."""

from __future__ import annotations

import click

STUDIES = {"gf5": "gf5_inversion.toml"}


@click.command()
@click.argument("study", type=click.Choice(list(STUDIES)), default="gf5")
def command(study: str) -> None:
    """Print a commented recipe to begin with: `geosoil init gf5 > recipe.toml`."""
    from importlib.resources import files

    click.echo(files("geosoil.studies").joinpath(STUDIES[study]).read_text(), nl=False)
