"""The steps before a plain regressor: preprocessing, fusion and selection, fitted once per fold."""

from __future__ import annotations

import warnings
from copy import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from geosoil.errors import RecipeError
from geosoil.estimators.log_target import logarithm
from geosoil.numerics.imports import import_object
from geosoil.pipeline.regressors import rows_for
from geosoil.spectra import STEPS
from geosoil.spectra.steps_of_bands import StepsOfBands

if TYPE_CHECKING:
    from geosoil.pipeline.features import FeatureSettings, Preprocessing
    from geosoil.pipeline.task import FitTask

Steps = list[tuple[str, Any]]


class Prepared(NamedTuple):
    """Fitted steps of a Pipeline, all rows behind them, shape (n, n_features), and the steps of the bands by name."""

    steps: Steps
    X: np.ndarray
    of_bands: dict[str, Any]


def known_rows(task: FitTask, rows: np.ndarray) -> np.ndarray:
    """Return those of some rows whose target (one of them, if there are several) is known."""
    return rows[np.isfinite(task.rows.y[rows]).any(axis=1)]


def fitted_target(task: FitTask, rows: np.ndarray, log: str | None = None) -> np.ndarray:
    """Return what regressors fit: the target of some rows, or its logarithm; shape (len(rows),)."""
    y = task.rows.y[rows, 0]
    return y if (log or task.rows.targets[0].log) == "none" else logarithm(y)


def prepare(task: FitTask) -> Prepared:
    """Fit preprocessing, fusion and selection to the training rows of a task.

    The result is kept in `task.fold_cache`, so that the candidates of a fold share it.
    """
    key = ("prepared", _columns(task), task.leak, task.candidate.features.model_dump_json())
    if key not in task.fold_cache:
        task.fold_cache[key] = _prepare(task)
    prepared: Prepared = task.fold_cache[key]
    fitted = prepared.of_bands
    if "fusion" in fitted:
        task.details.update(fusion=fitted["fusion"], notes=list(fitted["fusion"].notes_))
    if "selection" in fitted:
        task.details["selection"] = fitted["selection"]
    task.details["n_features"] = prepared.X.shape[1]
    return prepared


def preprocessing_steps(features: FeatureSettings, wavelength_nm: np.ndarray) -> Steps:
    """Return the unfitted steps of a recipe's preprocessing."""
    return [
        (f"{number}_{setting.step}", _step(setting, wavelength_nm))
        for number, setting in enumerate(features.preprocessing)
    ]


def fit_steps(steps: Steps, X: np.ndarray) -> np.ndarray:
    """Fit steps one behind the other to rows X and return what comes out of the last."""
    for _, step in steps:
        X = step.fit(X).transform(X)
    return X


def transform(steps: Steps, X: np.ndarray) -> np.ndarray:
    """Return rows X behind fitted steps."""
    for _, step in steps if len(X) else ():
        X = step.transform(X)
    return X


def selector(task: FitTask) -> Any:
    """Return the unfitted step that selects bands or covariates, or None if all are kept."""
    selection = task.candidate.features.selection
    seed = task.recipe.seed
    if selection.method == "cars":
        from geosoil.spectra.cars import CARS

        return CARS(
            n_runs=selection.n_runs,
            n_components=selection.n_components,
            n_folds=selection.n_folds,
            random_state=seed,
        )
    if selection.method == "screen":
        from geosoil.samples.covariates import CovariateSelection

        return CovariateSelection(
            [feature.name for feature in task.rows.features],
            least_r=selection.least_r,
            most_r=selection.most_r,
            batch=selection.batch,
            random_state=seed,
        )
    return None


def selection_target(task: FitTask, rows: np.ndarray) -> np.ndarray:
    """Return the values that a selection is made for: all depths of a property, or one target."""
    return task.rows.y[rows] if task.rows.layers_cm is not None else fitted_target(task, rows)


def describe_network(task: FitTask, network: Any) -> None:
    """Write losses and notes of a fitted network into the details of a task."""
    notes = [*task.details.get("notes", []), *network.notes_]
    task.details.update(losses=network.losses_, stopping_losses=network.stopping_losses_, notes=notes)


def _prepare(task: FitTask) -> Prepared:
    features, train = task.candidate.features, known_rows(task, task.train)
    n_bands = _n_prepared(task)
    steps = preprocessing_steps(features, task.rows.wavelength_nm[:n_bands])
    fit_steps(steps, task.rows.centres[train][:, :n_bands])
    inputs = rows_for(task.candidate, task.rows)
    X = transform(steps, inputs[:, :n_bands])  # what follows the bands, such as places, is not changed by any step
    if features.use in ("generated", "mix"):
        output = "vae" if features.use == "generated" else "mix"
        steps.append(("fusion", copy(_fusion(task, steps, train)).set_params(output=output)))
        X = steps[-1][1].transform(X)
    step = selector(task)
    if step is not None:
        rows = known_rows(task, task.selection_rows)
        steps.append(("selection", step.fit(X[rows], selection_target(task, rows))))
        X = step.transform(X)
    of_bands = dict(steps)
    if inputs.shape[1] > n_bands:
        X = np.column_stack([X, inputs[:, n_bands:]])
        steps = [("bands", StepsOfBands(inputs.shape[1] - n_bands).use_fitted(steps, n_bands))] if steps else []
    return Prepared(steps, X, of_bands)


def _n_prepared(task: FitTask) -> int:
    """Return the number of the first columns that are prepared: the bands of rows that have covariates as well."""
    is_band = np.isfinite(task.rows.wavelength_nm)
    n_bands = int(is_band.sum())
    if n_bands in (0, len(is_band)) or not task.candidate.features.preprocessing:
        return len(is_band)
    if not is_band[:n_bands].all():
        raise RecipeError(
            task.candidate.name,
            found=f"the covariate {task.rows.features[int(np.argmin(is_band))].name} before bands",
            expected="the bands first, where there are steps for spectra",
            way_out="change the order of data.columns",
        )
    return n_bands


def _fusion(task: FitTask, steps: Steps, train: np.ndarray) -> Any:
    """Return the spectral VAE of the training rows; the candidates of a fold share it."""
    rows, features = task.rows, task.candidate.features
    if rows.laboratory is None or rows.neighbours is None:
        raise RecipeError(
            task.candidate.name,
            found=f"features.use = '{features.use}' without laboratory spectra",
            expected="data.laboratory",
            way_out="add it, or set features.use = 'satellite'",
        )
    n_seeds = features.fusion.n_seeds
    if task.leak == "selection":  # the published protocol searches seeds, whatever the recipe's own model does
        n_seeds = max(n_seeds, task.recipe.validation.n_seeds)
    shape = features.model_dump_json(include={"preprocessing", "fusion"})
    key = ("fusion", _columns(task), n_seeds, shape)
    if key not in task.fold_cache:
        task.fold_cache[key] = _fit_fusion(task, steps, train, n_seeds=n_seeds)
    return task.fold_cache[key]


def _fit_fusion(task: FitTask, steps: Steps, train: np.ndarray, **options: Any) -> Any:
    """Fit a spectral VAE to the training rows; options take precedence over the recipe's."""
    from geosoil.estimators.fusion.vae import SpectralVAE

    rows = task.rows
    assert rows.laboratory is not None
    assert rows.neighbours is not None
    neighbours = rows.neighbours[train]
    flat = transform(steps, neighbours.reshape(-1, neighbours.shape[-1]))
    settings = task.candidate.features.fusion.model_dump(exclude={"n_seeds"}, exclude_none=True)
    vae = SpectralVAE(output="vae", random_state=task.recipe.seed, **(settings | options))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # `notes_` has it, and the report shows them
        return vae.fit(
            transform(steps, rows.centres[train]),
            fitted_target(task, train),
            laboratory=transform(steps, rows.laboratory[train]),
            neighbours=flat.reshape(*neighbours.shape[:-1], flat.shape[-1]),
        )


def fusion_variants(task: FitTask) -> dict[str, np.ndarray]:
    """Return the spectra that the fusion generates of all rows with each loss of `LOSS_VARIANTS`, for a comparison."""
    from geosoil.estimators.fusion.settings import LOSS_VARIANTS

    train = known_rows(task, task.train)
    steps = preprocessing_steps(task.candidate.features, task.rows.wavelength_nm)
    fit_steps(steps, task.rows.centres[train])
    X = transform(steps, task.rows.centres)
    return {loss: _fit_fusion(task, steps, train, n_seeds=0, loss=loss).transform(X) for loss in LOSS_VARIANTS}


def _columns(task: FitTask) -> tuple[str, ...]:
    return tuple(target.name for target in task.rows.map_targets)


def _step(setting: Preprocessing, wavelength_nm: np.ndarray) -> Any:
    """Return an unfitted step with the parameters that it has."""
    parameters: dict[str, dict[str, Any]] = {
        "savitzky_golay": {
            "window_bands": setting.window_bands,
            "polynomial_order": setting.polynomial_order,
            "derivative": setting.derivative,
        },
        "detrend": {"degree": setting.degree, "wavelength_nm": wavelength_nm.tolist()},
        "continuum_removal": {"wavelength_nm": wavelength_nm.tolist()},
    }
    return import_object(STEPS[setting.step])(**parameters.get(setting.step, {}))
