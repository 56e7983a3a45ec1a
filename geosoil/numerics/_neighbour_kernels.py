"""Compiled loops of the search for neighbours. Import this file on use, because numba takes a second to load."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def _distance(x, y):
    """Return the Euclidean distance of two rows in float64, summed feature by feature in one order."""
    total = 0.0
    for k in range(x.shape[0]):
        difference = x[k] - y[k]
        total += difference * difference
    return np.sqrt(total)


@njit(nogil=True, cache=True)
def distances_to(x, points, neighbour, distance):
    """Compute the distance of each row of x to the point with the number in `neighbour`."""
    for i in range(x.shape[0]):
        distance[i] = _distance(x[i], points[neighbour[i]])


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def scan(partial, x, points, near, low, high, skipped, is_direct, unit, limit, distance, neighbour, count):
    """Search a block of partial squared distances, and compute exactly what these cannot decide.

    Parameters
    ----------
    partial : ndarray of float32 or float64, shape (n, n_points)
        Squared distances, without the squared norms of the rows; very large for points that are skipped.
    x, points : ndarray of float64, shapes (n, n_features), (n_points, n_features)
    near : ndarray, shape (n,)
        A point whose partial distance exceeds this cannot be the nearest.
    low, high : ndarray, shape (n,)
        Points below `low` are within the limit, those from `high` on are not.
    skipped : ndarray of int, shape (n,)
        A point that is not a neighbour of the row, or -1.
    is_direct : ndarray of bool, shape (n,)
        Rows whose partial distances may have overflowed.
    unit, limit : float
        Points count if their distance divided by `unit` is below `limit`.
    distance, neighbour, count : ndarray, shape (n,)
        Results.
    """
    n_points = points.shape[0]
    for i in range(x.shape[0]):
        row = partial[i]
        best, nearest, inside = np.inf, -1, 0
        if is_direct[i]:
            for j in range(n_points):
                if j != skipped[i]:
                    value = _distance(x[i], points[j])
                    inside += value / unit < limit
                    if nearest < 0 or value < best:
                        best, nearest = value, j
        else:
            farthest, below, above = near[i], low[i], high[i]
            undecided = 0
            for j in range(n_points):
                inside += row[j] < below
                undecided += row[j] < above
            undecided -= inside
            for j in range(n_points):
                if row[j] <= farthest and j != skipped[i]:
                    value = _distance(x[i], points[j])
                    if nearest < 0 or value < best:
                        best, nearest = value, j
            if undecided > 0:
                for j in range(n_points):
                    if below <= row[j] < above and _distance(x[i], points[j]) / unit < limit:
                        inside += 1
        distance[i] = best
        neighbour[i] = nearest
        count[i] = inside
