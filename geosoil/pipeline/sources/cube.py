"""Sample points on a hyperspectral cube: spectra of pixels and their neighbours, and laboratory spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.rasters.stack import describe_grid
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.unify import LARGEST_MEDIAN_REFLECTANCE
from geosoil.io.tables.reader import list_ids
from geosoil.mapping.inputs import CubeInput
from geosoil.models.card import CubeCard
from geosoil.models.contract import features_of
from geosoil.pipeline.sources.draft import Draft, Files, begin_draft, points_of
from geosoil.pipeline.sources.samples import check_count, keep_known, make_rows, places_of_map, read_samples
from geosoil.raster.grid import Grid
from geosoil.samples.extract import sample_raster
from geosoil.sensors import SENSORS
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows

LARGEST_DARK_SHARE = 0.05  # of values of zero or less in a band that a new recipe uses, or in a spectrum of soil
LEAST_SPECTRAL_BANDS = 50  # from which a new recipe corrects scatter


def read(loaded: LoadedRecipe) -> TrainingRows:
    """Read the samples of a recipe and the spectra of their pixels, and bring laboratory spectra to the cube's bands.

    Raises
    ------
    GeosoilError
        If a file is wrong; the message names the file and what to do.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    cube = open_recipe_cube(loaded)
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
        sensor=cube.attrs.get("sensor", ""),
        cube=cube_card(data.scale, data.offset),
        map_places=places_of_map(loaded, cube, [loaded.path(data.cube)]),
        laboratory=None if laboratory is None else laboratory[:, kept],
        neighbours=pixels.neighbours[:, :, kept],
    )


def open_recipe_cube(loaded: LoadedRecipe) -> xr.DataArray:
    """Return the cube of a recipe, lazily."""
    data = loaded.recipe.data
    return CubeInput(
        loaded.path(data.cube),
        band_table=loaded.path(data.bands) if data.bands else None,
        scale=data.scale,
        offset=data.offset,
        nodata=data.nodata,
        overlap=data.overlap,
        drop_nm=None if data.drop_nm is None else [(low, high) for low, high in data.drop_nm],
        keep=data.keep,
        pixel_m=data.pixel_m,
    ).raster


def cube_card(scale: float | None, offset: float | None) -> CubeCard | None:
    """Return how a cube stores reflectance, as its recipe states it; None if the recipe states nothing."""
    if scale is None and offset is None:
        return None
    return CubeCard(scale=1.0 if scale is None else scale, offset=offset or 0.0)


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


def draft(files: Files, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Draft the section `[data]` for sample points on a cube: scale, bad bands, columns and CRS.

    Raises
    ------
    GeosoilError
        If a file cannot be read, or something cannot be decided from it.
    """
    options = {key: given[key] for key in ("scale", "offset", "nodata", "keep", "pixel_m") if key in given}
    cube = CubeInput(files.cube, band_table=given.get("bands"), drop_nm=None, **options).raster
    nm = cube["wavelength_nm"].values
    made = begin_draft("cube", files.samples, targets, given)
    described = f"{len(nm)} bands, {nm.min():.0f} to {nm.max():.0f} nm, {describe_grid(Grid.of(cube))}"
    made.set("cube", files.relative(files.cube), described)
    made.set("samples", files.relative(files.samples), f"{len(made.table)} rows")
    if "bands" in given:
        made.values["bands"] = files.relative(given["bands"])
    made.set_labels()
    made.set_places_on(cube, files.samples)
    made.set_given("scale", "offset", "nodata", "keep", "pixel_m")
    pixels = sample_raster(cube, points_of(made), sample_id="row", on_missing="drop")
    values, nm = pixels.values, cube.sel(band=pixels.bands)["wavelength_nm"].values
    typical = float(np.nanmedian(values))
    if typical > LARGEST_MEDIAN_REFLECTANCE and "scale" not in given:
        scale = obvious_scale(files.cube, values, nm)
        made.set("scale", scale, f"values are around {typical:.4g}: reflectance = value * scale")
        values = values * scale
    low = values <= 0
    is_dark = low.mean(axis=1) > LARGEST_DARK_SHARE
    bad = low[~is_dark].mean(axis=0) > LARGEST_DARK_SHARE if not is_dark.all() else np.zeros(len(nm), bool)
    if is_dark.any():
        made.remarks.append(
            f"{is_dark.sum()} samples reflect nothing in more than 5 % of the bands, as water or shadow does; look at "
            "them on the image"
        )
    if bad.any():
        sensor = next((sensor for sensor in SENSORS.values() if sensor.name == cube.attrs.get("sensor")), None)
        windows = [*(map(list, sensor.bad_nm) if sensor else ()), *_windows(nm, bad)]
        made.set("drop_nm", windows, f"{bad.sum()} bands of zero or less at more than 5 % of the samples")
    made.preprocessing = spectral_steps(len(nm), has_dark_values=bool(low[:, ~bad].any()))
    return made


def spectral_steps(n_bands: int, *, has_dark_values: bool = False) -> tuple[str, ...]:
    """Return preprocessing steps for spectra; a value of zero or less has no absorbance.

    >>> spectral_steps(200), spectral_steps(200, has_dark_values=True), spectral_steps(10)
    (('absorbance', 'snv'), ('snv',), ())
    """
    if n_bands < LEAST_SPECTRAL_BANDS:
        return ()
    return ("snv",) if has_dark_values else ("absorbance", "snv")


def obvious_scale(path: str, values: np.ndarray, nm: np.ndarray) -> float:
    """Return 0.0001 or 0.01 for reflectance x 10000 or percent; raises UnitsError for what may be radiance."""
    typical, bands = float(np.nanmedian(values)), np.nanmedian(values, axis=0)
    visible, infrared = bands[(nm >= 450) & (nm <= 650)], bands[(nm >= 2000) & (nm <= 2350)]
    is_compared = bool(visible.size and infrared.size)
    is_radiance = is_compared and float(np.median(visible)) > 3 * float(np.median(infrared))
    scale = 0.01 if typical < 100 else 0.0001
    if is_radiance or typical > 12_000 or (scale == 0.01 and not is_compared):
        raise UnitsError(
            path,
            found=f"values around {typical:.4g} at the samples{', which decrease like sunlight' * is_radiance}",
            expected="surface reflectance",
            way_out="if it is reflectance, give its factor: --scale 0.0001 for reflectance x 10000, --scale 0.01 for "
            "percent",
        )
    return scale


def _windows(nm: np.ndarray, bad: np.ndarray) -> list[list[float]]:
    """Return a window in nm around each run of bad bands."""
    order = np.argsort(nm, kind="stable")
    runs = np.split(order, np.flatnonzero(np.diff(bad[order].astype(int))) + 1)
    return [
        [float(np.floor(nm[run[0]] * 10 - 1) / 10), float(np.ceil(nm[run[-1]] * 10 + 1) / 10)]
        for run in runs
        if bad[run[0]]
    ]
