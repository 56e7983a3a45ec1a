"""The weighted mean of the regressors that predict unseen training rows well.

candidates ─▶ fitted to all training rows ─┬─▶ leave-one-out or out-of-bag predictions, where a regressor has them
                                           └─▶ else predictions of inner folds, the same for all candidates
predictions ─▶ evaluate/stacking.py ─▶ weights ─▶ one model, or an Ensemble of those that have a weight
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import ceil
from time import monotonic
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import RecipeError, SamplesError
from geosoil.evaluate.stacking import ensemble_weights
from geosoil.models.compose import Ensemble
from geosoil.models.contract import clip_to_range
from geosoil.models.pixel import PixelModel
from geosoil.models.state import is_wrapper, regressor_of
from geosoil.pipeline.features import Preprocessing
from geosoil.pipeline.regressors import REGRESSORS, fit_model, predict_rows
from geosoil.pipeline.regressors.steps import known_rows
from geosoil.pipeline.splits import divide
from geosoil.pipeline.task import Candidate
from geosoil.samples.splits import split_groups, split_k_fold

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Model
    from geosoil.pipeline.features import FeatureSettings
    from geosoil.pipeline.recipe import Recipe
    from geosoil.pipeline.regressors.table import Auto
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.task import FitTask

FEW_ROWS = 40
MOST_FOR_FEW_ROWS = 3
"""Number of candidates below `FEW_ROWS` rows, whose errors cannot tell more of them apart."""
SECONDS = "seconds of auto"
"""Key of `FitTask.shared`: the time that one fit may take, if the run has a time budget."""
_CLOSED_FORMS = {
    "loo_prediction_": "leave-one-out",
    "oob_prediction_": "out-of-bag",
    "cv_prediction_": "folds of its search",
}
_TAKE_BANDS = frozenset({"gp"})
_DERIVATIVE = [
    Preprocessing(step="snv"),
    Preprocessing(step="savitzky_golay", window_bands=11, polynomial_order=2, derivative=1),
]
_SUPERVISED = ("cars", "screen", "fusion")  # steps that learn from the target: each inner fold needs its own


@dataclass
class _Trial:
    """A candidate that is fitted to all training rows, and its predictions of rows that it did not learn from."""

    candidate: Candidate
    model: Model
    details: dict[str, Any]
    predicted: np.ndarray | None = None
    predicted_by: str = ""
    weight: float = 0.0
    note: str = ""


@dataclass
class _Clock:
    """The time that is left of a budget in seconds; None: no limit."""

    seconds: float | None
    start: float = field(default_factory=lambda: monotonic())

    def allows(self, more: float = 0.0) -> bool:
        """Return whether as many more seconds are left."""
        return self.seconds is None or monotonic() - self.start + more <= self.seconds


def fit(task: FitTask, settings: Auto) -> Model:
    """Fit the candidates once and return the weighted mean of those that add to it.

    The weights come from predictions of training rows by models that did not learn from them: leave-one-out or
    out-of-bag predictions of regressors that have them in closed form, and inner folds for the others. `task.details`
    has the table "choice" with the error, the weight and the way of every candidate.

    Raises
    ------
    RecipeError
        If a candidate is unknown.
    SamplesError
        If there are too few rows for every candidate.
    """
    train = known_rows(task, task.train)
    candidates = _possible(task, settings)
    left_out = {}
    if len(train) < FEW_ROWS:
        left_out = {c.name: f"left out: fewer than {FEW_ROWS} rows" for c in candidates[MOST_FOR_FEW_ROWS:]}
        candidates = candidates[:MOST_FOR_FEW_ROWS]
    limit = None if settings.minutes is None else 60 * settings.minutes
    clock = _Clock(task.shared.get(SECONDS, limit))
    trials, late = _fit_candidates(task, candidates, train, settings, clock)
    left_out |= late
    known = [trial for trial in trials if trial.predicted is not None]
    observed = task.rows.y[train, 0]
    if len(known) > 1:
        weights = ensemble_weights(np.array([trial.predicted for trial in known]), observed)
        for trial, weight in zip(known, weights, strict=True):
            trial.weight = float(weight)
            trial.note = "" if weight else "dropped: adds nothing"
    else:
        (known or trials)[0].weight = 1.0
    choice = _table(trials, left_out, observed)
    chosen = sorted((trial for trial in trials if trial.weight), key=lambda trial: -trial.weight)
    _describe(task, chosen, choice)
    if len(chosen) == 1:
        return chosen[0].model
    return Ensemble(tuple(trial.model for trial in chosen), tuple(trial.weight for trial in chosen))


def learn_shared(task: FitTask, settings: Auto) -> None:
    """Learn what the candidates share, for `prepare_shared`."""
    from geosoil.pipeline.regressors import prepare_shared

    candidates = [_candidate(task, kind) for kind in _kinds(task, settings)]
    task.shared.update(prepare_shared(task.recipe, task.rows, candidates, task.progress))


def share_time(recipe: Recipe, rows: TrainingRows, candidates: Sequence[Candidate]) -> dict[Any, Any]:
    """Return how many seconds each fit of `auto` may take, so that a run keeps its time budget; empty for no budget.

    A run fits a model to the training rows of every split, several at once in processes, and last to all rows.
    """
    limited = [candidate for candidate in candidates if getattr(candidate.settings, "minutes", None) is not None]
    limited = [candidate for candidate in limited if candidate.kind == "auto"]
    if not limited:
        return {}
    validation = recipe.validation
    rounds = 1 + sum(
        ceil(len(divide(name, rows, validation, recipe.seed)) / validation.processes) for name in validation.split
    )
    minutes = min(candidate.settings.minutes for candidate in limited)  # type: ignore[attr-defined]
    return {SECONDS: 60 * minutes / (rounds * len(rows.targets) * len(limited))}


def _fit_candidates(
    task: FitTask, candidates: list[Candidate], train: np.ndarray, settings: Auto, clock: _Clock
) -> tuple[list[_Trial], dict[str, str]]:
    """Return the candidates that the time allows, with their predictions of unseen rows, and why others are left out.

    The first candidate is fitted whatever the time. A candidate that needs more rows than there are is left out.
    """
    folds = _inner_folds(task, train, settings.n_folds)
    trials: list[_Trial] = []
    waiting: list[_Trial] = []
    left_out: dict[str, str] = {}
    needed = 0.0
    for number, candidate in enumerate(candidates):
        if task.progress is not None:
            task.progress("candidates", number, len(candidates))
        if trials and not clock.allows(needed):
            left_out[candidate.name] = "left out: no time was left"
            continue
        part, start = task.with_candidate(candidate), monotonic()
        try:
            trial = _Trial(candidate, fit_model(part), part.details)
        except SamplesError as error:
            if not trials and number == len(candidates) - 1:
                raise
            left_out[candidate.name] = f"left out: {error}"
            continue
        trial.predicted, trial.predicted_by = _closed_form(task, trial.model, len(train))
        if trial.predicted is None:
            folds_take = len(folds) * (monotonic() - start)
            if not clock.allows(needed + folds_take) and trials:
                left_out[candidate.name] = f"left out: its {len(folds)} inner folds need about {folds_take:.3g} s"
                continue
            needed += folds_take
            waiting.append(trial)
        trials.append(trial)
    if len(trials) > 1:
        for trial in _predict_folds(task, waiting, train, folds, clock):
            if len(trials) > 1:
                trials.remove(trial)
            left_out[trial.candidate.name] = "left out: the time was over before its inner folds were fitted"
    for trial in list(trials):
        if trial.predicted is not None and not np.isfinite(trial.predicted).all() and len(trials) > 1:
            trials.remove(trial)
            left_out[trial.candidate.name] = "left out: it cannot predict every training row in the inner folds"
    return trials, left_out


def _predict_folds(
    task: FitTask, waiting: list[_Trial], train: np.ndarray, folds: list[tuple[np.ndarray, np.ndarray]], clock: _Clock
) -> list[_Trial]:
    """Predict the rows of each inner fold by candidates that are fitted to the other folds; return the unfinished."""
    for trial in waiting:
        trial.predicted, trial.predicted_by = np.full(len(train), np.nan), f"{len(folds)} folds"
    for number, (learned, tested) in enumerate(folds):
        if task.progress is not None and waiting:
            task.progress("inner folds", number, len(folds))
        cache: dict[object, object] = {}
        # Rows that the outer fold tests are never seen inside either: a library may hold their spectra.
        test = np.union1d(train[tested], task.test)
        for trial in waiting:
            if not clock.allows():
                for unfinished in waiting:
                    unfinished.predicted = None
                return waiting
            inner = replace(
                task, candidate=trial.candidate, train=train[learned], test=test, leak="", fold_cache=cache, details={}
            )
            try:
                values = predict_rows(fit_model(inner), trial.candidate, task.rows, train[tested])[:, 0]
            except SamplesError:  # fewer rows than the candidate needs: no predictions
                continue
            assert trial.predicted is not None
            trial.predicted[tested] = values
    return []


def _inner_folds(task: FitTask, train: np.ndarray, n_folds: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the inner folds, the same for all candidates; the samples of a group are in one fold."""
    groups = _groups(task, train)
    if groups is not None:
        return split_groups(groups, min(n_folds, len(np.unique(groups))), seed=task.recipe.seed)
    return split_k_fold(len(train), min(n_folds, len(train)), seed=task.recipe.seed)


def _groups(task: FitTask, train: np.ndarray) -> np.ndarray | None:
    """Return the groups of rows, if there are several and a group has several rows."""
    groups = None if task.rows.groups is None else task.rows.groups[train]
    return groups if groups is not None and 1 < len(np.unique(groups)) < len(groups) else None


def _closed_form(task: FitTask, model: Model, n: int) -> tuple[np.ndarray | None, str]:
    """Return predictions of the training rows that a fitted regressor has without being fitted again, and their kind.

    There are none where single rows are not what is left out: steps before the regressor have learned from the target,
    or other rows of the same group have been learned from.
    """
    supervised = set(_SUPERVISED) & set(task.candidate.features.parts)
    if supervised or _groups(task, known_rows(task, task.train)) is not None or not isinstance(model, PixelModel):
        return None, ""
    estimator, factor = model.estimator, None
    while is_wrapper(estimator):  # the logarithm of the target
        factor, estimator = estimator.smearing_, estimator.estimator_
    regressor = regressor_of(estimator)
    for name, kind in _CLOSED_FORMS.items():
        values = getattr(regressor, name, None)
        if values is not None and np.shape(values) == (n,) and np.isfinite(values).all():
            predicted = np.array(values, np.float64)
            if factor is not None:
                predicted = np.exp(predicted) * factor
            clip_to_range(predicted[None], model.targets)
            return predicted, kind
    return None, ""


def _table(trials: list[_Trial], left_out: dict[str, str], observed: np.ndarray) -> pd.DataFrame:
    """Return the table of the candidates, in the order of their weights."""
    rows: list[dict[str, Any]] = []
    for trial in trials:
        r2 = rmse = np.nan
        if trial.predicted is not None:
            squared = np.mean((trial.predicted - observed) ** 2)
            variance = observed.var()
            r2, rmse = 1 - squared / variance if variance else np.nan, np.sqrt(squared)
        rows.append(
            {
                "model": trial.candidate.name,
                "predicted_by": trial.predicted_by,
                "r2": float(r2),
                "rmse": float(rmse),
                "weight": trial.weight,
                "chosen": trial.weight > 0,
                "note": trial.note,
            }
        )
    rows += [
        {"model": name, "predicted_by": "", "r2": np.nan, "rmse": np.nan, "weight": 0.0, "chosen": False, "note": why}
        for name, why in left_out.items()
    ]
    return pd.DataFrame(rows).sort_values("weight", ascending=False, kind="stable", ignore_index=True)


def _describe(task: FitTask, chosen: list[_Trial], choice: pd.DataFrame) -> None:
    """Write into the details of a task what was chosen, with the details of the model of the largest weight."""
    together = [f"{trial.weight:.2f} {trial.candidate.name}" for trial in chosen]
    mean = f"weighted mean of {' + '.join(together)}" if len(chosen) > 1 else chosen[0].candidate.name
    scores = [
        f"{row.model} {row.rmse:.3g} ({row.predicted_by})" for row in choice.itertuples() if np.isfinite(row.rmse)
    ]
    unit = task.rows.targets[0].unit
    description = mean
    if scores:
        description += f"; RMSE{f' in {unit}' if unit else ''} inside the training rows: {', '.join(scores)}"
    left_out = [f"{row.model}: {row.note}" for row in choice.itertuples() if row.note.startswith("left out")]
    learned = [f"{t.candidate.name}: {t.details['description']}" for t in chosen if "description" in t.details]
    task.details.update(chosen[0].details)
    for key in ("notes", "card_notes"):
        lines = [line for trial in chosen for line in trial.details.get(key, [])]
        if key == "notes":
            lines = [f"{task.candidate.name}: {mean}", *left_out, *learned, *lines]
        task.details[key] = list(dict.fromkeys(lines))
    task.details.update(choice=choice, description=description, learned=learned)
    if SECONDS in task.shared:
        task.details["card_notes"].append(
            f"time budget: {task.shared[SECONDS]:.3g} s for each fit of {task.candidate.name}"
        )
    for key in ("n_features", "n_training_rows"):
        numbers = [trial.details[key] for trial in chosen if key in trial.details]
        if numbers:
            task.details[key] = max(numbers)
    if len(chosen) > 1:
        steps = [" > ".join(trial.details.get("steps", [trial.candidate.name])) for trial in chosen]
        task.details["steps"] = [f"{trial.weight:.2f} x ({text})" for trial, text in zip(chosen, steps, strict=True)]


def _possible(task: FitTask, settings: Auto) -> list[Candidate]:
    """Return the candidates; a model of the logarithm is left out where the target has none."""
    kinds = list(dict.fromkeys(_kinds(task, settings)))
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


def _kinds(task: FitTask, settings: Auto) -> list[str]:
    """Return the names of the candidates: those of the recipe, or the default ones for the features of the rows."""
    return settings.candidates_for(spectral=_n_bands(task) > 0)


def _n_bands(task: FitTask) -> int:
    """Return how many of the features have a wavelength."""
    return int(np.isfinite(task.rows.wavelength_nm).sum())


def _candidate(task: FitTask, kind: str) -> Candidate:
    return Candidate(REGRESSORS[kind].title, kind, getattr(task.recipe.model, kind), _features_of(task, kind))


def _features_of(task: FitTask, kind: str) -> FeatureSettings:
    """Return the features of a candidate: those of the recipe, or what suits spectra where it prepares them no further.

    A Gaussian process derives what it needs from the bands as they are. The other regressors see the first derivative
    of the standard normal variate of the spectra, unless the recipe has a preprocessing of its own.
    """
    features = task.candidate.features
    if set(features.parts) - {"preprocessing", "place"} or "preprocessing" not in REGRESSORS[kind].uses:
        return features
    if kind in _TAKE_BANDS:
        return features.model_copy(update={"preprocessing": []})
    if features.preprocessing or _n_bands(task) < _DERIVATIVE[1].window_bands:
        return features
    return features.model_copy(update={"preprocessing": _DERIVATIVE})
