"""Read tables of spectra from CSV, Excel or Parquet, where the names of band columns hold their wavelengths."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.band_names import PLAIN, BandColumns, find_band_columns, is_band_header, turn_rows
from geosoil.io.spectra.stored import Quantity, StoredSpectra
from geosoil.io.tables.delimited import ROW_NAMES, TEXT_ENDINGS, inspect_text, read_text
from geosoil.io.tables.numbers import DECIMAL_WAY_OUT, FORMAT, NumberFormat, as_numbers, check_decimal, is_ambiguous
from geosoil.io.tables.reader import EXCEL_ENDINGS, PARQUET_ENDINGS, read_table

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence
    from pathlib import Path

    from geosoil.io.tables.numbers import Decimal

TABLE_ENDINGS = (*TEXT_ENDINGS, *EXCEL_ENDINGS, *PARQUET_ENDINGS)
METADATA_KEY = b"geosoil"
SPECTRA_KINDS: dict[str, Quantity] = {
    "reflectance_fraction": "reflectance",
    "absorbance_log10_1_over_R": "absorbance",
}
# Numbers from below 2600 to about 4000 are likely wavenumbers of the mid infrared, and those from 4000 to 12500 of the
# near infrared, unless the table or the user says otherwise.
MIR_CM, NIR_CM = (3200, 8000), (3500, 12900)
BUFFER_BYTES = 65536  # of each column; without it, the columns of all rows are in memory at once
ID_COLUMNS = ("sample_id", "id", ROW_NAMES)


class NoBandsError(SamplesError):
    """A table has no columns of bands, or no rows."""


def read_spectra_table(
    path: Path,
    *,
    id_column: str | Sequence[str] | None = None,
    quantity: Quantity | None = None,
    decimal: Decimal | None = None,
    layer: str | None = None,
) -> StoredSpectra:
    """Read a table of spectra from text, Excel or Parquet, with a row per spectrum or a row per wavelength.

    Parameters
    ----------
    path : Path
        The table; columns whose names are numbers, with or without the same text around them, are bands.
    id_column, quantity, decimal, layer
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
    suffix, stated = path.suffix.lower(), None
    notes: tuple[str, ...] = ()
    check_decimal(path, decimal)
    if suffix in PARQUET_ENDINGS:
        frame, stated = _read_parquet(path, quantity)
    elif suffix in EXCEL_ENDINGS:
        frame = read_table(path, layer, decimal)
    else:
        frame, notes = _read_text(path, id_column, decimal)
    frame = frame if id_column is not None else turn_rows(path, frame)
    stored = replace(split_table(path, frame, id_column), notes=notes)
    return stored if stated is None else replace(stored, quantity=stated, nm_per_unit=1.0)  # as geosoil writes it


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
        # By default, pyarrow would hold the whole file in memory, and reading would take longer.
        file = pq.ParquetFile(path, buffer_size=BUFFER_BYTES, pre_buffer=False)
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
        return file.read().replace_schema_metadata(None).to_pandas(), stated
    except (pa.ArrowException, OSError, ValueError) as error:
        raise _not_parquet(path, error) from error


def _not_parquet(path: Path, error: Exception) -> SamplesError:
    return SamplesError(path, problem=f"not a valid Parquet file ({error})", way_out="write it again")


def _read_text(
    path: Path, id_column: str | Sequence[str] | None, decimal: Decimal | None
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read numbers as such, by the decimal mark that the bands show, and ids as text; note lines before the header."""
    layout = inspect_text(path, is_band_header)
    _refuse_duplicates(path, layout.names)
    bands = set(find_band_columns(path, layout.names).names)
    places = [i for i, name in enumerate(layout.names) if name in bands or len(bands) < 2]
    cells = (row[i] for row in layout.rows for i in places if i < len(row))
    number_format = NumberFormat.of(cells, separator=layout.separator, decimal=decimal)
    keys = [id_column] if isinstance(id_column, str) else list(id_column or ID_COLUMNS)
    as_text = {i: str for i, name in enumerate(layout.names) if name in keys}  # so that an id 007 does not become 7
    mark = number_format.decimal or "."
    frame = read_text(path, layout, number_format, dtype=as_text, decimal=mark, low_memory=False)
    before = layout.lines_before
    return frame, (f"{path.name}: {before} lines before the header are left out",) if before else ()


def _refuse_duplicates(path: Path, names: Sequence[str]) -> None:
    wavelength = pd.Index([float(name) for name in names if PLAIN.fullmatch(name)])
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


def split_table(path: Path, frame: pd.DataFrame, id_column: str | Sequence[str] | None) -> StoredSpectra:
    """Return the spectra of a table with a row per spectrum."""
    frame = frame.rename(columns=str)
    keys = id_keys(path, frame, id_column)
    bands = find_band_columns(path, list(frame.columns), keys)
    if len(bands.names) < 2 or not len(frame):
        raise NoBandsError(
            path,
            found=f"{len(bands.names)} band columns and {len(frame)} rows",
            expected="columns whose names are wavelengths, such as 450, X450 or 450 nm, and one row per spectrum",
            way_out="name band columns by their wavelength, or the first column `wavelength` if each row is one",
        )
    ids = join_ids(path, frame, keys)
    drop = bands.names + (keys if len(keys) == 1 else [])
    table = frame.drop(columns=drop).reset_index(drop=True)
    table.attrs = frame.attrs
    values = _numbers(path, frame[bands.names], frame.attrs.get(FORMAT, NumberFormat()))
    return StoredSpectra(
        bands.wavelength,
        values,
        ids,
        table,
        nm_per_unit=_nm_per_unit(path, bands),
        quantity=bands.quantity,
        named_unit=bands.unit,
    )


def _nm_per_unit(path: Path, bands: BandColumns) -> float | None:
    """Return 1 for nm, which is the default; None for numbers that are as likely to be wavenumbers in 1/cm."""
    low, high = bands.wavelength.min(), bands.wavelength.max()
    is_likely_wavenumber = (low < 2600 and MIR_CM[0] < high <= MIR_CM[1]) or NIR_CM[0] <= low < high <= NIR_CM[1]
    return None if bands.unit is None and is_likely_wavenumber else 1.0


def id_keys(path: Path, frame: pd.DataFrame, id_column: str | Sequence[str] | None) -> list[str]:
    """Return the columns of ids, none if the rows are numbered; raises SamplesError if one is missing."""
    keys = [id_column] if isinstance(id_column, str) else list(id_column or ())
    keys = [] if id_column == "" else keys or [name for name in ID_COLUMNS if name in frame][:1]
    missing = [key for key in keys if key not in frame]
    if missing:
        columns = ", ".join([str(name) for name in frame if not PLAIN.fullmatch(str(name))][:5])
        problem = f'column "{missing[0]}" is missing (columns: {columns})'
        raise SamplesError(path, problem=problem, way_out="specify another id_column")
    return keys


def join_ids(path: Path, frame: pd.DataFrame, keys: Sequence[str], first_row: int = 0) -> list[str]:
    """Return one id per row of a part of a table, numbered without a column; raises SamplesError if one is empty.

    Rows are counted from 1; `first_row` is how many are before the part.
    """
    if not keys:
        return [str(row) for row in range(first_row + 1, first_row + len(frame) + 1)]
    empty = np.flatnonzero(frame[list(keys)].isna().to_numpy().any(axis=1))
    if empty.size:
        row = first_row + empty[0] + 1
        raise SamplesError(path, found=f"no id in row {row}", expected="an id in every row", way_out="add it")
    return ["/".join(map(_text, row)) for row in zip(*(frame[key] for key in keys), strict=True)]


def _text(cell: object) -> str:
    """Return a cell of ids as text: bytes are UTF-8, and whole numbers have no decimal point."""
    if isinstance(cell, bytes):
        return cell.decode("utf-8", "replace")
    return str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell)


def _numbers(path: Path, bands: pd.DataFrame, number_format: NumberFormat) -> np.ndarray:
    """Return the cells of the band columns as float64; the first invalid cell raises SamplesError."""
    texts = [name for name, dtype in bands.dtypes.items() if dtype.kind not in "iuf"]
    if texts:
        bands = bands.astype(dict.fromkeys(texts, object))
        for name in texts:
            column = bands[name].astype(str)
            column.attrs[FORMAT] = number_format
            number = as_numbers(column)
            invalid = np.isnan(number) & bands[name].notna().to_numpy()
            _refuse_cell(path, bands, name, invalid, unclear=bool(invalid.any()) and is_ambiguous(column[invalid]))
            bands[name] = number
    values = bands.to_numpy(dtype=np.float64, na_value=np.nan)
    infinite = np.isinf(values)
    if infinite.any():
        column = int(np.flatnonzero(infinite.any(axis=0))[0])
        _refuse_cell(path, bands, bands.columns[column], infinite[:, column])
    return values


def _refuse_cell(
    path: Path, bands: pd.DataFrame, name: Hashable, invalid: np.ndarray, *, unclear: bool = False
) -> None:
    if invalid.any():
        row = int(np.flatnonzero(invalid)[0])
        raise SamplesError(
            path,
            found=f"{str(bands[name].iloc[row])!r} in column {name!r}, row {row + 1}",
            expected="a number with a mark that is clearly a decimal mark" if unclear else "a number or an empty cell",
            way_out=DECIMAL_WAY_OUT if unclear else "correct the cell, or leave it empty",
        )
