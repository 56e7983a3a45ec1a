"""The description of a sensor: properties of its products, and the function that opens one."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy.typing as npt
    import xarray as xr

    from geosoil.sensors.files import ProductFiles
    from geosoil.sensors.masks import MaskLayer


@dataclass(frozen=True)
class Product:
    """What the reader of a sensor returns.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x), float32
        The lazy cube with NaN as no data and the coordinates `wavelength_nm` and, if known, `fwhm_nm`; all bands in the
        order of the files. `attrs` holds units, source, and a list of notes.
    good : ndarray of shape (band,), bool, optional
        False for bands that the product marks as unusable.
    masks : tuple of MaskLayer
        Quality masks on the grid of the cube.
    detector : ndarray of shape (band,), str, optional
        "vnir" or "swir" for each band, where bands of two detectors may be sorted by wavelength in the file; without it
        the second detector begins where the wavelength decreases.
    """

    raster: xr.DataArray
    good: np.ndarray | None = None
    masks: tuple[MaskLayer, ...] = ()
    detector: np.ndarray | None = None


class OpenProduct(Protocol):
    """A function that opens the files of a product as one raster: all bands in the order of the files."""

    def __call__(self, files: ProductFiles, *, nodata: float | None = None) -> Product:
        """Return the lazy cube with its masks; `nodata` replaces the stored value of no data.

        The reader of a sensor with several sizes of pixels takes one of them as `pixel_m`.
        """
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
        Patterns of file names without their folders, in upper or lower case; files are a product of this sensor if
        each pattern matches one.
    bad_nm : tuple of (lowest, highest)
        Windows in nm, limits included, where water vapour absorbs the signal.
    open : callable
        Reader of the files of a product, with the bands in the order of the detectors.
    recognises : callable, optional
        A check of the content of files whose names match, for patterns that other files may match, too.
    main : str, optional
        Pattern of the file by which a user may name the whole product, since the other files lie beside it; by default
        the only pattern. A sensor with several patterns and without `main` is known by its folder or archive.
    pixels_m : tuple of int
        Sides in m of the pixels of the grids to which a product can be brought, the default first; empty if there is
        one grid only.

    Examples
    --------
    >>> def opener(files, *, nodata=None): ...
    >>> Sensor("X", "Example", ("*_vn.tif*",), ((1342.0, 1451.0),), opener).is_bad([1000.0, 1400.0, 1451.0])
    array([False,  True,  True])
    """

    name: str
    title: str
    patterns: tuple[str, ...]
    bad_nm: tuple[tuple[float, float], ...]
    open: OpenProduct
    recognises: Callable[[ProductFiles], bool] | None = None
    main: str | None = None
    pixels_m: tuple[int, ...] = ()

    def matches(self, files: ProductFiles) -> bool:
        """Return whether files are a product of this sensor."""
        if files.named is not None:
            main = self.main or (self.patterns[0] if len(self.patterns) == 1 else None)
            name = PurePosixPath(files.named).name.lower()
            if main is None or not fnmatch.fnmatchcase(name, main.lower()):
                return False
        if not files.is_remote and not all(files.find(pattern) for pattern in self.patterns):
            return False
        return self.recognises is None or self.recognises(files)

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
