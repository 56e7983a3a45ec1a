"""The 1D-CNNs of the study: of a site alone, of the library or its country, and localised by rows, by weights, by both.

Bands are scaled to one spread before the net (by the rows it learns from; a transfer keeps the scale of its source).
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.spectral_cnn import SpectralCNN
from geosoil.models.state import regressor_of
from geosoil.training.search_space import SearchSpace
from geosoil.training.site_transfer import transfer_instances, transfer_representations
from geosoil.training.tuning import tune

if TYPE_CHECKING:
    from geosoil.studies.library_localisation.recipe import Recipe
    from geosoil.studies.results import Progress

_OF_NET = ("n_folds", "final", "epochs", "patience")


def tuned_net(recipe: Recipe, X: np.ndarray, y: np.ndarray, *, n_trials: int, progress: Progress) -> Pipeline:
    """Search and train a net on rows X `(n, band)`, y `(n,)`."""
    scaler = StandardScaler().fit(X)
    settings = _search(recipe)
    if n_trials == 1:  # nothing to choose: a search would train its first proposal, "small", twice
        net = SpectralCNN(random_state=settings.pop("seed"), **{n: v for n, v in settings.items() if n in _OF_NET})
        return Pipeline([("scale", scaler), ("net", net.fit(scaler.transform(X), y, progress=progress))])
    with _quiet():
        found = tune(scaler.transform(X), y, n_trials=n_trials, progress=progress, **settings)
        fitted = found.estimator().fit(scaler.transform(X), y)
    return Pipeline([("scale", scaler), ("net", fitted)])


def dtl_i(
    recipe: Recipe, X_chosen: np.ndarray, y_chosen: np.ndarray, X: np.ndarray, y: np.ndarray, *, progress: Progress
) -> Pipeline:
    """Search and train a net on chosen rows of the library and rows of the site: transfer of instances."""
    scaler = StandardScaler().fit(np.concatenate([X_chosen, X]))
    with _quiet():
        found = transfer_instances(
            scaler.transform(X_chosen),
            y_chosen,
            scaler.transform(X),
            y,
            n_trials=recipe.network.n_trials,
            progress=progress,
            **_search(recipe),
        )
    return Pipeline([("scale", scaler), ("net", found.model)])


def dtl_r(
    recipe: Recipe,
    source: Pipeline,
    X: np.ndarray,
    y: np.ndarray,
    *,
    X_chosen: np.ndarray | None = None,
    y_chosen: np.ndarray | None = None,
) -> Pipeline:
    """Go on from a library's net on rows of the site, and on chosen rows of the library too for DTL-IR."""
    wanted = recipe.network
    with _quiet():
        found = transfer_representations(
            source,
            X,
            y,
            X_chosen=X_chosen,
            y_chosen=y_chosen,
            n_folds=wanted.n_folds,
            final=wanted.final,
            epochs=wanted.epochs,
            patience=wanted.patience,
            random_state=recipe.seed,
        )
    fitted: Pipeline = found.model
    return fitted


def describe_net(estimator: Pipeline) -> str:
    """Say how large a net is and what was chosen.

    >>> describe_net(Pipeline([("net", type("Net", (), {"notes_": ["5 weights from 3 rows", "RMSE 1"]})())]))
    '5 weights from 3 rows'
    """
    notes = regressor_of(estimator).notes_
    return "; ".join(note for note in notes if "weights" in note or "frozen" in note)


def _search(recipe: Recipe) -> dict[str, Any]:
    wanted = recipe.network
    return {
        "space": SearchSpace(max_parameters=wanted.max_parameters),
        "minutes": wanted.minutes,
        "n_folds": wanted.n_folds,
        "final": wanted.final,
        "epochs": wanted.epochs,
        "patience": wanted.patience,
        "seed": recipe.seed,
    }


def _quiet() -> warnings.catch_warnings:
    """Few rows and weak nets are what this study is about: its tables show both."""
    return warnings.catch_warnings(action="ignore", category=UserWarning)
