"""The common result of all readers of spectra, before units and the order of bands are unified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Quantity = Literal["reflectance", "absorbance"]


@dataclass(frozen=True, eq=False)
class StoredSpectra:
    """Spectra in the units and the band order of their file.

    Attributes
    ----------
    wavelength : numpy.ndarray
        `(band,)` wavelengths in the unit of the file.
    values : numpy.ndarray
        `(sample, band)` float64 as stored, NaN where nothing was measured.
    ids : list of str
        One id per sample.
    table : pandas.DataFrame
        `(sample, column)` the other columns of the file.
    nm_per_unit : float or None
        Nanometres per unit of wavelength; None if the file states no unit.
    quantity : {"reflectance", "absorbance"} or None
        None if the file states no quantity.
    scale : float
        The factor by which the file says to multiply the values.
    named_unit : str or None
        The unit that the names of the bands state; the wavelengths are then in nm already.

    Examples
    --------
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
    named_unit: str | None = None
