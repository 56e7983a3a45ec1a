"""The one-dimensional CNNs of Shen et al. 2022: of the samples, of the library, and localised by rows, weights or both.

Bands are scaled to one spread before a network, by the rows that it learns from; a transfer keeps the scale of its
source.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.spectral_cnn import SpectralCNN
from geosoil.models.state import regressor_of
from geosoil.pipeline.regressors.localised import Fitted, Site, as_model, choose_rows, site_of
from geosoil.training.search_space import SearchSpace
from geosoil.training.site_transfer import transfer_instances, transfer_representations
from geosoil.training.tuning import tune

if TYPE_CHECKING:
    from geosoil.models.pixel import PixelModel
    from geosoil.pipeline.regressors import table as of
    from geosoil.pipeline.task import FitTask

_NETWORK = ("n_folds", "final", "epochs", "patience")


def fit_samples(task: FitTask, settings: of.SpectralCNN) -> PixelModel:
    """Search and train a network on the training rows alone."""
    site = site_of(task)
    network = _tuned(task, settings, site.X, site.y)
    return as_model(task, site, Fitted(network, np.arange(0), _described(network)))


def fit_library(task: FitTask, settings: of.LibraryCNN) -> PixelModel:
    """Search and train a network on the library, or on the rows of the site's country."""
    site = _site(task)
    network = _library_network(task, settings, site)
    chosen = np.arange(len(site.rows))
    return as_model(task, site, Fitted(network, chosen, _described(network), sees_samples=False))


def fit_instances(task: FitTask, settings: of.DTLI) -> PixelModel:
    """Train a network on rows that RS-LOCAL chooses and the training rows together: DTL-I."""
    site = _site(task)
    chosen = choose_rows(task, settings, site, country=_is_of_country(task)).rows
    X, y = site.X_library[chosen], site.y_library[chosen]
    scaler = StandardScaler().fit(np.concatenate([X, site.X]))
    with _quiet():
        result = transfer_instances(
            scaler.transform(X),
            y,
            scaler.transform(site.X),
            site.y,
            n_trials=settings.n_trials,
            progress=task.progress,
            **_search(task, settings),
        )
    network = Pipeline([("scale", scaler), ("net", result.model)])
    return as_model(task, site, Fitted(network, chosen, _described(network)))


def fit_representations(task: FitTask, settings: of.DTLR | of.DTLIR) -> PixelModel:
    """Fine-tune the library's network on the training rows (DTL-R), and on chosen library rows too (DTL-IR)."""
    site = _site(task)
    source = _library_network(task, settings, site)
    chosen: dict[str, Any] = {}
    if task.candidate.kind.startswith("dtl_ir"):
        rows = choose_rows(task, settings, site, country=_is_of_country(task)).rows
        chosen = {"X_chosen": site.X_library[rows], "y_chosen": site.y_library[rows]}
    with _quiet():
        result = transfer_representations(
            source,
            site.X,
            site.y,
            **chosen,
            **settings.model_dump(include=set(_NETWORK)),
            random_state=task.recipe.seed,
        )
    return as_model(task, site, Fitted(result.model, np.arange(len(site.rows)), _described(result.model)))


def learn_shared(task: FitTask, settings: of.SpectralCNN) -> None:
    """Search and train the library's network, for `prepare_shared`, if the candidate starts from it."""
    if task.candidate.kind not in ("spectral_cnn", "dtl_i", "dtl_i_country"):
        _library_network(task, settings, _site(task))


def _site(task: FitTask) -> Site:
    return site_of(task, country=_is_of_country(task))


def _is_of_country(task: FitTask) -> bool:
    return "country" in task.candidate.kind


def _library_network(task: FitTask, settings: of.SpectralCNN, site: Site) -> Pipeline:
    """Return the network of the library: of all folds, or of this one if the library holds spectra of the samples."""
    library: Any = task.rows.library
    key = (
        "library network",
        task.rows.map_targets[0].name,
        site.log,
        _is_of_country(task),
        task.candidate.features.model_dump_json(include={"preprocessing"}),
        settings.model_dump_json(include={*_NETWORK, "n_trials", "minutes", "max_parameters"}),
    )
    cache = task.fold_cache if library.holds_samples else task.shared
    if key not in cache:
        if task.progress is not None:
            task.progress("1D-CNN of the library", 0, settings.n_trials)
        cache[key] = _tuned(task, settings, site.X_library, site.y_library)
    network: Pipeline = cache[key]
    return network


def _tuned(task: FitTask, settings: of.SpectralCNN, X: np.ndarray, y: np.ndarray) -> Pipeline:
    """Search and train a network on rows X (n, n_bands) and y (n,)."""
    scaler = StandardScaler().fit(X)
    if settings.n_trials == 1:  # nothing to choose: a search would train its first proposal, "small", twice
        network = SpectralCNN(random_state=task.recipe.seed, **settings.model_dump(include=set(_NETWORK)))
        return Pipeline([("scale", scaler), ("net", network.fit(scaler.transform(X), y, progress=task.progress))])
    with _quiet():
        found = tune(
            scaler.transform(X), y, n_trials=settings.n_trials, progress=task.progress, **_search(task, settings)
        )
        fitted = found.estimator().fit(scaler.transform(X), y)
    return Pipeline([("scale", scaler), ("net", fitted)])


def _search(task: FitTask, settings: of.SpectralCNN) -> dict[str, Any]:
    return {
        "space": SearchSpace(max_parameters=settings.max_parameters),
        "minutes": settings.minutes,
        "seed": task.recipe.seed,
        **settings.model_dump(include=set(_NETWORK)),
    }


def _described(estimator: Pipeline) -> str:
    """Return how large a network is and what was chosen."""
    return "; ".join(note for note in regressor_of(estimator).notes_ if "weights" in note or "frozen" in note)


def _quiet() -> warnings.catch_warnings:
    """Silence warnings of few rows and weak networks: the tables of a comparison show both."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)
