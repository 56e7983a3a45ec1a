"""Numbers in the cells of tables: decimal points and commas, and separators of thousands."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Decimal = Literal[".", ","]
FORMAT = "geosoil_number_format"  # the key of a table's `attrs` under which its columns find their `NumberFormat`
DECIMAL_WAY_OUT = "give the decimal mark, for instance decimal=',' (in a recipe data.decimal, as an option --decimal)"
_SPACES = " \u00a0\u202f'\u2019"  # separators of thousands that no one takes for a decimal mark


def _grammar(decimal: str, group: str) -> re.Pattern[str]:
    """Return the pattern of a number with this decimal mark, and with or without separators of thousands."""
    grouped = rf"[1-9]\d{{0,2}}(?:[{group}{_SPACES}]\d{{3}})+"
    return re.compile(
        rf"[+-]?(?:(?:{grouped}|\d+)(?:{re.escape(decimal)}\d*)?|{re.escape(decimal)}\d+)(?:[eE][+-]?\d+)?"
    )


_GRAMMARS: dict[Decimal, re.Pattern[str]] = {".": _grammar(".", ","), ",": _grammar(",", ".")}


@dataclass(frozen=True)
class NumberFormat:
    """What is known about the numbers of a table of text.

    Parameters
    ----------
    decimal : {".", ","} or None
        The decimal mark of the file's numbers; None if they do not show it, or contradict each other.
    given : bool
        Whether the user gave the decimal mark.
    separator : str
        What separates the cells of the file.

    Examples
    --------
    >>> NumberFormat.of(["2,05", "1,234"], separator=";").decimal, NumberFormat.of(["1,234"]).decimal
    (',', None)
    """

    decimal: Decimal | None = None
    given: bool = False
    separator: str = ""

    @classmethod
    def of(cls, cells: Iterable[str], *, separator: str = "", decimal: Decimal | None = None) -> NumberFormat:
        """Return the format that cells of a file show, or the one that is given."""
        if decimal is not None:
            return cls(decimal, given=True, separator=separator)
        cells = [cell.strip() for cell in cells if "." in cell or "," in cell]
        marks = _certain_marks(cells)
        if not marks and separator == ";" and any("," in cell and _kinds(cell) for cell in cells):
            marks = {","}  # such files have semicolons because their commas are decimal marks
        return cls(marks.pop() if len(marks) == 1 else None, separator=separator)

    def of_column(self, cells: list[str]) -> Decimal | None:
        """Return the decimal mark of the cells of one column, or None if it is not certain.

        The cells decide, then those of the whole file, then its separator.
        """
        if self.given:
            return self.decimal
        marked = [cell for cell in cells if _is_marked(cell)]
        marks = _certain_marks(marked)
        if marks or not marked:
            return "." if not marks else marks.pop() if len(marks) == 1 else None
        has_comma, has_point = (any(mark in cell for cell in marked) for mark in ",.")
        if has_comma and has_point:
            return None
        if has_point:
            return None if self.decimal == "," else "."
        return "," if self.decimal == "," or (self.decimal is None and self.separator == ";") else None


def _kinds(cell: str) -> set[Decimal]:
    """Return the decimal marks with which a text is a number."""
    return {mark for mark, grammar in _GRAMMARS.items() if grammar.fullmatch(cell)}


def _is_marked(cell: str) -> bool:
    """Return whether a text is a number with a point or a comma."""
    return ("." in cell or "," in cell) and bool(_kinds(cell))


def _certain_marks(cells: Iterable[str]) -> set[Decimal]:
    """Return the decimal marks without which some cells would not be numbers: 2,05 needs a comma, 1,234 does not."""
    kinds = [_kinds(cell) for cell in cells if "." in cell or "," in cell]
    return {mark for kind in kinds if len(kind) == 1 for mark in kind}


def check_decimal(path: Path, decimal: str | None) -> None:
    """Raise SamplesError for a decimal mark other than a point or a comma."""
    if decimal is not None and decimal not in get_args(Decimal):
        raise SamplesError(path, found=f"decimal {decimal!r}", expected="'.' or ','", way_out="choose one")


def has_value(column: pd.Series) -> np.ndarray:
    """Return a mask `(row,)` of the cells that are not empty.

    >>> has_value(pd.Series(["1", " ", None])).tolist()
    [True, False, False]
    """
    return (column.notna() & (column.astype(str).str.strip() != "")).to_numpy()


def as_numbers(column: pd.Series) -> np.ndarray:
    """Return cells as float64 `(row,)`, NaN for cells that are empty or not a finite number.

    Decimal commas and separators of thousands are read where they are certain; see `NumberFormat`.

    >>> as_numbers(pd.Series(["1.5", "", "inf", "n.d."]))
    array([1.5, nan, nan, nan])
    >>> as_numbers(pd.Series(["2,05", "1.234,5"])), as_numbers(pd.Series(["1,234"]))
    (array([   2.05, 1234.5 ]), array([nan]))
    """
    values = _standard(column)
    if column.dtype.kind in "iufb":
        return values
    number_format: NumberFormat = column.attrs.get(FORMAT, NumberFormat())
    is_text = np.array([isinstance(cell, str) and cell.strip() != "" for cell in column], dtype=bool)
    if not (is_text & np.isnan(values)).any() and number_format.decimal != ",":
        return values
    cells = [cell.strip() for cell in column[is_text]]
    decimal = number_format.of_column(cells)
    if decimal is None:  # cells that are numbers with either mark are not certain
        values[is_text] = [
            np.nan if _is_marked(cell) and len(_kinds(cell)) > 1 else value
            for cell, value in zip(cells, values[is_text], strict=True)
        ]
        return values
    values[is_text] = _standard(pd.Series([_normal(cell, decimal) for cell in cells], dtype=object))
    return values


def is_ambiguous(column: pd.Series) -> bool:
    """Return whether numbers of a column have marks of which it is not certain what they mean."""
    if column.dtype.kind in "iufb":
        return False
    cells = [cell.strip() for cell in column if isinstance(cell, str)]
    return column.attrs.get(FORMAT, NumberFormat()).of_column(cells) is None


def _normal(cell: str, decimal: Decimal) -> str:
    """Return a number with a decimal point and without separators of thousands; other text is not changed.

    >>> _normal("1.234,5", ","), _normal("1 234.5", "."), _normal("2,05", ".")
    ('1234.5', '1234.5', '2,05')
    """
    if not _GRAMMARS[decimal].fullmatch(cell):
        return cell if decimal == "." or "." not in cell else ""
    groups = _SPACES + ("," if decimal == "." else ".")
    return cell.translate({ord(character): None for character in groups}).replace(decimal, ".")


def _standard(column: pd.Series) -> np.ndarray:
    values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)
