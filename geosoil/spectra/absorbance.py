"""Conversion of reflectance to absorbance, log10(1/R)."""

from __future__ import annotations

from typing import Any

import numpy as np

from geosoil.program.ops import Elementwise, Program
from geosoil.spectra._rows import RowStep, checked_rows


class Absorbance(RowStep):
    """Convert reflectance (fraction) to absorbance log10(1/R).

    A reflectance of zero or less, as in a dead band, has no absorbance and becomes NaN.

    Examples
    --------
    >>> import numpy as np
    >>> Absorbance().fit_transform(np.array([[1.0, 0.1, 0.0]]))
    array([[ 0.,  1., nan]])
    """

    def fit(self, X: Any, y: Any = None) -> Absorbance:
        """Learn the number of bands of X `(sample, band)`; y is ignored."""
        checked_rows(self, X, reset=True)
        return self

    def transform(self, X: Any) -> np.ndarray:
        """Return log10(1/R) `(sample, band)` of the reflectance X `(sample, band)`."""
        X = checked_rows(self, X, reset=False)
        out = np.full_like(X, np.nan)
        np.log10(X, out=out, where=X > 0)
        return np.subtract(0, out, out=out)  # 0 - x, so that R = 1 gives 0 and not -0

    def lower(self) -> Program:
        """Return the op `absorbance`."""
        return (Elementwise("absorbance"),)
