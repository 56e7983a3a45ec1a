"""Regress the logarithm of a target and transform the predictions back."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin, clone

from geosoil.errors import SamplesError
from geosoil.program.ops import Affine, Elementwise, Program
from geosoil.program.step import Stateful


class LogTarget(RegressorMixin, Stateful):
    """Fit an estimator to ln(y), for skewed targets such as metals, and give predictions back in y's unit.

    `retransform="naive"` is exp, the median of a log-normal; `"smearing"` multiplies by the mean of the exponential of
    the training residuals (Duan 1983), the mean. Zero and negative values are refused.

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
        """Fit the estimator to the natural logarithm of y."""
        return self.keep(clone(self.estimator).fit(X, logarithm(y), **fit_parameters), X, y)

    def keep(self, fitted: Any, X: np.ndarray, y: np.ndarray) -> LogTarget:
        """Take an estimator that was fitted to ln(y) already, and find the smearing factor."""
        if self.retransform not in {"naive", "smearing"}:
            msg = f"retransform is 'naive' or 'smearing', not {self.retransform!r}"
            raise ValueError(msg)
        self.estimator_ = fitted
        self.smearing_ = 1.0
        if self.retransform == "smearing":
            self.smearing_ = float(np.mean(np.exp(logarithm(y) - fitted.predict(X))))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Predict `(sample,)` in y's own unit."""
        return np.exp(self.estimator_.predict(X)) * self.smearing_

    def lower(self) -> Program | None:
        """The estimator's program, exp, and the smearing factor."""
        from geosoil.program.lower import lower_estimator

        inner = lower_estimator(self.estimator_)
        if inner is None:
            return None
        return (*inner, Elementwise("exp"), Affine(np.array([[self.smearing_]]), np.zeros(1)))


def logarithm(y: np.ndarray) -> np.ndarray:
    """Return ln(y) of positive values; raises SamplesError where one is zero or less.

    >>> logarithm(np.array([1.0, np.e])).tolist()
    [0.0, 1.0]
    """
    y = np.asarray(y, np.float64)
    if not (y > 0).all():
        raise SamplesError(
            "target",
            found=f"{int((y <= 0).sum())} values of zero or less",
            expected="positive values under a logarithm",
            way_out="mend these values or set log = 'none' in the recipe",
        )
    return np.log(y)
