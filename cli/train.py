"""`geosoil train`: a recipe in, a model and its report out."""

from __future__ import annotations

from pathlib import Path

import click

from geosoil_cli.options import BUDGET_OPTIONS, with_options
from geosoil_cli.printing import echo


@click.command()
@click.argument("recipe", metavar="RECIPE.toml")
@click.option("-o", "--output", type=Path, metavar="MODEL_DIR", help="Folder for the model; default: ./models/NAME.")
@with_options(BUDGET_OPTIONS)
@click.option("-q", "--quiet", is_flag=True, help="Print neither progress nor notes.")
def command(recipe: str, output: Path | None, *, budget_minutes: float | None, quiet: bool) -> None:
    """Fit, validate and save the model of a recipe, with a report.

    The saved model is fitted to all samples. Its accuracy comes from the splits that the recipe names in
    validation.split; every choice is made again inside the training rows of each split. Progress is a bar on a
    terminal, and elsewhere a line on standard error for each fold.
    """
    from geosoil.workflows.train import train
    from geosoil_cli.main import report_failures
    from geosoil_cli.progress import make_reporter

    with make_reporter("none" if quiet else None, elsewhere="lines") as progress:
        result = train(recipe, output, budget_minutes=budget_minutes, progress=progress)
    echo(result.summary(notes=not quiet))
    report_failures(result.refused)
