"""Read spectra from tables and from the files of instruments, one file or a folder of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.input_paths import require_input
from geosoil.io.spectra.envi_library import is_library_header
from geosoil.io.spectra.folder import has_spectra, read_folder, require_one_grid
from geosoil.io.spectra.formats import find_format, read_stored
from geosoil.io.spectra.stored import Quantity, WavelengthUnit
from geosoil.io.spectra.unify import Spectra, unify_spectra

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.io.tables.numbers import Decimal


def is_spectra(path: str | Path) -> bool:
    """Return whether `read_spectra` can read a path, judged by its first bytes, its ending, and the kind of a header.

    Examples
    --------
    >>> is_spectra("library.PQ"), is_spectra("cube.tif")
    (True, False)
    """
    path = Path(path)
    if path.is_dir():
        return has_spectra(path)
    form = find_format(path)
    return form is not None and (path.suffix.lower() != ".hdr" or is_library_header(path))


def read_spectra(
    path: str | Path,
    *,
    id_column: str | Sequence[str] | None = None,
    quantity: Quantity | None = None,
    scale: float | None = None,
    wavelength_unit: WavelengthUnit | None = None,
    unique_ids: bool = True,
    decimal: Decimal | None = None,
    layer: str | None = None,
) -> Spectra:
    """Read spectra, sorted by wavelength, from a table, ASD files or an ENVI spectral library.

    In a table, the columns whose names are numbers are bands, and the numbers are their wavelengths: 350, or with the
    same text around all numbers, as X350, spc.350, 350 nm or scan_visnir.350_ref. A table whose first column is named
    wavelength has a row per wavelength and a column per sample.

    Parameters
    ----------
    path : path-like
        A `.csv`, `.txt`, `.tsv`, `.xlsx` or `.parquet` table, an `.asd` file or a folder of them, or an ENVI `.sli` or
        `.hdr`.
    id_column : str or sequence of str, optional
        The column of ids, or several columns whose values are joined by "/". Default: `sample_id` or `id` if it
        exists, else the row numbers from 1, as for "". The ids of ASD and ENVI spectra are their names.
    quantity : {"reflectance", "absorbance"}, optional
        What the values are. Default: as the file says (Parquet key `geosoil`), else reflectance.
    scale : float, optional
        A factor for the values, 0.01 for percent. Default: as the file says, else 1.
    wavelength_unit : {"nm", "um", "cm-1"}, optional
        The unit of the wavelengths, or wavenumbers in 1/cm. Default: as the file says, else nm.
    unique_ids : bool
        Whether repeated ids are refused.
    decimal : {".", ","}, optional
        The decimal mark of a table of text. Default: as the numbers show.
    layer : str, optional
        The sheet of an Excel workbook with several.

    Returns
    -------
    Spectra
        Wavelengths in nm, values, ids and the other columns.

    Raises
    ------
    SamplesError
        If there are no bands or rows, cells that are not numbers, or duplicate ids.
    WavelengthError
        If wavelengths are repeated or out of range.
    UnitsError
        If values look like percent or codes for no data, or the file states another quantity.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "library.csv"
    ...     _ = path.write_text("sample_id,soc_pct,500,400\\nS1,1.2,20,10\\n")
    ...     spectra = read_spectra(path, scale=0.01)
    >>> spectra.ids, spectra.wavelength_nm, spectra.values
    (['S1'], array([400., 500.]), array([[0.1, 0.2]], dtype=float32))
    """
    path = require_input(path, SamplesError, "a file or folder of spectra", folders=True)
    check_options(path, quantity, scale, wavelength_unit)
    options: dict[str, Any] = {"id_column": id_column, "quantity": quantity, "decimal": decimal, "layer": layer}
    units: dict[str, Any] = {"quantity": quantity, "scale": scale, "wavelength_unit": wavelength_unit}
    if path.is_dir():
        spectra = require_one_grid(path, read_folder(path, options, units))
    else:
        spectra = unify_spectra(path, read_stored(path, find_format(path), options), **units)
    check_spectra(spectra, unique_ids=unique_ids)
    return spectra


def check_options(
    path: Path, quantity: str | None = None, scale: float | None = None, wavelength_unit: str | None = None
) -> None:
    """Raise UnitsError if an option of `read_spectra` has an invalid value."""
    if quantity is not None and quantity not in get_args(Quantity):
        raise UnitsError(
            path, found=f"quantity={quantity!r}", expected="reflectance or absorbance", way_out="choose one"
        )
    if wavelength_unit is not None and wavelength_unit not in get_args(WavelengthUnit):
        raise UnitsError(
            path, found=f"wavelength_unit={wavelength_unit!r}", expected="nm, um or cm-1", way_out="choose one"
        )
    if scale is not None and not 0 < scale < np.inf:
        raise UnitsError(path, found=f"scale={scale}", expected="a number above 0", way_out="use 0.01 for percent")


def check_spectra(spectra: Spectra, *, unique_ids: bool = True) -> None:
    """Raise SamplesError if all values are empty, or ids are repeated though they must not."""
    if np.isnan(spectra.values).all():
        raise SamplesError(
            spectra.source, found="only empty cells in the bands", expected="spectra", way_out="check the file"
        )
    if unique_ids:
        _check_ids(spectra.source, spectra.ids)


def _check_ids(path: Path, ids: list[str]) -> None:
    duplicate = pd.Index(ids)[pd.Index(ids).duplicated()]
    if len(duplicate):
        raise SamplesError(
            path,
            found=f"the id {duplicate[0]!r} twice",
            expected="one row per id",
            way_out="specify another id_column, or several that are unique together",
        )
