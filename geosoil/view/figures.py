"""The Bokeh figures of a view: maps, legends with histograms, spectra, depth profiles, attributions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from bokeh.models import (
    BasicTickFormatter,
    ColumnDataSource,
    CrosshairTool,
    FixedTicker,
    Image,
    ImageRGBA,
    LinearColorMapper,
    PanTool,
    Range1d,
    Scatter,
    WheelZoomTool,
)
from bokeh.models.annotations import Span
from bokeh.plotting import figure
from bokeh.transform import transform

from geosoil.view.palettes import palettes

if TYPE_CHECKING:
    from collections.abc import Sequence

PANELS = ("a", "b")  # the map, and the one to compare it with
CLEAR = "rgba(0, 0, 0, 0)"
BLUE, VERMILION = "#0072B2", "#D55E00"  # of Okabe and Ito
FONT = "system-ui, sans-serif"


def map_figures(extent: Sequence[float]) -> dict[str, Any]:
    """Return the two maps, which share their ranges and one cursor, by their names.

    Parameters
    ----------
    extent : sequence of float
        Left, bottom, right and top.
    """
    left, bottom, right, top = extent
    x_range, y_range = Range1d(start=left, end=right, name="x_range"), Range1d(start=bottom, end=top, name="y_range")
    spans: Any = [
        Span(dimension=side, line_dash="dotted", line_width=1, line_color="#7f7f7f", name=f"span_{side}")
        for side in ("width", "height")
    ]
    samples = ColumnDataSource({"x": [], "y": [], "a": [], "b": []}, name="samples")
    mark = ColumnDataSource({"x": [], "y": []}, name="mark")
    made = {}
    for panel in PANELS:
        zoom = WheelZoomTool(zoom_on_axis=False)
        tools = [PanTool(), zoom, CrosshairTool(overlay=spans)]
        plot = _figure(f"map_{panel}", x_range=x_range, y_range=y_range, tools=tools)
        plot.toolbar.active_scroll = zoom
        plot.axis.visible = False
        plot.grid.visible = False
        plot.min_border = 0
        mapper = LinearColorMapper(
            palette=palettes()["viridis"], low=0, high=1, nan_color=CLEAR, name=f"colours_{panel}"
        )
        corners: dict[str, Any] = {"x": "x", "y": "y", "dw": "dw", "dh": "dh", "origin": "top_left"}
        plot.add_glyph(picture_source(f"under_{panel}", np.uint32), ImageRGBA(image="image", **corners))
        drawn = plot.add_glyph(
            picture_source(f"over_{panel}", np.float32), Image(image="image", color_mapper=mapper, **corners)
        )
        drawn.name = f"drawn_{panel}"
        points = Scatter(x="x", y="y", size=8, line_color="white", line_width=1.5, fill_color=transform(panel, mapper))
        ring = Scatter(x="x", y="y", size=10, line_color="black", line_width=3, fill_color=None)
        for renderer in (plot.add_glyph(samples, ring), plot.add_glyph(samples, points)):
            renderer.name = f"{'points' if renderer.glyph is points else 'rings'}_{panel}"
        plot.add_glyph(mark, Scatter(x="x", y="y", size=18, marker="circle_cross", line_color="black", line_width=4,
                                     fill_color=None))  # fmt: skip
        plot.add_glyph(mark, Scatter(x="x", y="y", size=18, marker="circle_cross", line_color="white", line_width=1.5,
                                     fill_color=None))  # fmt: skip
        made[f"map_{panel}"] = plot
    return made


def picture_source(name: str, dtype: type) -> ColumnDataSource:
    """Return an empty picture."""
    picture = {"image": [np.zeros((1, 1), dtype)], "x": [0.0], "y": [0.0], "dw": [1.0], "dh": [1.0]}
    if dtype is np.float32:
        picture["image"] = [np.full((1, 1), np.nan, np.float32)]
    return ColumnDataSource(picture, name=name)


def legend_figure(panel: str, mapper: LinearColorMapper) -> Any:
    """Return the legend of a map: its colours along the values, as a histogram of what is on the screen."""
    plot = _figure(
        f"legend_{panel}",
        x_range=Range1d(start=0, end=1, name=f"values_{panel}"),
        y_range=Range1d(start=-0.16, end=1),
        tools=[],
    )
    source = ColumnDataSource({"left": [], "right": [], "middle": [], "top": []}, name=f"histogram_{panel}")
    plot.quad(
        left="left", right="right", bottom=0, top="top", source=source, line_color=None,
        fill_color=transform("middle", mapper),
    )  # fmt: skip
    strip = ColumnDataSource({"left": [], "right": [], "middle": []}, name=f"strip_{panel}")
    plot.quad(
        left="left", right="right", bottom=-0.16, top=-0.04, source=strip, line_color=None,
        fill_color=transform("middle", mapper),
    )  # fmt: skip
    plot.yaxis.visible = False
    plot.grid.visible = False
    plot.xaxis.ticker.desired_num_ticks = 5
    plot.xaxis.formatter = BasicTickFormatter(precision="auto", power_limit_high=7)
    plot.min_border_left = plot.min_border_right = 16
    return plot


def spectrum_figure() -> Any:
    """Return the spectrum of a pixel, with the range of the training spectra behind it."""
    plot = _figure(
        "spectrum",
        x_range=Range1d(start=400, end=2500, name="wavelengths"),
        y_range=Range1d(start=0, end=1, name="reflectances"),
        tools=[],
    )
    training = ColumnDataSource({"xs": [], "ys": []}, name="training_source")
    plot.patches("xs", "ys", source=training, fill_color=BLUE, fill_alpha=0.22, line_color=None)
    pixel = ColumnDataSource({"wavelength_nm": [], "value": []}, name="spectrum_source")
    plot.line("wavelength_nm", "value", source=pixel, line_color=VERMILION, line_width=2)
    plot.xaxis.axis_label = "wavelength (nm)"
    plot.yaxis.axis_label = "reflectance"
    plot.xaxis.ticker.desired_num_ticks = 5
    plot.xaxis.formatter = BasicTickFormatter(use_scientific=False)
    return plot


def profile_figure() -> Any:
    """Return the values by depth, with their intervals."""
    plot = _figure(
        "profile",
        x_range=Range1d(start=0, end=1, name="profile_values"),
        y_range=Range1d(start=100, end=0, name="depths"),
        tools=[],
    )
    source = ColumnDataSource(
        {name: [] for name in ("top", "bottom", "middle", "height", "value", "lower", "upper")}, name="profile_source"
    )
    plot.hbar(y="middle", left="lower", right="upper", height="height", source=source, fill_color=BLUE, fill_alpha=0.22,
              line_color=None)  # fmt: skip
    plot.segment("value", "top", "value", "bottom", source=source, line_color=VERMILION, line_width=3)
    line = ColumnDataSource({"value": [], "depth": []}, name="profile_line")
    plot.line("value", "depth", source=line, line_color=VERMILION, line_width=1, line_dash="dotted")
    plot.yaxis.axis_label = "depth (cm)"
    return plot


def attribution_figure() -> Any:
    """Return what each feature adds to the prediction of a pixel."""
    plot = _figure(
        "attributions",
        x_range=Range1d(start=-1, end=1, name="added"),
        y_range=Range1d(start=-1, end=1, name="features"),
        tools=[],
    )
    source = ColumnDataSource({"y": [], "value": [], "colour": []}, name="attribution_source")
    plot.hbar(y="y", right="value", left=0, height=0.7, fill_color="colour", source=source, line_color=None)
    plot.add_layout(Span(location=0, dimension="height", line_color="#7f7f7f"))
    plot.yaxis.ticker = FixedTicker(ticks=[])
    plot.yaxis.name = "feature_axis"
    return plot


def _figure(name: str, **options: Any) -> Any:
    """Return a figure in the style of the page, whose colours of text the page sets."""
    plot = figure(
        name=name, toolbar_location=None, sizing_mode="stretch_both", background_fill_color=None,
        border_fill_color=None, outline_line_color=None, **options,
    )  # fmt: skip
    plot.axis.axis_label_text_font = plot.axis.major_label_text_font = FONT
    plot.axis.axis_label_text_font_style = "normal"
    plot.axis.axis_label_text_font_size = plot.axis.major_label_text_font_size = "12px"
    plot.axis.minor_tick_line_color = None
    plot.grid.grid_line_alpha = 0.6
    return plot
