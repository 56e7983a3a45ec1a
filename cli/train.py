"""`geosoil train`: a recipe in, a model and its report out."""

from __future__ import annotations

from pathlib import Path

import click

from geosoil_cli.options import BUDGET_OPTIONS, with_options
from geosoil_cli.printing import printing, show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil train recipe.toml
    geosoil train recipe.toml -o models/soc --quiet
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("recipe", metavar="RECIPE.toml")
@click.option("-o", "--output", type=Path, metavar="MODEL_DIR", help="Folder for the model; default: ./models/NAME.")
@with_options(BUDGET_OPTIONS)
def command(recipe: str, output: Path | None, *, budget_minutes: float | None) -> None:
    """Fit, validate and save the model of a recipe, with a report.

    The saved model is fitted to all samples. Its accuracy comes from the splits that the recipe names in
    validation.split; every choice is made again inside the training rows of each split. Progress is a bar on a
    terminal, and elsewhere a line on standard error for each fold.
    """
    from geosoil.workflows.train import train
    from geosoil_cli.main import report_failures
    from geosoil_cli.progress import make_reporter

    with make_reporter(elsewhere="lines") as progress:
        result = train(recipe, output, budget_minutes=budget_minutes, progress=progress)
    show(result, summary=result.summary(notes=not printing().quiet))
    report_failures(result.refused)
