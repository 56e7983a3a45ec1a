"""Read the content of files of spectrometers: bytes with a check of their size, and rows of numbers in text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    from pathlib import Path

MOST_BYTES = 2**30  # larger files are not those of one measurement
MOST_BANDS = 2**20
_NUMBER = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
_ROW = re.compile(rf"\s*{_NUMBER}(?:[\s;]+{_NUMBER})*[\s;]*")


def read_content(path: Path) -> bytes:
    """Return all bytes of a file.

    Raises
    ------
    SamplesError
        If the file cannot be read, or is larger than files of spectrometers are.
    """
    try:
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise SamplesError(
                path,
                found=f"a file of {size / 2**30:.1f} GiB",
                expected=f"at most {MOST_BYTES // 2**30} GiB, as one measurement has",
                way_out="export it as a table",
            )
        return path.read_bytes()
    except OSError as error:
        raise SamplesError(
            path, problem=f"{error.strerror}", expected="a readable file", way_out="check the path"
        ) from error


def require_size(path: Path, content: bytes, size: int) -> None:
    """Raise SamplesError if a file is shorter than its header says."""
    if len(content) < size:
        raise SamplesError(
            path,
            found=f"{len(content)} bytes",
            expected=f"at least {size}, as its header says",
            way_out="the file is truncated: copy it again",
        )


def read_lines(path: Path) -> list[str]:
    """Return the lines of a text of an instrument, in UTF-8 or else Latin-1, without the ends of lines.

    Raises
    ------
    SamplesError
        If the file cannot be read or is not text.
    """
    content = read_content(path).removeprefix(b"\xef\xbb\xbf")
    if b"\0" in content:
        raise SamplesError(
            path, found="zero bytes", expected="a text file", way_out="it is damaged or has another format"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def number_rows(path: Path, lines: list[str], first_line: int, columns: int) -> np.ndarray:
    """Return rows of numbers, separated by spaces, tabs or semicolons, with decimal points or commas.

    Parameters
    ----------
    path : Path
        The file, for messages.
    lines : list of str
        The lines; empty ones are left out.
    first_line : int
        The number of the first of them in the file, from 1.
    columns : int
        The number of columns that every row has.

    Returns
    -------
    ndarray of shape (row, columns), float64

    Raises
    ------
    SamplesError
        If a line has another number of numbers, or other text.

    Examples
    --------
    >>> from pathlib import Path
    >>> number_rows(Path("a.sed"), [" 350,0\\t9,4758", "351,0\\t9,3972"], 1, 2).tolist()
    [[350.0, 9.4758], [351.0, 9.3972]]
    """
    rows = []
    for number, line in enumerate(lines, start=first_line):
        if not line.strip():
            continue
        text = line.replace(",", ".") if "," in line and "." not in line else line
        cells = re.split(r"[\s;]+", text.strip().rstrip(";"))
        if len(cells) != columns or not _ROW.fullmatch(text):
            raise SamplesError(
                path,
                found=f"{line.strip()[:40]!r} in line {number}",
                expected=f"{columns} numbers",
                way_out="the file is damaged: copy it or export it again",
            )
        rows.append([float(cell) for cell in cells])
    if len(rows) < 2 or len(rows) > MOST_BANDS:
        raise SamplesError(
            path, found=f"{len(rows)} rows of numbers", expected="two or more bands", way_out="export the file again"
        )
    return np.array(rows)


def stored_numbers(
    content: bytes, dtype: str | np.dtype, count: int, first_byte: int, factor: float = 1.0
) -> np.ndarray:
    """Return binary numbers as float64 times a factor; damaged ones may be NaN or infinite.

    >>> stored_numbers(b"\\x02\\x00\\x04\\x00", "<i2", 2, 0, 0.5).tolist()
    [1.0, 2.0]
    """
    with np.errstate(all="ignore"):
        return np.frombuffer(content, dtype, count, first_byte).astype(np.float64) * factor


def even_axis(first: float, last: float, count: int) -> np.ndarray:
    """Return evenly spaced wavelengths or wavenumbers, not finite ones if the ends are damaged."""
    with np.errstate(all="ignore"):
        return np.linspace(first, last, count)
