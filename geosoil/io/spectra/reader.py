"""Read spectra from CSV, Parquet, ASD and ENVI files; write them as Parquet."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.atomic import atomic_path
from geosoil.io.input_paths import require_input
from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM, NM_PER_UNIT
from geosoil.io.spectra.asd import read_asd
from geosoil.io.spectra.band_names import WavelengthUnit
from geosoil.io.spectra.envi_library import is_library_header, read_envi_library
from geosoil.io.spectra.stored import Quantity, StoredSpectra
from geosoil.io.spectra.table import METADATA_KEY, SPECTRA_KINDS, TABLE_ENDINGS, read_spectra_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.io.tables.numbers import Decimal

# The largest plausible median of reflectance as a fraction: bright targets and noise exceed 1, but the median rarely
# does. Percent is far above, and absorbance of dark soil just above.
LARGEST_MEDIAN_REFLECTANCE = 1.2
ROWS_OF_MEDIAN = 100  # enough rows for a typical value
LEAST_REFLECTANCE = -1  # noise may be below 0; values below -1 are codes for no data


# The only list of the endings of spectra.
ENVI_ENDINGS, ASD_ENDING = (".sli", ".hdr"), ".asd"
SPECTRA_ENDINGS = (*TABLE_ENDINGS, ASD_ENDING, *ENVI_ENDINGS)


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra with their ids and the other columns of their file.

    Attributes
    ----------
    wavelength_nm : numpy.ndarray
        `(band,)` float64 increasing wavelengths in nm.
    values : numpy.ndarray
        `(sample, band)` float32 reflectance as a fraction, or absorbance log10(1/R); NaN where nothing was measured.
    ids : list of str
        One id per sample.
    table : pandas.DataFrame
        `(sample, column)` the other columns.
    quantity : {"reflectance", "absorbance"}
        What the values are.
    source : Path
        The file or folder.

    Raises
    ------
    SamplesError
        If the shapes do not match.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> spectra = Spectra(np.array([400.0, 500.0]), np.array([[0.1, 0.2]], np.float32), ["a"],
    ...                   pd.DataFrame({"soc_pct": [1.2]}), "reflectance", Path("a.csv"))
    >>> spectra.values.shape
    (1, 2)
    """

    wavelength_nm: np.ndarray
    values: np.ndarray
    ids: list[str]
    table: pd.DataFrame
    quantity: Quantity
    source: Path

    def __post_init__(self) -> None:
        expected = (len(self.ids), len(self.wavelength_nm))
        if self.values.shape != expected or len(self.table) != len(self.ids):
            raise SamplesError(
                self.source,
                found=f"values {self.values.shape} and a table of {len(self.table)} rows",
                expected=f"{expected}: one row per id, one column per wavelength",
                way_out="select the same rows of all of them",
            )


def is_spectra(path: str | Path) -> bool:
    """Return whether `read_spectra` can read a path, judged by its ending and, for ENVI headers, its kind.

    Examples
    --------
    >>> is_spectra("library.PQ"), is_spectra("cube.tif")
    (True, False)
    """
    path = Path(path)
    if path.is_dir():
        return any(file.suffix.lower() == ASD_ENDING for file in path.iterdir())
    if path.suffix.lower() == ".hdr":
        return is_library_header(path)
    return path.suffix.lower() in SPECTRA_ENDINGS


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
    suffix = path.suffix.lower()
    if path.is_dir() or suffix == ASD_ENDING:
        stored = _read_asd_files(path)
    elif suffix in ENVI_ENDINGS:
        stored = read_envi_library(path)
    elif suffix in TABLE_ENDINGS:
        stored = read_spectra_table(path, id_column=id_column, quantity=quantity, decimal=decimal, layer=layer)
    else:
        raise SamplesError(
            path,
            found=f"a file named *{suffix}",
            expected=f"{', '.join(SPECTRA_ENDINGS)} or a folder of {ASD_ENDING}",
            way_out="convert it to one of these",
        )
    spectra = unify_spectra(path, stored, quantity, scale, wavelength_unit)
    if np.isnan(spectra.values).all():
        raise SamplesError(path, found="only empty cells in the bands", expected="spectra", way_out="check the file")
    if unique_ids:
        _check_ids(path, stored.ids)
    return spectra


def unify_spectra(
    path: Path,
    stored: StoredSpectra,
    quantity: Quantity | None = None,
    scale: float | None = None,
    wavelength_unit: WavelengthUnit | None = None,
) -> Spectra:
    """Return stored spectra with increasing wavelengths in nm and checked values; see `read_spectra`."""
    if stored.quantity and quantity and stored.quantity != quantity:
        raise UnitsError(
            path,
            found=f"{stored.quantity}, as the file says",
            expected=f"{quantity}, as specified",
            way_out="remove quantity=",
        )
    quantity = stored.quantity or quantity or "reflectance"
    order, wavelength_nm = _sort_bands(path, stored, wavelength_unit)
    values, scale = stored.values, stored.scale if scale is None else scale
    if (np.diff(order) != 1).any():
        values = values[:, order]
    if scale != 1:
        values = values * scale
    _check_values(path, values, quantity)
    return Spectra(wavelength_nm, values.astype(np.float32, copy=False), stored.ids, stored.table, quantity, path)


def write_spectra(spectra: Spectra, path: str | Path) -> None:
    """Write spectra to a Parquet file that `read_spectra` reads: ids in `sample_id`, one column per band.

    Parameters
    ----------
    spectra : Spectra
        The spectra.
    path : path-like
        The file to create or replace.

    Raises
    ------
    OutputError
        If the file cannot be written.
    SamplesError
        If `spectra.table` already has a column of one of the names.

    Examples
    --------
    >>> import tempfile
    >>> spectra = Spectra(np.array([400.0, 500.0]), np.array([[0.1, 0.2]], np.float32), ["a"],
    ...                   pd.DataFrame({"soc_pct": [1.2]}), "reflectance", Path("a.csv"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_spectra(spectra, Path(folder) / "a.parquet")
    ...     read_spectra(Path(folder) / "a.parquet").values
    array([[0.1, 0.2]], dtype=float32)
    """
    names = [_band_name(nm) for nm in spectra.wavelength_nm]
    taken = {"sample_id", *names} & set(map(str, spectra.table.columns))
    if taken:
        raise SamplesError(
            path, found=f"{sorted(taken)[0]!r} in the table", expected="other names", way_out="rename that column"
        )
    ids = pd.DataFrame({"sample_id": spectra.ids})
    bands = pd.DataFrame(np.asarray(spectra.values, dtype=np.float32), columns=names)
    table = pa.Table.from_pandas(
        pd.concat([ids, spectra.table.reset_index(drop=True), bands], axis=1), preserve_index=False
    )
    kind = next(kind for kind, quantity in SPECTRA_KINDS.items() if quantity == spectra.quantity)
    entries = json.dumps({"spectra_kind": kind, "source": spectra.source.name}).encode()
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), METADATA_KEY: entries})
    with atomic_path(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def _band_name(wavelength_nm: float) -> str:
    return repr(float(wavelength_nm)).removesuffix(".0")


def _read_asd_files(path: Path) -> StoredSpectra:
    """Return the spectra of one ASD file or of all ASD files in a folder."""
    files = sorted(p for p in path.iterdir() if p.suffix.lower() == ASD_ENDING) if path.is_dir() else [path]
    if not files:
        raise SamplesError(path, found="no .asd file", expected="a folder of .asd files", way_out="check the folder")
    read = [read_asd(file) for file in files]
    wavelength = read[0][0]
    for file, (other, _) in zip(files, read, strict=True):
        if not np.array_equal(other, wavelength):
            raise WavelengthError(
                file,
                found=f"{other.size} bands from {other[0]:g} to {other[-1]:g} nm",
                expected=f"{wavelength.size} from {wavelength[0]:g} to {wavelength[-1]:g} nm as in {files[0].name}",
                way_out="put files with different wavelengths into different folders",
            )
    return StoredSpectra(
        wavelength,
        np.stack([reflectance for _, reflectance in read]),
        [file.stem for file in files],
        pd.DataFrame({"file": [file.name for file in files]}),
        quantity="reflectance",
    )


def _sort_bands(
    path: Path, stored: StoredSpectra, wavelength_unit: WavelengthUnit | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of the bands by wavelength, and their sorted wavelengths in nm."""
    if stored.named_unit is not None and wavelength_unit not in (None, stored.named_unit):
        raise UnitsError(
            path,
            found=f"bands in {stored.named_unit}, as their names say",
            expected=f"{wavelength_unit}, as specified",
            way_out="remove wavelength_unit=",
        )
    nm = stored.wavelength
    if stored.named_unit is None and wavelength_unit == "cm-1":
        with np.errstate(divide="ignore"):
            nm = np.round(1e7 / nm, 6)
    elif stored.named_unit is None:
        nm_per_unit = NM_PER_UNIT[wavelength_unit] if wavelength_unit else stored.nm_per_unit
        if nm_per_unit is None:
            raise WavelengthError(
                path,
                found=f"wavelengths without unit, from {nm.min():g} to {nm.max():g}",
                expected="nm, um, or wavenumbers in 1/cm",
                way_out="specify wavelength_unit='nm', 'um' or 'cm-1' (in a recipe data.wavelength_unit)",
            )
        nm = nm if nm_per_unit == 1 else np.round(nm * nm_per_unit, 6)  # 2.201 um is not 2201.0000000000005 nm
    order = np.argsort(nm, kind="stable")
    nm = nm[order]
    if not (np.isfinite(nm).all() and nm[0] >= LOWEST_NM and nm[-1] <= HIGHEST_NM):
        raise WavelengthError(
            path,
            found=f"wavelengths from {nm[0]:g} to {nm[-1]:g} nm",
            expected=f"{LOWEST_NM:g} to {HIGHEST_NM:g} nm",
            way_out="name bands by wavelength; specify wavelength_unit='um' if they are in micrometres",
        )
    duplicate = np.flatnonzero(np.diff(nm) == 0)
    if duplicate.size:
        raise WavelengthError(
            path,
            found=f"two bands at {nm[duplicate[0]]:g} nm",
            expected="one per wavelength",
            way_out="remove one of them",
        )
    return order, nm


def _check_values(path: Path, values: np.ndarray, quantity: Quantity) -> None:
    # These ignore NaN and need no copy of the table.
    low, high = (float(ufunc.reduce(values, axis=None)) for ufunc in (np.fmin, np.fmax))
    if np.isinf(low) or np.isinf(high):
        raise SamplesError(
            path, found="an infinite value", expected="numbers", way_out="leave cells without data empty"
        )
    if np.isnan(low):
        return
    some = values[:: max(1, len(values) // ROWS_OF_MEDIAN)]
    typical = float(np.median(some[~np.isnan(some)])) if not np.isnan(some).all() else low
    if quantity == "reflectance" and typical > LARGEST_MEDIAN_REFLECTANCE:
        raise UnitsError(
            path,
            found=f"values with a median of {typical:g}",
            expected="reflectance as a fraction, 0 to 1",
            way_out="use scale=0.01 for percent, scale=0.0001 for reflectance x 10000, or quantity='absorbance'",
        )
    if quantity == "reflectance" and low <= LEAST_REFLECTANCE:
        raise UnitsError(
            path,
            found=f"a value of {low:g}",
            expected="reflectance as a fraction, 0 to 1",
            way_out="leave cells without data empty",
        )


def _check_ids(path: Path, ids: list[str]) -> None:
    duplicate = pd.Index(ids)[pd.Index(ids).duplicated()]
    if len(duplicate):
        raise SamplesError(
            path,
            found=f"the id {duplicate[0]!r} twice",
            expected="one row per id",
            way_out="specify another id_column, or several that are unique together",
        )
