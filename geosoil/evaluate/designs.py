"""Accuracy of a map from independent points, with the uncertainty that the way of choosing the points allows.

Simple random and stratified random samples are probability samples: the figures are estimates for the whole area, and
their standard errors follow from the design alone, without a model (Brus et al. 2011). For points that somebody chose,
nothing follows from a design; a bootstrap only shows how far the figures depend on the points at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from geosoil.errors import SamplesError
from geosoil.evaluate.metrics import METRICS, regression_metrics
from geosoil.evaluate.resampling import LEVEL, bootstrap_interval

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCURACY = ("r2", "rmse", "bias", "ccc")
"""The figures of `accuracy`, all of them names of `METRICS`."""
FEWEST = 2  # points from which a standard error can be estimated


@dataclass(frozen=True)
class Estimate:
    """An estimate with its standard error and the ends of its 95 % confidence interval; NaN where not known."""

    value: float
    standard_error: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Design:
    """A probability sample of an area: each point has the stratum that it was drawn in at random.

    A simple random sample is one stratum. The sampled pixels are taken to be a small part of all pixels.

    Parameters
    ----------
    strata : ndarray of shape (n,)
        The stratum of each point of the sample, also of those whose value is not known.
    shares : mapping
        The share of the area of each stratum; the shares of the strata with points need not add up to 1.

    Raises
    ------
    SamplesError
        If a stratum has no area, or fewer than two points.

    References
    ----------
    Brus, Kempen & Heuvelink (2011), Sampling for validation of digital soil maps. European Journal of Soil Science 62.
    Särndal, Swensson & Wretman (1992), Model Assisted Survey Sampling, sections 5.5 to 5.8.
    """

    strata: np.ndarray
    shares: Mapping[object, float]

    def __post_init__(self) -> None:
        names, counts = np.unique(self.strata, return_counts=True)
        without = [str(name) for name in names if not self.shares.get(name, 0) > 0]
        if without:
            raise SamplesError(
                "strata",
                found=f"no area of stratum {', '.join(without[:5])}",
                expected="an area above 0 for each stratum that has points",
                way_out="correct the names or the areas of the strata",
            )
        single = [str(name) for name, count in zip(names, counts, strict=True) if count < FEWEST]
        if single:
            raise SamplesError(
                "strata",
                found=f"one point in stratum {', '.join(single[:5])}",
                expected="two or more, without which its variance is not known",
                way_out="merge it with a similar stratum, or add points",
            )

    @classmethod
    def random(cls, n: int) -> Design:
        """Return the design of a simple random sample of n points."""
        return cls(np.zeros(n, int), {0: 1.0})

    @cached_property
    def weights(self) -> np.ndarray:
        """The share of the area that each point represents, `(n,)`; they add up to 1."""
        names, index, counts = np.unique(self.strata, return_inverse=True, return_counts=True)
        areas = np.array([self.shares[name] for name in names], dtype=np.float64)
        return np.asarray((areas / areas.sum() / counts)[index])

    def mean(self, values: np.ndarray, domain: np.ndarray) -> float:
        """Return the estimated mean of values `(n,)` over the part of the area that points of `domain` represent."""
        return float(np.sum(self.weights[domain] * values[domain]) / np.sum(self.weights[domain]))

    def variance(self, values: np.ndarray, domain: np.ndarray) -> float:
        """Return the estimated variance of `mean`, a ratio of two totals, by linearisation.

        >>> values = np.array([1.0, 2.0, 4.0, 5.0])
        >>> design, all_points = Design.random(4), np.ones(4, bool)
        >>> design.mean(values, all_points), round(design.variance(values, all_points), 6)  # the variance s^2 / n
        (3.0, 0.833333)
        """
        share = float(np.sum(self.weights[domain]))
        deviations = np.zeros(len(self.strata))
        deviations[domain] = (values[domain] - self.mean(values, domain)) / share
        total = 0.0
        for name in np.unique(self.strata):
            members = self.strata == name
            n = int(members.sum())
            share_of_stratum = float(self.weights[members].sum())
            total += share_of_stratum**2 * float(np.var(deviations[members], ddof=1)) / n
        return total

    def degrees_of_freedom(self, domain: np.ndarray) -> int:
        """Return the number of points of a domain minus the number of their strata, at least 1."""
        return max(1, int(domain.sum()) - len(np.unique(self.strata[domain])))

    def effective_size(self, values: np.ndarray, domain: np.ndarray) -> float:
        """Return the size of a simple random sample that would estimate the mean of 0 and 1 equally well."""
        share, variance = self.mean(values, domain), self.variance(values, domain)
        n = int(domain.sum())
        if variance > 0 and 0 < share < 1:
            return min(float(n), share * (1 - share) / variance * n / (n - 1))
        weights = self.weights[domain]
        return float(weights.sum() ** 2 / np.sum(weights**2))


def accuracy(
    observed: np.ndarray,
    predicted: np.ndarray,
    *,
    design: Design | None,
    domain: np.ndarray | None = None,
    level: float = LEVEL,
) -> dict[str, Estimate]:
    """Estimate the accuracy of a map, or of a part of it, from independent points.

    Parameters
    ----------
    observed, predicted : ndarray of shape (n,)
        Values of all points; they may be NaN outside of `domain`.
    design : Design or None
        The probability sample, or None for purposive points, whose figures get bootstrap intervals.
    domain : ndarray of shape (n,), bool, optional
        The points of the part of the map; default: all.
    level : float
        Level of the confidence intervals.

    Returns
    -------
    dict of str to Estimate
        The metrics of `ACCURACY`; rmse and bias in the unit of the values. With a design, the standard errors come
        from linearisation, and the intervals of rmse, 1 - r2 and ccc are computed on the scales of the logarithm and of
        Fisher's z, on which they cannot leave the valid range. The metrics of a simple random sample are those of
        `regression_metrics`.

    Raises
    ------
    SamplesError
        If the domain has no points, or a value there is NaN.

    References
    ----------
    Brus, Kempen & Heuvelink (2011), Sampling for validation of digital soil maps. European Journal of Soil Science 62.

    Examples
    --------
    >>> observed, predicted = np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0, 2.0, 5.0, 5.0])
    >>> bias = accuracy(observed, predicted, design=Design.random(4))["bias"]
    >>> bias.value, round(bias.standard_error, 4)  # the standard error of a mean: 0.8165 / 2
    (1.0, 0.4082)
    """
    domain = np.ones(len(observed), bool) if domain is None else domain
    regression_metrics(observed[domain], predicted[domain])  # refuses NaN and empty input
    if design is None:
        return {name: _bootstrap(name, observed[domain], predicted[domain], level) for name in ACCURACY}
    o, p = np.where(domain, observed, 0.0), np.where(domain, predicted, 0.0)
    error, mean_o, mean_p = p - o, design.mean(o, domain), design.mean(p, domain)
    quantile = float(student.ppf((1 + level) / 2, design.degrees_of_freedom(domain)))
    is_enough = int(domain.sum()) >= FEWEST

    def standard_error(values: np.ndarray) -> float:
        return float(np.sqrt(design.variance(values, domain))) if is_enough else float("nan")

    bias, bias_se = design.mean(error, domain), standard_error(error)
    mse, mse_se = design.mean(error**2, domain), standard_error(error**2)
    rmse = float(np.sqrt(mse))
    factor = float(np.exp(quantile * mse_se / mse)) if mse > 0 else 1.0
    estimates = {
        "rmse": Estimate(
            rmse, mse_se / (2 * rmse) if mse > 0 else mse_se, rmse / np.sqrt(factor), rmse * np.sqrt(factor)
        ),
        "bias": Estimate(bias, bias_se, bias - quantile * bias_se, bias + quantile * bias_se),
    }
    unknown = Estimate(*[float("nan")] * 4)
    spread = (o - mean_o) ** 2
    variance = design.mean(spread, domain)
    is_varied = np.isfinite(METRICS["r2"].function(observed[domain], predicted[domain])) and variance > 0
    if is_varied:
        r2, se = 1 - mse / variance, standard_error((error**2 - mse / variance * spread) / variance)
        factor = float(np.exp(quantile * se / (1 - r2))) if mse > 0 else 1.0
        estimates["r2"] = Estimate(r2, se, 1 - (1 - r2) * factor, 1 - (1 - r2) / factor)
        shift = mean_o - mean_p
        whole = spread + (p - mean_p) ** 2 + 2 * shift * (o - p - shift) + shift**2
        most = design.mean(whole, domain)
        ccc, se = 1 - mse / most, standard_error((error**2 - mse / most * whole) / most)
        step = quantile * se / (1 - ccc**2) if abs(ccc) < 1 else 0.0
        z = float(np.arctanh(ccc)) if abs(ccc) < 1 else float(np.copysign(np.inf, ccc))
        estimates["ccc"] = Estimate(ccc, se, float(np.tanh(z - step)), float(np.tanh(z + step)))
    return {name: estimates.get(name, unknown) for name in ACCURACY}


def _bootstrap(name: str, observed: np.ndarray, predicted: np.ndarray, level: float) -> Estimate:
    interval = bootstrap_interval(METRICS[name].function, observed, predicted[None], level=level)
    if len(observed) < FEWEST:
        return Estimate(interval.estimate, np.nan, np.nan, np.nan)
    return Estimate(interval.estimate, interval.standard_error, interval.low, interval.high)
