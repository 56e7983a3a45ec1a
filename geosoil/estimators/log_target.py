"""Regression of the logarithm of a target, with predictions in the unit of the target."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, clone

from geosoil.errors import SamplesError
from geosoil.program.ops import Affine, Clip, Elementwise, Program
from geosoil.program.parallel import Parallel
from geosoil.program.step import Stateful


class LogTarget(RegressorMixin, Stateful):
    """Fit an estimator to ln(y), for skewed targets such as metals, and transform its predictions back.

    Parameters
    ----------
    estimator : estimator
        Regressor of one target; it is cloned.
    retransform : {"naive", "smearing"}
        "naive" is exp, the median of a log-normal distribution. "smearing" multiplies it by the mean of exp of the
        training residuals, which estimates the mean.

    Attributes
    ----------
    estimator_ : estimator
        The fitted clone.
    smearing_ : float
        The factor of the predictions.

    References
    ----------
    Duan 1983, Journal of the American Statistical Association 78, 605-610.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.array([[0.0], [1.0], [2.0]])
    >>> LogTarget(LinearRegression()).fit(X, np.exp(X[:, 0])).predict([[3.0]]).round(3).tolist()
    [20.086]
    """

    fitted: ClassVar[tuple[str, ...]] = ("estimator_", "smearing_")

    def __init__(self, estimator: Any, *, retransform: str = "naive") -> None:
        self.estimator = estimator
        self.retransform = retransform

    def fit(self, X: np.ndarray, y: np.ndarray, **fit_parameters: Any) -> LogTarget:
        """Fit the estimator to ln(y); X `(sample, feature)`, y `(sample,)` positive."""
        return self.use_fitted(clone(self.estimator).fit(X, logarithm(y), **fit_parameters), X, y)

    def use_fitted(self, fitted: Any, X: np.ndarray, y: np.ndarray) -> LogTarget:
        """Use an estimator that is already fitted to ln(y), and compute the smearing factor from X and y."""
        if self.retransform not in {"naive", "smearing"}:
            msg = f"retransform must be 'naive' or 'smearing', not {self.retransform!r}"
            raise ValueError(msg)
        self.estimator_ = fitted
        self.smearing_ = 1.0
        if self.retransform == "smearing":
            self.smearing_ = float(np.mean(np.exp(logarithm(y) - fitted.predict(X))))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict `(sample,)` in the unit of y."""
        return np.exp(self.estimator_.predict(X)) * self.smearing_

    def lower(self) -> Program | None:
        """Return the program of the estimator, followed by exp and the smearing factor; None if it has no program."""
        from geosoil.program.lower import lower_estimator

        inner = lower_estimator(self.estimator_)
        if inner is None:
            return None
        return (*inner, Elementwise("exp"), Affine(np.array([[self.smearing_]]), np.zeros(1)))


def exponential(values: np.ndarray, largest: float | None) -> np.ndarray:
    """Return exp of values up to the largest training value, and its tangent beyond.

    A model of a logarithm extrapolates exponentially, so that a prediction slightly beyond the training values can be
    several times as large as they are. The tangent extrapolates linearly.

    Parameters
    ----------
    values : ndarray
        Logarithms.
    largest : float, optional
        The largest logarithm of the training values; None for exp everywhere.

    Examples
    --------
    >>> exponential(np.array([-1.0, 0.0, 2.0]), 0.0).round(3).tolist()
    [0.368, 1.0, 3.0]
    """
    if largest is None:
        return np.asarray(np.exp(values))
    return np.asarray(np.exp(np.minimum(values, largest)) + math.exp(largest) * np.maximum(values - largest, 0))


def exponential_program(largest: float | None) -> Program:
    """Return `exponential` of one feature as a program."""
    if largest is None:
        return (Elementwise("exp"),)
    slope = np.full((1, 1), math.exp(largest))
    below: Program = (Clip(None, largest), Elementwise("exp"))
    beyond: Program = (Affine(np.ones((1, 1)), np.array([-largest])), Elementwise("relu"), Affine(slope, np.zeros(1)))
    return (Parallel((below, beyond), "sum"),)


def logarithm(y: np.ndarray) -> np.ndarray:
    """Return ln(y) of positive values; raises SamplesError if a value is zero or negative.

    >>> logarithm(np.array([1.0, np.e])).tolist()
    [0.0, 1.0]
    """
    y = np.asarray(y, np.float64)
    if not (y > 0).all():
        raise SamplesError(
            "target",
            found=f"{int((y <= 0).sum())} values of zero or less",
            expected="positive values, because their logarithm is modelled",
            way_out="correct these values or set log = 'none' in the recipe",
        )
    return np.log(y)
