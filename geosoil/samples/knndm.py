"""Folds whose distances between test and training rows resemble those between a map and its samples (kNNDM, NNDM)."""

from __future__ import annotations

import heapq
from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import RecipeError, SamplesError
from geosoil.samples.nearest_distances import (
    difference_of_distances,
    fold_distances,
    prediction_distances,
    sample_distances,
)
from geosoil.samples.splits import Split, split_by_label, split_k_fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_SAMPLES = 5000  # of methods that need the distances of all pairs
RANDOM_FROM = 0.05  # p-value from which samples count as spread like the map
_N_TRIED = 100


@dataclass(frozen=True, eq=False)
class MatchedFolds:
    """Folds of kNNDM.

    Parameters
    ----------
    folds : ndarray of int, shape (n,)
        The fold that tests each sample, from 0.
    method : {"random", "clustered"}
        "random" if the samples are spread like the map, so that random folds resemble its use.
    difference : float
        W: the area between the cumulative distributions of the distances of folds and of the map.
    statistic, p_value : float
        Of the test of Kolmogorov and Smirnov on whether samples are closer to each other than the map is to them.
    n_clusters : int or None
        Number of clusters that were merged to folds.
    tried : dict of int to float
        W by number of clusters; NaN where a fold would have had more than the largest share.
    """

    folds: np.ndarray
    method: str
    difference: float
    statistic: float
    p_value: float
    n_clusters: int | None
    tried: dict[int, float]

    def splits(self) -> list[Split]:
        """Return (train, test) of each fold."""
        return split_by_label(self.folds)


def knndm(
    points: np.ndarray,
    places: np.ndarray,
    n_folds: int = 10,
    *,
    clustering: Literal["hierarchical", "kmeans"] = "hierarchical",
    largest_share: float = 0.5,
    seed: int = 0,
) -> MatchedFolds:
    """Divide samples into folds by k-fold nearest neighbour distance matching, as the R package CAST does.

    Samples are clustered, with different numbers of clusters, and clusters are merged to folds; the folds are chosen
    whose distances from test to training rows have a distribution most like that of the distances from the map to the
    samples. If the samples are spread like the map, the folds are random.

    Parameters
    ----------
    points : ndarray, shape (n, n_dimensions)
        Places of the samples in metres, or features by `in_feature_space`.
    places : ndarray, shape (n_places, n_dimensions)
        Where the map is made, for example 1000 places on a regular grid.
    n_folds : int
    clustering : {"hierarchical", "kmeans"}
        Ward's method, which needs the distances of all pairs, or k-means for many samples.
    largest_share : float
        Largest share of the samples in one fold.
    seed : int
        Seed of random folds and of k-means.

    Returns
    -------
    MatchedFolds

    Raises
    ------
    SamplesError
        If there are fewer than `n_folds` + 2 samples, or too many for Ward's method.
    RecipeError
        If no number of clusters keeps to `largest_share`.

    References
    ----------
    Linnenbrink et al. (2024), Geoscientific Model Development 17, 5897-5912.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clusters = rng.uniform(0, 10_000, (6, 1, 2)) + rng.normal(0, 100, (6, 15, 2))
    >>> map_places = np.stack(np.meshgrid(np.arange(0, 10_000, 500), np.arange(0, 10_000, 500)), axis=-1).reshape(-1, 2)
    >>> matched = knndm(clusters.reshape(-1, 2), map_places, n_folds=3)
    >>> matched.method, len(matched.splits())
    ('clustered', 3)
    """
    points = np.asarray(points, np.float64)
    n = len(points)
    if n < n_folds + 2 or (n > MOST_SAMPLES and clustering == "hierarchical"):
        raise SamplesError(
            "kNNDM",
            found=f"{n} samples for {n_folds} folds",
            expected=f"at least two more samples than folds, and at most {MOST_SAMPLES} for hierarchical clustering",
            way_out="use fewer folds, or clustering = 'kmeans' for many samples",
        )
    to_map, to_samples = prediction_distances(points, places), sample_distances(points)
    statistic, p_value = closer_test(to_samples, to_map)
    if p_value >= RANDOM_FROM:
        folds = np.empty(n, np.intp)
        for number, (_, test) in enumerate(split_k_fold(n, n_folds, seed=seed)):
            folds[test] = number
        difference = difference_of_distances(fold_distances(points, split_by_label(folds)), to_map)
        return MatchedFolds(folds, "random", difference, statistic, p_value, None, {})
    clusterings = _hierarchical(points, n_folds) if clustering == "hierarchical" else _k_means(points, n_folds, seed)
    chosen, tried = choose_clusters(points, to_map, clusterings, n_folds, largest_share=largest_share)
    if chosen is None:
        raise RecipeError(
            "kNNDM",
            found=f"no clusters of the samples that can be merged to {n_folds} such folds",
            expected=f"folds of at most {largest_share:.0%} of the samples",
            way_out="raise the largest share, or use other folds",
        )
    n_clusters, folds = chosen
    return MatchedFolds(folds, "clustered", tried[n_clusters], statistic, p_value, n_clusters, tried)


def choose_clusters(
    points: np.ndarray,
    to_map: np.ndarray,
    clusterings: Iterable[tuple[int, np.ndarray]],
    n_folds: int,
    *,
    largest_share: float = 0.5,
) -> tuple[tuple[int, np.ndarray] | None, dict[int, float]]:
    """Merge each clustering to folds, and return the one whose distances are most like those of the map.

    Parameters
    ----------
    points : ndarray, shape (n, n_dimensions)
    to_map : ndarray
        Distances from the places of the map to the nearest samples.
    clusterings : iterable of (int, ndarray of int, shape (n,))
        Number of clusters and the cluster of each sample.
    n_folds : int
    largest_share : float

    Returns
    -------
    (int, ndarray) or None
        Number of clusters, and the fold of each sample; None if each clustering has a fold above the largest share.
    tried : dict of int to float
        W by number of clusters.
    """
    chosen, tried, least = None, dict[int, float](), np.inf
    for n_clusters, labels in clusterings:
        folds = merge_clusters(points, labels, n_folds)
        tried[n_clusters] = np.nan
        if (np.bincount(folds) / len(folds) > largest_share).any():
            continue
        tried[n_clusters] = difference_of_distances(fold_distances(points, split_by_label(folds)), to_map)
        if tried[n_clusters] < least:
            chosen, least = (n_clusters, folds), tried[n_clusters]
    return chosen, tried


def merge_clusters(points: np.ndarray, labels: np.ndarray, n_folds: int) -> np.ndarray:
    """Merge clusters to folds along the first principal component.

    A cluster with at least the mean number of samples of a fold is a fold; the others are dealt to the remaining folds
    in the order of their centroids.

    Examples
    --------
    >>> points = np.array([[0.0], [1.0], [2.0], [3.0], [9.0], [9.1]])
    >>> merge_clusters(points, np.array([0, 1, 2, 3, 4, 4]), 3).tolist()
    [1, 2, 1, 2, 0, 0]
    """
    _, first, labels, sizes = np.unique(labels, return_index=True, return_inverse=True, return_counts=True)
    centred = points - points.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    axis = axis * (np.sign(axis[np.argmax(np.abs(axis))]) or 1.0)
    scores = np.array([centred[labels == label].mean(axis=0) @ axis for label in range(len(sizes))])
    order = np.lexsort((first, scores))
    is_large = sizes[order] >= len(points) / n_folds
    fold = np.empty(len(sizes), np.intp)
    fold[order[is_large]] = np.arange(is_large.sum())
    remaining = np.arange(is_large.sum(), n_folds)
    small = order[~is_large]
    fold[small] = np.resize(remaining, len(small)) if len(small) else []
    return fold[labels]


def _numbers_of_clusters(n: int, n_folds: int) -> list[int]:
    numbers = np.rint(np.exp(np.linspace(np.log(n_folds), np.log(n - 2), _N_TRIED))).astype(int)
    return list(dict.fromkeys(numbers.tolist()))


def _hierarchical(points: np.ndarray, n_folds: int) -> Iterator[tuple[int, np.ndarray]]:
    from scipy.cluster.hierarchy import cut_tree, linkage

    numbers = _numbers_of_clusters(len(points), n_folds)
    labels = cut_tree(linkage(points, "ward"), numbers)
    yield from zip(numbers, labels.T, strict=True)


def _k_means(points: np.ndarray, n_folds: int, seed: int) -> Iterator[tuple[int, np.ndarray]]:
    from sklearn.cluster import KMeans

    for number in _numbers_of_clusters(len(points), n_folds):
        n_different = len(np.unique(points, axis=0))
        if number <= n_different:
            yield number, KMeans(number, n_init=1, random_state=seed).fit_predict(points)


def closer_test(to_samples: np.ndarray, to_map: np.ndarray) -> tuple[float, float]:
    """Test whether samples are closer to each other than the map is to them (one-sided, Kolmogorov and Smirnov).

    Parameters
    ----------
    to_samples, to_map : ndarray
        Distances to the nearest sample, from the other samples and from the map.

    Returns
    -------
    statistic : float
        The largest excess of the cumulative distribution of `to_samples` over that of `to_map`.
    p_value : float
        Exact under ties for small sets, and by the limit distribution otherwise, as R computes it.

    Examples
    --------
    >>> statistic, p_value = closer_test(np.array([1.0, 1.0, 2.0]), np.array([3.0, 4.0, 5.0]))
    >>> statistic, round(p_value, 3)
    (1.0, 0.05)
    """
    n, m = len(to_samples), len(to_map)
    values = np.sort(np.concatenate([to_samples, to_map]))
    below = [np.searchsorted(np.sort(part), values, side="right") / len(part) for part in (to_samples, to_map)]
    statistic = float(max((below[0] - below[1]).max(), 0.0))
    if n * m >= 10_000:
        return statistic, float(np.exp(-2 * statistic**2 * n * m / (n + m)))
    # The share of the orders of both sets, given the ties, whose statistic is as large: a walk over the counts.
    limit = (0.5 + np.floor(statistic * n * m - 1e-7)) / (n * m)
    ends = np.append(values[:-1] != values[1:], True)  # where a run of equal values ends
    share = np.zeros(m + 1)
    for i in range(n + 1):
        for j in range(m + 1):
            if i + j == 0:
                continue
            if ends[i + j - 1] and i / n - j / m >= limit:
                share[j] = 1.0
            elif i == 0:
                share[j] = share[j - 1] if j else 0.0
            elif j > 0:
                share[j] = (i * share[j] + j * share[j - 1]) / (i + j)
    return statistic, float(share[m])


def nndm(
    points: np.ndarray, places: np.ndarray, *, range_m: float | None = None, least_share: float = 0.5
) -> list[Split]:
    """Test each sample by the others without those that are closer than the map usually is to its samples.

    Neighbours of a tested sample are left out of its training rows, the closest pairs first, as long as test rows are
    closer to their training rows than the map is to the samples: nearest neighbour distance matching.

    Parameters
    ----------
    points : ndarray, shape (n, n_dimensions)
        Places of the samples in metres, or features by `in_feature_space`.
    places : ndarray, shape (n_places, n_dimensions)
        Where the map is made.
    range_m : float, optional
        Distance up to which neighbours are left out, such as the range of the variogram; by default the largest one.
    least_share : float
        Neighbours are left out only while more than this share of the samples remains for training.

    Returns
    -------
    list of (train, test)
        One for each sample.

    Raises
    ------
    SamplesError
        If there are fewer than three samples, or too many for the distances of all pairs.

    References
    ----------
    Mila et al. (2022), Methods in Ecology and Evolution 13, 1304-1316.

    Examples
    --------
    >>> points = np.array([[0.0, 0.0], [1.0, 0.0], [50.0, 0.0], [51.0, 0.0], [99.0, 0.0]])
    >>> [len(train) for train, _ in nndm(points, np.array([[25.0, 0.0], [75.0, 0.0]]))]
    [3, 3, 3, 3, 4]
    """
    from scipy.spatial.distance import pdist, squareform

    points = np.asarray(points, np.float64)
    n = len(points)
    if not 3 <= n <= MOST_SAMPLES:
        raise SamplesError(
            "NNDM",
            found=f"{n} samples",
            expected=f"3 to {MOST_SAMPLES}, since each sample is tested by a model of its own",
            way_out="use kNNDM, which has a few folds",
        )
    to_map = np.sort(prediction_distances(points, places)).tolist()
    distances = squareform(pdist(points))  # one symmetric matrix, since distances are compared for equality
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :-1]
    by_rank = np.take_along_axis(distances, order, axis=1)
    farthest = max(to_map[-1], float(by_rank[:, -1].max())) if range_m is None else range_m
    n_left_out = np.zeros(n, np.intp)
    heap = [(float(distance), row) for row, distance in enumerate(by_rank[:, 0])]
    heapq.heapify(heap)
    n_before = 0  # rows whose nearest training row is closer than those in the heap
    while heap and heap[0][0] <= farthest:
        distance = heap[0][0]
        rows = []
        while heap and heap[0][0] == distance:
            rows.append(heapq.heappop(heap)[1])
        share_of_map = bisect_right(to_map, distance) / len(to_map)
        for done, row in enumerate(rows):
            n_closer = n_before + len(rows) - done
            n_remaining = n - 1 - n_left_out[row]
            if (n_closer - 1) / n < share_of_map or not n_remaining / n > least_share:
                n_before = n_closer
                break
            while n_left_out[row] < n - 1 and by_rank[row, n_left_out[row]] == distance:
                n_left_out[row] += 1
            if n_left_out[row] < n - 1:
                heapq.heappush(heap, (float(by_rank[row, n_left_out[row]]), row))
    return [(np.sort(order[row, n_left_out[row] :]), np.array([row])) for row in range(n)]
