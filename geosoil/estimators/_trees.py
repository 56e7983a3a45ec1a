"""Compiled prediction of random forests for many rows. Import this module only on use: numba takes a second to load.

scikit-learn follows one row at a time down a tree, so that every step waits for the one before. Here a batch of rows is
processed together: each node splits the list of rows that reach it. The comparisons and the order in which leaves are
added are those of scikit-learn, so the sums are the same to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS_AT_ONCE = 4096  # the lists of rows and one column of values then fit into the cache of a core


@dataclass(frozen=True)
class PackedTrees:
    """The nodes of all trees of a forest in one array per property; the first node of a tree is its root.

    Children always have a larger index than their parent: scikit-learn grows trees so, and
    `forest_files.read_forests` checks it.

    Parameters
    ----------
    first : ndarray of shape (tree + 1,)
        Index of the first node of each tree, and the number of nodes.
    feature : ndarray of shape (node,)
        Feature that the node compares.
    threshold : ndarray of shape (node,)
        Rows with a value up to the threshold go to the left child.
    left, right : ndarray of shape (node,)
        Children, counted from the root of their tree; -1 at a leaf.
    value : ndarray of shape (node,)
        Prediction of a leaf, in the unit of the target.
    """

    first: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray


def pack_trees(forest: Any) -> PackedTrees:
    """Return the nodes of a fitted RandomForestRegressor with one target."""
    trees = [member.tree_ for member in forest.estimators_]

    def joined(get: Callable[[Any], np.ndarray], dtype: type) -> np.ndarray:
        return np.concatenate([get(tree) for tree in trees]).astype(dtype)

    return PackedTrees(
        first=np.cumsum([0, *(tree.node_count for tree in trees)]),
        feature=joined(lambda tree: tree.feature, np.int32),
        threshold=joined(lambda tree: tree.threshold, np.float64),
        left=joined(lambda tree: tree.children_left, np.int32),
        right=joined(lambda tree: tree.children_right, np.int32),
        value=joined(lambda tree: tree.value[:, 0, 0], np.float64),
    )


def mean_of_trees(trees: PackedTrees, X: np.ndarray) -> np.ndarray:
    """Return the mean prediction `(sample,)` of the trees for X `(sample, feature)` without NaN.

    Values are compared as float32, as in scikit-learn.
    """
    columns = np.ascontiguousarray(np.asarray(X, np.float32).T)
    total = np.zeros(len(X))
    _add_trees(
        columns, trees.first, trees.feature, trees.threshold, trees.left, trees.right, trees.value, total, ROWS_AT_ONCE
    )
    return total / (len(trees.first) - 1)


@njit(cache=True, nogil=True)
def _add_trees(columns, first, feature, threshold, left, right, value, total, rows_at_once):
    """Add the leaf values of all trees to `total` `(row,)`; columns are `(feature, row)`."""
    most_nodes = np.max(np.diff(first))
    start, stop = np.empty(most_nodes, np.uint32), np.empty(most_nodes, np.uint32)  # the rows of a node in the list
    rows, to_right = np.empty(rows_at_once, np.uint32), np.empty(rows_at_once, np.uint32)
    for begin in range(0, columns.shape[1], rows_at_once):
        x = columns[:, begin : begin + rows_at_once]
        out = total[begin : begin + rows_at_once]
        for tree in range(len(first) - 1):
            for i in range(len(out)):
                rows[i] = i
            start[0], stop[0] = 0, len(out)
            root = first[tree]
            for node in range(first[tree + 1] - root):
                low, high = start[node], stop[node]
                if left[root + node] < 0:
                    for i in range(low, high):
                        out[rows[i]] += value[root + node]
                    continue
                middle, n_right = low, np.uint32(0)
                if low < high:
                    column, limit = x[feature[root + node]], threshold[root + node]
                    for i in range(low, high):
                        row = rows[i]
                        # Write to both lists and advance one of them: a branch would be mispredicted half the time.
                        rows[middle] = row
                        to_right[n_right] = row
                        goes_right = np.uint32(column[row] > limit)
                        n_right += goes_right
                        middle += np.uint32(1) - goes_right
                    for i in range(n_right):
                        rows[middle + i] = to_right[i]
                start[left[root + node]], stop[left[root + node]] = low, middle
                start[right[root + node]], stop[right[root + node]] = middle, high
