"""How well predictions agree with observations, and how a table of soil properties is described.

The field prints several things under one name; here R2 is 1 - SSE/SST (not the square of r), CCC is Lin's with n in
the variances, RPD takes the n-1 standard deviation, and bias is predicted - observed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    from collections.abc import Sequence


def regression_metrics(observed: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Measure how predicted `(n,)` agrees with observed `(n,)`, both in one unit.

    In that unit: rmse, mae and bias = mean(predicted - observed). Without unit:
    r2 = 1 - SSE/SST; r, Pearson's correlation; ccc and kge, see `concordance_correlation` and
    `kling_gupta_efficiency`; rpiq = interquartile range of the observed (type 7) / rmse (Bellon-Maurel et al. 2010);
    rpd = standard deviation of the observed (n-1) / rmse. NaN where a measure has no meaning: all without unit need
    two observations that differ, rpiq and rpd also an rmse above 0.
    Raises SamplesError on no rows, unequal lengths, NaN or infinite numbers.

    >>> metrics = regression_metrics(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 5.0]))
    >>> metrics["r2"], metrics["rmse"], metrics["rpiq"], metrics["bias"]
    (0.8, 0.5, 3.0, 0.25)
    """
    observed, predicted = _pairs(observed, predicted)
    error = predicted - observed
    rmse = math.sqrt(np.mean(error**2))
    varies = _varies(observed)
    quartile_1, quartile_3 = np.quantile(observed, [0.25, 0.75])
    return {
        "r2": float(1 - np.sum(error**2) / np.sum((observed - observed.mean()) ** 2)) if varies else math.nan,
        "r": pearson_correlation(observed, predicted),
        "rmse": rmse,
        "mae": float(np.mean(np.abs(error))),
        "rpiq": float(quartile_3 - quartile_1) / rmse if varies and rmse > 0 else math.nan,
        "rpd": float(np.std(observed, ddof=1)) / rmse if varies and rmse > 0 else math.nan,
        "ccc": concordance_correlation(observed, predicted),
        "bias": float(np.mean(error)),
        "kge": kling_gupta_efficiency(observed, predicted),
    }


def concordance_correlation(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return Lin's concordance correlation coefficient of observed and predicted `(n,)`, -1 to 1.

    2 cov / (var_o + var_p + (mean_o - mean_p)^2) with n in covariance and variances (Lin 1989, Biometrics 45, 255-268).
    NaN where the observed do not vary. Raises SamplesError as `regression_metrics` does.

    >>> round(concordance_correlation(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0])), 4)
    0.5714
    """
    observed, predicted = _pairs(observed, predicted)
    if not _varies(observed):
        return math.nan
    shift = observed.mean() - predicted.mean()
    covariance = np.mean((observed - observed.mean()) * (predicted - predicted.mean()))
    return float(2 * covariance / (observed.var() + predicted.var() + shift**2))


def kling_gupta_efficiency(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return the Kling-Gupta efficiency of predicted `(n,)` against observed `(n,)`, at most 1.

    1 - sqrt((r - 1)^2 + (sd_p / sd_o - 1)^2 + (mean_p / mean_o - 1)^2), the form of Gupta et al. (2009, J. Hydrol.
    377, 80-91). NaN where either does not vary, or the mean observed is 0. Raises as `regression_metrics` does.

    >>> kling_gupta_efficiency(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    0.5
    """
    observed, predicted = _pairs(observed, predicted)
    r, mean = pearson_correlation(observed, predicted), observed.mean()
    if math.isnan(r) or mean == 0:
        return math.nan
    return float(1 - math.hypot(r - 1, predicted.std() / observed.std() - 1, predicted.mean() / mean - 1))


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


def pearson_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation of x and y `(n,)`, -1 to 1; NaN where one does not vary.

    >>> pearson_correlation(np.array([1.0, 2.0, 4.0]), np.array([3.0, 2.0, 0.0]))
    -1.0
    """
    if not (_varies(x) and _varies(y)):
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(np.sum(x * y) / (np.linalg.norm(x) * np.linalg.norm(y)), -1, 1))


def _varies(x: np.ndarray) -> bool:
    return bool(
        x.std() > 4 * np.finfo(np.float64).eps * np.abs(x).max()
    )  # the mean of equal numbers is off by rounding


def _pairs(observed: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    observed, predicted = np.asarray(observed, dtype=np.float64), np.asarray(predicted, dtype=np.float64)
    if observed.ndim != 1 or observed.shape != predicted.shape or observed.size == 0:
        raise SamplesError(
            "metrics",
            found=f"observed of shape {observed.shape} and predicted of shape {predicted.shape}",
            expected="one prediction for each of one or more observations",
            way_out="give two columns of equal length",
        )
    n_bad = int(np.sum(~(np.isfinite(observed) & np.isfinite(predicted))))
    if n_bad:
        raise SamplesError(
            "metrics",
            found=f"NaN or infinite numbers in {n_bad} of {observed.size} pairs",
            expected="finite numbers",
            way_out="drop these pairs and say how many",
        )
    return observed, predicted


def _columns(table: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    absent = [name for name in columns if name not in table.columns]
    if absent:
        raise SamplesError(
            "table",
            found=f"no column {', '.join(absent)}",
            expected=f"columns {', '.join(columns)}",
            way_out=f"choose among {', '.join(map(str, table.columns))}",
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
