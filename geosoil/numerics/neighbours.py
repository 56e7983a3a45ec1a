"""Nearest neighbours of many rows: exact in float64, by a matrix product or by a tree."""

from __future__ import annotations

from functools import cached_property
from math import ceil
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from scipy.spatial import cKDTree

# A tree is faster from this number of points, and each further feature raises it by half: measured with 1000 to 50,000
# points and 2 to 12 features.
LEAST_TREE_POINTS, TREE_FACTOR = 1000, 1.5
_BLOCK_VALUES = 1 << 18  # partial distances that stay in the cache of a core
_LEAST_BLOCK_ROWS, _MOST_BLOCK_ROWS = 64, 1024
_MOST_DIRECT_ROWS = 4  # of a search that is used once, as for leaving one sample out
_SKIPPED = 3e38  # in the place of the squared distance to a point that is not a neighbour
_LARGEST_NORM = 1e15  # beyond it, float32 may overflow
# For more features, the error bound of a product in float32 excludes too few points: correlated features, such as the
# bands of spectra, have large norms and small distances.
_MOST_FLOAT32_FEATURES = 1000


class Neighbours(NamedTuple):
    """What a search returns for each row.

    Attributes
    ----------
    distance : ndarray of float64, shape (n,)
        Distance to the nearest point; NaN for a row that is not finite, infinite where there is no point.
    neighbour : ndarray of int, shape (n,)
        Number of the nearest point, -1 for none.
    n_within : ndarray of int, shape (n,)
        Number of points within the limit.
    """

    distance: np.ndarray
    neighbour: np.ndarray
    n_within: np.ndarray


class Units(NamedTuple):
    """The units of rows whose neighbours are searched: among the points, a row is (row - centre) * factor.

    Attributes
    ----------
    centre, factor : ndarray of float64, shape (n_features,)
    """

    centre: np.ndarray
    factor: np.ndarray

    def convert(self, rows: np.ndarray) -> np.ndarray:
        """Return rows of shape (n, n_features) in the units of the points, float64.

        A value that overflows becomes infinite, so that its row has no neighbour.
        """
        with np.errstate(over="ignore"):
            values = np.array(rows, np.float64, order="C")
            values -= self.centre  # in place, which takes half of the time of new arrays
            values *= self.factor
        return values


class NeighbourSearch:
    """Search for the nearest of some points, and count the points within a distance.

    Every distance that is returned or compared with the limit is summed in float64, feature by feature: a matrix
    product, in float32 for up to 1000 features, only excludes the points that its error bound allows to exclude. The
    result for a row therefore does not depend on the other rows.

    Parameters
    ----------
    points : ndarray, shape (n_points, n_features)
        Finite values.
    units : Units, optional
        The units of rows of queries; by default those of the points.
    method : {"auto", "matrix", "tree"}
        "auto" takes the tree for many points with few features, where it is faster.

    Examples
    --------
    >>> search = NeighbourSearch(np.array([[0.0, 0.0], [3.0, 4.0]]))
    >>> distance, neighbour, n_within = search.query(np.array([[3.0, 3.0], [0.0, 0.5]]), limit=5.0)
    >>> distance.tolist(), neighbour.tolist(), n_within.tolist()
    ([1.0, 0.5], [1, 0], [2, 2])
    """

    def __init__(
        self, points: np.ndarray, *, units: Units | None = None, method: Literal["auto", "matrix", "tree"] = "auto"
    ) -> None:
        self.points = np.ascontiguousarray(points, dtype=np.float64)
        n_points, n_features = self.points.shape
        self.units = units
        suits_tree = np.log(max(n_points, 1) / LEAST_TREE_POINTS) >= n_features * np.log(TREE_FACTOR)
        self._dtype: type[np.floating[Any]] = np.float32 if n_features <= _MOST_FLOAT32_FEATURES else np.float64
        self.method = ("tree" if suits_tree else "matrix") if method == "auto" else method

    @cached_property
    def _tree(self) -> cKDTree:
        from scipy.spatial import cKDTree

        return cKDTree(self.points)

    @cached_property
    def _columns(self) -> tuple[np.ndarray, Units]:
        """Return the points, `(n_features, n_points)`, and the units of rows, as the compiled loops take them."""
        n_features = self.points.shape[1]
        units = self.units or Units(np.zeros(n_features), np.ones(n_features))
        return np.ascontiguousarray(self.points.T), Units(*(np.ascontiguousarray(u, np.float64) for u in units))

    @cached_property
    def _factors(self) -> tuple[np.ndarray, np.ndarray, float, float]:
        """Return the left factor of the product, the centre of the points, their divisor, and their largest norm."""
        centre = self.points.mean(axis=0)
        centred = self.points - centre
        norms = np.sqrt((centred**2).sum(axis=1))
        divisor = float(norms.max()) or 1.0  # avoids overflow
        scaled = centred / divisor
        matrix = np.concatenate([-2 * scaled, (scaled**2).sum(axis=1)[:, None]], axis=1)
        return np.ascontiguousarray(matrix, self._dtype), centre / divisor, divisor, float(norms.max()) / divisor

    def query(
        self, rows: np.ndarray, *, limit: float = -np.inf, unit: float = 1.0, skipped: np.ndarray | None = None
    ) -> Neighbours:
        """Search for the neighbours of rows.

        Parameters
        ----------
        rows : ndarray, shape (n, n_features)
            Pixels of a raster `(feature, pixel)` are best given as its transpose, which is not copied.
        limit, unit : float
            Points count if their distance divided by `unit` is below `limit`.
        skipped : ndarray of int, shape (n,), optional
            For each row a point that is not its neighbour, such as the row itself, or -1.

        Returns
        -------
        Neighbours
        """
        rows = np.asarray(rows)
        rows = rows if rows.dtype in (np.float32, np.float64) else rows.astype(np.float64)
        n = len(rows)
        found = Neighbours(np.full(n, np.nan), np.full(n, -1, np.intp), np.zeros(n, np.intp))
        is_direct = n <= _MOST_DIRECT_ROWS and not {"_tree", "_factors"} & set(vars(self))
        if self.method == "tree" or not len(self.points):
            rows = np.ascontiguousarray(rows, np.float64) if self.units is None else self.units.convert(rows)
            finite = np.isfinite(rows).all(axis=1)
            parts = Neighbours(*(whole[finite] for whole in found))
            if not len(self.points):
                parts.distance[:] = np.inf
            else:
                self._query_tree(rows[finite], limit, unit, None if skipped is None else skipped[finite], parts)
            for whole, part in zip(found, parts, strict=True):
                whole[finite] = part
        elif n:
            without = np.full(n, -1, np.intp) if skipped is None else np.asarray(skipped, np.intp)
            search = self._query_directly if is_direct else self._query_matrix
            search(rows.T, limit, unit, without, found)
        return found

    def _query_directly(
        self, columns: np.ndarray, limit: float, unit: float, skipped: np.ndarray, found: Neighbours
    ) -> None:
        """Compute every distance, which takes less time for a few rows than to prepare a matrix."""
        from geosoil.numerics._neighbour_kernels import scan_directly

        points, units = self._columns
        scan_directly(np.ascontiguousarray(columns), points, *units, skipped, unit, limit, *found)

    def _query_matrix(
        self, columns: np.ndarray, limit: float, unit: float, skipped: np.ndarray, found: Neighbours
    ) -> None:
        from geosoil.numerics._neighbour_kernels import fill_factor, scan

        matrix, mean, divisor, largest = self._factors
        points, units = self._columns
        n_features, n_points = points.shape
        n = columns.shape[1]
        size = int(np.clip(_BLOCK_VALUES // max(n_points, n_features), _LEAST_BLOCK_ROWS, _MOST_BLOCK_ROWS))
        size = ceil(n / ceil(n / size))
        product = np.empty((n_points, size), self._dtype)
        right, squared = np.ones((n_features + 1, size), self._dtype), np.empty(size)
        # The bound of the rounding errors of a sum of products, with reserve for those of its inputs.
        relative_error = (n_features + 12) * float(np.finfo(self._dtype).eps) / 2
        scaled_limit = limit * unit / divisor if limit * unit > 0 else -np.inf
        factor, squared_limit = units.factor / divisor, np.sign(scaled_limit) * scaled_limit**2
        for start in range(0, n, size):
            part = slice(min(start, n - size), min(start + size, n))  # the last one may overlap the one before it
            x, without = np.ascontiguousarray(columns[:, part]), skipped[part]
            with np.errstate(over="ignore", invalid="ignore"):
                fill_factor(x, units.centre, factor, mean, right, squared)
                np.matmul(matrix, right, out=product)
            left_out = np.flatnonzero(without >= 0)
            if len(left_out):
                product[without[left_out], left_out] = _SKIPPED
            scan(
                product, x, points, *units, squared, largest, relative_error, squared_limit, _LARGEST_NORM**2, without,
                unit, limit, *(whole[part] for whole in found),
            )  # fmt: skip

    def _query_tree(
        self, rows: np.ndarray, limit: float, unit: float, skipped: np.ndarray | None, found: Neighbours
    ) -> None:
        from geosoil.numerics._neighbour_kernels import distances_to

        if skipped is None:
            found.neighbour[:] = self._tree.query(rows)[1]
        elif len(self.points) == 1:
            found.neighbour[:] = np.where(skipped == 0, -1, 0)
        else:
            pairs = self._tree.query(rows, k=2)[1]
            found.neighbour[:] = np.where(pairs[:, 0] == skipped, pairs[:, 1], pairs[:, 0])
        distances_to(rows, self.points, found.neighbour, found.distance)
        found.distance[found.neighbour < 0] = np.inf
        radius = limit * unit
        if not radius > 0:
            return
        low, high = (self._counts(rows, radius * factor) for factor in (1 - 1e-9, 1 + 1e-9))
        found.n_within[:] = low
        if skipped is not None:
            to_skipped = np.empty(len(rows))
            distances_to(rows, self.points, skipped, to_skipped)
            found.n_within[(skipped >= 0) & (to_skipped <= radius * (1 - 1e-9))] -= 1
        for row in np.flatnonzero(low != high):
            members = np.array(self._tree.query_ball_point(rows[row], radius * (1 + 1e-9)), np.intp)
            if skipped is not None:
                members = members[members != skipped[row]]
            distance = np.empty(len(members))
            distances_to(np.repeat(rows[[row]], len(members), axis=0), self.points, members, distance)
            found.n_within[row] = int((distance / unit < limit).sum())

    def _counts(self, rows: np.ndarray, radius: float) -> Any:
        return self._tree.query_ball_point(rows, radius, return_length=True)


def mean_distance(points: np.ndarray) -> float:
    """Return the mean distance between different rows.

    Parameters
    ----------
    points : ndarray, shape (n, n_features)
        Two rows or more.

    Returns
    -------
    float
        The mean over all pairs, in the unit of `points`.

    Examples
    --------
    >>> mean_distance(np.array([[0.0], [1.0], [3.0]]))
    2.0
    """
    points = np.asarray(points, np.float64)
    points = points - points.mean(axis=0)
    squared = (points**2).sum(axis=1)
    n, total = len(points), 0.0
    size = max(1, (1 << 22) // n)
    for start in range(0, n, size):
        part = slice(start, min(start + size, n))
        block = points[part] @ points.T
        block *= -2
        block += squared[part, None]
        block += squared
        # Close pairs lose digits in the product; they are few, and computed directly.
        close = np.argwhere(block < 1e-4 * (squared[part, None] + squared))
        for pairs in np.array_split(close, len(close) // 100_000 + 1):
            rows, columns = pairs.T
            block[rows, columns] = ((points[part][rows] - points[columns]) ** 2).sum(axis=1)
        total += float(np.sqrt(block, out=block).sum())
    return total / (n * (n - 1))
