"""A plain regressor behind the steps of the recipe's section `[features]`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.multi_target import PerTarget
from geosoil.models.compose import Ensemble
from geosoil.models.contract import with_training_range
from geosoil.models.pixel import PixelModel
from geosoil.numerics.imports import import_object
from geosoil.pipeline.regressors import REGRESSORS, features_for, rows_for
from geosoil.pipeline.regressors.steps import Prepared, describe_network, fitted_target, known_rows, prepare

if TYPE_CHECKING:
    from geosoil.models.contract import Model
    from geosoil.pipeline.part import Part
    from geosoil.pipeline.task import FitTask

_SEARCHED = {"pls": ("n_components",), "svr": ("C", "gamma", "epsilon")}
"""Parameters that a regressor chooses itself, and keeps under the same name with an underscore."""


def fit(task: FitTask, settings: Part) -> Model:
    """Fit a plain regressor of REGRESSORS to the training rows, behind preprocessing, fusion and selection.

    Settings with `n_members` give the mean of regressors of as many seeds.
    """
    prepared = prepare(task)
    parameters = settings.model_dump()
    seeds = range(task.seed, task.seed + parameters.pop("n_members", 1))
    models = tuple(_fit_member(task, prepared, parameters, seed) for seed in seeds)
    return models[0] if len(models) == 1 else Ensemble(models)


def _fit_member(task: FitTask, prepared: Prepared, parameters: dict[str, Any], seed: int) -> PixelModel:
    entry = REGRESSORS[task.candidate.kind]
    regressor = import_object(entry.estimator)(random_state=seed, **parameters)
    rows = known_rows(task, task.train)
    inputs = rows_for(task.candidate, task.rows)[rows]
    scaled = entry.scaled or (entry.scaled_with_place and task.candidate.features.place)
    if task.rows.layers_cm is not None:
        estimator = _fit_depths(task, prepared, regressor, rows, scaled=scaled)
    else:
        estimator = _fit_target(task, prepared, regressor, rows, scaled=scaled)
    features = with_training_range(features_for(task.candidate, task.rows), inputs)
    return PixelModel(estimator, features, task.rows.map_targets)


def _fit_target(task: FitTask, prepared: Prepared, regressor: Any, rows: np.ndarray, *, scaled: bool) -> Any:
    steps, X = list(prepared.steps), prepared.X
    stopping = {}
    learned = rows
    if task.stopping_rows is not None:  # a published protocol: test rows choose settings, and when networks stop
        learned = np.concatenate([rows, known_rows(task, task.stopping_rows)])
        _choose_settings(task, regressor, X[learned], fitted_target(task, learned), scaled=scaled)
        if not hasattr(regressor, "stopping_share"):
            learned = rows
        else:
            stopping = {"stopping_rows": np.arange(len(learned)) >= len(rows)}
    if scaled:
        scaler = StandardScaler().fit(X[rows])
        steps.append(("scale", scaler))
        X = scaler.transform(X)
    regressor.fit(X[learned], fitted_target(task, learned), **stopping)
    if hasattr(regressor, "losses_"):
        describe_network(task, regressor)
    # A forest keeps its exact explanation only if no step is before it.
    estimator = Pipeline([*steps, ("model", regressor)]) if steps else regressor
    log = task.rows.targets[0].log
    if log == "none":
        return estimator
    inputs = rows_for(task.candidate, task.rows)[learned]
    return LogTarget(None, retransform=log).use_fitted(estimator, inputs, task.rows.y[learned, 0])


def _choose_settings(task: FitTask, regressor: Any, X: np.ndarray, y: np.ndarray, *, scaled: bool) -> None:
    """Let all rows given choose the parameters that a regressor searches, and set them."""
    names = _SEARCHED.get(task.candidate.kind)
    if names is not None:
        X = np.asarray(X, np.float64)
        regressor.fit(StandardScaler().fit_transform(X) if scaled else X, y)
        regressor.set_params(**{name: getattr(regressor, f"{name}_") for name in names})


def _fit_depths(task: FitTask, prepared: Prepared, regressor: Any, rows: np.ndarray, *, scaled: bool) -> Any:
    """Fit one clone of a regressor for each depth, on the rows where that depth is known."""
    template = Pipeline([("scale", StandardScaler()), ("model", regressor)]) if scaled else regressor
    log = task.rows.targets[0].log
    if log != "none":
        template = LogTarget(template, retransform=log)
    per_depth = PerTarget(template).fit(prepared.X[rows], task.rows.y[rows])
    return Pipeline([*prepared.steps, ("model", per_depth)]) if prepared.steps else per_depth
