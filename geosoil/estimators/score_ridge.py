"""Ridge regression on linear scores of the features, which somebody else has defined."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from geosoil.estimators.base import LinearRegressor

PENALTIES = np.logspace(-3, 4, 22)


class ScoreRidge(LinearRegressor):
    """Ridge regression on standardised scores; scores and regression together are one linear model.

    The penalty is chosen by leave-one-out cross-validation among `PENALTIES`.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(30, 4))
    >>> model = ScoreRidge().fit(X, X[:, 0], mean=np.zeros(4), rotation=np.eye(4)[:, :2])
    >>> model.predict([[2.0, 5.0, 7.0, 7.0]]).round(2).tolist()
    [2.0]
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "coef_", "intercept_", "penalty_")

    def fit(self, X: np.ndarray, y: np.ndarray, *, mean: np.ndarray, rotation: np.ndarray) -> ScoreRidge:
        """Fit to X `(sample, feature)`, whose scores are `(X - mean) @ rotation`, and y `(sample,)`."""
        from sklearn.linear_model import RidgeCV
        from sklearn.preprocessing import StandardScaler

        X, y = self._training_rows(X, y, 2)
        scaler = StandardScaler()
        ridge = RidgeCV(PENALTIES).fit(scaler.fit_transform((X - mean) @ rotation), y)
        coefficients = ridge.coef_ / scaler.scale_
        self.coef_ = rotation @ coefficients
        self.intercept_ = float(ridge.intercept_ - scaler.mean_ @ coefficients - mean @ self.coef_)
        self.penalty_ = float(ridge.alpha_)
        return self
