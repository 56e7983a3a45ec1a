"""Models that learn an auxiliary property first: a transferred dense network, and a cascade of forests.

Values of the auxiliary property at test rows are never used: at a place that is mapped they are not known either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import RecipeError, SamplesError
from geosoil.estimators.base import FEWEST_SAMPLES
from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.models.compose import Cascade, Ensemble
from geosoil.models.contract import Target
from geosoil.models.fitting import fit_cascade, fit_pixel_model
from geosoil.models.state import regressor_of
from geosoil.pipeline.regressors.steps import known_rows, preprocessing_steps, selector
from geosoil.training.transfer import fine_tune

if TYPE_CHECKING:
    from geosoil.models.pixel import PixelModel
    from geosoil.pipeline.regressors.table import Cascade as CascadeSettings
    from geosoil.pipeline.regressors.table import TransferMLP
    from geosoil.pipeline.task import FitTask


def fit_transfer_mlp(task: FitTask, settings: TransferMLP) -> PixelModel | Ensemble:
    """Train dense networks on the auxiliary property and fine-tune them on the target; several are averaged.

    The auxiliary property is learned from the library if there is one that has it, otherwise from the training rows.
    """
    X_source, y_source = _source_rows(task)
    train = known_rows(task, task.train)
    log = task.rows.targets[0].log
    models = []
    for seed in range(task.recipe.seed, task.recipe.seed + settings.n_members):
        network = DenseNet(random_state=seed, **settings.model_dump(exclude={"n_members", "freeze"}))
        source = fit_pixel_model(
            _estimator(task, [("scale", StandardScaler()), ("model", network)]),
            X_source,
            y_source,
            training_columns=task.rows.features,
            target=auxiliary_target(task),
        )
        model = fine_tune(
            source,
            task.rows.centres[train],
            task.rows.y[train, 0],
            freeze=settings.freeze,
            target=task.rows.map_targets[0],
            retransform=None if log == "none" else log,
        )
        models.append(model)
    task.details["notes"] = list(regressor_of(models[0].estimator).notes_)
    return models[0] if len(models) == 1 else Ensemble(tuple(models))


def fit_cascade_of_forests(task: FitTask, settings: CascadeSettings) -> Cascade | PixelModel:
    """Fit a forest of the auxiliary property whose prediction is a feature of the target's forest.

    The first forest is cross-fitted inside the training rows (`geosoil.fit_cascade`).
    """
    if task.rows.auxiliary is None:
        raise RecipeError(
            f"model {task.candidate.name}",
            found="no auxiliary property of the samples",
            expected="a column of the samples in data.auxiliary",
            way_out="add it, or use another model",
        )
    names = [feature.name for feature in task.rows.features]
    first_target = auxiliary_target(task)
    forest = Forest(random_state=task.recipe.seed, **settings.model_dump())
    second = _estimator(task, [("model", forest)], [*names, first_target.name])
    log = task.rows.targets[0].log
    return fit_cascade(
        _estimator(task, [("model", forest)]),
        second if log == "none" else LogTarget(second, retransform=log),
        task.rows.centres[task.train],
        task.rows.auxiliary[task.train],
        task.rows.y[task.train, 0],
        training_columns=task.rows.features,
        targets=(first_target, task.rows.map_targets[0]),
        seed=task.recipe.seed,
    )


def auxiliary_target(task: FitTask) -> Target:
    """Return the auxiliary property as the target of a model."""
    auxiliary = task.recipe.data.auxiliary
    if auxiliary is None:
        raise RecipeError(
            f"model {task.candidate.name}",
            found="no data.auxiliary",
            expected="the property that is learned first",
            way_out="add it, or use another model",
        )
    return Target(auxiliary.column, auxiliary.unit, auxiliary.valid_range)


def auxiliary_name(task: FitTask) -> str:
    """Return the name of the auxiliary property in figures and reports."""
    auxiliary = task.recipe.data.auxiliary
    return "auxiliary property" if auxiliary is None else auxiliary.name


def _source_rows(task: FitTask) -> tuple[np.ndarray, np.ndarray]:
    rows, library = task.rows, task.rows.library
    if library is not None and library.auxiliary is not None:
        chosen = library.rows_without(task.test)
        X, y = library.X[chosen], library.auxiliary[chosen]
    elif rows.auxiliary is not None:
        X, y = rows.centres[task.train], rows.auxiliary[task.train]
    else:
        X, y = rows.X[:0], rows.y[:0, 0]
    known = np.isfinite(y)
    if known.sum() < FEWEST_SAMPLES:
        raise SamplesError(
            f"model {task.candidate.name}",
            found=f"{int(known.sum())} values of the auxiliary property",
            expected=f"{FEWEST_SAMPLES} or more to learn from",
            way_out="set data.auxiliary to a property that more samples have, or use another model",
        )
    return X[known], y[known]


def _estimator(task: FitTask, steps: list[tuple[str, Any]], names: list[str] | None = None) -> Any:
    """Return steps behind preprocessing and the selection of features, not fitted."""
    chooser = selector(task)
    if chooser is not None:
        if names is not None and hasattr(chooser, "names"):
            chooser.names = names
        steps = [("selection", chooser), *steps]
    steps = [*preprocessing_steps(task.candidate.features, task.rows.wavelength_nm), *steps]
    # A forest keeps its exact explanation only if no step is before it.
    return steps[0][1] if len(steps) == 1 else Pipeline(steps)
