"""`geosoil init`: a commented recipe to begin with."""

from __future__ import annotations

import click

from geosoil.studies.registry import STUDIES, recipe_template


@click.command()
@click.argument("study", type=click.Choice(list(STUDIES)), default="gf5")
def command(study: str) -> None:
    """Print a commented recipe to begin with: `geosoil init gf5 > recipe.toml`."""
    click.echo(recipe_template(study), nl=False)
