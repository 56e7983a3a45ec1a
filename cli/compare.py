"""`geosoil compare`: the models of a recipe on the same test rows."""

from __future__ import annotations

from pathlib import Path

import click

from geosoil_cli.options import BUDGET_OPTIONS, with_options
from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil compare recipe.toml -o comparison.csv
    geosoil compare recipe.toml --budget 10m
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("recipe", metavar="RECIPE.toml")
@click.option("-o", "--output", type=Path, metavar="TABLE.csv", help="Output table; default: NAME_comparison.csv.")
@with_options(BUDGET_OPTIONS)
def command(recipe: str, output: Path | None, *, budget_minutes: float | None) -> None:
    """Compare the models that a recipe names in model.compare.

    All models learn from the same rows and are tested on the same rows, by every split of the recipe. The table has
    95 % confidence intervals; a second table has the paired differences, and a folder the report. Progress is a bar on
    a terminal, and elsewhere a line on standard error for each fold.
    """
    from geosoil.workflows.compare import compare
    from geosoil_cli.main import report_failures
    from geosoil_cli.progress import make_reporter

    with make_reporter(elsewhere="lines") as progress:
        result = compare(recipe, output, budget_minutes=budget_minutes, progress=progress)
    show(result)
    report_failures(result.refused)
