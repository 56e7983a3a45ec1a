"""All terrain covariates of a DEM as one raster."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GridError
from geosoil.raster.layout import make_raster
from geosoil.terrain.cells import Degrees, map_cells, with_notes
from geosoil.terrain.flow import Drainage, FlowMethod, drain
from geosoil.terrain.ls_factor import LSConvention, LSMethod, ls_boehner_selige, ls_desmet_govers, ls_moore
from geosoil.terrain.slope import SlopeMethod, aspect_deg, curvatures_1_m, gradient, slope_rad
from geosoil.terrain.streams import default_stream_area_m2, stream_cells
from geosoil.terrain.wetness import specific_catchment_area, wetness_index

if TYPE_CHECKING:
    import xarray as xr

UNITS = {
    "slope_deg": "deg",
    "aspect_deg": "deg",
    "profile_curvature_1_m": "1/m",
    "plan_curvature_1_m": "1/m",
    "filled_dem_m": "m",
    "catchment_area_m2": "m2",
    "twi": "",
    "ls_factor": "",
    "stream": "",
}
"""Bands of `terrain_stack` and their units."""


def terrain_stack(
    dem: xr.DataArray | Drainage,
    *,
    slope_method: SlopeMethod = "horn",
    flow: FlowMethod = "mfd",
    ls: LSMethod = "desmet_govers",
    ls_convention: LSConvention = "paper",
    stream_area_m2: float | None = None,
    z_factor: float | None = None,
    degrees: Degrees = "refuse",
    block: int | tuple[int, int] | None = None,
) -> xr.DataArray:
    """Compute slope, aspect, curvatures, catchment area, wetness, LS-factor and streams of a DEM.

    Flow is computed immediately, on the whole DEM in memory; the rest lazily, block by block. Slope, aspect and
    curvatures are those of the original DEM; wetness and LS use slope and aspect of the filled DEM, as SAGA's Basic
    Terrain Analysis does.

    Parameters
    ----------
    dem : DataArray of shape (1, y, x) or Drainage
        Heights; or the result of `drain`, which already includes `z_factor` and `degrees`.
    slope_method, flow
        See `slope` and `catchment_area`.
    ls : {"moore", "desmet_govers", "boehner_selige"}
        Formula of the LS-factor.
    ls_convention : {"paper", "saga"}
        Convention for Desmet and Govers (see `ls_desmet_govers`).
    stream_area_m2 : float, optional
        Catchment area, by D8, at which a stream begins (default: see `default_stream_area_m2`).
    z_factor : float, optional
        Metres per unit of the heights; default: by the unit that the raster states, else 1 (see `height_factor`).
    degrees : {"refuse", "scale"}
        See `cell_sizes`.
    block : int or (int, int), optional
        Side of a block in pixels.

    Returns
    -------
    DataArray of shape (band, y, x)
        The bands and units of `UNITS`; NaN where there is no data or, for the aspect, no slope.

    Raises
    ------
    GridError
        If the DEM has a single row or column, whose cells have no slope, and as in `cell_sizes`.
    RasterError
        As in `drain` and `stream_cells`.

    Examples
    --------
    >>> from affine import Affine
    >>> plane = np.add.outer(np.arange(9), np.arange(9))[None] * 3.0
    >>> dem = make_raster(plane.astype("float32"), names=["dem"], crs="EPSG:32633",
    ...                   transform=Affine(3, 0, 0, 0, -3, 0))
    >>> round(float(terrain_stack(dem).sel(band="twi")[4, 4]), 2)
    2.19
    """
    drainage = dem if isinstance(dem, Drainage) else drain(dem, z_factor=z_factor, degrees=degrees)
    if ls not in ("moore", "desmet_govers", "boehner_selige"):
        raise ValueError(f"ls is {ls!r}; expected 'moore', 'desmet_govers' or 'boehner_selige'")
    if ls_convention not in ("paper", "saga"):
        raise ValueError(f"ls_convention is {ls_convention!r}; expected 'paper' or 'saga'")
    if 1 in drainage.dem_m.shape:
        raise GridError(
            drainage.source or "DEM",
            found=f"{drainage.grid.height} x {drainage.grid.width} cells",
            expected="at least 2 x 2 cells, because a slope has two directions",
            way_out="give a larger DEM",
        )
    area_m2, _ = drainage.areas(flow)
    streams = stream_cells(
        drainage, default_stream_area_m2(drainage) if stream_area_m2 is None else stream_area_m2
    ).values[0]
    east, north = drainage.sizes.to_east, drainage.sizes.to_north
    whole = make_raster(
        np.stack([drainage.dem_m, drainage.filled_m, area_m2.astype(np.float32), streams]),
        names=["dem_m", "filled_dem_m", "catchment_area_m2", "stream"],
        crs=drainage.grid.crs,
        transform=drainage.grid.transform,
        source=drainage.source,
    )

    def of_block(b: np.ndarray, width_m: np.ndarray, height_m: np.ndarray) -> np.ndarray:
        along_row, along_column = gradient(b[0], width_m, height_m, slope_method)
        profile, plan = curvatures_1_m(b[0], width_m, height_m)
        filled, area, stream = b[1:, 1:-1, 1:-1]
        row, column = gradient(b[1], width_m, height_m, slope_method)
        steep, facing = slope_rad(row, column), aspect_deg(east * row, north * column)
        specific_m = specific_catchment_area(area, facing, width_m, height_m)
        if ls == "moore":
            factor = ls_moore(specific_m, steep)
        elif ls == "boehner_selige":
            factor = ls_boehner_selige(specific_m, steep)
        elif ls_convention == "saga":
            factor = ls_desmet_govers(specific_m, steep, np.sqrt(width_m * height_m))
        else:
            # Rounding to float32 must not make the area of a head smaller than its own cell.
            inlet_m2 = np.maximum(area - width_m * height_m, 0)
            factor = ls_desmet_govers(inlet_m2, steep, np.sqrt(width_m * height_m), facing)
        return np.stack(
            [
                np.rad2deg(slope_rad(along_row, along_column)),
                aspect_deg(east * along_row, north * along_column),
                profile,
                plan,
                filled,
                area,
                wetness_index(specific_m, steep),
                factor,
                stream,
            ],
            dtype=np.float32,
            casting="same_kind",
        )

    return with_notes(map_cells(of_block, whole, drainage.sizes, names=list(UNITS), block=block), *drainage.notes)
