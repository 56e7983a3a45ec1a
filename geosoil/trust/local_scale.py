"""How the expected error of a prediction varies with what a pixel tells: a smooth function of few parameters.

The indicators are the predicted value, the dissimilarity to the training rows and the spread between members, trees or
draws of a model. The local scale is log-linear in them:

    log s = sum over indicators of b_j (t_j - mean of t_j),    t_j = log(x_j + offset_j), or x_j if it may be negative

with t_j limited to the range that was observed with errors. It has no unit: its logarithm is 0 on average, and the
size of the errors is that of the scores. The slopes b_j are fitted to absolute residuals by the likelihood of a Laplace
distribution with a Gaussian prior around 0, which is a convex problem with one solution.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    from collections.abc import Mapping

PREDICTED, DISSIMILARITY, SPREAD = "predicted", "dissimilarity", "spread"
INDICATORS = (PREDICTED, DISSIMILARITY, SPREAD)
GROWING = frozenset({DISSIMILARITY, SPREAD})  # the expected error does not become smaller where they grow
FEWEST_SAMPLES = 30  # with fewer, the scale is constant
# Precision of the prior for the effect of an indicator per standard deviation: effects of an eighth are expected.
# In simulated errors this gave the narrowest intervals, with and without a local scale in the truth.
PRIOR_PRECISION = 64.0
LEAST_GAIN = 1.0  # of the logarithm of the likelihood, below which the scale remains constant
OFFSET_SHARE = 0.1  # of the median of an indicator, so that its logarithm is finite at 0
WITHOUT_LOGARITHM = -1.0
BEYOND = float(np.log(2))  # growing indicators count up to twice the largest value that was observed with an error


@dataclass(frozen=True, eq=False)
class LocalScale:
    """A fitted local scale, without unit.

    Parameters
    ----------
    log_scale : float
        Logarithm of the scale where all t_j are 0.
    indicators : tuple of str
        Names of `INDICATORS`, in the order of the arrays; empty for a constant scale of 1.
    slopes : ndarray of shape (n_indicators,)
        The b_j, not smaller than 0 for dissimilarity and spread.
    offsets : ndarray of shape (n_indicators,)
        Added to an indicator before its logarithm; -1 for an indicator that is used without logarithm.
    lowest, highest : ndarray of shape (n_indicators,)
        The limits of t_j.

    Examples
    --------
    >>> scale = LocalScale(0.0, ("spread",), np.array([1.0]), np.array([0.5]), np.array([-9.0]), np.array([9.0]))
    >>> scale({"spread": np.array([0.5, 1.5], np.float32)}, (2,)).round(6).tolist()
    [1.0, 2.0]
    """

    log_scale: float
    indicators: tuple[str, ...]
    slopes: np.ndarray
    offsets: np.ndarray
    lowest: np.ndarray
    highest: np.ndarray

    def __call__(self, values: Mapping[str, np.ndarray], shape: tuple[int, ...]) -> np.ndarray:
        """Return the scale, of the given shape: float32 for indicators of float32, else float64.

        Parameters
        ----------
        values : mapping of str to ndarray
            The indicators by name, each of the given shape. NaN in an indicator gives NaN.
        shape : tuple of int
        """
        kind: np.dtype = np.result_type(np.float32, *(values[name].dtype for name in self.indicators))
        log_scale = np.full(shape, self.log_scale, kind)
        for name, slope, offset, low, high in zip(
            self.indicators, self.slopes, self.offsets, self.lowest, self.highest, strict=True
        ):
            # Contiguous values are computed in the same way in every block that they may be part of.
            t = np.ascontiguousarray(_transformed(np.asarray(values[name], kind), offset))
            t = np.clip(t, kind.type(low), kind.type(high))
            log_scale += kind.type(slope) * t
        return np.exp(log_scale, out=log_scale)

    def centred_on(self, values: Mapping[str, np.ndarray]) -> LocalScale:
        """Return the same scale whose logarithm is 0 on average over rows with these indicators, shape (n,) each."""
        if not self.indicators:
            return self
        mean = float(np.log(self(values, values[self.indicators[0]].shape)).mean())
        return replace(self, log_scale=self.log_scale - mean)


CONSTANT = LocalScale(0.0, (), *np.zeros((4, 0)))
"""The scale that is 1 everywhere."""


def fit_local_scale(
    residuals: np.ndarray, indicators: Mapping[str, np.ndarray], n_samples: int | None = None
) -> LocalScale:
    """Fit a local scale to residuals of rows that the model has not learned from.

    The scale is constant for fewer than `FEWEST_SAMPLES` samples, for constant indicators, and where the indicators do
    not explain the size of the residuals.

    Parameters
    ----------
    residuals : ndarray of shape (n,)
        Finite numbers; only their size is used.
    indicators : mapping of str to ndarray of shape (n,)
        Any of `INDICATORS`, finite numbers. Dissimilarity and spread are not negative.
    n_samples : int, optional
        The number of different samples, if some have several residuals; by default n.

    Returns
    -------
    LocalScale
        Centred on these rows.

    Raises
    ------
    SamplesError
        If there are no residuals, or a number is NaN or infinite.

    Examples
    --------
    >>> spread = np.linspace(1, 10, 1000)
    >>> scale = fit_local_scale(np.resize([1.0, -1.0], 1000) * spread, {"spread": spread})
    >>> bool(scale.slopes[0] > 0.8)
    True
    """
    from scipy.optimize import minimize

    size = np.abs(np.asarray(residuals, np.float64))
    columns = {name: np.asarray(indicators[name], np.float64) for name in INDICATORS if name in indicators}
    if not len(size) or not all(np.isfinite(values).all() for values in (size, *columns.values())):
        raise SamplesError(
            "residuals", found="no rows, or NaN", expected="finite numbers", way_out="leave out rows without a value"
        )
    mean = size.mean()
    offsets = {name: _offset(name, values) for name, values in columns.items()}
    transformed = {name: _transformed(values, offsets[name]) for name, values in columns.items()}
    names = tuple(name for name, t in transformed.items() if t.std() > 1e-6 * (1 + np.abs(t).max()))
    n_samples = len(size) if n_samples is None else n_samples
    if n_samples < FEWEST_SAMPLES or mean == 0 or not names:
        return CONSTANT
    T = np.column_stack([transformed[name] for name in names])
    centre, deviation = T.mean(axis=0), T.std(axis=0)
    standardised, growing = (T - centre) / deviation, np.array([name in GROWING for name in names])
    found = minimize(
        _penalised_loss,
        np.zeros(len(names) + 1),
        args=(size / mean, standardised, n_samples),
        jac=True,
        method="L-BFGS-B",
        bounds=[(None, None), *((0.0 if grows else None, None) for grows in growing)],
        options={"maxiter": 200, "ftol": 1e-12, "gtol": 1e-8},
    ).x
    gain = n_samples * (1 - _mean_loss(found, size / mean, standardised))
    if gain < LEAST_GAIN:
        return CONSTANT
    slopes = found[1:] / deviation
    chosen = slopes != 0
    scale = LocalScale(
        0.0,
        tuple(name for name, kept in zip(names, chosen, strict=True) if kept),
        slopes[chosen],
        np.array([offsets[name] for name in names])[chosen],
        T.min(axis=0)[chosen],
        (T.max(axis=0) + np.where(growing, BEYOND, 0.0))[chosen],
    )
    return scale.centred_on(columns)


def _mean_loss(parameters: np.ndarray, size: np.ndarray, T: np.ndarray) -> float:
    log_scale = parameters[0] + T @ parameters[1:]
    return float(np.mean(log_scale + size * np.exp(-np.clip(log_scale, -50, 50))))


def _penalised_loss(
    parameters: np.ndarray, size: np.ndarray, T: np.ndarray, n_samples: int
) -> tuple[float, np.ndarray]:
    precision, slopes = PRIOR_PRECISION / n_samples, parameters[1:]
    gradient = 1 - size * np.exp(-np.clip(parameters[0] + T @ slopes, -50, 50))
    return (
        _mean_loss(parameters, size, T) + precision / 2 * float(slopes @ slopes),
        np.concatenate([[gradient.mean()], T.T @ gradient / len(size) + precision * slopes]),
    )


def _offset(name: str, values: np.ndarray) -> float:
    """Return what is added before the logarithm; no logarithm for predicted values of which some are negative."""
    positive = values[values > 0]
    if (name == PREDICTED and values.min(initial=0) < 0) or not len(positive):
        return WITHOUT_LOGARITHM
    return OFFSET_SHARE * float(np.median(positive))


def _transformed(values: np.ndarray, offset: float) -> np.ndarray:
    if offset == WITHOUT_LOGARITHM:
        return values
    return np.log(np.maximum(values, 0) + values.dtype.type(offset))
