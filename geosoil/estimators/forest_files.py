"""Read and write random forests as skops files, with an exact list of types and a check of each tree."""

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
MOST_BYTES = 4 * 1024**3  # unpacked; 500 trees of 5000 samples take 0.3 GB


def write_forests(forests: dict[str, Any], path: Path) -> None:
    """Write fitted forests by name to one skops file."""
    from skops import io as skops_io

    skops_io.dump(forests, path)


def read_forests(path: Path) -> dict[str, Any]:
    """Read the forests of a skops file; raises ValueError if it holds anything but forests."""
    from skops import io as skops_io

    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            msg = f"more than {MOST_BYTES} bytes unpacked"
            raise ValueError(msg)
        schema = json.loads(archive.read("schema.json"))
    _check_nodes(schema)
    forests = skops_io.load(path, trusted=["sklearn.tree._tree.Tree"])
    if not isinstance(forests, dict):
        msg = "the file is not a table of forests"
        raise ValueError(msg)
    for forest in forests.values():
        _check_trees(forest)
    return forests


def _check_nodes(node: Any) -> None:
    """Raise ValueError for a node whose type or kind is not in the lists."""
    if isinstance(node, list):
        for item in node:
            _check_nodes(item)
    elif isinstance(node, dict):
        if "__class__" in node and (node.get("__module__"), node["__class__"]) not in FOREST_TYPES:
            msg = f"type {node.get('__module__')}.{node['__class__']} is not allowed"
            raise ValueError(msg)
        if "__loader__" in node and node["__loader__"] not in NODE_KINDS:
            msg = f"node {node['__loader__']} is not allowed"
            raise ValueError(msg)
        for item in node.values():
            _check_nodes(item)


def _check_trees(forest: Any) -> None:
    """Raise ValueError for trees that would read outside their arrays or never end."""
    for member in forest.estimators_:
        tree = member.tree_
        nodes = np.arange(tree.node_count)
        inner = tree.children_left != -1
        for children in (tree.children_left, tree.children_right):
            if len(children) != len(nodes) or ((children <= nodes) | (children >= len(nodes)))[inner].any():
                msg = "the nodes of a tree are not connected"
                raise ValueError(msg)
        children = np.concatenate([tree.children_left[inner], tree.children_right[inner]])
        if not np.array_equal(np.sort(children), nodes[1:]):  # `_trees` needs exactly one parent per node
            msg = "the nodes of a tree are not connected"
            raise ValueError(msg)
        if (tree.children_right[~inner] != -1).any() or not (
            (tree.feature[inner] >= 0) & (tree.feature[inner] < forest.n_features_in_)
        ).all():
            msg = "a tree uses a feature that the forest does not have"
            raise ValueError(msg)
