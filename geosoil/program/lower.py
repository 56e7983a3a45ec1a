"""A fitted Pipeline as one float32 torch program.

    Pipeline --lower_estimator--> ops --simplify--> fewer ops --compile_program--> LoweredProgram

`simplify` multiplies neighbouring linear steps together and drops what nobody reads: unused bands are never read from
the file, and unused outputs of a decoder are never computed. The ops are defined in `program/ops.py`.
"""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.program.device import CPU, BatchSize, acquire_device
from geosoil.program.ops import PIXELS_AT_ONCE, Affine, Op, Program, Select, count_multiply_adds, output_size
from geosoil.program.simplify import needed_inputs, simplify
from geosoil.program.torch_backend import compile_chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch
    from sklearn.pipeline import Pipeline

    from geosoil.program.torch_backend import Run, Scratch

__all__ = ["LoweredProgram", "compile_program", "lower_estimator", "lower_first_steps", "needed_inputs"]

GPU_FACTOR = 32
"""How many times more pixels run together on a GPU, which has more memory and needs more work at once."""
SMALLEST_GPU_BATCH = 256
"""Pixels that must fit into the memory of a GPU."""


def lower_estimator(estimator: Any) -> Program | None:
    """Return what a fitted estimator or Pipeline computes as a program.

    Parameters
    ----------
    estimator : estimator
        A fitted scikit-learn Pipeline, StandardScaler, MinMaxScaler or LinearRegression, or a `Stateful` of geosoil.

    Returns
    -------
    tuple of Op or None
        None if a step has no form as ops.

    Examples
    --------
    >>> from sklearn.preprocessing import StandardScaler
    >>> program = lower_estimator(StandardScaler().fit([[1.0], [3.0]]))
    >>> program[0].weight.tolist(), program[0].bias.tolist()
    ([[1.0]], [-2.0])
    """
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    from geosoil.program.step import Stateful

    if isinstance(estimator, Pipeline):
        ops, complete = _lower_steps(estimator)
        return ops if complete else None
    if isinstance(estimator, Stateful):
        return estimator.lower()
    if isinstance(estimator, StandardScaler):
        n = estimator.n_features_in_
        scale = 1.0 / estimator.scale_ if estimator.scale_ is not None else np.ones(n)
        mean = estimator.mean_ if estimator.with_mean else np.zeros(n)
        return (Affine(np.diag(scale), -mean * scale),)
    if isinstance(estimator, MinMaxScaler) and not estimator.clip:
        return (Affine(np.diag(estimator.scale_), estimator.min_),)
    if isinstance(estimator, LinearRegression):
        coef = np.atleast_2d(estimator.coef_)
        return (Affine(coef, np.broadcast_to(estimator.intercept_, (len(coef),)).astype(float)),)
    return None


def lower_first_steps(estimator: Any) -> Program:
    """Return the program of an estimator, or of the first steps of a Pipeline up to one that has no form as ops.

    This is enough to know which bands the estimator reads: a forest that follows a selection of covariates reads the
    selected ones.

    Parameters
    ----------
    estimator : estimator
        As `lower_estimator` takes it.

    Returns
    -------
    tuple of Op
        Empty if the first step has no form as ops.
    """
    from sklearn.pipeline import Pipeline

    from geosoil.program.step import Stateful

    program = lower_estimator(estimator)
    # A wrapper such as LogTarget reads the same features; `estimator_` of a forest of scikit-learn is not fitted.
    if program is None and isinstance(estimator, Stateful) and hasattr(estimator, "estimator_"):
        return lower_first_steps(estimator.estimator_)
    if program is not None or not isinstance(estimator, Pipeline):
        return program or ()
    return _lower_steps(estimator)[0]


def _lower_steps(pipeline: Pipeline) -> tuple[Program, bool]:
    """Return the ops of the first steps that have this form, and whether these are all steps."""
    ops: list[Op] = []
    for _, step in pipeline.steps:
        lowered = () if step is None or isinstance(step, str) else lower_estimator(step)
        if lowered is None:
            return tuple(ops), False
        ops.extend(lowered)
    return tuple(ops), True


class LoweredProgram:
    """A program that is ready to run.

    Parameters
    ----------
    program : tuple of Op
    n_features : int
        Number of features of its input.
    device : {"cpu", "cuda"}
        "cuda" uses the GPUs of the machine, one call at a time on each, with larger batches. A batch that does not
        fit into the memory is halved, which may change the last digits.
    """

    def __init__(self, program: Program, n_features: int, device: str = CPU) -> None:
        self.program = program
        self.n_features = n_features
        self.n_outputs = output_size(program, n_features)
        self.device = device
        self._runs: dict[str, Run] = {}  # by device; compiled by the first call on it
        if device == CPU:
            self._runs[CPU] = compile_chain(program)
        n_pixels = min((op.pixels_at_once for op in program), default=PIXELS_AT_ONCE)
        self._batch = BatchSize(n_pixels if device == CPU else GPU_FACTOR * n_pixels, SMALLEST_GPU_BATCH, "pixels")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the ops only: the program is compiled again where it is loaded."""
        return LoweredProgram, (self.program, self.n_features, self.device)

    def __call__(
        self, features: np.ndarray, pixels_at_once: int | None = None, *, mask_gaps: bool = False
    ) -> np.ndarray:
        """Run the program.

        The same number of columns always runs together, the last ones filled up: a matrix product rounds depending on
        its shape, and the value of a pixel must not depend, even in its last bit, on how many others are read with it.

        Parameters
        ----------
        features : ndarray of shape (n_features, n_pixels), float32
        pixels_at_once : int, optional
            Number of columns that run together; by default as many as suit the device.
        mask_gaps : bool
            Whether pixels with a feature that is not finite get NaN in every output, whatever the program does.

        Returns
        -------
        ndarray of shape (n_outputs, n_pixels), float32

        Raises
        ------
        DeviceError
            If there is no GPU, or not enough memory on it.
        """
        source = np.asarray(features, np.float32)
        with acquire_device(self.device) as name:
            if pixels_at_once is not None:
                return self._run_on(name, source, pixels_at_once, mask_gaps)
            return self._batch.run_fitting(lambda size: self._run_on(name, source, size, mask_gaps))

    def _run_on(self, device_name: str, features: np.ndarray, pixels_at_once: int, mask_gaps: bool) -> np.ndarray:
        import torch

        with torch.inference_mode(), _without_denormals():
            if device_name not in self._runs:
                with torch.device(device_name):
                    self._runs[device_name] = compile_chain(self.program)
            run = self._runs[device_name]
            source = torch.from_numpy(features)
            n_pixels = source.shape[1]
            batch = torch.zeros((source.shape[0], pixels_at_once), device=device_name)
            result = torch.empty((self.n_outputs, n_pixels))
            ones = torch.ones((1, len(batch)), device=device_name)
            scratch: Scratch = {}
            for start in range(0, n_pixels, pixels_at_once):
                count = min(pixels_at_once, n_pixels - start)
                batch[:, :count] = source[:, start : start + count]
                here = result[:, start : start + count]
                n_valid, valid = _count_valid(ones, batch, count) if mask_gaps else (count, None)
                if n_valid:
                    here[:] = run(batch, scratch)[:, :count]
                if valid is not None:
                    here[:, ~valid] = torch.nan
            return result.numpy()

    @property
    def multiply_adds(self) -> int:
        """Number of multiply-adds for one pixel."""
        return count_multiply_adds(self.program, self.n_features)


def _count_valid(ones: torch.Tensor, batch: torch.Tensor, count: int) -> tuple[int, torch.Tensor | None]:
    """Return how many of the first pixels of a batch have a finite number in every feature, and which if not all."""
    # A sum is finite only where every number is; reflectance cannot overflow it. A matrix product is the fastest way
    # to add up the features, and a sum over all pixels the fastest way to see that none has a gap.
    sums = ones.mm(batch)[0, :count]
    if math.isfinite(sums.sum().item()):
        return count, None
    valid = sums.isfinite().cpu()
    return int(valid.sum()), valid


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Treat denormal numbers as zero in this thread: kernels far from a pixel yield them, at ten times the cost.

    The state of the processor is restored at the end, because other code relies on it.
    """
    import torch

    before = (torch.full((), 1e-40) * 1.0).item() == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def compile_program(
    program: Program, n_features: int, *, before: np.ndarray | None = None, device: str = CPU
) -> LoweredProgram:
    """Simplify a program and make it ready to run on the inputs that it needs.

    Parameters
    ----------
    program : tuple of Op
    n_features : int
        Number of features that the program is given.
    before : ndarray of shape (n_needed, n_new), optional
        A matrix from other features to those that the program needs (resampling between sensors).
    device : {"cpu", "cuda"}

    Returns
    -------
    LoweredProgram
        Its inputs are the needed features in ascending order, or the new features where `before` is given.
    """
    program, used = simplify(program, n_features)
    n_inputs = len(used)
    if before is not None:
        program, kept = simplify((Affine(before, np.zeros(len(before))), *program), before.shape[1])
        n_inputs = before.shape[1]
        if len(kept) != n_inputs:
            program = (Select(kept), *program)
    return LoweredProgram(program, n_inputs, device)
