"""The candidate that cross-validates best inside the training rows."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError
from geosoil.pipeline.regressors import REGRESSORS, fit_model, predict_rows
from geosoil.pipeline.regressors.steps import known_rows
from geosoil.pipeline.task import Candidate
from geosoil.samples.splits import split_k_fold

if TYPE_CHECKING:
    from geosoil.models.contract import Model
    from geosoil.pipeline.regressors.table import Auto
    from geosoil.pipeline.task import FitTask


def fit(task: FitTask, settings: Auto) -> Model:
    """Fit the candidate with the smallest RMSE over folds of the training rows, every choice made again in each.

    `task.details` has those of the model that was chosen, and the table "choice" with the RMSE of every candidate.

    Raises
    ------
    RecipeError
        If a candidate is unknown, or fewer than two can be fitted to these rows.
    """
    train = known_rows(task, task.train)
    candidates = _possible(task, settings)
    folds = split_k_fold(len(train), min(settings.n_folds, len(train)), seed=task.recipe.seed)
    predicted = {candidate.kind: np.full(len(train), np.nan) for candidate in candidates}
    for number, (inner_train, inner_test) in enumerate(folds):
        if task.progress is not None:
            task.progress("choice of the model", number, len(folds))
        cache: dict[object, object] = {}
        for candidate in candidates:
            # Rows that the outer fold tests are never seen inside either: a library may hold their spectra.
            test = np.union1d(train[inner_test], task.test)
            inner = replace(
                task, candidate=candidate, train=train[inner_train], test=test, leak="", fold_cache=cache, details={}
            )
            model = fit_model(inner)
            predicted[candidate.kind][inner_test] = predict_rows(model, candidate, task.rows, train[inner_test])[:, 0]
    observed = task.rows.y[train, 0]
    rmse = {kind: float(np.sqrt(np.mean((values - observed) ** 2))) for kind, values in predicted.items()}
    best = min(candidates, key=lambda candidate: rmse[candidate.kind])
    chosen = task.with_candidate(best)
    model = fit_model(chosen)
    choice = pd.DataFrame(
        {
            "model": [candidate.name for candidate in candidates],
            "rmse": [rmse[candidate.kind] for candidate in candidates],
            "chosen": [candidate is best for candidate in candidates],
        }
    )
    task.details.update(chosen.details, choice=choice)
    return model


def learn_shared(task: FitTask, settings: Auto) -> None:
    """Learn what the candidates share, for `prepare_shared`."""
    from geosoil.pipeline.regressors import prepare_shared

    candidates = [_candidate(task, kind) for kind in settings.candidates]
    task.shared.update(prepare_shared(task.recipe, task.rows, candidates, task.progress))


def _possible(task: FitTask, settings: Auto) -> list[Candidate]:
    """Return the candidates; a model of the logarithm is left out where the target has none."""
    kinds = list(dict.fromkeys(settings.candidates))
    unknown = [kind for kind in kinds if kind not in REGRESSORS or kind == "auto"]
    if unknown:
        raise RecipeError(
            "model.auto.candidates",
            found=repr(unknown[0]),
            expected=f"some of {', '.join(kind for kind in REGRESSORS if kind != 'auto')}",
            way_out="correct it",
        )
    library = task.rows.library
    values = task.rows.y if library is None or library.y is None else np.concatenate([task.rows.y, library.y])
    if task.rows.targets[0].log != "none" or (values[np.isfinite(values)] <= 0).any():
        kinds = [kind for kind in kinds if kind != "rs_local_pls_ln"]
    return [_candidate(task, kind) for kind in kinds]


def _candidate(task: FitTask, kind: str) -> Candidate:
    return Candidate(REGRESSORS[kind].title, kind, getattr(task.recipe.model, kind), task.candidate.features)
