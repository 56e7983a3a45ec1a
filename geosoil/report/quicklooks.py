"""The pictures that are written beside maps: a map, attributions, terrain covariates, a property with streams."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import rasterio
from affine import Affine

from geosoil.raster.grid import Grid, crs_unit
from geosoil.raster.north_up import north_up
from geosoil.report.figure_style import read_shrunk
from geosoil.report.map_figures import map_figure, map_panels_figure, streams_figure, terrain_figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import geopandas as gpd
    import xarray as xr
    from matplotlib.figure import Figure
    from rasterio.crs import CRS

    from geosoil.io.rasters.statistics import BandStatistics

AREA_CLASSES = (("outside", "#c0392b"), ("inside", "#a9c6dd"))  # label and colour
PANEL_TITLES = {
    "dissimilarity": "dissimilarity to the training samples",
    "density": "training samples nearby",
    "inside": "area of applicability",
}
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
        ground_unit = _unit_of(source.crs)
    drawn = [bands[k] for k in shown]
    unit = drawn[0].unit
    low, high = min(band.p2 for band in drawn), max(band.p98 for band in drawn)
    title = ", ".join(models)
    if len(drawn) == 1:
        title = drawn[0].name if drawn[0].name == title else f"{drawn[0].name} by {title}"
        return map_figure(values[0], title=title, unit=unit, low=low, high=high, extent=extent, ground_unit=ground_unit)
    panels = {band.name: array for band, array in zip(drawn, values, strict=True)}
    alike = len(models) == 1 and len({band.unit for band in drawn}) == 1
    scales = [] if alike else [(band.unit, band.p2, max(band.p98, band.p2 + 1e-9)) for band in drawn]
    return map_panels_figure(panels, title=title, unit=unit, low=low, high=high, scales=scales, extent=extent)


def trust_quicklook(path: Path, bands: Sequence[BandStatistics], level: float, models: Sequence[str]) -> Figure:
    """Draw the widths of the intervals of a trust map, and its dissimilarity and area of applicability.

    Parameters
    ----------
    path : Path
        The trust map; it is read at the size of the picture, from its overviews.
    bands : sequence of BandStatistics
        Statistics of all its bands.
    level : float
        The level of the intervals.
    models : sequence of str
        Names of the models, for the title.
    """
    with rasterio.open(path) as source:
        values, extent = read_shrunk(source, MAP_PIXELS / 2, list(source.indexes))
    arrays = {band.name: array for band, array in zip(bands, values, strict=True)}
    panels: dict[str, np.ndarray] = {}
    scales: list[tuple[str, float, float]] = []
    classes: dict[str, Sequence[tuple[str, str]]] = {}
    for band in bands:
        target = band.name.removesuffix(" lower")
        if target != band.name:
            width = arrays[f"{target} upper"] - arrays[band.name]
            finite = width[np.isfinite(width)]
            low, high = np.percentile(finite, [2, 98]) if finite.size else (0.0, 1.0)
            panels[f"{target}: width of the {100 * level:g} % interval"] = width
            scales.append((band.unit, float(low), max(float(high), float(low) + 1e-9)))
        elif band.name == "inside" or band.name.endswith("_inside"):
            name = _panel_title(band.name)
            panels[name] = arrays[band.name]
            scales.append(("", 0.0, 1.0))
            classes[name] = AREA_CLASSES
        elif band.valid_count and not band.name.endswith(" upper"):
            panels[_panel_title(band.name)] = arrays[band.name]
            scales.append((band.unit, band.p2, max(band.p98, band.p2 + 1e-9)))
    title = f"how far {', '.join(models)} can be trusted"
    return map_panels_figure(panels, title=title, scales=scales, classes=classes, extent=extent)


def _panel_title(band: str) -> str:
    """Return what a band of a trust map is, in words; a band of several models has the name of its model.

    >>> _panel_title("dissimilarity"), _panel_title("as_svr_density")
    ('dissimilarity to the training samples', 'training samples nearby (as_svr)')
    """
    for kind, title in PANEL_TITLES.items():
        if band == kind or band.endswith(f"_{kind}"):
            model = band.removesuffix(kind).removesuffix("_")
            return f"{title} ({model})" if model else title
    return band


def attribution_quicklook(raster: xr.DataArray, band: int, quantity: str, unit: str) -> Figure:
    """Draw one band of a map of attributions `(band, y, x)` to a quantity with colours that diverge from zero."""
    grid = Grid.of(raster)
    values, extent = north_up(raster.values[[band]], grid.transform)
    reach = float(np.nanquantile(np.abs(values), 0.98)) or 1.0
    return map_figure(
        values[0],
        title=f"what {raster['band'].values[band]} adds to {quantity}",
        unit=unit,
        low=-reach,
        high=reach,
        extent=extent,
        ground_unit=_unit_of(grid.crs),
        ramp="RdBu_r",
    )


def terrain_quicklook(path: Path, lines: gpd.GeoDataFrame) -> Figure:
    """Draw the covariates of a raster that `map_terrain` wrote, with the lines of its streams."""
    with rasterio.open(path) as source:
        values, extent = read_shrunk(source, TERRAIN_PIXELS)
        bands = dict(zip(source.descriptions, values, strict=True))
        ground_unit = _unit_of(source.crs)
    return terrain_figure(bands, lines, extent=extent, title=path.stem, ground_unit=ground_unit)


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
    thinned = values.values[:, ::step, ::step]
    t, (height, width) = grid.transform, thinned.shape[1:]
    at = Affine(
        t.a * grid.width / width,
        t.b * grid.height / height,
        t.c,
        t.d * grid.width / width,
        t.e * grid.height / height,
        t.f,
    )
    if isinstance(network, np.ndarray):
        network = north_up(_thinned(network, step)[None, :height, :width], at)[0][0]
    (shown,), extent = north_up(thinned, at)
    finite = shown[np.isfinite(shown)]
    low, high = np.percentile(finite, [2, 98]) if finite.size else (0.0, 1.0)
    name = str(values["band"].values[0])
    return streams_figure(
        shown,
        np.zeros(shown.shape) if network is None else network,
        title=name if network is None else f"{name} and streams",
        unit=values.attrs.get("units") or name,
        low=float(low),
        high=float(high) if high > low else float(low) + 1,
        extent=extent,
        ground_unit=_unit_of(grid.crs),
    )


def _unit_of(crs: CRS | None) -> str:
    return "pixels" if crs is None else crs_unit(crs)


def _thinned(cells: np.ndarray, step: int) -> np.ndarray:
    """Shrink stream cells to the maximum of each square, so that a line one cell wide is kept."""
    rows, columns = (-side % step for side in cells.shape)
    padded = np.pad(np.nan_to_num(cells), ((0, rows), (0, columns)))
    return padded.reshape(padded.shape[0] // step, step, padded.shape[1] // step, step).max(axis=(1, 3))
