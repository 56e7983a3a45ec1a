"""Confidence intervals and paired comparisons by resampling the samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

N_RESAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Interval:
    """An estimate with the ends of its confidence interval, and its standard error over the resamples."""

    estimate: float
    low: float
    high: float
    standard_error: float = np.nan


def mean_over_repeats(
    metric: Callable[[np.ndarray, np.ndarray], float], observed: np.ndarray, predicted: np.ndarray
) -> float:
    """Return the mean over repeats of a metric of the rows that each repeat tested.

    Parameters
    ----------
    metric : callable
        Takes observed and predicted of shape (n_tested,).
    observed : ndarray, shape (n,)
        NaN where unknown.
    predicted : ndarray, shape (n_repeats, n)
        NaN where a repeat did not test a row.

    Examples
    --------
    >>> bias = lambda observed, predicted: float(np.mean(predicted - observed))
    >>> mean_over_repeats(bias, np.array([1.0, 2.0]), np.array([[2.0, 3.0], [3.0, np.nan]]))
    1.5
    """
    values = []
    for repeat in predicted:
        tested = np.isfinite(repeat) & np.isfinite(observed)
        if tested.any():
            values.append(metric(observed[tested], repeat[tested]))
    return float(np.mean(values)) if values else np.nan


def bootstrap_interval(
    metric: Callable[[np.ndarray, np.ndarray], float],
    observed: np.ndarray,
    predicted: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Return a metric with its confidence interval: percentiles over bootstrap resamples of the samples.

    A resample draws samples with replacement, the same ones in every repeat of the validation. The interval shows how
    far the figure depends on which samples were at hand; it does not show the variation between random divisions into
    folds.

    Parameters
    ----------
    metric : callable
        Takes observed and predicted of shape (n_tested,).
    observed : ndarray, shape (n,)
    predicted : ndarray, shape (n_repeats, n)
        NaN where a repeat did not test a row.
    groups : ndarray, shape (n,), optional
        Samples of a group are drawn together, for splits that test whole groups or blocks.
    n_resamples : int
    level : float
        Share of the resamples inside the interval.
    seed : int

    Returns
    -------
    Interval

    References
    ----------
    Efron & Tibshirani (1993), An Introduction to the Bootstrap, chapter 13.

    Examples
    --------
    >>> from geosoil.evaluate.metrics import METRICS
    >>> observed = np.arange(50.0)
    >>> interval = bootstrap_interval(METRICS["bias"].function, observed, (observed + 1)[None])
    >>> interval.low, interval.estimate, interval.high
    (1.0, 1.0, 1.0)
    """
    estimate = mean_over_repeats(metric, observed, predicted)
    figures = [
        mean_over_repeats(metric, observed[rows], predicted[:, rows])
        for rows in _resamples(observed, groups, n_resamples, seed)
    ]
    return _interval(estimate, np.array(figures), level)


def paired_difference(
    metric: Callable[[np.ndarray, np.ndarray], float],
    observed: np.ndarray,
    predicted: np.ndarray,
    reference: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    n_resamples: int = N_RESAMPLES,
    level: float = LEVEL,
    seed: int = 0,
) -> Interval:
    """Return how a metric of one model differs from that of a reference on the same test rows.

    Both models are judged on the same resamples, so that what makes a sample difficult for both cancels. The
    parameters are those of `bootstrap_interval`; `reference` has the shape of `predicted`.

    Examples
    --------
    >>> from geosoil.evaluate.metrics import METRICS
    >>> observed = np.arange(20.0)
    >>> difference = paired_difference(METRICS["rmse"].function, observed, (observed + 1)[None], (observed + 3)[None])
    >>> difference.estimate, difference.high
    (-2.0, -2.0)
    """
    estimate = mean_over_repeats(metric, observed, predicted) - mean_over_repeats(metric, observed, reference)
    figures = [
        mean_over_repeats(metric, observed[rows], predicted[:, rows])
        - mean_over_repeats(metric, observed[rows], reference[:, rows])
        for rows in _resamples(observed, groups, n_resamples, seed)
    ]
    return _interval(estimate, np.array(figures), level)


def _resamples(observed: np.ndarray, groups: np.ndarray | None, n_resamples: int, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    if groups is None:
        rows = np.flatnonzero(np.isfinite(observed))
        return [generator.choice(rows, rows.size) for _ in range(n_resamples)]
    members = [np.flatnonzero((groups == group) & np.isfinite(observed)) for group in np.unique(groups)]
    members = [rows for rows in members if rows.size]
    return [
        np.concatenate([members[i] for i in generator.integers(len(members), size=len(members))])
        for _ in range(n_resamples)
    ]


def _interval(estimate: float, figures: np.ndarray, level: float) -> Interval:
    figures = figures[np.isfinite(figures)]
    if figures.size == 0:
        return Interval(estimate, np.nan, np.nan)
    low, high = np.quantile(figures, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), float(np.std(figures, ddof=1)) if figures.size > 1 else np.nan)
