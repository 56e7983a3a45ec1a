"""Terms of the loss of the spectral VAE (Ou et al. 2025, section 3.1.2) as differentiable functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch


def spectral_angle(generated: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the spectral angle `(sample,)` in radians between rows `(sample, band)` (Eq. 3).

    The angle does not depend on brightness. It is computed by Kahan's half-angle formula, because the slope of the arc
    cosine is infinite where two spectra agree.

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

    # The smallest positive number keeps the slope of the root finite for a row of zeros, and changes no other row.
    return torch.sqrt((x * x).sum(dim=1) + torch.finfo(x.dtype).tiny)


def mean_discrepancy(
    generated: torch.Tensor, target: torch.Tensor, *, kernels: Literal["five", "median"] = "five"
) -> torch.Tensor:
    """Return the squared maximum mean discrepancy of two sets of spectra (Eq. 4).

    It is the biased V-statistic of Gretton et al. 2012; it does not depend on the pairing of the spectra.

    Parameters
    ----------
    generated : tensor of shape (n, band)
        Generated spectra.
    target : tensor of shape (m, band)
        Laboratory spectra.
    kernels : {"five", "median"}
        The paper states a Gaussian kernel without its width. "five" is the sum of exp(-d^2 / b) with b = 1/4, 1/2, 1,
        2, 4 times the mean squared distance between rows; "median" is exp(-d^2 / (2 m^2)) with m the median distance.
        The width is a constant for the gradient.

    Examples
    --------
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
    distance2 = distance2 - torch.diag(torch.diag(distance2))  # the distance of a row to itself is exactly 0
    pairs = distance2.detach()[tuple(torch.triu_indices(len(both), len(both), 1))]
    width = 2 * torch.quantile(pairs.sqrt(), 0.5) ** 2 if kernels == "median" else 4 * pairs.mean()
    kernel = torch.exp(-distance2 / (width + (width == 0)))  # 0 instead of NaN if all rows are equal
    if kernels == "five":  # the first kernel is the widest; a kernel of half the width is its square
        power = kernel
        for _ in range(4):
            power = power * power
            kernel = kernel + power
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def divergence(mu: torch.Tensor, logvar: torch.Tensor, *, kl: Literal["true", "paper"] = "true") -> torch.Tensor:
    """Return the Kullback-Leibler divergence `(sample,)` of rows `(sample, latent)` from the standard normal.

    "true" is the sum of (exp(s) - (1 + s) + mu^2) / 2 with s the log variance; "paper" is Eq. 2 as printed, which is
    twice as large.

    >>> import torch
    >>> divergence(torch.tensor([[1.0, 0.0]]), torch.zeros(1, 2)).item()
    0.5
    """
    twice = (logvar.exp() - (1 + logvar) + mu * mu).sum(dim=1)
    return twice if kl == "paper" else twice / 2


def paired_error(generated: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error between spectra and their own targets, both `(sample, band)`.

    Only this term compares the brightness of a sample with that of its own target.

    >>> import torch
    >>> paired_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 4.0]])).item()
    2.0
    """
    return ((generated - target) ** 2).mean()
