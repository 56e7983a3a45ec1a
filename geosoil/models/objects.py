"""Fitted objects of scikit-learn as a tree of JSON and named arrays, and back, by the literal tables of their types.

A value of JSON is itself; everything else is an object with one key that names its kind:

    {"type": "sklearn.Ridge", "state": {...}}          an object of a class in `CLASSES`
    {"list of": "sklearn...", "common": {}, "each": []} objects of one class, with the values that all of them share
    {"array": NAME} {"bits": [NAME, "float64"]}        an array; with NaN or infinity, as integers
    {"tree": {...}} {"nodes": NAME} {"spline": [...]}  compiled trees, whose nodes are checked, and splines
    {"loss": NAME} {"function": "log1p"}               by the tables `LOSSES` and `FUNCTIONS`
    {"estimator": {...}}                               a step or a regressor of geosoil (`models/state.py`)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import EstimatorError
from geosoil.models.object_checks import check_object
from geosoil.models.sklearn_types import CLASSES, DROPPED, FUNCTIONS, LOSSES, NOT_STORED, STORABLE
from geosoil.numerics.imports import import_object

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_NODES, MOST_OBJECTS, MOST_DEPTH, MOST_STEPS = 2_000_000, 50_000, 60, 200
_SCALARS = (
    "bool_", "float32", "float64", "int8", "int16", "int32", "int64", "str_", "uint8", "uint16", "uint32", "uint64",
)  # fmt: skip
_FEWEST_FOR_COMMON = 3


def unstorable(what: str) -> EstimatorError:
    """Return the error for something that a model folder cannot hold."""
    return EstimatorError(
        what,
        problem="it cannot be stored in a model folder, which holds no code",
        expected=STORABLE,
        way_out="map with it in this Python process by Predictor.map, without saving",
    )


class Encoder:
    """Describe fitted objects.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Receives the arrays, under names that start with `path`.
    path : str
    describe : callable
        Returns the tree of a step or regressor of geosoil, and None for anything else.
    """

    def __init__(self, arrays: dict[str, np.ndarray], path: str, describe: Callable[[Any, str], Any]) -> None:
        self.arrays, self.path, self.describe = arrays, path, describe

    def encode(self, value: Any, where: str) -> Any:
        """Return the tree of a value; raises EstimatorError with its place `where` if it cannot be stored."""
        from sklearn._loss.loss import BaseLoss
        from sklearn.tree._tree import Tree

        if value is None or type(value) in (bool, int, str):
            return value
        if isinstance(value, np.generic):
            kind = {"bool": "bool_", "str": "str_"}.get(type(value).__name__, type(value).__name__)
            if kind in _SCALARS:
                return {"scalar": [kind, str(value) if not np.isfinite(_as_number(value)) else value.item()]}
        elif isinstance(value, float):
            return value if np.isfinite(value) else {"float": str(value)}
        elif isinstance(value, np.ndarray):
            return self._array(value, where)
        elif type(value) in (list, tuple, set):
            return self._sequence(value, where)
        elif isinstance(value, dict):
            pairs = [[self.encode(key, where), self.encode(item, f"{where}[{key!r}]")] for key, item in value.items()]
            return {"dict": pairs}
        elif isinstance(value, slice):
            return {"slice": [self.encode(item, where) for item in (value.start, value.stop, value.step)]}
        elif isinstance(value, np.dtype) or (isinstance(value, type) and issubclass(value, np.generic)):
            return {"dtype": np.dtype(value).str}
        elif isinstance(value, np.random.RandomState | np.random.Generator):
            return None
        elif isinstance(value, np.ufunc) and value.__name__ in FUNCTIONS and getattr(np, value.__name__) is value:
            return {"function": value.__name__}
        elif isinstance(value, BaseLoss) and type(value).__name__ in LOSSES:
            return {"loss": type(value).__name__}
        elif isinstance(value, Tree):
            state = value.__getstate__()
            sizes = {"n_features": value.n_features, "n_outputs": value.n_outputs, "max_depth": value.max_depth}
            return {"tree": {**sizes, "nodes": self._nodes(state["nodes"]), "values": self._put(state["values"])}}
        elif type(value).__name__ == "BSpline" and type(value).__module__.startswith("scipy."):
            return {
                "spline": [self._put(value.t), self._put(value.c), int(value.k), self.encode(value.extrapolate, "")]
            }
        return self._object(value, where)

    def _object(self, value: Any, where: str) -> Any:
        tree = self.describe(value, f"{self.path}{len(self.arrays)}/")
        if tree is not None:
            return {"estimator": tree}
        if hasattr(value, "best_estimator_"):  # a finished search predicts by its best estimator
            return self.encode(value.best_estimator_, where)
        if hasattr(value, "param_grid") or hasattr(value, "param_distributions"):  # not fitted: a parameter
            return self.encode(value.estimator, where)
        name = class_name(value)
        if name is None:
            raise unstorable(f"{where} ({getattr(value, '__name__', type(value).__name__)})")
        return {"type": name, "state": self._state(value, where)}

    def _state(self, value: Any, where: str) -> dict[str, Any]:
        state = dict(value.__getstate__())
        for name in DROPPED & set(state):
            del state[name]
        state |= {name: absent for name, absent in NOT_STORED.items() if name in state}
        return {name: self.encode(item, f"{where}.{name}") for name, item in state.items()}

    def _sequence(self, values: Any, where: str) -> Any:
        items = [self.encode(item, f"{where}[{number}]") for number, item in enumerate(values)]
        if type(values) is not list:
            return {type(values).__name__: items}
        kinds = {item.get("type") if isinstance(item, dict) else None for item in items}
        if len(items) < _FEWEST_FOR_COMMON or len(kinds) > 1 or None in kinds:
            return items
        states = [item["state"] for item in items]
        common = {
            name: first
            for name, first in states[0].items()
            if not isinstance(first, dict | list) and all(_same(state.get(name, items), first) for state in states)
        }
        each = [{name: item for name, item in state.items() if name not in common} for state in states]
        return {"list of": kinds.pop(), "common": common, "each": each}

    def _array(self, value: np.ndarray, where: str) -> Any:
        if type(value) is not np.ndarray:
            raise unstorable(f"{where} ({type(value).__name__})")
        if value.dtype.kind in "OU":
            items = self.encode(value.ravel().tolist(), where)
            return {"items": items, "shape": list(value.shape), "dtype": value.dtype.str}
        if value.dtype.names is not None:
            return {"nodes": self._nodes(value)}
        if value.dtype.kind not in "biuf" or value.dtype.itemsize > 8:
            raise unstorable(f"{where} (an array of {value.dtype})")
        if value.ndim == 0:
            return {"point": self.encode(value[()], where)}
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            return {"bits": [self._put(np.ascontiguousarray(value).view(f"i{value.itemsize}")), value.dtype.str]}
        return {"array": self._put(value)}

    def _nodes(self, value: np.ndarray) -> str:
        return self._put(np.ascontiguousarray(value).view(np.uint8).reshape(len(value), -1))

    def _put(self, value: np.ndarray) -> str:
        name = f"{self.path}{len(self.arrays)}"
        self.arrays[name] = np.ascontiguousarray(value).copy()
        return name


def _as_number(value: np.generic) -> float:
    return float(value) if value.dtype.kind == "f" else 0.0


def _same(first: Any, second: Any) -> bool:
    return type(first) is type(second) and bool(first == second)


def class_name(value: Any) -> str | None:
    """Return the name in `CLASSES` of an object's own class; None if it has none.

    >>> from sklearn.linear_model import Ridge
    >>> class_name(Ridge()), class_name(3.5)
    ('sklearn.Ridge', None)
    """
    name = f"sklearn.{type(value).__name__}"
    return name if name in CLASSES and import_object(CLASSES[name]) is type(value) else None


class Decoder:
    """Build the objects that a tree describes.

    Every array of the file is used once, so that a small file cannot become a large model.

    Parameters
    ----------
    arrays : dict of str to ndarray
        Those of the file; each is removed when it is used.
    rebuild : callable
        Builds a step or regressor of geosoil of its tree.
    """

    def __init__(self, arrays: dict[str, np.ndarray], rebuild: Callable[[Any], Any]) -> None:
        self.arrays, self.rebuild = arrays, rebuild

    def decode(self, tree: Any) -> Any:
        """Return the value of a tree; raises KeyError, TypeError or ValueError for one that `encode` cannot make."""
        if isinstance(tree, list):
            return [self.decode(item) for item in tree]
        if not isinstance(tree, dict):
            return tree
        kind = next(iter(tree), None)
        if "type" in tree:
            return self._object(tree["type"], tree["state"])
        if "list of" in tree:
            if any(isinstance(value, dict | list) for value in tree["common"].values()):
                raise ValueError("a value that objects share is not a number, a text or null")
            return [self._object(tree["list of"], tree["common"] | state) for state in tree["each"]]
        if "items" in tree:
            array = np.empty(len(items := self.decode(tree["items"])), _allowed_dtype(tree["dtype"], "OU"))
            for number, item in enumerate(items):
                array[number] = item
            return array.reshape(tree["shape"])
        if len(tree) != 1 or kind not in _DECODERS:
            raise ValueError(f"unknown kind {sorted(tree)[:3]}")
        return _DECODERS[kind](self, tree[kind])

    def _object(self, name: Any, state: Any) -> Any:
        if name not in CLASSES:
            raise ValueError(f"type {name!r} is not allowed")
        cls = import_object(CLASSES[name])
        for attribute in state:
            if attribute.startswith("__") or callable(getattr(cls, attribute, None)):
                raise ValueError(f"{name} has no attribute {attribute!r} to set")
        for attribute, absent in NOT_STORED.items():
            if state.get(attribute, absent) != absent:
                raise ValueError(f"{attribute} of {name} is not {absent}")
        value = cls.__new__(cls)
        value.__dict__.update({attribute: self.decode(item) for attribute, item in state.items()})
        check_object(value)
        return value

    def _take(self, name: Any) -> np.ndarray:
        return self.arrays.pop(name)

    def _bits(self, content: Any) -> np.ndarray:
        return self._take(content[0]).view(_allowed_dtype(content[1], "f"))

    def _scalar(self, content: Any) -> Any:
        if content[0] not in _SCALARS:
            raise ValueError(f"unknown number {content[0]!r}")
        return getattr(np, content[0])(content[1])

    def _nodes(self, name: Any) -> np.ndarray:
        from sklearn.ensemble._hist_gradient_boosting.common import PREDICTOR_RECORD_DTYPE

        return self._records(name, PREDICTOR_RECORD_DTYPE)

    def _records(self, name: Any, dtype: np.dtype) -> np.ndarray:
        content = self._take(name)
        if content.dtype != np.uint8 or content.ndim != 2 or content.shape[1] != dtype.itemsize:
            raise ValueError("the nodes of a tree are not those of this version of scikit-learn")
        return np.ascontiguousarray(content).view(dtype).ravel()

    def _tree(self, content: Any) -> Any:
        from sklearn.tree._tree import NODE_DTYPE, Tree

        from geosoil.estimators.forest_files import check_nodes

        nodes, values = self._records(content["nodes"], NODE_DTYPE), self._take(content["values"])
        n_features, n_outputs = int(content["n_features"]), int(content["n_outputs"])
        if values.shape != (len(nodes), n_outputs, 1) or values.dtype != np.float64 or not 1 <= n_features < 2**31:
            raise ValueError("the values of a tree do not belong to its nodes")
        check_nodes(nodes["left_child"], nodes["right_child"], nodes["feature"], n_features)
        tree = Tree(n_features, np.ones(n_outputs, np.intp), n_outputs)
        state = {"max_depth": int(content["max_depth"]), "node_count": len(nodes), "nodes": nodes, "values": values}
        tree.__setstate__(state)
        return tree

    def _spline(self, content: Any) -> Any:
        from scipy.interpolate import BSpline

        knots, coefficients, degree, extrapolate = content
        return BSpline(self._take(knots), self._take(coefficients), degree, extrapolate)

    def _loss(self, name: Any) -> Any:
        if name not in LOSSES:
            raise ValueError(f"loss {name!r} is not allowed")
        return import_object(f"sklearn._loss.loss:{name}")()

    def _function(self, name: Any) -> Any:
        if name not in FUNCTIONS:
            raise ValueError(f"function {name!r} is not allowed")
        return getattr(np, name)

    def _dict(self, pairs: Any) -> Any:
        return {self.decode(key): self.decode(item) for key, item in pairs}


_DECODERS: dict[str, Callable[[Decoder, Any], Any]] = {
    "array": Decoder._take,
    "bits": Decoder._bits,
    "dict": Decoder._dict,
    "dtype": lambda _, text: _allowed_dtype(text, "biufOU"),
    "estimator": lambda decoder, tree: decoder.rebuild(tree),
    "float": lambda _, text: float(text),
    "function": Decoder._function,
    "loss": Decoder._loss,
    "nodes": Decoder._nodes,
    "point": lambda decoder, tree: np.array(decoder.decode(tree)),
    "scalar": Decoder._scalar,
    "set": lambda decoder, items: set(decoder.decode(items)),
    "slice": lambda decoder, items: slice(*decoder.decode(items)),
    "spline": Decoder._spline,
    "tree": Decoder._tree,
    "tuple": lambda decoder, items: tuple(decoder.decode(items)),
}


def _allowed_dtype(text: Any, kinds: str) -> np.dtype:
    dtype = np.dtype(str(text))
    if dtype.kind not in kinds or dtype.names is not None or dtype.itemsize > 4096:
        raise ValueError(f"type {text!r} of an array is not allowed")
    return dtype


def check_size(tree: Any) -> None:
    """Raise ValueError for a tree of JSON that is deeper or larger than a model is."""
    n_nodes = n_objects = 0
    waiting = [(tree, 0)]
    while waiting:
        node, depth = waiting.pop()
        items: list[Any] = []
        if isinstance(node, dict):
            items = list(node.values())
            each, common = node.get("each", ()), node.get("common", ())
            n_objects += "type" in node
            n_objects += len(each)
            n_nodes += len(each) * len(common)  # values that are shared are set for each object
            if len(node.get("steps", ())) > MOST_STEPS:
                raise ValueError(f"a Pipeline of more than {MOST_STEPS} steps")
        elif isinstance(node, list):
            items = node
        n_nodes += len(items)
        if n_nodes > MOST_NODES or n_objects > MOST_OBJECTS:
            raise ValueError(f"more than {MOST_OBJECTS} objects or {MOST_NODES} values")
        if depth > MOST_DEPTH:
            raise ValueError(f"objects inside objects, more than {MOST_DEPTH} deep")
        waiting += [(item, depth + 1) for item in items if isinstance(item, dict | list)]
