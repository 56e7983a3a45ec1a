"""Read text tables as spreadsheets, R and instruments write them: separators, encodings, decimal commas, row names."""

from __future__ import annotations

import codecs
import csv
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from geosoil.errors import SamplesError
from geosoil.io.tables.numbers import FORMAT, NumberFormat, check_decimal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from geosoil.io.tables.numbers import Decimal

TEXT_ENDINGS = (".csv", ".tsv", ".txt", ".dat")
ROW_NAMES = "row_names"  # the column of row names that R writes without a name
# Cells without data as R, Python and Excel write them, Excel also in German, French, Spanish and Italian.
NO_DATA = ("NA", "N/A", "n/a", "<NA>", "NaN", "nan", "NULL", "null", "None", "#N/A", "#NA", "#NV", "#N/D", "#N/D!")
_SEPARATORS = ("\t", ";", ",", "|", " ")  # in the order in which they are tried: a comma may be a decimal mark
HEAD_BYTES, _HEAD_LINES = 2**20, 100


@dataclass(frozen=True)
class TextTable:
    """How the text of a table is organised.

    Parameters
    ----------
    encoding, separator : str
    first_line : int
        The number of lines before the header.
    names : list of str
        The names of the columns; `row_names` where the header has no name for the first one.
    rows : list of list of str
        The first rows, for decisions.
    lines_before : int
        The number of lines of other text before the header.
    """

    encoding: str
    separator: str
    first_line: int
    names: list[str]
    rows: list[list[str]]
    lines_before: int = 0


def inspect_text(path: Path, is_header: Callable[[list[str]], bool] | None = None) -> TextTable:
    """Find encoding, separator and header of a table from its first lines.

    The header is the first line, or the first of which `is_header` says, given its cells, that it is one.

    Raises
    ------
    SamplesError
        If the file is empty or is not text.
    OSError
        If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
        is_whole = not file.read(1)
    return inspect_head(path, head, is_whole=is_whole, is_header=is_header)


def inspect_head(
    path: Path, head: bytes, *, is_whole: bool, is_header: Callable[[list[str]], bool] | None = None
) -> TextTable:
    """Find encoding, separator and header of a table from its first bytes, which may be all; see `inspect_text`."""
    encoding = _encoding(head)
    text = codecs.getincrementaldecoder(encoding)("replace").decode(head)
    if "\0" in text or not text.strip():
        raise _not_a_table(path, "it is not text" if text.strip() else "the file is empty")
    lines = [f"{line}\n" for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n")]
    lines = lines if is_whole or len(lines) < 2 else lines[:-1]
    first_line, separator, lines_before = 0, None, 0
    while not lines[first_line].strip():
        first_line += 1
    if re.match(r"sep=.\s*$", lines[first_line], re.IGNORECASE) and len(lines) > first_line + 1:  # a line for Excel
        separator, first_line = lines[first_line][4], first_line + 1
    if is_header is not None and separator is None:
        lines_before = _lines_before_header(lines[first_line : first_line + _HEAD_LINES], is_header)
        first_line += lines_before
    lines = lines[first_line : first_line + _HEAD_LINES]
    separator = separator or ("\t" if path.suffix.lower() == ".tsv" else _separator(lines))
    header, *rows = _records(lines, separator)
    if rows and all(len(row) == len(header) + 1 for row in rows):
        has_row_names = any(row[-1] for row in rows)  # as R's `write.table`; else only separators at the ends of rows
        header = ["", *header] if has_row_names else [*header, ""]
    names = [name.strip() for name in header]
    if names[0] == "" and ROW_NAMES not in names:
        names[0] = ROW_NAMES
    return TextTable(encoding, separator, first_line, names, rows, lines_before)


def read_text(path: Path, layout: TextTable, number_format: NumberFormat, **options: Any) -> pd.DataFrame:
    """Read all rows of a table, whose columns then know the number format; options are those of `pandas.read_csv`.

    Raises
    ------
    SamplesError
        If the rows do not have as many cells as the header.
    """
    try:
        frame = pd.read_csv(
            path,
            sep=r"\s+" if layout.separator == " " else layout.separator,
            encoding=layout.encoding,
            encoding_errors="strict" if layout.encoding.startswith("utf") else "replace",
            skiprows=layout.first_line,
            header=0,
            names=range(len(layout.names)),
            skipinitialspace=True,
            na_values=list(NO_DATA),
            **options,
        )
    except UnicodeDecodeError:
        if layout.encoding != "utf-8":
            raise _not_a_table(path, f"it is not {layout.encoding}") from None
        return read_text(path, replace(layout, encoding="cp1252"), number_format, **options)
    except (OSError, csv.Error, ValueError) as error:  # the errors of pandas are ValueErrors
        raise _not_a_table(path, (str(error).splitlines() or [type(error).__name__])[0]) from error
    if not isinstance(frame.index, pd.RangeIndex):
        raise _not_a_table(path, f"rows have more cells than the {len(layout.names)} names of the header")
    # Excel writes empty rows and columns.
    shown = [bool(name) or bool(frame[i].notna().any()) for i, name in enumerate(layout.names)]
    frame = frame if all(shown) else frame.loc[:, shown]
    if len(frame) and frame.iloc[-1].isna().all():
        frame = frame.iloc[: frame.notna().any(axis=1).to_numpy().nonzero()[0].max(initial=-1) + 1]
    frame.columns = pd.Index([name or f"column_{i + 1}" for i, name in enumerate(layout.names) if shown[i]])
    if ROW_NAMES in frame and frame[ROW_NAMES].astype(str).tolist() == [str(i + 1) for i in range(len(frame))]:
        frame = frame.drop(columns=ROW_NAMES)  # the numbers that R writes by default
    frame.attrs[FORMAT] = number_format
    return frame


def read_text_table(path: Path, decimal: Decimal | None = None) -> pd.DataFrame:
    """Read a table whose cells stay text, so that an id 007 does not become 7.

    Parameters
    ----------
    path : Path
        A table of text with one line of names.
    decimal : {".", ","}, optional
        The decimal mark of its numbers; default: as the numbers show.

    Returns
    -------
    pandas.DataFrame
        Cells of text, NaN where empty; `as_numbers` reads its columns by the number format of the file.

    Raises
    ------
    SamplesError
        If the file is not such a table.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "sites.csv"
    ...     _ = path.write_bytes("Höhe;SOC\\r\\n007;2,05\\r\\n".encode("cp1252"))
    ...     read_text_table(path).values.tolist()
    [['007', '2,05']]
    """
    check_decimal(path, decimal)
    layout = inspect_text(path)
    names = [
        f"{name}.{layout.names[:i].count(name)}" if name in layout.names[:i] and name else name
        for i, name in enumerate(layout.names)
    ]
    layout = replace(layout, names=names)
    cells = (cell for row in layout.rows for cell in row)
    frame = read_text(path, layout, NumberFormat.of(cells, separator=layout.separator, decimal=decimal), dtype=str)
    return frame.dropna(how="all", ignore_index=True)


def _not_a_table(path: Path, problem: str) -> SamplesError:
    return SamplesError(
        path,
        problem=f"not a readable table ({problem})",
        expected="rows of cells below one line of names, as CSV",
        way_out="export it again, as CSV in UTF-8",
    )


def _encoding(head: bytes) -> str:
    """Return the encoding of a byte order mark, else UTF-8 if it is valid, else that of Chinese or Western Windows."""
    for mark, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if head.startswith(mark):
            return encoding
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        # Chinese words are pairs of two high bytes, several in a row; accented letters are single or in short runs.
        runs = [len(run) for run in re.findall(rb"[\x80-\xff]+", head)]
        words = [len(word) for word in re.findall(rb"(?:[\xb0-\xf7][\xa1-\xfe])+", head)]
        return "gb18030" if runs == words and max(runs) >= 4 else "cp1252"
    return "utf-8"


def _lines_before_header(lines: list[str], is_header: Callable[[list[str]], bool]) -> int:
    """Return how many lines are before the first header, 0 if none is one."""
    for number, line in enumerate(lines):
        for separator in _SEPARATORS:
            with suppress(csv.Error):
                if any(is_header([cell.strip() for cell in cells]) for cells in _records([line], separator)):
                    return number
    return 0


def _records(lines: list[str], separator: str) -> list[list[str]]:
    """Return the cells of lines; blank lines are left out."""
    if separator == " ":
        lines = [f"{' '.join(line.split())}\n" for line in lines]
    return [row for row in csv.reader(lines, delimiter=separator, skipinitialspace=True) if row]


def _separator(lines: list[str]) -> str:
    """Return the first separator that divides all rows like the header, else the one that divides the header most."""
    divided = {}
    for separator in _SEPARATORS:
        with suppress(csv.Error):
            divided[separator] = [len(row) for row in _records(lines, separator)]
    for separator, (n_names, *n_cells) in divided.items():
        if n_names > 1 and len(set(n_cells)) <= 1 and set(n_cells) <= {n_names, n_names + 1}:
            return separator
    return max((separator for separator in divided if separator != " "), key=lambda name: divided[name][0], default=",")
