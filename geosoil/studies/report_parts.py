"""What the reports of several studies say alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.evaluate.statistics import descriptive_statistics

if TYPE_CHECKING:
    from collections.abc import Mapping

RETRANSFORMATION = {
    "none": "The target is learned in its own unit.",
    "naive": "Models learn ln(y) and give exp back (naive): the median of a log-normal, below its mean.",
    "smearing": "Models learn ln(y) and give exp back times Duan's smearing factor (of the training rows): the mean.",
}


def statistics_table(values: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Describe samples of different numbers, a row each; values `(n,)` by name, NaN where not known.

    Those of fewer than two known values are left out. Columns are those of `descriptive_statistics`.

    >>> statistics_table({"Pb": np.array([1.0, 3.0, np.nan]), "Zn": np.array([1.0])})[["n", "mean"]]
        n  mean
    Pb  2   2.0
    """
    known = {name: pd.DataFrame({name: column[np.isfinite(column)]}) for name, column in values.items()}
    rows = [descriptive_statistics(table, [name]) for name, table in known.items() if len(table) > 1]
    return pd.concat(rows) if rows else pd.DataFrame()
