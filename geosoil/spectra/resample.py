"""Resample spectra to the bands of a sensor: linear, spline, Gaussian bands, or measured response functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.interpolate import CubicSpline

from geosoil.errors import WavelengthError
from geosoil.program.ops import Affine, Program
from geosoil.spectra._rows import RowStep, check_choice, checked_rows, increasing_wavelengths, wavelengths_of

if TYPE_CHECKING:
    from collections.abc import Sequence

ResamplingMethod = Literal["linear", "spline", "gaussian", "response"]
FWHM_PER_SD = 2 * np.sqrt(2 * np.log(2))
NEGLIGIBLE_RESPONSE = 0.01  # of the peak: smaller values of measured tables are noise


def resampling_matrix(
    wavelength_nm: Sequence[float] | np.ndarray,
    to_wavelength_nm: Sequence[float] | np.ndarray,
    *,
    method: ResamplingMethod = "linear",
    to_fwhm_nm: Sequence[float] | np.ndarray | None = None,
    response_wavelength_nm: Sequence[float] | np.ndarray | None = None,
    response: Sequence[Sequence[float]] | np.ndarray | None = None,
) -> np.ndarray:
    """Return the matrix that resamples spectra to other bands: `X @ matrix.T`.

    The weights include the spacing of the input bands, so that uneven spacing does not bias a band; on an even grid
    they are those of prospectr.

    Parameters
    ----------
    wavelength_nm : array of shape (band_in,)
        Increasing wavelengths of the spectra in nm.
    to_wavelength_nm : array of shape (band_out,)
        Centres of the new bands in nm, in any order.
    method : {"linear", "spline", "gaussian", "response"}
        "linear" interpolates between the two neighbours, "spline" takes the cubic spline through all bands,
        "gaussian" averages with Gaussian weights, and "response" with measured response functions.
    to_fwhm_nm : array of shape (band_out,), optional
        Widths for "gaussian" in nm (default: the spacing of the centres, half the distance between the neighbours, as
        prospectr's `resample2`).
    response_wavelength_nm : array of shape (sample,), optional
        Wavelengths of the response functions in nm.
    response : array of shape (band_out, sample), optional
        Response functions in any scale.

    Returns
    -------
    ndarray of shape (band_out, band_in), float64
        Rows that sum to 1. The row of a band that the spectra do not cover is NaN: outside the input for "linear" and
        "spline"; for "gaussian" if centre +- 3 standard deviations leave the input, or the nearest input band is more
        than one FWHM away (a removed water window); for "response" if more than 1 % of the peak lies outside the
        input, or no input band lies within the response.

    Raises
    ------
    WavelengthError
        If wavelengths, widths or responses are not valid.

    Examples
    --------
    >>> resampling_matrix([400, 500, 600], [450, 600, 700])
    array([[0.5, 0.5, 0. ],
           [0. , 0. , 1. ],
           [nan, nan, nan]])
    """
    check_choice("resampling", "method", method, ("linear", "spline", "gaussian", "response"))
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
            found=f"to_fwhm_nm of shape {fwhm.shape}, smallest {fwhm.min() if fwhm.size else np.nan:g} nm",
            expected=f"{target.size} widths above 0 nm, one per band",
            way_out="give the FWHM of every band of the sensor",
        )
    sd = fwhm / FWHM_PER_SD
    distance = np.abs(source - target[:, None])
    # The smallest exponent of a row is subtracted, so that a narrow band between two distant bands does not underflow.
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
    table_nm = increasing_wavelengths("response table", response_wavelength_nm)
    table = np.asarray(response, dtype=np.float64)
    if table.shape != (target.size, table_nm.size) or not np.isfinite(table).all() or not (table.max(axis=1) > 0).all():
        raise WavelengthError(
            "response table",
            found=f"shape {table.shape}",
            expected=f"({target.size} bands, {table_nm.size} wavelengths) of finite numbers, no band with zeros only",
            way_out="give one row per band",
        )
    table = np.clip(table, 0, None)  # negative values of a measured table are noise
    weight = np.stack([np.interp(source, table_nm, band, left=0, right=0) for band in table])
    sensitive = table > NEGLIGIBLE_RESPONSE * table.max(axis=1, keepdims=True)
    outside = (sensitive & ((table_nm < source[0]) | (table_nm > source[-1]))).any(axis=1) | ~weight.any(axis=1)
    return _normalised(weight, source, outside)


def _normalised(weight: np.ndarray, source: np.ndarray, outside: np.ndarray) -> np.ndarray:
    """Return the weights `(band_out, band_in)` times the spacing of the input, each row summing to 1, NaN outside."""
    weight = weight * np.gradient(source)
    weight[outside] = np.nan
    return weight / weight.sum(axis=1, keepdims=True)


class ResampleSpectra(RowStep):
    """Resample spectra to the bands of a sensor with `resampling_matrix`; a band that is not covered becomes NaN.

    The parameters are those of `resampling_matrix`.

    Examples
    --------
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
        """Return the matrix as one `Affine`."""
        weight = self._matrix()
        return (Affine(weight=weight, bias=np.zeros(len(weight))),)
