"""The description of a sensor: properties of its products, and the function that opens one."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import xarray as xr


class OpenProduct(Protocol):
    """A function that opens the folder of a product as one raster: all bands in the order of the files."""

    def __call__(self, folder: Path, *, nodata: float | None = None) -> xr.DataArray:
        """Return the lazy cube `(band, y, x)` with wavelengths; `attrs["notes"]` lists remarks on it."""
        ...


@dataclass(frozen=True)
class Sensor:
    """One kind of product.

    Parameters
    ----------
    name : str
        Also the value of the tag SENSOR by which a stacked file is recognised.
    title : str
        The name for people.
    patterns : tuple of str
        Patterns of file names, in upper or lower case; a folder is a product of this sensor if each matches a file.
    bad_nm : tuple of (lowest, highest)
        Windows in nm, limits included, where water vapour absorbs the signal.
    open : callable
        Reader of the folder of a product, with the bands in the order of the detectors.

    Examples
    --------
    >>> def opener(folder, *, nodata=None): ...
    >>> Sensor("X", "Example", ("*_vn.tif*",), ((1342.0, 1451.0),), opener).is_bad([1000.0, 1400.0, 1451.0])
    array([False,  True,  True])
    """

    name: str
    title: str
    patterns: tuple[str, ...]
    bad_nm: tuple[tuple[float, float], ...]
    open: OpenProduct

    def matches(self, folder: Path) -> bool:
        """Return whether a folder contains a product of this sensor."""
        names = [path.name.lower() for path in folder.iterdir()]
        return all(any(fnmatch.fnmatch(name, pattern.lower()) for name in names) for pattern in self.patterns)

    def is_bad(self, wavelength_nm: npt.ArrayLike) -> np.ndarray:
        """Return `(band,)` bool: whether a centre in nm lies in a bad window."""
        return in_windows(wavelength_nm, self.bad_nm)


def in_windows(wavelength_nm: npt.ArrayLike, windows_nm: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Find the wavelengths that lie in windows.

    Parameters
    ----------
    wavelength_nm : array of shape (band,)
        Wavelengths in nm.
    windows_nm : tuple of (lowest, highest)
        Windows in nm, limits included.

    Returns
    -------
    ndarray of shape (band,), bool

    Examples
    --------
    >>> in_windows([500.0, 1400.0], ((1342.0, 1451.0),))
    array([False,  True])
    """
    centres = np.asarray(wavelength_nm, dtype=np.float64)
    inside = np.zeros(centres.shape, dtype=bool)
    for lowest, highest in windows_nm:
        inside |= (centres >= lowest) & (centres <= highest)
    return inside
