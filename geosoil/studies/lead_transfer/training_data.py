"""From files to training rows: library and samples on one grid, and which rows of the library are a sample's own."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

from geosoil.errors import SamplesError, WavelengthError
from geosoil.estimators.base import FEW_SAMPLES, FEWEST_SAMPLES
from geosoil.io.rasters.wavelengths import read_band_table
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.tables.reader import list_ids, read_samples, read_table, require_column
from geosoil.models.contract import Feature
from geosoil.samples.libraries import DUPLICATE_DIFFERENCE, common_grid, contents_of
from geosoil.sensors.cube import open_cube
from geosoil.spectra.resample import resampling_matrix
from geosoil.studies.target_checks import check_contents

if TYPE_CHECKING:
    import pandas as pd

    from geosoil.io.spectra.reader import Spectra
    from geosoil.studies.lead_transfer.recipe import Recipe
    from geosoil.studies.recipe import LoadedRecipe

    Sensor = tuple[np.ndarray, np.ndarray | None]  # centres and widths of its bands in nm

LEAST_LIBRARY_ROWS = 40
LEAST_BANDS = 10


@dataclass(frozen=True, eq=False)
class TrainingData:
    """Samples and library, comparable: reflectance `(row, band)` float32 on one grid.

    ids `(n,)`; R `(n, band)`; y `(n,)` in the target's unit; groups `(n,)` text, or None; xy_m `(n, 2)` in metres, or
    None; R_library `(m, band)`; y_library `(m,)` of the source property; own `(m,)`: which sample a row of the library
    is by its spectrum, -1 for none; notes what was done to the input, to be told to the user.
    """

    ids: np.ndarray
    R: np.ndarray
    y: np.ndarray
    groups: np.ndarray | None
    xy_m: np.ndarray | None
    R_library: np.ndarray
    y_library: np.ndarray
    own: np.ndarray
    features: tuple[Feature, ...]
    notes: list[str]
    sha256: str

    @property
    def wavelength_nm(self) -> np.ndarray:
        """Centres of the bands `(band,)`."""
        return np.array([feature.wavelength_nm for feature in self.features], np.float64)

    @property
    def holds_own(self) -> bool:
        """Whether the library holds spectra of the samples."""
        return bool((self.own >= 0).any())

    def library_without(self, samples: np.ndarray) -> np.ndarray:
        """Return the rows of the library that are none of these samples' own."""
        return np.flatnonzero(~np.isin(self.own, samples))


def read_training_data(loaded: LoadedRecipe[Recipe]) -> TrainingData:
    """Read all that a recipe names, check it, and bring library and samples to one grid.

    Raises the GeosoilError that says which file is wrong and how to mend it.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    notes: list[str] = []
    library = read_spectra(loaded.path(data.library), id_column=data.library_id)
    require_column(library.source, library.table, recipe.source.column)
    samples = read_spectra(loaded.path(data.spectra), id_column=data.sample_id)
    samples, y, groups, xy_m = _contents(loaded, samples, notes)
    sensor = _sensor(loaded)
    if sensor is not None:
        library, samples = (_on_sensor(sensor, spectra, notes) for spectra in (library, samples))
    nm, R_library, R = common_grid(library, samples, notes)
    y_library = contents_of(library, recipe.source.column)
    known = np.isfinite(y_library) & (np.nan_to_num(R_library) > 0).all(axis=1)
    if not known.all():
        notes.append(f"library: {(~known).sum()} of {len(known)} rows left out: no {recipe.source.column} or holes")
    if known.sum() < LEAST_LIBRARY_ROWS:
        raise SamplesError(
            library.source,
            found=f"{known.sum()} rows with {recipe.source.column} and a whole spectrum",
            expected=f"{LEAST_LIBRARY_ROWS} or more for a net to learn from",
            way_out="choose a larger library",
        )
    whole = (np.nan_to_num(R) > 0).all(axis=1)
    if not whole.all():
        if data.on_missing == "stop":
            raise SamplesError(
                samples.source,
                found=f"NaN or zeros in the spectra of {list_ids(np.array(samples.ids)[~whole])}",
                expected="reflectance above zero in every band",
                way_out="mend these spectra, or set on_missing = 'drop' in [data]",
            )
        notes.append(f"dropped {(~whole).sum()} samples with holes in their spectra")
    _check(loaded, np.array(samples.ids)[whole], y[whole], notes)
    R_library, y_library, R = R_library[known].astype(np.float32), y_library[known], R[whole].astype(np.float32)
    own = _own_rows(R_library, R)
    if (own >= 0).any():
        notes.append(
            f"{(own >= 0).sum()} rows of the library are spectra of the samples: left out of the source net, and of "
            "every step learned on the library, whenever their sample is tested"
        )
    digest = hashlib.sha256()
    for array in (R_library, y_library, R, y[whole]):
        digest.update(np.ascontiguousarray(array).tobytes())
    return TrainingData(
        ids=np.array(samples.ids)[whole],
        R=R,
        y=y[whole],
        groups=None if groups is None else groups[whole],
        xy_m=None if xy_m is None else xy_m[whole],
        R_library=R_library,
        y_library=y_library,
        own=own,
        features=_features(sensor, nm, R),
        notes=notes,
        sha256=digest.hexdigest(),
    )


def _contents(
    loaded: LoadedRecipe[Recipe], spectra: Spectra, notes: list[str]
) -> tuple[Spectra, np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Return the spectra that have a target, their target, group and place in metres."""
    recipe, data = loaded.recipe, loaded.recipe.data
    column, path, xy_m = recipe.target.column, spectra.source, None
    table, place = spectra.table, np.arange(len(spectra.ids))
    if data.samples is None:
        require_column(path, table, column)
        y = contents_of(spectra, column)
    else:
        path = Path(loaded.path(data.samples))
        points = read_samples(path, sample_id=data.sample_id, columns=[column], x=data.x, y=data.y, crs=data.crs)
        row = {name: i for i, name in enumerate(spectra.ids)}
        ids = points[data.sample_id].to_numpy()
        absent = np.array([name not in row for name in ids])
        if absent.any():
            raise SamplesError(
                spectra.source,
                found=f"no spectrum for {list_ids(ids[absent])}",
                expected=f"one for each of the {len(ids)} samples",
                way_out=f"add them, or match the column {data.sample_id}",
            )
        place, y = np.array([row[name] for name in ids]), points[column].to_numpy(np.float64)
        metric = points.geometry if points.crs.is_projected else points.geometry.to_crs(points.estimate_utm_crs())
        xy_m = np.column_stack([metric.x, metric.y])
        table = read_table(path)
    groups = _groups(data.group, table, spectra.table.iloc[place], path)
    known = np.isfinite(y)
    if not known.all():
        if data.on_missing == "stop":
            raise SamplesError(
                path,
                found=f"no {column} for {list_ids(np.array(spectra.ids)[place][~known])}",
                expected="a number for each sample",
                way_out="fill it in, or set on_missing = 'drop' in [data]",
            )
        notes.append(f"dropped {(~known).sum()} samples without {column}")
    place = place[known]
    kept = replace(
        spectra,
        values=spectra.values[place],
        ids=[spectra.ids[i] for i in place],
        table=spectra.table.iloc[place].reset_index(drop=True),
    )
    return kept, y[known], None if groups is None else groups[known], None if xy_m is None else xy_m[known]


def _groups(column: str | None, table: pd.DataFrame, other: pd.DataFrame, path: Path) -> np.ndarray | None:
    """Return the group of each row as text, from the samples' table or from that of their spectra."""
    if column is None:
        return None
    if column not in table.columns and column in other.columns:
        table = other
    require_column(path, table, column)
    if table[column].isna().any():
        raise SamplesError(
            path,
            found=f"no {column} in {int(table[column].isna().sum())} rows",
            expected="a group for each sample",
            way_out="fill it in, or take data.group out",
        )
    return table[column].astype(str).to_numpy()


def _sensor(loaded: LoadedRecipe[Recipe]) -> Sensor | None:
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
    nm, first = np.unique(nm, return_index=True)  # where detectors overlap, in the order of wavelength
    return nm, None if fwhm_nm is None or not np.isfinite(fwhm_nm).all() else fwhm_nm[first]


def _on_sensor(sensor: Sensor, spectra: Spectra, notes: list[str]) -> Spectra:
    """Resample spectra to the bands of a sensor; bands that they do not cover are left out."""
    nm, fwhm_nm = sensor
    R = np.asarray(spectra.values if spectra.quantity == "reflectance" else 10.0**-spectra.values, np.float64)
    matrix = resampling_matrix(spectra.wavelength_nm, nm, method="gaussian", to_fwhm_nm=fwhm_nm)
    covered = np.isfinite(matrix).all(axis=1)
    low, high = spectra.wavelength_nm[0], spectra.wavelength_nm[-1]
    if covered.sum() < LEAST_BANDS:
        raise WavelengthError(
            spectra.source,
            found=f"spectra from {low:g} to {high:g} nm, that cover {covered.sum()} of the sensor's {len(nm)} bands",
            expected=f"{LEAST_BANDS} of them or more",
            way_out="use spectra of the sensor's range",
        )
    left_out = f"; {(~covered).sum()} left out beyond {low:g} to {high:g} nm" if not covered.all() else ""
    notes.append(f"{spectra.source.name}: resampled to {covered.sum()} bands of the sensor (Gaussian){left_out}")
    values = (R @ matrix[covered].T).astype(np.float32)
    return replace(spectra, wavelength_nm=nm[covered], values=values, quantity="reflectance")


def _features(sensor: Sensor | None, nm: np.ndarray, R: np.ndarray) -> tuple[Feature, ...]:
    fwhm = dict(zip(sensor[0], sensor[1], strict=True)) if sensor is not None and sensor[1] is not None else {}
    return tuple(
        Feature(
            name=f"{band:g} nm",
            wavelength_nm=float(band),
            fwhm_nm=float(fwhm[band]) if band in fwhm else None,
            training_low=float(R[:, i].min()),
            training_high=float(R[:, i].max()),
        )
        for i, band in enumerate(nm)
    )


def _own_rows(R_library: np.ndarray, R: np.ndarray) -> np.ndarray:
    """Return which sample `(m,)` a row of the library is, by its spectrum within 1e-4 reflectance; -1 for none."""
    distance = cdist(R_library.astype(np.float64), R.astype(np.float64), "chebyshev")
    nearest = distance.argmin(axis=1)
    same = distance[np.arange(len(nearest)), nearest] <= DUPLICATE_DIFFERENCE
    return np.where(same, nearest, -1)


def _check(loaded: LoadedRecipe[Recipe], ids: np.ndarray, y: np.ndarray, notes: list[str]) -> None:
    """Refuse targets that cannot be learned; say what few samples mean."""
    wanted = loaded.recipe.target
    path = loaded.path(loaded.recipe.data.samples or loaded.recipe.data.spectra)
    if len(y) < FEWEST_SAMPLES:
        raise SamplesError(
            path,
            found=f"{len(y)} samples with {wanted.column} and a spectrum",
            expected=f"{FEWEST_SAMPLES} or more; nothing can be learned and tested on fewer",
            way_out="add samples",
        )
    if len(y) < FEW_SAMPLES:
        notes.append(
            f"warning: {len(y)} samples; below {FEW_SAMPLES} two or three of them decide when training stops and what "
            "a round shows: read the spread over rounds, not the means"
        )
    check_contents(path, wanted, ids, y)
