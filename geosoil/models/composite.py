"""The bases of composite models: how members find their bands in a block, and predict it side by side."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.contract import Output, clip_to_range, predictions_of
from geosoil.models.display import ShownModel
from geosoil.models.joined_programs import JoinedPrograms
from geosoil.models.resampled import ResampledModel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Self

    from geosoil.models.contract import Block, Feature, Target


class CompositeModel(ShownModel, ABC):
    """The base of composite models: one list of features, in which every member finds its own by name."""

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields without cached values, so that a worker receives no more than it needs."""
        return {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]

    @property
    @abstractmethod
    def members(self) -> tuple[Any, ...]:
        """The models that it consists of."""

    @property
    @abstractmethod
    def targets(self) -> tuple[Target, ...]:
        """The bands it writes, in this order."""

    @property
    @abstractmethod
    def halo(self) -> int:
        """Pixels of context that it needs on every side."""

    @property
    def intermediate_targets(self) -> tuple[str, ...]:
        """The names of features that one member makes for another."""
        return ()

    @cached_property
    def training_columns(self) -> tuple[Feature, ...]:
        """All columns that a member was fitted on, with the range that all members have seen."""
        found: dict[str, Feature] = {}
        for feature in (feature for member in self.members for feature in member.training_columns):
            if feature.name not in self.intermediate_targets:
                found[feature.name] = _known_to_both(found.get(feature.name, feature), feature)
        return tuple(found.values())

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The bands it reads, in the order of `training_columns`."""
        return tuple(self.training_columns[i] for i in self.used_columns)

    @cached_property
    def used_columns(self) -> np.ndarray:
        """Indices of the training columns that a member reads, `(n_used,)`."""
        read = {feature.name for member in self.members for feature in member.features}
        return np.flatnonzero([feature.name in read for feature in self.training_columns])

    @property
    def gpu_support(self) -> dict[str, bool]:
        """Kinds of its members' estimators, and whether a GPU can run them."""
        return {kind: fit for member in self.members for kind, fit in member.gpu_support.items()}

    @abstractmethod
    def on(self, device: str) -> CompositeModel:
        """Return the same model with its members on "cpu" or "cuda"."""

    @property
    def bytes_per_pixel(self) -> int:
        """Memory that `predict` holds for each pixel of a block, beside the block and its result."""
        return sum(4 * len(m.features) + 12 * len(m.outputs) + m.bytes_per_pixel for m in self.members)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands that it can write, its predictions first."""
        return predictions_of(self.targets)

    def resample_from(self, features: tuple[Feature, ...], matrix: np.ndarray) -> ResampledModel:
        """Return the same model for the bands of another sensor: matrix `(n_features of this model, n_features)`."""
        return ResampledModel(self, features, np.asarray(matrix, np.float64))

    @abstractmethod
    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (output, y, x); NaN in any feature gives NaN."""

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Predict as the map does, `(sample, target)` in the targets' units.

        rows: `(sample, feature)`, or under a halo patches `(sample, feature, side, side)` of 2 halo + 1 pixels.
        """
        rows = np.asarray(rows, np.float32)
        if not self.halo:
            predicted = self.predict(np.ascontiguousarray(rows.T)[:, None])[:, 0].T
        else:
            predicted = np.array([self.predict(patch)[:, 0, 0] for patch in rows]).reshape(-1, len(self.targets))
        clip_to_range(predicted.T, self.targets)
        return predicted


@dataclass(frozen=True, repr=False)
class ParallelModel(CompositeModel):
    """Models that read the same block side by side.

    Parameters
    ----------
    models : tuple of Model
        The members.
    """

    models: tuple[Any, ...]

    @property
    def members(self) -> tuple[Any, ...]:
        """The models."""
        return self.models

    @property
    def halo(self) -> int:
        """Pixels of context that its widest member needs."""
        return max(model.halo for model in self.models)

    def on(self, device: str) -> Self:
        """Return the same model with its members on "cpu" or "cuda"."""
        return replace(self, models=tuple(model.on(device) for model in self.models))

    @cached_property
    def bands_read(self) -> list[tuple[int, ...]]:
        """For each member, the numbers of the bands that it reads, in its order."""
        places = {feature.name: place for place, feature in enumerate(self.features)}
        return [tuple(places[feature.name] for feature in model.features) for model in self.models]

    def predict_each(self, block: Block, outputs: Sequence[Sequence[Output] | None]) -> list[Block]:
        """Return what each member predicts of a block.

        outputs: for each member, which of its outputs, None for its predictions; one without outputs is left out.
        """
        chosen = [number for number, of_member in enumerate(outputs) if of_member is None or of_member]
        predicted: dict[int, Block] = {}
        for (bands, halo), joined in self._joined.items():
            members = [number for number in joined.models if number in chosen]
            if not members:
                continue
            read = _take_bands(cut_halo(block, self.halo - halo), bands)
            computed = joined(read) if set(joined.numbers) <= set(members) else {}
            for number in members:
                known = {"computed": computed[number]} if number in computed else {}
                predicted[number] = self.models[number].predict(read, outputs[number], **known)
        return [predicted[number] for number in chosen]

    @cached_property
    def _joined(self) -> dict[tuple[tuple[int, ...], int], JoinedPrograms]:
        """For each combination of bands and halo, the members that read it, as far as they share steps."""
        alike: dict[tuple[tuple[int, ...], int], dict[int, Any]] = {}
        for number, (bands, model) in enumerate(zip(self.bands_read, self.models, strict=True)):
            alike.setdefault((bands, model.halo), {})[number] = model
        return {read: JoinedPrograms(models) for read, models in alike.items()}


def _known_to_both(feature_a: Feature, feature_b: Feature) -> Feature:
    """Return a feature with the range that both models have seen."""
    meanings = [(each.wavelength_nm, each.fwhm_nm, each.place) for each in (feature_a, feature_b)]
    if meanings[0] != meanings[1]:
        first, other = (str(place or f"{nm} nm") for nm, _, place in meanings)
        raise ValueError(f"{feature_a.name} is {first} to one model and {other} to another")
    lows = [feature.training_low for feature in (feature_a, feature_b) if feature.training_low is not None]
    highs = [feature.training_high for feature in (feature_a, feature_b) if feature.training_high is not None]
    return replace(feature_a, training_low=max(lows, default=None), training_high=min(highs, default=None))


def cut_halo(values: np.ndarray, cut: int) -> np.ndarray:
    """Return values `(..., y, x)` without so many pixels on every side."""
    return values[..., cut : values.shape[-2] - cut, cut : values.shape[-1] - cut]


def _take_bands(block: Block, numbers: Sequence[int]) -> Block:
    """Return some bands of a block in an order; a copy of most of a block, which takes time, is made only if needed."""
    if list(numbers) == list(range(numbers[0], numbers[0] + len(numbers))):
        return block[numbers[0] : numbers[0] + len(numbers)]
    return block[list(numbers)]
