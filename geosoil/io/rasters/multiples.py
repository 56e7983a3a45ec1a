"""Bring a raster to a grid whose pixels are a whole multiple, or a whole fraction, of its pixels, lazily.

The bands of some products have pixels of several sizes with one common corner. Their means and repetitions are exact
and do not depend on the window that is read, which a warp only approaches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from xarray.core import indexing

from geosoil.errors import GridError
from geosoil.io.rasters.windows import WindowArray
from geosoil.raster.grid import Grid
from geosoil.raster.layout import STORED_BYTES, make_raster

if TYPE_CHECKING:
    import xarray as xr


def to_multiple(raster: xr.DataArray, grid: Grid) -> xr.DataArray:
    """Return a raster on a grid with the same corner and area, and pixels of another size.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x), float32
        A lazy raster.
    grid : Grid
        Pixels k times as wide as those of the raster take the mean of the valid ones of k x k pixels; pixels k times
        narrower repeat the pixel that they lie in. k is a whole number.

    Returns
    -------
    DataArray of shape (band, y, x), float32
        The lazy raster on the grid; NaN where all pixels are NaN.

    Raises
    ------
    GridError
        If the grid is not such a multiple.

    Examples
    --------
    >>> from affine import Affine
    >>> fine = make_raster(np.array([[[1, 3], [np.nan, 5]]], "float32"), names=["a"], crs=None,
    ...                    transform=Affine(10, 0, 0, 0, -10, 20))
    >>> coarse = to_multiple(fine, Grid(None, Affine(20, 0, 0, 0, -20, 20), 1, 1))
    >>> coarse.values.tolist(), to_multiple(coarse, Grid.of(fine)).values.tolist()
    ([[[3.0]]], [[[3.0, 3.0], [3.0, 3.0]]])
    """
    source, where = Grid.of(raster), raster.attrs.get("source", "raster")
    ratio = grid.transform.a / source.transform.a
    n_mean, n_repeat = max(1, round(ratio)), max(1, round(1 / ratio))
    height, width = (size * n_repeat / n_mean for size in (source.height, source.width))
    t, k = source.transform, n_mean / n_repeat
    transform = Affine(t.a * k, t.b * k, t.c, t.d * k, t.e * k, t.f)
    if height % 1 or width % 1:
        raise GridError(
            where,
            found=f"{source.height} x {source.width} pixels",
            expected=f"a multiple of {n_mean} pixels on each side",
            way_out="use the files of one product",
        )
    Grid(source.crs, transform, int(height), int(width)).require_same(grid, where=where, than="the grid of the cube")
    array = _Mean(raster.variable, n_mean) if n_mean > 1 else _Repeated(raster.variable, n_repeat)
    stored = raster.encoding.get(STORED_BYTES, 4.0)
    chunks = raster.encoding.get("preferred_chunks", {})
    made = make_raster(
        indexing.LazilyIndexedArray(array),
        names=[str(name) for name in raster["band"].values],
        crs=grid.crs,
        transform=grid.transform,
        source=where,
        units=raster.attrs.get("units", ""),
        preferred_chunks={axis: max(1, size * n_repeat // n_mean) for axis, size in chunks.items() if axis in "yx"},
        # The pixels of the file are also in memory as float32 while their means are computed.
        stored_bytes=(stored + 4.0) * n_mean**2 if n_mean > 1 else stored + 4.0,
    )
    return made.assign_coords(
        {name: raster.coords[name] for name in ("wavelength_nm", "fwhm_nm") if name in raster.coords}
    )


class _Mean(WindowArray):
    """The means of the valid pixels of squares of k x k pixels."""

    def __init__(self, source: xr.Variable, k: int) -> None:
        super().__init__((source.shape[0], source.shape[1] // k, source.shape[2] // k))
        self.source, self.k = source, k

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read k times as many rows and columns, and average them."""
        k = self.k
        values = self.source[bands, rows.start * k : rows.stop * k, columns.start * k : columns.stop * k].values
        squares = values.reshape(bands.size, rows.stop - rows.start, k, columns.stop - columns.start, k)
        valid = np.isfinite(squares)
        counts = valid.sum(axis=(2, 4))
        sums = np.where(valid, squares, 0.0).sum(axis=(2, 4), dtype=np.float64)
        with np.errstate(invalid="ignore"):  # 0 / 0 is no data
            return (sums / counts).astype(np.float32)


class _Repeated(WindowArray):
    """Each pixel k times in both directions."""

    def __init__(self, source: xr.Variable, k: int) -> None:
        super().__init__((source.shape[0], source.shape[1] * k, source.shape[2] * k))
        self.source, self.k = source, k

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read the pixels that the window touches, and repeat them."""
        read_rows, read_columns = (np.arange(part.start, part.stop) // self.k for part in (rows, columns))
        values = self.source[bands, read_rows[0] : read_rows[-1] + 1, read_columns[0] : read_columns[-1] + 1].values
        repeated: np.ndarray = values[:, read_rows - read_rows[0]][:, :, read_columns - read_columns[0]]
        return repeated
