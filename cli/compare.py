"""`geosoil compare`: the published comparison table of a study, by both protocols."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("recipe", metavar="RECIPE.toml")
@click.option("-o", "--output", type=Path, metavar="TABLE.csv", help="The table; default NAME_comparison.csv.")
def command(recipe: str, output: Path | None) -> None:
    """Make the comparison table of a recipe's study, by every protocol that the study has, with a report."""
    from geosoil.studies.catalogue import compare
    from geosoil_cli.main import refuse
    from geosoil_cli.progress import progress_of

    with progress_of() as progress:
        result = compare(recipe, output, progress=progress)
    click.echo(result.summary())
    refuse(result.refused)
