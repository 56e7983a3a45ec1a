"""What the regressors of one target share: rows are checked on the way in, and incomplete ones give NaN."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from geosoil.errors import SamplesError
from geosoil.program.ops import Affine, Program
from geosoil.program.step import Stateful

FEWEST_SAMPLES = 10
"""A network learns nothing from fewer; they are refused."""
FEW_SAMPLES = 20
"""Below, two or three samples decide when a training stops and what a test says; users are told."""
MORE_SAMPLES_OR_FEWER_FOLDS = "add samples or ask for fewer folds"
MORE_SAMPLES_OR_PLS = "add samples, or use PartialLeastSquares"


class Regressor(RegressorMixin, Stateful, ABC):
    """A regressor of one target, with its rows checked on the way in."""

    def _training_rows(
        self, X: np.ndarray, y: np.ndarray, fewest: int, way_out: str = MORE_SAMPLES_OR_FEWER_FOLDS
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return rows that can be learned from, X float32 or float64 and y float64; see `checked_rows`."""
        y = checked_rows("training rows", X, y, fewest, way_out)[1]
        X, y = validate_data(self, X, y, dtype=[np.float32, np.float64], y_numeric=True)
        return X, y

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


class LinearRegressor(Regressor):
    """A regressor that is one row of a matrix once it is fitted: `coef_` `(feature,)` and `intercept_`."""

    coef_: np.ndarray
    intercept_: float

    def _predict(self, X: np.ndarray) -> np.ndarray:
        return X @ self.coef_ + self.intercept_

    def lower(self) -> Program:
        """One row of a matrix."""
        return (Affine(self.coef_[None, :], np.array([self.intercept_])),)


def checked_rows(where: str, X: np.ndarray, y: np.ndarray, fewest: int, way_out: str) -> tuple[np.ndarray, np.ndarray]:
    """Return X `(sample, feature)` as it is and y `(sample,)` as float64; the one refusal of training rows.

    Raises SamplesError for other shapes, fewer rows than `fewest`, NaN or infinity.

    >>> checked_rows("site", np.zeros((2, 3)), np.array([1.0, np.nan]), 2, "add samples")
    Traceback (most recent call last):
    geosoil.errors.SamplesError: site: found NaN in 1 of 2 rows, the first of them 1; expected numbers; drop these ...
    """
    X, y = np.asarray(X), np.asarray(y, np.float64)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise SamplesError(
            where,
            found=f"X of shape {X.shape} and y of shape {y.shape}",
            expected="rows of features with one target value each",
            way_out="give two tables of equal length",
        )
    refuse_fewer(where, len(y), fewest, way_out=way_out)
    empty = ~np.isfinite(X).all(axis=1) | ~np.isfinite(y)
    if empty.any():
        raise SamplesError(
            where,
            found=f"NaN in {int(empty.sum())} of {len(y)} rows, the first of them {int(np.argmax(empty))}",
            expected="numbers",
            way_out="drop these rows or bands",
        )
    return X, y


def refuse_fewer(
    where: str, n: int, fewest: int, *, what: str = "samples", way_out: str = MORE_SAMPLES_OR_FEWER_FOLDS
) -> None:
    """Raise SamplesError for fewer samples, or groups or values of them, than are needed.

    >>> refuse_fewer("site", 4, 5)
    Traceback (most recent call last):
    geosoil.errors.SamplesError: site: found 4 samples; expected at least 5; add samples or ask for fewer folds
    """
    if n < fewest:
        raise SamplesError(where, found=f"{n} {what}", expected=f"at least {fewest}", way_out=way_out)


def mean_and_spread(y: np.ndarray) -> tuple[float, float]:
    """Return the mean and the standard deviation (n) of y `(sample,)` to standardise by, 1 where y is constant.

    >>> mean_and_spread(np.array([1.0, 3.0])), mean_and_spread(np.array([2.0, 2.0]))
    ((2.0, 1.0), (2.0, 1.0))
    """
    return float(y.mean()), float(y.std()) or 1.0
