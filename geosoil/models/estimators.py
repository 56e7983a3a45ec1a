"""The regressors of the studies: scikit-learn estimators that choose their own settings inside `fit`.

Whatever is chosen (components, features, leaves) is chosen by cross-validation on the rows given to `fit`,
so a validation around them never lets test rows choose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, clone

from geosoil.errors import SamplesError
from geosoil.models.regressor import (
    MORE_SAMPLES_OR_PLS,
    LinearRegressor,
    Regressor,
    mean_and_spread,
    refuse_fewer,
)
from geosoil.numerics.program import Affine, Elementwise, Program
from geosoil.numerics.step import Stateful

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class PartialLeastSquares(LinearRegressor):
    """PLSR with the number of components chosen by cross-validation (the least pooled RMSE).

    X `(sample, feature)`, y `(sample,)`; centred, not scaled (bands share a unit). A number in `n_components`
    takes that many instead. Wold et al. 2001; coefficients as in R `pls`.

    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [2.0, 1.5], [3.0, 1.0], [4.0, 0.5]])
    >>> PartialLeastSquares(n_components=2).fit(X, X @ [1.0, 2.0]).predict(X).round(6).tolist()
    [2.0, 1.0, 5.0, 5.0, 5.0]
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "coef_", "intercept_", "n_components_")

    def __init__(
        self, *, n_components: int | None = None, max_components: int = 15, n_folds: int = 5, random_state: int = 0
    ) -> None:
        self.n_components = n_components
        self.max_components = max_components
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> PartialLeastSquares:
        """Choose the number of components and fit them to all rows."""
        from geosoil.numerics.pls import cross_validated_rmse, fit_pls

        X, y = self._training_rows(X, y, self.n_folds)
        wide = np.asarray(X, np.float64)
        if self.n_components is None:
            folds = np.random.default_rng(self.random_state).permutation(len(y)) % self.n_folds
            smallest = len(y) - int(np.bincount(folds).max())
            most = max(1, min(self.max_components, X.shape[1], smallest - 1))
            chosen = int(np.argmin(cross_validated_rmse(wide, y, folds, most))) + 1
        else:
            chosen = min(self.n_components, X.shape[1], len(y) - 1)
        fits = fit_pls(wide, y, chosen)
        self.n_components_ = chosen
        self.coef_ = fits.coefficients[-1]
        self.intercept_ = float(fits.intercepts[-1])
        return self


class Forest(Regressor):
    """Random forest regression: the FD-RF of the papers where first derivatives come before it (Zhou et al. 2021).

    X `(sample, feature)`, y `(sample,)`; `forest_` is scikit-learn's, and is stored by skops.

    `search=True` chooses `max_features` (a count) and `min_leaf` by cross-validation from the grid of the SOC-by-depth
    paper (2025, 2.4: 5 to 100 features by 5, leaves of 10 to 100 samples by 10). Counts beyond the number of features
    are all the same model, as are leaves that no split of a fold can fill; each is tried once. The search grows
    `search_trees` a candidate: the order of candidates is settled long before the error is.
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "forest_", "max_features_", "min_leaf_")

    def __init__(
        self,
        *,
        n_trees: int = 500,
        max_features: float = 1 / 3,
        min_leaf: int = 2,
        search: bool = False,
        search_trees: int = 50,
        n_folds: int = 5,
        random_state: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.max_features = max_features
        self.min_leaf = min_leaf
        self.search = search
        self.search_trees = search_trees
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> Forest:
        """Grow the trees on all rows; rows of one group `(sample,)` stay together in the folds of the search."""
        from sklearn.ensemble import RandomForestRegressor

        X, y = self._training_rows(X, y, self.n_folds if self.search else 2)
        self.max_features_, self.min_leaf_ = self.max_features, self.min_leaf
        if self.search:
            self.max_features_, self.min_leaf_ = self._best_of_grid(X, y, groups)
        self.forest_ = RandomForestRegressor(
            self.n_trees,
            max_features=self.max_features_,
            min_samples_leaf=self.min_leaf_,
            random_state=self.random_state,
        ).fit(X, y)
        return self

    def _best_of_grid(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> tuple[int, int]:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.model_selection import GridSearchCV, GroupKFold, KFold

        n_units = len(y) if groups is None else len(np.unique(groups))
        way_out = "add sites or ask for fewer folds"
        refuse_fewer("training rows", n_units, self.n_folds, what="groups", way_out=way_out)
        kind = KFold if groups is None else GroupKFold
        folds = list(kind(self.n_folds, shuffle=True, random_state=self.random_state).split(X, y, groups))
        smallest = min(len(training) for training, _ in folds)
        grid = {
            "max_features": sorted({min(count, X.shape[1]) for count in range(5, 101, 5)}),
            "min_samples_leaf": [size for size in range(10, 101, 10) if 2 * size <= smallest] or [10],
        }
        forest = RandomForestRegressor(self.search_trees, random_state=self.random_state)
        search = GridSearchCV(forest, grid, cv=folds, scoring="neg_mean_squared_error", refit=False).fit(X, y)
        return search.best_params_["max_features"], search.best_params_["min_samples_leaf"]

    def _predict(self, X: np.ndarray) -> np.ndarray:
        from geosoil.models._trees import mean_of_trees, pack_trees

        if X.shape[1] != self.forest_.n_features_in_:  # a crafted file: compiled loops check no index
            msg = f"a forest of {self.forest_.n_features_in_} features for rows of {X.shape[1]}"
            raise ValueError(msg)
        packed = getattr(self, "_packed", None)
        if packed is None or packed[0] is not self.forest_:
            packed = self._packed = (self.forest_, pack_trees(self.forest_))
        return mean_of_trees(packed[1], X)


class DenseNet(Regressor):
    """A dense network on chosen bands: the DNN of DNN-CARS (Wei et al. 2021).

    X `(sample, feature)` standardised, y `(sample,)` standardised inside. Stops when a share of the training rows,
    drawn by the seed, has not improved for `patience` epochs.
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "weights_", "target_mean_", "target_spread_")

    def __init__(
        self,
        *,
        hidden: tuple[int, ...] | list[int] = (64, 32),
        dropout: float = 0.2,
        epochs: int = 500,
        patience: int = 50,
        learning_rate: float = 1e-3,
        batch_size: int = 16,
        random_state: int = 0,
    ) -> None:
        self.hidden = hidden
        self.dropout = dropout
        self.epochs = epochs
        self.patience = patience
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> DenseNet:
        """Train on all rows but those that say when to stop."""
        return self._train(X, y)

    def layer_names(self) -> tuple[str, ...]:
        """Return the layers that `fine_tuned` can freeze, from the input to the output."""
        return tuple(f"layers.{i}" for i in range(len(self.hidden) + 1))

    def default_freeze(self) -> tuple[str, ...]:
        """Return all layers but the last two."""
        return self.layer_names()[:-2]

    def fine_tuned(self, X: np.ndarray, y: np.ndarray, *, freeze: Sequence[str], **settings: Any) -> DenseNet:
        """Return a new net that begins with this one's weights and keeps those of the layers in `freeze`."""
        return clone(self).set_params(**settings)._train(X, y, start=self.weights_, frozen=freeze)

    def _train(self, X: np.ndarray, y: np.ndarray, **options: Any) -> DenseNet:
        from geosoil.models.networks.dense import Dense, squared_error
        from geosoil.models.training import train

        X, y = self._training_rows(X, y, 5, MORE_SAMPLES_OR_PLS)
        self.target_mean_, self.target_spread_ = mean_and_spread(y)
        trained = train(
            lambda: Dense(X.shape[1], list(self.hidden), self.dropout),
            (X, (y - self.target_mean_) / self.target_spread_),
            squared_error,
            seed=self.random_state,
            epochs=self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.learning_rate,
            patience=self.patience,
            **options,
        )
        self.weights_ = trained.weights
        return self

    def _layers(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for i in range(len(self.weights_) // 2):
            yield self.weights_[f"layers.{i}.weight"], self.weights_[f"layers.{i}.bias"]

    def _predict(self, X: np.ndarray) -> np.ndarray:
        values = X
        layers = list(self._layers())
        for i, (weight, bias) in enumerate(layers):
            values = values @ weight.T + bias
            values = np.maximum(values, 0) if i < len(layers) - 1 else values
        return values[:, 0] * self.target_spread_ + self.target_mean_

    def lower(self) -> Program:
        """Matrices with ReLU between them."""
        words: list[Any] = []
        for weight, bias in self._layers():
            words += [Affine(weight, bias), Elementwise("relu")]
        return (*words[:-1], Affine(np.array([[self.target_spread_]]), np.array([self.target_mean_])))


class LogTarget(RegressorMixin, Stateful):
    """Fit an estimator to ln(y), for skewed targets such as metals, and give predictions back in y's unit.

    `retransform="naive"` is exp, the median of a log-normal; `"smearing"` multiplies by the mean of the exponential of
    the training residuals (Duan 1983), the mean. Zero and negative values are refused.

    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> LogTarget(LinearRegression()).fit(X, np.exp(X[:, 0])).predict([[3.0]]).round(3).tolist()
    [20.086]
    """

    fitted: ClassVar[tuple[str, ...]] = ("estimator_", "smearing_")

    def __init__(self, estimator: Any, *, retransform: str = "naive") -> None:
        self.estimator = estimator
        self.retransform = retransform

    def fit(self, X: np.ndarray, y: np.ndarray, **fit_parameters: Any) -> LogTarget:
        """Fit the estimator to the natural logarithm of y."""
        return self.keep(clone(self.estimator).fit(X, logarithm(y), **fit_parameters), X, y)

    def keep(self, fitted: Any, X: np.ndarray, y: np.ndarray) -> LogTarget:
        """Take an estimator that was fitted to ln(y) already, and find the smearing factor."""
        if self.retransform not in {"naive", "smearing"}:
            msg = f"retransform is 'naive' or 'smearing', not {self.retransform!r}"
            raise ValueError(msg)
        self.estimator_ = fitted
        self.smearing_ = 1.0
        if self.retransform == "smearing":
            self.smearing_ = float(np.mean(np.exp(logarithm(y) - fitted.predict(X))))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict `(sample,)` in y's own unit."""
        return np.exp(self.estimator_.predict(X)) * self.smearing_

    def lower(self) -> Program | None:
        """The estimator's program, exp, and the smearing factor."""
        from geosoil.models.lowering import lower_estimator

        inner = lower_estimator(self.estimator_)
        if inner is None:
            return None
        return (*inner, Elementwise("exp"), Affine(np.array([[self.smearing_]]), np.zeros(1)))


def logarithm(y: np.ndarray) -> np.ndarray:
    """Return ln(y) of positive values; raises SamplesError where one is zero or less.

    >>> logarithm(np.array([1.0, np.e])).tolist()
    [0.0, 1.0]
    """
    y = np.asarray(y, np.float64)
    if not (y > 0).all():
        raise SamplesError(
            "target",
            found=f"{int((y <= 0).sum())} values of zero or less",
            expected="positive values under a logarithm",
            way_out="mend these values or set log = 'none' in the recipe",
        )
    return np.log(y)
