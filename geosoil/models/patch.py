"""Run a network of patches over blocks of a raster."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.contract import clip_to_range, pick_outputs, predictions_of
from geosoil.models.display import ShownModel
from geosoil.models.resampled import ResampledModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Block, Feature, Output, Target


@dataclass(frozen=True, repr=False)
class PatchModel(ShownModel):
    """Run a fitted `PatchRegressor` on every cell of a block; the value of a cell depends on the patch around it.

    Convolutions run over the whole block, with a halo of half a patch that the block engine adds. A cell with nodata in
    any covariate is nodata; a gap elsewhere in its patch is filled with the training mean of the covariate.

    Parameters
    ----------
    estimator : PatchRegressor
        Fitted.
    training_columns : tuple of Feature
        All covariates at training.
    targets : tuple of Target
        One for each depth that the estimator predicts, in its order.
    reads : tuple of int, optional
        Rising indices of the covariates in the patches that the estimator was fitted on; default: all.
    device : {"cpu", "cuda"}
        Where the networks run over blocks.

    Raises
    ------
    ValueError
        If `reads` do not rise, or are not as many as the estimator reads.
    """

    estimator: Any
    training_columns: tuple[Feature, ...]
    targets: tuple[Target, ...]
    reads: tuple[int, ...] | None = None
    device: str = "cpu"

    def __post_init__(self) -> None:
        used = self.used_columns.tolist()
        if used != sorted(set(used)) or len(used) != self.estimator.n_channels_:
            msg = f"covariates {used} for an estimator of {self.estimator.n_channels_}; expected rising indices"
            raise ValueError(msg)

    @property
    def patch_size(self) -> int:
        """Side of a patch in pixels."""
        return int(self.estimator.size_)

    @property
    def halo(self) -> int:
        """Pixels of context that it needs on every side."""
        return self.patch_size // 2

    @property
    def bytes_per_pixel(self) -> int:
        """Memory that `predict` holds for each pixel of a block, beside the block and its result."""
        return 12 * len(self.features) + 24 * len(self.targets)  # scaled covariates; sums over members

    @property
    def features(self) -> tuple[Feature, ...]:
        """The covariates it reads, in this order."""
        return tuple(self.training_columns[i] for i in self.used_columns)

    @property
    def used_columns(self) -> np.ndarray:
        """Indices of the training columns that it reads, `(n_used,)`."""
        return np.arange(len(self.training_columns)) if self.reads is None else np.array(self.reads)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands it can write: its predictions."""
        return predictions_of(self.targets)

    def on(self, device: str) -> PatchModel:
        """Return the same model, whose networks run on "cpu" or "cuda"."""
        return replace(self, device=device)

    def resample_from(self, features: tuple[Feature, ...], matrix: np.ndarray) -> ResampledModel:
        """Return the same model for the bands of another sensor: matrix `(n_used, n_features)`."""
        return ResampledModel(self, features, np.asarray(matrix, np.float64))

    @property
    def gpu_support(self) -> dict[str, bool]:
        """The networks' kind: a GPU can run them."""
        return {type(self.estimator).__name__: True}

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Predict patch by patch: `(sample, covariate, size, size)` -> `(sample, target)` in the targets' units."""
        predicted = np.array(self.estimator.predict(rows))
        clip_to_range(predicted.T, self.targets)
        return predicted

    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Turn (covariate, y + 2 halo, x + 2 halo) into (output, y, x) float32; NaN in any covariate gives NaN."""
        halo = self.halo
        inner = block[:, halo : block.shape[1] - halo, halo : block.shape[2] - halo]
        mask = np.isfinite(np.add.reduce(inner, axis=0))
        return pick_outputs(self.estimator.predict_block(block, mask, self.device), self.outputs, outputs)
