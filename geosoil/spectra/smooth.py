"""Smoothing and derivatives by local polynomials (Savitzky and Golay 1964)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.signal import savgol_filter

from geosoil.errors import RecipeError
from geosoil.program.ops import Affine, Program
from geosoil.spectra._rows import RowStep, check_choice, checked_rows, on_complete_rows


class SavitzkyGolay(RowStep):
    """Fit a polynomial in a moving window of bands and return its value or derivative at the centre.

    Parameters
    ----------
    window_bands : int
        Odd number of bands of the window.
    polynomial_order : int
        Order of the local polynomial.
    derivative : int
        Order of the derivative; 0 smooths.
    delta_nm : float
        Distance between bands in nm, so that a derivative is per nm; 1 for a derivative per band.
    edges : {"interp", "cut"}
        "interp" evaluates the polynomials of the first and last window, so that all bands remain; "cut" drops
        `(window_bands - 1) / 2` bands at each end, as prospectr does.

    References
    ----------
    Savitzky and Golay (1964), Analytical Chemistry 36, 1627-1639.

    Examples
    --------
    >>> import numpy as np
    >>> squares = np.array([[0.0, 1.0, 4.0, 9.0, 16.0]])
    >>> SavitzkyGolay(window_bands=3, derivative=1).fit_transform(squares).round(6) + 0
    array([[0., 2., 4., 6., 8.]])
    """

    def __init__(
        self,
        window_bands: int = 11,
        polynomial_order: int = 2,
        derivative: int = 0,
        delta_nm: float = 1.0,
        edges: Literal["interp", "cut"] = "interp",
    ) -> None:
        self.window_bands = window_bands
        self.polynomial_order = polynomial_order
        self.derivative = derivative
        self.delta_nm = delta_nm
        self.edges = edges

    def fit(self, X: Any, y: Any = None) -> SavitzkyGolay:
        """Check the parameters against the bands of X `(sample, band)`; y is ignored. Raises RecipeError."""
        n_bands = checked_rows(self, X, reset=True).shape[1]
        check_choice("SavitzkyGolay", "edges", self.edges, ("interp", "cut"))
        window, order, derivative = self.window_bands, self.polynomial_order, self.derivative
        for found, valid, expected in (
            (
                f"window_bands={window}",
                window % 2 == 1 and 3 <= window <= n_bands,
                f"an odd number from 3 to {n_bands} bands",
            ),
            (f"polynomial_order={order}", 0 <= order < window, f"0 to {window - 1}, below the window"),
            (f"derivative={derivative}", 0 <= derivative <= order, f"0 to {order}, the order of the polynomial"),
            (f"delta_nm={self.delta_nm}", self.delta_nm > 0, "a distance above 0 nm"),
        ):
            if not valid:
                raise RecipeError("SavitzkyGolay", found=found, expected=expected, way_out="change this parameter")
        return self

    def _filter(self, rows: np.ndarray) -> np.ndarray:
        filtered = savgol_filter(
            rows, self.window_bands, self.polynomial_order, deriv=self.derivative, delta=self.delta_nm, mode="interp"
        )
        return filtered[:, self._kept()]

    def _kept(self) -> slice:
        half = self.window_bands // 2
        return slice(half, self.n_features_in_ - half) if self.edges == "cut" else slice(None)

    def transform(self, X: Any) -> np.ndarray:
        """Return the filtered spectra; a row with NaN becomes all NaN."""
        X = checked_rows(self, X, reset=False)
        return on_complete_rows(X, len(range(X.shape[1])[self._kept()]), self._filter)

    def get_feature_names_out(self, input_features: Any = None) -> np.ndarray:
        """Return the names of the bands that remain."""
        names: np.ndarray = super().get_feature_names_out(input_features)
        return names[self._kept()]

    def lower(self) -> Program:
        """Return the filter as one matrix `(band_out, band)`: its result for each unit vector."""
        weight = self._filter(np.eye(self.n_features_in_)).T
        return (Affine(weight=weight, bias=np.zeros(len(weight))),)
