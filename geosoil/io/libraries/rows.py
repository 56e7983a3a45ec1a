"""Rows of a published library: repeated scans, empty cells, numbers in text, and joined tables of the laboratory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.libraries.layout import NUMBERS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from geosoil.io.libraries.layout import Layout, LibraryKind
    from geosoil.io.libraries.tables import Batch, LibraryTable, SheetTable
    from geosoil.io.spectra.stored import Quantity

NO_VALUE = {"reflectance": -1.0, "absorbance": -10.0}  # values below are codes for no data
LARGEST_MEDIAN = 1.2  # of reflectance as a fraction; see `geosoil.io.spectra.reader`


@dataclass
class Rows:
    """Some rows of a library.

    Parameters
    ----------
    keys : list of str
        What joins tables, one key per row.
    values : ndarray of shape (band, row), float32
    columns : dict of str to ndarray or list of str
        The other columns.
    """

    keys: list[str]
    values: np.ndarray
    columns: dict[str, Any]

    def __len__(self) -> int:
        return len(self.keys)

    def kept(self, rows: np.ndarray) -> Rows:
        """Return some of the rows, by their numbers."""
        columns = {
            name: cells[rows] if isinstance(cells, np.ndarray) else [cells[row] for row in rows]
            for name, cells in self.columns.items()
        }
        return Rows([self.keys[row] for row in rows], np.ascontiguousarray(self.values[:, rows]), columns)

    def followed_by(self, other: Rows) -> Rows:
        """Return these rows and those of another part of the same table."""
        columns = {
            name: np.concatenate([cells, other.columns[name]])
            if isinstance(cells, np.ndarray)
            else [*cells, *other.columns[name]]
            for name, cells in self.columns.items()
        }
        return Rows([*self.keys, *other.keys], np.concatenate([self.values, other.values], axis=1), columns)


@dataclass(frozen=True)
class Columns:
    """The columns of one table that become columns of the library.

    Parameters
    ----------
    layout : Layout
        The columns of the table.
    properties : mapping of int to str
        Places of soil properties, and the names of their columns.
    others : mapping of int to str
    """

    layout: Layout
    properties: dict[int, str]
    others: dict[int, str]

    @property
    def places(self) -> tuple[int, ...]:
        """All places that are read as text."""
        key = () if self.layout.key is None else (self.layout.key,)
        return tuple(dict.fromkeys((*key, *self.properties, *self.others)))

    def rows(self, batch: Batch, kind: LibraryKind, counts: Counter[str]) -> Rows:
        """Return a batch as rows of the library."""
        assert self.layout.key is not None
        columns: dict[str, Any] = {}
        for place, name in self.others.items():
            cells = batch.texts[place]
            columns[name] = numbers_of(cells, counts, name) if name in NUMBERS else cells
        for place, name in self.properties.items():
            numbers = numbers_of(batch.texts[place], counts, name)
            if kind.negative_is_empty:
                negative = numbers < 0
                counts["negative laboratory values that became empty"] += int(negative.sum())
                numbers[negative] = np.nan
            columns[name] = numbers
        return Rows([kind.key_of(text) for text in batch.texts[self.layout.key]], batch.values, columns)


def numbers_of(cells: Sequence[str], counts: Counter[str], name: str) -> np.ndarray:
    """Return cells of text as float64; text such as "< LOD" becomes NaN and is counted."""
    numbers = np.array(pd.to_numeric(pd.Series(cells, dtype=object), errors="coerce"), np.float64)
    texts = [row for row in np.flatnonzero(np.isnan(numbers)).tolist() if cells[row]]
    if texts:
        numbers[texts] = pd.to_numeric(pd.Series([cells[row].replace(",", ".") for row in texts]), errors="coerce")
    numbers[np.isinf(numbers)] = np.nan
    missing = int(np.isnan(numbers[texts]).sum())
    if missing:
        counts[f"cells of {name} with text, such as below a limit of detection, that became empty"] += missing
    return numbers


def average_scans(rows: Rows) -> Rows:
    """Return rows in which consecutive ones of the same key are one, with the mean of their spectra.

    >>> rows = Rows(["a", "a", "b"], np.array([[1.0, 3.0, 5.0]], np.float32), {"country": ["AT", "AT", "BE"]})
    >>> averaged = average_scans(rows)
    >>> averaged.keys, averaged.values.tolist(), averaged.columns["country"]
    (['a', 'b'], [[2.0, 5.0]], ['AT', 'BE'])
    """
    keys = np.array(rows.keys, dtype=object)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    if len(first) == len(rows):
        return rows
    known = np.isfinite(rows.values)
    sums = np.add.reduceat(np.where(known, rows.values, 0), first, axis=1, dtype=np.float64)
    numbers = np.add.reduceat(known, first, axis=1, dtype=np.int64)
    with np.errstate(invalid="ignore"):
        means = (sums / numbers).astype(np.float32)
    return Rows([rows.keys[row] for row in first], means, rows.kept(first).columns)


def shown_quantity(where: str, wavelength_nm: np.ndarray, values: np.ndarray) -> Quantity:
    """Return whether spectra of soils `(band, row)` are reflectance or absorbance, as their shape shows.

    Soils reflect less in the blue than in the near infrared.

    Raises
    ------
    UnitsError
        If it is not clear.
    """
    blue, infrared = ((wavelength_nm >= low) & (wavelength_nm <= high) for low, high in ((450, 550), (1200, 1300)))
    middle = [np.nanmedian(values[bands]) if bands.any() else np.nan for bands in (blue, infrared)]
    if middle[0] > 1.1 * middle[1] > 0:
        return "absorbance"
    if 0 < middle[0] < 0.9 * middle[1] and middle[1] <= LARGEST_MEDIAN:
        return "reflectance"
    raise UnitsError(
        where,
        found=f"a median of {middle[0]:.3g} from 450 to 550 nm and of {middle[1]:.3g} from 1200 to 1300 nm",
        expected="reflectance as a fraction, or absorbance log10(1/R)",
        way_out="state it by --quantity reflectance or --quantity absorbance",
    )


def require_plausible(where: str, values: np.ndarray, quantity: Quantity) -> None:
    """Raise UnitsError for reflectance that is not a fraction."""
    some = values[:, :: max(1, values.shape[1] // 100)]
    known = some[np.isfinite(some)]
    if quantity == "reflectance" and known.size and np.median(known) > LARGEST_MEDIAN:
        raise UnitsError(
            where,
            found=f"values with a median of {np.median(known):.3g}",
            expected="reflectance as a fraction, 0 to 1",
            way_out="convert the file, or state --quantity absorbance if it is absorbance",
        )


@dataclass
class Labels:
    """Tables of the laboratory and of the sites, joined by their keys.

    Parameters
    ----------
    names : list of str
        The columns that they add.
    tables : list of (Index, Rows)
        The keys of each table, without repetitions, and its rows.
    """

    names: list[str] = field(default_factory=list)
    tables: list[tuple[pd.Index, Rows]] = field(default_factory=list)

    def add(self, table: LibraryTable | SheetTable, columns: Columns, kind: LibraryKind, counts: Counter[str]) -> None:
        """Read a table; of rows with the same key the first one is kept."""
        read = None
        for batch in table.read((), columns.places):
            rows = columns.rows(batch, kind, counts)
            read = rows if read is None else read.followed_by(rows)
        if read is None:
            raise SamplesError(table.where, found="no row", expected="laboratory values", way_out="leave the table out")
        index = pd.Index(read.keys)
        repeated = index.duplicated()
        counts["rows of laboratory tables with an id that an earlier row has"] += int(repeated.sum())
        if repeated.any():
            read, index = read.kept(np.flatnonzero(~repeated)), index[~repeated]
        self.names += list(read.columns)
        self.tables.append((index, read))

    def join(self, rows: Rows, counts: Counter[str]) -> None:
        """Add the columns of all tables to rows, empty where a table has no such key."""
        for index, of_table in self.tables:
            at = index.get_indexer(pd.Index(rows.keys))
            counts["rows without laboratory values of their id"] += int((at < 0).sum())
            for name, cells in of_table.columns.items():
                if isinstance(cells, np.ndarray):
                    rows.columns[name] = np.where(at < 0, np.nan, cells[at])
                else:
                    rows.columns[name] = ["" if place < 0 else cells[place] for place in at]
