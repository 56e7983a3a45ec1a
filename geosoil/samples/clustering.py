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
