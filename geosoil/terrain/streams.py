"""The stream network of a DEM: cells by a threshold of area, lines with Strahler's order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RasterError

if TYPE_CHECKING:
    import geopandas as gpd
    import xarray as xr

    from geosoil.terrain.flow import Drainage

DEFAULT_STREAM_AREA_M2 = 1e6
DEFAULT_STREAM_SHARE = 0.01


def default_stream_area_m2(drainage: Drainage) -> float:
    """Return the default catchment area at which a stream begins: 1 km2, or 1 % of a DEM of less than 100 km2.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> from geosoil.terrain.flow import drain
    >>> dem = make_raster(np.ones((1, 10, 10), "float32"), names=["dem"], crs="EPSG:32633",
    ...                   transform=Affine(10, 0, 0, 0, -10, 0))
    >>> default_stream_area_m2(drain(dem))
    100.0
    """
    return min(DEFAULT_STREAM_AREA_M2, DEFAULT_STREAM_SHARE * drainage.valid_m2)


def stream_cells(drainage: Drainage, stream_area_m2: float) -> xr.DataArray:
    """Mark the cells through which at least `stream_area_m2` drains, by D8, so that streams are continuous.

    Parameters
    ----------
    drainage : Drainage
    stream_area_m2 : float
        Catchment area in m2 at which a stream begins.

    Returns
    -------
    DataArray of shape (1, y, x)
        The band `stream`: 1 on a stream, 0 elsewhere, NaN where there is no data.

    Raises
    ------
    RasterError
        If the area is not positive.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> from geosoil.terrain.flow import drain
    >>> valley = np.abs(np.arange(-2, 3))[None, None] + np.arange(4)[None, ::-1, None]
    >>> dem = make_raster(valley.astype("float32"), names=["dem"], crs="EPSG:32633",
    ...                   transform=Affine(1, 0, 0, 0, -1, 0))
    >>> stream_cells(drain(dem), 4).values[0, :, 2]
    array([0., 0., 1., 1.], dtype=float32)
    """
    if not stream_area_m2 > 0:
        raise RasterError(
            drainage.source or "DEM",
            found=f"{stream_area_m2:g} m2 where a stream begins",
            expected="an area above 0",
            way_out="give the catchment area at which a stream begins (--stream-area-m2), or omit it",
        )
    area_m2, _ = drainage.areas("d8")
    with np.errstate(invalid="ignore"):
        cells = (area_m2 >= stream_area_m2).astype(np.float32)
    cells[np.isnan(area_m2)] = np.nan
    return drainage.raster(cells, "stream", "")


def stream_lines(drainage: Drainage, streams: xr.DataArray) -> gpd.GeoDataFrame:
    """Trace the lines of the streams, from each head or junction to the next junction or to the edge.

    Parameters
    ----------
    drainage : Drainage
    streams : DataArray of shape (1, y, x)
        The result of `stream_cells`.

    Returns
    -------
    GeoDataFrame
        Lines through the centres of cells, downstream, with `strahler_order` (Strahler 1957; 1 is a head) and
        `length_m` on the ground, in the CRS of the DEM. It is empty without streams, or if they are single cells.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> from geosoil.terrain.flow import drain
    >>> valley = np.abs(np.arange(-2, 3))[None, None] + np.arange(4)[None, ::-1, None]
    >>> dem = make_raster(valley.astype("float32"), names=["dem"], crs="EPSG:32633",
    ...                   transform=Affine(1, 0, 0, 0, -1, 0))
    >>> drainage = drain(dem)
    >>> stream_lines(drainage, stream_cells(drainage, 4))[["strahler_order", "length_m"]].values.tolist()
    [[1.0, 1.0]]
    """
    import geopandas as gpd

    from geosoil.terrain import _kernels

    mask = streams.values[0] == 1
    if not (mask & (drainage.directions != _kernels.OUTLET)).any():  # pyflwdir refuses a network of single cells
        return gpd.GeoDataFrame({"strahler_order": [], "length_m": []}, geometry=[], crs=drainage.grid.crs)
    import pyflwdir
    from shapely import LineString

    # A graph of the stream cells only; that of all cells would need 1 GiB at 4000 x 4000.
    cells = np.flatnonzero(mask)
    steps = np.append(_kernels.ROW_STEP, 0) * mask.shape[1] + np.append(_kernels.COLUMN_STEP, 0)  # -1, an outlet: 0
    downstream = np.searchsorted(cells, cells + steps[drainage.directions.ravel()[cells]])
    order = pyflwdir.Flwdir(downstream).stream_order(type="strahler")
    flows_on = downstream != np.arange(cells.size)
    joined = np.bincount(downstream[flows_on], minlength=cells.size)
    columns_of_lines: dict[str, list[Any]] = {"strahler_order": [], "length_m": []}
    lines = []
    for start in np.flatnonzero((joined != 1) & flows_on):
        path = [start, downstream[start]]
        while joined[path[-1]] == 1 and flows_on[path[-1]]:
            path.append(downstream[path[-1]])
        rows, columns = np.divmod(cells[path], mask.shape[1])
        columns_of_lines["strahler_order"].append(int(order[start]))
        columns_of_lines["length_m"].append(_length_m(rows, columns, drainage))
        transform = drainage.grid.transform
        x, y = transform.c + transform.a * (columns + 0.5), transform.f + transform.e * (rows + 0.5)
        lines.append(LineString(np.column_stack([x, y])))
    return gpd.GeoDataFrame(columns_of_lines, geometry=lines, crs=drainage.grid.crs)


def _length_m(rows: np.ndarray, columns: np.ndarray, drainage: Drainage) -> float:
    """Return the length on the ground of a line through cells; a step between rows has their mean width."""
    width_m, height_m = drainage.sizes.width_m[rows], drainage.sizes.height_m[rows]
    across = np.diff(columns) * (width_m[1:] + width_m[:-1]) / 2
    down = np.diff(rows) * (height_m[1:] + height_m[:-1]) / 2
    return float(np.hypot(across, down).sum())
