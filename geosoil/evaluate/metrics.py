"""How well predictions agree with observations: one table of metrics.

The field uses several definitions under one name. Here R2 is 1 - SSE/SST (not the square of r), CCC is Lin's with n in
the variances, RPD takes the n - 1 standard deviation, and bias is predicted - observed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Metric:
    """One entry of `METRICS`.

    Parameters
    ----------
    title : str
        Name in tables and figures.
    function : callable
        Takes observed and predicted, both of shape (n,), finite and in one unit, and returns a float.
    has_unit : bool
        Whether the value is in the unit of the target.
    meaning : str
        What it measures, in a sentence.
    """

    title: str
    function: Callable[[np.ndarray, np.ndarray], float]
    has_unit: bool
    meaning: str


def regression_metrics(observed: np.ndarray, predicted: np.ndarray) -> dict[str, float]:
    """Compute all metrics of `METRICS`.

    Parameters
    ----------
    observed, predicted : ndarray, shape (n,)
        Finite numbers in one unit.

    Returns
    -------
    dict of str to float
        rmse, mae and bias are in the unit of the target, the others have no unit. A metric is NaN where it has no
        meaning: those without unit need two observations that differ, rpiq and rpd also an rmse above 0.

    Raises
    ------
    SamplesError
        If there are no rows, the lengths differ, or a number is NaN or infinite.

    Examples
    --------
    >>> metrics = regression_metrics(np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0, 5.0]))
    >>> metrics["r2"], metrics["rmse"], metrics["rpiq"], metrics["bias"]
    (0.8, 0.5, 3.0, 0.25)
    """
    observed, predicted = _pairs(observed, predicted)
    return {name: metric.function(observed, predicted) for name, metric in METRICS.items()}


def _r2(observed: np.ndarray, predicted: np.ndarray) -> float:
    if not _varies(observed):
        return math.nan
    return float(1 - np.sum((predicted - observed) ** 2) / np.sum((observed - observed.mean()) ** 2))


def _rmse(observed: np.ndarray, predicted: np.ndarray) -> float:
    return math.sqrt(np.mean((predicted - observed) ** 2))


def _mae(observed: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean(np.abs(predicted - observed)))


def _bias(observed: np.ndarray, predicted: np.ndarray) -> float:
    return float(np.mean(predicted - observed))


def _rpiq(observed: np.ndarray, predicted: np.ndarray) -> float:
    rmse = _rmse(observed, predicted)
    if not _varies(observed) or rmse == 0:
        return math.nan
    quartile_1, quartile_3 = np.quantile(observed, [0.25, 0.75])
    return float(quartile_3 - quartile_1) / rmse


def _rpd(observed: np.ndarray, predicted: np.ndarray) -> float:
    rmse = _rmse(observed, predicted)
    return float(np.std(observed, ddof=1)) / rmse if _varies(observed) and rmse > 0 else math.nan


def concordance_correlation(observed: np.ndarray, predicted: np.ndarray) -> float:
    """Return Lin's concordance correlation coefficient, -1 to 1.

    Parameters
    ----------
    observed, predicted : ndarray, shape (n,)

    Returns
    -------
    float
        2 cov / (var_o + var_p + (mean_o - mean_p)^2), with n in covariance and variances; NaN if the observed do not
        vary.

    References
    ----------
    Lin (1989), Biometrics 45, 255-268.

    Examples
    --------
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
    """Return the Kling-Gupta efficiency, at most 1.

    Parameters
    ----------
    observed, predicted : ndarray, shape (n,)

    Returns
    -------
    float
        1 - sqrt((r - 1)^2 + (sd_p / sd_o - 1)^2 + (mean_p / mean_o - 1)^2); NaN if either does not vary or the mean
        observed is 0.

    References
    ----------
    Gupta et al. (2009), Journal of Hydrology 377, 80-91.

    Examples
    --------
    >>> kling_gupta_efficiency(np.array([1.0, 2.0, 3.0]), np.array([2.0, 3.0, 4.0]))
    0.5
    """
    observed, predicted = _pairs(observed, predicted)
    r, mean = pearson_correlation(observed, predicted), observed.mean()
    if math.isnan(r) or mean == 0:
        return math.nan
    return float(1 - math.hypot(r - 1, predicted.std() / observed.std() - 1, predicted.mean() / mean - 1))


def pearson_correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Return Pearson's correlation of x and y, both of shape (n,), -1 to 1; NaN if one does not vary.

    >>> round(pearson_correlation(np.array([1.0, 2.0, 4.0]), np.array([3.0, 2.0, 0.0])), 9)
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


ALL_DEPTHS = "all depths"
"""The name of the target of figures over all depths together."""
ALL_DEPTHS_MEANING = (
    "R2 of 'all depths' is high because it also contains the difference between depths, which is large and easy to "
    "predict; the single depths show how well a model distinguishes places."
)

METRICS: dict[str, Metric] = {
    "r2": Metric(
        "R²",
        _r2,
        False,
        "Coefficient of determination, 1 - SSE/SST: 1 is perfect, 0 is as good as predicting the mean.",
    ),
    "r": Metric("r", pearson_correlation, False, "Pearson's correlation of observed and predicted values."),
    "rmse": Metric("RMSE", _rmse, True, "Root mean square error."),
    "mae": Metric("MAE", _mae, True, "Mean absolute error."),
    "rpiq": Metric(
        "RPIQ",
        _rpiq,
        False,
        "Interquartile range of the observed values (type 7) divided by the RMSE (Bellon-Maurel et al. 2010).",
    ),
    "rpd": Metric("RPD", _rpd, False, "Standard deviation of the observed values (n - 1) divided by the RMSE."),
    "ccc": Metric("CCC", concordance_correlation, False, "Lin's concordance correlation: agreement with the 1:1 line."),
    "bias": Metric("bias", _bias, True, "Mean of predicted minus observed values."),
    "kge": Metric(
        "KGE",
        kling_gupta_efficiency,
        False,
        "Kling-Gupta efficiency: correlation, ratio of the standard deviations and ratio of the means in one number.",
    ),
}
"""The metrics of every validation."""
