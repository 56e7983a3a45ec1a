"""Describe a table of soil properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError
from geosoil.evaluate.metrics import pearson_correlation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def descriptive_statistics(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Describe columns of a table: one row for each, with n, max, min, mean, sd, cv, kurtosis, skewness.

    max, min, mean and sd (n-1) in the unit of the column; cv = sd / mean, a fraction. kurtosis is the excess G2 and
    skewness G1, both corrected for sample size as Excel and SPSS give them: 0 for a normal distribution; NaN below 4
    and 3 values, cv where the mean is 0. Raises SamplesError on a column that is absent, not numeric or holds NaN.

    >>> soil = pd.DataFrame({"soc_pct": [1.0, 2.0, 3.0, 6.0]})
    >>> descriptive_statistics(soil, ["soc_pct"]).round(3).loc["soc_pct"].tolist()
    [4.0, 6.0, 1.0, 3.0, 2.16, 0.72, 1.5, 1.19]
    """
    values = _columns(table, columns)
    mean, sd = values.mean(), values.std(ddof=1)
    return pd.DataFrame(
        {
            "n": values.count(),
            "max": values.max(),
            "min": values.min(),
            "mean": mean,
            "sd": sd,
            "cv": sd / mean.where(mean != 0),
            "kurtosis": values.kurt(),
            "skewness": values.skew(),
        }
    )


def correlation_table(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return Pearson's correlation of every pair of columns, `(column, column)`; NaN where one does not vary.

    Raises SamplesError on a column that is absent, not numeric or holds NaN.

    >>> soil = pd.DataFrame({"soc_pct": [1.0, 2.0, 3.0], "clay_pct": [30.0, 20.0, 10.0]})
    >>> round(float(correlation_table(soil, ["soc_pct", "clay_pct"]).loc["soc_pct", "clay_pct"]), 12)
    -1.0
    """
    values = _columns(table, columns)
    pairs = [[pearson_correlation(values[a].to_numpy(), values[b].to_numpy()) for b in columns] for a in columns]
    return pd.DataFrame(pairs, index=list(columns), columns=list(columns))


def statistics_table(values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Describe samples of different sizes, one row each; values of fewer than two known numbers are left out.

    Parameters
    ----------
    values : mapping of str to ndarray, shape (n,)
        NaN where unknown.

    Returns
    -------
    DataFrame
        With the columns of `descriptive_statistics`.

    Examples
    --------
    >>> statistics_table({"Pb": np.array([1.0, 3.0, np.nan]), "Zn": np.array([1.0])})[["n", "mean"]]
        n  mean
    Pb  2   2.0
    """
    known = {name: pd.DataFrame({name: column[np.isfinite(column)]}) for name, column in values.items()}
    rows = [descriptive_statistics(table, [name]) for name, table in known.items() if len(table) > 1]
    return pd.concat(rows) if rows else pd.DataFrame()


def _columns(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise SamplesError(
            "table",
            problem=f"the columns {', '.join(absent)} are missing (columns: {', '.join(map(str, table.columns))})",
            way_out="choose others",
        )
    values = table[list(columns)]
    bad = [name for name in columns if not pd.api.types.is_numeric_dtype(values[name])]
    bad += [name for name in columns if name not in bad and not np.isfinite(values[name].astype(float)).all()]
    if bad or values.empty:
        raise SamplesError(
            "table",
            found=f"no finite number in some rows of {', '.join(bad)}" if bad else "no rows",
            expected="a number in every row",
            way_out="drop these rows or fill them first",
        )
    return values.astype(np.float64)
