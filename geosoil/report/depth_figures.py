"""Figures of models that predict several depths: figures of merit by depth, densities by level, bias on the map."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from geosoil.report.figure_style import (
    LINES,
    WIDTH,
    add_legend,
    colours_of,
    new_figure,
    panel_grid,
    style_axes,
    style_panel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.figure import Figure


def by_depth_figure(
    layers: Sequence[str],
    models: Mapping[str, npt.ArrayLike],
    *,
    spread: Mapping[str, npt.ArrayLike] | None = None,
    y_label: str,
    title: str = "",
) -> Figure:
    """Draw a figure of merit of each model by depth, with its spread over folds as bars.

    layers: names of the layers `(layer,)`. models: name -> `(layer,)`. spread: name -> `(layer,)`, in the same unit.

    >>> figure = by_depth_figure(["0-5 cm", "5-15 cm"], {"RF": [0.5, 0.4]}, y_label="R²")
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['0-5 cm', '5-15 cm']
    """
    figure = new_figure(3.6)
    axes = figure.subplots()
    colours = colours_of(models)
    place = np.arange(len(layers))
    for k, (name, values) in enumerate(models.items()):
        shift = (k - (len(models) - 1) / 2) * 0.12  # side by side: bars must not hide each other
        bars = None if spread is None else np.asarray(spread[name], np.float64)
        axes.errorbar(
            place + shift, np.asarray(values, np.float64), yerr=bars, color=colours[name], marker="o", markersize=4,
            linestyle=LINES[k % len(LINES)], linewidth=1.4, elinewidth=1, capsize=2, label=name,
        )  # fmt: skip
    axes.set_xticks(place, list(layers))
    style_axes(axes, title, "", y_label)
    add_legend(axes)
    return figure


def density_figure(
    observed: npt.ArrayLike,
    models: Mapping[str, npt.ArrayLike],
    *,
    unit: str,
    levels: int = 3,
    name: str = "",
) -> Figure:
    """Draw the density of observed and predicted values, one panel a level of the observed.

    observed `(n,)` and predicted `(n,)` by model, in `unit`. Levels hold equal numbers of observations.

    >>> values = np.linspace(1, 9, 30)
    >>> [axes.get_title(loc="left") for axes in density_figure(values, {"RF": values + 1}, unit="%", levels=2).axes]
    ['1 to 5 %', '5 to 9 %']
    """
    from scipy.stats import gaussian_kde

    observed = np.asarray(observed, np.float64)
    limits = np.quantile(observed, np.linspace(0, 1, levels + 1))
    figure, grid = panel_grid(levels, square=False)
    curves = {"observed": observed} | {model: np.asarray(values, np.float64) for model, values in models.items()}
    colours = colours_of(models) | {"observed": "0.25"}
    for k, (low, high) in enumerate(itertools.pairwise(limits)):
        axes = grid.flat[k]
        own = (observed >= low) & ((observed < high) if k < levels - 1 else (observed <= high))
        for i, (model, values) in enumerate(curves.items()):
            part = values[own]
            if part.size < 3 or np.ptp(part) == 0:
                continue  # a single value has no density
            x = np.linspace(part.min() - 0.2 * np.ptp(part), part.max() + 0.2 * np.ptp(part), 200)
            axes.plot(x, gaussian_kde(part)(x), LINES[(i - 1) % len(LINES)] if i else "-", color=colours[model],
                      linewidth=2 if model == "observed" else 1.3, label=model)  # fmt: skip
        style_axes(axes, f"{low:.3g} to {high:.3g} {unit}", f"{name} ({unit})".strip(), "density" if k == 0 else "")
        axes.tick_params(labelbottom=True)
    add_legend(grid.flat[0])
    return figure


def relative_bias_figure(
    x: npt.ArrayLike, y: npt.ArrayLike, panels: Mapping[str, npt.ArrayLike], *, ground_unit: str = "m"
) -> Figure:
    """Draw (predicted - observed) / observed of each profile where it lies, one panel a model.

    x, y `(n,)` in `ground_unit`. panels: title -> relative bias `(n,)` in percent; the scale ends at +-100 %.

    >>> len(relative_bias_figure([0, 1], [0, 1], {"RF": [10.0, -20.0]}).axes)
    2
    """
    figure, grid = panel_grid(len(panels), square=True)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    rows, columns = grid.shape
    shape = float(np.clip(np.ptp(y) / max(np.ptp(x), 1e-9), 0.4, 1.3))  # of the region, so that panels leave no holes
    figure.set_size_inches(WIDTH, rows * (0.8 * WIDTH / columns * shape + 0.7))
    points = None
    for k, (axes, (title, values)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        points = axes.scatter(x, y, c=np.asarray(values, np.float64), s=14, cmap="RdBu_r", vmin=-100, vmax=100,
                              edgecolors="0.4", linewidths=0.3)  # fmt: skip
        axes.set_aspect("equal")
        style_panel(grid, k, len(panels), title, f"x ({ground_unit})", f"y ({ground_unit})")
        axes.ticklabel_format(style="plain", useOffset=False)
        axes.tick_params(axis="x", rotation=30)
    if points is not None:
        bar = figure.colorbar(points, ax=grid, shrink=0.7, extend="both")
        bar.set_label("relative bias (%)", fontsize=10)
    return figure
