"""Sample points on a hyperspectral cube: spectra of pixels and their neighbours, and laboratory spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.spectra.reader import LARGEST_MEDIAN_REFLECTANCE, read_spectra
from geosoil.io.tables.reader import list_ids
from geosoil.mapping.inputs import CubeInput
from geosoil.models.contract import features_of
from geosoil.pipeline.sources.samples import check_count, keep_known, make_rows, read_samples
from geosoil.samples.extract import sample_raster
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    import xarray as xr

    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows


def read(loaded: LoadedRecipe) -> TrainingRows:
    """Read the samples of a recipe and the spectra of their pixels, and bring laboratory spectra to the cube's bands.

    Raises
    ------
    GeosoilError
        If a file is wrong; the message names the file and what to do.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    cube = CubeInput(
        loaded.path(data.cube),
        band_table=loaded.path(data.bands) if data.bands else None,
        scale=data.scale,
        offset=data.offset,
        nodata=data.nodata,
        overlap=data.overlap,
        drop_nm=None if data.drop_nm is None else [(low, high) for low, high in data.drop_nm],
    ).raster
    notes = list(cube.attrs.get("notes", []))
    samples = keep_known(read_samples(loaded, data.samples), recipe, notes)
    pixels = sample_raster(
        cube, samples.as_points(data.sample_id), sample_id=data.sample_id, on_missing=data.on_missing
    )
    cube = cube.sel(band=pixels.bands)
    samples = samples.in_order_of(pixels.ids)
    notes += pixels.notes
    check_count(samples, recipe, notes)
    _check_reflectance(cube, pixels.values)
    laboratory = None
    if data.laboratory is not None:
        laboratory = _laboratory_spectra(loaded, samples.ids, cube["wavelength_nm"].values, notes)
    kept = _usable_bands(cube, pixels.values, laboratory, notes)
    return make_rows(
        loaded,
        samples,
        np.ascontiguousarray(pixels.values[:, kept]),
        [feature for feature, is_kept in zip(features_of(cube), kept, strict=True) if is_kept],
        quantity="reflectance",
        notes=notes,
        crs=cube.rio.crs,
        laboratory=None if laboratory is None else laboratory[:, kept],
        neighbours=pixels.neighbours[:, :, kept],
    )


def _check_reflectance(cube: xr.DataArray, spectra: np.ndarray) -> None:
    """Refuse radiance, percent and digital numbers."""
    units, typical = cube.attrs.get("units", ""), float(np.nanmedian(spectra))
    if units not in {"", "1", "reflectance"}:
        found = f"values in {units}"
    elif typical > LARGEST_MEDIAN_REFLECTANCE:
        found = f"values around {typical:.4g}"
    else:
        return
    raise UnitsError(
        cube.attrs.get("source", "cube"),
        found=found,
        expected="surface reflectance as a fraction, 0 to 1",
        way_out="set scale in [data]: 0.0001 for reflectance x 10000, 0.01 for percent",
    )


def _laboratory_spectra(
    loaded: LoadedRecipe, ids: np.ndarray, wavelength_nm: np.ndarray, notes: list[str]
) -> np.ndarray:
    """Return the laboratory spectra of the samples at the bands of the cube, NaN where they do not cover one."""
    data = loaded.recipe.data
    path = loaded.path(str(data.laboratory))
    try:
        spectra = read_spectra(path, id_column=data.sample_id, scale=data.laboratory_scale)
    except UnitsError as error:  # the reader suggests its parameter `scale`; the recipe's key is laboratory_scale
        raise UnitsError(
            path,
            found="values that are not reflectance",
            expected="a fraction, 0 to 1, and empty cells where nothing was measured",
            way_out="set laboratory_scale = 0.01 in [data] for percent, 0.0001 for reflectance x 10000",
        ) from error
    row = {name: i for i, name in enumerate(spectra.ids)}
    missing = [name for name in ids if name not in row]
    if missing:
        raise SamplesError(
            path,
            found=f"no laboratory spectrum for {list_ids(missing)}",
            expected=f"one spectrum for each of the {len(ids)} samples",
            way_out=f"add them, or match the column {data.sample_id}",
        )
    values = spectra.values[[row[name] for name in ids]].astype(np.float64)
    # The paper interpolates linearly; at 1 nm against 4 to 9 nm of the sensor the difference is below the noise.
    notes.append(f"laboratory spectra interpolated linearly to {len(wavelength_nm)} bands of the sensor")
    if spectra.quantity == "absorbance":
        values = 10.0**-values
        notes.append("laboratory absorbance converted to reflectance by R = 10^-A")
    matrix = resampling_matrix(spectra.wavelength_nm, wavelength_nm, method="linear")
    covered = ~np.isnan(matrix).any(axis=1)
    used = matrix[covered].any(axis=0)  # a laboratory band that no band of the sensor uses may have empty cells
    empty = np.isnan(values[:, used]).any(axis=1)
    if empty.any():
        raise SamplesError(
            path,
            found=f"empty cells in the laboratory spectra of {list_ids(ids[empty])}",
            expected="a value at every band",
            way_out="fill them in, or delete these samples",
        )
    resampled = np.full((len(ids), len(wavelength_nm)), np.nan, np.float32)
    resampled[:, covered] = values[:, used] @ matrix[np.ix_(covered, used)].T
    return resampled


def _usable_bands(
    cube: xr.DataArray, satellite: np.ndarray, laboratory: np.ndarray | None, notes: list[str]
) -> np.ndarray:
    """Return flags of the bands that vary and have a value for every sample, in both kinds of spectra."""
    empty = np.isnan(satellite).any(axis=0)
    uncovered = np.zeros_like(empty) if laboratory is None else np.isnan(laboratory).any(axis=0)
    constant = ~empty & (np.ptp(np.where(empty, 0, satellite), axis=0) == 0)
    reasons = ((empty, "empty at a sample"), (constant, "constant"), (uncovered, "outside the laboratory's range"))
    for flags, reason in reasons:
        if flags.any():
            names = cube["band"].values[flags]
            notes.append(f"{flags.sum()} bands left out, {reason}: {names[0]} .. {names[-1]}")
    kept = ~(empty | uncovered | constant)
    if kept.sum() < 2:
        raise SamplesError(
            cube.attrs.get("source", "cube"),
            found=f"{kept.sum()} usable bands of {len(empty)}",
            expected="bands with values at every sample",
            way_out="look at the points on the image, or set on_missing = 'drop' in [data]",
        )
    return np.asarray(kept)
