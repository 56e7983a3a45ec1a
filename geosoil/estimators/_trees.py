"""The prediction of a forest over many rows, compiled. Import this file on use: numba takes a second.

scikit-learn leads one row after another down a tree: every step waits for the one before it. Here whole batches go
down together: each node splits the list of the rows that reached it. Every row meets the same comparisons, and its
leaves are added in the same order, so sums are scikit-learn's to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS_AT_ONCE = 4096  # their lists and one column of them stay near a core's cache


@dataclass(frozen=True)
class PackedTrees:
    """The nodes of all trees of a forest behind each other; a tree's root is its first node.

    first `(tree + 1,)`: where each tree begins. The others are `(node,)`; children are counted from their tree's root,
    stand behind their parent (as scikit-learn grows them, and `forests.read_forests` checks), and are -1 at a leaf.
    """

    first: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    value: np.ndarray


def pack_trees(forest: Any) -> PackedTrees:
    """Return the nodes of a fitted RandomForestRegressor of one target."""
    trees = [member.tree_ for member in forest.estimators_]

    def joined(of: Callable[[Any], np.ndarray], dtype: type) -> np.ndarray:
        return np.concatenate([of(tree) for tree in trees]).astype(dtype)

    return PackedTrees(
        first=np.cumsum([0, *(tree.node_count for tree in trees)]),
        feature=joined(lambda tree: tree.feature, np.int32),
        threshold=joined(lambda tree: tree.threshold, np.float64),
        left=joined(lambda tree: tree.children_left, np.int32),
        right=joined(lambda tree: tree.children_right, np.int32),
        value=joined(lambda tree: tree.value[:, 0, 0], np.float64),
    )


def mean_of_trees(trees: PackedTrees, X: np.ndarray) -> np.ndarray:
    """Predict `(sample,)` from complete rows X `(sample, feature)`, compared as float32 as scikit-learn does."""
    columns = np.ascontiguousarray(np.asarray(X, np.float32).T)
    total = np.zeros(len(X))
    _add_trees(
        columns, trees.first, trees.feature, trees.threshold, trees.left, trees.right, trees.value, total, ROWS_AT_ONCE
    )
    return total / (len(trees.first) - 1)


@njit(cache=True, nogil=True)
def _add_trees(columns, first, feature, threshold, left, right, value, total, rows_at_once):
    """Add the leaf value of every tree to `total`; columns `(feature, row)`."""
    most_nodes = np.max(np.diff(first))
    start, stop = np.empty(most_nodes, np.uint32), np.empty(most_nodes, np.uint32)  # a node's part of the list
    rows, aside = np.empty(rows_at_once, np.uint32), np.empty(rows_at_once, np.uint32)
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
                middle, n_aside = low, np.uint32(0)
                if low < high:
                    column, limit = x[feature[root + node]], threshold[root + node]
                    for i in range(low, high):
                        row = rows[i]
                        # Write to both lists, and step on in one: a branch here would be guessed wrong half the time.
                        rows[middle] = row
                        aside[n_aside] = row
                        goes_right = np.uint32(column[row] > limit)
                        n_aside += goes_right
                        middle += np.uint32(1) - goes_right
                    for i in range(n_aside):
                        rows[middle + i] = aside[i]
                start[left[root + node]], stop[left[root + node]] = low, middle
                start[right[root + node]], stop[right[root + node]] = middle, high
