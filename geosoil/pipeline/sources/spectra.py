"""A table of spectra with a target, and an optional spectral library on the same bands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError, WavelengthError
from geosoil.estimators.base import FEWEST_SAMPLES
from geosoil.io.rasters.wavelengths import read_band_table
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.tables.reader import list_ids
from geosoil.models.contract import Feature
from geosoil.pipeline.sources.library import read_library
from geosoil.pipeline.sources.samples import check_count, keep_known, make_rows, read_samples, samples_of_table
from geosoil.samples.libraries import common_grid
from geosoil.samples.rs_local import LEAST_SITE_SAMPLES
from geosoil.sensors.cube import open_cube
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    from geosoil.io.spectra.reader import Spectra
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.sources.samples import Samples

    Sensor = tuple[np.ndarray, np.ndarray | None]  # centres and widths of its bands in nm

LEAST_BANDS = 10


def read(loaded: LoadedRecipe) -> TrainingRows:
    """Read the spectra of a recipe with their targets, and its library, on common bands.

    Raises
    ------
    GeosoilError
        If a file is wrong; the message names the file and what to do.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    notes: list[str] = []
    id_column = data.sample_id if data.samples or "sample_id" in data.model_fields_set else None
    spectra = read_spectra(
        loaded.path(data.spectra),
        id_column=id_column,
        wavelength_unit=data.wavelength_unit,
        decimal=data.decimal,
        layer=None if data.samples else data.layer,
    )
    library = None
    if data.library is not None:
        library = read_spectra(loaded.path(data.library), id_column=data.library_id)
    samples, spectra = _samples_with_spectra(loaded, spectra, notes)
    sensor = _sensor_bands(loaded)
    if sensor is not None:
        spectra = _resample(sensor, spectra, notes)
        library = None if library is None else _resample(sensor, library, notes)
    nm, R_library, R = common_grid(spectra if library is None else library, spectra, notes)
    whole = (np.nan_to_num(R) > 0).all(axis=1)
    if not whole.all() and data.on_missing == "stop":
        raise SamplesError(
            spectra.source,
            found=f"empty cells or zeros in the spectra of {list_ids(samples.ids[~whole])}",
            expected="reflectance above zero in every band",
            way_out="correct these spectra, or set on_missing = 'drop' in [data]",
        )
    if not whole.all():
        notes.append(f"dropped {(~whole).sum()} samples with empty cells or zeros in their spectra")
    samples, X = samples.take(whole), np.ascontiguousarray(R[whole], np.float32)
    library_rows = None
    if library is not None:
        library_rows = read_library(recipe, library, np.asarray(R_library, np.float32), X, notes)
    helped = library_rows is not None and library_rows.y is not None
    check_count(samples, recipe, notes, fewest=LEAST_SITE_SAMPLES if helped else FEWEST_SAMPLES)
    return make_rows(
        loaded, samples, X, _features(sensor, nm), quantity="reflectance", notes=notes, library=library_rows
    )


def _samples_with_spectra(loaded: LoadedRecipe, spectra: Spectra, notes: list[str]) -> tuple[Samples, Spectra]:
    """Return the samples that have a value, and their spectra in the same order."""
    recipe, data = loaded.recipe, loaded.recipe.data
    spectra_ids = np.asarray(spectra.ids, dtype=object)
    in_samples = data.library is None  # where the auxiliary property is
    row = {name: i for i, name in enumerate(spectra.ids)}
    if data.samples is None:
        samples = samples_of_table(
            recipe, spectra.source, spectra.table, spectra_ids, with_places=False, with_auxiliary=in_samples
        )
    else:
        labels = [name for name in (data.group, data.folds) if name in spectra.table.columns]
        samples = read_samples(
            loaded, data.samples, with_auxiliary=in_samples, labels=spectra.table.set_index(spectra_ids)[labels]
        )
        absent = np.array([name not in row for name in samples.ids])
        if absent.any():
            raise SamplesError(
                spectra.source,
                found=f"no spectrum for {list_ids(samples.ids[absent])}",
                expected=f"one for each of the {len(samples.ids)} samples",
                way_out=f"add them, or match the column {data.sample_id}",
            )
    samples = keep_known(samples, recipe, notes)
    rows = [row[name] for name in samples.ids]
    table = spectra.table.iloc[rows].reset_index(drop=True)
    return samples, replace(spectra, values=spectra.values[rows], ids=[spectra.ids[i] for i in rows], table=table)


def _sensor_bands(loaded: LoadedRecipe) -> Sensor | None:
    """Return centres and widths in nm of the bands that the recipe names, or None."""
    data = loaded.recipe.data
    if data.cube is not None:
        cube = open_cube(loaded.path(data.cube), band_table=loaded.path(data.bands) if data.bands else None)
        if "wavelength_nm" not in cube.coords:
            raise WavelengthError(
                data.cube, found="no wavelengths", expected="one for each band", way_out="give them by data.bands"
            )
        nm = cube["wavelength_nm"].values
        fwhm_nm = cube["fwhm_nm"].values if "fwhm_nm" in cube.coords else None
    elif data.bands is not None:
        table = read_band_table(loaded.path(data.bands))
        nm, fwhm_nm = table.centre_nm, table.fwhm_nm
    else:
        return None
    nm, first = np.unique(nm, return_index=True)  # bands of overlapping detectors, in the order of wavelength
    return nm, None if fwhm_nm is None or not np.isfinite(fwhm_nm).all() else fwhm_nm[first]


def _resample(sensor: Sensor, spectra: Spectra, notes: list[str]) -> Spectra:
    """Resample spectra to the bands of a sensor; bands that they do not cover are left out."""
    nm, fwhm_nm = sensor
    R = np.asarray(spectra.values if spectra.quantity == "reflectance" else 10.0**-spectra.values, np.float64)
    matrix = resampling_matrix(spectra.wavelength_nm, nm, method="gaussian", to_fwhm_nm=fwhm_nm)
    covered = np.isfinite(matrix).all(axis=1)
    low, high = spectra.wavelength_nm[0], spectra.wavelength_nm[-1]
    if covered.sum() < LEAST_BANDS:
        raise WavelengthError(
            spectra.source,
            found=f"spectra from {low:g} to {high:g} nm, which cover {covered.sum()} of the sensor's {len(nm)} bands",
            expected=f"{LEAST_BANDS} of them or more",
            way_out="use spectra of the sensor's range",
        )
    left_out = f"; {(~covered).sum()} left out beyond {low:g} to {high:g} nm" if not covered.all() else ""
    name = Path(spectra.source).name
    notes.append(f"{name}: resampled to {covered.sum()} bands of the sensor (Gaussian){left_out}")
    values = (R @ matrix[covered].T).astype(np.float32)
    return replace(spectra, wavelength_nm=nm[covered], values=values, quantity="reflectance")


def _features(sensor: Sensor | None, nm: np.ndarray) -> list[Feature]:
    fwhm = dict(zip(sensor[0], sensor[1], strict=True)) if sensor is not None and sensor[1] is not None else {}
    return [Feature(f"{band:g} nm", float(band), float(fwhm[band]) if band in fwhm else None) for band in nm]
