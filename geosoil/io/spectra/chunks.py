"""Read spectra in chunks of rows, so that a large Parquet table takes no more memory than one chunk."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa

from geosoil.io.spectra.reader import Spectra, read_spectra, unify_spectra
from geosoil.io.spectra.stored import StoredSpectra
from geosoil.io.spectra.table import PARQUET_ENDINGS, id_keys, join_ids, open_parquet, split_table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geosoil.io.spectra.reader import WavelengthUnit
    from geosoil.io.spectra.stored import Quantity

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
    [['0', '1'], ['2']]
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
        frame = pa.Table.from_batches([batch.select(columns.others)]).to_pandas(
            ignore_metadata=True, types_mapper=pd.ArrowDtype
        )
        ids = join_ids(path, frame, columns.keys, first_row)
        table = frame.drop(columns=columns.keys if len(columns.keys) == 1 else [])
        stored = StoredSpectra(columns.wavelength, values.T, ids, table, quantity=stated)
        yield unify_spectra(path, stored, quantity, scale, wavelength_unit)
        first_row += batch.num_rows


@dataclass(frozen=True)
class _Columns:
    """The columns of a table of spectra: places and wavelengths of bands, names of others, and ids among these."""

    bands: list[int]
    wavelength: np.ndarray
    others: list[str]
    keys: list[str]


def _columns(path: Path, batch: pa.RecordBatch, id_column: str | Sequence[str] | None) -> _Columns | None:
    """Return the columns of a table, judged by its first row; None if its bands are not stored as numbers."""
    frame = pa.Table.from_batches([batch.slice(0, 1)]).to_pandas(ignore_metadata=True)
    wavelength, _, _, table = split_table(path, frame, id_column)
    keys = id_keys(path, frame, id_column)
    names = batch.schema.names
    others = [name for name in names if name in keys or name in table.columns]
    bands = [place for place, name in enumerate(names) if name not in others]
    types = [batch.schema.field(place).type for place in bands]
    if not all(pa.types.is_floating(kind) or pa.types.is_integer(kind) for kind in types):
        return None  # read at once, so that a cell that is not a number is reported with its row
    return _Columns(bands, wavelength, others, keys)
