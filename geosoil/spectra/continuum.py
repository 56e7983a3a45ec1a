"""Continuum removal: a spectrum relative to its upper convex hull (Clark and Roush 1984)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from geosoil.spectra._rows import RowStep, check_choice, checked_rows, on_complete_rows, wavelengths_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def upper_hull(wavelength_nm: np.ndarray, X: np.ndarray) -> np.ndarray:
    """Compute the upper convex hull of each row, interpolated linearly to every band.

    The algorithm is Andrew's monotone chain (1979), which proceeds along the bands for all rows at once.

    Parameters
    ----------
    wavelength_nm : ndarray of shape (band,)
        Increasing wavelengths in nm.
    X : ndarray of shape (sample, band)
        Spectra without NaN.

    Returns
    -------
    ndarray of shape (sample, band)
        The hull in the unit of `X`.

    Examples
    --------
    >>> import numpy as np
    >>> upper_hull(np.array([0.0, 1.0, 2.0]), np.array([[1.0, 0.2, 3.0], [1.0, 4.0, 1.0]]))
    array([[1., 2., 3.],
           [1., 4., 1.]])
    """
    n, p = X.shape
    row = np.arange(n)
    corner = np.zeros((n, p), dtype=np.intp)  # corner[i, :size[i]]: bands on the hull of row i so far
    size = np.ones(n, dtype=np.intp)
    for band in range(1, p):
        active = row[size >= 2]
        while active.size:  # drop the last corner if it lies on or under the line to the new band
            last, before = corner[active, size[active] - 1], corner[active, size[active] - 2]
            y, y_last, y_before = X[active, band], X[active, last], X[active, before]
            run, run_last = wavelength_nm[band] - wavelength_nm[before], wavelength_nm[last] - wavelength_nm[before]
            under = (y_last - y_before) * run <= (y - y_before) * run_last
            active = active[under]
            size[active] -= 1
            active = active[size[active] >= 2]
        corner[row, size] = band
        size += 1
    hull = np.empty(X.shape, dtype=np.float64)
    for i in range(n):
        corners = corner[i, : size[i]]
        hull[i] = np.interp(wavelength_nm, wavelength_nm[corners], X[i, corners])
    return hull


class ContinuumRemoval(RowStep):
    """Remove the continuum of spectra: their upper convex hull.

    The result is that of prospectr's `continuumRemoval(X, wav, type, "linear")`. A row becomes NaN if 1/A or the hull
    is not finite in a band.

    Parameters
    ----------
    wavelength_nm : sequence of float
        Increasing wavelengths of the bands in nm.
    quantity : {"reflectance", "absorbance"}
        Quantity of the spectra. For absorbance A, the hull of 1/A is removed and 1/cr - 1 is returned, where cr is
        the result for 1/A.
    method : {"ratio", "subtraction"}
        "ratio" returns R / hull, "subtraction" 1 + R - hull.

    References
    ----------
    Clark and Roush (1984), Journal of Geophysical Research 89, 6329-6340.

    Examples
    --------
    >>> import numpy as np
    >>> ContinuumRemoval([400.0, 500.0, 600.0]).fit_transform(np.array([[0.2, 0.15, 0.4]]))
    array([[1. , 0.5, 1. ]])
    """

    def __init__(
        self,
        wavelength_nm: Sequence[float],
        quantity: Literal["reflectance", "absorbance"] = "reflectance",
        method: Literal["ratio", "subtraction"] = "ratio",
    ) -> None:
        self.wavelength_nm = wavelength_nm
        self.quantity = quantity
        self.method = method

    def fit(self, X: Any, y: Any = None) -> ContinuumRemoval:
        """Check that X `(sample, band)` has one band per wavelength; y is ignored."""
        checked_rows(self, X, reset=True)
        wavelengths_of("ContinuumRemoval", self.wavelength_nm, self.n_features_in_)
        check_choice("ContinuumRemoval", "quantity", self.quantity, ("reflectance", "absorbance"))
        check_choice("ContinuumRemoval", "method", self.method, ("ratio", "subtraction"))
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the continuum-removed spectra `(sample, band)`; a row with NaN becomes all NaN."""
        X = checked_rows(self, X, reset=False)
        wavelength = np.asarray(self.wavelength_nm, dtype=np.float64)

        def remove(rows: np.ndarray) -> np.ndarray:
            hull = upper_hull(wavelength, rows)
            with np.errstate(divide="ignore", invalid="ignore"):  # a hull of zero yields NaN
                removed = rows / hull if self.method == "ratio" else 1 + rows - hull
                removed = 1 / removed - 1 if self.quantity == "absorbance" else removed
            return np.where(np.isfinite(removed), removed, np.nan)

        if self.quantity == "absorbance":
            X = np.divide(1, X, out=np.full_like(X, np.nan), where=X != 0)
        return on_complete_rows(X, X.shape[1], remove)
