"""Distances to the nearest sample: between samples, between folds, and from the places of a map.

Their distributions show which split of the samples resembles the use of a map. Places are points in metres, or rows of
features that `in_feature_space` has brought to common units.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geosoil.errors import SamplesError
from geosoil.numerics.neighbours import NeighbourSearch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def sample_distances(points: np.ndarray) -> np.ndarray:
    """Return the distance of each sample to the nearest other one.

    Parameters
    ----------
    points : ndarray, shape (n, n_dimensions)
        Two samples or more.

    Returns
    -------
    ndarray of float64, shape (n,)
        In the unit of `points`.

    Examples
    --------
    >>> sample_distances(np.array([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])).tolist()
    [5.0, 1.0, 1.0]
    """
    points = _finite(points, least=2)
    return _search(points).query(points, skipped=np.arange(len(points))).distance


def fold_distances(points: np.ndarray, splits: Iterable[Sequence[Any]]) -> np.ndarray:
    """Return the distance of each sample to the nearest training sample of the split that tests it.

    Parameters
    ----------
    points : ndarray, shape (n, n_dimensions)
    splits : iterable of (train, test) or (..., train, test)
        Row numbers; the last split that tests a sample counts.

    Returns
    -------
    ndarray of float64, shape (n,)
        NaN for a sample that is never tested.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [5.0, 0.0]])
    >>> fold_distances(points, [([2], [0, 1]), ([0, 1], [2])]).tolist()
    [5.0, 4.0, 4.0]
    """
    points = _finite(points, least=2)
    distances = np.full(len(points), np.nan)
    for *_, train, test in splits:
        if len(train):
            distances[test] = _search(points[np.asarray(train)]).query(points[np.asarray(test)]).distance
    return distances


def prediction_distances(points: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Return the distance of each place of a map to the nearest sample.

    Parameters
    ----------
    points : ndarray, shape (n, n_dimensions)
        Samples.
    places : ndarray, shape (n_places, n_dimensions)
        Where predictions are made.

    Returns
    -------
    ndarray of float64, shape (n_places,)

    Examples
    --------
    >>> prediction_distances(np.array([[0.0, 0.0]]), np.array([[3.0, 4.0]])).tolist()
    [5.0]
    """
    return _search(_finite(points, least=1)).query(_finite(places, least=1)).distance


def difference_of_distances(first: np.ndarray, second: np.ndarray) -> float:
    """Return W: the area between the cumulative distributions of two sets of distances (Wasserstein distance).

    Parameters
    ----------
    first, second : ndarray
        Distances; NaN are left out.

    Returns
    -------
    float
        In the unit of the distances: 0 if the distributions are the same, and the shift if one is the other one
        shifted.

    Examples
    --------
    >>> float(difference_of_distances(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    2.0
    """
    from scipy.stats import wasserstein_distance

    return float(wasserstein_distance(first[~np.isnan(first)], second[~np.isnan(second)]))


def in_feature_space(
    samples: np.ndarray, rows: np.ndarray, *, metric: Literal["euclidean", "mahalanobis"] = "euclidean"
) -> tuple[np.ndarray, np.ndarray]:
    """Bring features to common units, so that the functions of this module can compare rows of features.

    Parameters
    ----------
    samples : ndarray, shape (n, n_features)
        Training samples; their mean and standard deviation (n - 1) standardise both.
    rows : ndarray, shape (n_rows, n_features)
    metric : {"euclidean", "mahalanobis"}
        Whether features are also made uncorrelated, by the covariance of the samples.

    Returns
    -------
    samples, rows : ndarray of float64
        Constant features are left out.

    Raises
    ------
    SamplesError
        If no feature varies, or, for "mahalanobis", features of the samples determine each other.

    Examples
    --------
    >>> samples, rows = in_feature_space(np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[3.0, 4.0]]))
    >>> rows.round(3).tolist()
    [[1.414]]
    """
    samples, rows = _finite(samples, least=2), _finite(rows, least=1)
    varies = np.ptp(samples, axis=0) > 0
    if not varies.any():
        raise SamplesError(
            "features", found="only constant features", expected="one that varies", way_out="use other features"
        )
    samples, rows = samples[:, varies], rows[:, varies]
    centre, scale = samples.mean(axis=0), samples.std(axis=0, ddof=1)
    samples, rows = (samples - centre) / scale, (rows - centre) / scale
    if metric == "euclidean":
        return samples, rows
    values, axes = np.linalg.eigh(np.cov(samples, rowvar=False).reshape(samples.shape[1], -1))
    if values[0] <= 1e-10 * values[-1]:
        raise SamplesError(
            "features",
            found="features that determine each other in the samples",
            expected="a covariance of full rank",
            way_out="leave some of them out, or use the Euclidean distance",
        )
    return samples @ axes / np.sqrt(values), rows @ axes / np.sqrt(values)


def _search(points: np.ndarray) -> NeighbourSearch:
    return NeighbourSearch(points, method="tree" if points.shape[1] <= 3 else "auto")


def _finite(points: np.ndarray, *, least: int) -> np.ndarray:
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or len(points) < least or not np.isfinite(points).all():
        raise SamplesError(
            "distances to samples",
            found=f"an array of shape {points.shape} with {int((~np.isfinite(points)).sum())} missing values",
            expected=f"a table of {least} rows or more without missing values",
            way_out="drop rows without a value",
        )
    return points
