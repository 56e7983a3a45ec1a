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

    References
    ----------
    Hoerl and Kennard 1970, Technometrics 12, 55-67.

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
        return self
