"""Three ways to put figures on the models; the layers of a profile are one row, and always on one side of a split.

nested      every choice (covariates, scaling, settings) is made again inside each training fold, profiles dealt to
            folds at random, repeated. Neighbouring patches may overlap: what a map is worth between dense samples.
spatial     the same with square blocks of the map dealt to folds: what a map is worth away from samples.
published   one split 90:10 at random, with covariates chosen on ALL profiles before it. The paper's table of
            covariate numbers looks chosen on the test rows (a jump no smooth effect makes); this is its mild form.
All models are tested on the same rows in every protocol; in the paper the multi-task network had a test set of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import regression_metrics
from geosoil.samples.splits import split_k_fold
from geosoil.studies.cross_validation import Split, repeated, rmse_by_fold, run_folds
from geosoil.studies.results import no_progress
from geosoil.studies.soc_by_depth.candidates import MODELS, Trainer
from geosoil.studies.soc_by_depth.training_data import layer_name

if TYPE_CHECKING:
    from geosoil.samples.covariates import Selection
    from geosoil.studies.recipe import Property
    from geosoil.studies.results import Progress
    from geosoil.studies.soc_by_depth.recipe import Recipe
    from geosoil.studies.soc_by_depth.training_data import TrainingData

METRICS = ("r", "r2", "rmse", "mae", "kge", "ccc", "bias")


@dataclass(frozen=True)
class Outcome:
    """What a protocol found.

    observed `(n, layer)`; predicted `(repeat, n, layer)` of each model, NaN where a row was not tested; folds
    `(repeat, n)` the fold that tested a row, -1 for none; selections of covariates, a fold each.
    """

    protocol: str
    wanted: Property
    layers: tuple[tuple[float, float], ...]
    observed: np.ndarray
    predicted: dict[str, np.ndarray]
    folds: np.ndarray
    selections: list[Selection | None]

    @property
    def table(self) -> pd.DataFrame:
        """One row a model and layer, and one for all layers together: metrics, and their spread over folds."""
        rows = []
        for kind, predicted in self.predicted.items():
            for k, name in enumerate([*map(layer_name, self.layers), "all"]):
                layer = slice(None) if name == "all" else slice(k, k + 1)
                rows.append(self._row(kind, name, predicted[:, :, layer], self.observed[:, layer]))
        return pd.DataFrame(rows)

    def _row(self, kind: str, name: str, predicted: np.ndarray, observed: np.ndarray) -> dict[str, object]:
        figures = []
        for one in predicted:  # each repeat tests every row once
            seen = np.isfinite(one) & np.isfinite(observed)
            if seen.any():
                figures.append(regression_metrics(observed[seen], one[seen]) | {"n": int(seen.sum())})
        row: dict[str, object] = {"protocol": self.protocol, "property": self.wanted.name, "model": MODELS[kind]}
        row |= {"layer": name, "n": figures[0]["n"] if figures else 0}
        row |= {metric: float(np.mean([f[metric] for f in figures])) if figures else np.nan for metric in METRICS}
        row["rmse_sd"] = np.nan
        if self.n_folds > 1:
            row["rmse_sd"] = float(np.std(rmse_by_fold(predicted, observed, self.folds), ddof=1))
        return row

    @property
    def n_folds(self) -> int:
        """How many folds there are, all repeats together."""
        return int(self.folds.max()) + 1


def nested(
    recipe: Recipe, data: TrainingData, prop: Property, kinds: list[str], progress: Progress = no_progress
) -> Outcome:
    """Validate models with everything chosen inside each training fold, profiles dealt at random."""
    wanted, n = recipe.validation, len(data.ids)
    splits = repeated(lambda seed: split_k_fold(n, wanted.n_folds, seed=seed), wanted.n_repeats, seed=recipe.seed)
    return _validate("nested", recipe, data, prop, kinds, splits, progress)


def spatial(
    recipe: Recipe, data: TrainingData, prop: Property, kinds: list[str], progress: Progress = no_progress
) -> Outcome:
    """Validate models with everything chosen inside each training fold, blocks of the map dealt; needs metres."""
    splits = data.spatial_splits(recipe.validation, seed=recipe.seed, recipe=recipe.name)
    return _validate("spatial", recipe, data, prop, kinds, splits, progress)


def published(
    recipe: Recipe, data: TrainingData, prop: Property, kinds: list[str], progress: Progress = no_progress
) -> Outcome:
    """Validate models on one split 90:10, with covariates chosen on all rows: this leaks, and says so by its name."""
    split = Split(0, *split_k_fold(len(data.ids), 10, seed=recipe.seed)[0])
    return _validate("published", recipe, data, prop, kinds, [split], progress, leak=True)


PROTOCOLS = {"profiles": nested, "spatial": spatial}


def _validate(
    protocol: str,
    recipe: Recipe,
    data: TrainingData,
    prop: Property,
    kinds: list[str],
    splits: list[Split],
    progress: Progress,
    *,
    leak: bool = False,
) -> Outcome:
    values = data.values[prop.column]
    shape = (splits[-1].repeat + 1, *values.shape)
    predicted = {kind: np.full(shape, np.nan) for kind in kinds}
    folds = np.full(shape[:2], -1)
    selections: list[Selection | None] = [None] * len(splits)
    fold = partial(_fold, recipe, data, prop, kinds, np.arange(len(values)) if leak else None)
    what = f"{protocol} validation, {prop.name}"
    for i, (own, selection) in run_folds(
        fold, splits, processes=recipe.validation.processes, what=what, progress=progress
    ):
        repeat, _, test = splits[i]
        for kind in kinds:
            predicted[kind][repeat, test] = own[kind]
        folds[repeat, test] = i
        selections[i] = selection
    return Outcome(protocol, prop, data.layers, values, predicted, folds, selections)


def _fold(
    recipe: Recipe,
    data: TrainingData,
    prop: Property,
    kinds: list[str],
    selection_rows: np.ndarray | None,
    split: Split,
) -> tuple[dict[str, np.ndarray], Selection | None]:
    """Fit every model on the training rows of one fold and predict its test rows, as the map does."""
    trainer = Trainer(recipe, data, prop.column, split.train, selection_rows)
    patches = data.patches[split.test]
    own = {kind: np.clip(trainer.fit(kind).predict(patches), *prop.valid_range) for kind in kinds}
    return own, trainer.selection
