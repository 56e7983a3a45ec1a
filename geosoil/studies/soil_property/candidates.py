"""The models that are compared, each made of the rows it may learn from.

forest    a random forest
mlp       the mean of dense networks of several seeds, on standardised covariates
transfer  the same networks, taught the source property first and fine-tuned on the target
cascade   a forest of the source property, whose prediction is a covariate of the target's forest; the first stage is
          cross-fitted inside the training rows (`models/compose.fit_cascade`)

Source values of test rows are never used: at a place that is mapped they are not known either.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.models.compose import Ensemble, fit_cascade, fit_pixel_model
from geosoil.models.contract import Target
from geosoil.training.transfer import fine_tune

if TYPE_CHECKING:
    from collections.abc import Iterable

    from geosoil.models.compose import Cascade
    from geosoil.models.pixel import PixelModel
    from geosoil.studies.recipe import TargetColumn
    from geosoil.studies.soil_property.recipe import Recipe
    from geosoil.studies.soil_property.training_data import TrainingData

MODELS = {"forest": "Forest", "mlp": "MLP", "transfer": "Transfer MLP", "cascade": "Cascade"}


def kinds_for(recipe: Recipe) -> list[str]:
    """Return the kinds of models that a recipe has data for."""
    return [kind for kind in MODELS if recipe.source is not None or kind in ("forest", "mlp")]


def fit_model(kind: str, recipe: Recipe, data: TrainingData, rows: np.ndarray) -> PixelModel | Ensemble | Cascade:
    """Fit one of `MODELS` to rows `(n,)` of the data, each step to those of them where its property is known."""
    known = rows[np.isfinite(data.target[rows])]
    X, y, target = data.X[known], data.target[known], _target(recipe.target)
    if kind == "forest":
        return fit_pixel_model(_forest(recipe, recipe.target, data), X, y, training_columns=data.inputs, target=target)
    if kind == "mlp":
        return _mean_of(
            fit_pixel_model(_net(recipe, recipe.target, data, seed), X, y, training_columns=data.inputs, target=target)
            for seed in _seeds(recipe)
        )
    assert recipe.source is not None
    assert data.source is not None
    if kind == "cascade":
        return fit_cascade(
            _forest(recipe, recipe.source, data),
            _forest(recipe, recipe.target, data, recipe.source.name),
            data.X[rows],
            data.source[rows],
            data.target[rows],
            training_columns=data.inputs,
            targets=(_target(recipe.source), target),
            seed=recipe.seed,
        )
    taught = rows[np.isfinite(data.source[rows])]
    return _mean_of(
        fine_tune(
            fit_pixel_model(
                _net(recipe, recipe.source, data, seed),
                data.X[taught],
                data.source[taught],
                training_columns=data.inputs,
                target=_target(recipe.source),
            ),
            X,
            y,
            freeze=recipe.network.freeze,
            target=target,
            retransform=None if recipe.target.log == "none" else recipe.target.log,
        )
        for seed in _seeds(recipe)
    )


def _forest(recipe: Recipe, wanted: TargetColumn, data: TrainingData, *more: str) -> Any:
    forest = Forest(random_state=recipe.seed, **recipe.forest.model_dump())
    return _estimator(recipe, wanted, [*_names(data), *more], [("model", forest)])


def _net(recipe: Recipe, wanted: TargetColumn, data: TrainingData, seed: int) -> Any:
    net = DenseNet(random_state=seed, **recipe.network.model_dump(exclude={"n_members", "freeze"}))
    return _estimator(recipe, wanted, _names(data), [("scale", StandardScaler()), ("model", net)])


def _estimator(recipe: Recipe, wanted: TargetColumn, names: list[str], steps: list[tuple[str, Any]]) -> Any:
    """Return steps behind the choice of covariates, under a logarithm where the recipe wants one; not fitted."""
    chooser = recipe.selection.step(names, recipe.seed)
    steps = steps if chooser is None else [("covariates", chooser), *steps]
    # Alone, a forest keeps its exact explanation: behind a step it would be explained by sampling.
    estimator = steps[0][1] if len(steps) == 1 else Pipeline(steps)
    return estimator if wanted.log == "none" else LogTarget(estimator, retransform=wanted.log)


def _names(data: TrainingData) -> list[str]:
    return [feature.name for feature in data.inputs]


def _target(wanted: TargetColumn) -> Target:
    return Target(wanted.name, wanted.unit, wanted.valid_range)


def _seeds(recipe: Recipe) -> range:
    return range(recipe.seed, recipe.seed + recipe.network.n_members)


def _mean_of(models: Iterable[PixelModel]) -> PixelModel | Ensemble:
    every = tuple(models)
    return every[0] if len(every) == 1 else Ensemble(every)
