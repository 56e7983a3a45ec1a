"""Forests to and from `forest.skops`, with an exact list of types and a check of every tree."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

# Every type and every kind of node that a scikit-learn regression forest is made of; nothing else is let in,
# not even scikit-learn's other types, which skops trusts by itself.
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
MOST_BYTES = 4 * 1024**3  # unpacked; a forest of 500 trees on 5000 samples has 0.3 GB


def write_forests(forests: dict[str, Any], path: Path) -> None:
    """Write fitted forests, by name, to one skops file."""
    from skops import io as skops_io

    skops_io.dump(forests, path)


def read_forests(path: Path) -> dict[str, Any]:
    """Read the forests of a skops file; raises ValueError for anything that is not exactly a forest."""
    from skops import io as skops_io

    with zipfile.ZipFile(path) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > MOST_BYTES:
            msg = f"more than {MOST_BYTES} bytes unpacked"
            raise ValueError(msg)
        schema = json.loads(archive.read("schema.json"))
    _check_nodes(schema)
    forests = skops_io.load(path, trusted=["sklearn.tree._tree.Tree"])
    if not isinstance(forests, dict):
        msg = "no table of forests"
        raise ValueError(msg)
    for forest in forests.values():
        _check_trees(forest)
    return forests


def _check_nodes(node: Any) -> None:
    """Refuse any node whose type or kind is not on the lists."""
    if isinstance(node, list):
        for item in node:
            _check_nodes(item)
    elif isinstance(node, dict):
        if "__class__" in node and (node.get("__module__"), node["__class__"]) not in FOREST_TYPES:
            msg = f"type {node.get('__module__')}.{node['__class__']}"
            raise ValueError(msg)
        if "__loader__" in node and node["__loader__"] not in NODE_KINDS:
            msg = f"node {node['__loader__']}"
            raise ValueError(msg)
        for item in node.values():
            _check_nodes(item)


def _check_trees(forest: Any) -> None:
    """Refuse trees that would read outside their arrays or never end: children stand behind their one parent."""
    for member in forest.estimators_:
        tree = member.tree_
        nodes = np.arange(tree.node_count)
        inner = tree.children_left != -1
        for children in (tree.children_left, tree.children_right):
            if len(children) != len(nodes) or ((children <= nodes) | (children >= len(nodes)))[inner].any():
                msg = "a tree whose nodes do not hang together"
                raise ValueError(msg)
        born = np.concatenate([tree.children_left[inner], tree.children_right[inner]])
        if not np.array_equal(np.sort(born), nodes[1:]):  # each has one parent: `_trees` relies on that
            msg = "a tree whose nodes do not hang together"
            raise ValueError(msg)
        if (tree.children_right[~inner] != -1).any() or not (
            (tree.feature[inner] >= 0) & (tree.feature[inner] < forest.n_features_in_)
        ).all():
            msg = "a tree that asks for features it does not have"
            raise ValueError(msg)
