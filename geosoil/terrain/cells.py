"""Sizes of the cells of a DEM on the ground, row by row, on which all slopes, distances and areas are based."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import GridError
from geosoil.raster.blocks import choose_block, map_blocks
from geosoil.raster.grid import Grid, is_local
from geosoil.raster.layout import check_raster
from geosoil.terrain.ground_scale import ground_scale

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import xarray as xr
    from rasterio.crs import CRS

Degrees = Literal["refuse", "scale"]

WGS84_RADIUS_M, WGS84_ECCENTRICITY_2 = 6_378_137.0, 6.694379990141e-3


@dataclass(frozen=True)
class CellSizes:
    """Sizes of the cells of a grid on the ground.

    Attributes
    ----------
    width_m, height_m : ndarray of shape (y,)
        Positive sizes in metres.
    to_east, to_north : int
        +1 or -1: whether columns increase to the east and rows to the north.
    note : str
        A remark on the conversion of units, or "".
    """

    width_m: np.ndarray
    height_m: np.ndarray
    to_east: int
    to_north: int
    note: str = ""

    @property
    def uniform(self) -> bool:
        """Whether the cells of all rows have the same size."""
        return bool(np.ptp(self.width_m) == 0 and np.ptp(self.height_m) == 0)


def cell_sizes(dem: xr.DataArray, *, degrees: Degrees = "refuse") -> CellSizes:
    """Compute the sizes of the cells of a raster in metres.

    Parameters
    ----------
    dem : DataArray of shape (band, y, x)
        A raster with a CRS, not rotated; feet and other units of length are converted to metres. Where the scale of the
        projection differs from 1 by more than 2 %, such as in Web Mercator, sizes are those on the ground.
    degrees : {"refuse", "scale"}
        Whether a grid in degrees is refused, or its cells are scaled by the latitude of their row on the WGS84
        ellipsoid.

    Returns
    -------
    CellSizes

    Raises
    ------
    GridError
        If the grid is rotated, has no CRS or one without a plane, is in degrees that may not be scaled, or its
        projection distorts it too much (see `ground_scale`).

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> dem = make_raster(np.zeros((1, 2, 2), "float32"), names=["dem"], crs="EPSG:4326",
    ...                   transform=Affine(0.001, 0, 10, 0, -0.001, 60.002))
    >>> sizes = cell_sizes(dem, degrees="scale")
    >>> sizes.width_m.round(1), sizes.height_m.round(1)
    (array([55.8, 55.8]), array([111.4, 111.4]))
    """
    where = dem.attrs.get("source") or "DEM"
    grid = Grid.of(check_raster(dem))
    if grid.transform.b or grid.transform.d:
        raise GridError(
            where, found="a rotated grid", expected="rows that run west to east", way_out="warp it with `gdalwarp`"
        )
    if grid.crs is None:
        raise GridError(
            where,
            found="no CRS",
            expected="a projected CRS, so that cells have a size in metres",
            way_out="assign it with `gdal_edit.py -a_srs`",
        )
    step_x, step_y = abs(grid.transform.a), abs(grid.transform.e)
    signs = int(np.sign(grid.transform.a)), int(np.sign(grid.transform.e))
    if grid.crs.is_geographic:
        if degrees != "scale":
            raise GridError(
                where,
                found=f"a grid in degrees ({step_x:g} x {step_y:g})",
                expected="cells in metres",
                way_out="warp it to a projected CRS with `gdalwarp -t_srs`, or scale cells by latitude: "
                "--degrees scale (degrees='scale')",
            )
        degrees_per_unit = 360 / grid.turn if grid.turn else 1.0  # some maps of France count in grads
        width_m, height_m = _degree_m(dem["y"].values * degrees_per_unit)
        width_m, height_m = width_m * step_x * degrees_per_unit, height_m * step_y * degrees_per_unit
        note = (
            f"a grid in degrees: cells scaled by latitude, {width_m.min():.5g} to {width_m.max():.5g} m wide, "
            f"{height_m.mean():.5g} m high"
        )
        return CellSizes(width_m, height_m, *signs, note)
    unit, factor = _length_unit(grid.crs, where)
    note = "" if factor == 1 else f"cells of {unit} became metres (x {factor:g})"
    width_m, height_m = np.full(grid.height, step_x * factor), np.full(grid.height, step_y * factor)
    scale = ground_scale(grid, where) if grid.crs.is_projected else None
    if scale is not None:
        low, high = min(part.min() for part in scale), max(part.max() for part in scale)
        width_m, height_m = width_m * scale[0], height_m * scale[1]
        note = (
            f"a projection whose metres are {low:.4g} to {high:.4g} m on the ground: cells were measured there, "
            f"{width_m.min():.5g} to {width_m.max():.5g} m wide, {height_m.min():.5g} to {height_m.max():.5g} m high"
        )
    return CellSizes(width_m, height_m, *signs, note)


def _length_unit(crs: CRS, where: str) -> tuple[str, float]:
    """Return the name of the unit of length of a plane CRS, and its metres."""
    if not crs.is_projected and not is_local(crs):
        raise GridError(
            where,
            found="a CRS without a plane, such as a geocentric one",
            expected="a projected CRS, so that cells have a size in metres",
            way_out="warp it to one with `gdalwarp -t_srs`",
        )
    unit, factor = crs.units_factor
    return unit, factor


def map_cells(
    function: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    raster: xr.DataArray,
    sizes: CellSizes,
    *,
    names: Sequence[str],
    units: str = "",
    block: int | tuple[int, int] | None = None,
) -> xr.DataArray:
    """Run a function of 3 x 3 windows over a raster block by block, lazily.

    Parameters
    ----------
    function : callable
        Takes a block `(band, y + 2, x + 2)`, NaN beyond the raster, and the width and height of its cells `(y, 1)` or
        `(1, 1)` in metres; returns `(names, y, x)`.
    raster : DataArray of shape (band, y, x)
    sizes : CellSizes
    names, units, block
        As in `map_blocks`, whose result and errors it has.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> dem = make_raster(np.ones((1, 2, 3), "float32"), names=["dem"], crs="EPSG:32633",
    ...                   transform=Affine(30, 0, 0, 0, -20, 0))
    >>> area = map_cells(lambda b, width, height: b[:, 1:-1, 1:-1] * width * height, dem, cell_sizes(dem), names=["m2"])
    >>> float(area.max())
    600.0
    """
    if sizes.uniform:
        width_m, height_m = sizes.width_m[:1, None], sizes.height_m[:1, None]
        return map_blocks(
            lambda b: function(b, width_m, height_m), raster, names=names, halo=1, block=block, units=units
        )
    # A block does not know its rows, so the sizes are added to it as two more bands.
    return map_blocks(
        lambda b: function(b[:-2], b[-2, 1:-1, 1:2].astype(np.float64), b[-1, 1:-1, 1:2].astype(np.float64)),
        _with_sizes(raster, sizes, block),
        names=names,
        halo=1,
        block=block,
        units=units,
    )


def with_notes(raster: xr.DataArray, *notes: str) -> xr.DataArray:
    """Return a raster whose `attrs["notes"]` are the notes that are not empty.

    >>> import xarray as xr
    >>> with_notes(xr.DataArray([1.0]), "", "heights of ft became metres").attrs["notes"]
    ('heights of ft became metres',)
    """
    raster.attrs["notes"] = tuple(note for note in notes if note)
    return raster


def _with_sizes(raster: xr.DataArray, sizes: CellSizes, block: int | tuple[int, int] | None) -> xr.DataArray:
    import dask.array as da
    import xarray as xr

    sides = choose_block(raster, halo=1) if block is None else block
    rows, columns = (sides, sides) if isinstance(sides, int) else sides
    lazy = raster.chunk({"band": -1, "y": rows, "x": columns})
    both = np.stack([sizes.width_m, sizes.height_m]).astype(np.float32)[:, :, None]
    bands = da.broadcast_to(da.from_array(both, chunks=(2, rows, 1)), (2, *raster.shape[1:]))
    data = da.concatenate([lazy.data, bands.rechunk((2, *lazy.data.chunks[1:]))]).rechunk({0: -1})
    coords = {name: c for name, c in raster.coords.items() if set(c.dims) <= {"y", "x"}}
    result = xr.DataArray(data, dims=raster.dims, coords=coords, attrs=raster.attrs)
    return result.assign_coords(band=[*map(str, raster["band"].values), "width_m", "height_m"])


def _degree_m(latitude_deg: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return metres per degree of longitude and of latitude `(y,)` on the WGS84 ellipsoid."""
    phi = np.deg2rad(latitude_deg)
    w2 = 1 - WGS84_ECCENTRICITY_2 * np.sin(phi) ** 2
    degree = np.pi / 180 * WGS84_RADIUS_M
    return degree * np.cos(phi) / np.sqrt(w2), degree * (1 - WGS84_ECCENTRICITY_2) / w2**1.5
