"""Check that a cube fits a model before it is mapped: bands by wavelength, units and CRS."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GridError, UnitsError, WavelengthError
from geosoil.mapping.places import place_notes
from geosoil.mapping.probe import probe_values
from geosoil.mapping.value_checks import background_pixels
from geosoil.models.contract import Feature, model_of, of_rasters
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from geosoil.models.contract import HasModel, Model

# Two bands are the same within a quarter of their width; for GF-5, half of the width is already the next band.
TOLERANCE_OF_FWHM = 0.25
LEAST_TOLERANCE_NM = 1.0
# Interpolation across a wider gap, for instance a dropped water window, would invent values.
WIDEST_GAP_NM = 25.0
# A band that is more than twice as wide blurs what the model learned, and so does one that is less than half as wide as
# a band of over 25 nm.
LARGEST_WIDTH_RATIO = 2.0
# Reflectance of samples and of a scene differs by a factor of 2 or 3; percent by 100, digital numbers by 10 000.
UNIT_FACTOR = 8.0


@dataclass(frozen=True)
class Match:
    """A model fitted to the bands of a cube.

    Parameters
    ----------
    model : Model
        The model, with a resampling step if the cube has other bands.
    bands : tuple of str
        The bands of the cube that the model reads, in its order; places have none.
    notes : tuple of str
        What was done, for the user.
    """

    model: Model
    bands: tuple[str, ...]
    notes: tuple[str, ...]


def match_bands(model: Model | HasModel, cube: xr.DataArray) -> Match:
    """Find the bands of a cube that a model reads by their wavelength, or resample the cube to them.

    Bands within a quarter of their width are used as they are, in the order of the model. A cube with other bands is
    interpolated to the bands of the model if it covers them without a gap.

    Parameters
    ----------
    model : Model or Predictor
    cube : DataArray of shape (band, y, x)
        Reflectance.

    Returns
    -------
    Match

    Raises
    ------
    WavelengthError
        If the cube lacks wavelengths that the model needs.
    UnitsError
        If the cube holds percent, digital numbers or radiance.
    GridError
        If the cube has no CRS.
    """
    model, source = model_of(model), cube.attrs.get("source", "cube")
    if cube.rio.crs is None:
        raise GridError(
            source,
            found="no CRS",
            expected="a georeferenced cube",
            way_out="orthorectify it first (gdalwarp -rpc), or assign its CRS (gdal_edit.py -a_srs)",
        )
    if any(feature.wavelength_nm is None for feature in of_rasters(model.features)):
        matched = _by_name(model, cube, source)
    elif "wavelength_nm" not in cube.coords:
        raise WavelengthError(
            source, found="no wavelengths", expected="one for each band", way_out="give them with --bands TABLE.csv"
        )
    else:
        matched = _by_wavelength(model, cube) or _resampled(model, cube, source)
    check_units(matched, cube)
    return replace(matched, notes=(*matched.notes, *place_notes(model, cube)))


def _by_name(model: Model, cube: xr.DataArray, source: str) -> Match:
    names = [feature.name for feature in of_rasters(model.features)]
    missing = [name for name in names if name not in set(cube["band"].values)]
    if missing:
        raise WavelengthError(
            source,
            found=f"no band {', '.join(missing[:5])}",
            expected=f"the {len(names)} bands of the model",
            way_out="name the bands as at training",
        )
    return Match(model, tuple(names), ())


def _by_wavelength(model: Model, cube: xr.DataArray) -> Match | None:
    """Match every feature with a band of its own; None if a feature has none."""
    names = cube["band"].values
    features = of_rasters(model.features)
    nearest = nearest_bands(features, cube["wavelength_nm"].values, names)
    if nearest is None:
        return None
    model_nm = np.array([feature.wavelength_nm for feature in features], np.float64)
    notes = []
    if (np.diff(nearest) < 0).any() and (np.diff(model_nm) >= 0).all():
        notes.append("bands of the cube were put into the order of the model")
    shift = float(np.abs(model_nm - cube["wavelength_nm"].values[nearest]).max())
    if shift > 0.05:
        notes.append(f"bands are within {shift:.2f} nm of those of the model")
    if "fwhm_nm" in cube.coords:
        notes += _width_notes(features, cube["fwhm_nm"].values[nearest])
    return Match(model, tuple(str(name) for name in names[nearest]), tuple(notes))


def unlike_widths(features: Sequence[Feature], fwhm_nm: np.ndarray) -> np.ndarray:
    """Return which bands are too wide or too narrow for the features of a model, `(feature,)` bool.

    Parameters
    ----------
    features : sequence of Feature
        One without a width is taken for one of 12.5 nm.
    fwhm_nm : ndarray of shape (feature,)
        The widths of the bands that are used for them.

    Examples
    --------
    >>> unlike_widths([Feature("a", 842.0, 115.0), Feature("b", 865.0, 20.0)], np.array([8.0, 8.0]))
    array([ True, False])
    """
    widths_nm = np.array([feature.fwhm_nm or WIDEST_GAP_NM / LARGEST_WIDTH_RATIO for feature in features])
    too_wide = fwhm_nm > LARGEST_WIDTH_RATIO * widths_nm
    too_narrow = (widths_nm > LARGEST_WIDTH_RATIO * fwhm_nm) & (widths_nm > WIDEST_GAP_NM)
    unlike: np.ndarray = too_wide | too_narrow
    return unlike


def _width_notes(features: Sequence[Feature], fwhm_nm: np.ndarray) -> list[str]:
    """Describe bands whose widths are not those that the model learned from; unknown widths give none."""
    known = np.array([feature.fwhm_nm is not None for feature in features]) & np.isfinite(fwhm_nm)
    unlike = np.flatnonzero(known & unlike_widths(features, fwhm_nm))
    if not unlike.size:
        return []
    first = features[unlike[0]]
    return [
        f"{unlike.size} of {len(features)} bands are much wider or narrower than those of the model "
        f"({first.wavelength_nm:.0f} nm: {fwhm_nm[unlike[0]]:.3g} against {first.fwhm_nm:.3g} nm)"
    ]


def nearest_bands(
    features: Sequence[Feature], wavelength_nm: np.ndarray, names: np.ndarray | None = None
) -> np.ndarray | None:
    """Return the indices of bands that are the features of a model, within a quarter of their width.

    Parameters
    ----------
    features : sequence of Feature
        With wavelengths.
    wavelength_nm : ndarray of shape (band,)
    names : ndarray of shape (band,), str, optional
        Names of the bands. Where two detectors overlap, the band with the name of the feature is preferred.

    Returns
    -------
    ndarray of shape (feature,) or None
        None if a feature has no band of its own.
    """
    model_nm = np.array([feature.wavelength_nm for feature in features], np.float64)
    fwhm = np.array([feature.fwhm_nm or 0.0 for feature in features])
    tolerance = np.maximum(LEAST_TOLERANCE_NM, TOLERANCE_OF_FWHM * fwhm)
    distance = np.abs(model_nm[:, None] - wavelength_nm[None, :])
    same_name = 0.0
    if names is not None:
        same_name = 1e-6 * (names[None, :] == np.array([feature.name for feature in features])[:, None])
    nearest = np.argmin(distance - same_name, axis=1)
    if (distance[np.arange(len(model_nm)), nearest] > tolerance).any() or len(set(nearest)) < len(nearest):
        return None
    return nearest


def _resampled(model: Model, cube: xr.DataArray, source: str) -> Match:
    """Interpolate the bands of the cube to those of the model."""
    order = np.argsort(cube["wavelength_nm"].values, kind="stable")
    cube_nm, first = np.unique(cube["wavelength_nm"].values[order], return_index=True)
    order = order[first]
    spectral = of_rasters(model.features)
    matrix = interpolation_matrix(spectral, cube_nm, where=source, what="cube")
    read = np.flatnonzero(matrix.any(axis=0))
    names = tuple(str(name) for name in cube["band"].values[order][read])
    bands = tuple(Feature(name, float(cube_nm[i])) for name, i in zip(names, read, strict=True))
    note = f"spectra interpolated linearly from {len(read)} bands of the cube to {len(matrix)} of the model"
    # Places follow the bands, and each is itself.
    is_band = np.array([feature.place is None for feature in model.features])
    places = tuple(feature for feature in model.features if feature.place is not None)
    whole = np.zeros((len(model.features), len(bands) + len(places)))
    whole[is_band, : len(bands)] = matrix[:, read]
    whole[~is_band, len(bands) :] = np.eye(len(places))
    return Match(model.resample_from((*bands, *places), whole), names, (note,))


def interpolation_matrix(
    features: Sequence[Feature], wavelength_nm: np.ndarray, *, where: object, what: str
) -> np.ndarray:
    """Return the matrix `(feature, band)` that interpolates bands linearly to the features of a model.

    Parameters
    ----------
    features : sequence of Feature
        With wavelengths.
    wavelength_nm : ndarray of shape (band,)
        Increasing wavelengths.
    where, what : object, str
        The file and what it holds, "cube" or "spectra", for messages.

    Raises
    ------
    WavelengthError
        If the bands do not cover a feature, or leave a gap of more than 25 nm around it.
    """
    model_nm = np.array([feature.wavelength_nm for feature in features], np.float64)
    if len(wavelength_nm) < 2:
        raise WavelengthError(
            where,
            found=f"{len(wavelength_nm)} bands",
            expected=f"the {len(model_nm)} bands of the model",
            way_out=f"give {'a cube' if what == 'cube' else what} with more bands",
        )
    right = np.clip(np.searchsorted(wavelength_nm, model_nm), 1, len(wavelength_nm) - 1)
    gap = np.where(np.isin(model_nm, wavelength_nm), 0.0, wavelength_nm[right] - wavelength_nm[right - 1])
    missed = (model_nm < wavelength_nm[0]) | (model_nm > wavelength_nm[-1]) | (gap > WIDEST_GAP_NM)
    if missed.any():
        examples = ", ".join(f"{value:.0f}" for value in model_nm[missed][:5])
        raise WavelengthError(
            where,
            found=f"bands from {wavelength_nm[0]:.0f} to {wavelength_nm[-1]:.0f} nm without {missed.sum()} that the "
            f"model needs ({examples} nm{', ...' if missed.sum() > 5 else ''})",
            expected=f"bands within {WIDEST_GAP_NM:.0f} nm around each of them",
            way_out=f"use {'a cube' if what == 'cube' else what} of the sensor of the model, or train a model on the "
            f"bands of {'this cube' if what == 'cube' else 'these spectra'}",
        )
    return resampling_matrix(wavelength_nm, model_nm, method="linear")


def check_units(match: Match, cube: xr.DataArray) -> None:
    """Compare values of a few windows with the training range; raises UnitsError if they differ by a factor of 8."""
    units = cube.attrs.get("units", "")
    source = cube.attrs.get("source", "cube")
    if units not in {"", "1", "reflectance"}:
        raise UnitsError(
            source,
            found=f"values in {units}",
            expected="surface reflectance as a fraction",
            way_out="correct the cube for the atmosphere first, or give --scale if the values are reflectance",
        )
    columns = of_rasters(match.model.training_columns)
    ranges = [(column.training_low, column.training_high) for column in columns if column.training_high is not None]
    if not ranges:
        return
    used = cube.sel(band=list(match.bands))
    used = used.isel(band=slice(None, None, max(1, used.sizes["band"] // 16)))
    usual = float(np.median([(abs(low or 0.0) + abs(high or 0.0)) / 2 for low, high in ranges]))
    typical = None
    for middle in (True, False):  # the middle of a cube decides, unless it is strange or has no data
        typical = _typical(probe_values(used, middle=middle))
        if typical is not None and usual / UNIT_FACTOR <= typical <= usual * UNIT_FACTOR:
            return
    if usual and typical is not None:
        raise UnitsError(
            source,
            found=f"values around {typical:.4g}",
            expected=f"reflectance as at training, around {usual:.3g}",
            way_out="give --scale 0.01 if the file holds percent, --scale 0.0001 if it holds reflectance x 10000",
        )


def _typical(values: np.ndarray) -> float | None:
    """Return the median magnitude of values `(band, pixel)`, background left out; None without values."""
    values = values[:, ~background_pixels(values)]
    values = values[np.isfinite(values)]
    return float(np.median(np.abs(values))) if len(values) else None
