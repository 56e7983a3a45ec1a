"""What prediction intervals are worth: how often they cover, how wide they are, and where they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy.stats import beta

from geosoil.trust.conformal import check_level, is_possible
from geosoil.trust.intervals import fit_intervals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geosoil.trust.intervals import IntervalState, ValidRange
    from geosoil.trust.scores import Scores

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
CARD_LEVELS = (0.5, 0.8, 0.9, 0.95)
CONFIDENCE = 0.95


def nested_states(scores: Scores, *, logarithm: bool = False) -> Iterator[tuple[np.ndarray, IntervalState]]:
    """Yield, for each group, the mask of its scores and a state that is fitted to the scores of the other groups.

    Nothing is yielded for a single group.
    """
    groups = np.unique(scores.groups)
    for group in groups if len(groups) > 1 else ():
        inside = scores.groups == group
        yield inside, fit_intervals(scores.take(~inside), logarithm=logarithm)


def nested_bounds(
    scores: Scores, levels: Sequence[float], *, logarithm: bool = False, valid_range: ValidRange = (None, None)
) -> np.ndarray:
    """Return the interval of each score by a state that is fitted to the scores of the other groups alone.

    This shows what the intervals are worth: the state of the final model is fitted in the same way to all scores.

    Parameters
    ----------
    scores : Scores
    levels : sequence of float
    logarithm : bool
    valid_range : (float or None, float or None)

    Returns
    -------
    ndarray of shape (n_levels, 2, n_scores)
        NaN where the other groups have too few samples for a level.

    Examples
    --------
    >>> from geosoil.trust.scores import pool_scores
    >>> rng = np.random.default_rng(0)
    >>> predicted = rng.uniform(5, 10, (1, 400))
    >>> scores = pool_scores(predicted[0] + rng.normal(size=400), predicted, np.arange(400)[None] % 10)
    >>> lower, upper = nested_bounds(scores, [0.9])[0]
    >>> bool(0.85 < np.mean((lower <= scores.observed) & (scores.observed <= upper)) < 0.95)
    True
    """
    for level in levels:
        check_level(level)
    bounds = np.full((len(levels), 2, len(scores)), np.nan)
    for inside, state in nested_states(scores, logarithm=logarithm):
        tested = scores.take(inside)
        for k, level in enumerate(levels):
            if is_possible(level, state.n_samples):
                bounds[k][:, inside] = state.bounds(tested.predicted, [level], tested.indicators, valid_range)[0]
    return bounds


def nested_probabilities(scores: Scores, *, logarithm: bool = False) -> np.ndarray:
    """Return the probability (PIT) of each observed value by the state of the other groups, shape (n_scores,).

    A histogram of honest intervals is flat; one with high ends shows intervals that are too narrow, one with a high
    middle intervals that are too wide, and a slope shows bias.

    References
    ----------
    Gneiting, Balabdaoui & Raftery (2007), Probabilistic forecasts, calibration and sharpness.
    """
    values = np.full(len(scores), np.nan)
    for inside, state in nested_states(scores, logarithm=logarithm):
        tested = scores.take(inside)
        values[inside] = state.probability(tested.observed, tested.predicted, tested.indicators)
    return values


def interval_score(observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, level: float) -> np.ndarray:
    """Return the interval score: the width, plus 2 / (1 - level) times the distance of a value that lies outside.

    It is smallest, on average, for the true quantiles at half of the remaining share on each side.

    Parameters
    ----------
    observed, lower, upper : ndarray of shape (n,)
    level : float

    Returns
    -------
    ndarray of shape (n,)
        In the unit of the values.

    References
    ----------
    Gneiting & Raftery (2007), Strictly proper scoring rules, prediction, and estimation, equation 43.

    Examples
    --------
    >>> interval_score(np.array([1.0, 5.0]), np.zeros(2), np.full(2, 4.0), 0.9).round(6).tolist()
    [4.0, 24.0]
    """
    outside = np.maximum(lower - observed, 0) + np.maximum(observed - upper, 0)
    return (upper - lower) + 2 / (1 - check_level(level)) * outside


def coverage_range(n_inside: float, n: float, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact confidence interval of a coverage (Clopper & Pearson 1934).

    >>> [round(end, 3) for end in coverage_range(9, 10)]
    [0.555, 0.997]
    """
    tail = (1 - confidence) / 2
    low = 0.0 if n_inside == 0 else float(beta.ppf(tail, n_inside, n - n_inside + 1))
    high = 1.0 if n_inside == n else float(beta.ppf(1 - tail, n_inside + 1, n - n_inside))
    return low, high


def coverage_by_level(observed: np.ndarray, bounds: np.ndarray, levels: Sequence[float]) -> pd.DataFrame:
    """Return how often intervals of several levels hold the observed value, and how wide they are.

    Parameters
    ----------
    observed : ndarray of shape (n,)
    bounds : ndarray of shape (n_levels, 2, n)
        NaN where there is no interval.
    levels : sequence of float

    Returns
    -------
    DataFrame
        One row per level: level, n, covered with the ends of its 95 % confidence interval, below and above (shares of
        values outside on each side), mean_width and interval_score.

    Examples
    --------
    >>> bounds = np.array([[[0.0, 0.0], [2.0, 2.0]]])
    >>> coverage_by_level(np.array([1.0, 3.0]), bounds, [0.9])[["level", "n", "covered", "above"]].values.tolist()
    [[0.9, 2.0, 0.5, 0.5]]
    """
    return pd.DataFrame(
        [
            {"level": level, **_coverage(observed, ends[0], ends[1], level)}
            for level, ends in zip(levels, bounds, strict=True)
        ]
    )


def coverage_by_class(
    observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, classes: np.ndarray, level: float
) -> pd.DataFrame:
    """Return the coverage of intervals in each class: of dissimilarity, of predicted value, or block of a map.

    Parameters
    ----------
    observed, lower, upper : ndarray of shape (n,)
    classes : ndarray of shape (n,)
        The class of each row, for example from `value_classes`.
    level : float

    Returns
    -------
    DataFrame
        The columns of `coverage_by_level` with `class` instead of `level`, in the order of the classes.

    Examples
    --------
    >>> table = coverage_by_class(np.array([1.0, 3.0]), np.zeros(2), np.full(2, 2.0), np.array(["a", "b"]), 0.9)
    >>> table[["class", "covered"]].values.tolist()
    [['a', 1.0], ['b', 0.0]]
    """
    rows = []
    for name in np.unique(classes):
        chosen = classes == name
        rows.append({"class": name, **_coverage(observed[chosen], lower[chosen], upper[chosen], level)})
    return pd.DataFrame(rows)


def _coverage(observed: np.ndarray, lower: np.ndarray, upper: np.ndarray, level: float) -> dict[str, float]:
    known = np.isfinite(observed) & np.isfinite(lower) & np.isfinite(upper)
    y, low, high = observed[known], lower[known], upper[known]
    n = len(y)
    if n == 0:
        names = ("covered", "covered_low", "covered_high", "below", "above", "mean_width", "interval_score")
        return {"n": 0, **dict.fromkeys(names, np.nan)}
    below, above = y < low, y > high
    ends = coverage_range(int(n - below.sum() - above.sum()), n)
    return {
        "n": n,
        "covered": float(1 - below.mean() - above.mean()),
        "covered_low": ends[0],
        "covered_high": ends[1],
        "below": float(below.mean()),
        "above": float(above.mean()),
        "mean_width": float(np.mean(high - low)),
        "interval_score": float(np.mean(interval_score(y, low, high, level))),
    }


def value_classes(values: np.ndarray, n_classes: int = 4) -> np.ndarray:
    """Return the class from 0 of each value: classes hold nearly equal numbers, and equal values are not divided.

    >>> value_classes(np.array([5.0, 1.0, 2.0, 9.0]), 2).tolist()
    [1, 0, 0, 1]
    """
    limits = np.quantile(values[np.isfinite(values)], np.arange(1, n_classes) / n_classes)
    return np.searchsorted(np.unique(limits), values, side="left")


def error_profile(indicator: np.ndarray, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the expected absolute error as a function of the dissimilarity or another indicator that it grows with.

    The function is the isotonic regression of the absolute residuals: it never falls, and has no other setting.

    Parameters
    ----------
    indicator, residuals : ndarray of shape (n,)
        Of rows that the model has not learned from.

    Returns
    -------
    indicator, expected_error : ndarray of shape (n_points,)
        Points of a function that is linear between them.

    References
    ----------
    Meyer & Pebesma (2021), Predicting into unknown space?, section 2.3.

    Examples
    --------
    >>> x, error = error_profile(np.array([1.0, 2.0, 3.0, 4.0]), np.array([-1.0, 3.0, -1.0, 4.0]))
    >>> x.tolist(), error.tolist()
    ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 2.0, 4.0])
    """
    from sklearn.isotonic import IsotonicRegression

    fitted = IsotonicRegression().fit(indicator, np.abs(residuals))
    return fitted.X_thresholds_, fitted.y_thresholds_
