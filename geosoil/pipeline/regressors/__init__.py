"""All models that a recipe can ask for (`table.py`), and how one is fitted to the rows of a task."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RecipeError
from geosoil.numerics.imports import import_object
from geosoil.pipeline.regressors.table import REGRESSORS, Regressor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geosoil.models.contract import Feature, Model
    from geosoil.pipeline.places import PlaceColumns
    from geosoil.pipeline.recipe import Recipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.task import Candidate, FitTask

    Progress = Callable[[str, int, int], None]


def fit_model(task: FitTask) -> Model:
    """Fit the candidate of a task to its training rows.

    Several targets are fitted one by one and combined, unless the regressor learns them together or they are the
    depths of one property. `task.details` is filled with what cards and reports show.

    Raises
    ------
    RecipeError
        If the recipe asks for a part of `[features]` that the regressor cannot use, or lacks what it needs.
    SamplesError
        If there are too few rows.
    """
    entry = REGRESSORS[task.candidate.kind]
    _check_features(task.candidate, entry)
    fit = import_object(entry.fit or f"{__name__}.plain:fit")
    together = entry.multi_target or (entry.estimator and task.rows.layers_cm is not None)
    task.details["steps"] = _steps_in_words(task.candidate, entry)
    if together or len(task.rows.targets) == 1:
        model: Model = fit(task, task.candidate.settings)
        _note_what_is_ignored(task, entry)
        return model
    from geosoil.models.compose import MultiTargetModel

    models = []
    for index, target in enumerate(task.rows.map_targets):
        part = replace(task, rows=task.rows.for_target(index), details={})
        models.append(fit(part, task.candidate.settings))
        _add_details(task.details, part.details, target.name)
    return MultiTargetModel(tuple(models))


def predict_rows(model: Model, candidate: Candidate, rows: TrainingRows, indices: np.ndarray) -> np.ndarray:
    """Predict rows as a map does, `(len(indices), n_targets)` in the targets' units.

    A model of patches reads the patches of the rows, a model of pixels their centres, and a model of laboratory spectra
    the laboratory spectra.
    """
    X = rows.X if model.halo else rows_for(candidate, rows)
    return np.asarray(model.predict_rows(X[indices][:, model.used_columns]))


def predict_spread(model: Model, candidate: Candidate, rows: TrainingRows, indices: np.ndarray) -> np.ndarray | None:
    """Return the spread of the predictions of rows, as a map does, `(len(indices), n_targets)`.

    None if the model has no spread for each of its targets, or reads patches.
    """
    from geosoil.models.contract import SPREAD

    outputs = {output.name: output for output in model.outputs if output.kind == SPREAD}
    names = [f"{target.name} spread" for target in model.targets]
    if model.halo or not set(names) <= set(outputs):
        return None
    X = np.asarray(rows_for(candidate, rows)[indices][:, model.used_columns], np.float32)
    block = np.ascontiguousarray(X.T)[:, None]
    return np.asarray(model.predict(block, [outputs[name] for name in names])[:, 0].T)


def rows_for(candidate: Candidate, rows: TrainingRows) -> np.ndarray:
    """Return the matrix `(n, n_features)` that a candidate learns from: its columns are those of `features_for`.

    They are the rows' centres or laboratory spectra, then the places if the candidate has them.
    """
    X = _bands_for(candidate, rows)
    return X if not candidate.features.place else np.column_stack([X, _places_of(rows).X])


def features_for(candidate: Candidate, rows: TrainingRows) -> tuple[Feature, ...]:
    """Return the features that a candidate learns from, places last."""
    return rows.features if not candidate.features.place else (*rows.features, *_places_of(rows).features)


def _places_of(rows: TrainingRows) -> PlaceColumns:
    if rows.place is None:
        raise RecipeError(
            "features.place",
            found="rows that were read without places",
            expected="rows of a recipe whose models have features.place = true",
            way_out="set it in [features] or in an entry of model.compare",
        )
    return rows.place


def _bands_for(candidate: Candidate, rows: TrainingRows) -> np.ndarray:
    if candidate.features.use != "laboratory":
        return rows.centres
    if rows.laboratory is None:
        raise RecipeError(
            candidate.name,
            found="features.use = 'laboratory' without laboratory spectra",
            expected="data.laboratory",
            way_out="add it, or set features.use = 'satellite'",
        )
    return rows.laboratory


def prepare_shared(
    recipe: Recipe, rows: TrainingRows, candidates: Sequence[Candidate], progress: Progress | None = None
) -> dict[Any, Any]:
    """Prepare what all folds may share: the time of each fit, and networks and scores of library rows without samples.

    If the library holds spectra of the samples, nothing is shared: every fold then learns from the library without
    the samples that it tests.

    Returns
    -------
    dict
        The `shared` of every `FitTask`.
    """
    from geosoil.pipeline.regressors.auto import share_time
    from geosoil.pipeline.task import FitTask

    shared: dict[Any, Any] = share_time(recipe, rows, candidates)
    if rows.library is None or rows.library.holds_samples:
        return shared
    for candidate in candidates:
        module, _, _ = REGRESSORS[candidate.kind].fit.partition(":")
        learn = getattr(import_module(module), "learn_shared", None) if module else None
        for index in range(len(rows.targets)) if learn is not None else ():
            task = FitTask(
                candidate, rows.for_target(index), np.arange(0), recipe, recipe.seed, shared=shared, progress=progress
            )
            learn(task, candidate.settings)  # type: ignore[misc]
    return shared


def _note_what_is_ignored(task: FitTask, entry: Regressor) -> None:
    """Report that a regressor does not use standard errors; `auto` collects this from its candidates."""
    if task.rows.standard_error is not None and not entry.uses_standard_errors and task.candidate.kind != "auto":
        line = f"{task.candidate.name} does not use the standard errors of the samples"
        task.details["notes"] = [*task.details.get("notes", []), line]


def _check_features(candidate: Candidate, entry: Regressor) -> None:
    for part, name in candidate.features.parts.items():
        if part not in entry.uses:
            raise RecipeError(
                f"model {candidate.name}",
                found=f"features.{name}",
                expected=f"only {', '.join(sorted(entry.uses)) or 'the features as they are'} for {candidate.kind}",
                way_out="give this model its own features in model.compare, or change [features]",
            )


def _steps_in_words(candidate: Candidate, entry: Regressor) -> list[str]:
    features = candidate.features
    steps = list(features.step_names)
    if features.use in ("generated", "mix"):
        steps.append(f"spectral VAE ({features.use})")
    selection = {"none": [], "cars": ["selection of bands by CARS"], "screen": ["selection of covariates"]}
    return [*steps, *selection[features.selection.method], entry.title]


def _add_details(details: dict[str, Any], of_target: dict[str, Any], name: str) -> None:
    """Add the details of the model of one target to those of all: by its name, and what the card states once."""
    details.setdefault("targets", {})[name] = of_target
    for key in ("notes", "card_notes"):
        if key in of_target:
            details[key] = list(dict.fromkeys([*details.get(key, []), *of_target[key]]))
    for key in ("n_features", "n_training_rows"):
        if key in of_target:
            details[key] = max(of_target[key], details.get(key, 0))
    if "source_model" in of_target:  # all targets start from the same network
        details["source_model"] = of_target["source_model"]
