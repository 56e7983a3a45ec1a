"""Read a few small windows of a raster before it is mapped, to check units and ranges."""

from __future__ import annotations

from contextlib import suppress
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import WindowError

if TYPE_CHECKING:
    import xarray as xr

WINDOWS, SIDE = 4, 32  # windows along each axis, and their side in pixels


def probe_values(raster: xr.DataArray, *, middle: bool = False, windows: int = WINDOWS, side: int = SIDE) -> np.ndarray:
    """Return values of a few small windows spread over a raster, without those that cannot be read.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
    middle : bool
        Only the four windows around the middle, where the whole raster would take long to read.
    windows : int
        Number of windows along each axis.
    side : int
        The side of a window in pixels.

    Returns
    -------
    ndarray of shape (band, n)

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> raster = make_raster(np.ones((2, 1, 3), "float32"), names=["a", "b"], crs=None, transform=Affine.identity())
    >>> probe_values(raster).shape
    (2, 3)
    """
    starts = [_starts(raster.sizes[axis], windows, side) for axis in ("y", "x")]
    if middle:
        starts = [numbers[1:-1] if len(numbers) == windows else numbers for numbers in starts]
    parts = [np.empty((raster.sizes["band"], 0), np.float32)]
    for row, column in product(*starts):
        with suppress(WindowError):  # the run of the map reports it
            values = raster[:, row : row + side, column : column + side].values
            parts.append(values.reshape(len(values), -1))
    return np.concatenate(parts, axis=1)


def _starts(size: int, windows: int, side: int) -> np.ndarray:
    """Return where windows along an axis begin; on a short axis they lie side by side, so that none overlap.

    >>> _starts(1000, 4, 32).tolist(), _starts(100, 4, 32).tolist()
    ([0, 322, 645, 968], [0, 32, 64, 96])
    """
    if size <= windows * side:
        return np.arange(0, size, side)
    return np.linspace(0, size - side, windows).astype(int)
