"""Orthorectify a swath by its geometric lookup table (GLT), window by window.

A GLT has the size of the map, and in each cell the column and the row of the swath that belong there, counted from 1; 0
is outside. Interpolated cells may be negative. A window needs only the chunks of the swath that its cells refer to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GridError, WindowError
from geosoil.io.rasters.hdf5 import read_pixels, read_window, to_float32
from geosoil.io.rasters.hdf5_files import kept_open
from geosoil.io.rasters.windows import WindowArray

if TYPE_CHECKING:
    import numpy.typing as npt

    from geosoil.io.rasters.hdf5_variables import Hdf5Variable


class LookupArray(WindowArray):
    """Bands of a swath on the grid of a lookup table, float32 `(band, y, x)`; small and picklable.

    Parameters
    ----------
    variable : Hdf5Variable
        The swath, with bands, rows and columns.
    table_x, table_y : Hdf5Variable
        Columns and rows `(y, x)` of the swath, from 1.
    bands : array-like of int, optional
        Indices of the bands, in the order of the array (default: all).
    nodata : float, optional
        The stored value of no data.

    Raises
    ------
    GridError
        If the two parts of the table differ in shape.
    """

    def __init__(
        self,
        variable: Hdf5Variable,
        table_x: Hdf5Variable,
        table_y: Hdf5Variable,
        *,
        bands: npt.ArrayLike | None = None,
        nodata: float | None = None,
    ) -> None:
        if table_x.shape != table_y.shape:
            raise GridError(
                table_x.source.name,
                found=f"a lookup table of {' x '.join(map(str, table_x.shape))} columns and "
                f"{' x '.join(map(str, table_y.shape))} rows",
                expected="two parts of one shape",
                way_out="use the file as delivered",
            )
        self.bands = np.arange(variable.length("b")) if bands is None else np.asarray(bands, np.intp)
        super().__init__((self.bands.size, table_x.length("y"), table_x.length("x")))
        self.variable, self.table_x, self.table_y, self.nodata = variable, table_x, table_y, nodata

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read the requested bands of one window of the map."""
        with kept_open(self.table_x.source), kept_open(self.variable.source):
            return self._orthorectified(bands, rows, columns)

    def _orthorectified(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        swath_x, swath_y = (
            np.abs(read_window(table, np.zeros(1, np.intp), rows, columns)[0].astype(np.int64))
            for table in (self.table_x, self.table_y)
        )
        # A cell that was never written has the fill value of netCDF, which is negative and large.
        inside = (swath_x > 0) & (swath_y > 0) & (swath_x < _FILL) & (swath_y < _FILL)
        cells = np.flatnonzero(inside)
        out = np.full((bands.size, inside.size), np.nan, np.float32)
        if cells.size:
            down, across = swath_y.ravel()[cells] - 1, swath_x.ravel()[cells] - 1
            height, width = self.variable.length("y"), self.variable.length("x")
            if down.max() >= height or across.max() >= width:
                raise WindowError(
                    self.table_x.source.name,
                    found=f"row {down.max() + 1}, column {across.max() + 1} in the lookup table",
                    expected=f"at most row {height}, column {width}, the size of the swath",
                    way_out="use the file as delivered",
                )
            for positions, pixels, stored in read_pixels(self.variable, self.bands[bands], down, across):
                out[np.ix_(positions, cells[pixels])] = to_float32(stored, self.nodata)
        return out.reshape(bands.size, *inside.shape)


_FILL = 2_147_483_647 - 1
