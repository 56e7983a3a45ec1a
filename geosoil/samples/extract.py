"""Values of a raster at sample points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.tables.reader import list_ids
from geosoil.raster.grid import Grid, require_convertible

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import geopandas as gpd
    import xarray as xr

_CELL_PIXELS = (64, 256)  # limits of the sides of the squares from which points are read together
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))
"""(row, column) steps to the neighbours: up, down, left, right."""


@dataclass(frozen=True)
class RasterSamples:
    """Values of a raster at samples, one row per sample.

    Attributes
    ----------
    ids : ndarray of shape (sample,), str
    values : ndarray of shape (sample, band), float32
        Without NaN, in the units of the raster.
    neighbours : ndarray of shape (sample, 4, band), float32
        Values of the pixels up, down, left and right; NaN where there is no pixel or no data.
    wavelength_nm : ndarray of shape (band,) or None
        Wavelengths in nm, if the raster has them.
    bands : ndarray of shape (band,), str
    notes : list of str
        One sentence per change that was made to the samples or bands.
    """

    ids: np.ndarray
    values: np.ndarray
    neighbours: np.ndarray
    wavelength_nm: np.ndarray | None
    bands: np.ndarray
    notes: list[str]


def sample_raster(
    raster: xr.DataArray, points: gpd.GeoDataFrame, *, sample_id: str, on_missing: Literal["stop", "drop"] = "stop"
) -> RasterSamples:
    """Read the values of the pixel that contains each point, and of its four neighbours.

    Bands without data at any point (dead channels) are left out, which is noted.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
        A cube or a stack of covariates; only windows around the points are read.
    points : GeoDataFrame
        Points with a CRS; they are reprojected to that of the raster.
    sample_id : str
        The column of ids.
    on_missing : {"stop", "drop"}
        Whether points outside the raster, or where any band has no data, are an error or are dropped.

    Returns
    -------
    RasterSamples

    Raises
    ------
    SamplesError
        If the raster or the points have no CRS, points are missing and `on_missing` is "stop", or fewer than two
        points remain.

    Examples
    --------
    >>> import geopandas as gpd
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> values = np.arange(9, dtype="float32").reshape(1, 3, 3)
    >>> raster = make_raster(values, names=["b"], crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 90))
    >>> points = gpd.GeoDataFrame({"id": ["p", "q"]}, geometry=gpd.points_from_xy([45, 5], [45, 85]), crs="EPSG:32633")
    >>> pixels = sample_raster(raster, points, sample_id="id")
    >>> pixels.values[:, 0], pixels.neighbours[0, :, 0]
    (array([4., 0.], dtype=float32), array([1., 7., 3., 5.], dtype=float32))
    """
    kind = "cube" if "wavelength_nm" in raster.coords else "raster"
    where = raster.attrs.get("source") or kind
    ids = points[sample_id].to_numpy(dtype=object)
    rows, columns, notes = locate_points(raster, points, what=kind)
    values, neighbours = _read(raster, rows, columns)

    outside = rows < 0
    empty = ~outside & np.isnan(values).all(axis=1)
    nonempty = values[~outside & ~empty]
    dead = np.isnan(nonempty).all(axis=0) if len(nonempty) else np.zeros(values.shape[1], bool)
    partly = ~outside & ~empty & np.isnan(values[:, ~dead]).any(axis=1)
    if outside.all() and _are_swapped(raster, points):
        raise SamplesError(
            where,
            found=f"{len(ids)} points outside the {kind}, which are inside with x and y exchanged",
            expected="the columns of x (east, longitude) and y (north, latitude)",
            way_out="exchange the two columns",
        )
    missing = {
        f"outside the {kind}": outside,
        "on no data": empty,
        "on pixels where some bands have no data": partly,
    }
    what = "spectrum" if kind == "cube" else "value"
    kept, dropped = choose_points(ids, missing, where=where, on_missing=on_missing, what=what)
    notes += dropped
    bands = raster["band"].values
    if dead.any():
        notes.append(f"left out {dead.sum()} bands without data at any point: {list_ids(bands[dead])}")
    notes += shared_pixels(ids[kept], rows[kept], columns[kept])
    return RasterSamples(
        ids=ids[kept],
        values=values[kept][:, ~dead],
        neighbours=neighbours[kept][:, :, ~dead],
        wavelength_nm=raster["wavelength_nm"].values[~dead] if kind == "cube" else None,
        bands=bands[~dead],
        notes=notes,
    )


def _are_swapped(raster: xr.DataArray, points: gpd.GeoDataFrame) -> bool:
    """Return whether at least half of the points lie inside a raster once x and y are exchanged."""
    import geopandas as gpd

    exchanged = gpd.GeoDataFrame(geometry=gpd.points_from_xy(points.geometry.y, points.geometry.x), crs=points.crs)
    with np.errstate(invalid="ignore"):
        rows, _, _ = locate_points(raster, exchanged, what="raster")
    return bool(2 * np.count_nonzero(rows >= 0) >= len(points))


def locate_points(
    raster: xr.DataArray, points: gpd.GeoDataFrame, *, what: str
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Find the pixels that contain points.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
    points : GeoDataFrame
    what : str
        The kind of raster, for messages.

    Returns
    -------
    rows, columns : ndarray of shape (n,), int
        -1 where a point lies outside the raster.
    notes : list of str
        A note if the points were reprojected.

    Raises
    ------
    SamplesError
        If the raster or the points have no CRS.
    """
    grid = Grid.of(raster)
    if grid.crs is None or points.crs is None:
        owner = f"the {what}" if grid.crs is None else "the points"
        raise SamplesError(
            raster.attrs.get("source") or what,
            found=f"no CRS of {owner}",
            expected=f"a CRS of the {what} and of the points",
            way_out=f"orthorectify the {what}, or state the CRS of the points",
        )
    notes = []
    if points.crs != grid.crs:
        require_convertible(grid.crs, points.crs, where=raster.attrs.get("source") or what)
        points = points.to_crs(grid.crs)
        notes.append(f"points were reprojected to the CRS of the {what}, {grid.crs.to_string()[:60]}")
    rows, columns = grid.rows_columns(points.geometry.x.to_numpy(), points.geometry.y.to_numpy())
    return rows, columns, notes


def choose_points(
    ids: np.ndarray, missing: Mapping[str, np.ndarray], *, where: object, on_missing: str, what: str
) -> tuple[np.ndarray, list[str]]:
    """Choose the points that have a value.

    Parameters
    ----------
    ids : ndarray of shape (n,), str
    missing : mapping of str to ndarray of shape (n,), bool
        Points without a value by their location, such as "outside the raster".
    where : object
        The raster, for messages.
    on_missing : {"stop", "drop"}
    what : str
        The kind of value, for messages.

    Returns
    -------
    kept : ndarray of shape (n,), bool
    notes : list of str
        A note on the points that were dropped.

    Raises
    ------
    SamplesError
        If points are missing and `on_missing` is "stop", or fewer than two remain.
    """
    notes = []
    kept = ~np.any(list(missing.values()), axis=0)
    if not kept.all():
        locations = "; ".join(
            f"{flags.sum()} of {len(ids)} points {location}: {list_ids(ids[flags])}"
            for location, flags in missing.items()
            if flags.any()
        )
        if on_missing == "stop":
            raise SamplesError(
                where,
                found=locations,
                expected=f"a {what} for each point",
                way_out="remove these points or have them dropped, and check the CRS",
            )
        notes.append(f"dropped {locations}")
    if np.count_nonzero(kept) < 2:
        raise SamplesError(
            where,
            found=f"{np.count_nonzero(kept)} points with a {what}",
            expected="at least 2",
            way_out="check that the points lie on the raster",
        )
    return kept, notes


def shared_pixels(ids: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> list[str]:
    """Return a note on points that share a pixel with another."""
    _, first, counts = np.unique(np.stack([rows, columns]), axis=1, return_index=True, return_counts=True)
    if not (counts > 1).any():
        return []
    shared = ids[first[counts > 1]]
    return [f"{counts[counts > 1].sum()} points share {len(shared)} pixels with another point: {list_ids(shared)}"]


def windows_around(
    raster: xr.DataArray, rows: np.ndarray, columns: np.ndarray, margin: int
) -> Iterator[tuple[np.ndarray, np.ndarray, int, int]]:
    """Read windows that contain pixels and a margin around them, clipped to the raster.

    Neighbouring pixels are read together, so that a compressed block of the file is decoded once for all of them.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
    rows, columns : ndarray of shape (n,), int
        The pixels; rows of -1 are left out.
    margin : int
        Pixels around each pixel.

    Yields
    ------
    indices : ndarray of int
        The pixels of the window.
    values : ndarray of shape (band, y, x), float32
    top, left : int
        First row and column of the window.
    """
    _, height, width = raster.shape
    block = raster.encoding.get("preferred_chunks", {})
    cell_y, cell_x = (int(np.clip(block.get(axis, _CELL_PIXELS[1]), *_CELL_PIXELS)) for axis in ("y", "x"))
    inside = np.flatnonzero(rows >= 0)
    cells = np.stack([rows[inside] // cell_y, columns[inside] // cell_x])
    _, groups = np.unique(cells, axis=1, return_inverse=True)
    for group in range(groups.max() + 1 if inside.size else 0):
        members = inside[groups == group]
        top, left = max(rows[members].min() - margin, 0), max(columns[members].min() - margin, 0)
        bottom, right = min(rows[members].max() + margin + 1, height), min(columns[members].max() + margin + 1, width)
        yield members, raster.isel(y=slice(top, bottom), x=slice(left, right)).values, top, left


def read_at(raster: xr.DataArray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Return the values of pixels `(n, band)`, NaN where the row is -1; see `locate_points`."""
    values = np.full((rows.size, len(raster)), np.nan, np.float32)
    for members, window, top, left in windows_around(raster, rows, columns, margin=0):
        values[members] = window[:, rows[members] - top, columns[members] - left].T
    return values


def _read(raster: xr.DataArray, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Read pixels `(n, band)` and their neighbours `(n, 4, band)`; NaN outside and where rows are -1."""
    count, height, width = raster.shape
    values = np.full((rows.size, count), np.nan, np.float32)
    neighbours = np.full((rows.size, len(NEIGHBOURS), count), np.nan, np.float32)
    for members, window, top, left in windows_around(raster, rows, columns, margin=1):
        values[members] = window[:, rows[members] - top, columns[members] - left].T
        for position, (down, across) in enumerate(NEIGHBOURS):
            near_rows, near_columns = rows[members] + down, columns[members] + across
            valid = (near_rows >= 0) & (near_rows < height) & (near_columns >= 0) & (near_columns < width)
            neighbours[members[valid], position] = window[:, near_rows[valid] - top, near_columns[valid] - left].T
    return values, neighbours
