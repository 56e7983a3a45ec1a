"""What a sensor is here: data about its products, and the function that opens one."""

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
    """Opens the folder of a product as one raster, all bands as they come, with wavelengths."""

    def __call__(self, folder: Path, *, nodata: float | None = None) -> xr.DataArray:
        """Return the lazy cube `(band, y, x)`; `attrs["notes"]` says what was done."""
        ...


@dataclass(frozen=True)
class Sensor:
    """One kind of product.

    name: also the value of the tag SENSOR by which a stacked file is recognised. title: for people.
    patterns: of names of files, upper or lower case; a folder is this sensor's if each matches one of its files.
    bad_nm: windows (lowest, highest) in nm where water vapour leaves no signal; both ends belong to them.
    open: reader of a product's folder, bands in the order of the detectors.

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
        """Tell whether a folder holds a product of this sensor."""
        names = [path.name.lower() for path in folder.iterdir()]
        return all(any(fnmatch.fnmatch(name, pattern.lower()) for name in names) for pattern in self.patterns)

    def is_bad(self, wavelength_nm: npt.ArrayLike) -> np.ndarray:
        """Return `(band,)` True where a centre in nm lies in a bad window."""
        return in_windows(wavelength_nm, self.bad_nm)


def in_windows(wavelength_nm: npt.ArrayLike, windows_nm: tuple[tuple[float, float], ...]) -> np.ndarray:
    """Return `(band,)` True where a wavelength in nm lies in one of the windows (lowest, highest), ends included.

    >>> in_windows([500.0, 1400.0], ((1342.0, 1451.0),))
    array([False,  True])
    """
    centres = np.asarray(wavelength_nm, dtype=np.float64)
    inside = np.zeros(centres.shape, dtype=bool)
    for lowest, highest in windows_nm:
        inside |= (centres >= lowest) & (centres <= highest)
    return inside
