"""`geosoil library`: bring a published spectral library to one table."""

from __future__ import annotations

from pathlib import Path

import click

from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil library import ossl_visnir.csv.gz ossl_soillab.csv.gz ossl_soilsite.csv.gz -o ossl.parquet
    geosoil library import LUCAS/ -o lucas.parquet --spectra visnir
"""


@click.group()
def command() -> None:
    """Bring a published spectral library (OSSL, LUCAS, KSSL, NeoSpectra) to one table."""


@command.command("import", cls=Verb, examples=EXAMPLES)
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "-o",
    "--output",
    type=Path,
    default="library.parquet",
    show_default=True,
    metavar="LIBRARY.parquet",
    help="The table that recipes and `geosoil localise` read.",
)
@click.option(
    "--spectra",
    type=click.Choice(["visnir", "nir", "mir"]),
    help="Which spectra to take, if the tables hold several kinds; default: the first one of these.",
)
@click.option(
    "--quantity",
    type=click.Choice(["reflectance", "absorbance"]),
    help="What the values are, if the tables do not say it; default: as the shape of the spectra shows.",
)
def import_(files: tuple[str, ...], output: Path, **options: str | None) -> None:
    """Read the tables of a library as they were delivered, and write one Parquet table.

    FILE is a CSV table, also with gzip, a zip archive or a folder; tables of the laboratory and of the sites are
    joined to the spectra by their ids.
    """
    from geosoil.workflows.library import import_library
    from geosoil_cli.progress import make_reporter

    with make_reporter() as progress:
        result = import_library(files, output, progress=progress, **options)  # type: ignore[arg-type]
    show(result)
