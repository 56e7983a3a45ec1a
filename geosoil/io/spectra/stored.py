"""Spectra as a file holds them: what every reader of spectra returns, before units and order are settled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Quantity = Literal["reflectance", "absorbance"]


@dataclass(frozen=True, eq=False)
class StoredSpectra:
    """Spectra in the units and the order of their file.

    wavelength `(band,)` in the unit of the file; values `(sample, band)` float64 as stored, NaN where nothing
    was measured; ids one per sample; table `(sample, column)` what else the file says of each;
    nm_per_unit: nm in one unit of wavelength, None where the file does not say; quantity: None where the file
    does not say; scale: what the file says its values are to be multiplied by.

    >>> import numpy as np, pandas as pd
    >>> StoredSpectra(np.array([0.4, 0.5]), np.array([[10.0, 20.0]]), ["a"], pd.DataFrame(index=[0]), 1000.0).scale
    1.0
    """

    wavelength: np.ndarray
    values: np.ndarray
    ids: list[str]
    table: pd.DataFrame
    nm_per_unit: float | None = 1.0
    quantity: Quantity | None = None
    scale: float = 1.0
