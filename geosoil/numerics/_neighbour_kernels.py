"""Compiled loops of the search for neighbours. Import this file on use, because numba takes a second to load.

Rows are columns of an array here, so that the inner loops run over contiguous values of many rows.
"""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(nogil=True, cache=True)
def _distance(x, i, points, j, centre, factor):
    """Return the distance of column i of x to column j of points in float64, summed feature by feature in one order."""
    total = 0.0
    for k in range(x.shape[0]):
        difference = (x[k, i] - centre[k]) * factor[k] - points[k, j]
        total += difference * difference
    return np.sqrt(total)


@njit(nogil=True, cache=True)
def _is_finite(x, i, centre, factor):
    finite = True
    for k in range(x.shape[0]):
        finite &= np.isfinite((x[k, i] - centre[k]) * factor[k])
    return finite


@njit(nogil=True, cache=True)
def distances_to(x, points, neighbour, distance):
    """Compute the distance of each row of x to the point with the number in `neighbour`."""
    for i in range(x.shape[0]):
        total = 0.0
        for k in range(x.shape[1]):
            difference = x[i, k] - points[neighbour[i], k]
            total += difference * difference
        distance[i] = np.sqrt(total)


@njit(nogil=True, cache=True)
def fill_factor(x, centre, factor, mean, filled, squared):
    """Write the right factor of the product, (x - centre) factor - mean, and the squared norms of its columns.

    Parameters
    ----------
    x : ndarray, shape (n_features, n)
    centre, factor, mean : ndarray of float64, shape (n_features,)
    filled : ndarray of float32 or float64, shape (n_features + 1, n)
        Its last row is not written.
    squared : ndarray of float64, shape (n,)
    """
    squared[:] = 0.0
    for k in range(x.shape[0]):
        for i in range(x.shape[1]):
            value = (x[k, i] - centre[k]) * factor[k] - mean[k]
            filled[k, i] = value
            squared[i] += value * value


@njit(nogil=True, cache=True, fastmath={"nnan", "nsz"})
def _reduce(partial, low, high, best, second, nearest, below, above):
    """Find the two smallest values of each column, the row of the first, and how many are below two limits."""
    for j in range(partial.shape[0]):
        for i in range(partial.shape[1]):
            value = partial[j, i]
            second[i] = min(second[i], max(value, best[i]))
            nearest[i] = j if value < best[i] else nearest[i]
            best[i] = min(best[i], value)
            below[i] += value < low[i]
            above[i] += value < high[i]


@njit(nogil=True, cache=True)
def _scan_column(x, i, points, centre, factor, skipped, unit, limit):
    """Return distance, number of the neighbour and count of one column by every distance."""
    best, nearest, inside = np.inf, -1, 0
    if not _is_finite(x, i, centre, factor):
        return np.nan, -1, 0
    for j in range(points.shape[1]):
        if j != skipped:
            value = _distance(x, i, points, j, centre, factor)
            inside += value / unit < limit
            if nearest < 0 or value < best:
                best, nearest = value, j
    return best, nearest, inside


@njit(nogil=True, cache=True)
def scan_directly(x, points, centre, factor, skipped, unit, limit, distance, neighbour, count):
    """Compute every distance; the parameters are those of `scan`."""
    for i in range(x.shape[1]):
        distance[i], neighbour[i], count[i] = _scan_column(x, i, points, centre, factor, skipped[i], unit, limit)


@njit(nogil=True, cache=True)
def scan(partial, x, points, centre, factor, squared, largest, relative_error, squared_limit, most, skipped,
         unit, limit, distance, neighbour, count):  # fmt: skip
    """Search a block of partial squared distances, and compute exactly what these cannot decide.

    Parameters
    ----------
    partial : ndarray of float32 or float64, shape (n_points, n)
        Squared distances, without the squared norms of the rows; very large for points that are skipped.
    x, points : ndarray, shapes (n_features, n), (n_features, n_points)
    centre, factor : ndarray of float64, shape (n_features,)
        The coordinates of a row among the points are (x - centre) * factor.
    squared : ndarray of float64, shape (n,)
        Squared norms of the rows, in the unit of `partial`.
    largest, squared_limit : float
        Largest norm of the points and signed square of the limit in the same unit.
    relative_error : float
        Bound of the error of `partial`, divided by the square of the sum of the norms of row and point.
    most : float
        Rows with larger squared norms may have overflowed.
    skipped : ndarray of int, shape (n,)
        A point that is not a neighbour of the row, or -1.
    unit, limit : float
        Points count if their distance divided by `unit` is below `limit`.
    distance, neighbour, count : ndarray, shape (n,)
        Results.
    """
    n_points, n = partial.shape
    near, low, high = np.empty(n, partial.dtype), np.empty(n, partial.dtype), np.empty(n, partial.dtype)
    best, second = np.full(n, np.inf, partial.dtype), np.full(n, np.inf, partial.dtype)
    nearest, below, above = np.full(n, -1, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32)
    for i in range(n):
        # A point whose partial distance exceeds the least one by `near` cannot be the nearest. Points below `low` are
        # within the limit, and those from `high` on are not.
        error = relative_error * (np.sqrt(squared[i]) + largest) ** 2
        near[i], low[i], high[i] = 2.5 * error, squared_limit - squared[i] - 1.5 * error, (
            squared_limit - squared[i] + 1.5 * error
        )  # fmt: skip
    _reduce(partial, low, high, best, second, nearest, below, above)
    totals = np.zeros(n)
    for k in range(x.shape[0]):  # in the order of features of `_distance`, and over all rows at once
        for i in range(n):
            difference = (x[k, i] - centre[k]) * factor[k] - points[k, nearest[i]]
            totals[i] += difference * difference
    for i in range(n):
        if not squared[i] < most:
            distance[i], neighbour[i], count[i] = _scan_column(x, i, points, centre, factor, skipped[i], unit, limit)
            continue
        distance[i], neighbour[i], count[i] = np.sqrt(totals[i]), nearest[i], below[i]
        farthest = best[i] + near[i]
        if second[i] <= farthest or nearest[i] == skipped[i]:
            distance[i], neighbour[i] = np.inf, -1
            for j in range(n_points):
                if partial[j, i] <= farthest and j != skipped[i]:
                    value = _distance(x, i, points, j, centre, factor)
                    if neighbour[i] < 0 or value < distance[i]:
                        distance[i], neighbour[i] = value, j
        if above[i] > below[i]:
            for j in range(n_points):
                if low[i] <= partial[j, i] < high[i]:
                    count[i] += _distance(x, i, points, j, centre, factor) / unit < limit
