"""The models that are compared, and how one is fitted to training rows: covariates first, then the model."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.pipeline import Pipeline

from geosoil.estimators.depth_cnn import MultiTaskCNN, PlainCNN, TransferCNN
from geosoil.estimators.forest import Forest
from geosoil.estimators.multi_target import PerTarget
from geosoil.models.patch import PatchModel
from geosoil.models.pixel import PixelModel
from geosoil.studies.soc_by_depth.training_data import centres

if TYPE_CHECKING:
    from geosoil.models.contract import Feature, Target
    from geosoil.samples.covariates import CovariateSelection, Selection
    from geosoil.studies.soc_by_depth.recipe import Recipe
    from geosoil.studies.soc_by_depth.training_data import TrainingData

MODELS = {"forest": "RF", "cnn": "CNN", "mtcnn": "MTCNN", "transfer": "Transfer CNN"}
NETWORKS = {"cnn": PlainCNN, "mtcnn": MultiTaskCNN, "transfer": TransferCNN}


@dataclass(frozen=True)
class Fitted:
    """A fitted model and the covariates it reads: `kept` `(n_kept,)` are their indices, as `chooser` chose them."""

    kind: str
    estimator: Any
    kept: np.ndarray
    chooser: CovariateSelection | None

    def predict(self, patches: np.ndarray) -> np.ndarray:
        """Predict `(n, layer)` from patches of all covariates `(n, covariate, size, size)`."""
        own = patches[:, self.kept]
        return np.asarray(self.estimator.predict(centres(own) if self.kind == "forest" else own))

    def as_model(self, features: tuple[Feature, ...], targets: tuple[Target, ...]) -> PixelModel | PatchModel:
        """Return what the mapper runs: a pixel model of a forest, a patch model of a network."""
        # All covariates of training stay in the model's card: classes that were seen are known, used or not.
        if self.kind == "forest":
            steps = (
                [("model", self.estimator)]
                if self.chooser is None
                else [("covariates", self.chooser), ("model", self.estimator)]
            )
            return PixelModel(Pipeline(steps), training_columns=features, targets=targets)
        return PatchModel(self.estimator, training_columns=features, targets=targets, reads=tuple(self.kept.tolist()))


class Trainer:
    """Fits models to some rows, the covariates chosen once for all of them.

    column: of the property to learn. rows: those to learn from. selection_rows: those that choose covariates, by
    default the same; others only in the published protocol.
    """

    def __init__(
        self,
        recipe: Recipe,
        data: TrainingData,
        column: str,
        rows: np.ndarray,
        selection_rows: np.ndarray | None = None,
    ) -> None:
        self.recipe = recipe
        self.patches, self.values, self.layers, self.rows = data.patches, data.values[column], data.layers, rows
        self.names = [feature.name for feature in data.features]
        self._selection_rows = rows if selection_rows is None else selection_rows

    @cached_property
    def chooser(self) -> CovariateSelection | None:
        """The choice of covariates with its curve, or None where all are taken."""
        chooser = self.recipe.selection.step(self.names, self.recipe.seed)
        if chooser is None:
            return None
        rows = self._selection_rows
        return chooser.fit(centres(self.patches[rows]), self.values[rows])

    @property
    def selection(self) -> Selection | None:
        """What was chosen and how, or None where all covariates are taken."""
        return None if self.chooser is None else self.chooser.selection_

    @cached_property
    def kept(self) -> np.ndarray:
        """Indices of the covariates that models see."""
        return np.arange(len(self.names)) if self.chooser is None else np.flatnonzero(self.chooser.support_)

    def fit(self, kind: str, **changes: Any) -> Fitted:
        """Fit one of `MODELS`; `changes` replace options of its network."""
        X, y = self.patches[self.rows][:, self.kept], self.values[self.rows]
        if kind == "forest":
            forest = Forest(random_state=self.recipe.seed, **self.recipe.forest.model_dump())
            return Fitted(kind, PerTarget(forest).fit(centres(X), y), self.kept, self.chooser)
        options = self.recipe.network.model_dump(exclude={"patch"}, exclude_none=True)
        if kind != "transfer":
            options = {name: value for name, value in options.items() if name not in {"n_frozen", "fine_tuning_epochs"}}
        network = NETWORKS[kind](layers_cm=self.layers, random_state=self.recipe.seed, **(options | changes))
        return Fitted(kind, network.fit(X, y), self.kept, self.chooser)
