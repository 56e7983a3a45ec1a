"""The schema of a recipe of the GF-5 inversion."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, model_validator

from geosoil.studies.recipe import LoadedRecipe, Part, StudyRecipe, TargetColumn, Window
from geosoil.studies.recipe import read_recipe as read_any_recipe

if TYPE_CHECKING:
    from pathlib import Path

MOST_SEEDS = 19_999  # as many as the range of the search holds


class Data(Part):
    """Where the cube, the samples and the laboratory spectra are."""

    cube: str
    samples: str
    sample_id: str = "sample_id"
    describe: list[str] = Field(default_factory=list, description="further columns for the table of statistics")
    laboratory: str | None = None
    laboratory_scale: float | None = Field(None, gt=0, description="0.01 where the laboratory gives percent")
    bands: str | None = Field(None, description="CSV with wavelength_nm [, fwhm_nm] for a cube without wavelengths")
    scale: float | None = Field(None, gt=0, description="reflectance = value * scale, where the file does not say so")
    nodata: float | None = None
    overlap: Literal["detector", "wavelength", "vnir", "swir"] = "detector"
    drop_nm: list[Window] | None = Field(None, description="bad bands; None leaves it to the sensor")
    x: str | None = Field(None, description="columns of a table without geometry, with its crs")
    y: str | None = None
    crs: str | None = None
    on_missing: Literal["stop", "drop"] = "stop"


class Fusion(Part):
    """The spectral VAE; what is left out keeps the measured default of `geosoil.SpectralVAE`."""

    mode: Literal["paired", "paper"] = "paired"
    hidden: list[Annotated[int, Field(ge=1)]] | None = Field(None, min_length=1)
    latent: int | None = Field(None, ge=1)
    epochs: int | None = Field(None, ge=1)
    learning_rate: float | None = Field(None, gt=0)
    n_members: int | None = Field(None, ge=1, description="networks whose mean is taken")
    n_seeds: int = Field(
        0, ge=0, le=MOST_SEEDS, description="seeds searched for the correlation with the target, 0: none"
    )


class Preprocessing(Part):
    """One row-wise step of `geosoil.spectra` on the spectra, before fusion and selection."""

    step: Literal["absorbance", "snv", "msc", "detrend", "savitzky_golay", "continuum_removal"]
    window_bands: int = Field(11, ge=3, description="savitzky_golay")
    polynomial_order: int = Field(2, ge=1, description="savitzky_golay")
    derivative: int = Field(0, ge=0, le=2, description="savitzky_golay")
    degree: int = Field(2, ge=1, description="detrend")

    @model_validator(mode="after")
    def _window_fits_the_polynomial(self) -> Preprocessing:
        if self.window_bands % 2 == 0 or not self.derivative <= self.polynomial_order < self.window_bands:
            msg = "window_bands is odd and larger than polynomial_order, which is no smaller than derivative"
            raise ValueError(msg)
        return self


class Features(Part):
    """Which spectra the model sees."""

    use: Literal["satellite", "vae", "mix", "indoor"] = "mix"
    preprocessing: list[Preprocessing] = Field(default_factory=list)


class Selection(Part):
    """How bands are chosen."""

    method: Literal["cars", "none"] = "cars"
    n_runs: int = Field(50, ge=2)
    n_components: int = Field(10, ge=1)
    n_folds: int = Field(5, ge=2)


class Regression(Part):
    """Which regressor."""

    kind: Literal["svr", "plsr", "forest", "dnn"] = "svr"


class Validation(Part):
    """How honest figures are made; `nested` repeats every choice inside each training fold."""

    split: Literal["kfold", "gradient", "spatial"] = "kfold"
    n_folds: int = Field(5, ge=2)
    n_repeats: int = Field(2, ge=1)
    block_m: float = Field(500.0, gt=0, description="side of a spatial block in metres")
    published_seeds: int = Field(
        1999, ge=0, le=MOST_SEEDS, description="seeds of the published protocol; the paper searched 19 999"
    )


class Recipe(StudyRecipe):
    """One model: data, target, features, regressor and validation."""

    study: Literal["gf5_inversion"]
    data: Data
    target: TargetColumn
    features: Features = Features()
    fusion: Fusion = Fusion()
    selection: Selection = Selection()
    regression: Regression = Regression()
    validation: Validation = Validation()

    @model_validator(mode="after")
    def _laboratory_is_there_where_it_is_needed(self) -> Recipe:
        if self.features.use != "satellite" and self.data.laboratory is None:
            msg = f"features.use = '{self.features.use}' needs data.laboratory; without it use 'satellite'"
            raise ValueError(msg)
        return self


def read_recipe(path: str | Path) -> LoadedRecipe[Recipe]:
    """Read and check a recipe of this study; raises RecipeError with the key that is wrong."""
    return read_any_recipe(path, Recipe)
