"""Flow of water on a DEM: sink filling, and catchment areas by one or several directions.

Flow needs the whole DEM in memory: about 40 bytes per cell at the peak, 0.6 GiB at 4000 x 4000.

Water leaves at the edge of the grid and at cells without data: a gap in the data is a drain, so fill small gaps first.
Flats, including filled sinks, drain to their nearest outlet.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import GridError, RasterError
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.terrain.cells import CellSizes, Degrees, cell_sizes, with_notes
from geosoil.terrain.heights import height_factor

if TYPE_CHECKING:
    import xarray as xr

FlowMethod = Literal["mfd", "d8"]

MFD_EXPONENT = 1.1  # Freeman 1991
MOST_CELLS = 2**31 - 1  # cells are numbered in 32 bits


@dataclass(frozen=True)
class Drainage:
    """The drainage of a DEM, as computed by `drain`.

    Attributes
    ----------
    dem_m, filled_m : ndarray of shape (y, x), float32
        Heights in metres before and after sinks were filled; NaN where there is no data.
    order : ndarray of shape (n,), int32
        The cells with data, each after a cell to which it can drain.
    parent : ndarray of shape (y, x), int8
        The direction of that cell.
    sizes : CellSizes
    grid : Grid
    source : str
        The file of the DEM.
    z_factor : float
        The factor by which the heights became metres.
    notes : tuple of str
        Remarks on the units of cells and heights.
    """

    dem_m: np.ndarray
    filled_m: np.ndarray
    order: np.ndarray
    parent: np.ndarray
    sizes: CellSizes
    grid: Grid
    source: str = ""
    z_factor: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def filled_share(self) -> float:
        """Share of the cells with data that were raised."""
        with np.errstate(invalid="ignore"):
            return float(np.count_nonzero(self.filled_m > self.dem_m) / self.order.size)

    @property
    def valid_m2(self) -> float:
        """Area of the cells with data, m2."""
        counts = np.count_nonzero(~np.isnan(self.filled_m), axis=1)
        return float(counts @ (self.sizes.width_m * self.sizes.height_m))

    @cached_property
    def directions(self) -> np.ndarray:
        """D8 directions `(y, x)` int8: 0 to 7 clockwise from the one along rows; -1 where water leaves, or no data."""
        from geosoil.terrain import _kernels

        return _kernels.steepest(self.filled_m, self.parent, self.sizes.width_m, self.sizes.height_m)

    def areas(self, flow: FlowMethod) -> tuple[np.ndarray, float]:
        """Return catchment areas `(y, x)` in m2, float64 with NaN, and the area in m2 that drains out of the grid."""
        from geosoil.terrain import _kernels

        size = self.sizes.width_m, self.sizes.height_m
        if flow == "d8":
            area_m2, leaving_m2 = _kernels.accumulate_d8(self.order, self.directions, *size)
        elif flow == "mfd":
            area_m2, leaving_m2 = _kernels.accumulate_mfd(self.filled_m, self.order, self.parent, *size, MFD_EXPONENT)
        else:
            raise ValueError(f"flow is {flow!r}; expected 'mfd' or 'd8'")
        area_m2[np.isnan(self.filled_m)] = np.nan
        return area_m2, float(leaving_m2)

    def raster(self, values: np.ndarray, name: str, units: str) -> xr.DataArray:
        """Return values `(y, x)` as a raster on the grid of the DEM."""
        raster = make_raster(
            np.asarray(values, np.float32)[None],
            names=[name],
            crs=self.grid.crs,
            transform=self.grid.transform,
            source=self.source,
            units=units,
        )
        return with_notes(raster, *self.notes)


def drain(
    dem: xr.DataArray, *, min_slope_deg: float = 0.0, z_factor: float | None = None, degrees: Degrees = "refuse"
) -> Drainage:
    """Fill the sinks of a DEM, and find the order in which its cells drain, by a priority flood from the edges.

    Parameters
    ----------
    dem : DataArray of shape (1, y, x)
        Heights.
    min_slope_deg : float
        Slope of filled cells towards their outlet in degrees; 0 leaves filled sinks level.
    z_factor : float, optional
        Metres per unit of the heights; default: by the unit that the raster states, else 1 (see `height_factor`).
    degrees : {"refuse", "scale"}
        See `cell_sizes`.

    Returns
    -------
    Drainage

    Raises
    ------
    GridError
        As in `cell_sizes`, and for more than 2^31 cells.
    RasterError
        If there are several bands or no data, or `z_factor` is not positive.

    References
    ----------
    Wang and Liu (2006), International Journal of Geographical Information Science 20, 193-213; Barnes et al. (2014),
    Computers & Geosciences 62, 117-127.

    Examples
    --------
    >>> from affine import Affine
    >>> bowl = np.full((1, 5, 5), 9, "float32"); bowl[0, 2, 2] = 1; bowl[0, 0, 0] = 7; bowl[0, 1, 1] = 8
    >>> dem = make_raster(bowl, names=["dem"], crs="EPSG:32633", transform=Affine(3, 0, 0, 0, -3, 0))
    >>> float(drain(dem).filled_m[2, 2])
    8.0
    """
    from geosoil.terrain import _kernels

    sizes = cell_sizes(dem, degrees=degrees)
    source = dem.attrs.get("source") or ""
    if dem.shape[0] != 1:
        raise RasterError(
            source or "DEM", found=f"{dem.shape[0]} bands", expected="one of heights", way_out="choose the band"
        )
    if dem.size > MOST_CELLS:
        raise GridError(
            source or "DEM",
            found=f"{dem.size} cells",
            expected=f"at most {MOST_CELLS}, because flow needs all of them at once",
            way_out="cut the DEM by catchments, or coarsen it",
        )
    factor, height_note = height_factor(dem, z_factor)
    dem_m = np.array(dem.values[0], dtype=np.float32)
    if factor != 1:
        dem_m *= np.float32(factor)
    if np.isnan(dem_m).all():
        raise RasterError(source or "DEM", found="no cell with data", expected="heights", way_out="check its no-data")
    filled_m, order, parent = _kernels.flood(
        dem_m, sizes.width_m, sizes.height_m, float(np.tan(np.deg2rad(min_slope_deg)))
    )
    notes = tuple(note for note in (sizes.note, height_note) if note)
    return Drainage(dem_m, filled_m, order, parent, sizes, Grid.of(dem), source, factor, notes)


def fill_sinks(
    dem: xr.DataArray, *, min_slope_deg: float = 0.0, z_factor: float | None = None, degrees: Degrees = "refuse"
) -> xr.DataArray:
    """Raise the cells of the sinks of a DEM to their outlets; the parameters and errors are those of `drain`.

    Returns
    -------
    DataArray of shape (1, y, x)
        The band `filled_dem_m` in metres, nowhere lower than the DEM.

    Examples
    --------
    >>> from affine import Affine
    >>> bowl = np.full((1, 3, 3), 9, "float32"); bowl[0, 1, 1] = 1
    >>> dem = make_raster(bowl, names=["dem"], crs="EPSG:32633", transform=Affine(3, 0, 0, 0, -3, 0))
    >>> float(fill_sinks(dem)[0, 1, 1])
    9.0
    """
    drainage = drain(dem, min_slope_deg=min_slope_deg, z_factor=z_factor, degrees=degrees)
    return drainage.raster(drainage.filled_m, "filled_dem_m", "m")


def catchment_area(
    dem: xr.DataArray,
    flow: FlowMethod = "mfd",
    *,
    min_slope_deg: float = 0.0,
    z_factor: float | None = None,
    degrees: Degrees = "refuse",
) -> xr.DataArray:
    """Compute the area that drains through every cell of a DEM, including the cell; sinks are filled first.

    Parameters
    ----------
    dem : DataArray of shape (1, y, x)
    flow : {"mfd", "d8"}
        "mfd" distributes water over all lower neighbours by (drop / distance)^1.1 (Freeman 1991); at an edge the
        surface is mirrored outwards, and that share leaves. "d8" passes all water to the steepest neighbour
        (O'Callaghan and Mark 1984), and none from cells at an edge.
    min_slope_deg, z_factor, degrees
        As in `drain`, which also describes the errors.

    Returns
    -------
    DataArray of shape (1, y, x)
        The band `catchment_area_m2`.

    Examples
    --------
    >>> from affine import Affine
    >>> valley = np.abs(np.arange(-2, 3))[None, None] + np.arange(4)[None, ::-1, None]
    >>> dem = make_raster(valley.astype("float32"), names=["dem"], crs="EPSG:32633",
    ...                   transform=Affine(1, 0, 0, 0, -1, 0))
    >>> catchment_area(dem, "d8").values[0, :, 2]
    array([1., 1., 4., 7.], dtype=float32)
    """
    drainage = drain(dem, min_slope_deg=min_slope_deg, z_factor=z_factor, degrees=degrees)
    return drainage.raster(drainage.areas(flow)[0], "catchment_area_m2", "m2")
