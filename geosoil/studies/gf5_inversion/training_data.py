"""From files to training rows: satellite spectra at the points, their neighbours, laboratory spectra, the target."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.spectra.reader import LARGEST_MEDIAN_REFLECTANCE, read_spectra
from geosoil.io.tables.reader import list_ids, read_samples
from geosoil.models.contract import Feature
from geosoil.samples.extract import sample_raster
from geosoil.sensors.cube import open_cube
from geosoil.spectra.resample import resampling_matrix
from geosoil.studies.target_checks import check_contents

if TYPE_CHECKING:
    import geopandas as gpd
    import pandas as pd
    import xarray as xr

    from geosoil.studies.gf5_inversion.recipe import Recipe
    from geosoil.studies.recipe import LoadedRecipe

INNER_FOLDS = 5  # of the regressors' own search (models.estimators)


@dataclass(frozen=True)
class TrainingData:
    """The rows that a study learns from, all in one order.

    satellite `(n, p)` and laboratory `(n, p)` (or None) are reflectance at the same p bands; neighbours `(n, 4, p)`
    the four pixels around each sample, NaN where there is none; target `(n,)` in its own unit; xy_m `(n, 2)` in the
    cube's CRS; table the properties of the samples; notes what was done to the input, to be told to the user.
    """

    ids: list[str]
    satellite: np.ndarray
    neighbours: np.ndarray
    laboratory: np.ndarray | None
    target: np.ndarray
    xy_m: np.ndarray
    features: tuple[Feature, ...]
    table: pd.DataFrame
    notes: list[str]
    sha256: str

    @property
    def wavelength_nm(self) -> np.ndarray:
        """Wavelength of every band, `(p,)` nm."""
        return np.array([feature.wavelength_nm for feature in self.features], np.float64)


def read_training_data(loaded: LoadedRecipe[Recipe]) -> TrainingData:
    """Read all that a recipe names, check it, and bring it to the sensor's bands.

    Raises the GeosoilError that says which file is wrong and how to mend it.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    cube = open_cube(
        loaded.path(data.cube),
        band_table=loaded.path(data.bands) if data.bands else None,
        scale=data.scale,
        nodata=data.nodata,
        overlap=data.overlap,
        drop_nm=None if data.drop_nm is None else [(low, high) for low, high in data.drop_nm],
    )
    points = _points(loaded)
    notes = list(cube.attrs.get("notes", []))
    if points[recipe.target.column].isna().any():
        notes.append(f"dropped {points[recipe.target.column].isna().sum()} samples without {recipe.target.column}")
        points = points[points[recipe.target.column].notna()]
    check_contents(
        loaded.path(data.samples),
        recipe.target,
        points[data.sample_id].to_numpy(),
        points[recipe.target.column].to_numpy(np.float64),
    )
    rows = sample_raster(cube, points, sample_id=data.sample_id, on_missing=data.on_missing)
    cube = cube.sel(band=rows.bands)
    ids = [str(name) for name in rows.ids]
    points = points.set_index(data.sample_id).loc[ids]
    notes += rows.notes
    _check_number(loaded, len(ids))
    _check_reflectance(cube, rows.values)

    laboratory = None
    if data.laboratory is not None:
        laboratory, said = _laboratory_at(loaded, ids, cube["wavelength_nm"].values)
        notes += said
    keep = _usable_bands(cube, rows.values, laboratory, notes)
    metric = points.to_crs(cube.rio.crs)
    return TrainingData(
        ids=ids,
        satellite=rows.values[:, keep],
        neighbours=rows.neighbours[:, :, keep],
        laboratory=None if laboratory is None else laboratory[:, keep],
        target=points[recipe.target.column].to_numpy(np.float64),
        xy_m=np.column_stack([metric.geometry.x, metric.geometry.y]),
        features=_features(cube, rows.values, keep),
        table=points.drop(columns="geometry").reset_index(drop=True),
        notes=notes,
        sha256=hashlib.sha256(Path(loaded.path(data.samples)).read_bytes()).hexdigest(),
    )


def _points(loaded: LoadedRecipe[Recipe]) -> gpd.GeoDataFrame:
    """Read the samples; a missing target stops, unless the recipe drops what is missing."""
    recipe, data = loaded.recipe, loaded.recipe.data
    path = loaded.path(data.samples)
    columns = list(dict.fromkeys([recipe.target.column, *data.describe]))
    points = read_samples(path, sample_id=data.sample_id, columns=columns, x=data.x, y=data.y, crs=data.crs)
    missing = points[recipe.target.column].isna()
    if missing.any() and data.on_missing == "stop":
        raise SamplesError(
            path,
            found=f"no {recipe.target.column} for {list_ids(points[data.sample_id][missing].to_numpy())}",
            expected="a number for each sample",
            way_out="fill it in, or set on_missing = 'drop' in [data]",
        )
    return points


def _check_number(loaded: LoadedRecipe[Recipe], n_samples: int) -> None:
    """Refuse fewer samples than fill the folds: half of them must still do for the search inside a training fold."""
    recipe = loaded.recipe
    least = 2 * max(INNER_FOLDS, recipe.selection.n_folds)
    if recipe.validation.split != "gradient":
        least = max(least, recipe.validation.n_folds)
    if n_samples < least:
        raise SamplesError(
            loaded.path(recipe.data.samples),
            found=f"{n_samples} samples",
            expected=f"at least {least} to train and validate on",
            way_out=f"add samples, or ask for fewer folds (never fewer samples than {2 * INNER_FOLDS})",
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


def _laboratory_at(
    loaded: LoadedRecipe[Recipe], ids: list[str], wavelength_nm: np.ndarray
) -> tuple[np.ndarray, list[str]]:
    """Return the laboratory spectra of the samples at the sensor's bands `(n, p)`, NaN where not covered."""
    data = loaded.recipe.data
    path = loaded.path(str(data.laboratory))
    try:
        spectra = read_spectra(path, id_column=data.sample_id, scale=data.laboratory_scale)
    except UnitsError as error:  # the reader's own way out speaks of `scale`, which is the cube's here
        raise UnitsError(
            path,
            found="values that are no reflectance",
            expected="a fraction, 0 to 1, and empty cells where nothing was measured",
            way_out="set laboratory_scale = 0.01 in [data] for percent, 0.0001 for reflectance x 10000",
        ) from error
    place = {name: i for i, name in enumerate(spectra.ids)}
    missing = [name for name in ids if name not in place]
    if missing:
        raise SamplesError(
            path,
            found=f"no laboratory spectrum for {list_ids(missing)}",
            expected=f"one spectrum for each of the {len(ids)} samples",
            way_out=f"add them, or match the column {data.sample_id}",
        )
    values = spectra.values[[place[name] for name in ids]].astype(np.float64)
    if spectra.quantity == "absorbance":
        values = 10.0**-values
    # The paper interpolates linearly; at 1 nm against 4 to 9 nm of the sensor the difference is below the noise.
    matrix = resampling_matrix(spectra.wavelength_nm, wavelength_nm, method="linear")
    said = [f"laboratory spectra interpolated linearly to {len(wavelength_nm)} bands of the sensor"]
    if spectra.quantity == "absorbance":
        said.append("laboratory absorbance turned into reflectance by R = 10^-A")
    covered = ~np.isnan(matrix).any(axis=1)
    empty = np.isnan(values[:, matrix[covered].any(axis=0)]).any(axis=1)
    if empty.any():
        raise SamplesError(
            path,
            found=f"empty cells in the laboratory spectra of {list_ids(np.array(ids)[empty])}",
            expected="a value at every band",
            way_out="fill them in, or delete these samples",
        )
    out = np.full((len(ids), len(wavelength_nm)), np.nan, np.float32)
    out[:, covered] = values @ matrix[covered].T
    return out, said


def _usable_bands(
    cube: xr.DataArray, satellite: np.ndarray, laboratory: np.ndarray | None, notes: list[str]
) -> np.ndarray:
    """Return the indices of the bands with a value for every sample, in both spectra where there are two."""
    empty = np.isnan(satellite).any(axis=0)
    uncovered = np.zeros_like(empty) if laboratory is None else np.isnan(laboratory).any(axis=0)
    constant = ~empty & (np.nanmax(np.where(empty, 0, satellite), 0) == np.nanmin(np.where(empty, 0, satellite), 0))
    for which, why in ((empty, "empty at a sample"), (constant, "constant"), (uncovered, "outside the laboratory's")):
        if which.any():
            names = cube["band"].values[which]
            notes.append(f"{which.sum()} bands left out, {why}: {names[0]} .. {names[-1]}")
    keep = np.flatnonzero(~(empty | uncovered | constant))
    if len(keep) < 2:
        raise SamplesError(
            cube.attrs.get("source", "cube"),
            found=f"{len(keep)} usable bands of {len(empty)}",
            expected="bands with values at every sample",
            way_out="look at the points on the image, or set on_missing = 'drop' in [data]",
        )
    return keep


def _features(cube: xr.DataArray, spectra: np.ndarray, keep: np.ndarray) -> tuple[Feature, ...]:
    fwhm = cube["fwhm_nm"].values if "fwhm_nm" in cube.coords else np.full(cube.sizes["band"], np.nan)
    return tuple(
        Feature(
            name=str(cube["band"].values[i]),
            wavelength_nm=float(cube["wavelength_nm"].values[i]),
            fwhm_nm=None if np.isnan(fwhm[i]) else float(fwhm[i]),
            training_low=float(spectra[:, i].min()),
            training_high=float(spectra[:, i].max()),
        )
        for i in keep
    )
