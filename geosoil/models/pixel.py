"""A model that predicts each pixel from the bands of that pixel."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.models.contract import SPREAD, Output, clip_to_range, pick_outputs, predictions_of
from geosoil.models.display import ShownModel
from geosoil.models.process_moments import ProcessMoments, gives_deviation
from geosoil.models.row_predictions import RowPredictor

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.models.contract import Block, Feature, Target
    from geosoil.program.lower import LoweredProgram


ROWS_BYTES = 24 * 2**20  # bytes of rows that an estimator's own `predict` receives at once


@dataclass(frozen=True, repr=False)
class PixelModel(ShownModel):
    """Run a fitted scikit-learn estimator on every pixel of a block.

    Preprocessing is part of the estimator's Pipeline, so that training rows and map pixels are treated in the same way.

    Parameters
    ----------
    estimator : estimator
        A fitted scikit-learn estimator or Pipeline.
    training_columns : tuple of Feature
        All columns that the estimator was fitted on. Only those that its predictions depend on are `features`; these
        are all if the Pipeline cannot be lowered to a program.
    targets : tuple of Target
    resampling : ndarray of shape (n_used_columns, n_features), optional
        The matrix from the bands of another sensor to the columns that are used (see `mapping.match`).
    resampled_features : tuple of Feature
        The bands of the other sensor.
    halo : int
        Always 0: a pixel is predicted from itself.
    device : {"cpu", "cuda"}
        Where the lowered program runs.

    Examples
    --------

    >>> from sklearn.linear_model import LinearRegression
    >>> from geosoil.models.contract import Feature, Target
    >>> estimator = LinearRegression().fit(np.array([[0.0], [1.0]]), np.array([1.0, 3.0]))
    >>> model = PixelModel(estimator, training_columns=(Feature("red"),), targets=(Target("som_g_kg", "g/kg"),))
    >>> model.predict(np.full((1, 1, 2), 2.0, np.float32)).round(3).tolist()
    [[[5.0, 5.0]]]
    """

    estimator: Any
    training_columns: tuple[Feature, ...]
    targets: tuple[Target, ...]
    resampling: np.ndarray | None = None
    resampled_features: tuple[Feature, ...] = ()
    halo: int = 0
    device: str = "cpu"

    def __getstate__(self) -> dict[str, Any]:
        """Return the fields without cached values, so that a worker receives no more than it needs."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @cached_property
    def lowered(self) -> LoweredProgram | None:
        """The estimator as one float32 program; None if it has no such form."""
        from geosoil.program.lower import compile_program, lower_estimator

        # Other regressors than those of geosoil may need float64, such as a linear model of collinear bands.
        program = lower_estimator(self.estimator) if self.of_geosoil else None
        if program is None:
            return None
        return compile_program(program, len(self.training_columns), before=self.resampling, device=self.device)

    @cached_property
    def _row_predictor(self) -> RowPredictor:
        return RowPredictor(self.estimator, len(self.targets))

    @property
    def of_geosoil(self) -> bool:
        """Whether its regressor is one of geosoil, and not one of scikit-learn or of the user's own."""
        return self._row_predictor.of_geosoil

    def predict_training_rows(self, rows: np.ndarray) -> np.ndarray:
        """Predict rows of all training columns `(sample, column)` -> `(sample, target)`, without a valid range."""
        return self._row_predictor(rows)

    @cached_property
    def used_columns(self) -> np.ndarray:
        """Indices of the training columns that the estimator's prediction depends on, `(n_used,)`."""
        from geosoil.program.lower import lower_first_steps, needed_inputs

        return needed_inputs(lower_first_steps(self.estimator), len(self.training_columns))

    @cached_property
    def features(self) -> tuple[Feature, ...]:
        """The bands it reads, in this order."""
        if self.resampling is not None:
            return self.resampled_features
        return tuple(self.training_columns[i] for i in self.used_columns)

    @cached_property
    def outputs(self) -> tuple[Output, ...]:
        """The bands it can write: its predictions, and the standard deviation of that of a Gaussian process."""
        predictions = predictions_of(self.targets)
        if len(self.targets) > 1 or not gives_deviation(self.estimator):
            return predictions
        return (*predictions, Output(f"{self.targets[0].name} spread", self.targets[0].unit, SPREAD))

    @cached_property
    def _moments(self) -> ProcessMoments:
        return ProcessMoments(self.estimator, len(self.training_columns), self.resampling, self.device)

    @property
    def is_lowered(self) -> bool:
        """Whether blocks run as one float32 program instead of the estimator's own `predict`."""
        return self.lowered is not None

    @property
    def bytes_per_pixel(self) -> int:
        """Memory that `predict` holds for each pixel of a block, beside the block and its result."""
        sums = 8 * len(self.targets) + 8
        return sums if self.is_lowered else sums + 8  # the numbers of the pixels with data

    def resample_from(self, features: tuple[Feature, ...], matrix: np.ndarray) -> PixelModel:
        """Return the same model for the bands of another sensor: matrix `(n_used, n_features)`."""
        return replace(self, resampling=np.asarray(matrix, np.float64), resampled_features=features)

    def on(self, device: str) -> PixelModel:
        """Return the same model, whose program, if it has one, runs on "cpu" or "cuda"."""
        return replace(self, device=device)

    @property
    def gpu_support(self) -> dict[str, bool]:
        """The estimator's kind, and whether it is lowered."""
        from geosoil.models.state import regressor_of
        from geosoil.program.lower import lower_estimator

        is_supported = self.of_geosoil and lower_estimator(self.estimator) is not None
        return {type(regressor_of(self.estimator)).__name__: is_supported}

    def predict_rows(self, rows: np.ndarray) -> np.ndarray:
        """Predict by the estimator itself: rows `(sample, feature)` -> `(sample, target)` in the targets' units.

        A row that the estimator refuses, for example because preprocessing turned it into NaN, gets NaN.
        """
        predicted = self._predict_unclipped(rows)
        clip_to_range(predicted.T, self.targets)
        return predicted

    def _predict_unclipped(self, rows: np.ndarray) -> np.ndarray:
        return self._row_predictor(self.estimator_rows(rows))

    def estimator_rows(self, rows: np.ndarray) -> np.ndarray:
        """Return rows `(sample, feature)` as the estimator takes them: resampled, `(sample, input)` float32."""
        rows = np.asarray(rows)
        if self.resampling is not None:
            rows = rows @ self.resampling.T
        # Columns that the estimator does not depend on may hold any finite value.
        full = np.zeros((len(rows), len(self.training_columns)), np.float32)
        full[:, self.used_columns] = rows
        return full

    def predict(
        self, block: Block, outputs: Sequence[Output] | None = None, computed: np.ndarray | None = None
    ) -> Block:
        """Turn (feature, y, x) float32 into (output, y, x) float32; a pixel with NaN in any feature gives NaN.

        computed: its predictions `(target, pixel)`, if they are known already.
        """
        n_features, height, width = block.shape
        chosen = predictions_of(self.targets) if outputs is None else outputs
        if computed is not None:
            return pick_outputs(computed.reshape(-1, height, width), predictions_of(self.targets), chosen)
        flat = block.reshape(n_features, -1)
        if any(output.kind == SPREAD for output in chosen):
            out = self._moments(flat)
        elif self.lowered is not None:
            out = self.lowered(flat, mask_gaps=True)
        else:
            out = np.full((len(self.targets), flat.shape[1]), np.nan, np.float32)
            # One pass that needs no temporary: a sum is finite only where every band is.
            pixels = np.flatnonzero(np.isfinite(np.add.reduce(flat, axis=0)))
            # An estimator's own predict has the rows, their float64 and a step's copy of them.
            at_once = max(ROWS_BYTES // (4 * len(flat) + 20 * len(self.training_columns)), 1024)
            for start in range(0, len(pixels), at_once):
                here = pixels[start : start + at_once]
                out[:, here] = self._predict_unclipped(flat[:, here].T).T
        return pick_outputs(out.reshape(-1, height, width), self.outputs[: len(out)], chosen)
