"""Join a table of labels, such as laboratory values, to spectra by their ids."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError
from geosoil.io.tables.columns import is_number_column
from geosoil.io.tables.numbers import as_numbers, has_value
from geosoil.io.tables.reader import list_ids, read_table, read_unique_ids, require_column

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.io.spectra.unify import Spectra
    from geosoil.io.tables.numbers import Decimal

ID_OF_LABELS = "label_id"  # the name of a column of ids that is called as the ids of spectra are
_NAMES = ("file", "sample_name")  # other columns of spectra by which labels may name them


def join_labels(
    spectra: Spectra,
    path: Path,
    *,
    id_column: str | None = None,
    layer: str | None = None,
    decimal: Decimal | None = None,
) -> Spectra:
    """Add the columns of a table of labels to spectra with the same id; all spectra are kept.

    Parameters
    ----------
    spectra : Spectra
        The spectra.
    path : Path
        The table, with one row per id.
    id_column : str, optional
        Its column of ids; default: the one that names most spectra.
    layer, decimal
        As in `geosoil.io.tables.reader.read_table`.

    Returns
    -------
    Spectra
        The spectra with the columns of labels. A column is of numbers if all its filled cells are numbers; cells of
        spectra without labels are empty. Notes say what did not match.

    Raises
    ------
    SamplesError
        If the table cannot be read, its ids are repeated, none of them names a spectrum, or a column has the name of
        one that the spectra have already.
    """
    table = read_table(path, layer, decimal)
    if id_column is not None:
        require_column(path, table, id_column)
    column, names = _match(spectra, table, id_column)
    if column is None or not len(names):
        shown = "column" if id_column is None else f"column {id_column}"
        raise SamplesError(
            path,
            problem=f"no {shown} names the spectra, such as {list_ids(spectra.ids[:3])}",
            expected="a column with the ids of the spectra",
            way_out="rename or add it, or name it with id_column (--id)",
        )
    keys = read_unique_ids(path, table[column])
    row = {key: i for i, key in enumerate(keys)}
    rows = np.array([row.get(name, -1) for name in names])
    labels = _take(table.drop(columns=[column, "geometry"], errors="ignore"), rows)
    if names != spectra.ids:
        labels.insert(0, ID_OF_LABELS if column in ("sample_id", "id") else column, names)
    taken = {"sample_id", *map(str, spectra.table.columns)} & set(map(str, labels.columns))
    if taken:
        raise SamplesError(
            path,
            found=f"a column {sorted(taken)[0]}, which the spectra have, too",
            expected="other names",
            way_out="rename or remove that column",
        )
    notes = _notes(spectra, path, names, rows, keys)
    joined = pd.concat([spectra.table.reset_index(drop=True), labels], axis=1)
    return replace(spectra, table=joined, notes=(*spectra.notes, *notes))


def _match(spectra: Spectra, table: pd.DataFrame, id_column: str | None) -> tuple[str | None, list[str]]:
    """Return the column of labels that names most spectra, and what it calls each spectrum."""
    candidates = [spectra.ids]
    for name in _NAMES:
        if name in spectra.table and spectra.table[name].notna().all():
            candidates.append(spectra.table[name].astype(str).tolist())
    best: tuple[int, str | None, list[str]] = (0, None, [])
    for column in [id_column] if id_column is not None else map(str, table.columns):
        cells = set(_texts(table[column]))
        for names in candidates:
            count = sum(name in cells for name in names)
            if count > best[0]:
                best = (count, column, names)
    return best[1], best[2]


def _texts(column: pd.Series) -> list[str]:
    """Return cells as ids: without spaces around them, and whole numbers without a decimal point."""
    return [str(int(cell) if isinstance(cell, float) and cell.is_integer() else cell).strip() for cell in column]


def _take(table: pd.DataFrame, rows: np.ndarray) -> pd.DataFrame:
    """Return the rows of labels, empty where the row is -1."""
    labels = {}
    for name in table.columns:
        column, numbers = table[name], as_numbers(table[name])
        filled = has_value(column)
        is_code = column[filled].astype(str).str.match(r"\s*0\d").any()  # 007 is a name
        if is_number_column(column) and not is_code and np.isfinite(numbers[filled]).all():
            values = np.array([*numbers, np.nan])
        else:
            values = np.array([*column.astype(object).where(filled, None), None], dtype=object)
        labels[str(name)] = values[rows]
    return pd.DataFrame(labels, index=range(len(rows)))


def _notes(spectra: Spectra, path: Path, names: list[str], rows: np.ndarray, keys: np.ndarray) -> list[str]:
    """Return lines on what did not match, and on labels that several spectra share."""
    n, notes = len(names), []
    without = [spectrum for spectrum, row in zip(spectra.ids, rows, strict=True) if row < 0]
    used = set(rows[rows >= 0].tolist())
    unused = [key for i, key in enumerate(keys) if i not in used]
    notes.append(f"{path.name}: labels for {n - len(without)} of {n} spectra")
    if without:
        notes.append(f"spectra without labels ({len(without)}): {list_ids(without)}")
    if unused:
        notes.append(f"rows of {path.name} without a spectrum ({len(unused)}): {list_ids(unused)}")
    shared = len(rows[rows >= 0]) - len(used)
    if shared:
        notes.append(f"spectra that share their labels with another one ({shared}): keep them in the same fold")
    return notes
