"""Covariance functions of distance, with their derivatives by the length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Correlation = Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]


LARGEST_EXPONENT = 40.0
"""exp(-40) is below the rounding of 1; products of smaller numbers would become denormal, which is slow."""


def _decay(exponent: torch.Tensor) -> torch.Tensor:
    return exponent.clamp(max=LARGEST_EXPONENT).neg_().exp_()


def _exponential(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    value = _decay(t)
    return value, t * value


def _matern32(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    u = t * math.sqrt(3)
    decay = _decay(u)
    product = u * decay
    return decay.add_(product), product.mul_(u)


def _matern52(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    u = t * math.sqrt(5)
    decay = _decay(u)
    product = u * decay
    square = product * u / 3
    return decay.add_(product).add_(square), square.addcmul(square, u)


def _rbf(t: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    square = t.square()
    value = _decay(0.5 * square)
    return value, square.mul_(value)


CORRELATIONS: dict[str, Correlation] = {
    "exponential": _exponential,
    "matern32": _matern32,
    "matern52": _matern52,
    "rbf": _rbf,
}
"""Functions from distances in lengths to correlations, and to their derivatives by the logarithm of the length."""


def correlation(name: str, distance: torch.Tensor, length: float | torch.Tensor) -> torch.Tensor:
    """Return the correlation of values at a distance.

    Parameters
    ----------
    name : {"exponential", "matern32", "matern52", "rbf"}
        The name of the covariance function.
    distance : torch.Tensor
        Distances of any shape, 0 or more.
    length : float or torch.Tensor
        The length in the unit of the distances. The Matern functions have the factors sqrt(3) and sqrt(5) before the
        distance, and the radial basis function is exp(-distance^2 / (2 length^2)).

    Returns
    -------
    torch.Tensor
        The correlations, 1 at the distance 0.

    References
    ----------
    Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, equations 4.9 to 4.18.

    Examples
    --------
    >>> import torch
    >>> correlation("matern32", torch.tensor([0.0, 1.0], dtype=torch.float64), 3**0.5).numpy().round(6)
    array([1.      , 0.735759])
    """
    return CORRELATIONS[name](distance / length)[0]
