"""The base of models that wrap another model: what they do not change is that of the wrapped one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from geosoil.models.display import ShownModel

if TYPE_CHECKING:
    import numpy as np

    from geosoil.models.contract import Feature, Model, Output, Target


@dataclass(frozen=True, repr=False)
class WrappedModel(ShownModel):
    """A model that reads, predicts and describes what another one does, except for what a subclass changes.

    Parameters
    ----------
    model : Model
        The wrapped model.
    """

    model: Model

    @property
    def training_columns(self) -> tuple[Feature, ...]:
        """The columns that the model was fitted on."""
        return self.model.training_columns

    @property
    def used_columns(self) -> np.ndarray:
        """Indices of the training columns that the predictions depend on."""
        return self.model.used_columns

    @property
    def targets(self) -> tuple[Target, ...]:
        """The properties that it predicts."""
        return self.model.targets

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The bands that it can write."""
        return self.model.outputs

    @property
    def halo(self) -> int:
        """The pixels of context that it needs on every side."""
        return self.model.halo

    @property
    def gpu_support(self) -> dict[str, bool]:
        """Whether a GPU can run its estimators."""
        return self.model.gpu_support

    def on(self, device: str) -> Self:
        """Return the same model that computes predictions on "cpu" or "cuda"."""
        return replace(self, model=self.model.on(device))
