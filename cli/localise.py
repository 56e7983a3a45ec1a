"""`geosoil localise`: rows of a spectral library that represent a site."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil localise library.parquet site.parquet --target soc_pct -o rows.parquet
"""


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("library", metavar="LIBRARY")
@click.argument("site", metavar="SITE")
@click.option("--target", required=True, metavar="COLUMN", help="Column of the property in both tables.")
@click.option(
    "-o",
    "--output",
    type=Path,
    default="rows.parquet",
    show_default=True,
    metavar="ROWS.parquet",
    help="Output table of the chosen rows.",
)
@click.option("--id-column", metavar="COLUMN", help="Column of ids in both tables (default: sample_id or id).")
@click.option("--k", default=100, show_default=True, help="Number of rows to choose.")
@click.option("--b", default=40, show_default=True, help="Number of times that a row is tested in a pass.")
@click.option("--r", default=0.05, show_default=True, help="Share of the rows that a pass drops.")
@click.option("--components", "n_components", default=10, show_default=True, help="Number of PLS components.")
@click.option(
    "--by",
    type=click.Choice(["response", "reconstruction"]),
    default="response",
    show_default=True,
    help="Score rows by prediction error or by reconstruction error.",
)
@click.option(
    "--retention",
    type=click.Choice(["proportion", "probability"]),
    default="proportion",
    show_default=True,
    help="Drop a fixed share per pass, or drop rows at random by score.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Random seed for drawing the subsets of rows."
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    show_default=True,
    help="Device of the computation; the chosen rows are the same.",
)
@click.option(
    "--resume",
    "journal",
    type=Path,
    metavar="JOURNAL.json",
    help="Record every pass in this file, and resume from it after an interruption.",
)
def command(library: str, site: str, output: Path, **settings: Any) -> None:
    """Choose the rows of a spectral library that best represent one site (RS-LOCAL)."""
    from geosoil.workflows.localise import localise
    from geosoil_cli.progress import make_reporter

    with make_reporter() as progress:
        result = localise(library, site, output, progress=progress, **settings)
    show(result)
