"""The op that compares its input with samples by a covariance function."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np

from geosoil.program.ops import Op
from geosoil.program.torch_backend import cpu_tensor, float32_tensor, kept_tensor

if TYPE_CHECKING:
    import torch

    from geosoil.program.torch_backend import Function, Run, Scratch

KernelName = Literal["exponential", "matern32", "matern52", "rbf"]
FACTORS = {"exponential": 1.0, "matern32": math.sqrt(3), "matern52": math.sqrt(5), "rbf": math.sqrt(0.5)}
"""The factors of the distance in lengths."""


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
    """The covariance of the input with every support vector, by its distance.

    With t^2 the squared distance times the rate, the covariance is the amplitude times exp(-t), (1 + t) exp(-t),
    (1 + t + t^2 / 3) exp(-t) or exp(-t^2).

    Parameters
    ----------
    support : ndarray of shape (n_support, in)
        The support vectors, one row per output.
    rate : float
        Factor of the squared distance: gamma of a radial basis function; see `rate_of` for a length.
    name : {"exponential", "matern32", "matern52", "rbf"}
        Which of the four it is.
    amplitude : float
        The covariance at the distance 0.
    """

    support: np.ndarray
    rate: float
    name: KernelName = "rbf"
    amplitude: float = 1.0

    fixed_size: ClassVar[bool] = True

    @property
    def has_kernel(self) -> bool:
        return True

    def n_outputs(self, n_inputs: int) -> int:
        return len(self.support)

    def multiply_adds(self, n_inputs: int) -> int:
        return int(self.support.size)

    def prune(self, outputs: np.ndarray, n_inputs: int) -> tuple[list[Op], np.ndarray]:
        return [replace(self, support=self.support[outputs])], np.arange(n_inputs)

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        # t^2 is a matrix product and two squared lengths, which costs less than a difference per support vector.
        cross = float32_tensor(-2 * self.rate * self.support)
        support_norm = float32_tensor(self.rate * np.sum(self.support**2, axis=1)[:, None])
        rate, amplitude = float(self.rate), float(self.amplitude)
        key, squares, decays = object(), object(), object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            norm = torch.square(x, out=kept_tensor(scratch, squares, len(x), x)).sum(0)
            t2 = torch.mm(cross, x, out=kept_tensor(scratch, key, len(cross), x))
            t2.add_(norm, alpha=rate).add_(support_norm).clamp_(min=0)
            values = correlate_(self.name, t2, kept_tensor(scratch, decays, len(cross), x))
            return values if amplitude == 1 else values.mul_(amplitude)

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        support = cpu_tensor(self.support, dtype)
        return lambda x: self.amplitude * correlations(self.name, self.rate, x, support)
