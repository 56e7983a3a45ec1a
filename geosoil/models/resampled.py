"""Any model for the bands of another sensor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geosoil.models.wrapped import WrappedModel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Block, Feature, Output


@dataclass(frozen=True, repr=False)
class ResampledModel(WrappedModel):
    """A model whose features are interpolated from the bands of another sensor.

    Parameters
    ----------
    model : Model
        The model of the first sensor.
    features : tuple of Feature
        The bands of the other sensor.
    matrix : ndarray of shape (n_features of `model`, n_features)
        The weights of the bands.
    """

    features: tuple[Feature, ...]
    matrix: np.ndarray

    @property
    def bytes_per_pixel(self) -> int:
        """The memory that `predict` needs per pixel of a block: a copy in the bands of the model."""
        return 4 * len(self.matrix) + 16 + self.model.bytes_per_pixel

    def resample_from(self, features: tuple[Feature, ...], matrix: np.ndarray) -> ResampledModel:
        """Return the same model for the bands of yet another sensor."""
        return replace(self, features=features, matrix=self.matrix @ matrix)

    def predict(self, block: Block, outputs: Sequence[Output] | None = None) -> Block:
        """Turn (feature, y + 2 halo, x + 2 halo) into (output, y, x); NaN in any feature gives NaN."""
        return self.model.predict(self._resample(block), outputs)

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return the predictions of samples `(sample, feature, ...)` within the valid range, `(sample, target)`."""
        return self.model.predict_rows(np.moveaxis(self._resample(np.moveaxis(np.asarray(rows), 1, 0)), 0, 1))

    def _resample(self, values: np.ndarray) -> np.ndarray:
        resampled = resample_bands(values, self.matrix)
        resampled[:, ~np.isfinite(np.add.reduce(values, axis=0))] = np.nan
        return resampled


def resample_bands(values: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Return values `(feature, ...)` in other bands, `(len(matrix), ...)` float32; matrix `(band, feature)`.

    >>> resample_bands(np.array([[1.0], [3.0]]), np.array([[0.5, 0.5]])).tolist()
    [[2.0]]
    """
    # Band by band, as the rounding of a matrix product would depend on the size of the block.
    resampled = np.empty((len(matrix), *values.shape[1:]), np.float32)
    for band, weights in zip(resampled, matrix, strict=True):
        band[...] = sum(weights[i] * values[i] for i in np.flatnonzero(weights))
    return resampled
