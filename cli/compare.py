"""`geosoil compare`: the published comparison table of a study, by both protocols."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("recipe", metavar="RECIPE.toml")
@click.option("-o", "--output", type=Path, metavar="TABLE.csv", help="The table; default NAME_comparison.csv.")
def command(recipe: str, output: Path | None) -> None:
    """Make the comparison table of a recipe's study, by every protocol that the study has, with a report."""
    from geosoil.studies.registry import compare
    from geosoil_cli.main import report_failures
    from geosoil_cli.progress import make_reporter

    with make_reporter() as progress:
        result = compare(recipe, output, progress=progress)
    click.echo(result.summary())
    report_failures(result.refused)
