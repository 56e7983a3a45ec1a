"""Read the random forests of earlier model folders, skops files, with an exact list of types and a check of each tree.

skops writes its archives uncompressed, each array once; anything else is a small file that becomes a large one.
"""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

# All types and kinds of nodes of a scikit-learn regression forest. Nothing else is accepted, not even other types of
# scikit-learn, which skops trusts by default.
FOREST_TYPES = {
    ("builtins", "dict"),
    ("builtins", "list"),
    ("builtins", "str"),
    ("builtins", "tuple"),
    ("numpy", "ndarray"),
    ("sklearn.ensemble._forest", "RandomForestRegressor"),
    ("sklearn.tree._classes", "DecisionTreeRegressor"),
    ("sklearn.tree._tree", "Tree"),
}
NODE_KINDS = {"DictNode", "JsonNode", "ListNode", "NdArrayNode", "ObjectNode", "TreeNode", "TupleNode", "TypeNode"}
MOST_BYTES = 4 * 1024**3  # 500 trees of 5000 samples take 0.3 GB
MOST_NODES = 5_000_000  # of the description, each counted as often as it is used
MOST_DEPTH = 40
MOST_TREES = 20_000


def read_forests(path: Path) -> dict[str, Any]:
    """Read the forests of a skops file; raises ValueError if it holds anything but forests."""
    from skops import io as skops_io

    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise ValueError("a compressed archive")
        if sum(entry.file_size for entry in entries) > min(MOST_BYTES, path.stat().st_size):
            raise ValueError(f"more than {MOST_BYTES} bytes, or than the file has")
        schema = json.loads(archive.read("schema.json"))
    _check_nodes(schema, {}, {}, MOST_DEPTH)
    forests = skops_io.load(path, trusted=["sklearn.tree._tree.Tree"])
    if not isinstance(forests, dict):
        raise ValueError("the file is not a table of forests")
    trees = [member for forest in forests.values() for member in forest.estimators_]
    if len(trees) > MOST_TREES or len({id(member.tree_) for member in trees}) < len(trees):
        raise ValueError(f"more than {MOST_TREES} trees, or a tree that is used twice")
    for forest in forests.values():
        _check_trees(forest)
    return forests


def _check_nodes(node: Any, counts: dict[Any, int], files: dict[Any, Any], depth: int) -> int:
    """Return the number of nodes, references resolved; raises ValueError for too many, or one that is not allowed."""
    if not isinstance(node, list | dict):
        return 0
    if depth == 0:
        raise ValueError(f"nodes more than {MOST_DEPTH} deep")
    count = 1
    if isinstance(node, dict):
        if "__class__" in node and (node.get("__module__"), node["__class__"]) not in FOREST_TYPES:
            raise ValueError(f"type {node.get('__module__')}.{node['__class__']} is not allowed")
        if "__loader__" in node and node["__loader__"] not in NODE_KINDS:
            raise ValueError(f"node {node['__loader__']} is not allowed")
        key = node.get("__id__")
        if key in counts:  # skops takes the first object of this id, whatever this node holds
            return counts[key]
        if "file" in node and files.setdefault(node["file"], key) != key:
            raise ValueError("an array that is used twice")
        children: list[Any] = list(node.values())
    else:
        key, children = None, node
    for child in children:
        count += _check_nodes(child, counts, files, depth - 1)
    if count > MOST_NODES:
        raise ValueError(f"more than {MOST_NODES} nodes")
    if key is not None:
        counts[key] = count
    return count


def check_nodes(left: np.ndarray, right: np.ndarray, feature: np.ndarray, n_features: int) -> None:
    """Check the nodes of a tree, as compiled loops read their arrays without a check.

    Parameters
    ----------
    left, right : ndarray of shape (node,)
        The children of each node; -1 at a leaf.
    feature : ndarray of shape (node,)
        The feature that a node compares.
    n_features : int
        The number of features of a row.

    Raises
    ------
    ValueError
        If a prediction would read outside its arrays, or never end: each node but the first must be the child of
        exactly one node before it.

    Examples
    --------
    >>> check_nodes(np.array([1, -1, -1]), np.array([2, -1, -1]), np.array([0, -2, -2]), 1)
    >>> check_nodes(np.array([0, -1, -1]), np.array([2, -1, -1]), np.array([0, -2, -2]), 1)
    Traceback (most recent call last):
    ValueError: the nodes of a tree are not connected
    """
    nodes, inner = np.arange(len(left)), left != -1
    children = np.concatenate([left[inner], right[inner]])
    before = np.concatenate([nodes[inner], nodes[inner]])
    if (children <= before).any() or not np.array_equal(np.sort(children), nodes[1:]) or not len(left) == len(right):
        raise ValueError("the nodes of a tree are not connected")
    if (right[~inner] != -1).any() or not ((feature[inner] >= 0) & (feature[inner] < n_features)).all():
        raise ValueError("a tree uses a feature that the rows do not have")


def _check_trees(forest: Any) -> None:
    """Raise ValueError for trees that would read outside their arrays or never end."""
    for member in forest.estimators_:
        tree = member.tree_
        if tree.n_features != forest.n_features_in_ or tree.node_count != len(tree.children_left):
            raise ValueError("a tree uses a feature that the rows do not have")
        check_nodes(tree.children_left, tree.children_right, tree.feature, forest.n_features_in_)
