"""The hyper-parameters of Gaussian processes by the marginal likelihood, for many data sets at once.

The covariance of a process is a sum over blocks of features,

    k(x, x') = sum over blocks b of  a_b <x_b, x'_b> / p_b + r_b c_b(d_b(x, x') / l_b),  and noise where x is x',

with the p_b standardised features x_b of the block, their distance d_b, and a correlation c_b of distance. A block may
lack its linear term (place does).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosoil.numerics.covariance import CORRELATIONS
from geosoil.numerics.threads import one_thread_each

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

LOG_AMPLITUDE = -0.7
LOG_LENGTH = 0.0
LOG_NOISE = -1.0
"""Centres of the priors, of amplitudes and noise as shares of the target's variance, and of lengths as shares of the
typical distance; the search starts there."""
AMPLITUDE_PRECISION = 0.1
LENGTH_PRECISION = 0.3
NOISE_PRECISION = 0.1
"""Inverse variances of the priors, which are normal distributions of the logarithms; the priors are weak, and matter
for fewer than about 60 rows."""
LEAST_NOISE = 1e-6
"""Noise that is always added, as a share of the target's variance, so that the matrix can be inverted."""
RATE = 0.1
"""Step size of Adam at the start; it falls to a tenth."""
DECAY_OF_MEAN, DECAY_OF_SQUARE = 0.9, 0.99
"""How much of the means of the gradient and of its square each step of Adam keeps."""
NUMBERS_AT_ONCE = 2**18
"""Numbers of a covariance matrix of the data sets that are computed together, so that they fit into the cache."""


@dataclass(frozen=True)
class BlockMatrices:
    """What the covariance of one block is made of.

    Parameters
    ----------
    kernel : str
        A key of `CORRELATIONS`.
    distance : torch.Tensor of shape (..., n, n), float64
        Distances between the rows, as a share of the typical one.
    gram : torch.Tensor of shape (..., n, n), float64, or None
        Products of the rows divided by the number of features, for the linear term.
    """

    kernel: str
    distance: torch.Tensor
    gram: torch.Tensor | None

    @property
    def n_parameters(self) -> int:
        """The amplitude of the linear term, if there is one, then the amplitude and the length of the other."""
        return 2 + (self.gram is not None)


def n_parameters(blocks: Sequence[BlockMatrices]) -> int:
    """Return the number of hyper-parameters of a process, the noise included."""
    return sum(block.n_parameters for block in blocks) + 1


def start(blocks: Sequence[BlockMatrices]) -> list[float]:
    """Return the centres of the priors, at which the search starts."""
    of_blocks = [value for block in blocks for value in ([LOG_AMPLITUDE] * (block.n_parameters - 1) + [LOG_LENGTH])]
    return [*of_blocks, LOG_NOISE]


def _precisions(blocks: Sequence[BlockMatrices]) -> list[float]:
    of_blocks = [
        value for block in blocks for value in ([AMPLITUDE_PRECISION] * (block.n_parameters - 1) + [LENGTH_PRECISION])
    ]
    return [*of_blocks, NOISE_PRECISION]


def covariance(blocks: Sequence[BlockMatrices], parameters: torch.Tensor) -> torch.Tensor:
    """Return the covariance matrices without noise.

    Parameters
    ----------
    blocks : sequence of BlockMatrices
        The blocks, whose matrices have shapes that broadcast to `(..., n, n)`.
    parameters : torch.Tensor of shape (..., n_parameters), float64
        Logarithms: for each block the amplitude of the linear term, that of the other term, and its length; then the
        noise.

    Returns
    -------
    torch.Tensor of shape (..., n, n), float64
    """
    total = None
    for block, values in _by_block(blocks, parameters):
        part = values[-2] * CORRELATIONS[block.kernel](block.distance / values[-1])[0]
        if block.gram is not None:
            part = part + values[0] * block.gram
        total = part if total is None else total + part
    assert total is not None
    return total


def _by_block(
    blocks: Sequence[BlockMatrices], parameters: torch.Tensor
) -> list[tuple[BlockMatrices, list[torch.Tensor]]]:
    """Return each block with its parameters, not their logarithms, of shape (..., 1, 1)."""
    values = parameters.exp()[..., None, None]
    pairs, first = [], 0
    for block in blocks:
        pairs.append((block, [values[..., first + i, :, :] for i in range(block.n_parameters)]))
        first += block.n_parameters
    return pairs


def negative_evidence(
    blocks: Sequence[BlockMatrices],
    y: torch.Tensor,
    parameters: torch.Tensor,
    *,
    known: torch.Tensor | None = None,
    noise: torch.Tensor | None = None,
    with_priors: bool = True,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the negative logarithm of the marginal likelihood, and its gradient.

    Parameters
    ----------
    blocks : sequence of BlockMatrices
        The blocks, whose matrices have shapes that broadcast to `(..., n, n)`.
    y : torch.Tensor of shape (..., n), float64
        Targets with mean 0.
    parameters : torch.Tensor of shape (..., n_parameters), float64
        As `covariance` takes them.
    known : torch.Tensor of shape (..., n), bool, optional
        Rows that count; the others fill data sets of different sizes up to one shape.
    noise : torch.Tensor of shape (..., n), float64, optional
        A variance of each row that is known beside the common noise, in squared units of y.
    with_priors : bool
        Whether the logarithms of the priors are added.

    Returns
    -------
    value : torch.Tensor of shape (...,), float64
    gradient : torch.Tensor of shape (..., n_parameters), float64

    References
    ----------
    Rasmussen and Williams 2006, Gaussian Processes for Machine Learning, equations 5.8 and 5.9.
    """
    import torch

    n = y.shape[-1]
    present = torch.ones_like(y) if known is None else known.to(y.dtype)
    pairs = present[..., :, None] * present[..., None, :]
    terms: list[torch.Tensor] = []  # the derivative of the covariance by each parameter
    total = torch.zeros((*y.shape, n), dtype=y.dtype, device=y.device)
    for block, values in _by_block(blocks, parameters):
        value, by_length = CORRELATIONS[block.kernel](block.distance / values[-1])
        if block.gram is not None:
            terms.append(values[0] * block.gram)
            total = total + terms[-1]
        terms.extend((values[-2] * value, values[-2] * by_length))
        total = total + terms[-2]
    common = parameters[..., -1, None].exp()
    diagonal = common + LEAST_NOISE + (0 if noise is None else noise)
    total = total * pairs
    total.diagonal(dim1=-2, dim2=-1).add_(present * diagonal + (1 - present))
    factor = torch.linalg.cholesky(total)
    y = y * present
    inverse = torch.cholesky_inverse(factor)
    alpha = (inverse @ y[..., None])[..., 0]
    count = present.sum(-1)
    value = 0.5 * (y * alpha).sum(-1) + factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
    value = value + 0.5 * count * math.log(2 * math.pi)
    slope = 0.5 * (inverse - alpha[..., :, None] * alpha[..., None, :])
    on_diagonal = (slope.diagonal(dim1=-2, dim2=-1) * present).sum(-1) * parameters[..., -1].exp()
    slope = slope * pairs
    gradient = torch.stack([*((slope * term).sum((-2, -1)) for term in terms), on_diagonal], -1)
    if with_priors:
        centre = torch.tensor(start(blocks), dtype=y.dtype, device=y.device)
        precision = torch.tensor(_precisions(blocks), dtype=y.dtype, device=y.device)
        away = parameters - centre
        value = value + 0.5 * (precision * away.square()).sum(-1)
        gradient = gradient + precision * away
    return value, gradient


def maximise_evidence(
    blocks: Sequence[BlockMatrices],
    y: torch.Tensor,
    *,
    known: torch.Tensor | None = None,
    noise: torch.Tensor | None = None,
    n_iterations: int = 100,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Find the hyper-parameters with the largest product of likelihood and prior, for every data set by itself.

    The search is Adam on the logarithms, from the centres of the priors, with a step size that falls to a tenth. It is
    deterministic, and a data set's result does not depend on the others, except for rounding.

    Parameters
    ----------
    blocks, y, known, noise
        As `negative_evidence` takes them.
    n_iterations : int
        Number of evaluations of the likelihood.

    Returns
    -------
    parameters : torch.Tensor of shape (..., n_parameters), float64
        As `covariance` takes them.
    value : torch.Tensor of shape (...,), float64
        The logarithm of the marginal likelihood at the last evaluation, without the prior.

    References
    ----------
    Kingma and Ba 2015, Adam: a method for stochastic optimization, algorithm 1.

    Examples
    --------
    >>> import torch
    >>> x = torch.linspace(0, 4, 40, dtype=torch.float64)
    >>> blocks = [BlockMatrices("rbf", (x[:, None] - x).abs(), None)]
    >>> parameters, _ = maximise_evidence(blocks, torch.sin(2 * x))
    >>> bool(parameters[-1] < -4)  # there is no noise
    True
    """
    import torch

    shape, n = y.shape[:-1], y.shape[-1]

    def flat(values: torch.Tensor, n_last: int) -> torch.Tensor:
        last = values.shape[-n_last:]
        return values.expand(*shape, *last).reshape(-1, *last)

    ys = flat(y, 1)
    parts = [BlockMatrices(b.kernel, flat(b.distance, 2), None if b.gram is None else flat(b.gram, 2)) for b in blocks]
    rows = {name: None if v is None else flat(v, 1) for name, v in (("known", known), ("noise", noise))}
    at_once = max(NUMBERS_AT_ONCE // n**2, 1) if y.device.type == "cpu" else len(ys)
    results = []
    with one_thread_each():  # so that the result does not depend on the number of threads
        for first in range(0, len(ys), at_once):
            here = slice(first, first + at_once)
            matrices = [
                BlockMatrices(b.kernel, b.distance[here], None if b.gram is None else b.gram[here]) for b in parts
            ]
            of_rows = {name: None if values is None else values[here] for name, values in rows.items()}
            results.append(_search(matrices, ys[here], n_iterations, **of_rows))
    parameters, value = (torch.cat(values) for values in zip(*results, strict=True))
    return parameters.reshape(*shape, -1), value.reshape(shape)


def _search(
    blocks: Sequence[BlockMatrices],
    y: torch.Tensor,
    n_iterations: int,
    *,
    known: torch.Tensor | None,
    noise: torch.Tensor | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    import torch

    parameters = torch.tensor(start(blocks), dtype=y.dtype, device=y.device).expand(len(y), -1).clone()
    # Adam in four lines: importing torch.optim takes seconds, more than the search itself in many cases.
    mean, square = torch.zeros_like(parameters), torch.zeros_like(parameters)
    for i in range(n_iterations):
        _, gradient = negative_evidence(blocks, y, parameters, known=known, noise=noise)
        mean = DECAY_OF_MEAN * mean + (1 - DECAY_OF_MEAN) * gradient
        square = DECAY_OF_SQUARE * square + (1 - DECAY_OF_SQUARE) * gradient.square()
        rate = RATE * 0.1 ** (i / max(n_iterations - 1, 1)) / (1 - DECAY_OF_MEAN ** (i + 1))
        parameters -= rate * mean / ((square / (1 - DECAY_OF_SQUARE ** (i + 1))).sqrt() + 1e-8)
    value, _ = negative_evidence(blocks, y, parameters, known=known, noise=noise, with_priors=False)
    return parameters, -value
