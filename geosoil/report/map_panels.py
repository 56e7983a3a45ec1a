"""Several bands of one map side by side."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure

from geosoil.report.figures import WIDTH

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt


def map_panels_figure(
    panels: Mapping[str, npt.ArrayLike],
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    extent: tuple[float, float, float, float] | None = None,
    ramp: str = "viridis",
) -> Figure:
    """Draw maps of one unit side by side on one colour scale; no data is light grey.

    panels: name -> `(y, x)` in `unit`, NaN = no data. low, high: values of the first and last colour, in `unit`.
    extent: (left, right, bottom, top) in the unit of the CRS; by default axes count pixels.

    >>> len(map_panels_figure({"0-5 cm": np.eye(3), "5-15 cm": np.eye(3)}, title="SOC", unit="%", low=0, high=1).axes)
    3
    """
    arrays = {name: np.ma.masked_invalid(np.asarray(one, np.float64)) for name, one in panels.items()}
    height, width = next(iter(arrays.values())).shape
    columns = min(len(arrays), 3 if width <= 1.8 * height else 2)
    rows = ceil(len(arrays) / columns)
    panel_height = float(np.clip(0.85 * WIDTH / columns * height / width, 1.2, 6.0)) + 0.3
    figure = Figure(figsize=(WIDTH, rows * panel_height + 0.4), dpi=100, layout="compressed", facecolor="white")
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
    for k, axes in enumerate(grid.flat):
        axes.set_visible(k < len(arrays))
    for axes, (name, values) in zip(grid.flat, arrays.items(), strict=False):
        axes.set_facecolor("#e6e6e6")
        image = axes.imshow(values, cmap=ramp, vmin=low, vmax=high, extent=extent, interpolation="nearest")
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
    beyond = (any((one < low).any() for one in arrays.values()), any((one > high).any() for one in arrays.values()))
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]
    bar = figure.colorbar(image, ax=grid, label=unit, extend=extend, shrink=0.85, aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold")
    return figure
