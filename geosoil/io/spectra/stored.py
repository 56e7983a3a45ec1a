"""The common result of all readers of spectra, before units and the order of bands are unified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Quantity = Literal["reflectance", "absorbance"]
WavelengthUnit = Literal["nm", "um", "cm-1"]


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
        The unit that the file or the names of the bands state; the wavelengths are then in nm already.
    unclear : str
        What the file says the values are, if that may or may not be reflectance or absorbance, such as
        "transmittance": the user must then state the quantity.
    notes : tuple of str
        What the user should know, such as which of several spectra was taken.

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
    unclear: str = ""
    notes: tuple[str, ...] = ()


def in_nm(numbers: np.ndarray, unit: str | None) -> np.ndarray:
    """Return wavelengths or wavenumbers in nm, rounded to 1e-6 nm unless they are in nm or have no unit.

    >>> in_nm(np.array([2.201]), "um"), in_nm(np.array([4000.0]), "cm-1"), in_nm(np.array([350.0]), None)
    (array([2201.]), array([2500.]), array([350.]))
    """
    if unit not in ("um", "cm-1"):
        return numbers
    with np.errstate(divide="ignore", over="ignore"):
        return np.round(numbers * 1e3 if unit == "um" else 1e7 / numbers, 6)  # 2.201 um is not 2201.0000000000005 nm


def measured(
    path: Path,
    axis: np.ndarray,
    values: np.ndarray | Sequence[np.ndarray],
    unit: WavelengthUnit | None = "nm",
    *,
    ids: Sequence[str] = (),
    columns: dict[str, list[str]] | None = None,
    **facts: Any,
) -> StoredSpectra:
    """Return the spectra of a file of an instrument, whose name is their id.

    Parameters
    ----------
    path : Path
        The file.
    axis : ndarray of shape (band,)
        Wavelengths or wavenumbers.
    values : ndarray of shape (band,) or (sample, band)
        The values of one or several spectra.
    unit : {"nm", "um", "cm-1"} or None
        The unit of the axis; None if the file states none.
    ids : sequence of str, optional
        One id per spectrum; default: the name of the file without its ending, numbered if there are several spectra.
    columns : dict, optional
        Other columns of the table.
    **facts
        Other attributes of `StoredSpectra`.
    """
    rows = np.atleast_2d(np.asarray(values, np.float64))
    ids = list(ids) or [path.stem if len(rows) == 1 else f"{path.stem}/{i + 1}" for i in range(len(rows))]
    table = pd.DataFrame({"file": [path.name] * len(rows), **(columns or {})})
    nm_per_unit = None if unit is None else 1.0
    return StoredSpectra(in_nm(axis, unit), rows, ids, table, nm_per_unit, named_unit=unit, **facts)
