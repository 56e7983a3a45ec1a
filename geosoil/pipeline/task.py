"""What a fold hands to a regressor, and what a comparison compares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from geosoil.pipeline.features import FeatureSettings
    from geosoil.pipeline.part import Part
    from geosoil.pipeline.recipe import Recipe
    from geosoil.pipeline.rows import TrainingRows


@dataclass(frozen=True)
class Candidate:
    """A model of a comparison: the regressor by its name in REGRESSORS, its settings and its features.

    `name` is unique among the candidates of a comparison and is what tables and reports show.
    """

    name: str
    kind: str
    settings: Part
    features: FeatureSettings


@dataclass(frozen=True, eq=False)
class FitTask:
    """A candidate to be fitted to some of the rows.

    Parameters
    ----------
    candidate : Candidate
    rows : TrainingRows
        All rows. Only `train` may be learned from, and library rows that are not a tested sample's own spectrum.
    train : ndarray of int, shape (n_train,)
    recipe : Recipe
    seed : int
    test : ndarray of int, shape (n_test,)
        Rows that will be tested. An honest fit uses them only to leave their own spectra out of the library.
    leak : {"", "selection", "settings"}
        Which choices the test rows take part in, in a published protocol: bands and covariates, or the settings of
        regressors and the epoch at which networks stop. "" in every honest protocol.
    fold_cache : dict
        What the candidates of one fold share (fitted fusion, chosen bands), filled on first use.
    shared : dict
        What all folds share (networks of the library), made by `prepare_shared` from rows that are never tested.
    n_workers : int or None
        Processes that a regressor may start itself; None: as it likes.
    progress : callable or None
    details : dict
        Filled by the regressor with what cards and reports show; every key is optional:
        n_features (int), description (str: what the model chose), notes (list of str, shown to the user), card_notes
        (list of str, kept in the card only), steps (list of str, the steps in words), n_training_rows (int),
        losses and stopping_losses (one or several curves by epoch), selection (the fitted CARS or CovariateSelection),
        fusion (the fitted SpectralVAE), rs_local (`RSLocalResult`), library_rows (indices), choice (DataFrame of the
        candidates of `auto` with inner scores and weights), source_model (`SourceModel`), explained (dict of str to
        (model, rows), whose Shapley values are shown). The details of models of several targets are in targets, by the
        name of the target.
    """

    candidate: Candidate
    rows: TrainingRows
    train: np.ndarray
    recipe: Recipe
    seed: int
    test: np.ndarray = field(default_factory=lambda: np.arange(0))
    leak: str = ""
    fold_cache: dict[Any, Any] = field(default_factory=dict)
    shared: dict[Any, Any] = field(default_factory=dict)
    n_workers: int | None = None
    progress: Any = None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def selection_rows(self) -> np.ndarray:
        """Rows that choose bands and covariates: the training rows, unless a published protocol leaks."""
        return np.union1d(self.train, self.test) if self.leak == "selection" else self.train

    @property
    def stopping_rows(self) -> np.ndarray | None:
        """Test rows that choose settings and stopping epochs in a leaking published protocol, else None."""
        return self.test if self.leak == "settings" else None

    def with_candidate(self, candidate: Candidate) -> FitTask:
        """Return the same task for another candidate, which shares the caches."""
        return replace(self, candidate=candidate, details={})


@dataclass(frozen=True, eq=False)
class SourceModel:
    """The model of the auxiliary property that a transfer started from, and how well it predicts unseen library rows.

    `tested` is (observed, predicted), both of shape (n_test,), in the unit of the auxiliary property.
    """

    model: Any
    steps: list[str]
    n_samples: int
    metrics: dict[str, float]
    tested: tuple[np.ndarray, np.ndarray]
