"""The op that compares its input with samples by a covariance function."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from geosoil.program.ops import PIXELS_AT_ONCE, Op
from geosoil.program.torch_backend import cpu_tensor, float32_tensor, kept_tensor

if TYPE_CHECKING:
    import torch

    from geosoil.program.torch_backend import Function, Run, Scratch

KernelName = Literal["exponential", "matern32", "matern52", "rbf"]
FACTORS = {"exponential": 1.0, "matern32": math.sqrt(3), "matern52": math.sqrt(5), "rbf": math.sqrt(0.5)}
"""The factors of the distance in lengths."""


VALUES_IN_CACHE = 2**18
"""Numbers in float32 (1 MB) that fit into the cache of a core together with what else is in use."""
SMALLEST_LOOPS = 2**13
"""Size of the array of support vectors below which the time to load compiled loops is not worth it."""
SMALLEST_BATCH = 256
"""Pixels below which calls take longer than the cache saves."""


def rate_of(name: str, length: float) -> float:
    """Return the factor of the squared distance in a covariance function of some length.

    >>> round(rate_of("rbf", 2.0), 6)
    0.125
    """
    return float((FACTORS[name] / length) ** 2)


def correlate_(name: str, squares: torch.Tensor, decay: torch.Tensor) -> torch.Tensor:
    """Turn squared distances times their rate into correlations, which are in one of the two tensors.

    decay: a tensor of the same shape, which is overwritten.
    """
    import torch

    if name == "rbf":
        return squares.neg_().exp_()
    t = squares.sqrt_()
    torch.neg(t, out=decay).exp_()
    if name == "exponential":
        return decay
    return (t.add_(1) if name == "matern32" else t.mul_(t / 3 + 1).add_(1)).mul_(decay)


def correlations(name: str, rate: float, x: torch.Tensor, support: torch.Tensor) -> torch.Tensor:
    """Return the correlations of rows `(sample, feature)` with support vectors, as a function to differentiate."""
    import torch

    t = math.sqrt(rate) * torch.cdist(x, support)
    if name == "rbf":
        return torch.exp(-(t**2))
    before = {"exponential": 0 * t + 1, "matern32": 1 + t, "matern52": 1 + t + t**2 / 3}[name]
    return before * torch.exp(-t)


@dataclass(frozen=True)
class Covariance(Op):
    """The covariance of the input with every support vector, by its distance, and on request by its product.

    With t^2 the squared distance times the rate, the covariance is the amplitude times exp(-t), (1 + t) exp(-t),
    (1 + t + t^2 / 3) exp(-t) or exp(-t^2). A linear term may be added: both need the same matrix product.

    Parameters
    ----------
    support : ndarray of shape (n_support, in)
        The support vectors, one row per output.
    rate : float
        Factor of the squared distance: gamma of a radial basis function; see `rate_of` for a length.
    name : {"exponential", "matern32", "matern52", "rbf"}
        Which of the four it is.
    amplitude : float
        The covariance at the distance 0, without the linear term.
    linear : float
        Factor of the product of the input and the support vector, which is added.
    with_variance : bool
        Whether the covariance of the input with itself is a further, last output.
    """

    support: np.ndarray
    rate: float
    name: KernelName = "rbf"
    amplitude: float = 1.0
    linear: float = 0.0
    with_variance: bool = False

    fixed_size: ClassVar[bool] = True

    @property
    def pixels_at_once(self) -> int:
        """As many pixels, a power of 2, as keep the input and the output within the cache of a core."""
        values = max(sum(self.support.shape), 1)
        return int(min(PIXELS_AT_ONCE, 2 ** int(math.log2(max(VALUES_IN_CACHE / values, SMALLEST_BATCH)))))

    @property
    def has_kernel(self) -> bool:
        return True

    def n_outputs(self, n_inputs: int) -> int:
        return len(self.support) + self.with_variance

    def multiply_adds(self, n_inputs: int) -> int:
        return int(self.support.size)

    def prune(self, outputs: np.ndarray, n_inputs: int) -> tuple[list[Op], np.ndarray]:
        if self.with_variance:
            return super().prune(outputs, n_inputs)
        return [replace(self, support=self.support[outputs])], np.arange(n_inputs)

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        # t^2 is a matrix product and two squared lengths, which costs less than a difference per support vector.
        if self.support.size >= SMALLEST_LOOPS and torch.get_default_device().type == "cpu":
            return self._compile_loops()
        return self._compile_torch()

    def _compile_torch(self) -> Run:
        import torch

        rate, amplitude, linear = float(self.rate), float(self.amplitude), float(self.linear)
        # The factor is part of the weights, so that a machine of support vectors rounds as in earlier versions.
        cross = float32_tensor(-2 * self.rate * self.support)
        support_norms = float32_tensor(self.rate * np.sum(self.support**2, axis=1)[:, None])
        squares, distances, decays = object(), object(), object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            norm = torch.square(x, out=kept_tensor(scratch, squares, len(x), x)).sum(0)
            t2 = torch.mm(cross, x, out=kept_tensor(scratch, distances, len(cross), x))
            product = t2 * (linear / (-2 * rate)) if linear else None
            t2.add_(norm, alpha=rate).add_(support_norms).clamp_(min=0)
            values = correlate_(self.name, t2, kept_tensor(scratch, decays, len(cross), x))
            values = values if amplitude == 1 else values.mul_(amplitude)
            if product is not None:
                values.add_(product)
            return torch.cat([values, (amplitude + linear * norm)[None]]) if self.with_variance else values

        return run

    def _compile_loops(self) -> Run:
        import torch

        from geosoil.program._pixel_loops import KINDS, covariances, squared_lengths

        support, support_norms = float32_tensor(self.support), np.sum(self.support**2, axis=1).astype(np.float32)
        rate, amplitude, linear = (np.float32(number) for number in (self.rate, self.amplitude, self.linear))
        kind, lengths, products, key = KINDS[self.name], object(), object(), object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            product = torch.mm(support, x, out=kept_tensor(scratch, products, len(support), x))
            out = kept_tensor(scratch, key, self.n_outputs(0), x)
            of_pixels, values = kept_tensor(scratch, lengths, 1, x).numpy()[0], out.numpy()
            squared_lengths(x.numpy(), of_pixels)
            covariances(kind, product.numpy(), of_pixels, support_norms, rate, amplitude, linear, values)
            if self.with_variance:
                values[-1] = amplitude + linear * of_pixels
            return out

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        import torch

        support = cpu_tensor(self.support, dtype)

        def function(x: torch.Tensor) -> torch.Tensor:
            values = self.amplitude * correlations(self.name, self.rate, x, support) + self.linear * x @ support.T
            if self.with_variance:
                values = torch.cat([values, self.amplitude + self.linear * (x**2).sum(1, keepdim=True)], 1)
            return values

        return function
