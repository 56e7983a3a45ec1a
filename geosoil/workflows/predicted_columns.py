"""The columns of a table of predictions: their names, units and statistics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PredictedColumn:
    """A column of predictions.

    Attributes
    ----------
    name, unit : str
    n_values : int
        The number of rows with a value.
    minimum, maximum, mean : float
        NaN without values.
    """

    name: str
    unit: str
    n_values: int
    minimum: float
    maximum: float
    mean: float


class ColumnStatistics:
    """The least, the largest and the mean of values that come in chunks."""

    def __init__(self) -> None:
        self.count, self.sum, self.low, self.high = 0, 0.0, np.inf, -np.inf

    def add(self, values: np.ndarray) -> None:
        """Add values `(row,)`; those that are not finite are left out."""
        values = values[np.isfinite(values)].astype(np.float64)
        if values.size:
            self.count, self.sum = self.count + values.size, self.sum + float(values.sum())
            self.low, self.high = min(self.low, values.min()), max(self.high, values.max())

    def column(self, name: str, unit: str) -> PredictedColumn:
        """Return the statistics of all values under the name of their column."""
        if not self.count:
            return PredictedColumn(name, unit, 0, np.nan, np.nan, np.nan)
        return PredictedColumn(name, unit, self.count, float(self.low), float(self.high), self.sum / self.count)
