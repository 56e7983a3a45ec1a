"""Figures of maps: predicted properties, terrain covariates, streams and points."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import LightSource, ListedColormap, LogNorm, Normalize, TwoSlopeNorm

from geosoil.report.figure_style import (
    LEGEND,
    WIDTH,
    colour_bar,
    draw_map,
    ends_beyond,
    limit_ticks,
    new_figure,
    place_labels,
    style_axes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import geopandas as gpd
    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from geosoil.raster.north_up import Extent

SCALE_WIDTH = 0.95  # inches beside a map that its colour scale takes with its numbers
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


def map_figure(
    array: npt.ArrayLike,
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    extent: Extent | None = None,
    points: npt.ArrayLike | None = None,
    ground_unit: str = "m",
    ramp: str = "viridis",
) -> Figure:
    """Draw a map with its colour scale; pixels without data are light grey.

    Parameters
    ----------
    array : array_like of shape (y, x)
        Values in `unit`; NaN = no data.
    title, unit : str
        Title of the map, and unit of its values.
    low, high : float
        Values of the first and last colour, in `unit`.
    extent : tuple, optional
        (left, right, bottom, top) in `ground_unit`; by default the axes are in pixels.
    points : array_like of shape (site, 2), optional
        x and y of sites in the unit of the axes.
    ground_unit : str
        Unit of the CRS.
    ramp : str
        Colour map of matplotlib.

    Examples
    --------
    >>> map_figure(np.eye(3), title="SOC", unit="%", low=0, high=1).axes[0].get_title(loc="left")
    'SOC'
    """
    height, width = np.shape(array)
    figure = new_figure(float(np.clip(0.8 * WIDTH * height / width, 2.5, 9.0)) + 0.6, layout="compressed")
    axes = figure.subplots()
    image = draw_map(axes, array, ramp=ramp, extent=extent, vmin=low, vmax=high)
    colour_bar(figure, image, axes, unit, extend=ends_beyond(array, low, high))
    x_label, y_label = "column (pixels)", "row (pixels)"
    if extent is not None:
        x_label, y_label = place_labels(ground_unit)
        axes.ticklabel_format(style="plain", useOffset=False)
    if points is not None:
        x, y = np.asarray(points, dtype=np.float64).T
        label = f"sites (n = {x.size})"
        axes.scatter(x, y, s=16, facecolor="white", edgecolor="black", linewidth=0.8, zorder=3, label=label)
        figure.legend(**LEGEND, loc="outside lower left")
    style_axes(axes, title, x_label, y_label)
    axes.grid(visible=False)
    limit_ticks(axes)
    return figure


def map_panels_figure(
    panels: Mapping[str, npt.ArrayLike],
    *,
    title: str,
    unit: str = "",
    low: float = 0.0,
    high: float = 1.0,
    scales: Sequence[tuple[str, float, float]] = (),
    classes: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    extent: Extent | None = None,
    ramp: str = "viridis",
) -> Figure:
    """Draw maps side by side, in one colour scale or each in its own; pixels without data are light grey.

    Parameters
    ----------
    panels : mapping of str to array_like of shape (y, x)
        Name -> values; NaN = no data.
    title, unit, low, high, ramp
        See `map_figure`.
    scales : sequence of (str, float, float)
        Unit, low and high of each panel, if every panel has a colour scale of its own.
    classes : mapping of str to sequence of (str, str), optional
        For a panel of classes instead of quantities: label and colour of the classes 0, 1 and so on.
    extent : tuple, optional
        (left, right, bottom, top) in the unit of the CRS.

    Examples
    --------
    >>> len(map_panels_figure({"0-5 cm": np.eye(3), "5-15 cm": np.eye(3)}, title="SOC", unit="%", low=0, high=1).axes)
    3
    """
    arrays = np.asarray(list(panels.values()), np.float64)
    count, height, width = arrays.shape
    columns = min(count, 3 if width <= 1.8 * height and count != 4 else 2)
    rows = ceil(count / columns)
    map_width = WIDTH / columns - SCALE_WIDTH if scales else 0.85 * WIDTH / columns
    panel_height = float(np.clip(map_width * height / width, 0.8, 6.0)) + 0.3
    figure = new_figure(rows * panel_height + 0.4, layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for k, axes in enumerate(grid.flat):
        axes.set_visible(k < count)
    panel_scales = scales or [(unit, low, high)] * count
    for axes, name, values, (panel_unit, least, most) in zip(grid.flat, panels, arrays, panel_scales, strict=False):
        kinds = (classes or {}).get(name)
        if kinds:
            labels, colours = zip(*kinds, strict=True)
            image = draw_map(
                axes, values, ramp=ListedColormap(colours), extent=extent, vmin=-0.5, vmax=len(kinds) - 0.5
            )
            bar = colour_bar(figure, image, axes, aspect=20)
            bar.set_ticks(range(len(kinds)), labels=labels)
        else:
            image = draw_map(axes, values, ramp=ramp, extent=extent, vmin=least, vmax=most)
        if scales and not kinds:
            colour_bar(figure, image, axes, panel_unit, extend=ends_beyond(values, least, most), aspect=20)
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    if not scales:
        colour_bar(figure, image, grid, unit, extend=ends_beyond(arrays, low, high))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure


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


def points_figure(
    xy: npt.ArrayLike,
    values: npt.ArrayLike,
    learned: npt.ArrayLike,
    *,
    title: str,
    unit: str,
    ground_unit: str = "m",
) -> Figure:
    """Draw values at points, with training samples as squares and the others as circles.

    Parameters
    ----------
    xy : array_like of shape (sample, 2)
        Coordinates in `ground_unit`.
    values : array_like of shape (sample,)
        Values in `unit`.
    learned : array_like of bool of shape (sample,)
        True for training samples.
    title, unit, ground_unit : str
        Labels.

    Examples
    --------
    >>> points_figure([[0, 0], [1, 1]], [1, 2], [True, False], title="SOC", unit="%").axes[0].get_title(loc="left")
    'SOC'
    """
    xy, values, training = np.asarray(xy, np.float64), np.asarray(values, np.float64), np.asarray(learned, bool)
    figure = new_figure(6.4, layout="compressed")
    axes = figure.subplots()
    low, high = np.quantile(values, [0.02, 0.98])
    for flags, marker, name in ((~training, "o", "test samples"), (training, "s", "training samples")):
        if flags.any():
            drawn = axes.scatter(
                xy[flags, 0], xy[flags, 1], c=values[flags], s=42, marker=marker, vmin=low, vmax=high,
                cmap="viridis", edgecolor="black" if marker == "s" else "white", linewidth=0.8,
                label=f"{name} (n = {int(flags.sum())})",
            )  # fmt: skip
    colour_bar(figure, drawn, axes, unit, extend="both")
    axes.legend(**LEGEND, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2, borderaxespad=0)
    axes.set_aspect("equal")
    style_axes(axes, title, *place_labels(ground_unit))
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.locator_params(nbins=5)
    return figure
