"""`geosoil demo`: the whole chain on the sample data."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("study", type=click.Choice(["gf5"]), default="gf5")
@click.option(
    "-o", "--output", type=Path, default=Path("geosoil-demo"), show_default=True, help="Folder of the results."
)
def command(study: str, output: Path) -> None:
    """Run the whole chain on the sample data: train, map, report."""
    from geosoil.studies.demo import demo_gf5
    from geosoil_cli.progress import progress_bar

    with progress_bar() as progress:
        result = demo_gf5(output, progress=progress)
    click.echo(result.summary())
