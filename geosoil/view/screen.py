"""The part of the ground that is on the screen, and how rasters of any grid and CRS are read for it.

A raster is read at the coarsest level of its pyramid whose pixels are not larger than those of the screen, and only the
window that is shown. Each pixel of the screen then takes the pixel of that level which contains its centre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pyproj

from geosoil.raster.grid import same_crs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rasterio.crs import CRS

    from geosoil.io.rasters.pyramid import Level
    from geosoil.raster.grid import Grid

LATTICE = 33  # points per side between which coordinates of another CRS are interpolated
MOST_SIDE = 8192  # pixels of a screen; larger requests are refused


class Source(Protocol):
    """What can be shown: values at several levels of resolution."""

    @property
    def levels(self) -> Sequence[Level]:
        """Its resolutions, from fine to coarse."""

    @property
    def empty(self) -> Any:
        """The value of no data."""

    def read(self, level: int, rows: slice, columns: slice) -> np.ndarray:
        """Return a window `(y, x)` of a level."""


@dataclass(frozen=True)
class Screen:
    """A rectangle of the ground and the number of pixels in which it is shown.

    Parameters
    ----------
    left, bottom, right, top : float
        Edges in units of the CRS of the view.
    width, height : int
        Pixels.

    Examples
    --------
    >>> Screen(0, 0, 40, 20, width=4, height=2).centres
    (array([ 5., 15., 25., 35.]), array([15.,  5.]))
    """

    left: float
    bottom: float
    right: float
    top: float
    width: int
    height: int

    def __post_init__(self) -> None:
        sides = (self.width, self.height)
        edges = np.array([self.left, self.bottom, self.right, self.top], np.float64)
        if not (np.isfinite(edges).all() and self.left < self.right and self.bottom < self.top):
            raise ValueError(f"edges of the screen are {edges.tolist()}; expected finite and rising numbers")
        if not all(1 <= side <= MOST_SIDE for side in sides):
            raise ValueError(f"the screen has {self.width} x {self.height} pixels; expected 1 to {MOST_SIDE}")

    @property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """The coordinates x `(width,)` and y `(height,)` of the centres of its pixels, y from the top."""
        across, down = (self.right - self.left) / self.width, (self.top - self.bottom) / self.height
        x = self.left + (np.arange(self.width) + 0.5) * across
        return x, self.top - (np.arange(self.height) + 0.5) * down


@dataclass(frozen=True)
class Request:
    """What is read of a source for a screen.

    Parameters
    ----------
    level : int
        Number of the level.
    rows, columns : slice
        The window in pixels of the level.
    row_of, column_of : ndarray of int
        The pixel of the level, relative to the window, of each pixel of the screen; broadcast to `(height, width)`.
    is_inside : ndarray of bool
        Whether a pixel of the screen lies in the raster, broadcast alike.
    """

    level: int
    rows: slice
    columns: slice
    row_of: np.ndarray
    column_of: np.ndarray
    is_inside: np.ndarray


def plan_request(levels: Sequence[Level], screen: Screen, crs: CRS | None) -> Request | None:
    """Choose the level and the window of a raster for a screen.

    Parameters
    ----------
    levels : sequence of Level
        From fine to coarse.
    screen : Screen
    crs : CRS or None
        That of the screen.

    Returns
    -------
    Request or None
        None if the raster is not on the screen.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.io.rasters.pyramid import Level
    >>> from geosoil.raster.grid import Grid
    >>> levels = [Level(Grid(None, Affine(s, 0, 0, 0, -s, 400), 400 // s, 400 // s), s) for s in (1, 2, 4)]
    >>> request = plan_request(levels, Screen(100, 100, 300, 300, width=80, height=80), None)
    >>> request.level, request.rows, request.columns
    (1, slice(50, 150, None), slice(50, 150, None))
    """
    fine = levels[0].grid
    columns, rows = _fractional_pixels(screen, fine, crs)
    step = _pixels_per_screen_pixel(columns, rows)
    number = max(k for k, level in enumerate(levels) if k == 0 or level.factor <= step * 1.001)
    grid = levels[number].grid
    across, down = (a / b for a, b in zip(_pixel_sides(fine), _pixel_sides(grid), strict=True))
    with np.errstate(invalid="ignore"):
        columns = np.floor(across * columns)
        rows = np.floor(down * rows)
        is_inside = (columns >= 0) & (columns < grid.width) & (rows >= 0) & (rows < grid.height)
    if not is_inside.any():
        return None
    column_of = np.where((columns >= 0) & (columns < grid.width), columns, -1).astype(np.int64)
    row_of = np.where((rows >= 0) & (rows < grid.height), rows, -1).astype(np.int64)
    window_columns, window_rows = _range(column_of), _range(row_of)
    return Request(
        number,
        window_rows,
        window_columns,
        np.maximum(row_of - window_rows.start, 0),
        np.maximum(column_of - window_columns.start, 0),
        is_inside,
    )


def read_on_screen(source: Source, screen: Screen, crs: CRS | None) -> np.ndarray:
    """Read what a screen shows of a source.

    Parameters
    ----------
    source : Source
    screen : Screen
    crs : CRS or None
        That of the screen.

    Returns
    -------
    ndarray of shape (height, width)
        The values of the source, `source.empty` outside of it; the first row is the top of the screen.
    """
    request = plan_request(source.levels, screen, crs)
    if request is None:
        return np.full((screen.height, screen.width), source.empty)
    window = source.read(request.level, request.rows, request.columns)
    values = window[request.row_of, request.column_of]
    return values if request.is_inside.all() else np.where(request.is_inside, values, source.empty).astype(values.dtype)


def pixel_at(grid: Grid, x: float, y: float, crs: CRS | None) -> tuple[int, int] | None:
    """Return the row and the column of the pixel that contains a point of another CRS; None outside of the grid.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.grid import Grid
    >>> pixel_at(Grid(None, Affine(30, 0, 0, 0, -30, 60), height=2, width=3), 45, 10, None)
    (1, 1)
    """
    x_there, y_there = convert(np.array([x], np.float64), np.array([y], np.float64), crs, grid.crs)
    (row,), (column,) = grid.rows_columns(x_there, y_there)
    return None if row < 0 else (int(row), int(column))


def extent_of(grid: Grid, crs: CRS | None) -> tuple[float, float, float, float]:
    """Return left, bottom, right and top of a grid in another CRS, from points along its edges."""
    along = np.linspace(0, 1, LATTICE)
    ends = np.zeros(LATTICE), np.ones(LATTICE)
    columns = np.concatenate([along, along, *ends]) * grid.width
    rows = np.concatenate([*ends, along, along]) * grid.height
    t = grid.transform
    x, y = convert(t.a * columns + t.b * rows + t.c, t.d * columns + t.e * rows + t.f, grid.crs, crs)
    finite = np.isfinite(x) & np.isfinite(y)
    x, y = x[finite], y[finite]
    return float(x.min()), float(y.min()), float(x.max()), float(y.max())


def _fractional_pixels(screen: Screen, grid: Grid, crs: CRS | None) -> tuple[np.ndarray, np.ndarray]:
    """Return columns and rows of the centres of the pixels of a screen, not rounded, broadcast to (height, width)."""
    x, y = screen.centres
    inverse = ~grid.transform
    is_same = crs is None or grid.crs is None or same_crs(crs, grid.crs)
    if is_same and not (inverse.b or inverse.d):
        return (inverse.a * x + inverse.c)[None, :], (inverse.e * y + inverse.f)[:, None]
    if is_same:
        x, y = x[None, :], y[:, None]
    else:
        x, y = _on_lattice(x, y, crs, grid.crs)
    return inverse.a * x + inverse.b * y + inverse.c, inverse.d * x + inverse.e * y + inverse.f


def _on_lattice(x: np.ndarray, y: np.ndarray, crs: CRS | None, other: CRS | None) -> tuple[np.ndarray, np.ndarray]:
    """Convert a grid of points to another CRS, exactly on a lattice and by bilinear interpolation between."""
    across, down = np.linspace(x[0], x[-1], LATTICE), np.linspace(y[0], y[-1], LATTICE)
    grid_x, grid_y = np.meshgrid(across, down)
    lattice = convert(grid_x.ravel(), grid_y.ravel(), crs, other)
    right, lower = (np.linspace(0, LATTICE - 1, len(part)) for part in (x, y))
    i, j = (np.minimum(part.astype(np.int64), LATTICE - 2) for part in (right, lower))
    u, v = right - i, (lower - j)[:, None]
    results = []
    for part in lattice:
        table = part.reshape(LATTICE, LATTICE)
        of_rows = table[:, i] * (1 - u) + table[:, i + 1] * u
        results.append(of_rows[j] * (1 - v) + of_rows[j + 1] * v)
    return results[0], results[1]


def convert(x: np.ndarray, y: np.ndarray, crs: CRS | None, other: CRS | None) -> tuple[np.ndarray, np.ndarray]:
    """Convert points to another CRS; infinite where it cannot hold them."""
    if crs is None or other is None or same_crs(crs, other):
        return x, y
    return _transformer(crs.to_wkt(), other.to_wkt()).transform(x, y)


@lru_cache(maxsize=32)
def _transformer(wkt: str, other: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(wkt, other, always_xy=True)


def _pixel_sides(grid: Grid) -> tuple[float, float]:
    """Return the sides of a pixel along rows and along columns in units of the CRS."""
    t = grid.transform
    return float(np.hypot(t.a, t.d)), float(np.hypot(t.b, t.e))


def _pixels_per_screen_pixel(columns: np.ndarray, rows: np.ndarray) -> float:
    """Return how many pixels of a raster lie along the side of a pixel of the screen, the smaller of both sides."""
    steps = []
    for axis in (0, 1):
        along = [np.diff(part, axis=axis) for part in (columns, rows) if part.shape[axis] > 1]
        if not along:
            continue
        with np.errstate(invalid="ignore"):
            length = np.hypot(*along) if len(along) == 2 else np.abs(along[0])
        length = length[np.isfinite(length)]
        if length.size:
            steps.append(float(np.median(length)))
    return min(steps, default=1.0)


def _range(pixels: np.ndarray) -> slice:
    """Return the range of the pixels that are not negative."""
    inside = pixels[pixels >= 0]
    return slice(int(inside.min()), int(inside.max()) + 1)
