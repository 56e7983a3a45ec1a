"""A spectral library beside training rows: which of its rows can be learned from, and which are a sample's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial.distance import cdist

from geosoil.errors import SamplesError
from geosoil.pipeline.rows import Library
from geosoil.pipeline.sources.samples import check_positive
from geosoil.samples.libraries import check_percent, contents_of, find_duplicates

if TYPE_CHECKING:
    from geosoil.io.spectra.unify import Spectra
    from geosoil.pipeline.recipe import Recipe

LEAST_LIBRARY_ROWS = 40  # for a network to learn from, or to choose from
LEAST_COUNTRY_ROWS = 30  # with fewer, nothing is left to choose from


def read_library(recipe: Recipe, library: Spectra, R_library: np.ndarray, X: np.ndarray, notes: list[str]) -> Library:
    """Return the rows of a library that have a whole spectrum and a value of a target or of the auxiliary property.

    A row with the spectrum of a sample keeps its auxiliary value, and is marked; its targets are those of the sample,
    and are removed.

    Parameters
    ----------
    recipe : Recipe
    library : Spectra
    R_library : ndarray of float32, shape (n_library, n_features)
        Its reflectance on the bands of X.
    X : ndarray of float32, shape (n, n_features)
        Reflectance of the samples.
    notes : list of str
        Notes are added to it.

    Raises
    ------
    SamplesError
        If the library has neither a target nor the auxiliary property, or too few rows with them.
    """
    y, auxiliary = _values(recipe, library)
    whole = (np.nan_to_num(R_library) > 0).all(axis=1)
    sample_of_row = np.full(len(whole), -1)
    sample_of_row[whole] = find_samples(R_library[whole], X)
    copies = sample_of_row >= 0
    if copies.any() and y is not None:
        notes.append(f"library: {copies.sum()} rows left out whose spectra are those of samples")
        y = np.where(copies[:, None], np.nan, y)
    if copies.any() and auxiliary is not None:
        notes.append(
            f"{copies.sum()} rows of the library are spectra of the samples: they are left out of every step that is "
            "learned from the library while their sample is tested"
        )
    known = np.zeros(len(whole), dtype=bool)
    for values in ([] if y is None else [*y.T]) + ([] if auxiliary is None else [auxiliary]):
        known |= np.isfinite(values)
    kept = np.flatnonzero(known & whole)
    if (~known & ~copies).any():
        notes.append(f"library: {(~known & ~copies).sum()} of {len(whole)} rows left out without a value")
    if (known & ~whole).any():
        notes.append(f"library: {(known & ~whole).sum()} of {len(whole)} rows left out with gaps or zeros")
    if len(kept) < LEAST_LIBRARY_ROWS:
        raise SamplesError(
            library.source,
            found=f"{len(kept)} rows with a value and a whole spectrum that is not a sample's own",
            expected=f"{LEAST_LIBRARY_ROWS} or more to learn from",
            way_out="choose a larger library",
        )
    if y is not None:
        _check_targets(recipe, library, y[kept], kept)
    return Library(
        ids=np.asarray(library.ids, dtype=str)[kept],
        X=R_library[kept],
        y=None if y is None else y[kept],
        auxiliary=None if auxiliary is None else auxiliary[kept],
        sample_of_row=sample_of_row[kept],
        in_country=_in_country(recipe, library, kept, notes),
    )


def find_samples(R_library: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Return the sample whose spectrum each row of a library is, within 1e-4 reflectance; -1 for none.

    Parameters
    ----------
    R_library : ndarray, shape (n_library, n_features)
    X : ndarray, shape (n, n_features)

    Returns
    -------
    ndarray of int, shape (n_library,)

    Examples
    --------
    >>> find_samples(np.array([[0.1, 0.2], [0.3, 0.2]]), np.array([[0.5, 0.5], [0.30001, 0.2]])).tolist()
    [-1, 1]
    """
    samples = np.full(len(R_library), -1)
    copies = find_duplicates(np.asarray(R_library, np.float64), np.asarray(X, np.float64))
    if copies.any():
        distance = cdist(R_library[copies].astype(np.float64), X.astype(np.float64), "chebyshev")
        samples[copies] = distance.argmin(axis=1)
    return samples


def _values(recipe: Recipe, library: Spectra) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the targets (n_library, n_targets) and the auxiliary property (n_library,), or None for what it lacks."""
    columns = {str(column) for column in library.table.columns}
    auxiliary = recipe.data.auxiliary
    if auxiliary is None and not any(target.column in columns for target in recipe.target):
        contents_of(library, recipe.target[0].column)  # raises, and names a column of the same property
    y = None
    if any(target.column in columns for target in recipe.target):
        unknown = np.full(len(library.ids), np.nan)
        y = np.column_stack([contents_of(library, t.column) if t.column in columns else unknown for t in recipe.target])
        for target, values in zip(recipe.target, y.T, strict=True):
            check_percent(library, target.column, values)
    return y, None if auxiliary is None else contents_of(library, auxiliary.column)


def _check_targets(recipe: Recipe, library: Spectra, y: np.ndarray, rows: np.ndarray) -> None:
    """Refuse targets of a library that are constant, or not positive under a logarithm."""
    ids = np.asarray(library.ids, dtype=object)[rows]
    for target, values in zip(recipe.target, y.T, strict=True):
        check_positive(str(library.source), target, ids, values)
        known = values[np.isfinite(values)]
        if len(known) and np.ptp(known) == 0:
            raise SamplesError(
                library.source,
                found=f"the same {target.column} in all {len(known)} rows, {known[0]:g}",
                expected="values that differ",
                way_out="check the column",
            )


def _in_country(recipe: Recipe, library: Spectra, rows: np.ndarray, notes: list[str]) -> np.ndarray | None:
    """Return flags of rows of the site's country, or None if the recipe names none or it has too few rows."""
    country, column = recipe.data.country, recipe.data.country_column
    if country is None:
        return None
    if column not in library.table.columns:
        raise SamplesError(
            library.source,
            problem=f"column {column} is missing",
            expected="the country of every row",
            way_out="set data.country_column, or remove data.country",
        )
    names = library.table[column].astype(str).to_numpy()
    flags = names[rows] == country
    if not flags.any():
        raise SamplesError(
            library.source,
            found=f"no row of {country}",
            expected=f"one of {', '.join(sorted(set(names))[:8])}",
            way_out="correct data.country",
        )
    if flags.sum() < LEAST_COUNTRY_ROWS:
        notes.append(f"{flags.sum()} rows of {country}: too few to choose from, so no country models are made")
        return None
    return np.asarray(flags)
