"""Count rows whose features lie outside the range of a model's training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.trusted import TrustedModel

if TYPE_CHECKING:
    from geosoil.models.contract import Feature

ROUNDING = 1e-5  # of the range: resampling in float32 moves a training row by less


class RangeCount:
    """Counts of rows outside the training range of a model, in any feature and in each.

    Parameters
    ----------
    model : Model
        Where it reads bands of another sensor, its own features are compared.

    Examples
    --------
    >>> from geosoil.models.contract import Feature, Target
    >>> from geosoil.models.pixel import PixelModel
    >>> model = PixelModel(None, (Feature("twi", training_low=3.0, training_high=9.0),), (Target("ph", ""),),
    ...                    resampling=np.eye(1), resampled_features=(Feature("twi"),))
    >>> count = RangeCount(model)
    >>> count.add(np.array([[2.0, 5.0, 9.0]]))
    >>> count.note
    'rows outside the training range in at least one of 1 features: 1 of 3; 1 in twi (training 3 to 9)'
    """

    def __init__(self, model: Any) -> None:
        self.features, self.matrix = _training_features(model)
        # Places beyond those of the samples are reported by their distance.
        known = [i for i, feature in enumerate(self.features) if feature.training_low is not None and not feature.place]
        self.known = np.array([i for i in known if self.features[i].training_high is not None], int)
        low, high = (np.array([[getattr(self.features[i], end)] for i in self.known], np.float64).reshape(-1, 1)
                     for end in ("training_low", "training_high"))  # fmt: skip
        margin = ROUNDING * (high - low)
        self.low, self.high = (low - margin).astype(np.float32), (high + margin).astype(np.float32)
        self.n_rows = self.n_outside = 0
        self.by_feature = np.zeros(len(self.known), np.int64)

    def add(self, values: np.ndarray) -> None:
        """Count rows of `values` (feature, row), in the features that the model reads."""
        if not self.known.size:
            return
        if self.matrix is not None:
            values = self.matrix @ values
        values = values if len(self.known) == len(values) else values[self.known]
        outside = (values < self.low) | (values > self.high)
        self.by_feature += outside.sum(axis=1)
        self.n_outside += int(outside.any(axis=0).sum())
        self.n_rows += values.shape[1]

    @property
    def note(self) -> str:
        """How many rows are outside and in which features most often; empty if none is."""
        if not self.n_outside:
            return ""
        most = [k for k in np.argsort(-self.by_feature, kind="stable")[:3] if self.by_feature[k]]
        parts = [f"{self.by_feature[k]} in {self.describe_range(k)}" for k in most]
        more = f" and {n_more} more" if (n_more := int((self.by_feature > 0).sum()) - len(most)) else ""
        return (
            f"rows outside the training range in at least one of {len(self.known)} features: "
            f"{self.n_outside} of {self.n_rows}; {', '.join(parts)}{more}"
        )

    def describe_range(self, k: int) -> str:
        """Return the name and the training range of a feature, by its number among those with a known range."""
        feature: Feature = self.features[self.known[k]]
        return f"{feature.name} (training {feature.training_low:.4g} to {feature.training_high:.4g})"


def _training_features(model: Any) -> tuple[tuple[Feature, ...], np.ndarray | None]:
    """Return the features of a model at training, and the matrix that brings those that it reads to them."""
    model = model.model if isinstance(model, TrustedModel) else model
    matrix = getattr(model, "resampling", None)
    if matrix is not None:
        return tuple(model.training_columns[i] for i in model.used_columns), matrix.astype(np.float32)
    matrix = getattr(model, "matrix", None)
    return (model.model.features, matrix.astype(np.float32)) if matrix is not None else (model.features, None)
