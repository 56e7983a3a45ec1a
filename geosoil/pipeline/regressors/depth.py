"""Networks of patches that learn all targets, usually the depths of one property, together (soc_by_depth_2025)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RecipeError, SamplesError
from geosoil.models.contract import with_training_range
from geosoil.models.patch import PatchModel
from geosoil.numerics.imports import import_object
from geosoil.pipeline.regressors.steps import known_rows, selector

if TYPE_CHECKING:
    from geosoil.pipeline.part import Part
    from geosoil.pipeline.task import FitTask

_NETWORKS = {"cnn": "PlainCNN", "multitask_cnn": "MultiTaskCNN", "transfer_cnn": "TransferCNN"}


def fit(task: FitTask, settings: Part) -> PatchModel:
    """Choose covariates at the patches' centres and train a network of patches on all targets.

    Raises
    ------
    RecipeError
        If the rows are not patches, a target is under a logarithm, or a transfer between depths has no depths.
    SamplesError
        If a target has too few values among the training rows.
    """
    rows = task.rows
    _check(task)
    train = known_rows(task, task.train)
    kept = _kept_covariates(task)
    network = import_object(f"geosoil.estimators.depth_cnn:{_NETWORKS[task.candidate.kind]}")
    # Targets other than depths are distinguished by their number only.
    layers = rows.layers_cm or tuple((number, number + 1) for number in range(len(rows.targets)))
    options = settings.model_dump(exclude_none=True)
    estimator = network(layers_cm=layers, random_state=task.recipe.seed, **options)
    estimator.fit(rows.X[train][:, kept], rows.y[train])
    missing = [rows.map_targets[index].name for index in estimator.depths_without_data_]
    if missing:
        raise SamplesError(
            "training rows",
            found=f"fewer than 10 values of {', '.join(missing)}",
            expected="10 or more in the training rows of every fold",
            way_out="remove this target or layer, or use fewer folds or larger blocks",
        )
    task.details.update(losses=estimator.losses_, n_features=len(kept))
    if estimator.n_gaps_:
        task.details["notes"] = [f"{estimator.n_gaps_} gaps in the patches hold the mean of their covariate"]
    features = with_training_range(rows.features, rows.centres[train])
    return PatchModel(estimator, features, rows.map_targets, tuple(kept.tolist()))


def _kept_covariates(task: FitTask) -> np.ndarray:
    """Return the indices of the covariates that the network sees; the candidates of a fold share the choice."""
    chooser = selector(task)
    if chooser is None:
        return np.arange(len(task.rows.features))
    key = ("covariates", task.leak, task.candidate.features.selection.model_dump_json())
    if key not in task.fold_cache:
        rows = known_rows(task, task.selection_rows)
        task.fold_cache[key] = chooser.fit(task.rows.centres[rows], task.rows.y[rows])
    task.details["selection"] = task.fold_cache[key]
    return np.flatnonzero(task.fold_cache[key].support_)


def _check(task: FitTask) -> None:
    rows, kind = task.rows, task.candidate.kind
    if not rows.is_patched:
        found, expected, way_out = "rows of single cells", "patches", "set data.patch, such as data.patch = 9"
    elif any(target.log != "none" for target in rows.targets):
        found, expected = "target.log", f"targets in their own unit for {kind}"
        way_out = "set target.log = 'none', or use another model"
    elif kind == "transfer_cnn" and rows.layers_cm is None:
        found, expected = "targets without depths", "the depths of one property for transfer_cnn"
        way_out = "use cnn or multitask_cnn"
    else:
        return
    raise RecipeError(f"model {task.candidate.name}", found=found, expected=expected, way_out=way_out)
