"""Standard errors of the values of samples, such as those that a laboratory states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import list_ids, read_numbers, require_column

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from geosoil.pipeline.part import TargetProperty


def read_standard_errors(
    path: Path, table: pd.DataFrame, ids: np.ndarray, targets: Sequence[TargetProperty], y: np.ndarray
) -> np.ndarray | None:
    """Return the standard errors of the values y, or None if no target names a column of them.

    Parameters
    ----------
    path : Path
        The table, for messages.
    table : DataFrame
    ids : ndarray of str, shape (n,)
    targets : sequence of TargetProperty
    y : ndarray, shape (n, n_targets)
        NaN where unknown.

    Returns
    -------
    ndarray, shape (n, n_targets), or None
        In the units of the targets; 0 for a target without such a column, and where a value is unknown.

    Raises
    ------
    SamplesError
        If a value has no standard error, or one below 0.
    """
    if all(target.standard_error is None for target in targets):
        return None
    errors = np.zeros(y.shape)
    for target, of_target, values in zip(targets, errors.T, y.T, strict=True):
        if target.standard_error is None:
            continue
        require_column(path, table, target.standard_error)
        numbers = read_numbers(path, table[target.standard_error], ids)
        known = np.isfinite(values)
        wrong = known & ~(np.isfinite(numbers) & (numbers >= 0))
        if wrong.any():
            raise SamplesError(
                path,
                found=f"a {target.standard_error} that is empty or below 0 for {list_ids(ids[wrong])}",
                expected=f"a standard error of 0 or more for each value of {target.column}",
                way_out="correct these cells, or remove standard_error from [target]",
            )
        of_target[known] = numbers[known]
    return errors


def describe_standard_errors(targets: Sequence[TargetProperty], y: np.ndarray, errors: np.ndarray | None) -> list[str]:
    """Return a note for each target whose values have standard errors.

    >>> from geosoil.pipeline.part import TargetProperty
    >>> target = TargetProperty(column="soc", unit="%", standard_error="soc_se")
    >>> describe_standard_errors([target], np.array([[1.0], [np.nan]]), np.array([[0.2], [0.0]]))
    ['the standard errors of soc are those of the column soc_se, with a median of 0.2 %']
    """
    notes = []
    for target, of_target, values in zip(targets, () if errors is None else errors.T, y.T, strict=False):
        if target.standard_error is not None:
            median = float(np.median(of_target[np.isfinite(values)]))
            notes.append(
                f"the standard errors of {target.column} are those of the column {target.standard_error}, with a "
                f"median of {median:.3g} {target.unit}".rstrip()
            )
    return notes
