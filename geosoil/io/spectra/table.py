"""Read tables of spectra from CSV or Parquet, where the names of band columns are their wavelengths."""

from __future__ import annotations

import csv
import json
import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.stored import Quantity, StoredSpectra

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

PARQUET_ENDINGS, TEXT_ENDINGS = (".parquet", ".pq"), (".csv", ".txt", ".tsv")
METADATA_KEY = b"geosoil"
SPECTRA_KINDS: dict[str, Quantity] = {
    "reflectance_fraction": "reflectance",
    "absorbance_log10_1_over_R": "absorbance",
}
BUFFER_BYTES = 65536  # of each column; without it, the columns of all rows are in memory at once
ID_COLUMNS = ("sample_id", "id")
BAND_NAME = re.compile(r"\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*")


def read_spectra_table(
    path: Path, *, id_column: str | Sequence[str] | None = None, quantity: Quantity | None = None
) -> StoredSpectra:
    """Read a CSV (comma, semicolon or tab) or Parquet table of spectra, one row per spectrum.

    Parameters
    ----------
    path : Path
        The table; a column whose name is a number is a band.
    id_column, quantity
        See `geosoil.io.spectra.reader.read_spectra`.

    Returns
    -------
    StoredSpectra
        The spectra in the order of the table's columns.

    Raises
    ------
    SamplesError
        If the file is not such a table.
    WavelengthError
        If two columns have the same wavelength.
    UnitsError
        If the file states an unknown quantity.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "library.csv"
    ...     _ = path.write_text("sample_id;soc_pct;500;400\\nS1;1.2;0.2;0.1\\n")
    ...     read_spectra_table(path).wavelength
    array([500., 400.])
    """
    if path.suffix.lower() in PARQUET_ENDINGS:
        frame, stored_quantity = _read_parquet(path, quantity)
    else:
        frame, stored_quantity = _read_csv(path, id_column), None
    return StoredSpectra(*split_table(path, frame, id_column), quantity=stored_quantity)


def open_parquet(path: Path, quantity: Quantity | None) -> tuple[pq.ParquetFile, Quantity | None]:
    """Open a Parquet table of spectra and return it with the quantity that the file states, or None.

    Raises
    ------
    SamplesError
        If the file is not valid, or names of columns are repeated.
    UnitsError
        If the file states an unknown quantity and none is given.
    """
    try:
        file = pq.ParquetFile(path, buffer_size=BUFFER_BYTES)
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from error
    _refuse_duplicates(path, file.schema_arrow.names)
    metadata = (file.schema_arrow.metadata or {}).get(METADATA_KEY)
    if metadata is None:
        return file, None
    try:
        entries = json.loads(metadata)
    except ValueError:
        entries = None
    kind = entries.get("spectra_kind") if isinstance(entries, dict) else "unreadable"
    kind = kind if kind is None else str(kind)
    if kind is not None and kind not in SPECTRA_KINDS and quantity is None:
        raise UnitsError(
            path,
            found=f"spectra_kind {kind!r} in the file's key `geosoil`",
            expected=" or ".join(SPECTRA_KINDS),
            way_out="specify quantity= (and scale=)",
        )
    return file, SPECTRA_KINDS.get(kind or "")


def _read_parquet(path: Path, quantity: Quantity | None) -> tuple[pd.DataFrame, Quantity | None]:
    file, stated = open_parquet(path, quantity)
    try:
        return file.read().to_pandas(ignore_metadata=True), stated
    except (pa.ArrowException, OSError) as error:
        raise _not_parquet(path, error) from error


def _not_parquet(path: Path, error: Exception) -> SamplesError:
    return SamplesError(path, problem=f"not a valid Parquet file ({error})", way_out="write it again")


def _read_csv(path: Path, id_column: str | Sequence[str] | None) -> pd.DataFrame:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            first = file.readline()
        separator = max(",;\t", key=first.count)
        header = next(csv.reader([first], delimiter=separator), [])
        _refuse_duplicates(path, header)  # pandas would rename a second column 500 to 500.1, another wavelength
        keys = [id_column] if isinstance(id_column, str) else list(id_column or ID_COLUMNS)
        as_text = {name: str for name in keys if name in header}  # so that an id 007 does not become 7
        frame = pd.read_csv(path, sep=separator, encoding="utf-8-sig", dtype=as_text, low_memory=False)
    except (OSError, UnicodeDecodeError, csv.Error, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise SamplesError(
            path,
            problem=f"not a readable table ({error})",
            expected="a CSV file with one header line, in UTF-8",
            way_out="export it again",
        ) from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise SamplesError(
            path,
            found=f"rows with more cells than the {len(header)} names of the header",
            expected="one name per column",
            way_out="add a name for the first column",
        )
    return frame


def _is_band(name: object) -> bool:
    return BAND_NAME.fullmatch(str(name)) is not None


def _refuse_duplicates(path: Path, names: Sequence[str]) -> None:
    wavelength = pd.Index([float(name) for name in names if _is_band(name)])
    if wavelength.has_duplicates:
        raise WavelengthError(
            path,
            found=f"two columns at wavelength {wavelength[wavelength.duplicated()][0]:g}",
            expected="one column per wavelength",
            way_out="remove one of them",
        )
    column = pd.Index([name for name in names if name])
    if column.has_duplicates:
        duplicate = column[column.duplicated()][0]
        raise SamplesError(
            path, found=f"two columns named {duplicate!r}", expected="unique names", way_out="rename one of them"
        )


def split_table(
    path: Path, frame: pd.DataFrame, id_column: str | Sequence[str] | None
) -> tuple[np.ndarray, np.ndarray, list[str], pd.DataFrame]:
    """Return wavelengths, values `(sample, band)` float64, ids and the other columns of a table of spectra."""
    keys = id_keys(path, frame, id_column)
    bands = [name for name in frame if _is_band(name) and name not in keys]
    if len(bands) < 2 or not len(frame):
        raise SamplesError(
            path,
            found=f"{len(bands)} band columns and {len(frame)} rows",
            expected="columns whose names are wavelengths, such as 450 or 450.5, and one row per spectrum",
            way_out="use the wavelength alone as the name of a band column",
        )
    ids = join_ids(path, frame, keys)
    values = _numbers(path, frame[bands])
    drop = bands + (keys if len(keys) == 1 else [])
    table = frame.drop(columns=drop).reset_index(drop=True)
    wavelength = np.array([float(name) for name in bands])
    return wavelength, values, ids, table


def id_keys(path: Path, frame: pd.DataFrame, id_column: str | Sequence[str] | None) -> list[str]:
    """Return the columns of ids, none if the rows are numbered; raises SamplesError if one is missing."""
    keys = [id_column] if isinstance(id_column, str) else list(id_column or ())
    keys = keys or [name for name in ID_COLUMNS if name in frame][:1]
    missing = [key for key in keys if key not in frame]
    if missing:
        columns = ", ".join([str(name) for name in frame if not _is_band(name)][:5])
        problem = f'column "{missing[0]}" is missing (columns: {columns})'
        raise SamplesError(path, problem=problem, way_out="specify another id_column")
    return keys


def join_ids(path: Path, frame: pd.DataFrame, keys: Sequence[str], first_row: int = 0) -> list[str]:
    """Return one id per row of a part of a table that starts at `first_row`; raises SamplesError if one is empty."""
    if not keys:
        return [str(row) for row in range(first_row, first_row + len(frame))]
    empty = np.flatnonzero(frame[list(keys)].isna().to_numpy().any(axis=1))
    if empty.size:
        row = first_row + empty[0] + 1
        raise SamplesError(path, found=f"no id in row {row}", expected="an id in every row", way_out="add it")
    return ["/".join(map(str, row)) for row in zip(*(frame[key] for key in keys), strict=True)]


def _numbers(path: Path, bands: pd.DataFrame) -> np.ndarray:
    """Return the cells of the band columns as float64; the first invalid cell raises SamplesError."""
    texts = [name for name, dtype in bands.dtypes.items() if dtype.kind not in "iuf"]
    if texts:
        bands = bands.astype(dict.fromkeys(texts, object))
        for name in texts:
            number = pd.to_numeric(bands[name].astype(str), errors="coerce")
            _refuse_cell(path, bands, name, (number.isna() & bands[name].notna()).to_numpy())
            bands[name] = number
    values = bands.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        column = int(np.flatnonzero(infinite.any(axis=0))[0])
        _refuse_cell(path, bands, bands.columns[column], infinite[:, column])
    return values


def _refuse_cell(path: Path, bands: pd.DataFrame, name: Hashable, invalid: np.ndarray) -> None:
    if invalid.any():
        row = int(np.flatnonzero(invalid)[0])
        raise SamplesError(
            path,
            found=f"{str(bands[name].iloc[row])!r} in column {name!r}, row {row + 1}",
            expected="a number or an empty cell",
            way_out="correct the cell, or leave it empty",
        )
