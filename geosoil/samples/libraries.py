"""Alignment of a spectral library with one site: the same bands, quantity and property, with checks of the data."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.unify import LARGEST_MEDIAN_REFLECTANCE
from geosoil.io.tables.reader import list_ids, read_numbers
from geosoil.samples.rs_local import LEAST_SITE_SAMPLES
from geosoil.spectra.absorbance import Absorbance
from geosoil.spectra.resample import ResampleSpectra
from geosoil.spectra.scatter import SNV

if TYPE_CHECKING:
    from geosoil.io.spectra.unify import Spectra

LEAST_COMMON_BANDS = 10
DUPLICATE_DIFFERENCE = 1e-4  # reflectance: more than rounding to four digits, less than the noise of repeated scans
UPSIDE_DOWN = -0.8  # correlation with the median spectrum: absorbance decreases where reflectance increases


@dataclass(frozen=True, eq=False)
class AlignedLibrary:
    """A library and a site with common bands and without gaps.

    Attributes
    ----------
    wavelength_nm : ndarray of shape (band,)
    R_library, R_site : ndarray of shape (n, band) and (m, band), float64
        Reflectance as a fraction.
    X_library, X_site : ndarray of shape (n, band) and (m, band), float64
        SNV of absorbance, without unit.
    y_library, y_site : ndarray of shape (n,) and (m,)
        Contents in the unit of the target.
    library_rows, site_rows : ndarray of shape (n,) and (m,), int
        The rows of the files.
    notes : tuple of str
        One line per change or omission.
    """

    wavelength_nm: np.ndarray
    R_library: np.ndarray
    R_site: np.ndarray
    X_library: np.ndarray
    y_library: np.ndarray
    library_rows: np.ndarray
    X_site: np.ndarray
    y_site: np.ndarray
    site_rows: np.ndarray
    notes: tuple[str, ...]


def align_library(library: Spectra, site: Spectra, *, target: str) -> AlignedLibrary:
    """Make a library and a site comparable in bands, quantity and property.

    Spectra are resampled to the coarser bands within the common range. Rows without a target, or with gaps, are left
    out, and so are rows of the library whose spectrum is that of a row of the site within 1e-4 reflectance, because
    they would leak into a test. One file may contain absorbance and the other reflectance if the files state it.

    Parameters
    ----------
    library, site : Spectra
    target : str
        The column of the property in both tables.

    Returns
    -------
    AlignedLibrary

    Raises
    ------
    SamplesError
        If the target is absent, constant or in another unit, the site has fewer than 5 samples, or no row of the
        library remains.
    UnitsError
        If values are in percent, or absorbance and reflectance are mixed.
    WavelengthError
        If there are too few common bands.

    Examples
    --------
    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from geosoil.io.spectra.unify import Spectra
    >>> rng, nm = np.random.default_rng(0), np.arange(400.0, 900.0, 10.0)
    >>> def soils(n, name):
    ...     R = 0.1 + nm / 4000 + 0.05 * rng.random((n, 1)) * np.sin(nm / 90) + 0.01 * rng.random((n, nm.size))
    ...     return Spectra(nm, R, [f"{name}{i}" for i in range(n)], pd.DataFrame({"soc_pct": rng.random(n)}),
    ...                    "reflectance", Path(name))
    >>> aligned = align_library(soils(20, "library"), soils(6, "farm"), target="soc_pct")
    >>> aligned.X_library.shape, aligned.X_site.shape
    ((20, 50), (6, 50))
    """
    notes: list[str] = []
    nm, R_library, R_site = common_grid(library, site, notes)
    y_library, y_site = contents_of(library, target), contents_of(site, target)
    for spectra, y in ((library, y_library), (site, y_site)):
        check_percent(spectra, target, y)
    library_rows = _complete(library, R_library, y_library, "library", notes)
    site_rows = _complete(site, R_site, y_site, "site", notes)
    if len(site_rows) < LEAST_SITE_SAMPLES:
        raise SamplesError(
            site.source,
            found=f"{len(site_rows)} samples with {target} and a whole spectrum",
            expected=f"at least {LEAST_SITE_SAMPLES} for the selection from the library",
            way_out="analyse more samples of the site",
        )
    # All spectra of the site are compared, also those without content, which may be test rows.
    complete = np.isfinite(R_site).all(axis=1)
    copies = find_duplicates(R_library[library_rows], R_site[complete])
    if copies.any():
        notes.append(f"library: {int(copies.sum())} rows left out whose spectra are those of the site")
        library_rows = library_rows[~copies]
    if not len(library_rows):
        raise SamplesError(
            library.source,
            problem="all rows of the library are also in the site",
            expected="a library of other soils",
            way_out="choose another library",
        )
    _refuse_constant(library, target, y_library[library_rows])
    _refuse_constant(site, target, y_site[site_rows])
    R_library, R_site = R_library[library_rows], R_site[site_rows]
    return AlignedLibrary(
        nm,
        R_library,
        R_site,
        localisation_space(R_library),
        y_library[library_rows],
        library_rows,
        localisation_space(R_site),
        y_site[site_rows],
        site_rows,
        tuple(notes),
    )


def common_grid(library: Spectra, site: Spectra, notes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Resample a library and a site to common bands: the coarser ones within the common range.

    Parameters
    ----------
    library, site : Spectra
    notes : list of str
        A note on the resampling is appended.

    Returns
    -------
    wavelength_nm : ndarray of shape (band,)
    R_library, R_site : ndarray of shape (sample, band)
        Reflectance as a fraction.

    Raises
    ------
    UnitsError
        If values are in percent, or absorbance and reflectance are mixed.
    WavelengthError
        If there are too few common bands.

    Examples
    --------
    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from geosoil.io.spectra.unify import Spectra
    >>> def line(step):
    ...     nm = np.arange(400.0, 600.0, step)
    ...     return Spectra(nm, nm[None] / 1000, ["a"], pd.DataFrame(index=[0]), "reflectance", Path(f"{step}.csv"))
    >>> nm, fine, coarse = common_grid(line(5.0), line(10.0), [])
    >>> fine.shape == coarse.shape == (1, nm.size)
    True
    """
    for spectra in (library, site):
        _refuse_mixture(spectra)
    nm, R_library, R_site = _common_grid(library, site, notes)
    _refuse_upside_down(library, site, R_library, R_site)
    return nm, R_library, R_site


def localisation_space(reflectance: np.ndarray) -> np.ndarray:
    """Return SNV of absorbance `(sample, band)` of reflectance as a fraction: the space of Shen et al. (2022).

    Examples
    --------
    >>> localisation_space(np.array([[0.1, 0.01, 0.001]])).tolist()
    [[-1.0, 0.0, 1.0]]
    """
    rows: np.ndarray = SNV().fit_transform(Absorbance().fit_transform(np.asarray(reflectance, np.float64)))
    return rows


def find_duplicates(X: np.ndarray, of: np.ndarray, tolerance: float = DUPLICATE_DIFFERENCE) -> np.ndarray:
    """Return which rows of X `(n, band)` differ by at most `tolerance` in all bands from a row of `of` `(m, band)`.

    Examples
    --------
    >>> find_duplicates(np.array([[0.1, 0.2], [0.3, 0.2]]), np.array([[0.1, 0.20001]])).tolist()
    [True, False]
    """
    if not len(X) or not len(of):
        return np.zeros(len(X), dtype=bool)
    probe = np.linspace(0, X.shape[1] - 1, min(8, X.shape[1])).astype(int)  # a few bands exclude most pairs
    near = cKDTree(X[:, probe]).query_ball_point(of[:, probe], tolerance, p=np.inf)
    copies = np.zeros(len(X), dtype=bool)
    for rows, spectrum in zip(near, of, strict=True):
        if rows:
            copies[rows] |= (np.abs(X[rows] - spectrum) <= tolerance).all(axis=1)
    return copies


def contents_of(spectra: Spectra, target: str) -> np.ndarray:
    """Return a property of a table of spectra as numbers.

    Parameters
    ----------
    spectra : Spectra
    target : str
        The column of the property.

    Returns
    -------
    ndarray of shape (sample,)
        Contents in the unit of the column, NaN where a cell is empty.

    Raises
    ------
    SamplesError
        If the column is absent (the message names the same property in another unit), or a cell is not a number.

    Examples
    --------
    >>> import pandas as pd
    >>> from pathlib import Path
    >>> from geosoil.io.spectra.unify import Spectra
    >>> table = pd.DataFrame({"soc_pct": [1.2]})
    >>> contents_of(Spectra(np.array([400.0]), np.array([[0.1]]), ["a"], table, "reflectance", Path("a")), "soc_pct")
    array([1.2])
    """
    columns = [str(column) for column in spectra.table.columns]
    if target not in columns:
        same_property = [name for name in columns if name.split("_")[0] == target.split("_")[0] and "_" in name]
        near = same_property or get_close_matches(target, columns, n=1, cutoff=0.6)
        way_out = f"did you mean {near[0]}?" if near else "choose one of the columns"
        way_out = f"convert {near[0]} to {target}" if same_property else way_out
        other_unit = f"; {near[0]} has another unit" if same_property else ""
        raise SamplesError(
            spectra.source,
            problem=f'column "{target}" is missing (columns: {", ".join(columns[:12])}){other_unit}',
            expected="the property in the same unit in both tables",
            way_out=way_out,
        )
    return read_numbers(spectra.source, spectra.table[target], spectra.ids)


def _reflectance(spectra: Spectra) -> np.ndarray:
    values = np.asarray(spectra.values, np.float64)
    return values if spectra.quantity == "reflectance" else 10.0**-values


def _refuse_mixture(spectra: Spectra) -> None:
    """Raise UnitsError if rows are in another unit or quantity than the rest of their table."""
    whole = np.flatnonzero(np.isfinite(spectra.values).all(axis=1))
    values = np.asarray(spectra.values, np.float64)[whole]
    if spectra.quantity == "reflectance":
        large = np.median(values, axis=1) > LARGEST_MEDIAN_REFLECTANCE if len(values) else np.zeros(0, dtype=bool)
        if large.any():
            raise UnitsError(
                spectra.source,
                found=f"percent or absorbance in {list_ids([spectra.ids[i] for i in whole[large]])}",
                expected="reflectance as a fraction in every row",
                way_out="convert these rows, or read the table with scale= or quantity=",
            )
    if len(values) < 3:
        return
    against = _correlations(values, np.median(values, axis=0)) < UPSIDE_DOWN
    if against.any() and against.mean() < 0.5:
        other = "absorbance" if spectra.quantity == "reflectance" else "reflectance"
        raise UnitsError(
            spectra.source,
            found=f"apparent {other} in {list_ids([spectra.ids[i] for i in whole[against]])}",
            expected=f"{spectra.quantity} in every row",
            way_out="convert these rows",
        )


def _refuse_upside_down(library: Spectra, site: Spectra, R_library: np.ndarray, R_site: np.ndarray) -> None:
    median = [np.median(R[np.isfinite(R).all(axis=1)], axis=0) for R in (R_library, R_site)]
    if np.isfinite(median).all() and _correlations(median[0][None], median[1])[0] < UPSIDE_DOWN:
        raise UnitsError(
            site.source,
            found=f"spectra that decrease where those of {library.source.name} increase",
            expected="the same quantity, or files that state their quantity",
            way_out="state which table contains absorbance (quantity=)",
        )


def _correlations(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    rows, reference = rows - rows.mean(axis=1, keepdims=True), reference - reference.mean()
    lengths = np.sqrt(np.sum(rows**2, axis=1) * np.sum(reference**2))
    return np.divide(rows @ reference, lengths, out=np.ones(len(rows)), where=lengths > 0)


def _common_grid(library: Spectra, site: Spectra, notes: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the common bands in nm, and both as reflectance in these bands."""
    both = (library, site)
    nm_library, nm_site = (np.asarray(spectra.wavelength_nm, np.float64) for spectra in both)
    R = [_reflectance(spectra) for spectra in both]
    if nm_library.shape == nm_site.shape and np.allclose(nm_library, nm_site, rtol=0, atol=1e-3):
        return nm_site, R[0], R[1]
    steps = [float(np.median(np.diff(nm))) if nm.size > 1 else np.inf for nm in (nm_library, nm_site)]
    coarse, fine = (nm_library, nm_site) if steps[0] > steps[1] else (nm_site, nm_library)
    # Much finer bands are averaged over the width of the coarser ones, others are interpolated.
    average = min(steps) < 0.6 * max(steps)
    common = coarse[(coarse >= fine[0]) & (coarse <= fine[-1])]
    resampled = []
    for nm, values in zip((nm_library, nm_site), R, strict=True):
        if nm is coarse or common.size < 2:
            resampled.append(values[:, np.isin(nm, common)] if nm is coarse else values[:, :0])
            continue
        step = ResampleSpectra(nm.tolist(), common.tolist(), method="gaussian" if average else "linear")
        whole = np.isfinite(values).all(axis=1)
        out = np.full((len(values), common.size), np.nan)
        if whole.any():
            out[whole] = step.fit(values[whole]).transform(values[whole])
        resampled.append(out)
    covered = np.array([np.isfinite(out).any(axis=0) for out in resampled if out.shape[1] == common.size]).all(axis=0)
    if common.size < LEAST_COMMON_BANDS or covered.sum() < LEAST_COMMON_BANDS:
        raise WavelengthError(
            site.source,
            found=f"bands from {nm_site[0]:g} to {nm_site[-1]:g} nm against {nm_library[0]:g} to {nm_library[-1]:g} nm",
            expected=f"at least {LEAST_COMMON_BANDS} common bands with {library.source.name}",
            way_out="choose a library of the same range",
        )
    common = common[covered]
    finer, coarser = ("site", "library") if coarse is nm_library else ("library", "site")
    notes.append(
        f"{finer}: resampled to the {common.size} bands of the {coarser} from {common[0]:g} to {common[-1]:g} nm"
        f" ({'Gaussian' if average else 'linear'})"
    )
    return common, resampled[0][:, covered], resampled[1][:, covered]


def _complete(spectra: Spectra, R: np.ndarray, y: np.ndarray, name: str, notes: list[str]) -> np.ndarray:
    """Return the rows with a content and a complete spectrum of positive reflectance, and note the others."""
    no_content = ~np.isfinite(y)
    no_spectrum = ~(np.isfinite(R).all(axis=1) & (np.nan_to_num(R) > 0).all(axis=1)) & ~no_content
    for flags, what in ((no_content, "without content"), (no_spectrum, "with gaps or zeros in the spectrum")):
        if flags.any():
            notes.append(f"{name}: {int(flags.sum())} of {len(spectra.ids)} rows left out {what}")
    return np.flatnonzero(~no_content & ~no_spectrum)


def _refuse_constant(spectra: Spectra, target: str, y: np.ndarray) -> None:
    """Raise SamplesError if all contents `(n,)` are equal."""
    if np.ptp(y) == 0:
        raise SamplesError(
            spectra.source,
            found=f"the same {target} in all {len(y)} samples, {y[0]:g}",
            expected="contents that differ",
            way_out="check the column",
        )


def check_percent(spectra: Spectra, target: str, y: np.ndarray) -> None:
    """Raise SamplesError if contents `(n,)` of a target in percent are not between 0 and 100."""
    if not target.endswith("_pct"):
        return
    wrong = np.flatnonzero((y > 100) | (y < 0))
    if wrong.size:
        raise SamplesError(
            spectra.source,
            found=f"{target} {y[wrong[0]]:g} of {spectra.ids[wrong[0]]}",
            expected="0 to 100, as percent",
            way_out="convert the column, or name it by its unit (soc_g_kg)",
        )
