"""Style shared by all figures: sizes, colours, axes, legends, colour bars and saving.

pyplot is not used, so that no figure remains open. The colours are those of Okabe and Ito, which can be distinguished
with any colour vision; line styles or labels repeat their meaning.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from affine import Affine
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import LogFormatter, LogFormatterMathtext, MaxNLocator
from rasterio.enums import Resampling

from geosoil.io.atomic import atomic_path
from geosoil.raster.north_up import north_up

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Colormap
    from matplotlib.image import AxesImage
    from rasterio.io import DatasetReader

    from geosoil.raster.north_up import Extent

WIDTH = 8.0  # inches (800 pixels at 100 dpi), so that text is readable in a page
DPI = 150  # resolution of saved figures
COMPRESSION = 3  # of PNG files, from 0 to 9: 6, the default, takes twice the time for a map and makes no smaller file
BLUE, VERMILION, GREEN, SKY, GREY = "#0072B2", "#D55E00", "#009E73", "#56B4E9", "#999999"
# These names have the same colour in all figures; other names take the remaining colours in order.
NAMED_COLOURS = {"laboratory": BLUE, "satellite": VERMILION, "generated": GREEN}
OTHER_COLOURS = ("#CC79A7", "#E69F00", SKY, "#000000", GREY)
NO_DATA_COLOUR = "#e6e6e6"
ANGLES = ("degrees", "grad")  # units of a CRS of longitudes and latitudes
LINES = ("-", "--", "-.", ":")
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": 9}


def new_figure(
    height: float, *, width: float = WIDTH, layout: Literal["constrained", "compressed"] = "constrained"
) -> Figure:
    """Return an empty figure with height and width in inches; "compressed" omits the margins beside narrow maps."""
    return Figure(figsize=(width, height), dpi=100, layout=layout, facecolor="white")


def panel_grid(count: int, *, square: bool) -> tuple[Figure, np.ndarray]:
    """Return a figure with `count` panels on shared axes, at most three per row (four panels: two per row).

    >>> panel_grid(5, square=False)[1].shape
    (2, 3)
    """
    columns = 2 if count == 4 else min(max(count, 1), 3)
    rows = max(ceil(count / columns), 1)
    panel = WIDTH / columns if square else 2.6
    figure = new_figure(min(panel, 5.0) * rows + 0.3)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for k, axes in enumerate(grid.flat):
        axes.set_visible(k < count)
        axes.tick_params(labelbottom=k + columns >= count)  # also above an empty panel of the last row
    return figure, grid


def style_axes(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """Apply the common style: title on the left, light grid, no box, text of 10 points."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(x_label, fontsize=10)
    axes.set_ylabel(y_label, fontsize=10)
    axes.tick_params(labelsize=9, color="0.6")
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")


def style_panel(grid: np.ndarray, k: int, count: int, title: str, x_label: str, y_label: str) -> None:
    """Style the k-th of `count` panels of a grid; only the outer panels have axis labels."""
    columns = grid.shape[1]
    style_axes(grid.flat[k], title, x_label if k + columns >= count else "", y_label if k % columns == 0 else "")


def place_labels(ground_unit: str) -> tuple[str, str]:
    """Return the labels of the axes of a map, with the unit of its CRS; "x" and "y" where it is not known.

    >>> place_labels("m"), place_labels("degrees")
    (('easting (m)', 'northing (m)'), ('longitude (degrees)', 'latitude (degrees)'))
    """
    if not ground_unit:
        return "x", "y"
    names = ("longitude", "latitude") if ground_unit in ANGLES else ("easting", "northing")
    return f"{names[0]} ({ground_unit})", f"{names[1]} ({ground_unit})"


def limit_ticks(axes: Axes, most: int = 5) -> None:
    """Set the largest number of intervals between the ticks of both axes."""
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(most))


def add_legend(axes: Axes) -> None:
    """Add a legend with lines long enough to show their style."""
    axes.legend(**LEGEND, loc="best", handlelength=2.4)


def colours_of(names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each name: that of `NAMED_COLOURS`, or the next other colour."""
    others = [name for name in dict.fromkeys(names) if name not in NAMED_COLOURS]
    return NAMED_COLOURS | {name: OTHER_COLOURS[k % len(OTHER_COLOURS)] for k, name in enumerate(others)}


def read_shrunk(source: DatasetReader, most: float, numbers: Sequence[int] | None = None) -> tuple[np.ndarray, Extent]:
    """Read bands of an open raster at a reduced resolution, with north up.

    Parameters
    ----------
    source : DatasetReader
        Open raster.
    most : float
        Approximate number of pixels on the longer side.
    numbers : sequence of int, optional
        Band numbers from 1; by default all.

    Returns
    -------
    values : ndarray of shape (band, y, x)
        Nearest pixels, from overviews if they exist, turned by `north_up`.
    extent : tuple
        (left, right, bottom, top) in the unit of the CRS.
    """
    numbers = source.indexes if numbers is None else numbers
    shrink = max(1.0, max(source.shape) / most)
    shape = (len(numbers), *(max(1, round(side / shrink)) for side in source.shape))
    values = source.read(list(numbers), out_shape=shape, resampling=Resampling.nearest)
    across, down, t = source.width / shape[2], source.height / shape[1], source.transform
    return north_up(values, Affine(t.a * across, t.b * down, t.c, t.d * across, t.e * down, t.f))


def draw_map(
    axes: Axes, array: npt.ArrayLike, *, ramp: str | Colormap, extent: Extent | None = None, **scale: Any
) -> AxesImage:
    """Draw an array `(y, x)` with NaN (no data) in light grey; `scale` is vmin and vmax, or norm."""
    axes.set_facecolor(NO_DATA_COLOUR)
    values = np.ma.masked_invalid(np.asarray(array, dtype=np.float64))
    return axes.imshow(values, cmap=ramp, extent=extent, interpolation="nearest", **scale)


def colour_bar(
    figure: Figure,
    drawn: Any,
    axes: Any,
    label: str = "",
    *,
    extend: str = "neither",
    shrink: float = 0.85,
    aspect: float = 28,
) -> Colorbar:
    """Add a colour bar of `drawn` beside axes or a grid of axes."""
    bar = figure.colorbar(drawn, ax=axes, label=label, extend=extend, shrink=shrink, aspect=aspect, pad=0.02)
    bar.outline.set_visible(False)
    return bar


def ends_beyond(array: npt.ArrayLike, low: float, high: float) -> str:
    """Return which ends of a colour bar are exceeded by values ("neither", "min", "max" or "both").

    >>> ends_beyond([0.5, 9.0, np.nan], 0, 1)
    'max'
    """
    values = np.asarray(array, dtype=np.float64)
    beyond = (bool((values < low).any()), bool((values > high).any()))
    return {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG; raises OutputError if the file cannot be written."""
    with atomic_path(path) as temporary:
        write_png(figure, temporary)


def write_png(figure: Figure, file: Path | BinaryIO) -> None:
    """Write a figure as PNG with all texts as they are: names from files may contain the $ of mathematical notation."""
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        if isinstance(axis.get_major_formatter(), LogFormatterMathtext):
            axis.set_major_formatter(LogFormatter())
            axis.set_minor_formatter(LogFormatter())
    dpi = figure.dpi
    with rc_context({"text.parse_math": False}):
        for text in figure.findobj(Text):
            text.set_parse_math(False)
        try:
            figure.set_dpi(DPI)
            # `savefig` would draw the figure twice, the first time only to find its layout.
            FigureCanvasAgg(figure).print_png(file, pil_kwargs={"compress_level": COMPRESSION})
        finally:
            figure.set_dpi(dpi)
