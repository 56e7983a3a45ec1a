"""The models that are compared, and how one is fitted to n rows of a site and a library.

All see SNV of absorbance. What they choose (rows of the library, components, weights, architectures) they choose on
the library and the n rows given, so the other rows of the site can test them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from geosoil.estimators.log_target import LogTarget, logarithm
from geosoil.estimators.memory_based import MemoryBased
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.spiked_pls import SpikedPLS
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.samples.rs_local import RSLocalResult, rs_local
from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.scatter import SNV
from geosoil.studies.library_localisation.nets import describe_net, dtl_i, dtl_r, tuned_net
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from geosoil.studies.library_localisation.recipe import Recipe
    from geosoil.studies.library_localisation.training_data import TrainingData
    from geosoil.studies.results import Progress

MODELS = {
    "local_plsr": "Local PLSR",
    "library_plsr": "Library PLSR",
    "spiked_plsr": "Spiked PLSR",
    "mbl": "MBL",
    "trees": "Boosted trees",
    "rs_local_plsr": "RS-LOCAL + PLSR",
    "rs_local_plsr_ln": "RS-LOCAL + PLSR, ln",
    "local_cnn": "Local CNN",
    "library_cnn": "Library CNN",
    "dtl_i": "DTL-I, library",
    "dtl_r": "DTL-R, library",
    "dtl_ir": "DTL-IR, library",
    "country_cnn": "Country CNN",
    "dtl_i_country": "DTL-I, country",
    "dtl_r_country": "DTL-R, country",
    "dtl_ir_country": "DTL-IR, country",
}
_NETS = tuple(kind for kind in MODELS if "cnn" in kind or "dtl" in kind)
_OF_LIBRARY = ("library_plsr", "library_cnn", "country_cnn")  # these never see the site
OF_COUNTRY = tuple(kind for kind in MODELS if "country" in kind)
_BASED = {
    "library": ("library_cnn", "dtl_r", "dtl_ir"),
    "country": ("country_cnn", "dtl_r_country", "dtl_ir_country"),
}


def possible_models(recipe: Recipe, data: TrainingData) -> list[str]:
    """Return those of `MODELS` that can be made.

    Models of the country need rows of it; the one of ln(y) positive contents that are not under a logarithm already.
    """
    positive = (data.library.y > 0).all() and (data.site.y > 0).all()
    absent = set() if data.country is not None else set(OF_COUNTRY)
    if recipe.target.log != "none" or not positive:
        absent.add("rs_local_plsr_ln")
    return [kind for kind in MODELS if kind not in absent]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A fitted model of one site.

    estimator predicts the content from SNV of absorbance; library_rows `(n_used,)` of the library and site_rows `(n,)`
    of the site are what it learned from; said: what it chose. valid_range: predictions beyond are set to its ends; a
    model of ln(y) predicts no more than the largest content that it learned from.
    """

    kind: str
    estimator: Any
    library_rows: np.ndarray
    site_rows: np.ndarray
    said: str
    valid_range: tuple[float | None, float | None]

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict `(n,)` in the target's unit from SNV of absorbance X `(n, band)`, as a map does."""
        return np.clip(np.asarray(self.estimator.predict(X)), *self.valid_range)

    def as_model(self, data: TrainingData, target: Target) -> PixelModel:
        """Return what the mapper runs: reflectance in, content out.

        Tables of spectra do not tell how wide their bands are: bands of a cube that lie 1 nm off are interpolated.
        """
        R = np.concatenate([data.library.R[self.library_rows], data.site.R[self.site_rows]])
        nm = data.wavelength_nm
        features = tuple(
            Feature(f"{centre:g} nm", float(centre), training_low=float(low), training_high=float(high))
            for centre, low, high in zip(nm, R.min(axis=0), R.max(axis=0), strict=True)
        )
        absorbance = Absorbance().fit(R)
        snv = SNV().fit(absorbance.transform(R))
        steps = [("absorbance", absorbance), ("snv", snv), ("model", self.estimator)]
        return PixelModel(Pipeline(steps), training_columns=features, targets=(target,))


def train_bases(recipe: Recipe, data: TrainingData, kinds: list[str], progress: Progress) -> dict[str, Pipeline]:
    """Search and train the nets of the library and of the country that some models begin with: "library", "country".

    They see no row of the site, so all choices of the n share them.
    """
    log, bases = recipe.target.log != "none", {}
    for name, of_it in _BASED.items():
        if not set(of_it) & set(kinds):
            continue
        rows = np.arange(len(data.library.y)) if name == "library" else data.country
        assert rows is not None
        y = logarithm(data.library.y[rows]) if log else data.library.y[rows]
        progress(f"1D-CNN of the {name}", 0, recipe.network.n_library_trials)
        bases[name] = tuned_net(
            recipe, data.library.X[rows], y, n_trials=recipe.network.n_library_trials, progress=progress
        )
    return bases


class Trainer:
    """Fits models to the rows `chosen` `(n,)` of the site and to the library; what several share is done once.

    bases: the nets of `train_bases`, for the models that begin with one.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        chosen: np.ndarray,
        *,
        bases: dict[str, Pipeline] | None = None,
        n_workers: int | None = None,
        progress: Progress = no_progress,
    ) -> None:
        self.recipe, self.data, self.chosen, self.bases = recipe, data, chosen, bases or {}
        self.n_workers, self.progress = n_workers, progress
        log = recipe.target.log != "none"
        self.X_site = data.site.X[chosen]
        # Under a logarithm everything, RS-LOCAL too, sees ln(y): a few rich rows would decide alone.
        self.y_site = logarithm(data.site.y[chosen]) if log else data.site.y[chosen]
        self.y_library = logarithm(data.library.y) if log else data.library.y

    @cached_property
    def from_library(self) -> RSLocalResult:
        """The rows that RS-LOCAL takes from the whole library."""
        return self._choose(np.arange(len(self.y_library)))

    @cached_property
    def from_country(self) -> RSLocalResult:
        """The rows that RS-LOCAL takes from the library of the site's country, numbered as in the whole library."""
        assert self.data.country is not None
        return self._choose(self.data.country)

    @cached_property
    def of_logarithm(self) -> Trainer:
        """The same rows, all of it with ln(y)."""
        target = self.recipe.target.model_copy(update={"log": "naive"})
        recipe = self.recipe.model_copy(update={"target": target})
        return Trainer(recipe, self.data, self.chosen, n_workers=self.n_workers, progress=self.progress)

    def _choose(self, rows: np.ndarray) -> RSLocalResult:
        wanted = self.recipe.rs_local
        result = rs_local(
            self.data.library.X[rows],
            self.y_library[rows],
            self.X_site,
            self.y_site,
            k=wanted.k,
            b=wanted.b,
            r=wanted.r,
            n_components=wanted.n_components,
            seed=self.recipe.seed,
            n_workers=self.n_workers,
            progress=self.progress,
        )
        return RSLocalResult(rows[result.rows], result.errors, result.passes, [rows[part] for part in result.dropped])

    def fit(self, kind: str) -> Fitted:
        """Fit one of `MODELS`."""
        if kind == "rs_local_plsr_ln":
            return replace(self.of_logarithm.fit("rs_local_plsr"), kind=kind)
        estimator, rows, said = self._net(kind) if kind in _NETS else getattr(self, f"_{kind}")()
        log, valid_range = self.recipe.target.log, self.recipe.target.valid_range
        if log != "none":
            # Smearing asks how far y lies from exp(prediction): at the site, where rows of the library may lie far off.
            X, y = self.X_site, self.data.site.y[self.chosen]
            if kind in _OF_LIBRARY:
                X, y = self.data.library.X[rows], self.data.library.y[rows]
            estimator = LogTarget(estimator, retransform=log).use_fitted(estimator, X, y)
            valid_range = _held(valid_range, max(y.max(), self.data.library.y[rows].max(initial=0.0)))
        site_rows = self.chosen[:0] if kind in _OF_LIBRARY else self.chosen
        return Fitted(kind, estimator, rows, site_rows, said, valid_range)

    @property
    def _pls(self) -> PartialLeastSquares:
        return PartialLeastSquares(
            max_components=self.recipe.regression.max_components,
            n_folds=self.recipe.validation.n_folds,
            random_state=self.recipe.seed,
        )

    def _local_plsr(self) -> tuple[Any, np.ndarray, str]:
        fitted = self._pls.fit(self.X_site, self.y_site)
        return fitted, np.arange(0), f"{fitted.n_components_} components"

    def _library_plsr(self) -> tuple[Any, np.ndarray, str]:
        fitted = self._pls.fit(self.data.library.X, self.y_library)
        return fitted, np.arange(len(self.y_library)), f"{fitted.n_components_} components"

    def _spiked_plsr(self) -> tuple[Any, np.ndarray, str]:
        return self._spiked(np.arange(len(self.y_library)))

    def _rs_local_plsr(self) -> tuple[Any, np.ndarray, str]:
        return self._spiked(self.from_library.rows)

    def _spiked(self, rows: np.ndarray) -> tuple[Any, np.ndarray, str]:
        """PLSR of rows of the library and weighted rows of the site."""
        wanted = self.recipe.regression
        model = SpikedPLS(
            weights=wanted.weights,
            max_components=wanted.max_components,
            n_folds=self.recipe.validation.n_folds,
            random_state=self.recipe.seed,
        )
        X = np.concatenate([self.data.library.X[rows], self.X_site])
        y = np.concatenate([self.y_library[rows], self.y_site])
        fitted = model.fit(X, y, np.arange(len(y)) >= len(rows))
        return fitted, rows, f"models with the library count {fitted.share_[:-1].sum():.0%}, of the site alone the rest"

    def _mbl(self) -> tuple[Any, np.ndarray, str]:
        X = np.concatenate([self.data.library.X, self.X_site])
        y = np.concatenate([self.y_library, self.y_site])
        wanted = self.recipe.regression
        model = MemoryBased(k=wanted.neighbours, max_components=wanted.max_components, random_state=self.recipe.seed)
        fitted = model.fit(X, y, targets=self.X_site)
        return fitted, np.arange(len(self.y_library)), f"{fitted.k_} neighbours"

    def _trees(self) -> tuple[Any, np.ndarray, str]:
        """Histogram gradient boosting on principal components of library and site, local rows weighted to one half."""
        from sklearn.decomposition import PCA
        from sklearn.ensemble import HistGradientBoostingRegressor

        X = np.concatenate([self.data.library.X, self.X_site])
        y = np.concatenate([self.y_library, self.y_site])
        n_library, n_site = len(self.y_library), len(self.y_site)
        weight = np.repeat([1.0, max(1.0, n_library / n_site)], [n_library, n_site])
        trees = HistGradientBoostingRegressor(
            learning_rate=0.05, max_iter=200, min_samples_leaf=10, early_stopping=False, random_state=self.recipe.seed
        )
        scores = PCA(min(20, X.shape[1], n_library), svd_solver="covariance_eigh")
        fitted = Pipeline([("scores", scores), ("trees", trees)]).fit(X, y, trees__sample_weight=weight)
        return fitted, np.arange(n_library), "200 trees on 20 components"

    def _net(self, kind: str) -> tuple[Any, np.ndarray, str]:
        """One of the nine 1D-CNNs of the paper."""
        of_country = kind in OF_COUNTRY
        whole = self.data.country if of_country else np.arange(len(self.y_library))
        assert whole is not None
        if kind == "local_cnn":
            n_trials = self.recipe.network.n_trials
            net = tuned_net(self.recipe, self.X_site, self.y_site, n_trials=n_trials, progress=self.progress)
            return net, whole[:0], describe_net(net)
        base = self.bases.get("country" if of_country else "library")
        if kind in ("library_cnn", "country_cnn"):
            assert base is not None
            return base, whole, describe_net(base)
        if kind.startswith("dtl_r"):
            assert base is not None
            net = dtl_r(self.recipe, base, self.X_site, self.y_site)
            return net, whole, describe_net(net)
        rows = (self.from_country if of_country else self.from_library).rows
        X, y = self.data.library.X[rows], self.y_library[rows]
        if kind.startswith("dtl_ir"):
            assert base is not None
            net = dtl_r(self.recipe, base, self.X_site, self.y_site, X_chosen=X, y_chosen=y)
            return net, whole, describe_net(net)
        net = dtl_i(self.recipe, X, y, self.X_site, self.y_site, progress=self.progress)
        return net, rows, describe_net(net)


def _held(valid_range: tuple[float | None, float | None], largest: float) -> tuple[float | None, float | None]:
    """Return a valid range that ends at the largest content learned from: exp() of a straight line has no bounds."""
    low, high = valid_range
    return low, float(largest) if high is None else min(high, float(largest))
