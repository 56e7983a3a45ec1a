"""The section `[data]` of a recipe, one schema for each kind of source."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

from pydantic import AllowInfNan, Field, field_validator, model_validator

from geosoil.pipeline.part import Name, Part, Property, Window


class _Data(Part):
    """The keys that every source has."""

    sample_id: str = Field(
        "sample_id", description='Column with a different name for each sample; "" numbers the rows.'
    )
    x: str | None = Field(None, description="Column of the x coordinates, for a table without geometry.")
    y: str | None = Field(None, description="Column of the y coordinates, for a table without geometry.")
    crs: str | None = Field(None, description="CRS of x and y, such as EPSG:4326.")
    layer: str | None = Field(
        None, description="Layer of the table of samples, or sheet of an Excel workbook, if the file has several."
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="Decimal mark of numbers in text; the default is what the numbers show."
    )
    on_missing: Literal["stop", "drop"] = Field(
        "stop", description="Whether samples without a value or outside the raster stop the run or are dropped."
    )
    group: str | None = Field(
        None, description='Column whose rows are tested together, such as the site; split = "groups" and "site_out".'
    )
    folds: str | None = Field(None, description='Column with folds of your own; split = "folds".')
    describe: list[Name] = Field(
        default_factory=list, max_length=100, description="Further columns for the table of statistics in the report."
    )
    auxiliary: Property | None = Field(
        None, description="Property that a transfer or a cascade learns first, as a table with the keys below."
    )


class _CovariateFiles(_Data):
    """Covariate rasters."""

    covariates: list[str] = Field(
        min_length=1, max_length=1000, description="Paths of the rasters; * in a path matches many files."
    )
    like: str | None = Field(None, description="Raster whose grid is used for all; by default the first covariate.")
    classes: dict[Name, str | list[int]] = Field(
        default_factory=dict,
        max_length=1000,
        description="Class bands, each with its codes or with the path of a CSV table of its codes.",
    )
    patch: int | None = Field(
        None,
        ge=3,
        le=15,
        description="Side of the patch around each place in cells, an odd number; without it only the cell is read.",
    )
    zones: str | None = Field(
        None, description="Polygons or a class raster for whose zones the report gives the accuracy separately."
    )
    zone_column: str | None = Field(
        None, description="Column with the names of the polygons of zones; the default is zone, else name."
    )
    zone_layer: str | None = Field(None, description="Layer of the polygons of zones, if the file has several.")

    @field_validator("patch")
    @classmethod
    def _check_odd(cls, size: int | None) -> int | None:
        if size is not None and size % 2 == 0:
            msg = f"a patch of {size} cells has no centre: use {size - 1} or {size + 1}"
            raise ValueError(msg)
        return size


class CubeData(_Data):
    """Sample points on a hyperspectral cube, with optional laboratory spectra of the same samples."""

    kind: Literal["cube"] = Field(description="Kind of the source.")
    cube: str = Field(description="Path of the cube: a file, a URL, or a product as a folder or an archive.")
    samples: str = Field(description="Table of the sample points with the target.")
    laboratory: str | None = Field(None, description="Table of laboratory spectra of the same samples.")
    laboratory_scale: float | None = Field(
        None, gt=0, description="Factor that converts laboratory values to reflectance, such as 0.01 for percent."
    )
    bands: str | None = Field(
        None, description="CSV table of the wavelengths of the cube: wavelength_nm and, optionally, fwhm_nm."
    )
    scale: float | None = Field(
        None, gt=0, description="Reflectance is the stored value x scale + offset; by default as the file states."
    )
    offset: float | None = Field(None, description="See scale; by default as the file states, or 0.")
    nodata: Annotated[float, AllowInfNan(True)] | None = Field(
        None, description="Stored value that means no data; by default as the file states."
    )
    overlap: Literal["detector", "wavelength", "vnir", "swir"] = Field(
        "detector",
        description="Bands where two detectors overlap: all in the order of the file, all sorted by wavelength, or "
        "those of one detector only.",
    )
    drop_nm: list[Window] | None = Field(
        None,
        max_length=100,
        description="Windows of wavelengths in nm whose bands are left out; by default those of water vapour if the "
        "sensor is known.",
    )
    keep: list[str] = Field(
        default_factory=list,
        max_length=100,
        description="Quality masks of a product whose pixels are kept, such as water; by default all are left out.",
    )
    pixel_m: int | None = Field(
        None,
        description="Side in m of the pixels of a product with several grids: 10, 20 (default) or 60 for Sentinel-2.",
    )


class SpectraData(_Data):
    """A table of spectra, with an optional library."""

    kind: Literal["spectra"] = Field(description="Kind of the source.")
    sample_id: str = Field(
        "sample_id",
        description='Column with a different name for each sample, by default also id; "" numbers the rows.',
    )
    spectra: str = Field(description="Table of spectra, with the target among its columns unless samples is given.")
    samples: str | None = Field(None, description="Another table with the target and the places of the samples.")
    wavelength_unit: Literal["nm", "um", "cm-1"] | None = Field(
        None,
        description="Unit of the wavelengths, or wavenumbers in 1/cm; the default is what the file states, else nm.",
    )
    scale: float | None = Field(
        None, gt=0, description="Factor that converts the values to reflectance, such as 0.01 for percent."
    )
    quantity: Literal["reflectance", "absorbance"] | None = Field(
        None, description="What the values are; by default as the file states, else reflectance."
    )
    library: str | None = Field(None, description="Spectral library with the target or the auxiliary property.")
    library_id: str | None = Field(
        None, description="Column with the names of the rows of the library; by default sample_id or id."
    )
    country: str | None = Field(None, description="Country of the site, for models of its rows of the library.")
    country_column: str = Field("country", description="Column of the library with the country.")
    cube: str | None = Field(
        None, description="Cube to whose bands the spectra are resampled, so that it can be mapped."
    )
    cube_scale: float | None = Field(
        None,
        gt=0,
        description="Reflectance is the value that the cube stores x cube_scale; by default as its file states.",
    )
    bands: str | None = Field(
        None,
        description="CSV table of the wavelengths of that cube, or of the bands to resample to if no cube is given.",
    )
    sensor: Name | None = Field(
        None,
        description="Sensor to whose nominal bands the spectra are resampled, such as ENMAP or SENTINEL2, if no cube "
        "is at hand.",
    )

    @model_validator(mode="after")
    def _check_one_sensor(self) -> SpectraData:
        if self.sensor is not None and not (self.cube is None and self.bands is None):
            msg = "give either sensor, or a cube or bands"
            raise ValueError(msg)
        return self


class CovariateData(_CovariateFiles):
    """Sample points on covariate rasters, as pixels or as patches."""

    kind: Literal["covariates"] = Field(description="Kind of the source.")
    samples: str = Field(description="Table of the sample points with the target; an empty cell is an unknown value.")


class ProfileData(_CovariateFiles):
    """Soil profiles, as horizons or as depth layers, on covariate rasters."""

    kind: Literal["profiles"] = Field(description="Kind of the source.")
    sample_id: str = Field("profile_id", description="Column with the name of the profile.")
    horizons: str | None = Field(None, description="Table of horizons, which are harmonised to the layers by splines.")
    sites: str | None = Field(
        None, description="Table of depth layers as `geosoil depths` writes it, instead of horizons."
    )
    top_cm: str = Field("top_cm", description="Column of the upper depth of a horizon in cm.")
    bottom_cm: str = Field("bottom_cm", description="Column of the lower depth of a horizon in cm.")
    on_error: Literal["stop", "drop"] = Field(
        "stop", description="Whether profiles with invalid horizons stop the run or are dropped."
    )
    layers_cm: list[Annotated[float, Field(ge=0, le=10_000)]] = Field(
        [0, 5, 15, 30, 60, 100, 200],
        min_length=2,
        max_length=50,
        description="Limits of the layers in cm, from the surface downwards.",
    )
    smoothing: float = Field(0.1, gt=0, description="Smoothing parameter lambda of the spline.")
    min_coverage: float = Field(
        0.5, gt=0, le=1, description="Share of a layer that horizons must cover; otherwise its value is unknown."
    )

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

    kind: Literal["table"] = Field(description="Kind of the source.")
    table: str = Field(description="Table of the samples with the target and the features.")
    columns: list[Name] = Field(
        max_length=10_000,
        description="Columns that are features; [] for a model of place alone, with features.place = true.",
    )
