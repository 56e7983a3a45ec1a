"""Random forests."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geosoil.estimators.base import Regressor, require_samples

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestRegressor


class Forest(Regressor):
    """Random forest regression; behind first derivatives of spectra it is the FD-RF of Zhou et al. 2021.

    Parameters
    ----------
    n_trees : int
        Number of trees.
    max_features : float or int
        Features considered at each split: a share (float) or a count (int).
    min_leaf : int
        Smallest number of samples in a leaf.
    search : bool
        Choose `max_features` (a count) and `min_leaf` by cross-validation from the grid of the SOC-by-depth paper
        (2025, section 2.4): 5 to 100 features by 5, leaves of 10 to 100 samples by 10. Counts above the number of
        features give the same model, as do leaves too large for a split in a fold; each of these is tried once.
    search_trees : int
        Trees per candidate of the search; the ranking of candidates needs fewer trees than the prediction.
    n_folds : int
        Folds of the search.
    random_state : int
        Seed.

    Attributes
    ----------
    forest_ : sklearn.ensemble.RandomForestRegressor
        The fitted forest.
    oob_prediction_ : ndarray of shape (sample,)
        Mean prediction of each training row by the trees that did not learn from it; NaN if there is none. It is not
        stored with a model.

    References
    ----------
    Breiman 2001, Machine Learning 45, 5-32. Zhou et al. 2021.
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
        """Fit to X `(sample, feature)` and y `(sample,)`; rows of one group `(sample,)` share a fold of the search."""
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
        self.oob_prediction_ = _out_of_bag(self.forest_, X)
        return self

    def _best_of_grid(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None) -> tuple[int, int]:
        from sklearn.ensemble import RandomForestRegressor
        from sklearn.model_selection import GridSearchCV, GroupKFold, KFold

        n_units = len(y) if groups is None else len(np.unique(groups))
        way_out = "add sites or use fewer folds"
        require_samples("training rows", n_units, self.n_folds, what="groups", way_out=way_out)
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
        from geosoil.estimators._trees import mean_of_trees, pack_trees

        if X.shape[1] != self.forest_.n_features_in_:  # a manipulated file: compiled loops do not check indices
            msg = f"the forest has {self.forest_.n_features_in_} features, but the rows have {X.shape[1]}"
            raise ValueError(msg)
        packed = getattr(self, "_packed", None)
        if packed is None or packed[0] is not self.forest_:
            packed = self._packed = (self.forest_, pack_trees(self.forest_))
        return mean_of_trees(packed[1], X)


def _out_of_bag(forest: RandomForestRegressor, X: np.ndarray) -> np.ndarray:
    """Return the mean prediction `(sample,)` of the trees that did not learn from a row; NaN if all did."""
    total, count = np.zeros(len(X)), np.zeros(len(X))
    X = np.asarray(X, np.float32)
    part = copy(forest)
    for start in range(0, len(forest.estimators_), 50):  # `estimators_samples_` lists the rows of all trees at once
        part.estimators_ = forest.estimators_[start : start + 50]
        for tree, drawn in zip(part.estimators_, part.estimators_samples_, strict=True):
            unseen = np.ones(len(X), bool)
            unseen[drawn] = False
            if unseen.any():
                total[unseen] += tree.predict(X[unseen], check_input=False)
                count += unseen
    return np.divide(total, count, out=np.full(len(X), np.nan), where=count > 0)
