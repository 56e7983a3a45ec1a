"""`geosoil demo`: train and map the sample data."""

from __future__ import annotations

from pathlib import Path

import click

from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

NAMES = ("gf5", "soc", "lead", "library")

EXAMPLES = """
    geosoil demo
    geosoil demo soc -o results
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("name", type=click.Choice(NAMES), default="gf5")
@click.option(
    "-o", "--output", type=Path, default=Path("geosoil-demo"), show_default=True, help="Folder for the results."
)
def command(name: str, output: Path) -> None:
    """Train a model on the sample data, map it, and compare the map with the truth."""
    from geosoil.workflows.demo import run_demo
    from geosoil_cli.progress import make_reporter

    with make_reporter(elsewhere="lines") as progress:
        result = run_demo(name, output, progress=progress)
    show(result)
