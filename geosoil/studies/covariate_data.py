"""What studies of covariate rasters share: their files, their rows in space, and how covariates are chosen."""

from __future__ import annotations

from dataclasses import dataclass
from glob import glob, has_magic
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from geosoil.errors import RecipeError
from geosoil.io.rasters.stack import open_stack
from geosoil.samples.covariates import CovariateSelection
from geosoil.samples.splits import split_spatial_blocks
from geosoil.studies.cross_validation import Split, repeated
from geosoil.studies.recipe import Part

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from geosoil.raster.grid import Grid
    from geosoil.studies.recipe import LoadedRecipe


class CovariateFiles(Part):
    """Where the covariates are; the part of a table [data] that says so."""

    covariates: list[str] = Field(min_length=1, description="rasters; * stands for many")
    like: str | None = Field(None, description="the raster whose grid all take; default the first")
    classes: dict[str, str | list[int]] = Field(
        default_factory=dict, description="class band -> CSV with its codes, or the codes"
    )
    on_missing: Literal["stop", "drop"] = Field("stop", description="samples off the covariates, or in their gaps")


class Folds(Part):
    """How many folds test the models; the part of a table [validation] that says so."""

    n_folds: int = Field(10, ge=2)
    n_repeats: int = Field(1, ge=1)
    block_m: float = Field(1000.0, gt=0, description="side of a spatial block in metres")
    processes: int = Field(2, ge=1, description="folds at once")


class Selection(Part):
    """How covariates are chosen, inside the training rows."""

    method: Literal["screen", "none"] = "screen"
    least_r: float = Field(0.05, ge=0, lt=1, description="less correlated with the target: dropped")
    most_r: float = Field(0.8, gt=0, le=1, description="more correlated with a better one: dropped")
    batch: int = Field(10, ge=1, description="covariates added at a time, judged by cross-validated RMSE")

    def step(self, names: list[str], seed: int) -> CovariateSelection | None:
        """Return the step, yet to be fitted, that chooses among covariates of these names; None where all are taken."""
        if self.method == "none":
            return None
        return CovariateSelection(names, least_r=self.least_r, most_r=self.most_r, batch=self.batch, random_state=seed)


@dataclass(frozen=True)
class Places:
    """Samples on a grid of covariates, all in one order.

    ids `(n,)`; x, y `(n,)` in the CRS of the grid, in metres where `projected`; notes what was done to the input, to be
    told to the user.
    """

    ids: np.ndarray
    x: np.ndarray
    y: np.ndarray
    grid: Grid
    notes: list[str]
    sha256: str

    @property
    def projected(self) -> bool:
        """Whether x and y are in metres."""
        return self.grid.crs is not None and bool(self.grid.crs.is_projected)

    def spatial_splits(self, wanted: Folds, *, seed: int, recipe: str) -> list[Split]:
        """Deal square blocks of the map to folds; raises RecipeError, of the recipe's name, in degrees."""
        if not self.projected:
            raise RecipeError(
                recipe,
                found="covariates in degrees",
                expected="a grid in metres for spatial blocks",
                way_out="set data.like to a projected raster",
            )
        return repeated(
            lambda seed: split_spatial_blocks(self.x, self.y, wanted.block_m, wanted.n_folds, seed=seed),
            wanted.n_repeats,
            seed=seed,
        )


def open_covariates(loaded: LoadedRecipe[Any]) -> xr.DataArray:
    """Return the lazy stack of a recipe's covariates, with a 0/1 band for each code of a class band."""
    data: CovariateFiles = loaded.recipe.data
    return open_stack(
        covariate_paths(loaded),
        like=loaded.path(data.like) if data.like else None,
        classes={band: loaded.path(of) if isinstance(of, str) else of for band, of in data.classes.items()},
    )


def covariate_paths(loaded: LoadedRecipe[Any]) -> list[str]:
    """Return the covariates' files, `*` spelt out; raises RecipeError where one stands for none."""
    paths: list[str] = []
    for pattern in loaded.recipe.data.covariates:
        path = loaded.path(pattern)
        found = sorted(glob(path)) if has_magic(path) else [path]  # noqa: PTH207 (a URL has no Path)
        if not found:
            raise RecipeError(
                path, found="no such file", expected="covariate rasters", way_out="mend data.covariates in the recipe"
            )
        paths += [name for name in found if name not in paths]
    return paths
