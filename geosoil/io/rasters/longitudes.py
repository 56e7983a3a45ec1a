"""Columns of a raster in degrees around the globe, so that it can be warped however it counts longitudes.

GDAL finds a place in a raster by its longitude as a number. A raster from 0 to 360 would have no data in the west, and
its first and last column would not be neighbours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pyproj
from affine import Affine
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from geosoil.raster.grid import Grid, same_crs

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_GAP = 0.1  # pixels by which the columns of a global file may miss the full circle
FAR = 1 / 72  # of a circle: a grid that reaches so near to 180 degrees, and not to 0, is seen from 180 degrees
SAME_PLACE = 1e-4  # pixels
SAMPLE_SIDE = 33  # pixels along each side of a grid whose longitudes are looked at


@dataclass(frozen=True)
class Columns:
    """The columns of a virtual raster over a file: those of the file, or all around the globe.

    Attributes
    ----------
    first, count : int
        The first column in columns of the file, and the number of columns.
    around : int or None
        Number of columns of a full circle, after which they are repeated; None if they are those of the file.
    moved : float
        Degrees by which longitudes are moved.
    crs : CRS or None
        The CRS that counts the moved longitudes, if it is not that of the file.
    """

    first: int
    count: int
    around: int | None = None
    moved: float = 0.0
    crs: CRS | None = None

    def pieces(self, width: int) -> Iterator[tuple[int, int, int]]:
        """Yield parts of a file of `width` columns: first column in the file, first column of these, and number.

        Examples
        --------
        >>> list(Columns(-1, 6, around=4).pieces(4))
        [(3, 0, 1), (0, 1, 4), (0, 5, 1)]
        """
        if self.around is None:
            yield 0, 0, width
            return
        for circle in range(self.first // self.around, (self.first + self.count - 1) // self.around + 1):
            start = circle * self.around - self.first
            left, right = max(start, 0), min(start + min(width, self.around), self.count)
            if left < right:
                yield left - start, left, right - left

    def placed(self, file: Grid) -> Grid:
        """Return the grid of these columns of a file."""
        t = file.transform
        corner = Affine(t.a, t.b, t.c + self.first * t.a + self.moved, t.d, t.e, t.f + self.first * t.d)
        return Grid(self.crs or file.crs, corner, file.height, self.count)


def columns_near(source: Grid, grid: Grid) -> Columns:
    """Choose the columns of a file so that their longitudes are those that transformed places of a grid get.

    Longitudes that are transformed from another CRS lie between -180 and 180; those of a grid in the same CRS may be
    counted in any way. For a grid on the antimeridian, the CRS of the file is replaced by one that
    counts from that meridian.

    Parameters
    ----------
    source : Grid
        The grid of the file.
    grid : Grid
        The grid of the result.

    Returns
    -------
    Columns

    Examples
    --------
    >>> globe = Grid(CRS.from_epsg(4326), Affine(1, 0, 0, 0, -1, 90), 180, 360)
    >>> columns_near(globe, Grid(globe.crs, Affine(1, 0, -70, 0, -1, 10), 10, 10))  # from -245 to 115
    Columns(first=114, count=362, around=360, moved=-360.0, crs=None)
    """
    step, turn = source.transform.a, source.turn
    if turn is None or step <= 0 or source.transform.b or source.transform.d:
        return Columns(0, source.width)
    left, _, right, _ = source.bounds
    meridian, crs = 0.0, None
    if same_crs(source.crs, grid.crs):
        middle = (grid.bounds[0] + grid.bounds[2]) / 2
    else:
        crs = _crs_from_antimeridian(source, grid)
        middle = meridian = 0.0 if crs is None else turn / 2
    moved = float(turn * np.rint((middle - (left + right) / 2) / turn))
    start = middle - turn / 2
    around = round(turn / step)
    whole = abs(around * step - turn) < MAX_GAP * step
    inside = left + moved >= start - step / 2 and right + moved <= start + turn + step / 2
    if not whole or (inside and source.width < around):
        return Columns(0, source.width, moved=moved - meridian, crs=crs)
    # One more column on each side, as the neighbour of pixels where the circle closes.
    whole_circle = Columns(round((start - left - moved) / step) - 1, around + 2, around, moved)
    return replace(whole_circle, moved=moved - meridian, crs=crs)


def is_cut(source: Grid, grid: Grid) -> bool:
    """Return whether longitudes jump inside a grid, however they are counted, as they do around a pole.

    A pixel that the meridian of the jump crosses would be averaged over the whole circle.

    Examples
    --------
    >>> globe = Grid(CRS.from_epsg(4326), Affine(1, 0, -180, 0, -1, 90), 180, 360)
    >>> is_cut(globe, Grid(CRS.from_epsg(3031), Affine(5e3, 0, -1e5, 0, -5e3, 1e5), 40, 40))
    True
    """
    if source.turn is None or source.crs is None or grid.crs is None or same_crs(source.crs, grid.crs):
        return False
    crs = columns_near(source, grid).crs or source.crs
    columns, rows = np.meshgrid(*(np.linspace(0, side, SAMPLE_SIDE) for side in (grid.width, grid.height)))
    t = grid.transform
    x, y = (t.a * columns + t.b * rows + t.c).ravel(), (t.d * columns + t.e * rows + t.f).ravel()
    longitudes = np.array(transform_points(grid.crs, crs, x, y)[0]).reshape(columns.shape)
    with np.errstate(invalid="ignore"):
        return any(bool((np.abs(np.diff(longitudes, axis=axis)) > source.turn / 2).any()) for axis in (0, 1))


def _crs_from_antimeridian(source: Grid, grid: Grid) -> CRS | None:
    """Return the CRS of a file with longitudes counted from 180 degrees, for a grid near 180 and not around 0."""
    assert source.turn is not None and source.crs is not None and grid.crs is not None
    columns, rows = np.meshgrid(*(np.linspace(0, side, SAMPLE_SIDE) for side in (grid.width, grid.height)))
    t = grid.transform
    x, y = (t.a * columns + t.b * rows + t.c).ravel(), (t.d * columns + t.e * rows + t.f).ravel()
    places = np.array(transform_points(grid.crs, source.crs, x, y))
    finite = np.isfinite(places).all(axis=0)
    far = np.abs(places[0, finite])
    if not far.size or far.max() < source.turn * (0.5 - FAR) or far.min() < source.turn * FAR:
        return None
    parts = pyproj.CRS.from_wkt(source.crs.to_wkt()).to_json_dict()
    if parts["type"] != "GeographicCRS":
        return None
    datum = parts.pop("datum_ensemble", None) or parts.pop("datum")
    if "prime_meridian" in datum and datum["prime_meridian"].get("longitude") != 0:
        return None
    parts.pop("id", None)
    parts["name"] = "longitudes from 180 degrees"
    parts["datum"] = {
        "type": "GeodeticReferenceFrame",
        "name": datum["name"],
        "ellipsoid": datum["ellipsoid"],
        "prime_meridian": {"name": "180 degrees", "longitude": 180},
    }
    crs = CRS.from_wkt(pyproj.CRS.from_json_dict(parts).to_wkt())
    moved_places = np.array(transform_points(grid.crs, crs, x, y))
    differences = (moved_places - places)[:, finite]
    differences[0] -= source.turn / 2 * np.rint(differences[0] / source.turn * 2)
    return crs if np.abs(differences).max() < SAME_PLACE * source.transform.a else None
