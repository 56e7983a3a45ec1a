"""The schema of a recipe of one soil property from points and covariate rasters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from geosoil.studies.covariate_data import CovariateFiles, Folds, Selection
from geosoil.studies.recipe import LoadedRecipe, Part, StudyRecipe, TargetColumn
from geosoil.studies.recipe import read_recipe as read_any_recipe

if TYPE_CHECKING:
    from pathlib import Path


class Data(CovariateFiles):
    """Where the points and the covariates are."""

    samples: str = Field(description="points with their measured properties; an empty cell is unknown")
    sample_id: str = "sample_id"
    x: str | None = Field(None, description="columns of a table without geometry, with its crs")
    y: str | None = None
    crs: str | None = None


class Model(Part):
    """Which model is trained and mapped."""

    kind: Literal["forest", "mlp", "transfer", "cascade"] = "forest"


class Forest(Part):
    """The random forest, also both stages of a cascade."""

    n_trees: int = Field(500, ge=1)
    max_features: float = Field(1 / 3, gt=0, le=1, description="share of the covariates tried at a split")
    min_leaf: int = Field(2, ge=1)
    search: bool = Field(False, description="max_features and min_leaf by cross-validation, for 200 samples and more")


class Network(Part):
    """The dense network, also source and target of a transfer."""

    hidden: list[Annotated[int, Field(ge=1)]] = Field([64, 32], min_length=1)
    dropout: float = Field(0.2, ge=0, lt=1)
    epochs: int = Field(500, ge=1)
    patience: int = Field(50, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    batch_size: int = Field(16, ge=1)
    n_members: int = Field(3, ge=1, le=100, description="networks of different seeds whose mean is taken")
    freeze: list[str] | None = Field(None, description="layers kept from the source; default all but the last two")


class Validation(Folds):
    """How honest figures are made; everything is fitted again inside each training fold."""

    split: Literal["random", "spatial"] = "random"


class Recipe(StudyRecipe):
    """One model: points, covariates, property, model and validation."""

    study: Literal["soil_property"]
    data: Data
    target: TargetColumn
    source: TargetColumn | None = Field(None, description="the property learned first: transfer and cascade")
    selection: Selection = Selection(method="none")
    model: Model = Model()
    forest: Forest = Forest()
    network: Network = Network()
    validation: Validation = Validation()

    @model_validator(mode="after")
    def _source_is_there_where_it_is_needed(self) -> Recipe:
        if self.source is None and self.model.kind in ("transfer", "cascade"):
            msg = f"model.kind = '{self.model.kind}' needs a table [source]: the property that is learned first"
            raise ValueError(msg)
        if self.source is not None and self.source.name == self.target.name:
            msg = f"source and target are both {self.target.name}"
            raise ValueError(msg)
        return self


def read_recipe(path: str | Path) -> LoadedRecipe[Recipe]:
    """Read and check a recipe of this study; raises RecipeError with the key that is wrong."""
    return read_any_recipe(path, Recipe)
