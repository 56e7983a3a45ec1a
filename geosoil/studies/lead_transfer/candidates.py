"""The models that are compared, and how one is fitted to training rows; what a library teaches is learned before.

direct     PLS (components by cross-validation), SVM (Bayesian search) and the 1D-ResNet, on the samples alone
transfer   the net that learned the source property, its dense head trained on the samples (He et al. 2025, 2.2.2)
controls   ridge regression on PLS scores of the source property, or on PCA scores of the library: is a net needed?
           the same net with frozen layers that were never trained: was it what the library taught?
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from geosoil.estimators.log_target import LogTarget, logarithm
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.resnet import ResNet1D
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.scatter import SNV
from geosoil.training.transfer import fine_tune

if TYPE_CHECKING:
    from geosoil.models.contract import Target
    from geosoil.studies.lead_transfer.recipe import Recipe
    from geosoil.studies.lead_transfer.training_data import TrainingData

DIRECT, TRANSFER, CONTROLS = ("pls", "svm", "resnet"), "transfer", ("source_pls", "pca", "random")
KINDS = (*DIRECT, TRANSFER, *CONTROLS)
RIDGE = np.logspace(-3, 4, 22)


def model_names(recipe: Recipe) -> dict[str, str]:
    """Return kind -> the name of a model, as the paper writes it: ResNet-pH-Pb learned pH, then Pb."""
    source, target = recipe.source.title, recipe.target.name
    return {
        "pls": f"PLS-{target}",
        "svm": f"SVM-{target}",
        "resnet": f"ResNet-{target}",
        "transfer": f"ResNet-{source}-{target}",
        "source_pls": f"PLS scores of {source}",
        "pca": "PCA scores of library",
        "random": "ResNet, random layers",
    }


class Source:
    """What the library teaches, once for all models that build on it.

    rows: of the library that may be learned from. The net learns from all but a share drawn by the seed, on which it
    is tested; the linear controls learn from the same rows.
    """

    def __init__(self, recipe: Recipe, data: TrainingData, rows: np.ndarray) -> None:
        self.recipe = recipe
        order = np.random.default_rng(recipe.seed).permutation(rows)
        n_test = round(recipe.source.test_share * len(rows))
        self.test_rows, self.rows = np.sort(order[:n_test]), np.sort(order[n_test:])
        self._data = data

    @property
    def _known(self) -> tuple[np.ndarray, np.ndarray]:
        return self._data.R_library[self.rows], self._data.y_library[self.rows]

    @cached_property
    def net(self) -> Pipeline:
        """The net that learned the source property."""
        return _with_steps(self.recipe, ("net", _net(self.recipe))).fit(*self._known)

    @cached_property
    def untaught(self) -> Pipeline:
        """The same net with the weights its seed began with; only its batch statistics have seen the library."""
        still = _net(self.recipe).set_params(epochs=1, patience=1, learning_rate=0.0)
        return _with_steps(self.recipe, ("net", still)).fit(*self._known)

    @cached_property
    def pls_scores(self) -> Scores:
        """PLS scores of the source property, as many as cross-validation finds best to predict it."""
        from sklearn.cross_decomposition import PLSRegression

        R, y = self._known
        X = np.asarray(_with_steps(self.recipe).fit_transform(R), np.float64)
        chosen = PartialLeastSquares(max_components=self.recipe.search.max_components, random_state=self.recipe.seed)
        pls = PLSRegression(chosen.fit(X, y).n_components_, scale=False).fit(X, y)
        return Scores(X.mean(axis=0), pls.x_rotations_)

    @cached_property
    def pca_scores(self) -> Scores:
        """As many principal components of the library's spectra."""
        from sklearn.decomposition import PCA

        X = np.asarray(_with_steps(self.recipe).fit_transform(self._known[0]), np.float64)
        pca = PCA(self.pls_scores.rotation.shape[1], random_state=self.recipe.seed).fit(X)
        return Scores(pca.mean_, pca.components_.T)

    def learn(self, kinds: tuple[str, ...]) -> Source:
        """Learn now what models of these kinds build on, so that it is learned once and not in each process."""
        needs = {"transfer": "net", "random": "untaught", "source_pls": "pls_scores", "pca": "pca_scores"}
        for kind in kinds:
            if kind in needs:
                getattr(self, needs[kind])
        return self

    def tested(self) -> tuple[np.ndarray, np.ndarray]:
        """Return observed and predicted source property `(n_test,)` of the library's rows the net has not seen."""
        return self._data.y_library[self.test_rows], self.net.predict(self._data.R_library[self.test_rows])


@dataclass(frozen=True, eq=False)
class Scores:
    """Linear scores of spectra: (X - mean `(band,)`) @ rotation `(band, score)`."""

    mean: np.ndarray
    rotation: np.ndarray

    def transform(self, X: np.ndarray) -> np.ndarray:
        """Return the scores `(sample, score)` of X `(sample, band)`."""
        return (X - self.mean) @ self.rotation


class Trainer:
    """Fits models to some rows of the samples.

    rows: of the samples to learn from. seed: of nets and searches. watched: rows that say when nets stop and take part
    in the search of settings; only the published protocol, whose watched rows are the test rows, gives any.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        source: Source,
        rows: np.ndarray,
        *,
        seed: int,
        watched: np.ndarray | None = None,
    ) -> None:
        self.recipe, self.source, self.seed = recipe, source, seed
        self.R, self.y = data.R[rows], data.y[rows]
        self.stopping: dict[str, np.ndarray] = {}
        self.R_all, self.y_all = self.R, self.y
        if watched is not None:
            self.R_all, self.y_all = (np.concatenate([own, other[watched]]) for own, other in
                                      ((self.R, data.R), (self.y, data.y)))  # fmt: skip
            self.stopping = {"stopping_rows": np.arange(len(self.y_all)) >= len(rows)}

    def fit(self, kind: str) -> Any:
        """Fit one of `KINDS`; it predicts the target in its own unit from reflectance `(sample, band)`."""
        if kind == "pls":
            return self._fit(("model", self._pls()))
        if kind == "svm":
            return self._fit(("scale", StandardScaler()), ("model", self._svm()))
        if kind == "resnet":
            net = _net(self.recipe).set_params(random_state=self.seed)
            given = {f"net__{name}": value for name, value in self.stopping.items()}
            return _in_unit(self.recipe, _with_steps(self.recipe, ("net", net))).fit(self.R_all, self.y_all, **given)
        if kind == "transfer":
            return self.fine_tuned(self.source.net)
        if kind == "random":  # a head that begins at random has further to go
            return self.fine_tuned(self.source.untaught, learning_rate=self.recipe.network.learning_rate)
        scores = self.source.pls_scores if kind == "source_pls" else self.source.pca_scores
        from sklearn.linear_model import RidgeCV

        return self._fit(
            ("scores", FunctionTransformer(scores.transform)), ("scale", StandardScaler()), ("model", RidgeCV(RIDGE))
        )

    def fine_tuned(self, source: Any, target: Target | None = None, *, learning_rate: float | None = None) -> Any:
        """Fine-tune a source (a Pipeline, or the folder of a model, whose result writes `target`)."""
        wanted, log = self.recipe.network, self.recipe.target.log
        return fine_tune(
            source,
            self.R_all,
            self.y_all,
            freeze=wanted.freeze,
            target=target,
            retransform=None if log == "none" else log,
            batch_size=wanted.batch,
            epochs=wanted.epochs,
            patience=wanted.patience,
            learning_rate=learning_rate or wanted.fine_tuning_rate,
            random_state=self.seed,
            **self.stopping,
        )

    def _fit(self, *steps: tuple[str, Any]) -> Any:
        return _in_unit(self.recipe, _with_steps(self.recipe, *steps)).fit(self.R, self.y)

    def _pls(self) -> PartialLeastSquares:
        search = self.recipe.search
        pls = PartialLeastSquares(max_components=search.max_components, n_folds=search.n_folds, random_state=self.seed)
        if self.stopping:
            X, y = self._prepared()
            pls.set_params(n_components=pls.fit(X, y).n_components_)
        return pls

    def _svm(self) -> SupportVectors:
        X, y = self._prepared()
        search = self.recipe.search
        svm = SupportVectors(
            search="bayesian", n_candidates=search.svm_trials, n_folds=search.n_folds, random_state=self.seed
        )
        found = svm.fit(StandardScaler().fit_transform(X), y)
        return svm.set_params(C=found.C_, gamma=found.gamma_, epsilon=found.epsilon_)

    def _prepared(self) -> tuple[np.ndarray, np.ndarray]:
        """Return spectra and target as models see them, of the rows that choose settings."""
        X = np.asarray(_with_steps(self.recipe).fit_transform(self.R_all), np.float64)
        return X, self.y_all if self.recipe.target.log == "none" else logarithm(self.y_all)


def _with_steps(recipe: Recipe, *steps: tuple[str, Any]) -> Pipeline:
    snv = [("snv", SNV())] if recipe.spectra.snv else []
    return Pipeline([("absorbance", Absorbance()), *snv, *steps])


def _in_unit(recipe: Recipe, estimator: Any) -> Any:
    log = recipe.target.log
    return estimator if log == "none" else LogTarget(estimator, retransform=log)


def _net(recipe: Recipe) -> ResNet1D:
    wanted = recipe.network
    return ResNet1D(
        output=wanted.output,
        epochs=wanted.epochs,
        patience=wanted.patience,
        learning_rate=wanted.learning_rate,
        batch_size=wanted.batch,
        device=wanted.device,
        random_state=recipe.seed,
    )
