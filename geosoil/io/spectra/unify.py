"""Bring spectra of any format to increasing wavelengths in nm and checked values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM
from geosoil.io.spectra.stored import in_nm

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from geosoil.io.spectra.stored import Quantity, StoredSpectra, WavelengthUnit

# The largest plausible median of reflectance as a fraction: bright targets and noise exceed 1, but the median rarely
# does. Percent is far above, and absorbance of dark soil just above.
LARGEST_MEDIAN_REFLECTANCE = 1.2
LARGEST_REFLECTANCE, LARGEST_SHARE_ABOVE = 1.1, 0.1  # of values whose quantity nobody states; of a bright target
ROWS_OF_MEDIAN = 100  # enough rows for a typical value
LEAST_REFLECTANCE = -1  # noise may be below 0; values below -1 are codes for no data
LARGEST_MEDIAN_ABSORBANCE, LEAST_ABSORBANCE = 10, -9  # beyond what instruments measure
LARGEST_VALUE = 1e30  # float32 has no numbers above 3e38


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra with their ids and the other columns of their file.

    Attributes
    ----------
    wavelength_nm : numpy.ndarray
        `(band,)` float64 increasing wavelengths in nm.
    values : numpy.ndarray
        `(sample, band)` float32 reflectance as a fraction, or absorbance log10(1/R); NaN where nothing was measured.
    ids : list of str
        One id per sample.
    table : pandas.DataFrame
        `(sample, column)` the other columns.
    quantity : {"reflectance", "absorbance"}
        What the values are.
    source : Path
        The file or folder.
    notes : tuple of str
        What the user should know: files of a folder that are not spectra, which of several spectra was taken.

    Raises
    ------
    SamplesError
        If the shapes do not match.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from pathlib import Path
    >>> spectra = Spectra(np.array([400.0, 500.0]), np.array([[0.1, 0.2]], np.float32), ["a"],
    ...                   pd.DataFrame({"soc_pct": [1.2]}), "reflectance", Path("a.csv"))
    >>> spectra.values.shape
    (1, 2)
    """

    wavelength_nm: np.ndarray
    values: np.ndarray
    ids: list[str]
    table: pd.DataFrame
    quantity: Quantity
    source: Path
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        expected = (len(self.ids), len(self.wavelength_nm))
        if self.values.shape != expected or len(self.table) != len(self.ids):
            raise SamplesError(
                self.source,
                found=f"values {self.values.shape} and a table of {len(self.table)} rows",
                expected=f"{expected}: one row per id, one column per wavelength",
                way_out="select the same rows of all of them",
            )


def unify_spectra(
    path: Path,
    stored: StoredSpectra,
    quantity: Quantity | None = None,
    scale: float | None = None,
    wavelength_unit: WavelengthUnit | None = None,
) -> Spectra:
    """Return stored spectra with increasing wavelengths in nm and checked values; see `read_spectra`."""
    if stored.quantity and quantity and stored.quantity != quantity:
        raise UnitsError(
            path,
            found=f"{stored.quantity}, as the file says",
            expected=f"{quantity}, as specified",
            way_out="remove quantity=",
        )
    if stored.unclear and quantity is None:
        raise UnitsError(
            path,
            found=f"{stored.unclear}, as the file says",
            expected="reflectance or absorbance",
            way_out="if it is one of these, specify quantity='reflectance' or 'absorbance' (--quantity)",
        )
    is_stated = stored.quantity is not None or quantity is not None
    quantity = stored.quantity or quantity or "reflectance"
    order, wavelength_nm = _sort_bands(path, stored, wavelength_unit)
    values, scale = stored.values, stored.scale if scale is None else scale
    if (np.diff(order) != 1).any():
        values = values[:, order]
    if scale != 1:
        values = values * scale
    _check_values(path, values, quantity)
    if not is_stated and signs_of_absorbance(wavelength_nm, values) == [True, True]:
        raise UnitsError(
            path,
            problem="the values fall from 500 to 850 nm and rise at 1930 nm, as absorbance does",
            expected="reflectance, or a statement of what the values are",
            way_out="specify quantity='absorbance', or 'reflectance' if that is what they are (--quantity)",
        )
    if not is_stated and quantity == "reflectance":
        some = values[:: max(1, len(values) // ROWS_OF_MEDIAN)]
        share = float(np.mean(some[~np.isnan(some)] > LARGEST_REFLECTANCE)) if not np.isnan(some).all() else 0.0
        if share > LARGEST_SHARE_ABOVE:
            raise UnitsError(
                path,
                found=f"{share:.0%} of the values above {LARGEST_REFLECTANCE}",
                expected="reflectance as a fraction, 0 to 1, or a statement of what the values are",
                way_out="specify quantity='absorbance', or 'reflectance' if that is what they are (--quantity)",
            )
    values = values.astype(np.float32, copy=False)
    return Spectra(wavelength_nm, values, stored.ids, stored.table, quantity, path, stored.notes)


def signs_of_absorbance(wavelength_nm: np.ndarray, values: np.ndarray) -> list[bool]:
    """Return whether spectra fall from blue to near infrared, and whether they rise at 1930 nm, where water absorbs.

    Reflectance of soil does neither, and absorbance does both. What the wavelengths do not cover is left out.

    Parameters
    ----------
    wavelength_nm : ndarray of shape (band,)
    values : ndarray of shape (sample, band)

    Examples
    --------
    >>> nm = np.array([500.0, 850, 1800, 1930])
    >>> signs_of_absorbance(nm, np.array([[0.9, 0.5, 0.4, 0.6]])), signs_of_absorbance(nm[:2], np.array([[0.1, 0.3]]))
    ([True, True], [False])
    """
    some = values[:: max(1, len(values) // ROWS_OF_MEDIAN)]
    signs = []
    for low, high in (((450, 550), (800, 900)), ((1780, 1850), (1915, 1945))):
        parts = [some[:, (wavelength_nm >= start) & (wavelength_nm <= end)] for start, end in (low, high)]
        known = [part[np.isfinite(part)] for part in parts]
        if all(part.size for part in known):
            falls = bool(known[0].mean() > known[1].mean())
            signs.append(falls if low[0] < 1000 else not falls)
    return signs


def _sort_bands(
    path: Path, stored: StoredSpectra, wavelength_unit: WavelengthUnit | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the order of the bands by wavelength, and their sorted wavelengths in nm."""
    if stored.named_unit is not None and wavelength_unit not in (None, stored.named_unit):
        raise UnitsError(
            path,
            found=f"bands in {stored.named_unit}, as the file says",
            expected=f"{wavelength_unit}, as specified",
            way_out="remove wavelength_unit=",
        )
    nm = stored.wavelength
    if stored.named_unit is None and wavelength_unit is not None:
        nm = in_nm(nm, wavelength_unit)
    elif stored.named_unit is None:
        if stored.nm_per_unit is None:
            raise WavelengthError(
                path,
                found=f"wavelengths without unit, from {nm.min():g} to {nm.max():g}",
                expected="nm, um, or wavenumbers in 1/cm",
                way_out="specify wavelength_unit='nm', 'um' or 'cm-1' (--wavelength-unit, data.wavelength_unit)",
            )
        nm = nm if stored.nm_per_unit == 1 else in_nm(nm, "um")
    order = np.argsort(nm, kind="stable")
    nm = nm[order]
    if not (np.isfinite(nm).all() and nm[0] >= LOWEST_NM and nm[-1] <= HIGHEST_NM):
        raise WavelengthError(
            path,
            found=f"wavelengths from {nm[0]:g} to {nm[-1]:g} nm",
            expected=f"{LOWEST_NM:g} to {HIGHEST_NM:g} nm",
            way_out="name bands by wavelength; specify wavelength_unit='um' if they are in micrometres",
        )
    duplicate = np.flatnonzero(np.diff(nm) == 0)
    if duplicate.size:
        raise WavelengthError(
            path,
            found=f"two bands at {nm[duplicate[0]]:g} nm",
            expected="one per wavelength",
            way_out="remove one of them",
        )
    return order, nm


def _check_values(path: Path, values: np.ndarray, quantity: Quantity) -> None:
    # These ignore NaN and need no copy of the table.
    low, high = (float(ufunc.reduce(values, axis=None)) for ufunc in (np.fmin, np.fmax))
    if max(-low, high) > LARGEST_VALUE:
        found = "an infinite value" if np.isinf([low, high]).any() else f"a value of {max(low, high, key=abs):g}"
        raise SamplesError(path, found=found, expected="numbers", way_out="leave cells without data empty")
    if np.isnan(low):
        return
    some = values[:: max(1, len(values) // ROWS_OF_MEDIAN)]
    typical = float(np.median(some[~np.isnan(some)])) if not np.isnan(some).all() else low
    if quantity == "reflectance" and typical > LARGEST_MEDIAN_REFLECTANCE:
        raise UnitsError(
            path,
            found=f"values with a median of {typical:g}",
            expected="reflectance as a fraction, 0 to 1",
            way_out="use scale=0.01 for percent, scale=0.0001 for reflectance x 10000, or quantity='absorbance'",
        )
    if quantity == "absorbance" and typical > LARGEST_MEDIAN_ABSORBANCE:
        raise UnitsError(
            path,
            found=f"values with a median of {typical:g}",
            expected="absorbance, log10(1/R), of soil: 0 to 4",
            way_out="check what the values are; specify quantity='reflectance' and scale=0.01 for percent",
        )
    least = LEAST_REFLECTANCE if quantity == "reflectance" else LEAST_ABSORBANCE
    if low <= least:
        raise UnitsError(
            path,
            found=f"a value of {low:g}",
            expected="reflectance as a fraction, 0 to 1" if quantity == "reflectance" else "absorbance above 0",
            way_out="leave cells without data empty",
        )
