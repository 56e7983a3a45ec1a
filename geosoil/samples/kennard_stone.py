"""Selection of samples that cover the space of spectra: Kennard-Stone and DUPLEX, in memory proportional to n.

The sets are those of `kenStone` and `duplex` of the R package prospectr. The samples that Kennard-Stone does not select
are an easy test set, because the extremes are in the training set: metrics on it are better than on a random test set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from threadpoolctl import ThreadpoolController

from geosoil.errors import SamplesError
from geosoil.numerics.distances import principal_axes

if TYPE_CHECKING:
    from collections.abc import Sequence

_ROWS_AT_ONCE = 512  # of differences: 1 MiB at 211 bands, which fits into the cache
_PAIRS_AT_ONCE = 1024  # squared, of float32: 4 MiB
_N_AXES = 24  # represent nearly all of any spectra, in a ninth of the numbers
_SLACK, _SLACK_32 = 1e-9, 1e-4  # relative, far above rounding in float64 and float32: bounds must not exclude a tie


# The steps are too short for two threads of BLAS, which would wait for each other longer than they work.
_one_thread = ThreadpoolController().wrap(limits=1, user_api="blas")


@_one_thread
def kennard_stone(
    X: np.ndarray,
    k: int,
    *,
    n_components: int | float | None = None,
    mahalanobis: bool = False,
    groups: Sequence[object] | np.ndarray | None = None,
    start: int | Sequence[int] | None = None,
) -> np.ndarray:
    """Select k rows that cover the space evenly.

    The two rows that are farthest apart come first (the larger index before the smaller, as in prospectr), then always
    the row that is farthest from all selected ones, and the first of equal ones. Distances are Euclidean.

    Parameters
    ----------
    X : ndarray of shape (n, band)
    k : int
        Number of rows.
    n_components : int or float, optional
        Use the scores of this number of principal components instead of X, or below 1 of the fewest that explain this
        share of the variance.
    mahalanobis : bool
        Whether the scores are scaled to unit variance (by default of all components of the rank of X).
    groups : sequence of shape (n,), optional
        Rows of one group are selected together, in the order of their index, so that more than k may be returned.
    start : int or sequence of int, optional
        The first row or rows, instead of the farthest pair.

    Returns
    -------
    ndarray of shape (k,), int
        Indices in the order of selection.

    Raises
    ------
    SamplesError
        If there is NaN, k is not between 1 and n, or the start is not a row.

    References
    ----------
    Kennard & Stone (1969), Technometrics 11, 137-148.

    Examples
    --------
    >>> kennard_stone(np.array([[0.0], [1.0], [5.0], [9.0], [10.0]]), 3).tolist()
    [4, 0, 2]
    """
    X = _space(X, k, 1, n_components, mahalanobis)
    group_of = np.arange(len(X)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    if len(group_of) != len(X):
        raise SamplesError(
            "groups",
            found=f"{len(group_of)} groups for {len(X)} rows",
            expected="one per row",
            way_out="give the group of every row",
        )
    cover = _Cover(X)
    _enter(cover, farthest_pair(X) if start is None and k > 1 else _checked_start(start, X), group_of)
    while len(cover.chosen) < k:
        _enter(cover, [cover.farthest()], group_of)
    return np.array(cover.chosen if groups is not None else cover.chosen[:k])


@_one_thread
def duplex(
    X: np.ndarray,
    k: int,
    *,
    n_components: int | float | None = None,
    mahalanobis: bool = False,
    starts: tuple[Sequence[int], Sequence[int]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Select two sets of k rows that both cover the space evenly.

    The two rows that are farthest apart start the first set, and those of the remaining rows the second. Then each set
    in turn takes the row that is farthest from its own rows. Prospectr 0.2.9 starts its second set with two other rows
    (it looks up the largest distance in a matrix of another size) and then does the same.

    Parameters
    ----------
    X : ndarray of shape (n, band)
        At least 2 k rows.
    k : int
        Number of rows of each set, 2 or more.
    n_components, mahalanobis
        As in `kennard_stone`.
    starts : pair of sequences of int, optional
        The first rows of both sets, instead of the farthest pairs.

    Returns
    -------
    first, second : ndarray of shape (k,), int
        Indices in the order of selection.

    Raises
    ------
    SamplesError
        As in `kennard_stone`.

    References
    ----------
    Snee (1977), Technometrics 19, 415-428.

    Examples
    --------
    >>> first, second = duplex(np.array([[0.0], [1.0], [5.0], [9.0], [10.0], [4.0]]), 3)
    >>> first.tolist(), second.tolist()
    ([4, 0, 2], [3, 1, 5])
    """
    X = _space(X, max(2, k), 2, n_components, mahalanobis)
    covers = (_Cover(X), _Cover(X))
    turns = (covers, covers[::-1])
    for i, (cover, other) in enumerate(turns):
        rest = np.flatnonzero(~cover.taken)
        for row in rest[farthest_pair(X[rest])] if starts is None else _checked_start(starts[i], X):
            cover.take(int(row))
            other.leave(int(row))
    while len(covers[1].chosen) < k:
        for cover, other in turns:
            row = cover.farthest()
            cover.take(row)
            other.leave(row)
    return np.array(covers[0].chosen), np.array(covers[1].chosen)


def farthest_pair(X: np.ndarray) -> np.ndarray:
    """Find the two rows with the largest distance.

    Of equal pairs the one with the smallest second and then first index is taken, as in a search by columns. A distance
    is computed only if the bounds of `_Sketch` allow it to be the largest; no n x n numbers are kept.

    Parameters
    ----------
    X : ndarray of shape (n, band)

    Returns
    -------
    ndarray of shape (2,), int
        The two indices, the larger first.

    Examples
    --------
    >>> farthest_pair(np.array([[0.0], [3.0], [1.0], [3.0]])).tolist()
    [1, 0]
    """
    sketch = _Sketch(X)
    a, longest = int(np.argmax(sketch.squared_norm)), 0.0
    for _ in range(4):  # from one end to the other, to find a long first pair
        to_a = _squared(X, X[a])
        longest, a = max(longest, float(to_a.max())), int(np.argmax(to_a))
    norm = np.sqrt(sketch.squared_norm)
    slack, slack_32 = _SLACK * norm.max(), _SLACK_32 * norm.max() ** 2
    order = np.argsort(-norm, kind="stable")
    order = order[norm[order] + norm.max() >= np.sqrt(longest) - slack]
    left, right, norm = *sketch.upper_bound_factors(order), norm[order]
    best = (1.0, -1, -1)
    for i in range(0, len(order), _PAIRS_AT_ONCE):
        # A pair cannot be longer than the sum of its distances from the mean.
        width = int(np.searchsorted(-norm, norm[i] - np.sqrt(longest) + slack, side="right"))
        for j in range(0, min(width, i + _PAIRS_AT_ONCE), _PAIRS_AT_ONCE):
            bound = left[i : i + _PAIRS_AT_ONCE] @ right[j : j + _PAIRS_AT_ONCE].T
            if bound.max() < longest - slack_32:
                continue
            for p, q in zip(*np.nonzero(bound >= longest - slack_32), strict=True):
                smaller, larger = sorted((int(order[i + p]), int(order[j + q])))
                if smaller < larger and bound[p, q] >= longest - slack_32:  # longest may have grown
                    squared = float(_squared(X[larger : larger + 1], X[smaller])[0])
                    longest, best = max(longest, squared), min(best, (-squared, smaller, larger))
    _, smaller, larger = best
    return np.array([larger, smaller])


class _Sketch:
    """Scores on a few principal axes and the lengths of the residuals, which bound distances at low cost.

    With scores z and residual lengths e, |z_i - z_j|^2 + (e_i - e_j)^2 <= d_ij^2 <= |z_i - z_j|^2 + (e_i + e_j)^2.
    """

    def __init__(self, X: np.ndarray) -> None:
        centred = X - X.mean(axis=0)
        _, axes = np.linalg.eigh(centred.T @ centred)
        scores = centred @ axes[:, -_N_AXES:]
        self.squared_norm = np.einsum("ij,ij->i", centred, centred)
        rest = np.sqrt(np.clip(self.squared_norm - np.einsum("ij,ij->i", scores, scores), 0, None))
        self.near = np.column_stack([scores, rest])
        self.slack = _SLACK * float(self.squared_norm.max())

    def lower_bounds(self, row: int) -> np.ndarray:
        """Return lower bounds `(n,)` of the squared distances of all rows to one row."""
        return self.squared_norm + (self.squared_norm[row] - self.slack) - 2 * (self.near @ self.near[row])

    def upper_bound_factors(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return two float32 arrays whose product left @ right.T is an upper bound of the squared distances."""
        near, ones = self.near[rows], np.ones((len(rows), 1))
        norm = self.squared_norm[rows, None]
        left = np.hstack([-2 * near[:, :-1], 2 * near[:, -1:], norm, ones])
        return left.astype(np.float32), np.hstack([near, ones, norm]).astype(np.float32)


class _Cover:
    """The selected rows, and the squared distance of every other row to the nearest of them."""

    def __init__(self, X: np.ndarray) -> None:
        self.X = X
        self.sketch = _Sketch(X)
        self.chosen: list[int] = []
        self.taken = np.zeros(len(X), dtype=bool)
        self.nearest = np.full(len(X), np.inf)  # squared distance; -1 for rows that are taken

    def farthest(self) -> int:
        """Return the row that is farthest from the selected ones."""
        return int(np.argmax(self.nearest))

    def leave(self, row: int) -> None:
        """Exclude a row from further selection."""
        self.taken[row], self.nearest[row] = True, -1.0

    def take(self, row: int) -> None:
        """Select a row, and update the rows to which it may be nearer than the other selected ones."""
        self.leave(row)
        self.chosen.append(row)
        rows = np.flatnonzero(self.sketch.lower_bounds(row) < self.nearest)
        self.nearest[rows] = np.minimum(self.nearest[rows], _squared(self.X, self.X[row], rows))


def _enter(cover: _Cover, rows: Sequence[int] | np.ndarray, group_of: np.ndarray) -> None:
    """Select rows together with their groups."""
    for row in rows:
        if not cover.taken[row]:
            members = np.flatnonzero(group_of == group_of[row])
            for member in members[~cover.taken[members]]:
                cover.take(int(member))


def _squared(X: np.ndarray, point: np.ndarray, rows: np.ndarray | None = None) -> np.ndarray:
    """Return squared distances of rows to a point; those of equal rows are equal to the last bit."""
    count = len(X) if rows is None else len(rows)
    out = np.empty(count)
    for i in range(0, count, _ROWS_AT_ONCE):
        part = X[i : i + _ROWS_AT_ONCE] if rows is None else X[rows[i : i + _ROWS_AT_ONCE]]
        difference = part - point
        out[i : i + len(part)] = np.einsum("ij,ij->i", difference, difference)
    return out


def _space(X: np.ndarray, k: int, n_sets: int, n_components: int | float | None, mahalanobis: bool) -> np.ndarray:
    """Check X and return the space of the distances: X, or scores."""
    X = np.asarray(X, dtype=np.float64)
    if X.ndim != 2 or not np.isfinite(X).all():
        n_bad = int((~np.isfinite(X)).any(axis=1).sum()) if X.ndim == 2 else len(X)
        raise SamplesError(
            "spectra",
            found=f"shape {X.shape}, {n_bad} rows with NaN",
            expected="finite rows (sample, band)",
            way_out="drop these rows first",
        )
    if not 1 <= k * n_sets <= len(X):
        raise SamplesError(
            "spectra",
            found=f"{len(X)} rows",
            expected=f"at least {k * n_sets} for {n_sets} sets of k={k}" if n_sets > 1 else f"at least k={k}, above 0",
            way_out="use a smaller k",
        )
    if n_components is None and not mahalanobis:
        return X
    scores = principal_scores(X, n_components)
    return scores / scores.std(axis=0, ddof=1) if mahalanobis else scores


def principal_scores(X: np.ndarray, n_components: int | float | None = None) -> np.ndarray:
    """Compute the scores of principal components.

    Parameters
    ----------
    X : ndarray of shape (n, band)
    n_components : int or float, optional
        The number of components, or below 1 the share of the variance that they explain at least (default: the rank
        of X).

    Returns
    -------
    ndarray of shape (n, component)
        Centred scores in the unit of `X`.

    Raises
    ------
    SamplesError
        If the number of components is not valid.

    Examples
    --------
    >>> principal_scores(np.array([[0.0, 0.0], [2.0, 0.0], [4.0, 0.1]]), 0.99).shape
    (3, 1)
    """
    centred = X - X.mean(axis=0)
    axes, rank, count = principal_axes(centred, n_components)
    if count != int(count) or not 1 <= count <= rank:
        raise SamplesError(
            "principal components",
            found=f"n_components={n_components}",
            expected=f"1 to {rank}, the rank of these spectra, or a share between 0 and 1",
            way_out="choose a valid number",
        )
    return centred @ axes[:, : int(count)]


def _checked_start(start: int | Sequence[int] | None, X: np.ndarray) -> list[int]:
    if start is None:
        return [int(farthest_pair(X)[0])]
    rows = [int(start)] if isinstance(start, int | np.integer) else [int(row) for row in start]
    if not rows or not all(0 <= row < len(X) for row in rows) or len(set(rows)) < len(rows):
        raise SamplesError(
            "start",
            found=f"indices {rows[:5]}",
            expected=f"different indices from 0 to {len(X) - 1}",
            way_out="choose other rows",
        )
    return rows
