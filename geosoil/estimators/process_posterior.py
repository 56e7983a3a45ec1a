"""A Gaussian process given its hyper-parameters and the training rows: predictions, variances, leave-one-out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import cholesky, eigh, solve_triangular

from geosoil.estimators.process_blocks import ScaledBlock, squared_distances
from geosoil.numerics.covariance import correlation

if TYPE_CHECKING:
    from collections.abc import Sequence

ROWS_AT_ONCE = 4096


@dataclass(frozen=True)
class Kernel:
    """The covariance function of a process whose hyper-parameters are known.

    Parameters
    ----------
    blocks : list of ScaledBlock
    parameters : ndarray of shape (n_parameters,)
        Logarithms, as `geosoil.numerics.evidence.covariance` takes them.
    """

    blocks: Sequence[ScaledBlock]
    parameters: np.ndarray

    def terms(self) -> list[tuple[ScaledBlock, float, float, float]]:
        """Return each block with the amplitudes of its linear and its stationary term, and its length."""
        values, first, terms = np.exp(self.parameters), 0, []
        for block in self.blocks:
            linear = float(values[first]) * block.linear_scale if block.block.linear else 0.0
            first += int(block.block.linear)
            terms.append((block, linear, float(values[first]), float(values[first + 1])))
            first += 2
        return terms

    def by_block(self, rows: list[np.ndarray], others: list[np.ndarray] | None = None) -> list[np.ndarray]:
        """Return the part of each block in the covariance between scaled rows, each `(n, m)`."""
        import torch

        parts = []
        for i, (block, linear, amplitude, length) in enumerate(self.terms()):
            first, second = rows[i], rows[i] if others is None else others[i]
            squares = squared_distances(first, None if others is None else second)
            distance = torch.from_numpy(np.sqrt(squares, out=squares))
            part = correlation(block.block.kernel, distance, length).mul_(amplitude).numpy()
            if linear:
                part += (linear * first) @ second.T
            parts.append(part)
        return parts

    def between(self, rows: list[np.ndarray], others: list[np.ndarray] | None = None) -> np.ndarray:
        """Return the covariance between scaled rows, `(n, m)`, without noise."""
        return np.asarray(np.sum(self.by_block(rows, others), axis=0))

    def variance(self, rows: list[np.ndarray]) -> np.ndarray:
        """Return the prior variance of scaled rows, `(n,)`, without noise."""
        total = np.zeros(len(rows[0]))
        for (_, linear, amplitude, _), values in zip(self.terms(), rows, strict=True):
            total += amplitude + linear * (values**2).sum(axis=1)
        return total


@dataclass(frozen=True)
class Posterior:
    """What predictions are made of; all is in standard deviations of the target, whose mean is subtracted.

    Parameters
    ----------
    kernel : Kernel
    rows : list of ndarray of shape (n_rows, n_columns)
        Scaled columns of the rows that a new row is compared with, by block.
    weights : ndarray of shape (n_rows,)
        The mean is the sum of the covariances with these weights.
    whitening : ndarray of shape (n_rows, n_rows)
        The matrix whose product with the covariances has the squared length by which the rows reduce the variance.
    trend_weights : ndarray of shape (n_trend,)
        Coefficients of the trend.
    trend_whitening : ndarray of shape (n_trend, n_trend + n_rows)
        The matrix whose product with the trend's columns and the covariances has the squared length by which the
        estimation of the trend increases the variance.
    """

    kernel: Kernel
    rows: list[np.ndarray]
    weights: np.ndarray
    whitening: np.ndarray
    trend_weights: np.ndarray
    trend_whitening: np.ndarray

    def moments(
        self, rows: list[np.ndarray], trend: np.ndarray, *, with_variance: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean and the variance of the process without noise at scaled rows.

        Parameters
        ----------
        rows : list of ndarray of shape (n, n_columns)
            Scaled columns by block.
        trend : ndarray of shape (n, n_trend)
            Columns of the trend.
        with_variance : bool
            Whether the variance is computed; it is NaN otherwise.

        Returns
        -------
        mean, variance : ndarray of shape (n,)
        """
        n = len(rows[0])
        mean, variance = np.empty(n), np.full(n, np.nan)
        for first in range(0, n, ROWS_AT_ONCE):
            here = slice(first, first + ROWS_AT_ONCE)
            part = [values[here] for values in rows]
            between = self.kernel.between(part, self.rows)
            mean[here] = between @ self.weights + trend[here] @ self.trend_weights
            if with_variance:
                explained = ((between @ self.whitening.T) ** 2).sum(axis=1)
                of_trend = np.column_stack([trend[here], between]) @ self.trend_whitening.T
                variance[here] = self.kernel.variance(part) - explained + (of_trend**2).sum(axis=1)
        return mean, variance


def posterior_of_rows(
    kernel: Kernel, rows: list[np.ndarray], y: np.ndarray, noise: np.ndarray, trend: np.ndarray
) -> tuple[Posterior, np.ndarray, np.ndarray]:
    """Compute the exact process, and what it predicts of each row from the others.

    Parameters
    ----------
    kernel : Kernel
    rows : list of ndarray of shape (n, n_columns)
        Scaled training rows by block.
    y : ndarray of shape (n,)
        Standardised target.
    noise : ndarray of shape (n,)
        Variance of the noise of each row.
    trend : ndarray of shape (n, n_trend)
        Columns of the trend, possibly none.

    Returns
    -------
    posterior : Posterior
    loo_mean, loo_variance : ndarray of shape (n,)
        Leave-one-out predictions and their variances with noise. The coefficients of the trend are estimated without
        the row as well.

    References
    ----------
    Rasmussen and Williams 2006, equations 2.25, 2.26, 2.41, 2.42, 5.12. Dubrule 1983, Mathematical Geology 15,
    687-699, for the trend in leave-one-out predictions.
    """
    covariance = kernel.between(rows)
    covariance[np.diag_indices(len(y))] += noise
    factor = cholesky(covariance, lower=True)
    whitening = solve_triangular(factor, np.eye(len(y)), lower=True)
    inverse = whitening.T @ whitening
    n_trend = trend.shape[1]
    coefficients, trend_whitening = np.zeros(n_trend), np.zeros((n_trend, n_trend + len(y)))
    if n_trend:
        white = whitening @ trend
        of_trend = solve_triangular(cholesky(white.T @ white, lower=True), np.eye(n_trend), lower=True)
        coefficients = of_trend.T @ of_trend @ (white.T @ (whitening @ y))
        gain = of_trend @ white.T @ whitening
        trend_whitening = np.hstack([of_trend, -gain])
        inverse = inverse - gain.T @ gain
    weights = whitening.T @ (whitening @ (y - trend @ coefficients))
    precision = np.diag(inverse)
    posterior = Posterior(kernel, rows, weights, whitening, coefficients, trend_whitening)
    return posterior, y - inverse @ y / precision, 1 / precision


def posterior_by_inducing_rows(
    kernel: Kernel, rows: list[np.ndarray], y: np.ndarray, noise: np.ndarray, inducing: np.ndarray
) -> tuple[Posterior, np.ndarray, np.ndarray]:
    """Approximate the process by the rows of some indices (Titsias 2009); as `posterior_of_rows` otherwise.

    Parameters
    ----------
    kernel, rows, y, noise
        As `posterior_of_rows` takes them.
    inducing : ndarray of int, shape (m,)
        Indices of the inducing rows.

    Returns
    -------
    posterior : Posterior
        It compares new rows with the m inducing rows.
    loo_mean, loo_variance : ndarray of shape (n,)
        Leave-one-out predictions and their variances with noise, for the inducing rows as they are.
    """
    chosen = [values[inducing] for values in rows]
    among = kernel.between(chosen)
    among[np.diag_indices(len(inducing))] += 1e-8 * np.trace(among) / len(inducing)
    root = solve_triangular(cholesky(among, lower=True), np.eye(len(inducing)), lower=True)
    white = root @ kernel.between(chosen, rows)  # (m, n): the process in the space of the inducing rows
    scaled = white / np.sqrt(noise)
    values, vectors = eigh(np.eye(len(inducing)) + scaled @ scaled.T)
    rotated = vectors.T @ scaled / np.sqrt(values)[:, None]  # its columns' squared lengths are the leverages
    weights = root.T @ (vectors @ ((vectors.T @ (scaled @ (y / np.sqrt(noise)))) / values))
    whitening = np.sqrt(np.maximum(1 - 1 / values, 0))[:, None] * (vectors.T @ root)
    posterior = Posterior(kernel, chosen, weights, whitening, np.zeros(0), np.zeros((0, len(inducing))))
    precision = (1 - (rotated**2).sum(axis=0)) / noise
    alpha = (y - white.T @ (root @ among @ weights)) / noise
    unexplained = np.maximum(kernel.variance(rows) - (white**2).sum(axis=0), 0)
    return posterior, y - alpha / precision, 1 / precision + unexplained
