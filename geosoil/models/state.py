"""Fitted estimators as a tree of JSON and named arrays, and back; nothing here can execute a file's content.

Only the types of `TYPES` can be built, by their constructors with JSON parameters; their fitted state is then set
from arrays. Other estimators of scikit-learn are described by `models/objects.py`, which has an exact list of types.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from geosoil.models.objects import Decoder, Encoder, check_size
from geosoil.numerics.imports import import_object
from geosoil.program.step import Stateful

# Name in the file -> module and class; a model file can ask for no other classes.
TYPES: dict[str, str] = {
    "Absorbance": "geosoil.spectra.absorbance:Absorbance",
    "SNV": "geosoil.spectra.scatter:SNV",
    "MSC": "geosoil.spectra.scatter:MSC",
    "Detrend": "geosoil.spectra.scatter:Detrend",
    "SavitzkyGolay": "geosoil.spectra.smooth:SavitzkyGolay",
    "ContinuumRemoval": "geosoil.spectra.continuum:ContinuumRemoval",
    "ResampleSpectra": "geosoil.spectra.resample:ResampleSpectra",
    "CARS": "geosoil.spectra.cars:CARS",
    "CovariateSelection": "geosoil.samples.covariates:CovariateSelection",
    "StepsOfBands": "geosoil.spectra.steps_of_bands:StepsOfBands",
    "SpectralVAE": "geosoil.estimators.fusion.vae:SpectralVAE",
    "PartialLeastSquares": "geosoil.estimators.pls:PartialLeastSquares",
    "SpikedPLS": "geosoil.estimators.spiked_pls:SpikedPLS",
    "Ridge": "geosoil.estimators.ridge:Ridge",
    "ScoreRidge": "geosoil.estimators.score_ridge:ScoreRidge",
    "MemoryBased": "geosoil.estimators.memory_based:MemoryBased",
    "SupportVectors": "geosoil.estimators.support_vectors:SupportVectors",
    "Forest": "geosoil.estimators.forest:Forest",
    "GaussianProcess": "geosoil.estimators.gaussian_process:GaussianProcess",
    "BoostedTrees": "geosoil.estimators.boosted_trees:BoostedTrees",
    "DenseNet": "geosoil.estimators.dense_net:DenseNet",
    "LogTarget": "geosoil.estimators.log_target:LogTarget",
    "PerTarget": "geosoil.estimators.multi_target:PerTarget",
    "PlainCNN": "geosoil.estimators.depth_cnn:PlainCNN",
    "MultiTaskCNN": "geosoil.estimators.depth_cnn:MultiTaskCNN",
    "TransferCNN": "geosoil.estimators.depth_cnn:TransferCNN",
    "ResNet1D": "geosoil.estimators.resnet:ResNet1D",
    "SpectralCNN": "geosoil.estimators.spectral_cnn:SpectralCNN",
    "StandardScaler": "sklearn.preprocessing:StandardScaler",
    "MinMaxScaler": "sklearn.preprocessing:MinMaxScaler",
}

# What scikit-learn's own steps learn in `fit`.
SKLEARN_STATE: dict[str, tuple[str, ...]] = {
    "StandardScaler": ("n_features_in_", "mean_", "var_", "scale_"),
    "MinMaxScaler": ("n_features_in_", "min_", "scale_", "data_min_", "data_max_", "data_range_"),
}


def regressor_of(estimator: Any) -> Any:
    """Return what predicts inside Pipelines and LogTarget: their last step.

    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> regressor_of(make_pipeline(LinearRegression()))
    LinearRegression()
    """
    while True:
        if hasattr(estimator, "steps"):
            estimator = estimator.steps[-1][1]
        elif is_wrapper(estimator):
            estimator = estimator.estimator_
        else:
            return estimator


def unwrapped(estimator: Any) -> Any:
    """Return the estimator inside a LogTarget: the Pipeline or regressor that sees the features."""
    while is_wrapper(estimator):
        estimator = estimator.estimator_
    return estimator


def is_wrapper(estimator: Any) -> bool:
    """Return whether an estimator reads the same features as its `estimator_`, as LogTarget does.

    The attribute of that name in a forest of scikit-learn is not fitted.
    """
    return isinstance(estimator, Stateful) and hasattr(estimator, "estimator_")


def describe(estimator: Any, arrays: dict[str, np.ndarray], path: str = "") -> dict[str, Any]:
    """Return the JSON tree of a fitted estimator, and put its arrays under their names.

    Raises EstimatorError for an estimator that cannot be stored.
    """
    from sklearn.pipeline import Pipeline

    if type(estimator) is Pipeline:
        steps = [
            [name, describe(step, arrays, f"{path}{name}/")]
            for name, step in estimator.steps
            if step is not None and not isinstance(step, str)
        ]
        return {"type": "Pipeline", "steps": steps}
    known = _describe_known(estimator, arrays, path)
    if known is not None:
        return known
    kind = type(estimator).__name__

    def describe_inside(value: Any, inside: str) -> dict[str, Any] | None:
        return _describe_known(value, arrays, inside)

    return {"type": "scikit-learn", "content": Encoder(arrays, path, describe_inside).encode(estimator, kind)}


def _describe_known(estimator: Any, arrays: dict[str, np.ndarray], path: str) -> dict[str, Any] | None:
    """Return the tree of an estimator whose class is in `TYPES`; None for any other."""
    kind = type(estimator).__name__
    if kind not in TYPES or import_object(TYPES[kind]) is not type(estimator):
        return None
    names = estimator.fitted if isinstance(estimator, Stateful) else SKLEARN_STATE[kind]
    given = estimator.get_params(deep=False)
    parameters = {name: _json(value) for name, value in given.items() if name != "estimator"}
    if not any(hasattr(estimator, name) for name in names):  # not fitted: the parameter of a meta-estimator
        inside = {"estimator": describe(given["estimator"], arrays, f"{path}inside/")} if "estimator" in given else {}
        return {"type": kind, "params": parameters, "state": {}, **inside}
    state = {name: _pack(getattr(estimator, name), arrays, path + name) for name in names}
    return {"type": kind, "params": parameters, "state": state}


def _json(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, tuple | list):
        return [_json(item) for item in value]
    return value


def _pack(value: Any, arrays: dict[str, np.ndarray], path: str) -> Any:
    if isinstance(value, np.ndarray):
        arrays[path] = np.ascontiguousarray(value)
        return {"array": path}
    if isinstance(value, dict):
        for name, array in value.items():
            arrays[f"{path}/{name}"] = np.ascontiguousarray(array)
        return {"arrays": {name: f"{path}/{name}" for name in value}}
    if hasattr(value, "get_params"):
        return {"estimator": describe(value, arrays, f"{path}/")}
    if isinstance(value, list) and value and all(hasattr(item, "get_params") for item in value):
        return {"estimators": [describe(item, arrays, f"{path}/{i}/") for i, item in enumerate(value)]}
    return _json(value)


def rebuild(tree: Any, arrays: dict[str, np.ndarray], forests: dict[str, Any] | None = None) -> Any:
    """Build the fitted estimator that a tree describes; each of `arrays` is removed from it when it is used.

    Raises KeyError, TypeError or ValueError where the tree is not one that `describe` could have made. `forests` are
    those of a folder of an earlier version.
    """
    check_size(tree)
    return _rebuild(tree, arrays, forests or {})


def _rebuild(tree: Any, arrays: dict[str, np.ndarray], forests: dict[str, Any]) -> Any:
    from sklearn.pipeline import Pipeline

    if tree["type"] == "Pipeline":
        return Pipeline([(str(name), _rebuild(step, arrays, forests)) for name, step in tree["steps"]])
    if tree["type"] == "scikit-learn":
        return Decoder(arrays, lambda inside: _rebuild(inside, arrays, forests)).decode(tree["content"])
    if tree["type"] not in TYPES:
        msg = f"unknown type {tree['type']!r}"
        raise ValueError(msg)
    kind = import_object(TYPES[tree["type"]])
    state = {name: _unpack(value, arrays, forests) for name, value in tree["state"].items()}
    expected = kind.fitted if issubclass(kind, Stateful) else SKLEARN_STATE[tree["type"]]
    if state and issubclass(kind, Stateful):
        state = {**kind.fitted_later, **state}
    if state and set(state) != set(expected):
        msg = f"{tree['type']} holds {sorted(state)} instead of {sorted(expected)}"
        raise ValueError(msg)
    parameters = dict(tree["params"])
    if not state and "estimator" in tree:
        parameters["estimator"] = _rebuild(tree["estimator"], arrays, forests)
    elif "estimator_" in state:
        parameters["estimator"] = state["estimator_"]
    elif "estimators_" in state:
        parameters["estimator"] = state["estimators_"][0]
    estimator = kind(**parameters)
    for name, value in state.items():
        setattr(estimator, name, value)
    return estimator


def _unpack(value: Any, arrays: dict[str, np.ndarray], forests: dict[str, Any]) -> Any:
    if not isinstance(value, dict):
        return value
    (kind, content), *rest = value.items()
    if rest:
        msg = f"a state of one kind was expected, not {sorted(value)}"
        raise ValueError(msg)
    if kind == "array":
        return arrays.pop(content)
    if kind == "arrays":
        return {name: arrays.pop(path) for name, path in content.items()}
    if kind == "estimator":
        return _rebuild(content, arrays, forests)
    if kind == "estimators":
        return [_rebuild(tree, arrays, forests) for tree in content]
    if kind == "forest":
        return forests.pop(content)
    msg = f"unknown state {kind!r}"
    raise ValueError(msg)
