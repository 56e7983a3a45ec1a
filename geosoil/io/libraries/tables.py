"""Read the tables of a published library where they are: text, gzip, zip archives and folders, in batches of rows."""

from __future__ import annotations

import zipfile
import zlib
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import csv as arrow_csv

from geosoil.errors import SamplesError
from geosoil.io.input_paths import require_input
from geosoil.io.tables.delimited import HEAD_BYTES, NO_DATA, TEXT_ENDINGS, TextTable, inspect_head
from geosoil.io.tables.numbers import NumberFormat
from geosoil.io.tables.reader import EXCEL_ENDINGS, read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Progress = Callable[[int], None]

BLOCK_BYTES = 8 * 2**20  # of text that is parsed at once; a row must fit into it
MOST_COLUMNS = 50_000
ENDINGS = (*TEXT_ENDINGS, *(f"{ending}.gz" for ending in TEXT_ENDINGS), ".zip", *EXCEL_ENDINGS)
_UNREADABLE = (pa.ArrowException, OSError, EOFError, zlib.error, zipfile.BadZipFile, RuntimeError, NotImplementedError)


@dataclass(frozen=True)
class Batch:
    """Some rows of a table.

    Parameters
    ----------
    values : ndarray of shape (band, row), float32
        The numbers of the band columns that were asked for; NaN where a cell is empty.
    texts : mapping of int to list of str
        The cells of the other columns that were asked for, by their places; "" where a cell is empty.
    """

    values: np.ndarray
    texts: dict[int, list[str]]


@dataclass(frozen=True)
class LibraryTable:
    """A table of text, which may be compressed or in an archive.

    Parameters
    ----------
    path : Path
        The file.
    member : str
        Its name in a zip archive, or "".
    head : TextTable
        Its separator, encoding and names of columns.
    """

    path: Path
    member: str
    head: TextTable

    @property
    def where(self) -> str:
        """The table in messages."""
        return f"{self.path}/{self.member}" if self.member else str(self.path)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return self.head.names

    def read(self, bands: Sequence[int], others: Sequence[int], progress: Progress | None = None) -> Iterator[Batch]:
        """Yield batches of rows with the numbers of some columns and the texts of others, by places of columns.

        Raises
        ------
        SamplesError
            For a cell of a band that is not a number, rows of different lengths, or a damaged file.
        """
        kinds = {f"c{place}": pa.float32() for place in bands} | {f"c{place}": pa.binary() for place in others}
        cells = [row[place] for row in self.head.rows for place in bands[:50] if place < len(row)]
        decimal = NumberFormat.of(cells, separator=self.head.separator).decimal or "."
        try:
            with _opened(self.path, self.member) as (stream, position):
                reader = arrow_csv.open_csv(
                    stream,
                    arrow_csv.ReadOptions(
                        block_size=BLOCK_BYTES,
                        skip_rows=self.head.first_line + 1,
                        column_names=[f"c{place}" for place in range(len(self.names))],
                    ),
                    arrow_csv.ParseOptions(delimiter=self.head.separator),
                    arrow_csv.ConvertOptions(
                        column_types=kinds,
                        include_columns=list(kinds),
                        null_values=["", *NO_DATA],
                        strings_can_be_null=True,
                        check_utf8=False,
                        decimal_point=decimal,
                    ),
                )
                for batch in reader:
                    yield self._batch(batch, bands, others)
                    if progress is not None:
                        progress(position())
        except _UNREADABLE as error:
            raise self.unreadable(error) from error

    def _batch(self, batch: pa.RecordBatch, bands: Sequence[int], others: Sequence[int]) -> Batch:
        values = np.empty((len(bands), batch.num_rows), np.float32)
        for band, place in zip(values, bands, strict=True):
            band[:] = batch.column(f"c{place}").to_numpy(zero_copy_only=False)
        encoding = self.head.encoding
        return Batch(values, {place: _texts(batch.column(f"c{place}"), encoding) for place in others})

    def unreadable(self, error: Exception) -> SamplesError:
        """Return an error of this table from one of a reader."""
        text = str(error).replace("CSV parse error: ", "").partition("\n")[0]
        for place, name in reversed(list(enumerate(self.names))):
            text = text.replace(f"column #{place}:", f"column {name}:")
        if "straddling" in text:
            text = f"a row of more than {BLOCK_BYTES // 2**20} MiB"
        return SamplesError(self.where, problem=f"cannot be read ({text})", way_out="get the file again, or correct it")


def find_tables(paths: Sequence[Path]) -> list[LibraryTable | SheetTable]:
    """Return the tables of files, of zip archives and of folders, with their first rows.

    Raises
    ------
    SamplesError
        If there is none, or one cannot be read.
    """
    tables: list[LibraryTable | SheetTable] = []
    for path in paths:
        require_input(path, SamplesError, "a table of a spectral library", folders=True)
        files = sorted(file for file in path.iterdir() if _has_ending(file)) if path.is_dir() else [path]
        for file in files:
            tables += _tables_of(file)
        if not files:
            raise SamplesError(path, found="no table", expected=", ".join(ENDINGS), way_out="choose another folder")
    return tables


def _has_ending(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(ENDINGS)


def _tables_of(path: Path) -> list[LibraryTable | SheetTable]:
    if not _has_ending(path):
        raise SamplesError(
            path,
            found=f"a file named *{''.join(path.suffixes[-2:])}",
            expected=", ".join(ENDINGS),
            way_out="export it as CSV; R writes it by write.csv(x, file, row.names = FALSE)",
        )
    if path.suffix.lower() in EXCEL_ENDINGS:
        return [SheetTable(path, read_table(path).astype(object))]
    members = [""]
    try:
        if path.suffix.lower() == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = [
                    member.filename
                    for member in archive.infolist()
                    if member.filename.lower().endswith(TEXT_ENDINGS) and "__MACOSX" not in member.filename
                ]
        return [_inspected(path, member) for member in members]
    except _UNREADABLE as error:
        raise SamplesError(path, problem=f"cannot be read ({error})", way_out="get the file again") from error


def _inspected(path: Path, member: str) -> LibraryTable:
    with _opened(path, member) as (stream, _):
        head = stream.read(HEAD_BYTES)
        is_whole = not stream.read(1)
    layout = inspect_head(Path(f"{path}/{member}") if member else path, head, is_whole=is_whole)
    if len(layout.names) > MOST_COLUMNS or "16" in layout.encoding or "32" in layout.encoding:
        raise SamplesError(
            path,
            found=f"{len(layout.names)} columns in {layout.encoding}",
            expected=f"at most {MOST_COLUMNS} columns, in UTF-8 or a code of one byte for each letter",
            way_out="save it as CSV in UTF-8",
        )
    return LibraryTable(path, member, layout)


@contextmanager
def _opened(path: Path, member: str) -> Iterator[tuple[Any, Callable[[], int]]]:
    """Yield the text of a table as a stream, and a function that returns how many bytes of the file were read."""
    with ExitStack() as opened:
        raw: IO[bytes] = opened.enter_context(path.open("rb"))
        stream: Any = raw
        if member:
            archive = opened.enter_context(zipfile.ZipFile(raw))
            stream = opened.enter_context(archive.open(member))
        stream = opened.enter_context(pa.PythonFile(stream, mode="r"))
        if path.suffix.lower() == ".gz":
            stream = opened.enter_context(pa.CompressedInputStream(stream, "gzip"))
        yield stream, raw.tell


def _texts(column: pa.Array, encoding: str) -> list[str]:
    return [("" if cell is None else cell.decode(encoding, "replace").strip()) for cell in column.to_pylist()]


@dataclass(frozen=True)
class SheetTable:
    """A sheet of an Excel workbook, as tables of laboratory values are delivered.

    Parameters
    ----------
    path : Path
    frame : DataFrame
    """

    path: Path
    frame: pd.DataFrame

    @property
    def where(self) -> str:
        """The table in messages."""
        return str(self.path)

    @property
    def names(self) -> list[str]:
        """The names of the columns."""
        return [str(name) for name in self.frame.columns]

    def read(self, bands: Sequence[int], others: Sequence[int], progress: Progress | None = None) -> Iterator[Batch]:
        """Yield all rows as one batch; see `LibraryTable.read`."""
        values = self.frame.iloc[:, list(bands)].apply(pd.to_numeric, errors="coerce").to_numpy(np.float32).T
        texts = {
            place: ["" if pd.isna(cell) else str(cell).strip() for cell in self.frame.iloc[:, place]]
            for place in others
        }
        yield Batch(np.ascontiguousarray(values), texts)
        if progress is not None:
            progress(self.path.stat().st_size)
