"""What layers are made of: a band, the width of intervals, the shaded relief of a DEM, the colours of a cube."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.io.rasters.pyramid import Level, thinned_levels
from geosoil.raster.grid import Grid
from geosoil.raster.layout import nearest_bands
from geosoil.sensors.accessor import COLOUR_TOLERANCE_NM, COLOURS_NM
from geosoil.terrain.slope import gradient

if TYPE_CHECKING:
    import xarray as xr

    from geosoil.io.rasters.pyramid import Pyramid

NAN, CLEAR = np.float32(np.nan), np.uint32(0)
PICTURE_PIXELS = 1000  # longest side of a level of a cube that is kept in memory
SUN_AZIMUTH_DEG, SUN_ALTITUDE_DEG = 315.0, 45.0
METRES_PER_DEGREE = 111_320.0  # of latitude


class BandSource:
    """A band of a raster.

    Parameters
    ----------
    pyramid : Pyramid
    band : int
        Its number, from 1.
    """

    empty = NAN

    def __init__(self, pyramid: Pyramid, band: int) -> None:
        self.pyramid, self.band = pyramid, band
        self.levels = pyramid.levels

    def read(self, level: int, rows: slice, columns: slice) -> np.ndarray:
        """Return a window `(y, x)` of a level, NaN where there is no data."""
        return self.pyramid.read([self.band], level, rows, columns)[0]


class WidthSource:
    """The width of prediction intervals: a band of upper ends minus one of lower ends.

    Parameters
    ----------
    pyramid : Pyramid
    lower, upper : int
        Numbers of the bands, from 1.
    """

    empty = NAN

    def __init__(self, pyramid: Pyramid, lower: int, upper: int) -> None:
        self.pyramid, self.lower, self.upper = pyramid, lower, upper
        self.levels = pyramid.levels

    def read(self, level: int, rows: slice, columns: slice) -> np.ndarray:
        """Return a window `(y, x)` of a level, NaN where there is no data."""
        lower, upper = self.pyramid.read([self.lower, self.upper], level, rows, columns)
        return upper - lower


class HillshadeSource:
    """The shaded relief of a DEM, lit from the north-west, as grey pixels.

    The slopes are those between the pixels of the level that is shown, so the relief is smoother from afar.

    Parameters
    ----------
    pyramid : Pyramid
        Heights in its first band, in metres.
    """

    empty = CLEAR

    def __init__(self, pyramid: Pyramid) -> None:
        self.pyramid = pyramid
        self.levels = pyramid.levels

    def read(self, level: int, rows: slice, columns: slice) -> np.ndarray:
        """Return a window `(y, x)` of a level as RGBA, transparent where there is no data."""
        grid = self.levels[level].grid
        outer = _widened(rows, grid.height), _widened(columns, grid.width)
        heights = self.pyramid.read([1], level, *outer)[0]
        beyond = [  # of the raster: rows and columns without heights
            (1 - (part.start - wide.start), 1 - (wide.stop - part.stop))
            for part, wide in zip((rows, columns), outer, strict=True)
        ]
        heights = np.pad(heights, beyond, constant_values=np.nan)
        return grey_pixels(hillshade(heights, grid, first_row=rows.start))


class ColourSource:
    """A cube in true or false colours.

    Parameters
    ----------
    cube : xarray.DataArray
        From `open_cube`.
    colours : {"true", "false"}
        See `COLOURS_NM`.

    Raises
    ------
    WavelengthError
        If the cube has no band near a wavelength.
    """

    empty = CLEAR

    def __init__(self, cube: xr.DataArray, colours: Literal["true", "false"]) -> None:
        wanted_nm = COLOURS_NM[colours]
        self.bands = nearest_bands(
            cube, wanted_nm, tolerance_nm=COLOUR_TOLERANCE_NM, way_out="leave the cube out, or view a band of it"
        )
        self.wavelength_nm = cube["wavelength_nm"].values[self.bands]
        self._cube = cube.isel(band=self.bands)
        grid = Grid.of(cube)
        # Most cubes have no overviews: one level is thinned once, and the others are windows of the cube.
        self.levels = tuple(thinned_levels(Level(grid, 1.0), PICTURE_PIXELS))

    def read(self, level: int, rows: slice, columns: slice) -> np.ndarray:
        """Return a window `(y, x)` of a level as RGBA, transparent where there is no data."""
        step = self.levels[level].step
        if level == len(self.levels) - 1:
            values = self._picture[:, rows, columns]
        else:
            y, x = (slice(part.start * step, part.stop * step, step) for part in (rows, columns))
            values = self._cube.isel(y=y, x=x).values
        low, high = self._limits
        return colour_pixels((values - low) / (high - low))

    @cached_property
    def _picture(self) -> np.ndarray:
        step = self.levels[-1].step
        strip = max(256 // step, 1) * step  # rows of the cube that are read at once
        thinned = [
            self._cube.isel(y=slice(top, top + strip, step), x=slice(None, None, step)).values
            for top in range(0, self._cube.sizes["y"], strip)
        ]
        return np.concatenate(thinned, axis=1)

    @cached_property
    def _limits(self) -> tuple[np.ndarray, np.ndarray]:
        """The values of each band, `(band, 1, 1)`, that are dark and bright: percentiles of the whole cube."""
        seen = self._picture.reshape(3, -1)
        seen = seen[:, np.isfinite(seen).all(axis=0)]
        low, high = np.percentile(seen, (2, 98), axis=1) if seen.size else (np.zeros(3), np.ones(3))
        high = np.where(high > low, high, low + 1)
        return low[:, None, None].astype(np.float32), high[:, None, None].astype(np.float32)


def hillshade(heights: np.ndarray, grid: Grid, first_row: int = 0) -> np.ndarray:
    """Return how bright the ground is, from 0 to 1, where the sun is in the north-west at 45 degrees.

    Parameters
    ----------
    heights : ndarray of shape (y + 2, x + 2)
        Metres; see `geosoil.terrain.slope` for the neighbours of missing heights.
    grid : Grid
        The grid that the pixels belong to.
    first_row : int
        The row of the first inner pixel in the grid, for the size of pixels in degrees.

    Returns
    -------
    ndarray of shape (y, x)

    Examples
    --------
    >>> from affine import Affine
    >>> grid = Grid(None, Affine(10, 0, 0, 0, -10, 0), 3, 3)
    >>> flat, to_the_sun = np.zeros((3, 3)), np.add.outer(np.arange(3), np.arange(3)) * 5.0
    >>> hillshade(flat, grid).round(3).item(), hillshade(to_the_sun, grid).round(3).item()
    (0.707, 0.986)
    """
    t = grid.transform
    width, height = float(np.hypot(t.a, t.d)), float(np.hypot(t.b, t.e))
    across = down = np.ones((1, 1))  # metres per unit of the CRS
    if grid.crs is not None and grid.crs.is_geographic:
        rows = first_row + np.arange(heights.shape[0] - 2) + 0.5
        latitude = np.clip(t.f + t.e * rows, -89, 89)
        across = METRES_PER_DEGREE * np.cos(np.deg2rad(latitude))[:, None]
        down = np.full((1, 1), METRES_PER_DEGREE)
    elif grid.crs is not None:
        across = down = np.full((1, 1), grid.crs.units_factor[1])
    along_row, along_column = gradient(heights.astype(np.float64), width * across, height * down, "horn")
    east = along_row * (t.a / width) + along_column * (t.b / height)
    north = along_row * (t.d / width) + along_column * (t.e / height)
    azimuth, altitude = np.deg2rad(SUN_AZIMUTH_DEG), np.deg2rad(SUN_ALTITUDE_DEG)
    sun = np.cos(altitude) * np.sin(azimuth), np.cos(altitude) * np.cos(azimuth), np.sin(altitude)
    lit = (sun[2] - east * sun[0] - north * sun[1]) / np.sqrt(1 + east**2 + north**2)
    return np.where(np.isnan(heights[1:-1, 1:-1]), np.nan, np.clip(lit, 0, 1))


def grey_pixels(brightness: np.ndarray) -> np.ndarray:
    """Return RGBA pixels `(y, x)` as uint32 of a brightness from 0 to 1; NaN is transparent.

    >>> [hex(pixel) for pixel in grey_pixels(np.array([[0.0, 1.0, np.nan]]))[0]]
    ['0xff000000', '0xffffffff', '0x0']
    """
    return colour_pixels(np.broadcast_to(brightness, (3, *brightness.shape)))


def colour_pixels(colours: np.ndarray) -> np.ndarray:
    """Return RGBA pixels `(y, x)` as uint32 of red, green and blue `(3, y, x)` from 0 to 1; NaN is transparent.

    >>> hex(colour_pixels(np.array([1.0, 0.5, 0.0])[:, None, None])[0, 0])
    '0xff007fff'
    """
    seen = np.isfinite(colours).all(axis=0)
    red, green, blue = (255 * np.clip(np.where(seen, colours, 0), 0, 1)).astype(np.uint32)
    return np.where(seen, red | green << 8 | blue << 16 | np.uint32(255 << 24), CLEAR)


def _widened(part: slice, size: int) -> slice:
    return slice(max(part.start - 1, 0), min(part.stop + 1, size))


def whole(level: Level) -> tuple[slice, slice]:
    """Return the rows and columns of a whole level."""
    return slice(0, level.grid.height), slice(0, level.grid.width)
