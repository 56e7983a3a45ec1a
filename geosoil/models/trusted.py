"""A model with its trust state: intervals and the area of applicability are outputs beside its predictions."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.contract import (
    DENSITY,
    DISSIMILARITY,
    INSIDE,
    LOWER,
    SPREAD,
    TRUST_KINDS,
    UPPER,
    Output,
    clip_to_range,
    predictions_of,
)
from geosoil.models.pixel import PixelModel
from geosoil.models.resampled import resample_bands
from geosoil.models.wrapped import WrappedModel
from geosoil.trust.conformal import is_possible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from geosoil.models.contract import Block, Feature, Target
    from geosoil.models.trust import ModelTrust
    from geosoil.trust.applicability import Assessment

LEVEL = 0.9
DROPPED_BITS = np.uint32(2**11 - 1)  # of the 23 bits of the fraction of a float32
ASSESSED_BYTES = 8 * 2**20  # of pixels that are compared with the training samples at once
_MOST_PIXELS = 16_384


@dataclass(frozen=True, repr=False)
class TrustedModel(WrappedModel):
    """A model whose outputs are those of another one, then the bands of its trust state.

    Its predictions are exactly those of the other model.

    Parameters
    ----------
    model : Model
    trust : ModelTrust
        Its trust state.
    level : float
        Share of the values that the intervals shall hold. A target with too few scores for it has no interval.
    training_bands : ndarray of shape (n_features at training, n_features), optional
        The matrix from the bands of another sensor to the features of the trust state.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.trust import ModelTrust, TargetTrust
    >>> from geosoil.trust.applicability import fit_applicability
    >>> from geosoil.trust.intervals import IntervalState
    >>> from geosoil.trust.local_scale import CONSTANT
    >>> X = np.arange(10.0)[:, None]
    >>> line = PixelModel(LinearRegression().fit(X, 2 * X[:, 0]), (Feature("twi"),), (Target("ph", ""),))
    >>> state = IntervalState(np.arange(1.0, 20.0), 19, CONSTANT)
    >>> trust = ModelTrust({"ph": TargetTrust(state, 1.0)}, "random folds", fit_applicability(X))
    >>> model = TrustedModel(line, trust)
    >>> [output.name for output in model.outputs]
    ['ph', 'ph lower', 'ph upper', 'dissimilarity', 'density', 'inside']
    >>> values = model.predict(np.full((1, 1, 1), 20.0, np.float32), model.outputs).ravel()
    >>> [round(value, 1) for value in values.tolist()]
    [40.0, 22.4, 57.6, 3.0, 0.0, 0.0]
    """

    trust: ModelTrust
    level: float = LEVEL
    training_bands: np.ndarray | None = None

    @property
    def features(self) -> tuple[Feature, ...]:
        """The bands that the model reads."""
        return self.model.features

    @property
    def bounded(self) -> tuple[Target, ...]:
        """The targets that have intervals at the level."""
        known = {name: target.intervals.n_samples for name, target in self.trust.targets.items()}
        return tuple(t for t in self.targets if t.name in known and is_possible(self.level, known[t.name]))

    @cached_property
    def trust_outputs(self) -> tuple[Output, ...]:
        """The bands of the trust state, in the order of `TRUST_KINDS`."""
        ends = tuple(Output(f"{t.name} {kind}", t.unit, kind) for kind in (LOWER, UPPER) for t in self.bounded)
        if self.trust.applicability is None:
            return ends
        units = {DISSIMILARITY: "", DENSITY: "samples", INSIDE: ""}
        return ends + tuple(Output(kind, unit, kind) for kind, unit in units.items())

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands that it can write: those of the model, then those of the trust state."""
        return self.model.outputs + self.trust_outputs

    @property
    def bytes_per_pixel(self) -> int:
        """The memory that `predict` needs per pixel of a block, without the block and the result."""
        n_needed = len(self._needed) + len(self.model.outputs)
        return self.model.bytes_per_pixel + 4 * n_needed + 4 * len(self.trust_outputs) + 24 + 32

    def resample_from(self, features: tuple[Feature, ...], matrix: np.ndarray) -> TrustedModel:
        """Return the same model for the bands of another sensor: matrix `(n_features of this model, n_features)`."""
        matrix = np.asarray(matrix, np.float64)
        composed = matrix if self.training_bands is None else self.training_bands @ matrix
        return replace(self, model=self.model.resample_from(features, matrix), training_bands=composed)

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the predictions of samples within the valid range, `(sample, target)`."""
        return self.model.predict_rows(rows)

    def predict(
        self, block: Block, outputs: Sequence[Output] | None = None, computed: np.ndarray | None = None
    ) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (output, y, x) float32; NaN in any feature gives NaN.

        A pixel without any prediction has no value in the bands of the trust state either. computed: the
        predictions `(target, pixel)` of a `PixelModel`, if they are known already.
        """
        predict: Callable[..., Block] = self.model.predict
        if computed is not None:
            predict = partial(predict, computed=computed)
        chosen = list(predictions_of(self.targets) if outputs is None else outputs)
        of_model = [output for output in chosen if output.kind not in TRUST_KINDS]
        kinds = {output.kind for output in chosen}
        if len(of_model) == len(chosen):
            return predict(block, of_model)
        known = self._predictions(predict, block, of_model)
        predicted = np.stack([known[output] for output in predictions_of(self.targets)])
        clip_to_range(predicted, self.targets)
        indicators: dict[str, dict[str, np.ndarray]] = {}
        if self.trust.needs_spread:
            spreads = [known[output] for output in self.model.outputs if output.kind == SPREAD]
            indicators = {SPREAD: dict(zip((t.name for t in self.targets), spreads, strict=True))}
        assessed: dict[str, np.ndarray] = {}
        if kinds & {DISSIMILARITY, DENSITY, INSIDE} or (self.trust.needs_dissimilarity and kinds & {LOWER, UPPER}):
            assessed = self._assess(block, np.isfinite(predicted).any(axis=0))
            indicators[DISSIMILARITY] = dict.fromkeys((t.name for t in self.targets), assessed[DISSIMILARITY])
        ends: dict[str, np.ndarray] = {}
        if kinds & {LOWER, UPPER}:
            for target in self.bounded:
                state = self.trust.targets[target.name].intervals
                values = {name: indicators[name][target.name] for name in state.indicators}
                at = self.targets.index(target)
                (bounds,) = state.bounds(predicted[at], [self.level], values, target.valid_range)
                outward = np.stack(
                    [round_values(end, direction) for end, direction in zip(bounds, (-1, 1), strict=True)]
                )
                clip_to_range(outward, [target, target])
                ends |= {f"{target.name} {LOWER}": outward[0], f"{target.name} {UPPER}": outward[1]}
        of_trust = ends | assessed
        return np.stack([known[output] if output in known else of_trust[output.name] for output in chosen])

    @cached_property
    def _needed(self) -> tuple[Output, ...]:
        """What the intervals need of the model."""
        spreads = [o for o in self.model.outputs if o.kind == SPREAD and self.trust.needs_spread]
        return (*predictions_of(self.targets), *spreads)

    def _predictions(
        self, predict: Callable[..., Block], block: Block, of_model: Sequence[Output]
    ) -> dict[Output, np.ndarray]:
        """Return the outputs of the model that are asked for, and those that the intervals need."""
        missing = [output for output in self._needed if output not in of_model]
        # A Gaussian process computes its mean in another way if its spread is asked for, with another rounding.
        groups = [of_model, missing] if isinstance(self.model, PixelModel) else [[*of_model, *missing]]
        known: dict[Output, np.ndarray] = {}
        for group in filter(None, groups):
            known |= dict(zip(group, predict(block, group), strict=True))
        return known

    def _assess(self, block: Block, valid: np.ndarray) -> dict[str, np.ndarray]:
        """Return dissimilarity, density and applicability of the pixels where `valid` `(y, x)` is true, `(y, x)`."""
        assert self.trust.applicability is not None
        halo, shape = self.halo, valid.shape
        pixels = block[:, halo : halo + shape[0], halo : halo + shape[1]].reshape(len(block), -1)
        here = np.flatnonzero(valid)
        found = np.full((3, valid.size), np.nan, np.float32)
        at_once = int(np.clip(ASSESSED_BYTES // (32 * len(block)), 256, _MOST_PIXELS))
        for start in range(0, len(here), at_once):
            part: Any = here[start : start + at_once]
            if part[-1] - part[0] == len(part) - 1:  # a view instead of a copy
                part = slice(part[0], part[-1] + 1)
            values = pixels[:, part]
            if self.training_bands is not None:
                values = resample_bands(values, self.training_bands)
            assessment: Assessment = self.trust.applicability.assess(values.T)
            found[:, part] = assessment.dissimilarity, assessment.density, assessment.inside
        found[0] = round_values(found[0])
        return dict(zip((DISSIMILARITY, DENSITY, INSIDE), found.reshape(3, *shape), strict=True))


def round_values(values: np.ndarray, direction: int = 0) -> np.ndarray:
    """Return float32 values with 13 significant binary digits, so that a map of them takes two thirds of the space.

    The digits that are dropped are far below what intervals and dissimilarities can state: a value changes by 0.025 %
    at most.

    Parameters
    ----------
    values : ndarray of float32
        NaN and infinity stay as they are.
    direction : {-1, 0, 1}
        Whether values become smaller, are rounded to the nearest number, or become larger.

    Examples
    --------
    >>> values = np.array([1.0001, -1.0001, 2.5, np.nan], np.float32)
    >>> round_values(values, 1).tolist(), round_values(values).tolist()
    ([1.000244140625, -1.0, 2.5, nan], [1.0, -1.0, 2.5, nan])
    """
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    if direction:  # away from zero: the lower end of negative values, the upper end of positive ones
        added = np.where(np.signbit(values) == (direction < 0), DROPPED_BITS, np.uint32(0))
    else:
        added = np.where(np.isnan(values), np.uint32(0), (DROPPED_BITS + 1) // 2)
    return ((bits + added) & ~DROPPED_BITS).view(np.float32)
