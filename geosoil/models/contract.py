"""What a model of a raster is: it reads named bands of a block and writes named targets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


Block = np.ndarray  # float32 (band, y, x); NaN = no data


@dataclass(frozen=True)
class Feature:
    """A band that a model reads: its wavelength and width where it has one, and its range at training."""

    name: str
    wavelength_nm: float | None = None
    fwhm_nm: float | None = None
    training_low: float | None = None
    training_high: float | None = None


@dataclass(frozen=True)
class Target:
    """A band that a model writes; predictions outside `valid_range` are set to its ends, and counted by the mapper."""

    name: str
    unit: str
    valid_range: tuple[float | None, float | None] = (None, None)


def with_training_range(features: Sequence[Feature], X: np.ndarray) -> tuple[Feature, ...]:
    """Return features with the range of their columns in X `(sample, feature)`.

    >>> with_training_range([Feature("twi")], np.array([[1.0], [3.0]]))[0].training_high
    3.0
    """
    ranges = zip(X.min(axis=0).tolist(), X.max(axis=0).tolist(), strict=True)
    return tuple(
        replace(feature, training_low=low, training_high=high)
        for feature, (low, high) in zip(features, ranges, strict=True)
    )


class Model(Protocol):
    """Whatever the mapper can run: three attributes and one method."""

    @property
    def features(self) -> tuple[Feature, ...]:
        """The bands it reads, in this order."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """The bands it writes, in this order."""

    @property
    def halo(self) -> int:
        """Pixels of context that it needs on every side; 0 for a pixel model."""

    @property
    def bytes_per_pixel(self) -> int:
        """Memory that `predict` holds for each pixel of a block, beside the block and its result."""

    def predict(self, block: Block) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (target, y, x); NaN in any feature gives NaN."""

    def on(self, device: str) -> Model:
        """Return the same model, computing on the "cpu", or on the GPUs of the machine, "cuda", what can."""

    @property
    def gpu_support(self) -> dict[str, bool]:
        """Kinds of the estimators in it, and whether a GPU can run them."""


def set_to_range(values: np.ndarray, targets: Sequence[Target], *, axis: int) -> np.ndarray:
    """Set predictions outside the valid ranges to their ends, in place; `axis` (0 or 1) runs over the targets.

    >>> set_to_range(np.array([[-1.0], [5.0]]), [Target("som_g_kg", "g/kg", (0.0, None))], axis=1).tolist()
    [[0.0], [5.0]]
    """
    for i, target in enumerate(targets):
        low, high = target.valid_range
        if low is not None or high is not None:
            column = values[:, i] if axis else values[i]
            np.clip(column, low, high, out=column)
    return values
