"""`geosoil localise`: a spectral library and a site in, the rows of the library that serve the site out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click


@click.command()
@click.argument("library", metavar="LIBRARY")
@click.argument("site", metavar="SITE")
@click.option("--target", required=True, metavar="COLUMN", help="The property, in both tables: soc_pct, clay_pct, ...")
@click.option("-o", "--output", type=Path, default="rows.parquet", metavar="ROWS.parquet", help="Default rows.parquet.")
@click.option("--id-column", metavar="COLUMN", help="Ids of both tables; default sample_id or id.")
@click.option("--k", default=100, help="Rows to choose; default 100.")
@click.option("--b", default=40, help="How often a row is tested in a pass; default 40.")
@click.option("--r", default=0.05, help="Share of the rows that a pass drops; default 0.05.")
@click.option("--components", "n_components", default=10, help="PLS components; default 10.")
@click.option("--by", type=click.Choice(["response", "reconstruction"]), default="response", help="What errs.")
@click.option(
    "--retention", type=click.Choice(["proportion", "probability"]), default="proportion", help="What leaves."
)
@click.option("--seed", type=click.IntRange(0), default=0, help="The same seed chooses the same rows.")
@click.option("--device", type=click.Choice(["cpu", "cuda"]), default="cpu", help="The rows do not depend on it.")
@click.option("--resume", "journal", type=Path, metavar="JOURNAL.json", help="Kept pass by pass; a killed run goes on.")
def command(library: str, site: str, output: Path, **settings: Any) -> None:
    """Choose the rows of a spectral library that best serve one site (RS-LOCAL)."""
    from geosoil.workflows.localise import localise
    from geosoil_cli.progress import make_reporter

    with make_reporter() as progress:
        result = localise(library, site, output, progress=progress, **settings)
    click.echo(result.summary())
