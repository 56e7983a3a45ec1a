"""The operations of which a lowered program consists.

A fitted step describes with `lower()` what it does to a column of features, as a tuple of ops that hold plain arrays.
`program/lower.py` joins the ops of a whole Pipeline, `program/simplify.py` merges and prunes them, and
`program/torch_backend.py` runs the rest in torch. Everything that these need to know about an op is a method of its
class, so a new op is added in one place. `program/kernels.py`, `kernel_sum.py`, `parallel.py` and `convolution.py` hold
further ops.

Features are rows and pixels are columns, `(feature, pixel)`, which is the layout of a raster block: a block needs no
transposition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from geosoil.program.torch_backend import cpu_tensor, float32_tensor, kept_tensor

if TYPE_CHECKING:
    import torch

    from geosoil.program.torch_backend import Function, Run, Scratch

LEAKY_SLOPE = 0.01
"""Slope of leaky_relu below zero."""

PIXELS_AT_ONCE = 2048
"""Pixels that run together: the widest layer of a net (256 x 2048 float32 = 2 MB) fits into the cache of a core."""

MOST_TAPS = 16
"""Neighbouring columns of each row of a matrix up to which it is multiplied by a loop."""

TAPS_AT_ONCE = 4
"""Columns that the loop multiplies in one pass."""

FEWEST_ROWS_OF_LOOPS = 64
"""Rows below which the time to load compiled loops is not worth it."""

ROWS_OF_SUM = 64
"""Features whose squares are in memory at once."""

ElementwiseName = Literal["relu", "leaky_relu", "exp", "absorbance", "square"]


class Op(ABC):
    """One operation of a program, on the features of every pixel.

    A subclass is a frozen dataclass of numbers and arrays. It must implement `n_outputs`, `compile` and
    `differentiable`; the other methods have defaults that are correct for every op, and are overridden where an op
    can be pruned, merged or counted better.
    """

    fixed_size: ClassVar[bool] = False
    """Whether the number of outputs does not depend on the number of inputs."""

    keeps_output: ClassVar[bool] = False
    """Whether other ops read its output, too, so that the op behind it must not overwrite it."""

    @property
    def pixels_at_once(self) -> int:
        """The number of pixels that should run together, so that the output stays in the cache."""
        return PIXELS_AT_ONCE

    @property
    def has_kernel(self) -> bool:
        """Whether the op compares its input with samples, so that its gradient vanishes far from them."""
        return False

    @abstractmethod
    def n_outputs(self, n_inputs: int) -> int:
        """Return the number of outputs on `n_inputs` inputs."""

    @abstractmethod
    def compile(self, *, owns_input: bool) -> Run:
        """Return the op as `run(x, scratch) -> y` on float32 tensors `(feature, pixel)`.

        `owns_input`: the input is the output of another op and may be overwritten.
        """

    @abstractmethod
    def differentiable(self, dtype: torch.dtype) -> Function:
        """Return the op as a function from `(sample, feature)` to `(sample, output)` without in-place work."""

    def multiply_adds(self, n_inputs: int) -> int:
        """Return the number of multiply-adds for one pixel."""
        return 0

    def prune(self, outputs: np.ndarray, n_inputs: int) -> tuple[list[Op], np.ndarray]:
        """Return ops that compute only the outputs of these indices, and the indices of the inputs they need.

        The returned ops expect those inputs in the order of the returned indices.
        """
        inputs = np.arange(n_inputs)
        if np.array_equal(outputs, np.arange(self.n_outputs(n_inputs))):
            return [self], inputs
        return [self, Select(outputs)], inputs

    def reading(self, index: np.ndarray, n_inputs: int) -> list[Op]:
        """Return ops that compute the same from `n_inputs` inputs, of which the op reads those of `index` in turn."""
        return [Select(index), self]

    def merge(self, following: Op) -> Op | None:
        """Return one op that does the work of this op and the following one; None if that is not less work."""
        return None

    def simplified(self, n_inputs: int) -> Op:
        """Return an op that computes the same with less work."""
        return self


Program = tuple[Op, ...]


def output_size(program: Program, n_features: int) -> int:
    """Return the number of outputs of a program on `n_features` features."""
    size = n_features
    for op in program:
        size = op.n_outputs(size)
    return size


def count_multiply_adds(program: Program, n_features: int) -> int:
    """Return the number of multiply-adds that a program needs for one pixel of `n_features` features."""
    total, size = 0, n_features
    for op in program:
        total += op.multiply_adds(size)
        size = op.n_outputs(size)
    return total


@dataclass(frozen=True)
class Affine(Op):
    """`weight @ x + bias`.

    Parameters
    ----------
    weight : ndarray of shape (out, in), float64
    bias : ndarray of shape (out,), float64
    """

    weight: np.ndarray
    bias: np.ndarray

    fixed_size: ClassVar[bool] = True

    def n_outputs(self, n_inputs: int) -> int:
        return len(self.weight)

    def multiply_adds(self, n_inputs: int) -> int:
        return int(np.count_nonzero(self.weight))

    def prune(self, outputs: np.ndarray, n_inputs: int) -> tuple[list[Op], np.ndarray]:
        weight, bias = self.weight[outputs], self.bias[outputs]
        inputs = np.flatnonzero(weight.any(axis=0))
        inputs = inputs if len(inputs) else np.array([0])  # a constant needs an input to know the number of pixels
        return [Affine(weight[:, inputs], bias)], inputs

    def reading(self, index: np.ndarray, n_inputs: int) -> list[Op]:
        weight = np.zeros((len(self.weight), n_inputs))
        np.add.at(weight.T, index, self.weight.T)
        return [Affine(weight, self.bias)]

    def merge(self, following: Op) -> Op | None:
        if isinstance(following, Select):
            return Affine(self.weight[following.index], self.bias[following.index])
        if isinstance(following, Affine):
            product = following.weight @ self.weight
            if np.count_nonzero(product) <= np.count_nonzero(following.weight) + np.count_nonzero(self.weight):
                return Affine(product, following.weight @ self.bias + following.bias)
        return None

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        bias = float32_tensor(self.bias[:, None])
        key = object()
        if is_diagonal(self.weight):
            scale = float32_tensor(np.diag(self.weight)[:, None])
            return lambda x, s: torch.mul(x, scale, out=kept_tensor(s, key, len(bias), x)).add_(bias)
        weight = float32_tensor(self.weight)
        if len(bias) >= FEWEST_ROWS_OF_LOOPS and torch.get_default_device().type == "cpu":
            taps = filter_taps(self.weight)
            if taps is not None:
                return _compile_filter(*taps, self.bias)
        return lambda x, s: torch.mm(weight, x, out=kept_tensor(s, key, len(bias), x)).add_(bias)

    def differentiable(self, dtype: torch.dtype) -> Function:
        from torch.nn import functional

        weight, bias = cpu_tensor(self.weight, dtype), cpu_tensor(self.bias, dtype)
        return lambda x: functional.linear(x, weight, bias)


def filter_taps(weight: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the neighbouring columns of each row of a matrix that are not 0, and the number of the first of them.

    None for a matrix that is not a filter along a spectrum, whose rows have at most `MOST_TAPS` such columns.

    >>> filter_taps(np.eye(50))[0].shape, filter_taps(np.ones((50, 50)))
    ((50, 4), None)
    """
    used = weight != 0
    first = np.where(used.any(axis=1), used.argmax(axis=1), 0)
    n_taps = int((weight.shape[1] - used[:, ::-1].argmax(axis=1) - first)[used.any(axis=1)].max(initial=1))
    n_taps += -n_taps % TAPS_AT_ONCE
    if n_taps > min(MOST_TAPS, weight.shape[1] // 2):
        return None
    first = np.minimum(first, weight.shape[1] - n_taps)
    return np.take_along_axis(weight, first[:, None] + np.arange(n_taps), axis=1), first


def _compile_filter(taps: np.ndarray, first: np.ndarray, bias: np.ndarray) -> Run:
    """Return the product with a matrix of few neighbouring columns, for which a loop is faster."""
    from geosoil.program._pixel_loops import filter_rows

    taps, bias, key = np.array(taps, np.float32), np.array(bias, np.float32), object()

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        out = kept_tensor(scratch, key, len(taps), x)
        filter_rows(x.numpy(), taps, first, bias, out.numpy())
        return out

    return run


def _compile_standardise() -> Run:
    """Return the loop that standardises columns in three passes; torch takes seven."""
    key, mean_key, factor_key = object(), object(), object()

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        from geosoil.program._pixel_loops import standardise_columns

        out = kept_tensor(scratch, key, len(x), x)
        mean, factor = (kept_tensor(scratch, each, 1, x).numpy()[0] for each in (mean_key, factor_key))
        standardise_columns(x.numpy(), mean, factor, out.numpy())
        return out

    return run


def is_diagonal(weight: np.ndarray) -> bool:
    """Return whether a matrix is square and zero outside its diagonal."""
    return weight.shape[0] == weight.shape[1] and not np.count_nonzero(weight - np.diag(np.diag(weight)))


@dataclass(frozen=True)
class Select(Op):
    """Keep some of the features, in a given order.

    Parameters
    ----------
    index : ndarray of shape (out,), int
        The indices of the features that are kept.
    """

    index: np.ndarray

    fixed_size: ClassVar[bool] = True

    def n_outputs(self, n_inputs: int) -> int:
        return len(self.index)

    def prune(self, outputs: np.ndarray, n_inputs: int) -> tuple[list[Op], np.ndarray]:
        return [], self.index[outputs]

    def merge(self, following: Op) -> Op | None:
        return Select(self.index[following.index]) if isinstance(following, Select) else None

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        index = torch.as_tensor(np.array(self.index, np.int64))
        key = object()
        return lambda x, s: torch.index_select(x, 0, index, out=kept_tensor(s, key, len(index), x))

    def differentiable(self, dtype: torch.dtype) -> Function:
        import torch

        index = torch.from_numpy(np.array(self.index, np.int64))
        return lambda x: x[:, index]


class InPlaceOp(Op):
    """An op with as many outputs as inputs, which overwrites its input where it may."""

    def n_outputs(self, n_inputs: int) -> int:
        return n_inputs

    @abstractmethod
    def apply_(self, x: torch.Tensor) -> torch.Tensor:
        """Overwrite `x` `(feature, pixel)` with the outputs and return it."""

    def compile(self, *, owns_input: bool) -> Run:
        key = object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            if not owns_input:
                x = kept_tensor(scratch, key, len(x), x).copy_(x)
            return self.apply_(x)

        return run


class _ElementByElement(InPlaceOp):
    """An op whose every output depends on one input: it can be pruned to the outputs that are needed."""

    def prune(self, outputs: np.ndarray, n_inputs: int) -> tuple[list[Op], np.ndarray]:
        return [self], outputs


@dataclass(frozen=True)
class Elementwise(_ElementByElement):
    """Apply one function to every number.

    Parameters
    ----------
    name : {"relu", "leaky_relu", "exp", "square", "absorbance"}
        leaky_relu has the slope `LEAKY_SLOPE` below zero; absorbance is log10(1/x) for x > 0 and NaN otherwise.
    """

    name: ElementwiseName

    def apply_(self, x: torch.Tensor) -> torch.Tensor:
        import torch

        if self.name == "absorbance":
            return x.masked_fill_(x <= 0, torch.nan).log10_().neg_()
        if self.name == "leaky_relu":
            return torch.nn.functional.leaky_relu_(x, LEAKY_SLOPE)
        return {"relu": x.relu_, "exp": x.exp_, "square": x.square_}[self.name]()

    def differentiable(self, dtype: torch.dtype) -> Function:
        import torch

        if self.name == "absorbance":
            return lambda x: -torch.log10(x.masked_fill(x <= 0, torch.nan))
        if self.name == "leaky_relu":
            return lambda x: torch.nn.functional.leaky_relu(x, LEAKY_SLOPE)
        return {"relu": torch.relu, "exp": torch.exp, "square": torch.square}[self.name]


@dataclass(frozen=True)
class Clip(_ElementByElement):
    """Limit every number to `[low, high]`.

    Parameters
    ----------
    low, high : float or None
        The limits, in the unit of the features; None leaves a side open.
    """

    low: float | None
    high: float | None

    def apply_(self, x: torch.Tensor) -> torch.Tensor:
        return x.clamp_(self.low, self.high)

    def differentiable(self, dtype: torch.dtype) -> Function:
        return lambda x: x.clamp(self.low, self.high)


@dataclass(frozen=True)
class Standardise(InPlaceOp):
    """Centre each column (spectrum) and divide it by its standard deviation (n - 1): standard normal variate."""

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        if torch.get_default_device().type != "cpu":
            return super().compile(owns_input=owns_input)
        in_torch, loop = super().compile(owns_input=owns_input), _compile_standardise()
        return lambda x, s: loop(x, s) if len(x) >= FEWEST_ROWS_OF_LOOPS else in_torch(x, s)

    def apply_(self, x: torch.Tensor) -> torch.Tensor:
        x.sub_(x.mean(0))
        # The standard deviation of centred values; torch's own `std` takes eight times as long along this axis.
        squares = x.new_zeros(x.shape[1])
        for rows in x.split(ROWS_OF_SUM):
            squares += (rows * rows).sum(0)
        squares[x.amax(0) == x.amin(0)] = 0.0  # a flat spectrum has no standard deviation
        return x.mul_(squares.div_(len(x) - 1).rsqrt_())

    def differentiable(self, dtype: torch.dtype) -> Function:
        return lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, correction=1, keepdim=True)
