"""Prediction intervals from the errors of rows that a model has not seen: the published constructions, on arrays.

All of them take a quantile of n scores by the finite-sample rule: at a level, the k-th smallest score with
k = ceil(level (n + 1)). A new value whose score is exchangeable with these n lies inside with a probability of at
least the level, whatever the model and the distribution.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from geosoil.errors import SamplesError

Bounds = tuple[np.ndarray, np.ndarray]
MOST_VALUES_AT_ONCE = 2**22  # of the matrix of new rows and training rows in `cross_interval`


def check_level(level: float | Fraction, where: object = "level") -> float:
    """Return the level of an interval; raises SamplesError unless it lies between 0 and 1.

    >>> check_level(0.9)
    0.9
    """
    number = float(level)
    if not 0 < number < 1:
        raise SamplesError(
            where,
            found=f"{level:g}",
            expected="a share larger than 0 and smaller than 1",
            way_out="give 0.9 for intervals that hold 90 % of the values",
        )
    return number


def conformal_rank(level: float | Fraction, n_scores: int) -> int:
    """Return k = ceil(level (n + 1)), computed in exact decimal arithmetic.

    In floating point 0.9 * 60 and similar products may exceed a whole number by rounding, which would give one rank
    too many.

    Parameters
    ----------
    level : float or Fraction
        Share of new values that the interval shall hold.
    n_scores : int
        Number of scores n.

    Returns
    -------
    int
        The rank, from 1. A rank of n + 1 means that n scores are too few for the level.

    Examples
    --------
    >>> conformal_rank(0.9, 59), conformal_rank(0.95, 19), conformal_rank(0.95, 18)
    (54, 19, 19)
    """
    return math.ceil(_exact(level) * (n_scores + 1))


def _exact(level: float | Fraction) -> Fraction:
    """Return the fraction that the decimal digits of a level state."""
    return level if isinstance(level, Fraction) else Fraction(repr(float(level)))


def widest_level(n_scores: int) -> float:
    """Return the highest level for which n scores are enough: n / (n + 1).

    >>> widest_level(19), widest_level(9)
    (0.95, 0.9)
    """
    return n_scores / (n_scores + 1)


def is_possible(level: float, n_scores: int) -> bool:
    """Return whether n scores are enough for a level.

    >>> is_possible(0.9, 9), is_possible(0.9, 8)
    (True, False)
    """
    return conformal_rank(level, n_scores) <= n_scores


def require_scores(level: float, n_scores: int, where: object = "level") -> None:
    """Raise SamplesError if n scores are too few for a level; the message names the highest level that they allow.

    >>> require_scores(0.9, 9)
    """
    check_level(level, where)
    if not is_possible(level, n_scores):
        needed = math.ceil(_exact(level) / (1 - _exact(level)))
        raise SamplesError(
            where,
            found=f"a level of {100 * level:g} % with {n_scores} scores of samples",
            expected=f"at least {needed} scores for this level",
            way_out=f"choose a level of at most {math.floor(1000 * widest_level(n_scores)) / 10:g} %, or add samples",
        )


def conformal_quantile(scores: np.ndarray, level: float | Fraction) -> float:
    """Return the k-th smallest score, k = ceil(level (n + 1)), or infinity if there are too few scores.

    Parameters
    ----------
    scores : ndarray of shape (n,)
    level : float or Fraction

    Returns
    -------
    float

    Examples
    --------
    >>> conformal_quantile(np.arange(1.0, 20.0), 0.9), conformal_quantile(np.arange(3.0), 0.9)
    (18.0, inf)
    """
    scores = np.asarray(scores, np.float64).ravel()
    check_level(level)
    rank = conformal_rank(level, len(scores))
    return math.inf if rank > len(scores) else float(np.partition(scores, rank - 1)[rank - 1])


def split_interval(
    predicted: np.ndarray,
    residuals: np.ndarray,
    level: float,
    *,
    scale: np.ndarray | float = 1.0,
    residual_scale: np.ndarray | float = 1.0,
) -> Bounds:
    """Return intervals of one width around predictions, or of a width in proportion to a scale (normalised).

    Parameters
    ----------
    predicted : ndarray of shape (m,)
        Predictions of new rows.
    residuals : ndarray of shape (n,)
        Observed minus predicted values of rows that the model has not learned from.
    level : float
    scale : ndarray of shape (m,), optional
        Expected size of the errors of the new rows, larger than 0.
    residual_scale : ndarray of shape (n,), optional
        The same of the rows with residuals.

    Returns
    -------
    lower, upper : ndarray of shape (m,)

    References
    ----------
    Lei, G'Sell, Rinaldo, Tibshirani & Wasserman (2018), Distribution-free predictive inference for regression.
    Papadopoulos, Gammerman & Vovk (2008), Normalized nonconformity measures for regression conformal prediction.

    Examples
    --------
    >>> lower, upper = split_interval(np.array([10.0]), np.array([-1.0, 2.0, 0.5]), 0.5)
    >>> lower.tolist(), upper.tolist()
    ([9.0], [11.0])
    """
    half = conformal_quantile(np.abs(residuals) / residual_scale, level) * np.asarray(scale)
    return predicted - half, predicted + half


def signed_interval(
    predicted: np.ndarray,
    residuals: np.ndarray,
    level: float,
    *,
    scale: np.ndarray | float = 1.0,
    residual_scale: np.ndarray | float = 1.0,
) -> Bounds:
    """Return intervals whose ends are quantiles of the signed residuals, each at half of the remaining share.

    The parameters are those of `split_interval`. The ranks are floor(a (n + 1)) and ceil((1 - a) (n + 1)) with
    a = (1 - level) / 2, so that they need twice as many scores as an interval from absolute residuals.

    Returns
    -------
    lower, upper : ndarray of shape (m,)

    References
    ----------
    Vovk, Shen, Manokhin & Xie (2019), Nonparametric predictive distributions based on conformal prediction.

    Examples
    --------
    >>> lower, upper = signed_interval(np.array([10.0]), np.array([-1.0, 0.0, 5.0]), 0.5)
    >>> lower.tolist(), upper.tolist()
    ([9.0], [15.0])
    """
    scores = np.asarray(residuals, np.float64) / residual_scale
    one_side = (1 + _exact(check_level(level))) / 2
    above, below = (conformal_quantile(sign * scores, one_side) for sign in (1, -1))
    return predicted - below * np.asarray(scale), predicted + above * np.asarray(scale)


def mondrian_interval(
    predicted: np.ndarray,
    classes: np.ndarray,
    residuals: np.ndarray,
    residual_classes: np.ndarray,
    level: float,
    *,
    scale: np.ndarray | float = 1.0,
    residual_scale: np.ndarray | float = 1.0,
) -> Bounds:
    """Return intervals whose quantile is that of the residuals of the same class.

    Parameters
    ----------
    predicted, classes : ndarray of shape (m,)
        Predictions of new rows, and the class of each.
    residuals, residual_classes : ndarray of shape (n,)
        Residuals, and the class of each.
    level : float
    scale, residual_scale : ndarray, optional
        As in `split_interval`.

    Returns
    -------
    lower, upper : ndarray of shape (m,)
        Infinite for a class with too few residuals.

    References
    ----------
    Boström & Johansson (2020), Mondrian conformal regressors.

    Examples
    --------
    >>> lower, upper = mondrian_interval(np.zeros(2), np.array([0, 1]), np.array([1.0, 3.0]), np.array([0, 1]), 0.5)
    >>> upper.tolist()
    [1.0, 3.0]
    """
    scores = np.abs(residuals) / residual_scale
    half = np.full(len(predicted), math.inf)
    for name in np.unique(classes):
        half[classes == name] = conformal_quantile(scores[residual_classes == name], level)
    half = half * scale
    return predicted - half, predicted + half


def cross_interval(fold_predictions: np.ndarray, folds: np.ndarray, residuals: np.ndarray, level: float) -> Bounds:
    """Return the intervals CV+, or jackknife+ where every row is a fold.

    Each training row i gives the two values f_i(x) - |r_i| and f_i(x) + |r_i|, where f_i is the model that has not
    learned from row i. The bounds are the k-th largest of the first and the k-th smallest of the second.

    Parameters
    ----------
    fold_predictions : ndarray of shape (n_folds, m)
        Predictions of the new rows by the model of each fold.
    folds : ndarray of int, shape (n,)
        The fold of each training row.
    residuals : ndarray of shape (n,)
        Residuals of the training rows under the model of their fold.
    level : float

    Returns
    -------
    lower, upper : ndarray of shape (m,)

    References
    ----------
    Barber, Candès, Ramdas & Tibshirani (2021), Predictive inference with the jackknife+.

    Examples
    --------
    >>> lower, upper = cross_interval(np.array([[10.0], [12.0]]), np.array([0, 1]), np.array([1.0, -2.0]), 0.6)
    >>> lower.tolist(), upper.tolist()
    ([9.0], [14.0])
    """
    size, n = np.abs(residuals), len(residuals)
    rank, m = conformal_rank(check_level(level), n), fold_predictions.shape[1]
    lower, upper = np.full(m, -math.inf), np.full(m, math.inf)
    if rank <= n:
        step = max(1, MOST_VALUES_AT_ONCE // n)
        for start in range(0, m, step):
            part = slice(start, start + step)
            by_row = fold_predictions[folds, part]
            lower[part] = np.partition(by_row - size[:, None], n - rank, axis=0)[n - rank]
            upper[part] = np.partition(by_row + size[:, None], rank - 1, axis=0)[rank - 1]
    return lower, upper


def quantile_interval(
    bounds: Bounds, calibration_bounds: Bounds, observed: np.ndarray, level: float, *, symmetric: bool = True
) -> Bounds:
    """Return conformalised quantiles (CQR): predicted quantiles, moved so that they hold the level.

    Parameters
    ----------
    bounds : (ndarray, ndarray) of shape (m,)
        Lower and upper quantiles of new rows.
    calibration_bounds : (ndarray, ndarray) of shape (n,)
        Those of rows that the model has not learned from.
    observed : ndarray of shape (n,)
        Their observed values.
    level : float
    symmetric : bool
        Whether both quantiles are moved by one distance; otherwise each by its own, at (1 + level) / 2.

    Returns
    -------
    lower, upper : ndarray of shape (m,)

    References
    ----------
    Romano, Patterson & Candès (2019), Conformalized quantile regression.

    Examples
    --------
    >>> low, high = np.array([0.0, 0.0, 0.0]), np.array([2.0, 2.0, 2.0])
    >>> lower, upper = quantile_interval((low, high), (low, high), np.array([1.0, 3.0, -2.0]), 0.5)
    >>> lower[0], upper[0]
    (np.float64(-1.0), np.float64(3.0))
    """
    below, above = calibration_bounds[0] - observed, observed - calibration_bounds[1]
    if symmetric:
        both = conformal_quantile(np.maximum(below, above), level)
        return bounds[0] - both, bounds[1] + both
    one_side = (1 + _exact(check_level(level))) / 2
    return bounds[0] - conformal_quantile(below, one_side), bounds[1] + conformal_quantile(above, one_side)
