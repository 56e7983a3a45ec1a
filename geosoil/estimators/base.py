"""Base classes of regressors with one target, and the checks of training rows."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from geosoil.errors import SamplesError
from geosoil.program.ops import Affine, Program
from geosoil.program.step import Stateful

FEWEST_SAMPLES = 10
"""Smallest number of samples that a network is trained on."""
FEW_SAMPLES = 20
"""Below this number two or three samples decide when training stops and what a test shows; users are warned."""
MORE_SAMPLES_OR_FEWER_FOLDS = "add samples or use fewer folds"
MORE_SAMPLES_OR_PLS = "add samples, or use PartialLeastSquares"


class Regressor(RegressorMixin, Stateful, ABC):
    """Base class of regressors with one target: it checks the rows, and predicts NaN for rows with gaps."""

    def _training_rows(
        self, X: np.ndarray, y: np.ndarray, fewest: int, way_out: str = MORE_SAMPLES_OR_FEWER_FOLDS
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return checked X (float32 or float64) and y (float64); see `checked_rows`."""
        y = checked_rows("training rows", X, y, fewest, way_out)[1]
        X, y = validate_data(self, X, y, dtype=[np.float32, np.float64], y_numeric=True)
        return X, y

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict the target.

        Parameters
        ----------
        X : ndarray of shape (sample, feature)
            Rows in the features' units.

        Returns
        -------
        ndarray of shape (sample,)
            Predictions in the unit of the target; NaN for rows with NaN or infinity.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=[np.float32, np.float64], ensure_all_finite=False)
        complete = np.isfinite(X).all(axis=1)
        predicted = np.full(len(X), np.nan)
        if complete.any():
            predicted[complete] = self._predict(X[complete])
        return predicted

    @abstractmethod
    def _predict(self, X: np.ndarray) -> np.ndarray:
        """Predict rows without NaN."""


class LinearRegressor(Regressor):
    """Base class of linear regressors.

    Attributes
    ----------
    coef_ : ndarray of shape (feature,)
        Coefficients, in units of the target per unit of the feature.
    intercept_ : float
        Intercept in the unit of the target.
    """

    coef_: np.ndarray
    intercept_: float

    def _predict(self, X: np.ndarray) -> np.ndarray:
        return X @ self.coef_ + self.intercept_

    def lower(self) -> Program:
        """Return the program of one matrix product."""
        return (Affine(self.coef_[None, :], np.array([self.intercept_])),)


def checked_rows(where: str, X: np.ndarray, y: np.ndarray, fewest: int, way_out: str) -> tuple[np.ndarray, np.ndarray]:
    """Check training rows.

    Parameters
    ----------
    where : str
        Name of the rows in an error message.
    X : ndarray of shape (sample, feature)
        Features.
    y : ndarray of shape (sample,)
        Target.
    fewest : int
        Smallest number of samples that is accepted.
    way_out : str
        What the user can do about too few samples.

    Returns
    -------
    X : ndarray of shape (sample, feature)
        Unchanged.
    y : ndarray of shape (sample,)
        As float64.

    Raises
    ------
    SamplesError
        For other shapes, too few samples, NaN or infinity.

    Examples
    --------
    >>> checked_rows("site", np.zeros((2, 3)), np.array([1.0, np.nan]), 2, "add samples")
    Traceback (most recent call last):
    geosoil.errors.SamplesError: site: found NaN in 1 of 2 rows, first at index 1; expected finite numbers; remove ...
    """
    X, y = np.asarray(X), np.asarray(y, np.float64)
    if X.ndim != 2 or y.shape != X.shape[:1]:
        raise SamplesError(
            where,
            found=f"X of shape {X.shape} and y of shape {y.shape}",
            expected="rows of features with one target value each",
            way_out="pass X and y of equal length",
        )
    require_samples(where, len(y), fewest, way_out=way_out)
    incomplete = ~np.isfinite(X).all(axis=1) | ~np.isfinite(y)
    if incomplete.any():
        raise SamplesError(
            where,
            found=f"NaN in {int(incomplete.sum())} of {len(y)} rows, first at index {int(np.argmax(incomplete))}",
            expected="finite numbers",
            way_out="remove these rows or bands",
        )
    return X, y


def require_samples(
    where: str, n: int, fewest: int, *, what: str = "samples", way_out: str = MORE_SAMPLES_OR_FEWER_FOLDS
) -> None:
    """Raise SamplesError if there are fewer samples (or groups, or values: `what`) than needed.

    >>> require_samples("site", 4, 5)
    Traceback (most recent call last):
    geosoil.errors.SamplesError: site: found 4 samples; expected at least 5; add samples or use fewer folds
    """
    if n < fewest:
        raise SamplesError(where, found=f"{n} {what}", expected=f"at least {fewest}", way_out=way_out)


def mean_and_spread(y: np.ndarray) -> tuple[float, float]:
    """Return the mean and the standard deviation (divisor n) of y `(sample,)`; the latter is 1 if y is constant.

    >>> mean_and_spread(np.array([1.0, 3.0])), mean_and_spread(np.array([2.0, 2.0]))
    ((2.0, 1.0), (2.0, 1.0))
    """
    return float(y.mean()), float(y.std()) or 1.0
