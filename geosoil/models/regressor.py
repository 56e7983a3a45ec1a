"""What the regressors of one target share: rows are checked on the way in, and incomplete ones give NaN."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from geosoil.errors import SamplesError
from geosoil.numerics.step import Stateful


class Regressor(RegressorMixin, Stateful, ABC):
    """A regressor of one target, with its rows checked on the way in."""

    def _training_rows(self, X: np.ndarray, y: np.ndarray, n_folds: int) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, dtype=[np.float32, np.float64], y_numeric=True)
        if len(y) < n_folds:
            raise SamplesError(
                "training rows",
                found=f"{len(y)} samples",
                expected=f"at least {n_folds}, one for each fold",
                way_out="add samples or ask for fewer folds",
            )
        return X, np.asarray(y, np.float64)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict `(sample,)` in the target's unit from X `(sample, feature)`; a row with NaN gives NaN."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64], ensure_all_finite=False)
        complete = np.isfinite(X).all(axis=1)
        predicted = np.full(len(X), np.nan)
        if complete.any():
            predicted[complete] = self._predict(X[complete])
        return predicted

    @abstractmethod
    def _predict(self, X: np.ndarray) -> np.ndarray:
        """Predict complete rows."""
