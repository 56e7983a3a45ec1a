"""The recipe of a GF-5 inversion: a TOML file, checked before anything is read.

Paths are relative to the recipe. A recipe names inputs and choices only; where results go is said on the
command line, so a recipe from a stranger cannot write anywhere.
"""

from __future__ import annotations

import hashlib
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from geosoil.errors import RecipeError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"
MOST_SEEDS = 19_999  # as many as the range of the search holds


def _rising(window: list[float]) -> list[float]:
    if not window[0] < window[1]:
        msg = f"{window} does not rise from the lowest to the highest"
        raise ValueError(msg)
    return window


Window = Annotated[list[float], Field(min_length=2, max_length=2), AfterValidator(_rising)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Part):
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


class TargetColumn(_Part):
    """What is predicted: a column of the samples."""

    column: str
    unit: str
    title: str = ""
    valid_range: tuple[float | None, float | None] = (0.0, None)
    log: Literal["none", "naive", "smearing"] = "none"

    @field_validator("valid_range")
    @classmethod
    def _rises(cls, ends: tuple[float | None, float | None]) -> tuple[float | None, float | None]:
        if None not in ends:
            _rising(list(ends))  # type: ignore[arg-type]
        return ends


class Fusion(_Part):
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


class Preprocessing(_Part):
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


class Features(_Part):
    """Which spectra the model sees."""

    use: Literal["satellite", "vae", "mix", "indoor"] = "mix"
    preprocessing: list[Preprocessing] = Field(default_factory=list)


class Selection(_Part):
    """How bands are chosen."""

    method: Literal["cars", "none"] = "cars"
    n_runs: int = Field(50, ge=2)
    n_components: int = Field(10, ge=1)
    n_folds: int = Field(5, ge=2)


class Regression(_Part):
    """Which regressor."""

    kind: Literal["svr", "plsr", "forest", "dnn"] = "svr"


class Validation(_Part):
    """How honest figures are made; `nested` repeats every choice inside each training fold."""

    split: Literal["kfold", "gradient", "spatial"] = "kfold"
    n_folds: int = Field(5, ge=2)
    n_repeats: int = Field(2, ge=1)
    block_m: float = Field(500.0, gt=0, description="side of a spatial block in metres")
    published_seeds: int = Field(
        1999, ge=0, le=MOST_SEEDS, description="seeds of the published protocol; the paper searched 19 999"
    )


class Recipe(_Part):
    """One model: data, target, features, regressor and validation."""

    study: Literal["gf5_inversion"]
    name: str = Field(pattern=NAME)
    seed: int = Field(0, ge=0, lt=2**31)
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


class LoadedRecipe(_Part):
    """A recipe with the folder its paths start from and the hash of its text."""

    recipe: Recipe
    folder: Path
    sha256: str

    def path(self, relative: str) -> str:
        """Return a path of the recipe: as it is where it is a URL or absolute, else from the recipe's folder."""
        return relative if "://" in relative or Path(relative).is_absolute() else str(self.folder / relative)


def read_recipe(path: str | Path) -> LoadedRecipe:
    """Read and check a recipe; raises RecipeError with the key, and the nearest name for an unknown one."""
    path = Path(path)
    try:
        text = path.read_bytes()
        content = tomllib.loads(text.decode())
    except OSError as error:
        raise RecipeError(
            path, found=str(error.strerror), expected="a recipe", way_out="begin one with `geosoil init gf5`"
        ) from error
    except ValueError as error:
        raise RecipeError(path, found=f"no TOML ({error})", expected="a recipe", way_out="mend that line") from error
    try:
        recipe = Recipe.model_validate(content)
    except ValidationError as error:
        # A misspelt key explains a missing one: tell it first.
        problems = sorted(error.errors(), key=lambda problem: problem["type"] != "extra_forbidden")
        raise _recipe_error(path, problems[0]) from error
    return LoadedRecipe(recipe=recipe, folder=path.resolve().parent, sha256=hashlib.sha256(text).hexdigest())


def _recipe_error(path: Path, problem: Any) -> RecipeError:
    keys = [str(key) for key in problem["loc"]]
    where = ".".join(keys) or "the recipe"
    if problem["type"] != "extra_forbidden":
        return RecipeError(
            path, found=f"{where}: {problem['msg']}", expected="a recipe that makes sense", way_out=f"mend {where}"
        )
    known = _keys_beside(keys)
    near = get_close_matches(keys[-1], known, n=1)
    return RecipeError(
        path,
        found=f"unknown key {where}",
        expected=f"one of {', '.join(known)}",
        way_out=f"did you mean {near[0]}?" if near else "take it out",
    )


def _keys_beside(keys: list[str]) -> list[str]:
    """Return the keys that could stand where an unknown one stands."""
    part: Any = Recipe
    for key in keys[:-1]:
        field = part.model_fields.get(key) if isinstance(part, type) and issubclass(part, BaseModel) else None
        if field is None:
            continue  # an index of a list
        part = field.annotation
        part = next((a for a in getattr(part, "__args__", ()) if isinstance(a, type)), part)
    return list(part.model_fields) if isinstance(part, type) and issubclass(part, BaseModel) else []
