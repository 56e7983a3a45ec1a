"""Slope, aspect and curvatures of a DEM, from windows of 3 x 3 cells.

A missing neighbour, beyond the edge or without data, is replaced by the mirror image of the opposite one through the
cell (z' = 2 z - z_opposite), so that a plane has its slope up to the last row. If both are missing, the result is NaN.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.terrain.cells import Degrees, cell_sizes, map_cells, with_notes
from geosoil.terrain.heights import height_factor

if TYPE_CHECKING:
    import xarray as xr

SlopeMethod = Literal["horn", "zevenbergen_thorne"]


def slope(
    dem: xr.DataArray,
    method: SlopeMethod = "horn",
    *,
    z_factor: float | None = None,
    degrees: Degrees = "refuse",
    block: int | tuple[int, int] | None = None,
) -> xr.DataArray:
    """Compute the slope of a DEM, lazily.

    Parameters
    ----------
    dem : DataArray of shape (1, y, x)
        Heights.
    method : {"horn", "zevenbergen_thorne"}
        Horn (1981), as in GDAL, GRASS and terra; or Zevenbergen and Thorne (1987), as in SAGA.
    z_factor : float, optional
        Metres per unit of the heights; default: by the unit that the raster states, else 1 (see `height_factor`).
    degrees : {"refuse", "scale"}
        See `cell_sizes`.
    block : int or (int, int), optional
        Side of a block in pixels, on which the values do not depend.

    Returns
    -------
    DataArray of shape (1, y, x)
        The band `slope_deg`, degrees from the horizontal, 0 to 90; `attrs["notes"]` states what was converted.

    Raises
    ------
    GridError
        As in `cell_sizes`.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> plane = np.add.outer(np.arange(4), np.arange(4))[None] * 3.0
    >>> dem = make_raster(plane.astype("float32"), names=["dem"], crs="EPSG:32633",
    ...                   transform=Affine(3, 0, 0, 0, -3, 0))
    >>> np.unique(slope(dem)).round(4)  # atan(sqrt(2)), up to the edges
    array([54.7356], dtype=float32)
    """

    factor, note = height_factor(dem, z_factor)

    def of_block(b: np.ndarray, width_m: np.ndarray, height_m: np.ndarray) -> np.ndarray:
        return np.rad2deg(slope_rad(*gradient(b[0], width_m, height_m, method, z_factor=factor)))[None]

    sizes = cell_sizes(dem, degrees=degrees)
    return with_notes(map_cells(of_block, dem, sizes, names=["slope_deg"], units="deg", block=block), sizes.note, note)


def aspect(
    dem: xr.DataArray,
    method: SlopeMethod = "horn",
    *,
    z_factor: float | None = None,
    degrees: Degrees = "refuse",
    block: int | tuple[int, int] | None = None,
) -> xr.DataArray:
    """Compute the aspect of the slopes of a DEM, lazily; the parameters and errors are those of `slope`.

    Returns
    -------
    DataArray of shape (1, y, x)
        The band `aspect_deg`: the downslope direction, degrees clockwise from north, 0 to 360; NaN on flats.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> falls_to_the_east = np.tile(-np.arange(4, dtype="float32"), (1, 4, 1))
    >>> dem = make_raster(falls_to_the_east, names=["dem"], crs="EPSG:32633", transform=Affine(3, 0, 0, 0, -3, 0))
    >>> float(aspect(dem).min()), float(aspect(dem).max())
    (90.0, 90.0)
    """
    sizes = cell_sizes(dem, degrees=degrees)
    factor, note = height_factor(dem, z_factor)

    def of_block(b: np.ndarray, width_m: np.ndarray, height_m: np.ndarray) -> np.ndarray:
        east, south = gradient(b[0], width_m, height_m, method, z_factor=factor)
        return aspect_deg(sizes.to_east * east, sizes.to_north * south)[None]

    return with_notes(map_cells(of_block, dem, sizes, names=["aspect_deg"], units="deg", block=block), sizes.note, note)


def curvatures(
    dem: xr.DataArray,
    *,
    z_factor: float | None = None,
    degrees: Degrees = "refuse",
    block: int | tuple[int, int] | None = None,
) -> xr.DataArray:
    """Compute profile and plan curvature of a DEM, lazily, from the surface of Zevenbergen and Thorne (1987).

    The parameters and errors are those of `slope`. Plan curvature is limited to 2 / cell size, because the grid cannot
    represent a contour that bends within half a cell.

    Returns
    -------
    DataArray of shape (2, y, x)
        The bands `profile_curvature_1_m` (along the slope line) and `plan_curvature_1_m` (of the contour line), in
        1/m, positive where convex, 0 on flats.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> x, y = np.meshgrid(np.arange(-5.0, 6), np.arange(5.0, -6, -1))
    >>> cone = (-np.hypot(x, y)).astype("float32")[None]
    >>> dem = make_raster(cone, names=["dem"], crs="EPSG:32633", transform=Affine(1, 0, 0, 0, -1, 0))
    >>> profile, plan = curvatures(dem).values[:, 5, 9]  # 4 m east of the top
    >>> round(1 / float(plan), 1), abs(float(profile)) < 1e-6
    (4.1, True)
    """

    factor, note = height_factor(dem, z_factor)

    def of_block(b: np.ndarray, width_m: np.ndarray, height_m: np.ndarray) -> np.ndarray:
        return np.stack(curvatures_1_m(b[0], width_m, height_m, z_factor=factor))

    names = ["profile_curvature_1_m", "plan_curvature_1_m"]
    sizes = cell_sizes(dem, degrees=degrees)
    return with_notes(map_cells(of_block, dem, sizes, names=names, units="1/m", block=block), sizes.note, note)


def gradient(
    z: np.ndarray, width_m: np.ndarray, height_m: np.ndarray, method: SlopeMethod, *, z_factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return the rise per metre along rows and along columns, `(y, x)` float64, of heights `(y + 2, x + 2)`.

    `width_m` and `height_m` are the sizes of the cells in metres, `(y, 1)` or `(1, 1)`.

    Examples
    --------
    >>> metre = np.ones((1, 1))
    >>> gradient(np.arange(9.0).reshape(3, 3), metre, metre, "horn")
    (array([[1.]]), array([[3.]]))
    """
    nw, n, ne, w, _, e, sw, s, se = _window(z)
    if method == "horn":
        along_row = ((ne + 2 * e + se) - (nw + 2 * w + sw)) / 8
        along_column = ((sw + 2 * s + se) - (nw + 2 * n + ne)) / 8
    elif method == "zevenbergen_thorne":
        along_row, along_column = (e - w) / 2, (s - n) / 2
    else:
        raise ValueError(f"method is {method!r}; expected 'horn' or 'zevenbergen_thorne'")
    return along_row * (z_factor / width_m), along_column * (z_factor / height_m)


def slope_rad(along_row: np.ndarray, along_column: np.ndarray) -> np.ndarray:
    """Return the angle from the horizontal, radians, of rises per metre in two directions, all `(y, x)`.

    >>> float(np.rad2deg(slope_rad(np.array(0.3), np.array(0.4)))).__round__(4)
    26.5651
    """
    return np.arctan(np.hypot(along_row, along_column))


def aspect_deg(east: np.ndarray, north: np.ndarray) -> np.ndarray:
    """Return the downslope direction, degrees clockwise from north, of rises per metre to east and north `(y, x)`.

    >>> aspect_deg(np.array([0.3, 0.0]), np.array([0.4, 0.0])).round(4)
    array([216.8699,      nan])
    """
    angle = np.rad2deg(np.arctan2(-east, -north)) % 360
    angle = np.where(angle.astype(np.float32) == 360, 0.0, angle)  # slightly west of north is rounded up
    return np.where((east == 0) & (north == 0), np.nan, angle)


def curvatures_1_m(
    z: np.ndarray, width_m: np.ndarray, height_m: np.ndarray, *, z_factor: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """Return profile and plan curvature, `(y, x)` in 1/m, of heights `(y + 2, x + 2)`: see `curvatures`.

    >>> metre = np.ones((1, 1))
    >>> z = -(np.arange(3.0) ** 2)[None].repeat(3, axis=0)  # z = -x^2 at x = 1
    >>> profile, plan = curvatures_1_m(z, metre, metre)
    >>> profile.round(4), plan  # 2 / (1 + 2^2)^1.5
    (array([[0.1789]]), array([[-0.]]))
    """
    nw, n, ne, w, c, e, sw, s, se = _window(z)
    p, q = (e - w) / (2 * width_m) * z_factor, (s - n) / (2 * height_m) * z_factor
    r, t = (e - 2 * c + w) / width_m**2 * z_factor, (s - 2 * c + n) / height_m**2 * z_factor
    mixed = (se - sw - ne + nw) / (4 * width_m * height_m) * z_factor
    steep = p * p + q * q
    flat = steep == 0
    steep[flat] = 1.0  # the numerators are 0 there
    profile = -(p * p * r + 2 * p * q * mixed + q * q * t) / (steep * (1 + np.where(flat, 0, steep)) ** 1.5)
    plan = -(q * q * r - 2 * p * q * mixed + p * p * t) / steep**1.5
    limit = 2 / np.sqrt(width_m * height_m)
    return profile, np.clip(plan, -limit, limit)


def _window(z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return nine views `(y, x)` of heights `(y + 2, x + 2)`, float64, row by row; missing neighbours are mirrored."""
    z = np.asarray(z, dtype=np.float64)
    rows, columns = z.shape[0] - 2, z.shape[1] - 2
    views = [z[i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
    if not np.isnan(z).any():
        return tuple(views)
    centre = views[4]

    def filled(k: int, otherwise: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(views[k]), otherwise, views[k])

    straight = {k: filled(k, 2 * centre - views[8 - k]) for k in (1, 3, 5, 7)}
    # A diagonal neighbour whose opposite is also missing (a corner) lies on the plane of the two beside it.
    beside = {0: (1, 3), 2: (1, 5), 6: (7, 3), 8: (7, 5)}
    diagonal = {}
    for k, (first, second) in beside.items():
        mirrored = filled(k, 2 * centre - views[8 - k])
        diagonal[k] = np.where(np.isnan(mirrored), straight[first] + straight[second] - centre, mirrored)
    return tuple({4: centre, **straight, **diagonal}[k] for k in range(9))
