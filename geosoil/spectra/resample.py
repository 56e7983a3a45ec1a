"""Resample spectra to the bands of a sensor: linear, spline, Gaussian bands, or measured response functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.interpolate import CubicSpline

from geosoil.errors import WavelengthError
from geosoil.program.ops import Affine, Program
from geosoil.spectra._rows import RowStep, checked_rows, increasing_wavelengths, one_of, wavelengths_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ResamplingMethod = Literal["linear", "spline", "gaussian", "response"]
FWHM_PER_SD = 2 * np.sqrt(2 * np.log(2))
NEGLIGIBLE_RESPONSE = 0.01  # of the peak: what measured tables hold beyond is noise


def resampling_matrix(
    wavelength_nm: Sequence[float] | np.ndarray,
    to_wavelength_nm: Sequence[float] | np.ndarray,
    *,
    method: ResamplingMethod = "linear",
    to_fwhm_nm: Sequence[float] | np.ndarray | None = None,
    response_wavelength_nm: Sequence[float] | np.ndarray | None = None,
    response: Sequence[Sequence[float]] | np.ndarray | None = None,
) -> np.ndarray:
    """Return the matrix `(band_out, band_in)`, float64, that takes spectra to other bands: `X @ matrix.T`.

    wavelength_nm `(band_in,)` nm, increasing; to_wavelength_nm `(band_out,)` nm, any order.
    Every row sums to 1; the row of a band that the input does not cover is NaN:

    - "linear": between the two neighbours; "spline": the cubic spline through all bands; NaN outside the input.
    - "gaussian": to_fwhm_nm `(band_out,)` nm, or None for the spacing of the centres (half the distance
      between the neighbours, as prospectr's `resample2`); NaN where centre +- 3 standard deviations
      leave the input, or the nearest input band is more than one FWHM away (a cut-out water window).
    - "response": response `(band_out, sample)` at response_wavelength_nm `(sample,)` nm, any scale; NaN
      where more than 1 % of the peak lies outside the input, or no input band falls under it.

    Weights count the spacing of the input bands, so that an uneven input does not bias a band; on an
    even grid they are prospectr's. Raises WavelengthError.

    >>> resampling_matrix([400, 500, 600], [450, 600, 700])
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 1. ],
           [nan, nan, nan]])
    """
    one_of("resampling", "method", method, ("linear", "spline", "gaussian", "response"))
    source = increasing_wavelengths("resampling", wavelength_nm)
    target = np.asarray(to_wavelength_nm, dtype=np.float64)
    if target.ndim != 1 or not target.size or not np.isfinite(target).all():
        raise WavelengthError(
            "resampling",
            found=f"to_wavelength_nm of shape {target.shape}",
            expected="a list of finite wavelengths",
            way_out="give the band centres of the sensor",
        )
    if method == "linear":
        return _linear(source, target)
    if method == "spline":
        return np.asarray(CubicSpline(source, np.eye(source.size), extrapolate=False)(target))
    if method == "gaussian":
        return _gaussian(source, target, to_fwhm_nm)
    return _response(source, target, response_wavelength_nm, response)


def _linear(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    right = np.clip(np.searchsorted(source, target), 1, source.size - 1)
    share = (target - source[right - 1]) / (source[right] - source[right - 1])
    matrix = np.zeros((target.size, source.size))
    row = np.arange(target.size)
    matrix[row, right - 1] = 1 - share
    matrix[row, right] = share
    matrix[(target < source[0]) | (target > source[-1])] = np.nan
    return matrix


def _gaussian(source: np.ndarray, target: np.ndarray, to_fwhm_nm: Sequence[float] | np.ndarray | None) -> np.ndarray:
    if to_fwhm_nm is None:
        fwhm = np.abs(np.gradient(target)) if target.size > 1 else np.zeros(1)
    else:
        fwhm = np.asarray(to_fwhm_nm, dtype=np.float64)
    if fwhm.shape != target.shape or not (np.isfinite(fwhm) & (fwhm > 0)).all():
        raise WavelengthError(
            "resampling",
            found=f"to_fwhm_nm of shape {fwhm.shape}, least {fwhm.min() if fwhm.size else np.nan:g} nm",
            expected=f"{target.size} widths above 0 nm, one per band",
            way_out="give the FWHM of every band of the sensor",
        )
    sd = fwhm / FWHM_PER_SD
    distance = np.abs(source - target[:, None])
    # the exponent is taken from its least value in the row: a narrow band between two far bands must not underflow
    exponent = (distance / sd[:, None]) ** 2 / 2
    weight = np.exp(exponent.min(axis=1, keepdims=True) - exponent)
    outside = (target - 3 * sd < source[0]) | (target + 3 * sd > source[-1]) | (distance.min(axis=1) > fwhm)
    return _normalised(weight, source, outside)


def _response(
    source: np.ndarray,
    target: np.ndarray,
    response_wavelength_nm: Sequence[float] | np.ndarray | None,
    response: Sequence[Sequence[float]] | np.ndarray | None,
) -> np.ndarray:
    if response_wavelength_nm is None or response is None:
        raise WavelengthError(
            "resampling",
            found="no response table",
            expected="response_wavelength_nm and response",
            way_out="give both, or method='gaussian' with to_fwhm_nm",
        )
    at = increasing_wavelengths("response table", response_wavelength_nm)
    table = np.asarray(response, dtype=np.float64)
    if table.shape != (target.size, at.size) or not np.isfinite(table).all() or not (table.max(axis=1) > 0).all():
        raise WavelengthError(
            "response table",
            found=f"shape {table.shape}",
            expected=f"({target.size} bands, {at.size} wavelengths) of finite numbers, none of the bands all zero",
            way_out="give one row per band",
        )
    table = np.clip(table, 0, None)  # what is negative in a measured table is noise about zero
    weight = np.stack([np.interp(source, at, band, left=0, right=0) for band in table])
    felt = table > NEGLIGIBLE_RESPONSE * table.max(axis=1, keepdims=True)
    outside = (felt & ((at < source[0]) | (at > source[-1]))).any(axis=1) | ~weight.any(axis=1)
    return _normalised(weight, source, outside)


def _normalised(weight: np.ndarray, source: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return the weights `(band_out, band_in)` times the spacing of the input, each row summing to 1, NaN outside."""
    weight = weight * np.gradient(source)
    weight[outside] = np.nan
    return weight / weight.sum(axis=1, keepdims=True)


class ResampleSpectra(RowStep):
    """Take spectra to the bands of a sensor by `resampling_matrix`; a band that the input misses becomes NaN.

    wavelength_nm `(band,)` nm of X `(sample, band)`; the other parameters as in `resampling_matrix`.
    The result is `(sample, band_out)` in the unit of X.

    >>> import numpy as np
    >>> ResampleSpectra([400, 500, 600], [450, 550]).fit_transform(np.array([[0.1, 0.2, 0.4]]))
    array([[0.15, 0.3 ]])
    """

    def __init__(
        self,
        wavelength_nm: Sequence[float],
        to_wavelength_nm: Sequence[float],
        method: ResamplingMethod = "linear",
        to_fwhm_nm: Sequence[float] | None = None,
        response_wavelength_nm: Sequence[float] | None = None,
        response: Sequence[Sequence[float]] | None = None,
    ) -> None:
        self.wavelength_nm = wavelength_nm
        self.to_wavelength_nm = to_wavelength_nm
        self.method = method
        self.to_fwhm_nm = to_fwhm_nm
        self.response_wavelength_nm = response_wavelength_nm
        self.response = response

    def fit(self, X: Any, y: Any = None) -> ResampleSpectra:
        """Check that X `(sample, band)` has one band per wavelength; y is ignored. Raises WavelengthError."""
        checked_rows(self, X, reset=True)
        self._matrix()
        return self

    def _matrix(self) -> np.ndarray:
        wavelengths_of("ResampleSpectra", self.wavelength_nm, self.n_features_in_)
        return resampling_matrix(
            self.wavelength_nm,
            self.to_wavelength_nm,
            method=self.method,
            to_fwhm_nm=self.to_fwhm_nm,
            response_wavelength_nm=self.response_wavelength_nm,
            response=self.response,
        )

    def transform(self, X: Any) -> np.ndarray:
        """Return the spectra at the bands of the sensor `(sample, band_out)`; a row with NaN becomes all NaN."""
        X = checked_rows(self, X, reset=False)
        return X @ self._matrix().T.astype(X.dtype)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the wavelengths of the sensor as names, in nm."""
        return np.asarray([f"{float(nm):.10g}" for nm in self.to_wavelength_nm], dtype=object)

    def lower(self) -> Program:
        """Return the matrix as one word `Affine`."""
        weight = self._matrix()
        return (Affine(weight=weight, bias=np.zeros(len(weight))),)
