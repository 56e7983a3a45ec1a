"""Figures of the terrain: its covariates in panels, and a map with the streams drawn over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LightSource, LogNorm, Normalize, TwoSlopeNorm

from geosoil.report.figure_style import WIDTH, colour_bar, draw_map, limit_ticks, new_figure, style_axes
from geosoil.report.figures import map_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    import geopandas as gpd
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from geosoil.report.figure_style import Extent

STREAM_COLOUR = "#0B3C8C"
# Band -> title, unit, colour map, and scale of the colours.
TERRAIN_PANELS = {
    "filled_dem_m": ("elevation (sinks filled) and streams", "m", "YlOrBr", "linear"),
    "slope_deg": ("slope", "deg", "magma_r", "linear"),
    "profile_curvature_1_m": ("profile curvature", "1/m", "RdBu_r", "diverging"),
    "catchment_area_m2": ("catchment area", "m²", "Blues", "log"),
    "twi": ("topographic wetness index", "", "YlGnBu", "linear"),
    "ls_factor": ("LS-factor", "", "YlOrRd", "linear"),
}


def terrain_figure(
    bands: Mapping[str, npt.ArrayLike],
    lines: gpd.GeoDataFrame,
    *,
    extent: Extent,
    title: str = "",
    ground_unit: str = "m",
) -> Figure:
    """Draw the covariates of `terrain_stack` in six panels, with streams on the shaded elevation.

    Parameters
    ----------
    bands : mapping of str to array_like of shape (y, x)
        Name of a band -> values; NaN = no data.
    lines : GeoDataFrame
        Streams from `stream_lines`.
    extent : tuple
        (left, right, bottom, top) in `ground_unit`.
    title, ground_unit : str
        Title of the figure, and unit of the CRS.

    Examples
    --------
    >>> import geopandas as gpd
    >>> bands = {name: np.arange(12.0).reshape(3, 4) for name in TERRAIN_PANELS}
    >>> lines = gpd.GeoDataFrame({"strahler_order": []}, geometry=[])
    >>> figure = terrain_figure(bands, lines, extent=(0, 4, 0, 3), title="dem")
    >>> figure.axes[1].get_title(loc="left")
    'slope (deg)'
    """
    shapes = [np.shape(values) for values in bands.values()]
    height, width = shapes[0]
    columns = 2 if width > 1.6 * height else 3
    rows = 6 // columns
    map_width = 0.7 * WIDTH * 1.5 / columns  # beside its labels and colours
    panel_height = float(np.clip(map_width * height / width, 1.4, 6.0) + 0.55)
    figure = new_figure(panel_height * rows + 0.4, width=WIDTH * 1.5, layout="compressed")
    figure.suptitle(f"{title} (coordinates in {ground_unit})" if title else "", x=0.01, ha="left", fontsize=12)
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes, (name, (label, unit, ramp, scale)) in zip(grid.flat, TERRAIN_PANELS.items(), strict=True):
        values = np.asarray(bands[name], np.float64)
        image = draw_map(axes, values, ramp=ramp, extent=extent, norm=_norm(values, scale))
        if name == "filled_dem_m":
            _shade(axes, values, extent)
            _draw_lines(axes, lines)
        bar = colour_bar(figure, image, axes, shrink=0.8, aspect=24)
        bar.ax.tick_params(labelsize=8)
        style_axes(axes, f"{label} ({unit})" if unit else label, "", "")
        _style_map(axes, extent)
    return figure


def streams_figure(
    array: npt.ArrayLike,
    streams: gpd.GeoDataFrame | npt.ArrayLike,
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    extent: Extent,
    ground_unit: str = "m",
) -> Figure:
    """Draw a map with the stream network.

    Parameters
    ----------
    array, title, unit, low, high, extent, ground_unit
        See `map_figure`.
    streams : GeoDataFrame or array_like of shape (y, x)
        Lines in the CRS of the map, or cells with 1 on a stream.

    Examples
    --------
    >>> cells = np.eye(4)
    >>> figure = streams_figure(np.ones((4, 4)), cells, title="SOC", unit="%", low=0, high=2, extent=(0, 4, 0, 4))
    >>> len(figure.axes[0].images)
    2
    """
    import geopandas as gpd

    figure = map_figure(array, title=title, unit=unit, low=low, high=high, extent=extent, ground_unit=ground_unit)
    axes = figure.axes[0]
    if isinstance(streams, gpd.GeoDataFrame):
        _draw_lines(axes, streams, colour="white")
        _style_map(axes, extent)
    else:
        cells = np.asarray(streams, np.float64)
        stream_cells = np.ma.masked_where(~(cells > 0), np.ones_like(cells))
        axes.imshow(stream_cells, cmap="gray", norm=Normalize(0, 1), extent=extent, interpolation="nearest")
    return figure


def _norm(values: np.ndarray, scale: str) -> Normalize:
    """Return a colour scale from the 2nd to the 98th percentile: linear, logarithmic, or symmetric around zero."""
    known = values[np.isfinite(values)]
    if not known.size:
        return Normalize(0, 1)
    low, high = np.percentile(known, [2, 98])
    if scale == "diverging":
        most = max(abs(low), abs(high)) or 1.0
        return TwoSlopeNorm(0, -most, most)
    if scale == "log" and low > 0 and high > low:
        return LogNorm(low, high)
    return Normalize(low, high if high > low else low + 1)


def _shade(axes: Axes, heights: np.ndarray, extent: Extent) -> None:
    """Add hill shading with light from the north-west, as usual on maps."""
    cell = (extent[1] - extent[0]) / heights.shape[1]
    known = np.where(np.isfinite(heights), heights, np.nanmean(heights) if np.isfinite(heights).any() else 0)
    steep = max(float(np.std(np.gradient(known)[0] / cell)), 1e-9) if min(known.shape) > 1 else 1.0
    light = LightSource(315, 45).hillshade(known, vert_exag=0.5 / steep, dx=cell, dy=cell)
    light = np.where(np.isfinite(heights), light, np.nan)
    axes.imshow(light, cmap="gray", vmin=0, vmax=1, alpha=0.35, extent=extent, interpolation="nearest")


def _draw_lines(axes: Axes, lines: gpd.GeoDataFrame, colour: str = STREAM_COLOUR) -> None:
    """Draw streams with a width by Strahler order."""
    if not len(lines):
        return
    pieces = lines.explode(ignore_index=True)
    if "strahler_order" in pieces:
        widths = 0.4 + 0.5 * pieces["strahler_order"].to_numpy(np.float64)
    else:
        widths = np.full(len(pieces), 0.9)
    xy = [np.asarray(line.coords)[:, :2] for line in pieces.geometry]
    axes.add_collection(LineCollection(xy, colors=colour, linewidths=widths, capstyle="round"))


def _style_map(axes: Axes, extent: Extent) -> None:
    axes.set(xlim=extent[:2], ylim=extent[2:])
    axes.grid(visible=False)
    axes.tick_params(labelsize=8)
    limit_ticks(axes, 3)
    axes.ticklabel_format(style="plain", useOffset=False)
