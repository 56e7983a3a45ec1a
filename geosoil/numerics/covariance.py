"""Covariance functions of distance, with their derivatives by the length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Correlation = Callable[..., tuple[torch.Tensor, torch.Tensor]]


LARGEST_EXPONENT = 40.0
"""exp(-40) is below the rounding of 1; products of smaller numbers would become denormal, which is slow."""


def _exp(negative: torch.Tensor, out: torch.Tensor | None) -> torch.Tensor:
    import torch

    return torch.clamp(negative, min=-LARGEST_EXPONENT, out=out).exp_()


def _exponential(
    t: torch.Tensor, value: torch.Tensor | None = None, slope: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    value = _exp(t.neg_(), value)
    return value, torch.mul(t, value, out=slope).neg_()


def _matern32(
    t: torch.Tensor, value: torch.Tensor | None = None, slope: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    value = _exp(t.mul_(-math.sqrt(3)), value)
    product = torch.mul(t, value, out=slope)
    return value.sub_(product), product.mul_(t)


def _matern52(
    t: torch.Tensor, value: torch.Tensor | None = None, slope: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    value = _exp(t.mul_(-math.sqrt(5)), value)
    product = torch.mul(t, value, out=slope)
    value.sub_(product)
    third = product.mul_(t).div_(3)
    return value.add_(third), third.addcmul_(third, t, value=-1)


def _rbf(
    t: torch.Tensor, value: torch.Tensor | None = None, slope: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    value = _exp(t.square_().div_(-2), value)
    return value, torch.mul(t, value, out=slope).mul_(-2)


CORRELATIONS: dict[str, Correlation] = {
    "exponential": _exponential,
    "matern32": _matern32,
    "matern52": _matern52,
    "rbf": _rbf,
}
"""Functions from distances in lengths to correlations, and to their derivatives by the logarithm of the length.

They overwrite the distances. The results are new arrays, unless two of the same shape are given for them.
"""


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
