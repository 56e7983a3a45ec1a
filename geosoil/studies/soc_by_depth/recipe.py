"""The schema of a recipe of SOC by depth."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from geosoil.studies.covariate_data import CovariateFiles, Folds, Selection
from geosoil.studies.recipe import LoadedRecipe, Part, Property, StudyRecipe
from geosoil.studies.recipe import read_recipe as read_any_recipe

if TYPE_CHECKING:
    from pathlib import Path


class Data(CovariateFiles):
    """Where the profiles and the covariates are."""

    horizons: str | None = Field(None, description="horizons, harmonised here; or sites, what `geosoil depths` wrote")
    sites: str | None = None
    profile_id: str = "profile_id"
    x: str | None = Field(None, description="columns of a table without geometry, with its crs")
    y: str | None = None
    crs: str | None = None
    top_cm: str = "top_cm"
    bottom_cm: str = "bottom_cm"
    on_error: Literal["stop", "drop"] = Field("stop", description="profiles with faulty horizons")
    layers_cm: list[float] = Field([0, 5, 15, 30, 60, 100, 200], min_length=2)
    smoothing: float = Field(0.1, gt=0, description="lambda of the spline")
    min_coverage: float = Field(0.5, gt=0, le=1, description="share of a layer that horizons must cover")
    zones: str | None = Field(None, description="polygons or a class raster: figures are given for each zone too")
    zone_column: str = "zone"

    @field_validator("layers_cm")
    @classmethod
    def _go_down(cls, limits: list[float]) -> list[float]:
        if not all(top < bottom for top, bottom in pairwise(limits)):
            msg = f"{limits} does not go down from the surface, limit by limit"
            raise ValueError(msg)
        return limits

    @model_validator(mode="after")
    def _one_table(self) -> Data:
        if (self.horizons is None) == (self.sites is None):
            msg = "give horizons or sites, one of them"
            raise ValueError(msg)
        return self

    @property
    def layers(self) -> tuple[tuple[float, float], ...]:
        """(top, bottom) of every layer in cm."""
        return tuple(pairwise(self.layers_cm))


class Network(Part):
    """The patch networks; what is left out keeps the measured default of `geosoil.TransferCNN`."""

    patch: int = Field(9, ge=3, le=15, description="cells a side, odd")
    filters: list[Annotated[int, Field(ge=1)]] | None = Field(None, min_length=2)
    n_frozen: int = Field(2, ge=0, le=6, description="layers kept from pre-training")
    epochs: int | None = Field(None, ge=1)
    fine_tuning_epochs: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    dropout: float | None = Field(None, ge=0, lt=1)
    n_members: int | None = Field(None, ge=1, description="networks whose mean is taken")
    augment: bool | None = Field(None, description="rotate and mirror; not with directions")

    @field_validator("patch")
    @classmethod
    def _odd(cls, size: int) -> int:
        if size % 2 == 0:
            msg = f"a patch of {size} cells has no centre: take {size - 1} or {size + 1}"
            raise ValueError(msg)
        return size


class Forest(Part):
    """The random forest on the covariates of the cell itself."""

    n_trees: int = Field(500, ge=1)
    search: bool = Field(True, description="max_features and min_leaf by the paper's grid, in cross-validation")


class Model(Part):
    """Which model is trained and mapped."""

    kind: Literal["transfer", "cnn", "mtcnn", "forest"] = "transfer"


class Validation(Folds):
    """How honest figures are made; the layers of a profile are always on one side."""

    split: Literal["profiles", "spatial"] = "profiles"
    block_m: float = Field(5000.0, gt=0, description="side of a spatial block in metres")


class Recipe(StudyRecipe):
    """One model: profiles, covariates, property, network and validation."""

    study: Literal["soc_by_depth"]
    data: Data
    target: Property
    second: Property | None = Field(None, description="another property, for `geosoil compare`")
    selection: Selection = Selection()
    model: Model = Model()
    network: Network = Network()
    forest: Forest = Forest()
    validation: Validation = Validation()


def read_recipe(path: str | Path) -> LoadedRecipe[Recipe]:
    """Read and check a recipe of this study; raises RecipeError with the key that is wrong."""
    return read_any_recipe(path, Recipe)
