"""From a choice of features and regressor to a fitted Pipeline, on the training rows and nothing else."""

from __future__ import annotations

import warnings
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.dense_net import DenseNet
from geosoil.estimators.forest import Forest
from geosoil.estimators.fusion.vae import SpectralVAE
from geosoil.estimators.log_target import LogTarget, logarithm
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.spectra import STEPS
from geosoil.spectra.cars import CARS
from geosoil.spectra.smooth import SavitzkyGolay

if TYPE_CHECKING:
    from geosoil.studies.gf5_inversion.recipe import Preprocessing, Recipe
    from geosoil.studies.gf5_inversion.training_data import TrainingData


@dataclass(frozen=True)
class Choice:
    """A row of the comparison: which spectra, which regressor."""

    features: str
    regressor: str

    @property
    def label(self) -> str:
        """The paper's name of it."""
        return {
            "plsr": "CARS + PLSR",
            "svr": "CARS + SVR",
            "forest": "FD-RF",
            "dnn": "DNN-CARS",
        }[self.regressor]


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator of one choice, and the number of bands its regressor sees."""

    estimator: Any
    n_features: int


class Trainer:
    """Fit choices on some rows of the data; what choices share (fusion, band selection) is fitted once.

    `selection_rows` are the rows that CARS sees: the training rows, unless a leaking protocol is asked for by name.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        rows: np.ndarray,
        *,
        selection_rows: np.ndarray | None = None,
        n_seeds: int | None = None,
    ) -> None:
        self.recipe = recipe
        self.data = data
        self.rows = rows
        self.selection_rows = rows if selection_rows is None else selection_rows
        self.n_seeds = recipe.fusion.n_seeds if n_seeds is None else n_seeds
        self.selectors: dict[str, CARS] = {}

    def inputs(self, choice: Choice, rows: np.ndarray) -> np.ndarray:
        """Return the spectra that the choice's estimator takes, `(len(rows), p)` reflectance."""
        if choice.features == "indoor":
            if self.data.laboratory is None:
                msg = "no laboratory spectra"
                raise ValueError(msg)
            return self.data.laboratory[rows]
        return self.data.satellite[rows]

    def target(self, rows: np.ndarray) -> np.ndarray:
        """Return what regressors fit: the target, or its logarithm."""
        y = self.data.target[rows]
        return y if self.recipe.target.log == "none" else logarithm(y)

    @cached_property
    def fusion(self) -> SpectralVAE:
        """The spectral VAE of the training rows, giving the generated spectra."""
        return self._fit_fusion(n_seeds=self.n_seeds)

    def fusion_variant(self, loss: str) -> SpectralVAE:
        """The same with another loss (`fusion.LOSS_VARIANTS`), without a search of seeds."""
        return self._fit_fusion(n_seeds=0, loss=loss)

    def _fit_fusion(self, **options: Any) -> SpectralVAE:
        if self.data.laboratory is None:
            msg = "no laboratory spectra"
            raise ValueError(msg)
        neighbours = self.data.neighbours[self.rows]
        flat = self._preprocessed(neighbours.reshape(-1, neighbours.shape[-1])).reshape(neighbours.shape)
        options = self.recipe.fusion.model_dump(exclude={"n_seeds"}, exclude_none=True) | options
        vae = SpectralVAE(output="vae", random_state=self.recipe.seed, **options)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a collapse stands in `notes_`, which the report tells
            return vae.fit(
                self._preprocessed(self.data.satellite[self.rows]),
                self.target(self.rows),
                laboratory=self._preprocessed(self.data.laboratory[self.rows]),
                neighbours=flat,
            )

    @cached_property
    def _steps(self) -> list[tuple[str, Any]]:
        """The preprocessing steps, fitted to the satellite spectra of the training rows."""
        steps, spectra = [], self.data.satellite[self.rows]
        for i, wanted in enumerate(self.recipe.features.preprocessing):
            step = _step(wanted, self.data.wavelength_nm).fit(spectra)
            spectra = step.transform(spectra)
            steps.append((f"{i}_{wanted.step}", step))
        return steps

    def _preprocessed(self, spectra: np.ndarray) -> np.ndarray:
        for _, step in self._steps:
            spectra = step.transform(spectra)
        return spectra

    def fit(self, choice: Choice) -> Fitted:
        """Fit one choice on the training rows."""
        steps = list(self._steps)
        spectra = self._preprocessed(self.inputs(choice, np.arange(len(self.data.ids))))
        if choice.features in {"vae", "mix"}:
            steps.append(("fusion", copy(self.fusion).set_params(output=choice.features)))
            spectra = steps[-1][1].transform(spectra)
        if choice.regressor != "forest" and self.recipe.selection.method == "cars":
            steps.append(("cars", self._selector(choice.features, spectra)))
            spectra = steps[-1][1].transform(spectra)
        n_features = spectra.shape[1]
        for name, step in self._regression(choice.regressor):
            step.fit(spectra[self.rows], self.target(self.rows))
            steps.append((name, step))
            spectra = step.transform(spectra) if hasattr(step, "transform") else spectra
        estimator: Any = Pipeline(steps)
        if self.recipe.target.log != "none":
            wrapper = LogTarget(None, retransform=self.recipe.target.log)
            estimator = wrapper.use_fitted(estimator, self.inputs(choice, self.rows), self.data.target[self.rows])
        return Fitted(estimator, n_features)

    def _selector(self, features: str, spectra: np.ndarray) -> CARS:
        """Return CARS fitted once for each kind of features, so that regressors share its bands."""
        if features not in self.selectors:
            options = self.recipe.selection.model_dump(exclude={"method"})
            rows = self.selection_rows
            selector = CARS(random_state=self.recipe.seed, **options)
            self.selectors[features] = selector.fit(spectra[rows], self.target(rows))
        return self.selectors[features]

    def _regression(self, kind: str) -> list[tuple[str, Any]]:
        """Return the unfitted steps of a regressor."""
        seed = self.recipe.seed
        if kind == "plsr":
            return [("plsr", PartialLeastSquares(random_state=seed))]
        if kind == "forest":
            derivative = SavitzkyGolay(window_bands=5, polynomial_order=2, derivative=1)
            return [("derivative", derivative), ("forest", Forest(random_state=seed))]
        regressor = SupportVectors(random_state=seed) if kind == "svr" else DenseNet(random_state=seed)
        return [("scale", StandardScaler()), (kind, regressor)]


def _step(wanted: Preprocessing, wavelength_nm: np.ndarray) -> Any:
    """Build a preprocessing step with the parameters that are its own."""
    module, _, name = STEPS[wanted.step].partition(":")
    own = {
        "savitzky_golay": {
            "window_bands": wanted.window_bands,
            "polynomial_order": wanted.polynomial_order,
            "derivative": wanted.derivative,
        },
        "detrend": {"degree": wanted.degree, "wavelength_nm": wavelength_nm.tolist()},
        "continuum_removal": {"wavelength_nm": wavelength_nm.tolist()},
    }
    return getattr(import_module(module), name)(**own.get(wanted.step, {}))
