"""Prediction intervals of a map: a state of few numbers, fitted to the scores of a model, and bounds for every pixel.

    error on the upper side = q s exp(skew),    on the lower side = q s exp(-skew)

The local scale s is that of `local_scale.py`. The skew makes one side longer where the errors are, and q is a quantile
of the scores: that of Harrell and Davis, a mean of the scores around the rank whose weights are those of a beta
distribution, which varies less from sample to sample than one score does; where fewer than `FEWEST_BEYOND` scores lie
beyond, it is the score of the finite-sample rule of `conformal.py`. A score is the distance of an observed value from
its prediction, in units of the side on which it lies; scale and skew of a score are fitted without the samples of its
group. Under a logarithm all of this applies to ln(y).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.special import betainc

from geosoil.trust.conformal import conformal_rank, require_scores, widest_level
from geosoil.trust.local_scale import GROWING, INDICATORS, PREDICTED, WITHOUT_LOGARITHM, LocalScale, fit_local_scale
from geosoil.trust.stored import checked_card

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from geosoil.trust.scores import Scores

ValidRange = tuple[float | None, float | None]
FEWEST_FOR_SKEW = 30
CHANCE = 2.0  # a skew counts if it is larger than this many variances, squared
MOST_SKEW = 1.0
FEWEST_BEYOND = 2.0  # expected scores beyond a quantile, below which the mean of scores would cover too little
MOST_SCORES = 50_000_000  # that a model folder may hold
ARRAYS = ("scores", "scale")


class IntervalCard(BaseModel):
    """The numbers of an `IntervalState` as a model's card holds them; its arrays are those of `ARRAYS`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, strict=True)

    n_samples: int = Field(ge=1)
    log_scale: float = Field(ge=-100, le=100)
    indicators: list[str] = Field(default_factory=list, max_length=len(INDICATORS))
    skew: float = Field(ge=-MOST_SKEW, le=MOST_SKEW)
    logarithm: bool = False
    split: str = Field("", max_length=200)


@dataclass(frozen=True, eq=False)
class IntervalState:
    """Everything that the prediction intervals of one target need beside the predictions and the indicators.

    Parameters
    ----------
    scores : ndarray of shape (n_scores,)
        Sorted, not negative, in the unit of the target, or without unit under a logarithm.
    n_samples : int
        The number of different samples that they come from.
    scale : LocalScale
    skew : float
        Logarithm of how much longer the upper side is than the mean of both.
    logarithm : bool
        Whether the errors are those of ln(y).
    split : str
        How the rows of the scores were divided.
    """

    scores: np.ndarray
    n_samples: int
    scale: LocalScale
    skew: float = 0.0
    logarithm: bool = False
    split: str = ""

    @property
    def indicators(self) -> tuple[str, ...]:
        """The indicators that `bounds` needs beside the predicted value."""
        return tuple(name for name in self.scale.indicators if name != PREDICTED)

    @property
    def widest_level(self) -> float:
        """The highest level for which there are enough samples."""
        return widest_level(self.n_samples)

    def quantile(self, level: float) -> float:
        """Return the quantile of the scores at a level, for `n_samples` samples.

        Where samples have several scores, of several repeats, the share of the scores replaces the rank.

        Raises
        ------
        SamplesError
            For a level outside 0 to 1, or one that needs more samples; the message names the highest possible level.

        References
        ----------
        Harrell & Davis (1982), A new distribution-free quantile estimator. Biometrika 69.
        """
        if level not in self._quantiles:  # a map asks for it in every block
            require_scores(level, self.n_samples)
            beyond = round((1 - level) * (self.n_samples + 1), 9)  # 2 instead of 1.9999999999999996
            if beyond < FEWEST_BEYOND:
                rank = conformal_rank(level, self.n_samples)
                self._quantiles[level] = float(self.scores[math.ceil(rank * len(self.scores) / self.n_samples) - 1])
            else:
                shares = np.arange(len(self.scores) + 1) / len(self.scores)
                weights = np.diff(betainc(self.n_samples + 1 - beyond, beyond, shares))
                self._quantiles[level] = float((weights * self.scores).sum())
        return self._quantiles[level]

    @cached_property
    def _quantiles(self) -> dict[float, float]:
        return {}

    def bounds(
        self,
        predicted: np.ndarray,
        levels: Sequence[float],
        indicators: Mapping[str, np.ndarray] | None = None,
        valid_range: ValidRange = (None, None),
    ) -> np.ndarray:
        """Return the lower and upper ends of intervals.

        Every value depends on its own prediction and indicators only, so that it is the same in every block. The
        interval contains the prediction, a wider level contains a narrower one, and all lie within the valid range.

        Parameters
        ----------
        predicted : ndarray of any shape
            In the unit of the target, within the valid range; NaN gives NaN.
        levels : sequence of float
            Shares of values that the intervals shall hold, for example (0.5, 0.9).
        indicators : mapping of str to ndarray, optional
            Those of `IntervalState.indicators`, of the same shape.
        valid_range : (float or None, float or None)

        Returns
        -------
        ndarray of shape (n_levels, 2, ...)
            The type of `predicted`: float32 or float64.

        Raises
        ------
        SamplesError
            For a level that is not possible.

        Examples
        --------
        >>> from geosoil.trust.local_scale import CONSTANT
        >>> state = IntervalState(np.arange(1.0, 20.0), 19, CONSTANT)
        >>> state.bounds(np.array([10.0, np.nan]), [0.5, 0.9], valid_range=(0.0, None)).round(1).tolist()
        [[[0.0, nan], [20.0, nan]], [[0.0, nan], [27.6, nan]]]
        """
        kind = np.result_type(np.float32, predicted.dtype)
        predicted = np.asarray(predicted, kind)
        scale = self.scale(
            {PREDICTED: predicted, **{name: np.asarray(v, kind) for name, v in (indicators or {}).items()}},
            predicted.shape,
        )
        ends = np.empty((len(levels), 2, *predicted.shape), kind)
        for level, (lower, upper) in zip(levels, ends, strict=True):
            quantile = self.quantile(level)
            for end, sign in ((lower, -1), (upper, 1)):
                error = kind.type(sign * quantile * math.exp(sign * self.skew)) * scale
                end[...] = predicted * np.exp(error) if self.logarithm else predicted + error
        low, high = valid_range
        if low is not None or high is not None:
            np.clip(ends, low, high, out=ends)
        return ends

    def probability(
        self, observed: np.ndarray, predicted: np.ndarray, indicators: Mapping[str, np.ndarray] | None = None
    ) -> np.ndarray:
        """Return the probability of a value below the observed one (PIT), which is uniform for honest intervals.

        Parameters
        ----------
        observed, predicted : ndarray of shape (n,)
        indicators : mapping of str to ndarray of shape (n,), optional

        Returns
        -------
        ndarray of shape (n,)
            From 0 to 1; 0.5 where the prediction is exact.

        Examples
        --------
        >>> from geosoil.trust.local_scale import CONSTANT
        >>> state = IntervalState(np.arange(1.0, 20.0), 19, CONSTANT)
        >>> state.probability(np.array([0.0, 10.0, 20.0]), np.full(3, 10.0)).tolist()
        [0.25, 0.5, 0.75]
        """
        scale = self.scale({PREDICTED: predicted, **(indicators or {})}, predicted.shape)
        errors = np.log(observed) - np.log(predicted) if self.logarithm else observed - predicted
        distance = _distance(errors / scale, self.skew)
        share = np.searchsorted(self.scores, distance, side="right") / (len(self.scores) + 1)
        return 0.5 + np.sign(errors) * share / 2

    def to_state(self) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        """Return what `from_state` reads: a dict of JSON values, and float64 arrays by name.

        >>> from geosoil.trust.local_scale import CONSTANT
        >>> card, arrays = IntervalState(np.arange(3.0), 3, CONSTANT).to_state()
        >>> card["n_samples"], arrays["scale"].shape
        (3, (0, 4))
        """
        scale = self.scale
        card = IntervalCard(
            n_samples=self.n_samples,
            log_scale=scale.log_scale,
            indicators=list(scale.indicators),
            skew=self.skew,
            logarithm=self.logarithm,
            split=self.split,
        )
        columns = np.column_stack([scale.slopes, scale.offsets, scale.lowest, scale.highest])
        arrays = {"scores": self.scores, "scale": columns}
        return card.model_dump(mode="json"), {name: np.ascontiguousarray(a, np.float64) for name, a in arrays.items()}

    @classmethod
    def from_state(
        cls, card: Mapping[str, Any], arrays: Mapping[str, np.ndarray], *, where: object = "intervals"
    ) -> IntervalState:
        """Return the state that `to_state` described.

        Parameters
        ----------
        card : mapping
        arrays : mapping of str to ndarray
        where : object
            The file that they were read from, for messages.

        Raises
        ------
        ModelFileError
            If something is missing, not finite, of another shape or size, or contradicts the rest.
        """
        checked = checked_card(
            IntervalCard, card, arrays, ARRAYS, _check_arrays, where=where, part="the prediction intervals are"
        )
        scale = LocalScale(checked.log_scale, tuple(checked.indicators), *np.ascontiguousarray(arrays["scale"].T))
        return cls(arrays["scores"], checked.n_samples, scale, checked.skew, checked.logarithm, checked.split)


def _check_arrays(card: IntervalCard, arrays: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError for arrays that `to_state` cannot have made."""
    if any(array.dtype != np.float64 or not np.isfinite(array).all() for array in arrays.values()):
        raise ValueError("arrays that are not finite numbers of 64 bits")
    scores, scale = arrays["scores"], arrays["scale"]
    if scores.ndim != 1 or not card.n_samples <= len(scores) <= MOST_SCORES:
        raise ValueError(f"{len(scores)} scores of {card.n_samples} samples")
    if scores[0] < 0 or (np.diff(scores) < 0).any():
        raise ValueError("scores that are negative or not sorted")
    known = set(card.indicators) & set(INDICATORS)
    if scale.shape != (len(card.indicators), 4) or len(known) < len(card.indicators):
        raise ValueError(f"a local scale of shape {scale.shape} for the indicators {card.indicators}")
    for name, (slope, offset, low, high) in zip(card.indicators, scale, strict=True):
        if (name in GROWING and slope < 0) or low > high or not (offset > 0 or offset == WITHOUT_LOGARITHM):
            raise ValueError(f"numbers of the local scale that are not possible for the indicator {name}")


def fit_intervals(scores: Scores, *, logarithm: bool = False) -> IntervalState:
    """Fit local scale, skew and quantiles to scores.

    Parameters
    ----------
    scores : Scores
    logarithm : bool
        Whether the errors are those of ln(y), as for a model that learns a logarithm. Scores with a value or
        prediction that is not positive are then measured in the unit of the target.

    Returns
    -------
    IntervalState

    Examples
    --------
    >>> from geosoil.trust.scores import pool_scores
    >>> rng = np.random.default_rng(0)
    >>> predicted = rng.uniform(5, 10, (1, 400))
    >>> scores = pool_scores(predicted[0] + rng.normal(size=400), predicted, np.arange(400)[None] % 10)
    >>> state = fit_intervals(scores)
    >>> bool(abs(state.quantile(0.9) - 1.645) < 0.2), state.n_samples
    (True, 400)
    """
    logarithm = logarithm and bool((scores.observed > 0).all() and (scores.predicted > 0).all())
    errors = _Errors(scores, logarithm)
    everything = np.ones(len(scores), bool)
    distances, groups = np.empty(len(scores)), np.unique(scores.groups)
    if len(groups) == 1:
        distances = errors.distances(everything, everything)
    for group in groups if len(groups) > 1 else ():
        inside = scores.groups == group
        distances[inside] = errors.distances(~inside, inside)
    scale, skew = errors.shape(everything)
    return IntervalState(np.sort(distances), scores.n_samples, scale, skew, logarithm, scores.split)


class _Errors:
    """Residuals with their indicators, by which scale and skew are fitted to some scores and applied to others."""

    def __init__(self, scores: Scores, logarithm: bool) -> None:
        values = (scores.observed, scores.predicted)
        observed, predicted = (np.log(v) for v in values) if logarithm else values
        self.residuals = observed - predicted
        self.indicators = {PREDICTED: scores.predicted, **scores.indicators}
        self.samples = scores.samples

    def shape(self, learned: np.ndarray) -> tuple[LocalScale, float]:
        """Return local scale and skew, fitted to the scores of a mask; the scale is centred on all scores."""
        n_samples = len(np.unique(self.samples[learned]))
        known = {name: values[learned] for name, values in self.indicators.items()}
        scale = fit_local_scale(self.residuals[learned], known, n_samples).centred_on(self.indicators)
        return scale, _skew(self.residuals[learned] / scale(known, known[PREDICTED].shape), n_samples)

    def distances(self, learned: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """Return the scores of the rows of one mask under the scale and skew of those of another."""
        scale, skew = self.shape(learned)
        known = {name: values[measured] for name, values in self.indicators.items()}
        relative = self.residuals[measured] / scale(known, known[PREDICTED].shape)
        return _distance(relative, skew)


def _distance(relative: np.ndarray, skew: float) -> np.ndarray:
    """Return how far relative errors lie from 0, in units of the side on which they lie."""
    return np.where(relative > 0, relative * math.exp(-skew), -relative * math.exp(skew))


def _skew(relative: np.ndarray, n_samples: int) -> float:
    """Return half of the logarithm of how much longer the upper side of errors is than the lower one.

    The length of a side is the fourth root of its sum of squares: between the number of its errors and the largest one.
    Its logarithm is shrunk towards 0 by its variance, to 0 where it is not larger than could happen by chance.
    """
    squares = np.square(relative)
    above, below = (np.where(side, squares, 0.0) for side in (relative > 0, relative < 0))
    if n_samples < FEWEST_FOR_SKEW or not above.any() or not below.any():
        return 0.0
    log_ratio = math.log(above.sum() / below.sum())
    # The two sums share no term, so that the covariance of their logarithms is -1 / n.
    variance = (2 + sum(float(np.var(side) / np.mean(side) ** 2) for side in (above, below))) / n_samples
    kept = max(0.0, 1 - CHANCE * variance / log_ratio**2) if log_ratio else 0.0
    return float(np.clip(log_ratio / 4 * kept, -MOST_SKEW, MOST_SKEW))
