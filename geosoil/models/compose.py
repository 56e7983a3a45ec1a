"""Composite models: the mean of several models, several targets, and a property that is a covariate of another.

Ensemble   block ─┬─▶ member 1 ─┐
                  ├─▶ member 2 ─┼─▶ mean, of equal or other weights
                  └─▶ member 3 ─┘

Cascade    block ─┬─▶ first (pH) ─┐
                  └───────────────┴─▶ second (Pb)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.composite import CompositeModel, ParallelModel, cut_halo
from geosoil.models.contract import PREDICTION, SPREAD, Output, clip_to_range, pick_outputs, predictions_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Block, Target


@dataclass(frozen=True, repr=False)
class Ensemble(ParallelModel):
    """The weighted mean of models with the same targets, for example a forest and a network.

    Parameters
    ----------
    models : tuple of Model
        Two or more, whose targets have the same names and units.
    weights : tuple of float
        One positive weight for each model, with the sum 1; empty for the plain mean.

    Raises
    ------
    ValueError
        If there are fewer than two models, their targets differ, or the weights are not as described.

    Examples
    --------

    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> lines = [LinearRegression().fit([[0.0], [1.0]], [0.0, slope]) for slope in (1.0, 3.0)]
    >>> models = tuple(PixelModel(line, (Feature("twi"),), (Target("ph", ""),)) for line in lines)
    >>> block = np.full((1, 1, 1), 2.0, np.float32)
    >>> Ensemble(models).predict(block).round(3).item(), Ensemble(models, (0.25, 0.75)).predict(block).round(3).item()
    (4.0, 5.0)
    """

    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        written = [[(target.name, target.unit) for target in model.targets] for model in self.models]
        if len(self.models) < 2 or any(names != written[0] for names in written):
            msg = f"{len(self.models)} models; expected two or more of the same targets"
            raise ValueError(msg)
        if self.weights and not (
            len(self.weights) == len(self.models) and min(self.weights) > 0 and abs(sum(self.weights) - 1) < 1e-6
        ):
            msg = f"weights {self.weights}; expected {len(self.models)} positive numbers with the sum 1, or none"
            raise ValueError(msg)

    @cached_property
    def targets(self) -> tuple[Target, ...]:
        """The bands that every member writes, each with the widest valid range of the members."""
        return tuple(_widest(targets) for targets in zip(*(model.targets for model in self.models), strict=True))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The predictions, then the spread of each: the standard deviation of its members' predictions."""
        spreads = tuple(Output(f"{target.name} spread", target.unit, SPREAD) for target in self.targets)
        return predictions_of(self.targets) + spreads

    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (output, y, x) float32; NaN in any feature gives NaN.

        The members' values are set to their valid ranges before they are averaged; the mean is outside only where all
        members are. The spread is the standard deviation of the same values, with the same weights, or with the number
        of members as divisor.
        """
        each = np.stack(self.predict_each(block, [None] * len(self.models)))
        unclipped = self._mean(each)
        # Where the ranges of the members differ, each value is set to its own range, and none is outside.
        same = all(model.targets == self.targets for model in self.models)
        outside = np.stack([same & _all_outside(each[:, k], target) for k, target in enumerate(self.targets)])
        for model, values in zip(self.models, each, strict=True):
            clip_to_range(values, model.targets)
        clipped = self._mean(each)
        mean = np.where(outside, unclipped, clipped)
        if outputs is None:
            return mean
        spread = np.sqrt(self._mean((each - clipped) ** 2))
        return pick_outputs(np.concatenate([mean, spread]), self.outputs, outputs)

    def _mean(self, each: np.ndarray) -> np.ndarray:
        """Return the weighted mean over the members, the first axis; float32."""
        if not self.weights:
            return np.asarray(each.mean(axis=0))
        mean = np.zeros(each.shape[1:])  # float64, so that the order of the members hardly matters
        for weight, values in zip(self.weights, each, strict=True):
            mean += weight * values
        return mean.astype(np.float32)


@dataclass(frozen=True, repr=False)
class MultiTargetModel(ParallelModel):
    """Models of different targets as one model, so that a map of all of them reads the rasters once.

    Parameters
    ----------
    models : tuple of models
        Two or more, whose targets have different names.

    Raises
    ------
    ValueError
        For fewer than two models, or two targets with the same name.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> lines = [LinearRegression().fit([[0.0], [1.0]], [0.0, slope]) for slope in (1.0, 3.0)]
    >>> model = MultiTargetModel(tuple(PixelModel(line, (Feature("twi"),), (Target(name, ""),))
    ...                                for line, name in zip(lines, ("ph", "som"))))
    >>> model.predict(np.full((1, 1, 1), 2.0, np.float32)).round(3).ravel().tolist()
    [2.0, 6.0]
    """

    def __post_init__(self) -> None:
        names = [target.name for target in self.targets]
        if len(self.models) < 2 or len(set(names)) < len(names):
            msg = f"{len(self.models)} models of {', '.join(names)}; expected two or more of different targets"
            raise ValueError(msg)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The bands of all members, in their order."""
        return tuple(target for model in self.models for target in model.targets)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands that its members can write, the predictions first."""
        outputs = [output for model in self.models for output in model.outputs]
        return tuple(sorted(outputs, key=lambda output: output.kind != PREDICTION))

    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (output, y, x) float32; NaN in any feature gives NaN."""
        chosen = predictions_of(self.targets) if outputs is None else outputs
        of_each = [[output for output in chosen if output in model.outputs] for model in self.models]
        found: dict[Output, np.ndarray] = {}
        for of_model, predicted in zip(filter(None, of_each), self.predict_each(block, of_each), strict=True):
            found |= dict(zip(of_model, predicted, strict=True))
        out = np.stack([found[output] for output in chosen])
        out[:, ~np.isfinite(cut_halo(np.add.reduce(block, axis=0), self.halo))] = np.nan
        return out


@dataclass(frozen=True, repr=False)
class Cascade(CompositeModel):
    """A model that predicts a property first and passes it to a second model as a covariate (pH for Pb).

    The second model reads the targets of the first one as features with their names, and covariates.
    Train it with `fit_cascade`: a second model that learns from predictions which the first one made for its own
    training rows would rely on them more than the accuracy of the map allows.

    Raises
    ------
    ValueError
        If the second model reads no target of the first one, or a covariate has the name of such a target.

    Examples
    --------

    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> line = LinearRegression().fit([[0.0], [1.0]], [0.0, 2.0])
    >>> first = PixelModel(line, (Feature("twi"),), (Target("ph", ""),))
    >>> model = Cascade(first, PixelModel(line, (Feature("ph"),), (Target("pb", "mg/kg"),)))
    >>> model.predict(np.full((1, 1, 2), 3.0, np.float32)).round(3).tolist()
    [[[12.0, 12.0]]]
    """

    first: Any
    second: Any

    def __post_init__(self) -> None:
        read = {feature.name for feature in self.second.features}
        made = set(self.intermediate_targets)
        if not read & made or made & {feature.name for feature in self.first.training_columns}:
            msg = f"the first model predicts {', '.join(sorted(made))}, the second reads {', '.join(sorted(read))}"
            raise ValueError(msg)

    @property
    def members(self) -> tuple[Any, ...]:
        """The first model, and the second."""
        return self.first, self.second

    @property
    def intermediate_targets(self) -> tuple[str, ...]:
        """The names of what the first model predicts."""
        return tuple(target.name for target in self.first.targets)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The bands that the second model writes."""
        targets: tuple[Target, ...] = self.second.targets
        return targets

    @property
    def halo(self) -> int:
        """Pixels of context: the second model needs predictions of the first in all of its own."""
        return int(self.first.halo + self.second.halo)

    def on(self, device: str) -> Cascade:
        """Return the same cascade with its members on "cpu" or "cuda"."""
        return replace(self, first=self.first.on(device), second=self.second.on(device))

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands that the second model can write."""
        outputs: tuple[Output, ...] = self.second.outputs
        return outputs

    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (output, y, x) float32; NaN in any feature gives NaN."""
        bands = {feature.name: band for feature, band in zip(self.features, block, strict=True)}
        inner = {name: cut_halo(band, self.first.halo) for name, band in bands.items()}
        predicted = self.first.predict(_block_of(self.first, bands, self.first.halo))
        clip_to_range(predicted, self.first.targets)
        inner |= dict(zip(self.intermediate_targets, predicted, strict=True))
        return self.second.predict(_block_of(self.second, inner, self.second.halo), outputs)


def _block_of(member: Any, bands: dict[str, np.ndarray], halo: int) -> Block:
    """Return the bands that a member reads, with the halo that it needs instead of `halo` pixels."""
    return np.stack([cut_halo(bands[feature.name], halo - member.halo) for feature in member.features])


def _widest(targets: Sequence[Target]) -> Target:
    """Return one target whose valid range holds those of all."""
    lows, highs = zip(*(target.valid_range for target in targets), strict=True)
    low, high = None if None in lows else min(lows), None if None in highs else max(highs)
    return replace(targets[0], valid_range=(low, high))


def _all_outside(values: np.ndarray, target: Target) -> np.ndarray:
    """Return where all members' values `(member, y, x)` lie on the same side of the valid range."""
    low, high = target.valid_range
    below = values.max(axis=0) < (-np.inf if low is None else low)
    return np.asarray(below | (values.min(axis=0) > (np.inf if high is None else high)))
