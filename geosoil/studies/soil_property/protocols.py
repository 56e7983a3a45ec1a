"""Two ways to put figures on the models; every choice is made again inside each training fold.

random    points dealt to folds at random, repeated: what the map is worth between the samples.
spatial   square blocks of the map dealt to folds: what it is worth away from them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import regression_metrics
from geosoil.samples.splits import split_k_fold
from geosoil.studies.cross_validation import Split, rmse_by_fold, run_folds
from geosoil.studies.results import no_progress
from geosoil.studies.soil_property.candidates import MODELS, fit_model

if TYPE_CHECKING:
    from geosoil.studies.recipe import TargetColumn
    from geosoil.studies.results import Progress
    from geosoil.studies.soil_property.recipe import Recipe
    from geosoil.studies.soil_property.training_data import TrainingData

METRICS = ("r2", "rmse", "mae", "rpd", "ccc", "bias")


@dataclass(frozen=True)
class Outcome:
    """What a protocol found.

    observed `(n,)`, NaN where not known; predicted `(repeat, n)` of each model, both in the target's unit; folds
    `(repeat, n)` the fold that tested a row.
    """

    protocol: str
    wanted: TargetColumn
    observed: np.ndarray
    predicted: dict[str, np.ndarray]
    folds: np.ndarray

    @property
    def table(self) -> pd.DataFrame:
        """One row a model: metrics over all points, the mean of the repeats; r2_sd over repeats, rmse_sd over folds.

        Under a logarithm r2_ln is of ln(y) against ln(prediction), where one hot spot does not decide it.
        """
        rows = []
        known = np.isfinite(self.observed)
        for kind, predicted in self.predicted.items():
            each = [regression_metrics(self.observed[known], one[known]) for one in predicted]
            row: dict[str, object] = {"protocol": self.protocol, "property": self.wanted.name, "model": MODELS[kind]}
            row["n"] = int(known.sum())
            row |= {metric: float(np.mean([one[metric] for one in each])) for metric in METRICS}
            row["r2_sd"] = float(np.std([one["r2"] for one in each], ddof=1)) if len(each) > 1 else np.nan
            row["rmse_sd"] = float(np.std(rmse_by_fold(predicted, self.observed, self.folds), ddof=1))
            if self.wanted.log != "none":
                of_ln = [_r2(np.log(self.observed[known]), np.log(one[known])) for one in predicted]
                row["r2_ln"] = float(np.mean(of_ln))
                row["r2_ln_sd"] = float(np.std(of_ln, ddof=1)) if len(of_ln) > 1 else np.nan
            rows.append(row)
        return pd.DataFrame(rows)


def validate(
    protocol: str, recipe: Recipe, data: TrainingData, kinds: list[str], progress: Progress = no_progress
) -> Outcome:
    """Validate models by "random" or "spatial" folds, every model on the same ones.

    Raises RecipeError for spatial blocks on a grid in degrees, and what the models raise.
    """
    splits = _splits(protocol, recipe, data)
    shape = (recipe.validation.n_repeats, len(data.ids))
    predicted = {kind: np.full(shape, np.nan) for kind in kinds}
    folds = np.full(shape, -1)
    fold = partial(_fold, recipe, data, kinds)
    what = f"{protocol} validation, {recipe.target.name}"
    for i, own in run_folds(fold, splits, processes=recipe.validation.processes, what=what, progress=progress):
        repeat, _, test = splits[i]
        for kind in kinds:
            predicted[kind][repeat, test] = own[kind]
        folds[repeat, test] = i
    return Outcome(protocol, recipe.target, data.target, predicted, folds)


def _splits(protocol: str, recipe: Recipe, data: TrainingData) -> list[Split]:
    """Return the splits, repeat by repeat."""
    wanted = recipe.validation
    if protocol == "spatial":
        return data.spatial_splits(wanted, seed=recipe.seed, recipe=recipe.name)
    # scikit-learn's repeats, so that figures can be laid beside those of others
    folds = split_k_fold(len(data.ids), wanted.n_folds, n_repeats=wanted.n_repeats, seed=recipe.seed)
    return [Split(i // wanted.n_folds, train, test) for i, (train, test) in enumerate(folds)]


def _fold(recipe: Recipe, data: TrainingData, kinds: list[str], split: Split) -> dict[str, np.ndarray]:
    """Fit every model on the training rows of one fold and predict its test rows, as the map does."""
    own = {}
    for kind in kinds:
        model = fit_model(kind, recipe, data, split.train)
        own[kind] = model.predict_rows(data.X[split.test][:, model.used_columns])[:, 0]
    return own


def _r2(observed: np.ndarray, predicted: np.ndarray) -> float:
    return regression_metrics(observed, predicted)["r2"]
