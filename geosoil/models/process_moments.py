"""The prediction of a Gaussian process and its standard deviation, for the pixels of a block."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from geosoil.program.lower import LoweredProgram


def gives_deviation(estimator: Any) -> bool:
    """Return whether an estimator or Pipeline ends in a Gaussian process, and all of it can run as a program.

    >>> from sklearn.linear_model import LinearRegression
    >>> gives_deviation(LinearRegression())
    False
    """
    from geosoil.program.lower import lower_estimator

    process = _process_of(estimator)
    return process is not None and lower_estimator(estimator) is not None


def _process_of(estimator: Any) -> Any:
    """Return the process in which an estimator or Pipeline ends, without a wrapper around it, or None."""
    last = estimator.steps[-1][1] if hasattr(estimator, "steps") else estimator
    return last if hasattr(last, "lower_moments") else None


@dataclass(frozen=True)
class ProcessMoments:
    """Predict a target and its standard deviation by one program.

    Parameters
    ----------
    estimator : estimator
        A fitted Gaussian process, or a Pipeline that ends in one.
    used_columns : ndarray of shape (n_used,), int
        Indices of the training columns that are given.
    n_columns : int
        Number of the training columns.
    resampling : ndarray of shape (n_used, n_features), optional
        The matrix from the bands of another sensor.
    device : {"cpu", "cuda"}
    """

    estimator: Any
    used_columns: np.ndarray
    n_columns: int
    resampling: np.ndarray | None = None
    device: str = "cpu"

    @cached_property
    def _program(self) -> LoweredProgram:
        from geosoil.program.lower import compile_program, lower_first_steps, needed_inputs
        from geosoil.program.ops import Affine, Select

        process = _process_of(self.estimator)
        steps = () if process is self.estimator else lower_first_steps(self.estimator[:-1])
        program = (*steps, *process.lower_moments())
        # The bands that are given come first: those that only the prediction depends on are not read.
        position = np.zeros(self.n_columns, int)
        position[self.used_columns] = np.arange(len(self.used_columns))
        needed = needed_inputs(program, self.n_columns)
        assert np.isin(needed, self.used_columns).all()
        given = (Select(position), *program)
        if self.resampling is not None:
            given = (Affine(self.resampling, np.zeros(len(self.resampling))), *given)
        n_inputs = len(self.used_columns) if self.resampling is None else self.resampling.shape[1]
        kept = needed_inputs(given, n_inputs)
        compiled = compile_program(given, n_inputs, device=self.device)
        if len(kept) == n_inputs:
            return compiled
        from geosoil.program.lower import LoweredProgram

        return LoweredProgram((Select(kept), *compiled.program), n_inputs, self.device)

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Return the prediction and the standard deviation of pixels `(feature, pixel)` float32, `(2, pixel)`."""
        mean, variance = self._program(pixels)
        return np.stack(_process_of(self.estimator).to_target(mean, np.maximum(variance, 0))).astype(np.float32)
