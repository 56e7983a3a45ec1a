"""Read windows of a raster at the resolution of its overviews."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from affine import Affine
from rasterio.enums import Resampling
from rasterio.windows import Window

from geosoil.io.rasters.dataset_cache import absolute_path, dataset, dataset_grid, file_stamp
from geosoil.io.rasters.reader import convert_stored, inspect_raster
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

SMALLEST_SIDE = 512  # pixels; a raster without overviews is thinned to levels down to this size


@dataclass(frozen=True)
class Level:
    """One resolution of a raster.

    Parameters
    ----------
    grid : Grid
        Its pixels.
    factor : float
        The side of its pixels in pixels of the raster.
    overview : int or None
        The number of the overview in the file; None for the raster itself.
    step : int
        Every `step`-th pixel of the overview is read, for a file without enough overviews.
    """

    grid: Grid
    factor: float
    overview: int | None = None
    step: int = 1


class Pyramid:
    """A raster with its overviews, from which windows are read as float32 with NaN as no data.

    Values are those of `open_raster`: scale, offset, nodata and masks of the file are applied at every level. A file
    without overviews has levels too, but reading them reads all pixels of the window.

    Parameters
    ----------
    path : path-like
        A raster that `open_raster` accepts.

    Raises
    ------
    RasterError
        If the file cannot be opened.

    Attributes
    ----------
    levels : tuple of Level
        From the raster itself to the coarsest one.
    names, units : tuple of str
        Those of the bands; a band without a name is called `band_1` and so on.

    Examples
    --------
    >>> import rasterio, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/clay.tif"
    ...     with rasterio.open(path, "w", driver="GTiff", width=8, height=4, count=1, dtype="int16", nodata=0,
    ...                        transform=rasterio.Affine(30, 0, 0, 0, -30, 0)) as made:
    ...         made.write(np.arange(32, dtype="int16").reshape(1, 4, 8))
    ...         made.build_overviews([2], Resampling.nearest)
    ...     clay = Pyramid(path)
    ...     [level.factor for level in clay.levels], clay.read([1], 1, slice(0, 1), slice(0, 3)).tolist()
    ([1.0, 2.0], [[[nan, 2.0, 4.0]]])
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = absolute_path(path)
        self._stamp = file_stamp(self.path)
        inspected = inspect_raster(self.path)
        self._file = inspected.file
        self.names = tuple(
            name or f"band_{number}" for name, number in zip(inspected.names, self._file.bands, strict=True)
        )
        self.units = inspected.units
        self.levels = self._levels(inspected.grid)
        with dataset(self.path, self._stamp) as source:
            self.tags = dict(source.tags())

    @property
    def grid(self) -> Grid:
        """The grid of the raster itself."""
        return self.levels[0].grid

    def read(self, bands: Sequence[int], level: int, rows: slice, columns: slice) -> np.ndarray:
        """Read a window of a level.

        Parameters
        ----------
        bands : sequence of int
            Numbers among `names`, from 1.
        level : int
            Number of the level.
        rows, columns : slice
            The window in pixels of the level, which must lie inside of it.

        Returns
        -------
        ndarray of shape (band, y, x), float32

        Raises
        ------
        rasterio.errors.RasterioError
            If the file cannot be read.
        """
        chosen = self.levels[level]
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        left, top, width, height = (chosen.step * side for side in (columns.start, rows.start, shape[1], shape[0]))
        numbers = [self._file.bands[band - 1] for band in bands]
        with dataset(self.path, self._stamp, chosen.overview) as source:
            window = Window(left, top, min(width, source.width - left), min(height, source.height - top))
            stored = source.read(numbers, window=window, out_shape=(len(bands), *shape), resampling=Resampling.nearest)
            mask = None
            if self._file.masked:
                mask = source.read_masks(numbers[0], window=window, out_shape=shape, resampling=Resampling.nearest)
        values = np.empty((len(bands), *shape), np.float32)
        for band, raw, out in zip(bands, stored, values, strict=True):
            file = self._file
            convert_stored(raw, out, file.nodata[band - 1], file.scale[band - 1], file.offset[band - 1])
            if mask is not None:
                out[mask == 0] = np.nan
        return values

    def _levels(self, grid: Grid) -> tuple[Level, ...]:
        levels = [Level(grid, 1.0)]
        with dataset(self.path, self._stamp) as source:
            count = len(source.overviews(self._file.bands[0]))
        for overview in range(count):
            with dataset(self.path, self._stamp, overview) as source:
                shrunk = dataset_grid(source)
            levels.append(Level(replace(shrunk, crs=grid.crs), grid.width / shrunk.width, overview))
        return (*levels[:-1], *thinned_levels(levels[-1], SMALLEST_SIDE))


def thinned_levels(level: Level, longest: int) -> list[Level]:
    """Return a level, followed by levels of every 2nd, 4th, ... pixel of it until none is longer than `longest`."""
    levels = [level]
    while max(levels[-1].grid.height, levels[-1].grid.width) > longest:
        levels.append(_halved(levels[-1]))
    return levels


def _halved(level: Level) -> Level:
    """Return a level whose pixels are twice as large, read from the same overview."""
    grid, t = level.grid, level.grid.transform
    transform = Affine(2 * t.a, 2 * t.b, t.c, 2 * t.d, 2 * t.e, t.f)
    halved = Grid(grid.crs, transform, ceil(grid.height / 2), ceil(grid.width / 2))
    return replace(level, grid=halved, factor=2 * level.factor, step=2 * level.step)
