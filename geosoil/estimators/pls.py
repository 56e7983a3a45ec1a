"""Partial least squares regression with the number of components chosen by cross-validation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from geosoil.estimators.base import LinearRegressor


class PartialLeastSquares(LinearRegressor):
    """PLS regression with the number of components that has the smallest pooled RMSE in cross-validation.

    X is centred but not scaled, because bands share a unit. The coefficients equal those of the R package pls.

    Parameters
    ----------
    n_components : int, optional
        Number of components; by default chosen by cross-validation.
    max_components : int
        Largest number of components tried.
    n_folds : int
        Folds of the cross-validation.
    random_state : int
        Seed of the folds.

    Attributes
    ----------
    coef_, intercept_
        See `LinearRegressor`.
    n_components_ : int
        Number of components used.
    cv_prediction_ : ndarray of shape (sample,)
        Predictions of the training rows in the folds that chose the number of components, in the unit of the target;
        only where it was chosen.

    References
    ----------
    Wold et al. 2001, Chemometrics and Intelligent Laboratory Systems 58, 109-130.

    Examples
    --------
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
        """Choose the number of components and fit to all rows of X `(sample, feature)` and y `(sample,)`."""
        from geosoil.numerics.pls import cross_validated_predictions, fit_pls

        X, y = self._training_rows(X, y, self.n_folds)
        X = np.asarray(X, np.float64)
        if self.n_components is None:
            folds = np.random.default_rng(self.random_state).permutation(len(y)) % self.n_folds
            smallest = len(y) - int(np.bincount(folds).max())
            most = max(1, min(self.max_components, X.shape[1], smallest - 1))
            predicted = cross_validated_predictions(X, y, folds, most)
            chosen = int(np.argmin(np.mean((predicted - y) ** 2, axis=-1))) + 1
            self.cv_prediction_ = predicted[chosen - 1]
        else:
            chosen = min(self.n_components, X.shape[1], len(y) - 1)
        fits = fit_pls(X, y, chosen)
        self.n_components_ = chosen
        self.coef_ = fits.coefficients[-1]
        self.intercept_ = float(fits.intercepts[-1])
        return self
