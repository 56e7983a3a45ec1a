"""Ridge regression with the penalty chosen by leave-one-out cross-validation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from geosoil.estimators.base import LinearRegressor


class Ridge(LinearRegressor):
    """Ridge regression, the `RidgeCV` of scikit-learn as one row of a matrix.

    Parameters
    ----------
    lowest_penalty, highest_penalty : float
        Ends of the penalties that are tried, evenly spaced on a logarithmic scale.
    n_penalties : int
    random_state : int
        Not used; every regressor has it.

    Attributes
    ----------
    coef_ : ndarray of shape (feature,)
        Coefficients, in units of the target per unit of the feature.
    intercept_ : float
        Intercept in the unit of the target.
    penalty_ : float
        The penalty with the smallest error of the leave-one-out predictions.
    loo_prediction_ : ndarray of shape (sample,)
        Prediction of each training row by the regression of all other rows with the same penalty, in closed form. It is
        not stored with a model.

    References
    ----------
    Hoerl and Kennard 1970, Technometrics 12, 55-67. Golub, Heath and Wahba 1979, Technometrics 21, 215-223.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(30, 2))
    >>> Ridge().fit(X, 2 * X[:, 0]).predict([[1.5, 4.0]]).round(2).tolist()
    [3.0]
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "coef_", "intercept_", "penalty_")

    def __init__(
        self,
        *,
        lowest_penalty: float = 1e-3,
        highest_penalty: float = 1e4,
        n_penalties: int = 22,
        random_state: int = 0,
    ) -> None:
        self.lowest_penalty = lowest_penalty
        self.highest_penalty = highest_penalty
        self.n_penalties = n_penalties
        self.random_state = random_state

    def fit(self, X: np.ndarray, y: np.ndarray) -> Ridge:
        """Choose the penalty and fit X (n, n_features), standardised by the step before it, and y (n,)."""
        from sklearn.linear_model import RidgeCV

        X, y = self._training_rows(X, y, 3)
        ridge = RidgeCV(np.geomspace(self.lowest_penalty, self.highest_penalty, self.n_penalties)).fit(X, y)
        self.coef_ = np.asarray(ridge.coef_, np.float64)
        self.intercept_ = float(ridge.intercept_)
        self.penalty_ = float(ridge.alpha_)
        self.loo_prediction_ = y - (y - self._predict(X)) / (1 - _leverages(X, self.penalty_))
        return self


def _leverages(X: np.ndarray, penalty: float) -> np.ndarray:
    """Return how much each row `(sample,)` of X `(sample, feature)` decides its prediction; the intercept is free."""
    X = np.asarray(X, np.float64)
    left, singular, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    shares: np.ndarray = left**2 @ (singular**2 / (singular**2 + penalty))
    return shares + 1 / len(X)
