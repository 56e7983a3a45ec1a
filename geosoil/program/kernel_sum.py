"""The op that predicts from places: a weighted sum of covariances with samples, in float64."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from geosoil.program.kernels import KernelName, correlate_, correlations
from geosoil.program.ops import Affine, Op

if TYPE_CHECKING:
    import torch

    from geosoil.program.torch_backend import Function, Run, Scratch

PIXELS_IN_CACHE = 256
"""Pixels whose float64 covariances with 500 samples (1 MB) fit into the cache of a core."""


@dataclass(frozen=True)
class KernelSum(Op):
    """The sum of the covariances with all support vectors, each times its weight.

    A place has few columns, so that its distances cost little, but they range from metres to a hundred kilometres. In
    float32 the covariances of near places lose digits to the far ones; float64 keeps the map equal to a computation of
    kriging in float64, up to the rounding of its result.

    Parameters
    ----------
    support : ndarray of shape (n_support, in)
        The support vectors, after subtraction of `centre` and multiplication by `scale`.
    centre, scale : ndarray of shape (in,)
        What is subtracted from the inputs, and the factor they are then multiplied by.
    rate : float
        Factor of the squared distance, as of `Covariance`.
    name : {"exponential", "matern32", "matern52", "rbf"}
        The covariance function, as of `Covariance`.
    weights : ndarray of shape (n_support,)
        Weights, the amplitude included.
    bias : float
        What is added to the sum.
    """

    support: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    rate: float
    name: KernelName
    weights: np.ndarray
    bias: float = 0.0

    fixed_size: ClassVar[bool] = True

    @property
    def has_kernel(self) -> bool:
        return True

    def n_outputs(self, n_inputs: int) -> int:
        return 1

    def multiply_adds(self, n_inputs: int) -> int:
        return int(self.support.size + self.weights.size)

    def merge(self, following: Op) -> Op | None:
        """Take a following factor and offset into float64 as well."""
        if not isinstance(following, Affine) or following.weight.shape != (1, 1):
            return None
        factor, offset = float(following.weight[0, 0]), float(following.bias[0])
        return replace(self, weights=factor * self.weights, bias=factor * self.bias + offset)

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        def double(values: np.ndarray) -> torch.Tensor:
            return torch.as_tensor(np.array(values, np.float64))

        rate = float(self.rate)
        centre, scale = double(self.centre[:, None]), double(self.scale[:, None])
        cross, weights = double(-2 * rate * self.support), double(self.weights[None])
        support_norm = double(rate * np.sum(self.support**2, axis=1)[:, None])
        buffers = [object(), object(), object()]

        def kept(scratch: Scratch, key: object, n_rows: int, n_pixels: int, dtype: torch.dtype) -> torch.Tensor:
            number = id(key)
            if number not in scratch:
                scratch[number] = torch.empty((n_rows, n_pixels), dtype=dtype, device=cross.device)
            return scratch[number]

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            out = kept(scratch, buffers[0], 1, x.shape[1], torch.float32)
            for start in range(0, x.shape[1], PIXELS_IN_CACHE):
                part = x[:, start : start + PIXELS_IN_CACHE].double().sub_(centre).mul_(scale)
                distances, decays = (
                    kept(scratch, key, len(cross), PIXELS_IN_CACHE, torch.float64)[:, : part.shape[1]]
                    for key in buffers[1:]
                )
                t2 = torch.mm(cross, part, out=distances)
                t2.add_(part.square_().sum(0), alpha=rate).add_(support_norm).clamp_(min=0)
                values = correlate_(self.name, t2, decays)
                out[:, start : start + PIXELS_IN_CACHE] = (weights @ values).add_(self.bias)
            return out

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        import torch

        def tensor(values: np.ndarray) -> torch.Tensor:
            return torch.from_numpy(np.array(values)).to(dtype)

        support, centre, scale, weights = map(tensor, (self.support, self.centre, self.scale, self.weights[:, None]))

        return lambda x: correlations(self.name, self.rate, (x - centre) * scale, support) @ weights + self.bias
