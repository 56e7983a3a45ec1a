"""`geosoil spectra`: one table from the files of spectrometers and a table of labels."""

from __future__ import annotations

from typing import Any

import click

from geosoil_cli.options import TABLE_OPTIONS, given, with_options
from geosoil_cli.printing import show
from geosoil_cli.verb import Verb

EXAMPLES = """
    geosoil spectra SCANS/ -o library.parquet --labels lab.xlsx
    geosoil spectra SCANS/ -o library.parquet --wavelengths 400:2500:5
"""


def _wavelengths(ctx: click.Context, option: click.Parameter, text: str | None) -> list[float] | None:
    """Return the wavelengths of a text such as `400:2500:5`, its end included."""
    if text is None:
        return None
    try:
        start, stop, step = (float(number) for number in text.split(":"))
        count = int((stop - start) / step + 1e-9) + 1
    except (ValueError, ZeroDivisionError, OverflowError) as error:
        raise click.UsageError(f"--wavelengths {text}: expected nm as START:STOP:STEP, such as 400:2500:5") from error
    if not (step > 0 and 2 <= count <= 100_000):
        raise click.UsageError(f"--wavelengths {text}: expected 2 to 100000 increasing wavelengths in nm")
    return [round(start + step * i, 6) for i in range(count)]


@click.command(cls=Verb, examples=EXAMPLES)
@click.argument("folder", metavar="FOLDER")
@click.option("-o", "--output", required=True, metavar="LIBRARY.parquet", help="Output table, one row per spectrum.")
@click.option("--labels", metavar="TABLE", help="Table of laboratory values, with one row per sample.")
@click.option("--id", "label_id", metavar="NAME", help="Column of ids in TABLE (default: the one that names spectra).")
@click.option(
    "--quantity",
    type=click.Choice(["reflectance", "absorbance"]),
    help="Quantity of the spectra (default: as the files say).",
)
@click.option("--scale", type=float, metavar="FACTOR", help="Factor for the values, 0.01 for percent.")
@click.option(
    "--wavelength-unit",
    type=click.Choice(["nm", "um", "cm-1"]),
    help="Unit of wavelengths (default: as the files say, or nm).",
)
@click.option(
    "--wavelengths",
    "wavelengths_nm",
    callback=_wavelengths,
    metavar="START:STOP:STEP",
    help="Bands in nm to which spectra are interpolated, for files with different wavelengths.",
)
@with_options(TABLE_OPTIONS)
def command(folder: str, output: str, **options: Any) -> None:
    """Collect the spectra of FOLDER, or of one file, and their labels in one table.

    Files may be mixed: ASD, Bruker OPUS, SPC, Spectral Evolution, SVC, JCAMP-DX, ENVI libraries, CSV, Excel, Parquet.
    Files that are not spectra are named.
    """
    from geosoil.workflows.spectra import collect_spectra

    result = collect_spectra(folder, output, **given(options))
    show(result, notes=result.notes)
