"""The section `[data]` of a recipe, one schema for each kind of source."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AllowInfNan, Field, field_validator, model_validator

from geosoil.pipeline.part import Name, Part, Property, Window


class _Data(Part):
    """The keys that every source has."""

    sample_id: str = Field("sample_id", description="column with one name for each sample")
    x: str | None = Field(None, description="columns of a table without geometry, with its crs")
    y: str | None = None
    crs: str | None = None
    on_missing: Literal["stop", "drop"] = Field("stop", description="samples without a value or off the raster")
    group: str | None = Field(None, description="column whose rows stay together in a split by groups (a site)")
    folds: str | None = Field(None, description="column with folds of your own")
    describe: list[Name] = Field(
        default_factory=list, max_length=100, description="further columns for the table of statistics"
    )
    auxiliary: Property | None = Field(None, description="a property that transfers and cascades learn first")


class _CovariateFiles(_Data):
    """Covariate rasters."""

    covariates: list[str] = Field(min_length=1, max_length=1000, description="rasters; * matches many files")
    like: str | None = Field(None, description="the raster whose grid all others take; by default the first")
    classes: dict[Name, str | list[int]] = Field(
        default_factory=dict, max_length=1000, description="class band -> CSV with its codes, or the codes"
    )
    patch: int | None = Field(None, ge=3, le=15, description="cells per side, odd: rows are patches around each place")
    zones: str | None = Field(None, description="polygons or a class raster: figures are given for each zone too")
    zone_column: str = "zone"

    @field_validator("patch")
    @classmethod
    def _check_odd(cls, size: int | None) -> int | None:
        if size is not None and size % 2 == 0:
            msg = f"a patch of {size} cells has no centre: use {size - 1} or {size + 1}"
            raise ValueError(msg)
        return size


class CubeData(_Data):
    """Sample points on a hyperspectral cube, with optional laboratory spectra of the same samples."""

    kind: Literal["cube"]
    cube: str
    samples: str
    laboratory: str | None = Field(None, description="laboratory spectra of the same samples")
    laboratory_scale: float | None = Field(None, gt=0, description="0.01 if the laboratory gives percent")
    bands: str | None = Field(None, description="CSV with wavelength_nm [, fwhm_nm] for a cube without wavelengths")
    scale: float | None = Field(
        None, gt=0, description="reflectance = value * scale + offset, if the file does not state them"
    )
    offset: float | None = None
    nodata: Annotated[float, AllowInfNan(True)] | None = None
    overlap: Literal["detector", "wavelength", "vnir", "swir"] = Field(
        "detector", description="which bands are kept where two detectors overlap"
    )
    drop_nm: list[Window] | None = Field(None, max_length=100, description="bad bands; None leaves it to the sensor")


class SpectraData(_Data):
    """A table of spectra, with an optional library."""

    kind: Literal["spectra"]
    spectra: str = Field(description="table of spectra, with the target among its columns unless `samples` has it")
    samples: str | None = Field(None, description="table with the target and the places of the samples")
    library: str | None = Field(None, description="spectral library with the target or the auxiliary property")
    library_id: str | None = Field(None, description="id column of the library; by default sample_id or id")
    country: str | None = Field(None, description="the site's country, as the library's column names it")
    country_column: str = "country"
    cube: str | None = Field(None, description="spectra are resampled to its bands, so that it can be mapped")
    bands: str | None = Field(None, description="CSV of such bands, or of a cube without wavelengths")


class CovariateData(_CovariateFiles):
    """Sample points on covariate rasters, as pixels or as patches."""

    kind: Literal["covariates"]
    samples: str = Field(description="points with their measured properties; an empty cell is unknown")


class ProfileData(_CovariateFiles):
    """Soil profiles, as horizons or as depth layers, on covariate rasters."""

    kind: Literal["profiles"]
    sample_id: str = Field("profile_id", description="column with one name for each profile")
    horizons: str | None = Field(None, description="horizons, which are harmonised to the layers")
    sites: str | None = Field(None, description="depth layers as `geosoil depths` writes them, instead of horizons")
    top_cm: str = "top_cm"
    bottom_cm: str = "bottom_cm"
    on_error: Literal["stop", "drop"] = Field("stop", description="profiles with faulty horizons")
    layers_cm: list[Annotated[float, Field(ge=0, le=10_000)]] = Field(
        [0, 5, 15, 30, 60, 100, 200], min_length=2, max_length=50, description="limits of the layers"
    )
    smoothing: float = Field(0.1, gt=0, description="lambda of the spline")
    min_coverage: float = Field(0.5, gt=0, le=1, description="share of a layer that horizons must cover")

    @field_validator("layers_cm")
    @classmethod
    def _check_order(cls, limits: list[float]) -> list[float]:
        if not all(top < bottom for top, bottom in pairwise(limits)):
            msg = f"{limits} must rise from the surface downwards"
            raise ValueError(msg)
        return limits

    @model_validator(mode="after")
    def _check_one_table(self) -> ProfileData:
        if (self.horizons is None) == (self.sites is None):
            msg = "give either horizons or sites"
            raise ValueError(msg)
        return self

    @property
    def layers(self) -> tuple[tuple[float, float], ...]:
        """(top, bottom) of every layer in cm."""
        return tuple(pairwise(self.layers_cm))


class TableData(_Data):
    """A table whose columns are the features."""

    kind: Literal["table"]
    table: str
    columns: list[Name] = Field(min_length=1, max_length=10_000, description="columns that are features")
