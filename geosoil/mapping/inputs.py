"""The inputs of a map, an explanation or a training: a cube, covariate rasters, a mask, and a model folder.

Each class opens its files once, matches them with a model, and states them in the tags of an output.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import numpy as np

from geosoil.errors import ModelFileError
from geosoil.io.provenance import shown_name
from geosoil.io.rasters.envi_header import data_file
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import as_grid, open_stack, same_grid
from geosoil.io.rasters.warped import warp_raster
from geosoil.mapping.covariates import compare_grids, match_covariates
from geosoil.mapping.match import match_bands
from geosoil.models.contract import of_rasters
from geosoil.models.find import find_model
from geosoil.models.store import load_model, model_sha256, read_card
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import Overlap, lacks_scale, open_cube_with_masks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import xarray as xr

    from geosoil.io.rasters.class_bands import Unseen
    from geosoil.io.rasters.stack import Classes
    from geosoil.models.card import ModelCard
    from geosoil.models.contract import Model
    from geosoil.sensors.cube import OpenedCube

PathLike = str | os.PathLike[str]
COVARIATES = "covariates"  # `ModelCard.quantity` of models that read covariates; others read a cube


@dataclass(frozen=True)
class ModelInput:
    """A model folder, found and parsed once; the model itself is loaded when it is first needed.

    Parameters
    ----------
    folder : Path
        Folder that `save_model` wrote.
    card : ModelCard
        Contents of its `model.json`.
    """

    folder: Path
    card: ModelCard

    @classmethod
    def find(cls, model: PathLike | ModelInput) -> ModelInput:
        """Return a model by its folder or name; raises ModelFileError where there is none."""
        if isinstance(model, ModelInput):
            return model
        folder = find_model(os.fspath(model))
        return cls(folder, read_card(folder))

    @cached_property
    def model(self) -> Any:
        """The model, loaded from the folder."""
        return load_model(self.folder, self.card)

    @cached_property
    def sha256(self) -> str:
        """One hash of all files of the folder."""
        return model_sha256(self.folder)

    @property
    def reads_spectra(self) -> bool:
        """Whether all its features, places aside, have wavelengths."""
        bands = [feature for feature in self.card.features if feature.place is None]
        return bool(bands) and all(feature.wavelength_nm is not None for feature in bands)

    @property
    def identity(self) -> tuple[str, str]:
        """Name and hash, as `provenance_tags` takes them."""
        return self.card.name, self.sha256


@dataclass(frozen=True)
class UnsavedModel(ModelInput):
    """A model of this process; `folder` is a word for it in messages.

    Parameters
    ----------
    built : Model
        The model itself.
    content_sha256 : str, optional
        The hash of its description; None for a model that cannot be stored, which therefore cannot be recognised.
    """

    built: Any = None
    content_sha256: str | None = None

    @property
    def model(self) -> Any:
        """The model."""
        return self.built

    @cached_property
    def sha256(self) -> str:
        """The hash of its description, or one that no other model has."""
        return self.content_sha256 or f"unsaved-{uuid4().hex}"


@dataclass(frozen=True)
class MatchedInput:
    """An input brought to what a model reads.

    Parameters
    ----------
    model : Model
        The model; where bands had to be resampled, with that step in front.
    raster : xarray.DataArray
        All bands of the input, `(band, y, x)`.
    bands : tuple of str
        The bands that the model reads, in its order; places have none.
    notes : tuple of str
        What was done to the input, and what the user should know about it.
    """

    model: Model
    raster: xr.DataArray
    bands: tuple[str, ...]
    notes: tuple[str, ...]


class RasterInput(ABC):
    """What a cube and covariates have in common."""

    @property
    @abstractmethod
    def files(self) -> tuple[PathLike, ...]:
        """All files and addresses that are read; the first one names the output."""

    @property
    @abstractmethod
    def settings(self) -> dict[str, object]:
        """Inputs and options, as `provenance_tags` takes them."""

    @abstractmethod
    def match(self, model: ModelInput) -> MatchedInput:
        """Find what a model reads; raises the GeosoilError that states what does not fit."""

    @property
    @abstractmethod
    def raster(self) -> xr.DataArray:
        """The lazy raster `(band, y, x)`, opened on first use."""

    def describe(self) -> list[tuple[str, str]]:
        """Return pairs of a title and a text that describe the raster, for `geosoil info`."""
        raster = self.raster
        bands, height, width = raster.shape
        pairs = [
            ("raster", f"{bands} bands x {height} rows x {width} columns, {raster.attrs.get('source', '')}"),
            ("CRS", str(raster.rio.crs) if raster.rio.crs else "none: orthorectify the raster before mapping"),
            ("transform", " ".join(f"{value:g}" for value in Grid.of(raster).transform[:6])),
            ("units", raster.attrs.get("units") or "not stated"),
            ("blocks", str(raster.encoding.get("preferred_chunks", "not stated"))),
            *_describe_bands(raster),
        ]
        if raster.attrs.get("sensor"):
            pairs.append(("sensor", str(raster.attrs["sensor"])))
        pairs += [("note", note) for note in raster.attrs.get("notes", [])]
        middle = raster.isel(y=slice(height // 2, height // 2 + 32), x=slice(width // 2, width // 2 + 32)).values
        if np.isfinite(middle).any():
            pairs.append(("values", f"median {np.nanmedian(middle):.4g} in the middle of the raster"))
        return pairs


@dataclass(frozen=True)
class CubeInput(RasterInput):
    """A cube of reflectance, with the options that its file needs.

    Parameters
    ----------
    path : path-like
        A file, an address, or a product as a folder or an archive, as `open_cube` takes it.
    band_table : path-like, optional
        CSV table of wavelengths, for a cube without them.
    scale, offset : float, optional
        Reflectance = stored value x scale + offset; default: what the file states.
    nodata : float, optional
        The stored value that means no data; default: what the file states.
    overlap : {"detector", "wavelength", "vnir", "swir"}
        Which bands are kept where two detectors overlap, as `open_cube` has it.
    drop_nm : sequence of (float, float), optional
        Windows of wavelength in nm that are left out. The default leaves out none, as a map reads what its model
        needs; None leaves out the water-vapour windows of a known sensor.
    keep : sequence of str, optional
        Names of quality masks of a product whose pixels are kept, such as "water".
    pixel_m : int, optional
        The side in m of the pixels, for a product with several grids, as `open_cube` takes it.
    """

    path: PathLike
    band_table: PathLike | None = None
    scale: float | None = None
    offset: float | None = None
    nodata: float | None = None
    overlap: Overlap = "detector"
    drop_nm: Sequence[tuple[float, float]] | None = ()
    keep: Sequence[str] | None = ()
    pixel_m: int | None = None

    def __post_init__(self) -> None:
        # An ENVI cube may be named by its header; what is hashed and stated is the file with its values.
        object.__setattr__(self, "path", data_file(self.path))

    @property
    def files(self) -> tuple[PathLike, ...]:
        """The cube, the table of its bands, and the files of a product that lie beside the named one."""
        table = () if self.band_table is None else (self.band_table,)
        return (self.path, *table, *self.opened.files)

    @property
    def settings(self) -> dict[str, object]:
        """Names of the cube and the band table, and the options that were given."""
        return {
            "cube": shown_name(self.path),
            "scale": self.scale,
            "offset": self.offset,
            "nodata": self.nodata,
            "band_table": None if self.band_table is None else shown_name(self.band_table),
            "keep": ",".join(self.keep or ()) or None,
            "pixel_m": self.pixel_m,
        }

    @property
    def raster(self) -> xr.DataArray:
        """The cube `(band, y, x)`, opened on first use."""
        return self.opened.raster

    @cached_property
    def opened(self) -> OpenedCube:
        """The cube with its quality masks, opened on first use."""
        return open_cube_with_masks(
            self.path,
            band_table=self.band_table,
            scale=self.scale,
            offset=self.offset,
            nodata=self.nodata,
            overlap=self.overlap,
            drop_nm=None if self.drop_nm is None else list(self.drop_nm),
            keep=tuple(self.keep or ()),
            pixel_m=self.pixel_m,
        )

    def with_scale_of(self, models: Sequence[ModelInput]) -> tuple[CubeInput, tuple[str, ...]]:
        """Return the cube with the scale of the models' training cube if its own file states none, and a note on it.

        This is for files of whole numbers, which are not reflectance, and for models that agree. `match` compares the
        scaled values with those of the training.
        """
        cubes = {each.card.origin.cube if each.card.origin is not None else None for each in models}
        if self.scale is not None or self.offset is not None or len(cubes) != 1 or not lacks_scale(self.path):
            return self, ()
        (cube,) = cubes
        if cube is None:
            return self, ()
        plus = f" {cube.offset:+g}" if cube.offset else ""
        note = f"reflectance is the stored value x {cube.scale:g}{plus}, as in the cube of the training, because the "
        return replace(self, scale=cube.scale, offset=cube.offset), (f"{note}file states no scale",)

    def match(self, model: ModelInput) -> MatchedInput:
        """Find the bands that a model reads by wavelength; see `match_bands`."""
        _require_reader_of(model, covariates=False)
        cube = self.raster  # opened before the model, as loading a network may take seconds
        matched = match_bands(model.model, cube)
        return MatchedInput(matched.model, cube, matched.bands, matched.notes)


@dataclass(frozen=True)
class CovariateInput(RasterInput):
    """Covariate rasters of any grids.

    Parameters
    ----------
    paths : path-like or sequence of path-like
        Files of one or several bands, in any order; a model finds its bands by their names.
    like : path-like, optional
        A raster whose grid is taken; default: the first of `paths`.
    unseen : {"stop", "nodata"}
        What happens at a class that has no training samples: the run stops, or the pixel becomes nodata.
    classes : mapping, optional
        Tables or codes of the bands that hold classes, by the name of the band, for training. A model knows its own.
    """

    paths: PathLike | Sequence[PathLike]
    like: PathLike | None = None
    unseen: Unseen = "stop"
    classes: Classes | None = None

    @property
    def rasters(self) -> tuple[PathLike, ...]:
        """The paths, also where only one was given."""
        return (self.paths,) if isinstance(self.paths, str | os.PathLike) else tuple(self.paths)

    @property
    def files(self) -> tuple[PathLike, ...]:
        """All rasters, that of the grid included."""
        return self.rasters if self.like is None else (*self.rasters, self.like)

    @property
    def settings(self) -> dict[str, object]:
        """Names of the rasters, and what happens at unseen classes if it is not the default."""
        return {
            "covariates": "; ".join(shown_name(path) for path in self.rasters),
            "unseen_classes": None if self.unseen == "stop" else self.unseen,
        }

    @cached_property
    def raster(self) -> xr.DataArray:
        """The stack `(band, y, x)` on one grid, opened on first use, without a model's classes."""
        return open_stack(self.rasters, like=self.like, classes=self.classes, unseen=self.unseen)

    def match(self, model: ModelInput) -> MatchedInput:
        """Find the bands that a model reads by their names; see `match_covariates`."""
        _require_reader_of(model, covariates=True)
        loaded = model.model
        matched = match_covariates(loaded, self.rasters, like=self.like, unseen=self.unseen)
        notes = matched.notes
        if model.card.grid is not None:
            notes += tuple(compare_grids(model.card.grid, Grid.of(matched.raster), patch=2 * loaded.halo + 1))
        names = tuple(feature.name for feature in of_rasters(loaded.features))
        return MatchedInput(loaded, matched.raster, names, notes)


def open_mask(path: PathLike, grid: Grid, *, warp: bool) -> tuple[xr.DataArray, tuple[str, ...]]:
    """Open a mask `(1, y, x)`; on another grid it is warped to `grid` if `warp` is true, which the notes state."""
    mask = open_raster(path)
    if not warp or same_grid(grid, as_grid(mask)):
        return mask, ()
    return warp_raster(path, grid, "nearest"), (f"{shown_name(path)}: resampled to the grid of the map by nearest",)


def _require_reader_of(model: ModelInput, *, covariates: bool) -> None:
    """Raise ModelFileError for a model that reads the other kind of input."""
    quantity = model.card.quantity
    if (quantity == COVARIATES) != covariates:
        raise ModelFileError(
            model.folder,
            found=f"a model of {quantity}",
            expected="a model of covariates" if covariates else "a model of a cube",
            way_out=f"give its input with {'--cube' if covariates else '--covariates'}, or choose another model",
        )


def _describe_bands(raster: xr.DataArray) -> list[tuple[str, str]]:
    if "wavelength_nm" not in raster.coords:
        names = [str(name) for name in raster["band"].values]
        return [("bands", f"{', '.join(names[:8])}{', ...' if len(names) > 8 else ''}; no wavelengths")]
    waves = raster["wavelength_nm"].values
    n_back = int((np.diff(waves) < 0).sum())
    seam = f"; decreases {n_back} time(s), where detectors overlap" if n_back else ""
    pairs = [("wavelength", f"{waves.min():.1f} to {waves.max():.1f} nm{seam}")]
    if "fwhm_nm" in raster.coords:
        fwhm = raster["fwhm_nm"].values
        pairs.append(("band width", f"{np.nanmin(fwhm):.1f} to {np.nanmax(fwhm):.1f} nm (FWHM)"))
    return pairs
