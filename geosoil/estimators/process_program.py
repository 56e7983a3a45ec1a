"""The mean and the variance of a Gaussian process as programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.program.kernel_sum import KernelSum
from geosoil.program.kernels import Covariance, rate_of
from geosoil.program.ops import Affine, Elementwise, Op, Program, Select
from geosoil.program.parallel import Parallel

if TYPE_CHECKING:
    from geosoil.estimators.process_blocks import ScaledBlock
    from geosoil.estimators.process_posterior import Posterior


def mean_program(posterior: Posterior, trend: list[int] | None) -> Program:
    """Return the program of the mean, one output in standard deviations of the target.

    Parameters
    ----------
    posterior : Posterior
    trend : list of int or None
        Columns of the trend, beside the intercept.

    Returns
    -------
    tuple of Op
    """
    branches: list[Program] = []
    intercept = float(posterior.trend_weights[0]) if trend == [] else 0.0  # which a block of place adds in float64
    for (block, linear, amplitude, length), rows in zip(posterior.kernel.terms(), posterior.rows, strict=True):
        if block.block.place:
            branches += _place_branches(block, rows, linear, amplitude * posterior.weights, length, intercept)
            intercept = 0.0
            continue
        kernel = Covariance(rows, rate_of(block.block.kernel, length), block.block.kernel, amplitude)
        parts: list[Program] = [(kernel, Affine(posterior.weights[None], np.zeros(1)))]
        if linear:
            parts.append((Affine(linear * (posterior.weights @ rows)[None], np.zeros(1)),))
        branches.append((*block.lower(), *(parts[0] if len(parts) == 1 else (Parallel(tuple(parts), "sum"),))))
    if trend or intercept:
        branches.append(_trend_branch(trend or [], posterior.trend_weights))
    return branches[0] if len(branches) == 1 else (Parallel(tuple(branches), "sum"),)


def _place_branches(
    block: ScaledBlock, rows: np.ndarray, linear: float, weights: np.ndarray, length: float, intercept: float
) -> list[Program]:
    """Return the programs of a block of place, whose covariances are computed in float64 from the coordinates."""
    rate = rate_of(block.block.kernel, length)
    covariances = KernelSum(rows, block.centre, block.scale, rate, block.block.kernel, weights, intercept)
    branches: list[Program] = [(*block.block.lower(), covariances)]
    if linear:
        branches.append((*block.lower(), Affine(linear * (weights @ rows)[None], np.zeros(1))))
    return branches


def _trend_branch(columns: list[int], weights: np.ndarray) -> Program:
    """Return the program of the trend; an intercept alone reads one column, to know the number of pixels."""
    return (
        Select(np.array(columns or [0])),
        Affine(np.atleast_2d(weights[1:] if columns else np.zeros(1)), weights[:1].copy()),
    )


def moments_program(posterior: Posterior, trend: list[int] | None) -> Program:
    """Return the program of the mean and the variance without noise, in standard deviations of the target.

    The covariances with the training rows are computed once for both.

    Parameters
    ----------
    posterior, trend
        As `mean_program` takes them.

    Returns
    -------
    tuple of Op
    """
    n = len(posterior.weights)
    branches: list[Program] = []  # of n covariances and the prior variance
    for (block, linear, amplitude, length), rows in zip(posterior.kernel.terms(), posterior.rows, strict=True):
        rate = rate_of(block.block.kernel, length)
        branches.append((*block.lower(), Covariance(rows, rate, block.block.kernel, amplitude, linear, True)))
    first: Op = Parallel(tuple(branches), "sum")
    columns = [] if trend is None else trend
    n_trend = len(posterior.trend_weights)
    with_columns = Parallel(((first,), (Select(np.array(columns)),)), "concat") if columns else first
    # The inputs from here on: n covariances, the prior variance, the columns of the trend.
    zeros = np.zeros((len(columns),))
    intercept = posterior.trend_weights[:1] if n_trend else np.zeros(1)
    mean = Affine(np.concatenate([posterior.weights, [0], posterior.trend_weights[1:]])[None], intercept)
    of_trend = posterior.trend_whitening
    white = np.vstack(
        [
            np.hstack([posterior.whitening, np.zeros((n, 1 + len(columns)))]),
            np.hstack([of_trend[:, n_trend:], np.zeros((n_trend, 1)), of_trend[:, 1:n_trend]]),
        ]
    )
    signs = np.concatenate([-np.ones(n), np.ones(n_trend)])[None]
    bias = np.concatenate([np.zeros(n), of_trend[:, 0] if n_trend else np.zeros(0)])
    explained: Program = (Affine(white, bias), Elementwise("square"), Affine(signs, np.zeros(1)))
    prior_alone: Program = (Affine(np.concatenate([np.zeros(n), [1.0], zeros])[None], np.zeros(1)),)
    variance: Program = (Parallel((explained, prior_alone), "sum"),)
    return (with_columns, Parallel(((mean,), variance), "concat"))
