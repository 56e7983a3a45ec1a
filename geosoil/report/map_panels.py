"""Several bands of one map side by side."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from geosoil.report.figure_style import WIDTH, colour_bar, draw_map, ends_beyond, new_figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from matplotlib.figure import Figure

    from geosoil.report.figure_style import Extent


def map_panels_figure(
    panels: Mapping[str, npt.ArrayLike],
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    extent: Extent | None = None,
    ramp: str = "viridis",
) -> Figure:
    """Draw maps in the same unit side by side with one colour scale; pixels without data are light grey.

    Parameters
    ----------
    panels : mapping of str to array_like of shape (y, x)
        Name -> values in `unit`; NaN = no data.
    title, unit, low, high, ramp
        See `map_figure`.
    extent : tuple, optional
        (left, right, bottom, top) in the unit of the CRS.

    Examples
    --------
    >>> len(map_panels_figure({"0-5 cm": np.eye(3), "5-15 cm": np.eye(3)}, title="SOC", unit="%", low=0, high=1).axes)
    3
    """
    arrays = np.asarray(list(panels.values()), np.float64)
    count, height, width = arrays.shape
    columns = min(count, 3 if width <= 1.8 * height else 2)
    rows = ceil(count / columns)
    panel_height = float(np.clip(0.85 * WIDTH / columns * height / width, 1.2, 6.0)) + 0.3
    figure = new_figure(rows * panel_height + 0.4, layout="compressed")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for k, axes in enumerate(grid.flat):
        axes.set_visible(k < count)
    for axes, (name, values) in zip(grid.flat, zip(panels, arrays, strict=True), strict=False):
        image = draw_map(axes, values, ramp=ramp, extent=extent, vmin=low, vmax=high)
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    colour_bar(figure, image, grid, unit, extend=ends_beyond(arrays, low, high))
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
