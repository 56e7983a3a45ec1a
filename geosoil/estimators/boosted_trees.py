"""Gradient boosting of regression trees."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from geosoil.estimators.base import Regressor


class BoostedTrees(Regressor):
    """Gradient boosting of regression trees on binned features, the `HistGradientBoostingRegressor` of scikit-learn.

    All trees are used: the number of trees is not chosen by early stopping, which needs more rows than most sites have.

    Parameters
    ----------
    n_trees : int
        Number of trees.
    learning_rate : float
        Weight of each tree.
    min_leaf : int
        Smallest number of samples in a leaf.
    max_features : float
        Share of the features that is considered at each split.
    random_state : int
        Seed.

    Attributes
    ----------
    trees_ : sklearn.ensemble.HistGradientBoostingRegressor
        The fitted trees.

    References
    ----------
    Friedman 2001, The Annals of Statistics 29, 1189-1232. Ke et al. 2017.

    Examples
    --------
    >>> X = np.linspace(0, 1, 40)[:, None]
    >>> BoostedTrees().fit(X, np.where(X[:, 0] > 0.5, 3.0, 1.0)).predict([[0.1], [0.9]]).round(2).tolist()
    [1.0, 3.0]
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "trees_")

    def __init__(
        self,
        *,
        n_trees: int = 200,
        learning_rate: float = 0.05,
        min_leaf: int = 5,
        max_features: float = 1 / 3,
        random_state: int = 0,
    ) -> None:
        self.n_trees = n_trees
        self.learning_rate = learning_rate
        self.min_leaf = min_leaf
        self.max_features = max_features
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> BoostedTrees:
        """Fit to X `(sample, feature)` and y `(sample,)`."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        X, y = self._training_rows(X, y, 2)
        self.trees_ = HistGradientBoostingRegressor(
            learning_rate=self.learning_rate,
            max_iter=self.n_trees,
            min_samples_leaf=self.min_leaf,
            max_features=self.max_features,
            early_stopping=False,
            random_state=self.random_state,
        ).fit(X, y)
        return self

    def _predict(self, X: np.ndarray) -> np.ndarray:
        if X.shape[1] != self.trees_.n_features_in_:  # a manipulated file: compiled loops do not check indices
            msg = f"the trees have {self.trees_.n_features_in_} features, but the rows have {X.shape[1]}"
            raise ValueError(msg)
        return np.asarray(self.trees_.predict(X))
