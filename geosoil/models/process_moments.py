"""The prediction of a Gaussian process and its standard deviation, for the pixels of a block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from geosoil.program.lower import LoweredProgram
    from geosoil.program.ops import Program


def gives_deviation(estimator: Any) -> bool:
    """Return whether an estimator or Pipeline ends in a Gaussian process, and all of it can run as a program.

    >>> from sklearn.linear_model import LinearRegression
    >>> gives_deviation(LinearRegression())
    False
    """
    from geosoil.program.lower import lower_estimator, needed_inputs

    prediction = None if _process_of(estimator) is None else lower_estimator(estimator)
    if prediction is None:
        return False
    n_columns = estimator.n_features_in_  # a map reads the columns of the prediction, so both must need the same
    moments = _moments_of(estimator)
    return np.array_equal(needed_inputs(prediction, n_columns), needed_inputs(moments, n_columns))


def _process_of(estimator: Any) -> Any:
    """Return the process in which an estimator or Pipeline ends, without a wrapper around it, or None."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return last if hasattr(last, "lower_moments") else None


def _moments_of(estimator: Any) -> Program:
    """Return the program of the mean and the variance, behind the steps before the process."""
    from geosoil.program.lower import lower_first_steps

    process = _process_of(estimator)
    steps = () if process is estimator else lower_first_steps(estimator[:-1])
    return (*steps, *process.lower_moments())


@dataclass(frozen=True)
class ProcessMoments:
    """Predict a target and its standard deviation by one program.

    Parameters
    ----------
    estimator : estimator
        A fitted Gaussian process, or a Pipeline that ends in one, for which `gives_deviation` is true.
    n_columns : int
        Number of the training columns.
    resampling : ndarray of shape (n_used, n_features), optional
        The matrix from the bands of another sensor to the columns that are used.
    device : {"cpu", "cuda"}
    """

    estimator: Any
    n_columns: int
    resampling: np.ndarray | None = None
    device: str = "cpu"

    @cached_property
    def program(self) -> LoweredProgram:
        """The program of the mean and the variance of the (transformed) target."""
        from geosoil.program.lower import compile_program

        return compile_program(_moments_of(self.estimator), self.n_columns, before=self.resampling, device=self.device)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return the prediction and the standard deviation of pixels `(feature, pixel)` float32, `(2, pixel)`.

        A pixel with NaN in any feature has NaN.
        """
        mean, variance = self.program(pixels, mask_gaps=True)
        return np.stack(_process_of(self.estimator).to_target(mean, np.maximum(variance, 0))).astype(np.float32)
