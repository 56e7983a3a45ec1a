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
    """Centre each row and divide it by its standard deviation (n-1).

    X and the result are `(sample, band)`; a flat spectrum has no shape to scale and becomes NaN.
    Barnes et al. (1989), Appl. Spectrosc. 43, 772, eq. 1.

    >>> import numpy as np
    >>> standard_normal_variate(np.array([[1.0, 2.0, 3.0]]))
    array([[-1.,  0.,  1.]])
    """
    mean = X.mean(axis=1, keepdims=True)
    centred = X - mean
    sd = np.sqrt((centred**2).sum(axis=1, keepdims=True) / max(X.shape[1] - 1, 1))
    # the mean of equal numbers differs from them by rounding: that is no spread
    sd[sd <= 8 * np.finfo(X.dtype).eps * np.abs(mean)] = np.nan
    return centred / sd


class SNV(RowStep):
    """Standard normal variate: each spectrum to mean 0 and standard deviation 1 (n-1).

    X is `(sample, band)`, any unit; the result has none. Per row, never per column.

    >>> import numpy as np
    >>> SNV().fit_transform(np.array([[1.0, 2.0, 3.0], [10.0, 30.0, 50.0]]))
    array([[-1.,  0.,  1.],
           [-1.,  0.,  1.]])
    """

    def fit(self, X: Any, y: Any = None) -> SNV:
        """Remember the number of bands of X `(sample, band)`; y is ignored."""
        checked_rows(self, X, reset=True)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return the standardised spectra `(sample, band)`; a row with NaN becomes all NaN."""
        return standard_normal_variate(checked_rows(self, X, reset=False))

    def lower(self) -> Program:
        """Return the one word `Standardise`."""
        return (Standardise(),)


class MSC(RowStep):
    """Multiplicative scatter correction: regress each spectrum on a reference, `(x - offset) / slope`.

    reference: one spectrum `(band,)`; None takes the mean of the rows given to `fit`, that is of the
    training set, and keeps it for every later row.
    Geladi, MacDougall and Martens (1985), Appl. Spectrosc. 39, 491.

    >>> import numpy as np
    >>> MSC(reference=[1.0, 2.0, 4.0]).fit_transform(np.array([[3.0, 5.0, 9.0]]))
    array([[1., 2., 4.]])
    """

    fitted: ClassVar[tuple[str, ...]] = ("n_features_in_", "reference_")

    def __init__(self, reference: Sequence[float] | None = None) -> None:
        self.reference = reference

    def fit(self, X: Any, y: Any = None) -> MSC:
        """Learn the reference from X `(sample, band)`; y is ignored.

        Raises SamplesError if no row is without NaN, or the reference is flat or of another length.
        """
        X = checked_rows(self, X, reset=True)
        if self.reference is None:
            complete = X[~np.isnan(X).any(axis=1)]
            if not len(complete):
                raise SamplesError(
                    "MSC", found="NaN in every spectrum", expected="complete ones", way_out="drop bad bands"
                )
            reference = complete.mean(axis=0, dtype=np.float64)
        else:
            reference = np.asarray(self.reference, dtype=np.float64)
        if reference.shape != (X.shape[1],) or not np.isfinite(reference).all() or not np.ptp(reference) > 0:
            raise SamplesError(
                "MSC",
                found=f"a reference of shape {reference.shape}",
                expected=f"one spectrum of {X.shape[1]} finite bands that is not flat",
                way_out="give another reference, or none",
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
    """Remove from each spectrum its polynomial of wavelength, after SNV unless `snv=False`.

    wavelength_nm: `(band,)` nm, increasing; degree: of the polynomial (2 as Barnes et al. 1989; 1 or 2 are usual).
    X is `(sample, band)`. Equals prospectr's `detrend(X, wav, p)` with `snv=True`.

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
                "Detrend", found=f"degree={self.degree}", expected=f"0 to {wavelength.size - 1}", way_out="take 1 or 2"
            )
        unit = 2 * (wavelength - wavelength[0]) / (wavelength[-1] - wavelength[0]) - 1  # -1..1: powers stay apart
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
        """Return SNV (if asked for) and the projection `I - Q Q'`."""
        basis = self._basis()
        band = len(basis)
        project = Affine(weight=np.eye(band) - basis @ basis.T, bias=np.zeros(band))
        return (Standardise(), project) if self.snv else (project,)
