"""Scatter correction: SNV and detrending (Barnes et al. 1989), MSC (Geladi et al. 1985)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from geosoil.errors import RecipeError, SamplesError
from geosoil.program.ops import Affine, Program, Standardise
from geosoil.spectra._rows import RowStep, checked_rows, on_complete_rows, wavelengths_of

if TYPE_CHECKING:
    from collections.abc import Sequence


def standard_normal_variate(X: np.ndarray) -> np.ndarray:
    """Centre each row and divide it by its standard deviation (n - 1).

    Parameters
    ----------
    X : ndarray of shape (sample, band)

    Returns
    -------
    ndarray of shape (sample, band)
        Standardised spectra without unit; NaN for a flat spectrum, which has no spread.

    References
    ----------
    Barnes et al. (1989), Applied Spectroscopy 43, 772-777, equation 1.

    Examples
    --------
    >>> import numpy as np
    >>> standard_normal_variate(np.array([[1.0, 2.0, 3.0]]))
    array([[-1.,  0.,  1.]])
    """
    mean = X.mean(axis=1, keepdims=True)
    centred = X - mean
    sd = np.sqrt((centred**2).sum(axis=1, keepdims=True) / max(X.shape[1] - 1, 1))
    # The mean of equal numbers differs from them by rounding, which is not a spread.
    sd[sd <= 8 * np.finfo(X.dtype).eps * np.abs(mean)] = np.nan
    return centred / sd


class SNV(RowStep):
    """Standard normal variate: scale each spectrum to mean 0 and standard deviation 1 (n - 1).

    Examples
    --------
    >>> import numpy as np
    >>> SNV().fit_transform(np.array([[1.0, 2.0, 3.0], [10.0, 30.0, 50.0]]))
    array([[-1.,  0.,  1.],
           [-1.,  0.,  1.]])
    """

    def fit(self, X: Any, y: Any = None) -> SNV:
        """Learn the number of bands of X `(sample, band)`; y is ignored."""
        checked_rows(self, X, reset=True)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the standardised spectra `(sample, band)`; a row with NaN becomes all NaN."""
        return standard_normal_variate(checked_rows(self, X, reset=False))

    def lower(self) -> Program:
        """Return the op `Standardise`."""
        return (Standardise(),)


class MSC(RowStep):
    """Multiplicative scatter correction: regress each spectrum on a reference, `(x - offset) / slope`.

    Parameters
    ----------
    reference : sequence of float, optional
        One spectrum `(band,)` (default: the mean of the training rows that are given to `fit`).

    References
    ----------
    Geladi, MacDougall and Martens (1985), Applied Spectroscopy 39, 491-500.

    Examples
    --------
    >>> import numpy as np
    >>> MSC(reference=[1.0, 2.0, 4.0]).fit_transform(np.array([[3.0, 5.0, 9.0]]))
    array([[1., 2., 4.]])
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "reference_")

    def __init__(self, reference: Sequence[float] | None = None) -> None:
        self.reference = reference

    def fit(self, X: Any, y: Any = None) -> MSC:
        """Learn the reference from X `(sample, band)`; y is ignored.

        Raises
        ------
        SamplesError
            If all rows contain NaN, or the reference is flat or has another number of bands.
        """
        X = checked_rows(self, X, reset=True)
        if self.reference is None:
            complete = X[~np.isnan(X).any(axis=1)]
            if not len(complete):
                raise SamplesError(
                    "MSC", found="NaN in every spectrum", expected="complete spectra", way_out="drop bad bands"
                )
            reference = complete.mean(axis=0, dtype=np.float64)
        else:
            reference = np.asarray(self.reference, dtype=np.float64)
        if reference.shape != (X.shape[1],) or not np.isfinite(reference).all() or not np.ptp(reference) > 0:
            raise SamplesError(
                "MSC",
                found=f"a reference of shape {reference.shape}",
                expected=f"one spectrum of {X.shape[1]} finite bands that is not flat",
                way_out="give another reference, or omit it",
            )
        self.reference_ = reference
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the corrected spectra `(sample, band)`; a row with NaN, or unrelated to the reference, becomes NaN."""
        X = checked_rows(self, X, reset=False)
        mean = self.reference_.mean()
        shape = (self.reference_ - mean).astype(X.dtype)
        centred = X - X.mean(axis=1, keepdims=True)
        slope = (centred @ shape)[:, None] / (shape @ shape)
        slope[slope == 0] = np.nan
        return centred / slope + X.dtype.type(mean)


class Detrend(RowStep):
    """Subtract from each spectrum a polynomial of the wavelength that is fitted to it.

    With `snv=True` the result is that of prospectr's `detrend(X, wav, p)`.

    Parameters
    ----------
    wavelength_nm : sequence of float
        Increasing wavelengths of the bands in nm.
    degree : int
        Degree of the polynomial, usually 1 or 2 (Barnes et al. 1989: 2).
    snv : bool
        Whether spectra are first transformed by `SNV`.

    References
    ----------
    Barnes et al. (1989), Applied Spectroscopy 43, 772-777.

    Examples
    --------
    >>> import numpy as np
    >>> line = np.array([[0.1, 0.2, 0.3, 0.4]])
    >>> np.allclose(Detrend([400, 500, 600, 700], degree=1).fit_transform(line), 0)
    True
    """

    def __init__(self, wavelength_nm: Sequence[float], degree: int = 2, snv: bool = True) -> None:
        self.wavelength_nm = wavelength_nm
        self.degree = degree
        self.snv = snv

    def fit(self, X: Any, y: Any = None) -> Detrend:
        """Check that X `(sample, band)` has one band per wavelength; y is ignored."""
        checked_rows(self, X, reset=True)
        self._basis()
        return self

    def _basis(self) -> np.ndarray:
        """Return an orthonormal basis `(band, degree + 1)` of the polynomials of wavelength."""
        wavelength = wavelengths_of("Detrend", self.wavelength_nm, self.n_features_in_)
        if not 0 <= self.degree < wavelength.size:
            raise RecipeError(
                "Detrend", found=f"degree={self.degree}", expected=f"0 to {wavelength.size - 1}", way_out="use 1 or 2"
            )
        # Powers of -1 to 1 are less collinear than those of wavelengths.
        unit = 2 * (wavelength - wavelength[0]) / (wavelength[-1] - wavelength[0]) - 1
        return np.linalg.qr(np.vander(unit, self.degree + 1))[0]

    def transform(self, X: Any) -> np.ndarray:
        """Return the residuals `(sample, band)`; a row with NaN becomes all NaN."""
        X = checked_rows(self, X, reset=False)
        basis = self._basis().astype(X.dtype)

        def residual(rows: np.ndarray) -> np.ndarray:
            rows = standard_normal_variate(rows) if self.snv else rows
            return rows - (rows @ basis) @ basis.T

        return on_complete_rows(X, X.shape[1], residual)

    def lower(self) -> Program:
        """Return SNV (with `snv=True`) and the projection `I - Q Q'`."""
        basis = self._basis()
        n_bands = len(basis)
        projection = Affine(weight=np.eye(n_bands) - basis @ basis.T, bias=np.zeros(n_bands))
        return (Standardise(), projection) if self.snv else (projection,)
