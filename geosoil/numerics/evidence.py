"""The hyper-parameters of Gaussian processes by the marginal likelihood, for many data sets at once.

The covariance of a process is a sum over blocks of features,

    k(x, x') = sum over blocks b of  a_b <x_b, x'_b> / p_b + r_b c_b(d_b(x, x') / l_b),  and noise where x is x',

with the p_b standardised features x_b of the block, their distance d_b, and a correlation c_b of distance. A block may
lack its linear term (place does).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.numerics.covariance import CORRELATIONS
from geosoil.numerics.threads import one_thread_each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
NUMBERS_AT_ONCE = 2**16
"""Numbers of a covariance matrix of the data sets that are computed together, so that they fit into the cache."""


@dataclass(frozen=True)
class BlockMatrices:
    """What the covariance of one block is made of, for the pairs of rows i > j, in the order of `torch.tril_indices`.

    Parameters
    ----------
    kernel : str
        A key of `CORRELATIONS`.
    distance : torch.Tensor of shape (..., n_pairs), float64
        Distances between the rows, as a share of the typical one.
    gram : torch.Tensor of shape (..., n_pairs), float64, or None
        Products of the rows divided by the number of features, for the linear term.
    squares : torch.Tensor of shape (..., n), float64, or None
        The products of the rows with themselves.
    """

    kernel: str
    distance: torch.Tensor
    gram: torch.Tensor | None = None
    squares: torch.Tensor | None = None

    @classmethod
    def of(cls, kernel: str, distance: torch.Tensor, gram: torch.Tensor | None = None) -> BlockMatrices:
        """Return the block of matrices of shape (..., n, n)."""
        lower = pair_indices(distance.shape[-1])
        if gram is None:
            return cls(kernel, distance[..., lower[0], lower[1]])
        diagonal = gram.diagonal(dim1=-2, dim2=-1)
        return cls(kernel, distance[..., lower[0], lower[1]], gram[..., lower[0], lower[1]], diagonal)

    @property
    def n_parameters(self) -> int:
        """The amplitude of the linear term, if there is one, then the amplitude and the length of the other."""
        return 2 + (self.gram is not None)

    def change(self, function: Callable[[torch.Tensor], torch.Tensor]) -> BlockMatrices:
        """Return the block with a function of each of its tensors."""
        gram, squares = (None if part is None else function(part) for part in (self.gram, self.squares))
        return BlockMatrices(self.kernel, function(self.distance), gram, squares)


def pair_indices(n: int) -> torch.Tensor:
    """Return the row and the column of every pair i > j of n rows, `(2, n_pairs)`."""
    import torch

    return torch.tril_indices(n, n, -1)


def priors(blocks: Sequence[BlockMatrices]) -> tuple[list[float], list[float]]:
    """Return the centres and the precisions of the normal priors of the logarithms, the noise last.

    >>> import torch
    >>> priors([BlockMatrices("rbf", torch.zeros(3))])
    ([-0.7, 0.0, -1.0], [0.1, 0.3, 0.1])
    """
    centres, precisions = [], []
    for block in blocks:
        n_amplitudes = block.n_parameters - 1
        centres += [*[LOG_AMPLITUDE] * n_amplitudes, LOG_LENGTH]
        precisions += [*[AMPLITUDE_PRECISION] * n_amplitudes, LENGTH_PRECISION]
    return [*centres, LOG_NOISE], [*precisions, NOISE_PRECISION]


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
        The blocks, whose leading axes broadcast to those of y.
    y : torch.Tensor of shape (..., n), float64
        Targets with mean 0.
    parameters : torch.Tensor of shape (..., n_parameters), float64
        Logarithms: for each block the amplitude of the linear term, if it has one, that of the other term, and its
        length; then the noise.
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
    return _Likelihood(blocks, y, known=known, noise=noise)(parameters, with_priors=with_priors)


class _Likelihood:
    """The likelihood of data sets of one shape.

    Its arrays are kept from evaluation to evaluation: to allocate them takes as long as the arithmetic. The terms of
    the covariance are the rows of one array, so that their sum and the gradient are one product each.
    """

    def __init__(
        self,
        blocks: Sequence[BlockMatrices],
        y: torch.Tensor,
        *,
        known: torch.Tensor | None,
        noise: torch.Tensor | None,
    ) -> None:
        import torch

        self.blocks, n = blocks, y.shape[-1]
        self.present = torch.ones_like(y) if known is None else known.to(y.dtype)
        self.n_known = self.present.sum(-1)
        self.y = y * self.present
        self.noise = LEAST_NOISE + (torch.zeros_like(y) if noise is None else noise)
        rows, columns = pair_indices(n)
        self.flat = rows * n + columns
        self.both = None if known is None else self.present[..., rows] * self.present[..., columns]
        self.matrix = y.new_zeros((*y.shape, n))
        self.factor, self.inverse = (y.new_empty((*y.shape, n)).mT for _ in range(2))  # as LAPACK returns them
        self.total, self.slope, self.part = (y.new_empty((*y.shape[:-1], len(rows))) for _ in range(3))
        self.centre, self.precision = (y.new_tensor(numbers) for numbers in priors(blocks))
        # The terms: the linear one of each block that has it, the correlation of each, and its derivative by the
        # length. `parameter` has the place of the amplitude or length that a term belongs to.
        lasts = np.cumsum([block.n_parameters for block in blocks]) - 1
        linear = [(block, last - 2) for block, last in zip(blocks, lasts, strict=True) if block.gram is not None]
        self.n_linear, self.n_sum = len(linear), len(linear) + len(blocks)
        self.parameter = torch.tensor([*(place for _, place in linear), *(lasts - 1), *lasts], device=y.device)
        self.amplitude = torch.cat([self.parameter[: self.n_sum], self.parameter[self.n_linear : self.n_sum]])
        self.terms = y.new_empty((*y.shape[:-1], len(self.parameter), len(rows)))
        self.on_diagonal = y.new_zeros((*y.shape[:-1], len(self.parameter), n))
        self.on_diagonal[..., self.n_linear : self.n_sum, :] = 1.0
        for k, (block, _) in enumerate(linear):
            assert block.gram is not None and block.squares is not None
            self.terms[..., k, :], self.on_diagonal[..., k, :] = block.gram, block.squares

    def __call__(self, parameters: torch.Tensor, *, with_priors: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the negative logarithm of the likelihood and its gradient, as `negative_evidence`."""
        gradient, alpha = self.gradient(parameters, with_priors=with_priors)
        value = 0.5 * (self.y * alpha).sum(-1) + self.factor.diagonal(dim1=-2, dim2=-1).log().sum(-1)
        value = value + 0.5 * self.n_known * math.log(2 * math.pi)
        if with_priors:
            value = value + 0.5 * (self.precision * (parameters - self.centre).square()).sum(-1)
        return value, gradient

    def gradient(self, parameters: torch.Tensor, *, with_priors: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradient, and the product of the inverse covariance and the targets."""
        import torch

        values = parameters.exp()
        rates = (-parameters[..., self.parameter[self.n_sum :]]).exp()  # one over the lengths
        for k, block in enumerate(self.blocks):
            scaled = torch.mul(block.distance, rates[..., k : k + 1], out=self.part)
            correlation, by_length = (self.terms[..., first + k, :] for first in (self.n_linear, self.n_sum))
            CORRELATIONS[block.kernel](scaled, correlation, by_length)
        amplitudes = values[..., self.amplitude]
        of_sum = amplitudes[..., None, : self.n_sum]
        total = torch.matmul(of_sum, self.terms[..., : self.n_sum, :], out=self.total[..., None, :])[..., 0, :]
        diagonal = (of_sum @ self.on_diagonal[..., : self.n_sum, :])[..., 0, :].add_(self.noise).add_(values[..., -1:])
        if self.both is not None:
            total.mul_(self.both)
            diagonal = self.present * diagonal + (1 - self.present)
        self.matrix.flatten(-2).index_copy_(-1, self.flat, total)
        self.matrix.diagonal(dim1=-2, dim2=-1).copy_(diagonal)
        factor = torch.linalg.cholesky(self.matrix, out=self.factor)  # it reads the lower triangle only
        inverse = torch.cholesky_inverse(factor, out=self.inverse)
        alpha = (inverse @ self.y[..., None])[..., 0]
        # The derivative by the covariance, symmetric; the matrix is not needed any more.
        by_covariance = inverse.mT.sub_(torch.mul(alpha[..., :, None], alpha[..., None, :], out=self.matrix))
        # Each pair of rows is in it twice.
        slope = torch.index_select(by_covariance.flatten(-2), -1, self.flat, out=self.slope)
        of_diagonal = 0.5 * by_covariance.diagonal(dim1=-2, dim2=-1)
        if self.both is not None:
            slope.mul_(self.both)
            of_diagonal = of_diagonal * self.present
        by_term = (self.terms @ slope[..., None] + self.on_diagonal @ of_diagonal[..., None])[..., 0]
        gradient = torch.empty_like(parameters)
        gradient[..., self.parameter] = amplitudes * by_term
        gradient[..., -1] = values[..., -1] * of_diagonal.sum(-1)
        if with_priors:
            gradient.addcmul_(self.precision, parameters - self.centre)
        return gradient, alpha


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
        As `negative_evidence` takes them.
    value : torch.Tensor of shape (...,), float64
        The logarithm of the marginal likelihood at the last evaluation, without the prior.

    References
    ----------
    Kingma and Ba 2015, Adam: a method for stochastic optimization, algorithm 1.

    Examples
    --------
    >>> import torch
    >>> x = torch.linspace(0, 4, 40, dtype=torch.float64)
    >>> blocks = [BlockMatrices.of("rbf", (x[:, None] - x).abs())]
    >>> parameters, _ = maximise_evidence(blocks, torch.sin(2 * x))
    >>> bool(parameters[-1] < -4)  # there is no noise
    True
    """
    import torch

    shape, n = y.shape[:-1], y.shape[-1]

    def flat(values: torch.Tensor) -> torch.Tensor:
        return values.expand(*shape, values.shape[-1]).reshape(-1, values.shape[-1])

    ys = flat(y)
    parts = [block.change(flat) for block in blocks]
    of_rows = {name: None if v is None else flat(v) for name, v in (("known", known), ("noise", noise))}
    at_once = max(NUMBERS_AT_ONCE // n**2, 1) if y.device.type == "cpu" else len(ys)
    results = []
    with one_thread_each():  # so that the result does not depend on the number of threads
        for first in range(0, len(ys), at_once):
            here: Any = slice(first, first + at_once) if at_once > 1 else first  # a single one needs no leading axis
            some = {name: None if values is None else values[here] for name, values in of_rows.items()}
            matrices = [block.change(lambda values, here=here: values[here]) for block in parts]  # type: ignore[misc]
            results.append(_search(matrices, ys[here], n_iterations, **some))
    join = torch.cat if at_once > 1 else torch.stack
    parameters, value = (join(values) for values in zip(*results, strict=True))
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

    likelihood = _Likelihood(blocks, y, known=known, noise=noise)
    parameters = likelihood.centre.expand(*y.shape[:-1], -1).clone()
    # Adam is written out: importing torch.optim takes seconds, which is longer than many searches.
    mean, square = torch.zeros_like(parameters), torch.zeros_like(parameters)
    for i in range(n_iterations):
        gradient, _ = likelihood.gradient(parameters)
        mean = DECAY_OF_MEAN * mean + (1 - DECAY_OF_MEAN) * gradient
        square = DECAY_OF_SQUARE * square + (1 - DECAY_OF_SQUARE) * gradient.square()
        rate = RATE * 0.1 ** (i / max(n_iterations - 1, 1)) / (1 - DECAY_OF_MEAN ** (i + 1))
        parameters -= rate * mean / ((square / (1 - DECAY_OF_SQUARE ** (i + 1))).sqrt() + 1e-8)
    value, _ = likelihood(parameters, with_priors=False)
    return parameters, -value
