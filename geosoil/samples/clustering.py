"""How samples are spread over the map."""

from __future__ import annotations

import numpy as np

CLUSTERED_BELOW = 0.7
LEAST_PLACES = 20


def clark_evans_ratio(xy: np.ndarray) -> float:
    """Return the Clark-Evans ratio: mean distance to the nearest neighbour over that of random points.

    Parameters
    ----------
    xy : ndarray, shape (n, 2)
        Places in metres.

    Returns
    -------
    float
        1 for points at random, below 1 for clusters, 2 for a square grid; the area is that of the convex hull. NaN
        for fewer than three different places, or places on one line.

    References
    ----------
    Clark & Evans (1954), Ecology 35, 445-453.

    Examples
    --------
    >>> grid = np.stack(np.meshgrid(np.arange(10.0), np.arange(10.0)), axis=-1).reshape(-1, 2)
    >>> round(clark_evans_ratio(grid), 1)
    2.2
    """
    from scipy.spatial import ConvexHull, QhullError, cKDTree

    places = np.unique(np.asarray(xy, np.float64), axis=0)
    if len(places) < 3:
        return float("nan")
    try:
        area = ConvexHull(places).volume  # the area, in two dimensions
    except QhullError:
        return float("nan")
    distance = cKDTree(places).query(places, k=2)[0][:, 1]
    return float(distance.mean() / (0.5 / np.sqrt(len(places) / area)))


def is_clustered(xy: np.ndarray) -> bool:
    """Return whether places are so clustered that random folds flatter a model of a map.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> clusters = rng.uniform(0, 10_000, (5, 1, 2)) + rng.normal(0, 50, (5, 20, 2))
    >>> is_clustered(clusters.reshape(-1, 2)), is_clustered(rng.uniform(0, 10_000, (100, 2)))
    (True, False)
    """
    return len(xy) >= LEAST_PLACES and clark_evans_ratio(xy) < CLUSTERED_BELOW


def choose_block_m(xy_m: np.ndarray, least: int = 10) -> float:
    """Return a side of spatial blocks that keeps clusters whole and leaves enough blocks for folds.

    Samples closer than random points would be are linked to clusters. The side is twice the extent that three
    quarters of the samples' clusters do not exceed, and is lowered until `least` blocks have samples.

    Parameters
    ----------
    xy_m : ndarray, shape (n, 2)
        Places in metres.
    least : int
        Smallest number of blocks with samples, as far as there are places.

    Returns
    -------
    float
        Side in metres, with two digits.

    Examples
    --------
    >>> centres = 10_000.0 * np.stack(np.meshgrid(np.arange(4), np.arange(4)), axis=-1).reshape(-1, 1, 2)
    >>> clusters = centres + np.random.default_rng(0).uniform(0, 500, (16, 20, 2))
    >>> 800 < choose_block_m(clusters.reshape(-1, 2)) < 1200
    True
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    places = np.unique(np.asarray(xy_m, np.float64), axis=0)
    area = float(np.prod(np.maximum(np.ptp(places, axis=0), 1.0)))
    pairs = cKDTree(places).query_pairs(0.5 * np.sqrt(area / len(places)), output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(places),) * 2)
    labels = connected_components(links, directed=False)[1]
    extents = np.array([np.ptp(places[labels == label], axis=0).max() for label in range(labels.max() + 1)])
    side = max(2 * float(np.quantile(extents[labels], 0.75)), float(np.ptp(places, axis=0).max()) / 50, 1.0)
    while count_blocks(places, side) < min(least, len(places)) and side > 1e-3:
        side *= 0.8
    return float(f"{side:.2g}")


def count_blocks(xy_m: np.ndarray, side_m: float) -> int:
    """Return the number of square blocks that have samples, as `split_spatial_blocks` makes them.

    >>> count_blocks(np.array([[0.0, 0.0], [10.0, 0.0], [120.0, 0.0]]), 100.0)
    2
    """
    return len(np.unique(np.floor((xy_m - xy_m.min(axis=0)) / side_m), axis=0))
