"""Write the rows of a published library to a Parquet table, and count what its summary says."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.libraries.layout import NUMBERS
from geosoil.io.libraries.rows import NO_VALUE, require_plausible, shown_quantity
from geosoil.io.spectra.table import METADATA_KEY, SPECTRA_KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.io.libraries.layout import LibraryKind, Property, Scans
    from geosoil.io.libraries.rows import Labels, Rows
    from geosoil.io.spectra.stored import Quantity

ROW_GROUP_BYTES = 32 * 2**20  # of spectra
LOCATION = "location"  # the column that says how well a place is known: "point", "county" or ""


@dataclass(frozen=True)
class PropertySummary:
    """A column of a soil property: how many rows have a value, and the lowest, the highest and the mean one."""

    name: str
    property: Property
    source: str
    n_known: int
    low: float
    high: float
    mean: float


@dataclass(frozen=True)
class LibrarySummary:
    """What a library was and what was written.

    Parameters
    ----------
    kind : LibraryKind
    scans : str
        The kind of spectra that was written.
    other_scans : tuple of str
        Those that the tables hold, too.
    n_rows : int
        Rows with a spectrum that were written.
    n_read : int
        Rows that were read.
    wavelength_nm : ndarray of shape (band,)
    quantity : {"reflectance", "absorbance"}
    low, high : float
        The lowest and the highest value of the spectra.
    properties : tuple of PropertySummary
    locations : mapping of str to int
        Rows by how well their place is known: "point", "county" or "".
    notes : tuple of str
    """

    kind: LibraryKind
    scans: str
    other_scans: tuple[str, ...]
    n_rows: int
    n_read: int
    wavelength_nm: np.ndarray
    quantity: Quantity
    low: float
    high: float
    properties: tuple[PropertySummary, ...]
    locations: dict[str, int]
    notes: tuple[str, ...]


@dataclass
class LibraryWriter:
    """Collects rows, writes them in groups, and counts what the summary says."""

    output: Path
    scans: Scans
    kind: LibraryKind
    described: dict[str, tuple[Property, str]]
    labels: Labels
    quantity: Quantity | None
    counts: Counter[str]
    n_rows: int = 0
    limits: tuple[float, float] = (np.inf, -np.inf)
    _seen: Counter[str] = field(default_factory=Counter)
    _group: list[pa.Table] = field(default_factory=list)
    _statistics: dict[str, np.ndarray] = field(default_factory=dict)  # count, low, high, sum
    _locations: Counter[str] = field(default_factory=Counter)
    _file: pq.ParquetWriter | None = None
    _path: Any = None

    def opened(self, path: Path) -> LibraryWriter:
        """Return the writer of a file, which is opened with the first rows."""
        self._path = path
        return self

    def __enter__(self) -> LibraryWriter:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def put(self, rows: Rows, where: str) -> None:
        """Take rows of a table: those with a spectrum, in the unit and with the columns of the library."""
        rows = rows.kept(np.flatnonzero(np.isfinite(rows.values).any(axis=0)))
        if not len(rows):
            return
        values = rows.values
        if self.scans.scale != 1:
            values *= np.float32(self.scans.scale)
        if self.quantity is None:
            self.quantity = self.scans.quantity or shown_quantity(where, self.scans.wavelength_nm, values)
        elif self.scans.quantity is not None and self.quantity != self.scans.quantity:
            raise UnitsError(
                where,
                found=f"{self.scans.quantity}, as the names of the columns or the library say",
                expected=f"{self.quantity}, as specified",
                way_out="leave --quantity out",
            )
        codes = ~np.isfinite(values) | (values < NO_VALUE[self.quantity])
        self.counts["values of spectra that are codes for no data, and became empty"] += int(
            (codes & ~np.isnan(values)).sum()
        )
        values[codes] = np.nan
        require_plausible(where, values, self.quantity)
        self.labels.join(rows, self.counts)
        self._locate(rows)
        known = np.isfinite(values)
        if known.any():
            self.limits = (
                min(self.limits[0], float(values.min(where=known, initial=np.inf))),
                max(self.limits[1], float(values.max(where=known, initial=-np.inf))),
            )
        self.n_rows += len(rows)
        self._write(rows)

    def _locate(self, rows: Rows) -> None:
        """Add how well the place of each row is known; the centre of a county is never a place."""
        if not {"longitude", "county_longitude"} & set(rows.columns):
            return
        is_point, is_county = (self._are_known(rows, prefix) for prefix in ("", "county_"))
        for name in ("longitude", "latitude"):
            if name in rows.columns:
                rows.columns[name] = np.where(is_point, rows.columns[name], np.nan)
        rows.columns[LOCATION] = np.where(is_point, "point", np.where(is_county, "county", "")).tolist()
        self._locations.update(rows.columns[LOCATION])

    @staticmethod
    def _are_known(rows: Rows, prefix: str) -> np.ndarray:
        x, y = (rows.columns.get(f"{prefix}{name}") for name in ("longitude", "latitude"))
        if x is None or y is None:
            return np.zeros(len(rows), bool)
        return np.asarray((np.abs(x) <= 180) & (np.abs(y) <= 90) & ((x != 0) | (y != 0)))

    def _write(self, rows: Rows) -> None:
        ids = [self._unique(key) for key in rows.keys]
        repeated = sum(name != key for name, key in zip(ids, rows.keys, strict=True))
        self.counts["rows with an id that an earlier row has, which got /2, /3, ..."] += repeated
        arrays = {"sample_id": pa.array(ids, pa.string())}
        for name, cells in rows.columns.items():
            if name in self.described:
                self._count(name, cells)
            is_number = name in self.described or name in NUMBERS
            arrays[name] = pa.array(cells, pa.float64() if is_number else pa.string(), from_pandas=is_number)
        for nm, band in zip(self.scans.wavelength_nm, rows.values, strict=True):
            arrays[repr(float(nm)).removesuffix(".0")] = pa.array(band)
        self._group.append(pa.table(arrays))
        if sum(table.num_rows for table in self._group) * 4 * len(self.scans.wavelength_nm) > ROW_GROUP_BYTES:
            self._flush()

    def _unique(self, key: str) -> str:
        """Return an id that no earlier row has."""
        name = key
        while name in self._seen:
            self._seen[key] += 1
            name = f"{key}/{self._seen[key]}"
        self._seen[name] = 1
        return name

    def _count(self, name: str, cells: np.ndarray) -> None:
        known = cells[np.isfinite(cells)]
        if known.size:
            new = np.array([known.size, known.min(), known.max(), known.sum()])
            old = self._statistics.setdefault(name, np.array([0, np.inf, -np.inf, 0.0]))
            old[:] = old[0] + new[0], min(old[1], new[1]), max(old[2], new[2]), old[3] + new[3]

    def _flush(self) -> None:
        if not self._group:
            return
        table = pa.concat_tables(self._group)
        self._group = []
        if self._file is None:
            texts = [name for name, kind in zip(table.column_names, table.schema.types, strict=True)
                     if pa.types.is_string(kind)]  # fmt: skip
            schema = table.schema.with_metadata({METADATA_KEY: json.dumps(self._entries()).encode()})
            self._file = pq.ParquetWriter(self._path, schema, compression="zstd", use_dictionary=texts)
        self._file.write_table(table.replace_schema_metadata(self._file.schema.metadata))

    def _entries(self) -> dict[str, Any]:
        """Return what the file says about itself."""
        properties = {
            name: {"column": source, "method": found.method, "unit": found.unit}
            for name, (found, source) in self.described.items()
        }
        spectra_kind = next(name for name, quantity in SPECTRA_KINDS.items() if quantity == self.quantity)
        return {"spectra_kind": spectra_kind, "source": self.kind.title, "properties": properties}

    def finish(self, where: str) -> None:
        """Write the last rows; raises SamplesError if there is none."""
        self._flush()
        if not self.n_rows:
            raise SamplesError(where, found="no row with a spectrum", expected="spectra", way_out="choose another file")

    def summary(self, scans: str, others: tuple[str, ...]) -> LibrarySummary:
        """Return what was read and written."""
        assert self.quantity is not None
        n_read = self.counts.pop("rows")
        properties = []
        for name, (found, source) in self.described.items():
            count, low, high, total = self._statistics.get(name, np.array([0, np.nan, np.nan, np.nan]))
            mean = total / count if count else np.nan
            properties.append(PropertySummary(name, found, source, int(count), low, high, mean))
        notes = tuple(f"{count} {text}" for text, count in self.counts.items() if count)
        return LibrarySummary(
            self.kind,
            scans,
            others,
            self.n_rows,
            n_read,
            self.scans.wavelength_nm,
            self.quantity,
            *self.limits,
            tuple(properties),
            dict(self._locations),
            notes,
        )
