"""A fitted Pipeline as one float32 torch program.

    Pipeline --lower_estimator--> words --simplify--> fewer words --compile_program--> LoweredProgram

`simplify` multiplies neighbouring linear steps together and drops what nobody reads: unused bands are never
asked of the file, unused outputs of a decoder never computed. The words stand in `program/ops.py`.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.program.device import CPU, BatchSize, a_turn
from geosoil.program.ops import Affine, Convolve, Parallel, Program, RadialBasis, Select, Word
from geosoil.program.simplify import needed_inputs, output_size, simplify, word_size
from geosoil.program.torch_backend import compile_chain

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sklearn.pipeline import Pipeline

    from geosoil.program.torch_backend import Run, Scratch

__all__ = ["LoweredProgram", "compile_program", "lower_estimator", "lower_first_steps", "needed_inputs"]

# Pixels that run together: the widest layer of a net (256 x 2048 float32 = 2 MB) stays near a core's cache.
PIXELS_AT_ONCE = 2048
# A convolution keeps every position of every channel: fewer pixels for the same reason.
PIXELS_CONVOLVED_AT_ONCE = 256
TIMES_ON_GPU = 32  # as many more on a GPU, which has room for them and wants work
LEAST_ON_GPU = 256


def lower_estimator(estimator: Any) -> Program | None:
    """Say what a fitted estimator or Pipeline computes in words; None where one of its steps cannot be said.

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
        words, whole = _lower_steps(estimator)
        return words if whole else None
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
    """Say what an estimator computes, or as many of the first steps of a Pipeline as can be said; () for none.

    Enough to know which bands it reads: a forest behind a choice of covariates reads those that are chosen.
    """
    from sklearn.pipeline import Pipeline

    whole = lower_estimator(estimator)
    if whole is None and hasattr(estimator, "estimator_"):  # LogTarget reads what it wraps
        return lower_first_steps(estimator.estimator_)
    if whole is not None or not isinstance(estimator, Pipeline):
        return whole or ()
    return _lower_steps(estimator)[0]


def _lower_steps(pipeline: Pipeline) -> tuple[Program, bool]:
    """Return the words of the first steps that can be said, and whether these are all."""
    words: list[Word] = []
    for _, step in pipeline.steps:
        lowered = () if step is None or isinstance(step, str) else lower_estimator(step)
        if lowered is None:
            return tuple(words), False
        words.extend(lowered)
    return tuple(words), True


class LoweredProgram:
    """A program ready to run: `(feature, pixel)` float32 in, `(output, pixel)` float32 out.

    device: "cpu", or "cuda" for the GPUs of the machine: one call at a time on each, with larger batches, which are
    halved where a GPU has no room for them (the last digits may change with that).
    """

    def __init__(self, program: Program, n_features: int, device: str = CPU) -> None:
        self.program = program
        self.n_features = n_features
        self.n_outputs = output_size(program, n_features)
        self.device = device
        self._runs: dict[str, Run] = {}  # by GPU, made by whoever has the first turn on it
        if device == CPU:
            self._runs[CPU] = compile_chain(program)
        convolves = any(isinstance(word, Convolve) for word in program)
        at_once = PIXELS_CONVOLVED_AT_ONCE if convolves else PIXELS_AT_ONCE
        self._batch = BatchSize(at_once if device == CPU else TIMES_ON_GPU * at_once, LEAST_ON_GPU, "pixels")

    def __reduce__(self) -> tuple[Any, ...]:
        """Travel as words: where it arrives it is compiled again."""
        return LoweredProgram, (self.program, self.n_features, self.device)

    def __call__(self, features: np.ndarray, pixels_at_once: int | None = None) -> np.ndarray:
        """Run over columns: features `(n_features, n_pixels)` float32 -> `(n_outputs, n_pixels)` float32.

        Always the same number of columns runs together, the last ones filled up: a matrix product rounds by its shape,
        and a pixel's value must not depend, even in its last bit, on how many others were read with it.
        """
        source = np.asarray(features, np.float32)
        with a_turn(self.device) as place:
            if pixels_at_once is not None:
                return self._run_on(place, source, pixels_at_once)
            return self._batch.fit(lambda size: self._run_on(place, source, size))

    def _run_on(self, place: str, features: np.ndarray, pixels_at_once: int) -> np.ndarray:
        import torch

        with torch.inference_mode(), _without_denormals():
            if place not in self._runs:
                with torch.device(place):
                    self._runs[place] = compile_chain(self.program)
            run = self._runs[place]
            source = torch.from_numpy(features)
            n_pixels = source.shape[1]
            batch = torch.zeros((source.shape[0], pixels_at_once), device=place)
            result = torch.empty((self.n_outputs, n_pixels))
            scratch: Scratch = {}
            for start in range(0, n_pixels, pixels_at_once):
                count = min(pixels_at_once, n_pixels - start)
                batch[:, :count] = source[:, start : start + count]
                result[:, start : start + count] = run(batch, scratch)[:, :count]
            return result.numpy()

    @property
    def multiply_adds(self) -> int:
        """Multiply-adds that the program needs for one pixel."""
        return _multiply_adds(self.program, self.n_features)


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Take denormal numbers for zero in this thread: kernels far from a pixel are, and cost ten times as much.

    The processor's state is given back as it was: others rely on it.
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
    """Make a program ready to run on the inputs it needs (in their order); device: as `LoweredProgram` takes it.

    `before` `(n_needed, n_new)` leads from other features to those the program needs (resampling between sensors).
    """
    program, used = simplify(program, n_features)
    n_inputs = len(used)
    if before is not None:
        program, kept = simplify((Affine(before, np.zeros(len(before))), *program), before.shape[1])
        n_inputs = before.shape[1]
        if len(kept) != n_inputs:
            program = (Select(kept), *program)
    return LoweredProgram(program, n_inputs, device)


def _multiply_adds(program: Program, n_features: int) -> int:
    total, n = 0, n_features
    for word in program:
        if isinstance(word, Affine):
            total += word.weight.size
        elif isinstance(word, RadialBasis):
            total += word.support.size
        elif isinstance(word, Convolve):
            total += n // word.weight.shape[1] * word.weight.size
        elif isinstance(word, Parallel):
            total += sum(_multiply_adds(branch, n) for branch in word.branches)
        n = word_size(word, n)
    return total
