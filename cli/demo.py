"""`geosoil demo`: the whole chain on the sample data."""

from __future__ import annotations

from pathlib import Path

import click

from geosoil.studies.registry import DEMOS, run_demo
from geosoil_cli.progress import make_reporter


@click.command()
@click.argument("study", type=click.Choice(DEMOS), default="gf5")
@click.option(
    "-o", "--output", type=Path, default=Path("geosoil-demo"), show_default=True, help="Folder of the results."
)
def command(study: str, output: Path) -> None:
    """Run the whole chain on the sample data: train, map, report."""
    with make_reporter() as progress:
        result = run_demo(study, output, progress=progress)
    click.echo(result.summary())
