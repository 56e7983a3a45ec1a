"""Write tables as CSV without text that a spreadsheet would execute as a formula."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from pathlib import Path

# What spreadsheets take for a formula; a number with its sign, such as -1.5e3, is none.
_FORMULA = re.compile(r"[=@\t\r\n]|[+-](?!\d*\.?\d*(?:[eE][+-]?\d+)?$)")


def write_csv(table: pd.DataFrame, path: Path, *, index_label: str | None = None) -> None:
    """Write a table as CSV, with numbers to six significant digits.

    Parameters
    ----------
    table : DataFrame
        Text cells and column names that a spreadsheet would execute as a formula are preceded by an apostrophe.
    path : path-like
        The file to write, normally the temporary file of `atomic_path`.
    index_label : str, optional
        The name of the column of the index; without it the index is left out.
    """
    without_formulas(table).to_csv(path, index=index_label is not None, index_label=index_label, float_format="%.6g")


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text cells and column names have an apostrophe in front of a formula.

    Examples
    --------
    >>> table = pd.DataFrame({"id": ["=1+1", "-7", "@SUM(A1)", "P-1"], "soc": [1.0, 2.0, 3.0, -4.0]})
    >>> without_formulas(table)["id"].tolist()
    ["'=1+1", '-7', "'@SUM(A1)", 'P-1']
    """
    table = table.rename(columns=_without_formula)
    texts = [name for name, kind in table.dtypes.items() if not pd.api.types.is_numeric_dtype(kind)]
    return table.assign(**{name: table[name].map(_without_formula) for name in texts}) if texts else table


def _without_formula(cell: object) -> object:
    return f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell
