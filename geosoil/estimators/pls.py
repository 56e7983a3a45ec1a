"""Partial least squares regression with the number of components chosen by cross-validation."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from geosoil.estimators.base import LinearRegressor


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
