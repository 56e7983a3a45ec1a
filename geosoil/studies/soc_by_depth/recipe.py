"""The schema of a recipe of SOC by depth."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from geosoil.studies.covariate_data import Selection
from geosoil.studies.recipe import NAME, LoadedRecipe, Part
from geosoil.studies.recipe import read_recipe as read_any_recipe

if TYPE_CHECKING:
    from pathlib import Path


class Data(Part):
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
    covariates: list[str] = Field(min_length=1, description="rasters; * stands for many")
    like: str | None = Field(None, description="the raster whose grid all take; default the first")
    classes: dict[str, str] = Field(default_factory=dict, description="class band -> CSV with its codes")
    zones: str | None = Field(None, description="polygons or a class raster: figures are given for each zone too")
    zone_column: str = "zone"
    on_missing: Literal["stop", "drop"] = Field("stop", description="profiles off the covariates")

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


class Property(Part):
    """A property of the soil: its column, unit and the range it can have."""

    column: str
    unit: str
    title: str = ""
    valid_range: tuple[float | None, float | None] = (0.0, None)

    @property
    def name(self) -> str:
        """Return what maps and figures call it."""
        return self.title or self.column


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


class Validation(Part):
    """How honest figures are made; the layers of a profile are always on one side."""

    split: Literal["profiles", "spatial"] = "profiles"
    n_folds: int = Field(10, ge=2)
    n_repeats: int = Field(1, ge=1)
    block_m: float = Field(5000.0, gt=0, description="side of a spatial block in metres")
    processes: int = Field(2, ge=1, description="folds at once")


class Recipe(Part):
    """One model: profiles, covariates, property, network and validation."""

    study: Literal["soc_by_depth"]
    name: str = Field(pattern=NAME)
    seed: int = Field(0, ge=0, lt=2**31)
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
