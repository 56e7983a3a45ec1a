"""The scale of a map projection: how long a unit of its coordinates is on the ground."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pyproj
import pyproj.exceptions

from geosoil.errors import GridError

if TYPE_CHECKING:
    from geosoil.raster.grid import Grid

NEGLIGIBLE = 0.02  # a scale that differs less from 1 is left out, as usual for UTM, national and continental grids
MAX_ROW_SPREAD = 0.1  # by which the scale may differ from the mean of its row
MAX_SKEW_DEG = 5.0  # by which the angle between rows and columns may differ from 90 degrees on the ground
SAMPLE_ROWS, SAMPLE_COLUMNS = 513, 17
STEP_M = 1000.0  # along which the scale is measured: far above the rounding of a projection's inverse


def ground_scale(grid: Grid, where: str) -> tuple[np.ndarray, np.ndarray] | None:
    """Compute metres on the ground per metre of a projection, row by row, from geodesics on its ellipsoid.

    Parameters
    ----------
    grid : Grid
        A grid in a projected CRS, not rotated.
    where : str
        The name of the raster, for messages.

    Returns
    -------
    (ndarray of shape (y,), ndarray of shape (y,)) or None
        The scale along rows and along columns, the mean of each row; None if it is 1 within 2 % everywhere.

    Raises
    ------
    GridError
        If the scale changes by more than 10 % along a row, or rows and columns are not perpendicular on the ground.

    Examples
    --------
    >>> from affine import Affine
    >>> from rasterio.crs import CRS
    >>> from geosoil.raster.grid import Grid
    >>> tile = Grid(CRS.from_epsg(3857), Affine(40, 0, 1113195, 0, -40, 8399738), height=2, width=2)  # at 60 N
    >>> along_rows, along_columns = ground_scale(tile, "tile")
    >>> along_rows.round(3), along_columns.round(3)
    (array([0.501, 0.501]), array([0.5, 0.5]))
    """
    measured = _measure(grid)
    if measured is None:
        return None
    rows, along_rows, along_columns, skew_deg = measured
    if max(np.nanmax(np.abs(scale - 1)) for scale in (along_rows, along_columns)) <= NEGLIGIBLE:
        return None
    means, spread = [], 0.0
    for scale in (along_rows, along_columns):
        mean = np.nanmean(scale, axis=1)
        spread = max(spread, float(np.nanmax(np.abs(scale / mean[:, None] - 1))))
        means.append(np.interp(np.arange(grid.height) + 0.5, rows, mean))
    worst_deg = float(np.nanmax(np.abs(skew_deg)))
    if spread > MAX_ROW_SPREAD or worst_deg > MAX_SKEW_DEG:
        problem = (
            f"rows and columns that are {90 - worst_deg:.0f} degrees apart on the ground"
            if worst_deg > MAX_SKEW_DEG
            else f"a projection whose scale changes by {100 * spread:.0f} % along a row"
        )
        raise GridError(
            where,
            found=problem,
            expected="a projection that keeps distances nearly true, such as UTM",
            way_out="warp it to one with `gdalwarp -t_srs`, or cut it into smaller parts",
        )
    return means[0], means[1]


def _measure(grid: Grid) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray] | None:
    """Return sampled rows, scales along rows and along columns, and skew in degrees `(row, column)`; NaN off the globe.

    Rows without any place on the globe are left out; None if there is no other row, or the CRS has no ellipsoid.
    """
    assert grid.crs is not None
    try:
        crs = pyproj.CRS.from_wkt(grid.crs.to_wkt()).to_2d()
        geod, geographic = crs.get_geod(), crs.geodetic_crs
    except pyproj.exceptions.CRSError:
        return None
    if geod is None or geographic is None:
        return None
    to_degrees = pyproj.Transformer.from_crs(crs, geographic.to_2d(), always_xy=True)
    degrees_per_unit = np.rad2deg(geographic.axis_info[0].unit_conversion_factor)
    rows, columns = (
        np.unique(np.linspace(0.5, side - 0.5, min(side, most)))
        for side, most in ((grid.height, SAMPLE_ROWS), (grid.width, SAMPLE_COLUMNS))
    )
    t = grid.transform
    x, y = np.meshgrid(t.c + t.a * columns, t.f + t.e * rows)
    half = STEP_M / grid.crs.units_factor[1] / 2
    steps = ((-half, 0.0), (half, 0.0), (0.0, -half), (0.0, half))
    with np.errstate(invalid="ignore"):
        west, east, south, north = (
            np.array(to_degrees.transform(x + across, y + up)) * degrees_per_unit for across, up in steps
        )
    good = np.asarray(np.isfinite([west, east, south, north]).all(axis=(0, 1)))
    scales, azimuths_deg = np.full((2, *x.shape), np.nan), np.full((2, *x.shape), np.nan)
    for k, (start, end) in enumerate(((west, east), (south, north))):
        azimuth_deg, _, length_m = geod.inv(*start[:, good], *end[:, good])
        scales[k][good], azimuths_deg[k][good] = length_m / STEP_M, azimuth_deg
    on_globe = good.any(axis=1)
    if not on_globe.any():
        return None
    skew_deg = (azimuths_deg[0] - azimuths_deg[1]) % 180 - 90
    return rows[on_globe], scales[0][on_globe], scales[1][on_globe], skew_deg[on_globe]
