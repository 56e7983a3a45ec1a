"""The op that compares its input with samples by a covariance function."""

from __future__ import annotations

import math
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Covariance(Op):
    """The covariance of the input with every support vector, by its distance.

    With t the distance divided by the length, times 1, sqrt(3), sqrt(5) or sqrt(1/2), the covariance is the amplitude
    times exp(-t), (1 + t) exp(-t), (1 + t + t^2 / 3) exp(-t) or exp(-t^2).

    Parameters
    ----------
    support : ndarray of shape (n_support, in)
        The support vectors, one row per output.
    length : float
        Length of the kernel, in the unit of the input.
    name : {"exponential", "matern32", "matern52", "rbf"}
        Which of the four it is.
    amplitude : float
        The covariance at the distance 0.
    """

    support: np.ndarray
    length: float
    name: KernelName
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
        return [Covariance(self.support[outputs], self.length, self.name, self.amplitude)], np.arange(n_inputs)

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        # t^2 is a matrix product and two squared lengths, which costs less than a difference per support vector.
        factor = (FACTORS[self.name] / self.length) ** 2
        cross = float32_tensor(-2 * factor * self.support)
        support_norm = float32_tensor(factor * np.sum(self.support**2, axis=1)[:, None])
        amplitude = self.amplitude
        key, squares, decays = object(), object(), object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            norm = torch.square(x, out=kept_tensor(scratch, squares, len(x), x)).sum(0)
            t = torch.mm(cross, x, out=kept_tensor(scratch, key, len(cross), x))
            t.add_(norm, alpha=factor).add_(support_norm).clamp_(min=0)
            if self.name == "rbf":
                return t.neg_().exp_().mul_(amplitude)
            decay = torch.neg(t.sqrt_(), out=kept_tensor(scratch, decays, len(cross), x)).exp_().mul_(amplitude)
            if self.name == "exponential":
                return decay
            return (t.add_(1) if self.name == "matern32" else t.mul_(t / 3 + 1).add_(1)).mul_(decay)

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        import torch

        support, factor = cpu_tensor(self.support, dtype), FACTORS[self.name] / self.length

        def function(x: torch.Tensor) -> torch.Tensor:
            t = factor * torch.cdist(x, support)
            if self.name == "rbf":
                return self.amplitude * torch.exp(-(t**2))
            before = {"exponential": 0 * t + 1, "matern32": 1 + t, "matern52": 1 + t + t**2 / 3}[self.name]
            return self.amplitude * before * torch.exp(-t)

        return function
