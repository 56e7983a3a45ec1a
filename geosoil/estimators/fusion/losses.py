"""The parts of the loss of the spectral VAE (Ou et al. 2025, section 3.1.2), on torch tensors.

All can be differentiated; all keep the precision of what they are given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch


def spectral_angle(generated: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Give the spectral angle of each row in radians, Eq. 3: both `(sample, band)` -> `(sample,)`.

    Blind to brightness. By Kahan's half-angle formula, since the arc cosine has an infinite slope where two
    spectra agree, which is where training leads.

    >>> import torch
    >>> spectral_angle(torch.tensor([[1.0, 0.0], [2.0, 2.0]]), torch.tensor([[1.0, 1.0], [1.0, 1.0]])).round(decimals=4)
    tensor([0.7854, 0.0000])
    """
    import torch

    u = generated / _length(generated)[:, None]
    v = target / _length(target)[:, None]
    return 2 * torch.atan2(_length(u - v), _length(u + v))


def _length(x: torch.Tensor) -> torch.Tensor:
    import torch

    # The smallest number keeps the root's slope finite for a row of zeros, and is lost beside any other.
    return torch.sqrt((x * x).sum(dim=1) + torch.finfo(x.dtype).tiny)


def mean_discrepancy(
    generated: torch.Tensor, target: torch.Tensor, *, kernels: Literal["five", "median"] = "five"
) -> torch.Tensor:
    """Give the squared maximum mean discrepancy of two sets of spectra, Eq. 4: `(n, band)`, `(m, band)` -> scalar.

    The biased V-statistic (Gretton et al. 2012), blind to which spectrum belongs to which. The paper names a
    Gaussian kernel and no width. "five": the sum of exp(-d2 / b) with b = 1/4, 1/2, 1, 2, 4 times the mean squared
    distance of two different rows of both sets; "median": exp(-d2 / (2 m2)) with m the median distance. The width
    is taken as given: no gradient flows through it.

    >>> import torch
    >>> x = torch.tensor([[0.0], [1.0]])
    >>> mean_discrepancy(x, x).item(), round(mean_discrepancy(x, x + 100).item(), 3)
    (0.0, 7.128)
    """
    import torch

    n = len(generated)
    both = torch.cat([generated, target])
    squares = (both * both).sum(dim=1)
    distance2 = (squares[:, None] + squares[None, :] - 2 * both @ both.T).clamp_min(0)
    distance2 = distance2 - torch.diag(torch.diag(distance2))  # rounding must not part a row from itself
    pairs = distance2.detach()[tuple(torch.triu_indices(len(both), len(both), 1))]
    width = 2 * torch.quantile(pairs.sqrt(), 0.5) ** 2 if kernels == "median" else 4 * pairs.mean()
    kernel = torch.exp(-distance2 / (width + (width == 0)))  # all rows equal: the discrepancy is 0, not NaN
    if kernels == "five":  # the first is the widest; half the width is the square of the kernel
        power = kernel
        for _ in range(4):
            power = power * power
            kernel = kernel + power
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def divergence(mu: torch.Tensor, logvar: torch.Tensor, *, kl: Literal["true", "paper"] = "true") -> torch.Tensor:
    """Give the Kullback-Leibler divergence of each row from the standard normal: `(sample, latent)` -> `(sample,)`.

    "true": sum of (exp(s) - (1 + s) + mu^2) / 2 with s the log variance; "paper": Eq. 2 as printed, without the
    half, so exactly twice as much.

    >>> import torch
    >>> divergence(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)).item()
    0.5
    """
    twice = (logvar.exp() - (1 + logvar) + mu * mu).sum(dim=1)
    return twice if kl == "paper" else twice / 2


def paired_error(generated: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Give the mean squared error between each spectrum and its own target: both `(sample, band)` -> scalar.

    What ties a sample's brightness to its own target: the discrepancy ignores the pairing, the angle the brightness.

    >>> import torch
    >>> paired_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]])).item()
    2.0
    """
    return ((generated - target) ** 2).mean()
