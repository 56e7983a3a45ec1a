"""The pictures that are written beside maps: a map, attributions, terrain covariates, a property with streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio

from geosoil.raster.grid import Grid
from geosoil.report.figure_style import read_shrunk
from geosoil.report.map_figures import map_figure, map_panels_figure, streams_figure, terrain_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import geopandas as gpd
    import xarray as xr
    from matplotlib.figure import Figure

    from geosoil.io.rasters.cog import BandStatistics

MAP_PIXELS, STREAMS_PIXELS, TERRAIN_PIXELS = 1000, 1500, 700  # on the longer side: what the picture has room for


def map_quicklook(path: Path, bands: Sequence[BandStatistics], models: Sequence[str]) -> Figure:
    """Draw the bands of a map that have values.

    Bands of one model and one unit, such as depths, have one colour scale; else each band has its own.

    Parameters
    ----------
    path : Path
        The map; it is read at the size of the picture, from its overviews.
    bands : sequence of BandStatistics
        Statistics of all bands of the map.
    models : sequence of str
        Names of the models, for the title.
    """
    shown = [k for k, band in enumerate(bands) if band.valid_count]
    with rasterio.open(path) as source:
        most = MAP_PIXELS if len(shown) == 1 else MAP_PIXELS / 2
        values, extent = read_shrunk(source, most, [k + 1 for k in shown])
    drawn = [bands[k] for k in shown]
    unit = drawn[0].unit
    low, high = min(band.p2 for band in drawn), max(band.p98 for band in drawn)
    title = ", ".join(models)
    if len(drawn) == 1:
        title = drawn[0].name if drawn[0].name == title else f"{drawn[0].name} by {title}"
        return map_figure(values[0], title=title, unit=unit, low=low, high=high, extent=extent)
    panels = {band.name: array for band, array in zip(drawn, values, strict=True)}
    alike = len(models) == 1 and len({band.unit for band in drawn}) == 1
    scales = [] if alike else [(band.unit, band.p2, max(band.p98, band.p2 + 1e-9)) for band in drawn]
    return map_panels_figure(panels, title=title, unit=unit, low=low, high=high, scales=scales, extent=extent)


def attribution_quicklook(raster: xr.DataArray, band: int, unit: str) -> Figure:
    """Draw one band of a map of attributions `(band, y, x)` with colours that diverge from zero."""
    values = raster.values[band]
    reach = float(np.nanquantile(np.abs(values), 0.98)) or 1.0
    left, bottom, right, top = Grid.of(raster).bounds
    return map_figure(
        values,
        title=f"what {raster['band'].values[band]} adds to {unit}",
        unit=unit,
        low=-reach,
        high=reach,
        extent=(left, right, bottom, top),
        ramp="RdBu_r",
    )


def terrain_quicklook(path: Path, lines: gpd.GeoDataFrame) -> Figure:
    """Draw the covariates of a raster that `map_terrain` wrote, with the lines of its streams."""
    with rasterio.open(path) as source:
        values, extent = read_shrunk(source, TERRAIN_PIXELS)
        bands = dict(zip(source.descriptions, values, strict=True))
        unit = "degrees" if source.crs.is_geographic else source.crs.linear_units
    return terrain_figure(bands, lines, extent=extent, title=path.stem, ground_unit={"metre": "m"}.get(unit, unit))


def streams_quicklook(values: xr.DataArray, network: gpd.GeoDataFrame | np.ndarray | None) -> Figure:
    """Draw a property with streams over it.

    Parameters
    ----------
    values : xarray.DataArray
        The property, `(1, y, x)`; its attribute `units` is that of the legend.
    network : GeoDataFrame, ndarray or None
        Lines, cells `(y, x)` that are 1 on a stream, or no streams.
    """
    grid = Grid.of(values)
    step = max(1, max(grid.height, grid.width) // STREAMS_PIXELS)
    shown = values.values[0, ::step, ::step]
    if isinstance(network, np.ndarray):
        network = _thinned(network, step)[: shown.shape[0], : shown.shape[1]]
    finite = shown[np.isfinite(shown)]
    low, high = np.percentile(finite, [2, 98]) if finite.size else (0.0, 1.0)
    left, bottom, right, top = grid.bounds
    name = str(values["band"].values[0])
    return streams_figure(
        shown,
        np.zeros(shown.shape) if network is None else network,
        title=name if network is None else f"{name} and streams",
        unit=values.attrs.get("units") or name,
        low=float(low),
        high=float(high) if high > low else float(low) + 1,
        extent=(left, right, bottom, top),
    )


def _thinned(cells: np.ndarray, step: int) -> np.ndarray:
    """Shrink stream cells to the maximum of each square, so that a line one cell wide is kept."""
    rows, columns = (-side % step for side in cells.shape)
    padded = np.pad(np.nan_to_num(cells), ((0, rows), (0, columns)))
    return padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).max(axis=(1, 3))
