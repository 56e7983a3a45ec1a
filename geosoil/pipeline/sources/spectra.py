"""A table of spectra with a target, and an optional spectral library on the same bands."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pyproj import Transformer

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.estimators.base import FEWEST_SAMPLES
from geosoil.io.rasters.wavelengths import read_band_table
from geosoil.io.spectra.formats import TABLE, find_format
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.table import ID_COLUMNS
from geosoil.io.spectra.unify import LARGEST_MEDIAN_REFLECTANCE, signs_of_absorbance
from geosoil.io.tables.reader import list_ids, read_table
from geosoil.mapping.inputs import CubeInput
from geosoil.mapping.probe import probe_values
from geosoil.mapping.value_checks import background_pixels
from geosoil.models.contract import Feature
from geosoil.pipeline.sources.cube import cube_card, obvious_scale, spectral_steps
from geosoil.pipeline.sources.draft import Draft, Files, draft_of_table
from geosoil.pipeline.sources.library import read_library
from geosoil.pipeline.sources.samples import (
    check_count,
    keep_known,
    make_rows,
    places_of_map,
    read_samples,
    samples_of_table,
)
from geosoil.samples.libraries import common_grid
from geosoil.samples.rs_local import LEAST_SITE_SAMPLES
from geosoil.sensors.nominal import nominal_bands
from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    import xarray as xr

    from geosoil.io.spectra.unify import Spectra
    from geosoil.pipeline.recipe import LoadedRecipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.sources.samples import Samples

    Sensor = tuple[np.ndarray, np.ndarray | None]  # centres and widths of its bands in nm

LEAST_BANDS = 10
PLAUSIBLE_MEDIAN = 0.03  # of the reflectance of soil; scaled values below it have another scale


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
        quantity=data.quantity,
        scale=data.scale,
        wavelength_unit=data.wavelength_unit,
        decimal=data.decimal,
        layer=None if data.samples else data.layer,
    )
    notes.extend(spectra.notes)
    library = None
    if data.library is not None:
        library = read_spectra(loaded.path(data.library), id_column=data.library_id)
        notes.extend(library.notes)
    samples, spectra = _samples_with_spectra(loaded, spectra, notes)
    cube = open_recipe_cube(loaded)
    sensor = _sensor_bands(loaded, cube, notes)
    if sensor is not None:
        spectra, *others = _resample(sensor, [spectra] if library is None else [spectra, library], notes)
        library = others[0] if others else None
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
    rows = make_rows(
        loaded,
        samples,
        X,
        _features(sensor, nm),
        quantity="reflectance",
        notes=notes,
        library=library_rows,
        cube=cube_card(data.cube_scale, None),
    )
    return replace(rows, map_places=_places_on_cube(loaded, cube, rows))


def _places_on_cube(loaded: LoadedRecipe, cube: xr.DataArray | None, rows: TrainingRows) -> np.ndarray | None:
    """Return places of the map of a cube in the CRS of the rows; None without a cube or without places of the rows."""
    if cube is None or cube.rio.crs is None or rows.xy is None or rows.crs is None:
        return None
    places = places_of_map(loaded, cube, [loaded.path(loaded.recipe.data.cube)])
    if places is None:
        return None
    transformer = Transformer.from_crs(cube.rio.crs, rows.crs, always_xy=True)
    return np.stack(transformer.transform(*places.T), axis=1)


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
            loaded,
            data.samples,
            with_places=False,
            with_auxiliary=in_samples,
            labels=spectra.table.set_index(spectra_ids)[labels],
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


def open_recipe_cube(loaded: LoadedRecipe) -> xr.DataArray | None:
    """Return the cube that is to be mapped, with the bands that are usable, or None."""
    data = loaded.recipe.data
    if data.cube is None:
        return None
    band_table = loaded.path(data.bands) if data.bands else None
    return CubeInput(loaded.path(data.cube), band_table=band_table, scale=data.cube_scale, drop_nm=None).raster


def _sensor_bands(loaded: LoadedRecipe, cube: xr.DataArray | None, notes: list[str]) -> Sensor | None:
    """Return centres and widths in nm of the bands that the recipe names, or None; a cube's dead bands are left out."""
    data = loaded.recipe.data
    if cube is not None:
        values = probe_values(cube)
        values = values[:, ~background_pixels(values)]
        low, high = np.fmin.reduce(values, axis=1, initial=np.inf), np.fmax.reduce(values, axis=1, initial=-np.inf)
        is_dead = low >= high
        if is_dead.any() and not is_dead.all():
            names = cube["band"].values[is_dead].tolist()
            what = f"left out {len(names)} bands without data or with one value"
            notes.append(f"{Path(str(data.cube)).name}: {what}: {list_ids(names)}")
            cube = cube.isel(band=np.flatnonzero(~is_dead))
        nm = cube["wavelength_nm"].values
        fwhm_nm = cube["fwhm_nm"].values if "fwhm_nm" in cube.coords else None
    elif data.bands is not None:
        table = read_band_table(loaded.path(data.bands))
        nm, fwhm_nm = table.centre_nm, table.fwhm_nm
    elif data.sensor is not None:
        bands = nominal_bands(data.sensor)
        nm, fwhm_nm = bands.centre_nm, bands.fwhm_nm
        notes.append(f"bands of {data.sensor.strip().upper()} are nominal: {bands.source}")
    else:
        return None
    nm, first = np.unique(nm, return_index=True)  # bands of overlapping detectors, in the order of wavelength
    return nm, None if fwhm_nm is None or not np.isfinite(fwhm_nm).all() else fwhm_nm[first]


def _resample(sensor: Sensor, tables: Sequence[Spectra], notes: list[str]) -> list[Spectra]:
    """Resample tables of spectra to the bands of a sensor; bands that one of them does not cover are left out."""
    nm, fwhm_nm = sensor
    matrices = [
        resampling_matrix(spectra.wavelength_nm, nm, method="gaussian", to_fwhm_nm=fwhm_nm) for spectra in tables
    ]
    covered = np.array([np.isfinite(matrix).all(axis=1) for matrix in matrices])
    least = min(LEAST_BANDS, (len(nm) + 1) // 2)  # a multispectral sensor has fewer than ten bands
    for spectra, is_covered in zip(tables, covered, strict=True):
        low, high = spectra.wavelength_nm[0], spectra.wavelength_nm[-1]
        if is_covered.sum() < least:
            raise WavelengthError(
                spectra.source,
                found=f"spectra from {low:g} to {high:g} nm, which cover {is_covered.sum()} of the sensor's {len(nm)} "
                "bands",
                expected=f"{least} of them or more",
                way_out="use spectra of the sensor's range",
            )
        left_out = f"; {(~is_covered).sum()} left out beyond {low:g} to {high:g} nm" if not is_covered.all() else ""
        name = Path(spectra.source).name
        notes.append(f"{name}: resampled to {is_covered.sum()} bands of the sensor (Gaussian){left_out}")
    common = covered.all(axis=0)
    if common.sum() < least:
        raise WavelengthError(
            tables[0].source,
            found=f"{common.sum()} of the sensor's {len(nm)} bands within the range of both this table and "
            f"{Path(tables[-1].source).name}",
            expected=f"{least} of them or more",
            way_out="use a library of the same range",
        )
    resampled = []
    for spectra, matrix in zip(tables, matrices, strict=True):
        R = np.asarray(spectra.values if spectra.quantity == "reflectance" else 10.0**-spectra.values, np.float64)
        values = (R @ matrix[common].T).astype(np.float32)
        resampled.append(replace(spectra, wavelength_nm=nm[common], values=values, quantity="reflectance"))
    return resampled


def _features(sensor: Sensor | None, nm: np.ndarray) -> list[Feature]:
    fwhm = dict(zip(sensor[0], sensor[1], strict=True)) if sensor is not None and sensor[1] is not None else {}
    return [Feature(f"{band:g} nm", float(band), float(fwhm[band]) if band in fwhm else None) for band in nm]


def draft(files: Files, targets: Sequence[str], given: dict[str, Any]) -> Draft:
    """Draft the section `[data]` for a table of spectra: scale, quantity, columns and places.

    Raises
    ------
    GeosoilError
        If a file cannot be read, or something cannot be decided from it.
    """
    spectra, scale = _read_unscaled(files, given)
    path = files.samples or files.table
    table = (
        read_table(Path(path), given.get("layer"), given.get("decimal")).reset_index(drop=True)
        if files.samples
        else spectra.table
    )
    made = draft_of_table("spectra", path, table, targets, given)
    n, nm = len(spectra.values), spectra.wavelength_nm
    made.set("spectra", files.relative(files.table), f"{n} spectra, {len(nm)} bands, {nm[0]:g} to {nm[-1]:g} nm")
    if files.samples:
        made.set("samples", files.relative(files.samples), f"{len(table)} rows with the target")
        made.set("sample_id", _common_id(spectra, table, path, files))
    elif made.columns.sample_id is not None or set(ID_COLUMNS) & set(table.columns) or "sample_id" in given:
        made.set("sample_id", made.columns.sample_id or "", "" if made.columns.sample_id else "rows are numbered")
    if files.library:
        library = read_spectra(files.library)
        described = f"{len(library.values)} spectra, {library.wavelength_nm[0]:g} to {library.wavelength_nm[-1]:g} nm"
        made.set("library", files.relative(files.library), described)
    made.set_given("wavelength_unit")
    made.set_labels(ids=False)
    made.set_places(path)
    if scale is not None:
        made.set("scale", scale, f"values are around {np.nanmedian(spectra.values) / scale:.4g}")
    if "quantity" in given or (spectra.quantity == "reflectance" and _is_like_absorbance(spectra)):
        made.set("quantity", "absorbance", "by the shape of the spectra: log10(1/R) is high where soil is dark")
    for key, path in (("cube", files.cube), ("bands", given.get("bands", ""))):
        if path:
            made.values[key] = files.relative(path)
            made.reasons[key] = "spectra are resampled to its bands" if key == "cube" else ""
    if files.cube:
        _set_cube_scale(made, files.cube, given.get("bands"))
    n_bands = len(nm)
    if "sensor" in given:
        n_bands = len(nominal_bands(given["sensor"]).centre_nm)
        made.values["sensor"] = given["sensor"].strip().upper()
        made.reasons["sensor"] = f"spectra are resampled to its {n_bands} nominal bands"
    made.preprocessing = spectral_steps(n_bands)
    return made


def _set_cube_scale(made: Draft, path: str, band_table: str | None) -> None:
    """Set the scale of the cube that is to be mapped, if its values are not reflectance."""
    cube = CubeInput(path, band_table=band_table, drop_nm=None).raster
    values = probe_values(cube)
    values = values[:, ~background_pixels(values) & np.isfinite(values).any(axis=0)]
    has_data = np.isfinite(values).any(axis=1)
    typical = float(np.nanmedian(values)) if has_data.any() else 0.0
    if typical <= LARGEST_MEDIAN_REFLECTANCE:
        return
    try:
        scale = obvious_scale(path, values[has_data].T, cube["wavelength_nm"].values[has_data])
    except UnitsError as error:
        made.remarks.append(str(error))
    else:
        made.set("cube_scale", scale, f"its values are around {typical:.4g}: reflectance = value * cube_scale")


def _read_unscaled(files: Files, given: dict[str, Any]) -> tuple[Spectra, float | None]:
    """Return spectra with all other columns, and the scale that makes them reflectance, if it is not given."""
    path = files.table
    options: dict[str, Any] = {key: given.get(key) for key in ("quantity", "scale")}
    reading: dict[str, Any] = {key: given[key] for key in ("wavelength_unit", "decimal") if key in given}
    if not files.samples:
        reading["layer"] = given.get("layer")
    try:
        return read_spectra(path, id_column="", **options, **reading), None
    except UnitsError as error:
        if any(value is not None for value in options.values()):
            raise
        with suppress(UnitsError):
            spectra = read_spectra(path, id_column="", quantity="absorbance", **reading)
            if signs_of_absorbance(spectra.wavelength_nm, spectra.values) == [True, True]:
                return replace(spectra, quantity="reflectance"), None  # as without a statement; see `draft`
        for scale in (0.01, 0.0001):
            try:
                spectra = read_spectra(path, id_column="", scale=scale, **reading)
            except UnitsError:
                continue
            if np.nanmedian(spectra.values) >= PLAUSIBLE_MEDIAN:
                return spectra, scale
        raise UnitsError(
            path,
            problem=str(error).split(": ", 1)[-1].split(";")[0],
            expected="reflectance as a fraction, 0 to 1",
            way_out="give --scale 0.01 for percent, --scale 0.0001 for reflectance x 10000, or --quantity absorbance",
        ) from error


def _is_like_absorbance(spectra: Spectra) -> bool:
    signs = signs_of_absorbance(spectra.wavelength_nm, spectra.values)
    return bool(signs) and all(signs)


def _common_id(spectra: Spectra, table: Any, path: str, files: Files) -> str:
    """Return the column of a table of samples that names most of the spectra."""
    source = Path(files.table)
    is_named = source.is_dir() or find_format(source) is not TABLE
    counts = {}
    for name in map(str, table.columns):
        if is_named or name in spectra.table:
            names = spectra.ids if is_named else spectra.table[name].astype(str).str.strip().tolist()
            counts[name] = len(set(names) & set(table[name].astype(str).str.strip()))
    best = max(counts, key=lambda name: counts[name], default="")
    if not best or not counts[best]:
        raise SamplesError(
            path,
            problem=f"the spectra of {source.name}, such as {list_ids(spectra.ids[:3])}, are in none of the columns",
            expected="a column with the names of the spectra",
            way_out="rename or add it, or name it with --id",
        )
    return best
