"""`geosoil init`: a commented recipe to start with."""

from __future__ import annotations

import click

NAMES = ("gf5", "soc", "lead", "library", "cube", "spectra", "covariates", "profiles", "table")


@click.command()
@click.argument("name", type=click.Choice(NAMES), default="cube")
def command(name: str) -> None:
    """Print a commented recipe: `geosoil init cube > recipe.toml`.

    gf5, soc, lead and library are recipes of published methods; cube, spectra, covariates, profiles and table are
    recipes for each kind of data.
    """
    from geosoil.pipeline.recipe import recipe_template

    click.echo(recipe_template(name), nl=False)
