"""From files to rows: a library and a site on one grid, and which rows of the library are of the site's country."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.spectra.reader import read_spectra
from geosoil.samples.libraries import align_library

if TYPE_CHECKING:
    from pyproj import CRS

    from geosoil.io.spectra.reader import Spectra
    from geosoil.studies.library_localisation.recipe import Data, Recipe
    from geosoil.studies.recipe import LoadedRecipe

LEAST_COUNTRY_ROWS = 30  # with fewer, nothing is left to choose from


@dataclass(frozen=True, eq=False)
class Rows:
    """Spectra with their contents, all in one order.

    ids `(n,)`; R `(n, band)` reflectance; X `(n, band)` SNV of absorbance; y `(n,)` in the target's unit.
    """

    ids: np.ndarray
    R: np.ndarray
    X: np.ndarray
    y: np.ndarray


@dataclass(frozen=True, eq=False)
class TrainingData:
    """A library and a site, comparable.

    wavelength_nm `(band,)`; country `(n_country,)` rows of the library of the site's own country, or None; xy
    `(n_site, 2)` in `crs`, or None; notes what was done to the input, to be told to the user.
    """

    wavelength_nm: np.ndarray
    library: Rows
    site: Rows
    country: np.ndarray | None
    xy: np.ndarray | None
    crs: CRS | None
    notes: list[str]
    sha256: str


def read_training_data(loaded: LoadedRecipe[Recipe]) -> TrainingData:
    """Read all that a recipe names, check it, and bring library and site to one grid.

    Raises the GeosoilError that says which file is wrong and how to mend it.
    """
    recipe, data = loaded.recipe, loaded.recipe.data
    library, site = (read_spectra(loaded.path(path), id_column=data.id_column) for path in (data.library, data.site))
    aligned = align_library(library, site, target=recipe.target.column)
    notes = list(aligned.notes)
    if len(aligned.library_rows) < recipe.rs_local.k:
        raise SamplesError(
            library.source,
            found=f"{len(aligned.library_rows)} rows for rs_local.k = {recipe.rs_local.k}",
            expected="a library of more rows than are chosen of it",
            way_out="choose a smaller k, or another library",
        )
    country = _of_country(library, aligned.library_rows, data, recipe.rs_local.k, notes)
    xy, crs = _places(site, data)
    digest = hashlib.sha256(aligned.R_library.tobytes())
    for array in (aligned.y_library, aligned.R_site, aligned.y_site):
        digest.update(np.ascontiguousarray(array).tobytes())
    ids = [np.asarray(spectra.ids, dtype=str) for spectra in (library, site)]
    return TrainingData(
        aligned.wavelength_nm,
        Rows(ids[0][aligned.library_rows], aligned.R_library, aligned.X_library, aligned.y_library),
        Rows(ids[1][aligned.site_rows], aligned.R_site, aligned.X_site, aligned.y_site),
        country,
        None if xy is None else xy[aligned.site_rows],
        crs,
        notes,
        digest.hexdigest(),
    )


def _of_country(library: Spectra, rows: np.ndarray, data: Data, k: int, notes: list[str]) -> np.ndarray | None:
    """Return which of the rows are of the site's country, or None where there are too few to choose from."""
    if data.country is None:
        return None
    if data.country_column not in library.table.columns:
        raise SamplesError(
            library.source,
            found=f"no column {data.country_column}",
            expected="the country of every row",
            way_out="set data.country_column, or take data.country out",
        )
    named = library.table[data.country_column].astype(str).to_numpy()
    own = np.flatnonzero(named[rows] == data.country)
    if not own.size:
        some = ", ".join(sorted(set(named))[:8])
        raise SamplesError(
            library.source, found=f"no row of {data.country}", expected=f"one of {some}", way_out="mend data.country"
        )
    if own.size < max(k, LEAST_COUNTRY_ROWS):
        notes.append(f"{own.size} rows of {data.country}: too few to choose {k} from, so no country models are made")
        return None
    return own


def _places(site: Spectra, data: Data) -> tuple[np.ndarray | None, CRS | None]:
    """Return the places of the site's samples `(sample, 2)` and their CRS, or None where the recipe names none."""
    if data.x is None or data.y is None:
        return None, None
    from pyproj import CRS
    from pyproj.exceptions import CRSError

    missing = [name for name in (data.x, data.y) if name not in site.table.columns]
    if missing:
        raise SamplesError(
            site.source, found=f"no column {missing[0]}", expected="places", way_out="mend data.x and data.y"
        )
    try:
        crs = CRS.from_user_input(data.crs)
    except CRSError as error:
        raise SamplesError(
            site.source, found=f"crs = {data.crs!r}", expected="a CRS, such as EPSG:32632", way_out="mend data.crs"
        ) from error
    try:
        return site.table[[data.x, data.y]].to_numpy(np.float64), crs
    except ValueError as error:
        raise SamplesError(
            site.source, found=f"places that are no numbers ({error})", expected="coordinates", way_out="mend them"
        ) from error
