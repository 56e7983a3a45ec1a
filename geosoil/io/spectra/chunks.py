"""Read spectra in chunks of rows, so that a large Parquet table takes no more memory than one chunk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from geosoil.io.spectra.band_names import wavelength_column
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.table import id_keys, join_ids, open_parquet, split_table
from geosoil.io.spectra.unify import Spectra, unify_spectra
from geosoil.io.tables.reader import PARQUET_ENDINGS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geosoil.io.spectra.stored import Quantity, StoredSpectra, WavelengthUnit

CHUNK_ROWS = 4096


def iter_spectra(
    path: str | Path,
    *,
    rows: int = CHUNK_ROWS,
    id_column: str | Sequence[str] | None = None,
    quantity: Quantity | None = None,
    scale: float | None = None,
    wavelength_unit: WavelengthUnit | None = None,
) -> Iterator[Spectra]:
    """Read spectra in the order of their file, a Parquet table in chunks and any other file at once.

    Parameters
    ----------
    path, id_column, quantity, scale, wavelength_unit
        As in `read_spectra`. Ids may be repeated.
    rows : int
        The number of rows of a chunk.

    Yields
    ------
    Spectra
        Consecutive rows; `values` are stored band by band.

    Raises
    ------
    SamplesError, WavelengthError, UnitsError
        As `read_spectra`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "library.parquet"
    ...     pa.parquet.write_table(pa.table({"400": [0.1, 0.2, 0.3], "500": [0.2, 0.3, 0.4]}), path)
    ...     [part.ids for part in iter_spectra(path, rows=2)]
    [['1', '2'], ['3']]
    """
    path = Path(path)
    batches: Iterator[Any] = iter(())
    columns = None
    if path.suffix.lower() in PARQUET_ENDINGS and path.exists():
        file, stated = open_parquet(path, quantity)
        batches = file.iter_batches(batch_size=rows)
        first: Any = next(batches, None)
        if first is not None:
            columns = _columns(path, first, id_column)
    if columns is None:
        options: Any = {
            "id_column": id_column,
            "quantity": quantity,
            "scale": scale,
            "wavelength_unit": wavelength_unit,
        }
        yield read_spectra(path, unique_ids=False, **options)
        return
    first_row = 0
    for batch in chain((first,), batches):
        values = np.empty((len(columns.bands), batch.num_rows), np.float32)
        for band, place in zip(values, columns.bands, strict=True):
            band[:] = batch.column(place).to_numpy(zero_copy_only=False)  # an empty cell becomes NaN
        frame = _to_frame(batch.select(columns.others), types_mapper=pd.ArrowDtype)
        ids = join_ids(path, frame, columns.keys, first_row)
        table = frame.drop(columns=columns.keys if len(columns.keys) == 1 else [])
        stored = replace(columns.stored, values=values.T, ids=ids, table=table)
        if stated is not None:
            stored = replace(stored, quantity=stated, nm_per_unit=1.0)
        yield unify_spectra(path, stored, quantity, scale, wavelength_unit)
        first_row += batch.num_rows


@dataclass(frozen=True)
class _Columns:
    """The columns of a table of spectra: places of bands, the first spectrum, names of others, and ids among these."""

    bands: list[int]
    stored: StoredSpectra
    others: list[str]
    keys: list[str]


def _columns(path: Path, batch: pa.RecordBatch, id_column: str | Sequence[str] | None) -> _Columns | None:
    """Return the columns of a table, judged by its first row; None if its bands are not stored as numbers."""
    frame = _to_frame(batch.slice(0, 1))
    if id_column is None and wavelength_column(batch.schema.names) is not None:
        return None  # a table with a row per wavelength is read at once
    stored = split_table(path, frame, id_column)
    keys = id_keys(path, frame, id_column)
    names = batch.schema.names
    others = [name for name in names if name in keys or name in stored.table.columns]
    bands = [place for place, name in enumerate(names) if name not in others]
    types = [batch.schema.field(place).type for place in bands]
    if not all(pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in types):
        return None  # read at once, so that a cell that is not a number is reported with its row
    return _Columns(bands, stored, others, keys)


def _to_frame(batch: pa.RecordBatch, **options: Any) -> pd.DataFrame:
    """Return a table without what pandas wrote about it, which may be broken; it may have no column."""
    if not batch.num_columns:
        return pd.DataFrame(index=range(batch.num_rows))
    return pa.Table.from_batches([batch]).replace_schema_metadata(None).to_pandas(**options)
