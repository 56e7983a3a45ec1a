"""Does this cube suit this model? Bands by wavelength, units, CRS: all before the first pixel is mapped."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GridError, UnitsError, WavelengthError
from geosoil.mapping.probe import some_values
from geosoil.models.contract import Feature
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    import xarray as xr

    from geosoil.models.pixel import PixelModel

# A band is the same band within a quarter of its width: half of the width of GF-5's is already another band.
TOLERANCE_OF_FWHM = 0.25
LEAST_TOLERANCE_NM = 1.0
# Interpolating over more than this would invent what lies between (a dropped water window, say).
WIDEST_GAP_NM = 25.0
# Reflectance at a sample and of a scene differ, by a factor of two or three; percent is 100, digital numbers 10 000.
UNIT_FACTOR = 8.0


@dataclass(frozen=True)
class Match:
    """A model ready for a cube: the bands of the cube it reads, in its order, and what was done to fit them."""

    model: PixelModel
    bands: tuple[str, ...]
    notes: tuple[str, ...]


def match_bands(model: PixelModel, cube: xr.DataArray) -> Match:
    """Find the cube's bands that a model reads, by wavelength, or resample to them.

    cube `(band, y, x)` reflectance. Bands within a quarter of their width are taken as they are, in the model's
    order; a cube with other bands is interpolated to the model's where it covers them without a gap.

    Raises WavelengthError for a cube that misses what the model needs, UnitsError for percent, digital numbers or
    radiance, GridError for a cube without CRS.
    """
    source = cube.attrs.get("source", "cube")
    if cube.rio.crs is None:
        raise GridError(
            source,
            found="no CRS",
            expected="a cube with a place on the ground",
            way_out="orthorectify it first (gdalwarp -rpc), or assign its CRS (gdal_edit.py -a_srs)",
        )
    if model.features[0].wavelength_nm is None:
        matched = _by_name(model, cube, source)
    elif "wavelength_nm" not in cube.coords:
        raise WavelengthError(
            source, found="no wavelengths", expected="one for each band", way_out="give them by --bands TABLE.csv"
        )
    else:
        matched = _by_wavelength(model, cube, source) or _resampled(model, cube, source)
    check_units(matched, cube)
    return matched


def _by_name(model: PixelModel, cube: xr.DataArray, source: str) -> Match:
    names = [feature.name for feature in model.features]
    missing = [name for name in names if name not in set(cube["band"].values)]
    if missing:
        raise WavelengthError(
            source,
            found=f"no band {', '.join(missing[:5])}",
            expected=f"the {len(names)} bands of the model",
            way_out="name the bands as at training",
        )
    return Match(model, tuple(names), ())


def _by_wavelength(model: PixelModel, cube: xr.DataArray, source: str) -> Match | None:
    """Match every feature with its own band; None where one has none."""
    wanted = np.array([feature.wavelength_nm for feature in model.features], np.float64)
    fwhm = np.array([feature.fwhm_nm or 0.0 for feature in model.features])
    offered = cube["wavelength_nm"].values
    names = cube["band"].values
    tolerance = np.maximum(LEAST_TOLERANCE_NM, TOLERANCE_OF_FWHM * fwhm)
    distance = np.abs(wanted[:, None] - offered[None, :])
    # In the overlap of two detectors bands of both lie within the tolerance: the one of the same name goes first.
    same_name = names[None, :] == np.array([feature.name for feature in model.features])[:, None]
    nearest = np.argmin(distance - 1e-6 * same_name, axis=1)
    if (distance[np.arange(len(wanted)), nearest] > tolerance).any() or len(set(nearest)) < len(nearest):
        return None
    notes = []
    if (np.diff(nearest) < 0).any() and (np.diff(wanted) >= 0).all():
        notes.append("bands of the cube put into the model's order")
    shift = float(distance[np.arange(len(wanted)), nearest].max())
    if shift > 0.05:
        notes.append(f"bands taken within {shift:.2f} nm of the model's")
    return Match(model, tuple(str(name) for name in names[nearest]), tuple(notes))


def _resampled(model: PixelModel, cube: xr.DataArray, source: str) -> Match:
    """Interpolate the cube's bands to the model's."""
    wanted = np.array([feature.wavelength_nm for feature in model.features], np.float64)
    order = np.argsort(cube["wavelength_nm"].values, kind="stable")
    offered, first = np.unique(cube["wavelength_nm"].values[order], return_index=True)
    order = order[first]
    if len(offered) < 2:
        raise WavelengthError(
            source,
            found=f"{len(offered)} bands",
            expected=f"the {len(wanted)} bands of the model",
            way_out="give a cube with more bands",
        )
    right = np.clip(np.searchsorted(offered, wanted), 1, len(offered) - 1)
    gap = np.where(np.isin(wanted, offered), 0.0, offered[right] - offered[right - 1])
    missed = (wanted < offered[0]) | (wanted > offered[-1]) | (gap > WIDEST_GAP_NM)
    if missed.any():
        some = ", ".join(f"{value:.0f}" for value in wanted[missed][:5])
        raise WavelengthError(
            source,
            found=f"bands from {offered[0]:.0f} to {offered[-1]:.0f} nm without {missed.sum()} that the model "
            f"needs ({some} nm{', ...' if missed.sum() > 5 else ''})",
            expected=f"bands within {WIDEST_GAP_NM:.0f} nm around each of them",
            way_out="use a cube of the model's sensor, or train a model on this one's bands",
        )
    matrix = resampling_matrix(offered, wanted, method="linear")
    read = np.flatnonzero(matrix.any(axis=0))
    names = tuple(str(name) for name in cube["band"].values[order][read])
    features = tuple(Feature(name, float(offered[i])) for name, i in zip(names, read, strict=True))
    note = f"spectra interpolated linearly from {len(read)} bands of the cube to {len(wanted)} of the model"
    return Match(model.resample_from(features, matrix[:, read]), names, (note,))


def check_units(match: Match, cube: xr.DataArray) -> None:
    """Compare the cube's values with the range at training, in a few windows; raises UnitsError where they differ."""
    units = cube.attrs.get("units", "")
    source = cube.attrs.get("source", "cube")
    if units not in {"", "1", "reflectance"}:
        raise UnitsError(
            source,
            found=f"values in {units}",
            expected="surface reflectance as a fraction",
            way_out="correct the cube for the atmosphere first, or give --scale if it is reflectance after all",
        )
    ranges = [(f.training_low, f.training_high) for f in match.model.training_columns if f.training_high is not None]
    if not ranges:
        return
    used = cube.sel(band=list(match.bands))
    values = some_values(used.isel(band=slice(None, None, max(1, used.sizes["band"] // 16))))
    values = values[np.isfinite(values)]
    if not len(values):
        return
    typical = float(np.median(np.abs(values)))
    usual = float(np.median([(abs(low or 0.0) + abs(high or 0.0)) / 2 for low, high in ranges]))
    if usual and not usual / UNIT_FACTOR <= typical <= usual * UNIT_FACTOR:
        raise UnitsError(
            source,
            found=f"values around {typical:.4g}",
            expected=f"reflectance as at training, around {usual:.3g}",
            way_out="if the file holds percent give --scale 0.01, if reflectance x 10000 give --scale 0.0001",
        )
