"""Several models that map one raster together, so that each band is read once."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.composite import ParallelModel
from geosoil.models.contract import PREDICTION, pick_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Block, Feature, Output, Target


@dataclass(frozen=True, repr=False)
class JointModel(ParallelModel):
    """Models that map one raster together; each predicts what it predicts alone.

    A pixel with NaN in a band that a member reads has NaN in the outputs of this member only. It is made for
    one map and is never saved; models of several targets that are saved as one model are a `MultiTargetModel`.

    Parameters
    ----------
    models : tuple of Model
        The members.
    read : tuple of tuple of Feature
        For each member, the bands of the raster that it reads, in its order.
    names : tuple of str
        For each member, its own name. An output whose name several members have gets it as a prefix.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> lines = [LinearRegression().fit([[0.0], [1.0]], [0.0, slope]) for slope in (1.0, 3.0)]
    >>> models = tuple(PixelModel(line, (Feature("x"),), (Target("ph", ""),)) for line in lines)
    >>> joint = JointModel(models, ((Feature("twi"),), (Feature("ndvi"),)), ("a", "b"))
    >>> joint.predict(np.array([[[2.0]], [[5.0]]], np.float32)).round(3).ravel().tolist()
    [2.0, 15.0]
    >>> [target.name for target in joint.targets]
    ['a_ph', 'b_ph']
    """

    read: tuple[tuple[Feature, ...], ...]
    names: tuple[str, ...]

    @property
    def training_columns(self) -> tuple[Feature, ...]:
        """The bands of the raster that a member reads."""
        return tuple({feature.name: feature for features in self.read for feature in features}.values())

    @property
    def features(self) -> tuple[Feature, ...]:
        """The bands of the raster that a member reads, each once."""
        return self.training_columns

    @property
    def used_columns(self) -> np.ndarray:
        """Indices of the bands: all of them."""
        return np.arange(len(self.features))

    @property
    def targets(self) -> tuple[Target, ...]:
        """The targets of all members under unique names."""
        names = prefix_repeated([[target.name for target in model.targets] for model in self.models], self.names)
        return tuple(
            replace(target, name=name)
            for model, of_model in zip(self.models, names, strict=True)
            for target, name in zip(model.targets, of_model, strict=True)
        )

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands that the members can write under unique names, the predictions first."""
        outputs = [output for of_model in self._renamed() for output in of_model]
        return tuple(sorted(outputs, key=lambda output: output.kind != PREDICTION))

    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (output, y, x) float32; NaN only where a member's own band is."""
        chosen = [output for output in self.outputs if output.kind == PREDICTION] if outputs is None else list(outputs)
        pairs = [
            [(output, renamed) for output, renamed in zip(model.outputs, of_model, strict=True) if renamed in chosen]
            for model, of_model in zip(self.models, self._renamed(), strict=True)
        ]
        values = self.predict_each(block, [[output for output, _ in of_model] for of_model in pairs])
        return pick_outputs(np.concatenate(values), [renamed for of_model in pairs for _, renamed in of_model], chosen)

    @cached_property
    def bands_read(self) -> list[tuple[int, ...]]:
        """For each member, the numbers of the bands that it reads, which have names of the raster here."""
        places = {feature.name: place for place, feature in enumerate(self.features)}
        return [tuple(places[feature.name] for feature in read) for read in self.read]

    def members_outputs(self) -> list[tuple[Any, list[Output]]]:
        """Return each member with its outputs, in its order, under the unique names that they have here."""
        return list(zip(self.models, self._renamed(), strict=True))

    def _renamed(self) -> list[list[Output]]:
        """Return the outputs of each member under unique names."""
        names = prefix_repeated([[output.name for output in model.outputs] for model in self.models], self.names)
        return [
            [replace(output, name=name) for output, name in zip(model.outputs, of_model, strict=True)]
            for model, of_model in zip(self.models, names, strict=True)
        ]


def prefix_repeated(names: Sequence[Sequence[str]], prefixes: Sequence[str]) -> list[list[str]]:
    """Return the names of each model, with the model's own name in front of those that several models have.

    >>> prefix_repeated([["ph", "soc"], ["ph"]], ["a", "b"])
    [['a_ph', 'soc'], ['b_ph']]
    """
    all_names = [name for of_model in names for name in of_model]
    return [
        [f"{prefix}_{name}" if all_names.count(name) > 1 else name for name in of_model]
        for prefix, of_model in zip(prefixes, names, strict=True)
    ]
