"""Figures of models that predict several depths: metrics by depth, densities by level, and a map of the bias."""

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
    place_labels,
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
    """Draw a metric of each model by depth, with error bars.

    Parameters
    ----------
    layers : sequence of str
        Names of the layers.
    models : mapping of str to array_like of shape (layer,)
        Name of a model -> metric.
    spread : mapping of str to array_like of shape (layer,), optional
        Name of a model -> half lengths of the error bars, such as the standard deviation over folds.
    y_label, title : str
        Labels.

    Examples
    --------
    >>> figure = by_depth_figure(["0-5 cm", "5-15 cm"], {"RF": [0.5, 0.4]}, y_label="R²")
    >>> [text.get_text() for text in figure.axes[0].get_xticklabels()]
    ['0-5 cm', '5-15 cm']
    """
    figure = new_figure(3.6)
    axes = figure.subplots()
    colours = colours_of(models)
    positions = np.arange(len(layers))
    for k, (name, values) in enumerate(models.items()):
        shift = (k - (len(models) - 1) / 2) * 0.12  # side by side, so that error bars do not overlap
        bars = None if spread is None else np.asarray(spread[name], np.float64)
        axes.errorbar(
            positions + shift, np.asarray(values, np.float64), yerr=bars, color=colours[name], marker="o", markersize=4,
            linestyle=LINES[k % len(LINES)], linewidth=1.4, elinewidth=1, capsize=2, label=name,
        )  # fmt: skip
    axes.set_xticks(positions, list(layers))
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
    """Draw the densities of measured and predicted values, one panel per level of the measured values.

    Parameters
    ----------
    observed : array_like of shape (sample,)
        Measured values in `unit`.
    models : mapping of str to array_like of shape (sample,)
        Name of a model -> predicted values in `unit`.
    unit, name : str
        Unit and name of the property.
    levels : int
        Number of levels, with equal numbers of samples.

    Examples
    --------
    >>> values = np.linspace(1, 9, 30)
    >>> [axes.get_title(loc="left") for axes in density_figure(values, {"RF": values + 1}, unit="%", levels=2).axes]
    ['1 to 5 %', '5 to 9 %']
    """
    from scipy.stats import gaussian_kde

    observed = np.asarray(observed, np.float64)
    limits = np.quantile(observed, np.linspace(0, 1, levels + 1))
    figure, grid = panel_grid(levels, square=False)
    curves = {"measured": observed} | {model: np.asarray(values, np.float64) for model, values in models.items()}
    colours = colours_of(models) | {"measured": "0.25"}
    for k, (low, high) in enumerate(itertools.pairwise(limits)):
        axes = grid.flat[k]
        in_level = (observed >= low) & ((observed < high) if k < levels - 1 else (observed <= high))
        for i, (model, values) in enumerate(curves.items()):
            part = values[in_level]
            if part.size < 3 or np.ptp(part) == 0:
                continue  # too few different values for a density
            x = np.linspace(part.min() - 0.2 * np.ptp(part), part.max() + 0.2 * np.ptp(part), 200)
            axes.plot(x, gaussian_kde(part)(x), LINES[(i - 1) % len(LINES)] if i else "-", color=colours[model],
                      linewidth=2 if model == "measured" else 1.3, label=model)  # fmt: skip
        style_axes(axes, f"{low:.3g} to {high:.3g} {unit}", f"{name} ({unit})".strip(), "density" if k == 0 else "")
        axes.tick_params(labelbottom=True)
    add_legend(grid.flat[0])
    return figure


def relative_bias_figure(
    x: npt.ArrayLike, y: npt.ArrayLike, panels: Mapping[str, npt.ArrayLike], *, ground_unit: str = "m"
) -> Figure:
    """Draw a map of the relative bias (predicted - measured) / measured of the profiles, one panel per model.

    Parameters
    ----------
    x, y : array_like of shape (profile,)
        Coordinates in `ground_unit`.
    panels : mapping of str to array_like of shape (profile,)
        Title -> relative bias in %; the colours end at -100 and +100 %.
    ground_unit : str
        Unit of the CRS.

    Examples
    --------
    >>> len(relative_bias_figure([0, 1], [0, 1], {"RF": [10.0, -20.0]}).axes)
    2
    """
    figure, grid = panel_grid(len(panels), square=True)
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    rows, columns = grid.shape
    aspect = float(np.clip(np.ptp(y) / max(np.ptp(x), 1e-9), 0.4, 1.3))  # of the region, to avoid empty space
    figure.set_size_inches(WIDTH, rows * (0.8 * WIDTH / columns * aspect + 0.7))
    points = None
    for k, (axes, (title, values)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        points = axes.scatter(x, y, c=np.asarray(values, np.float64), s=14, cmap="RdBu_r", vmin=-100, vmax=100,
                              edgecolors="0.4", linewidths=0.3)  # fmt: skip
        axes.set_aspect("equal")
        style_panel(grid, k, len(panels), title, *place_labels(ground_unit))
        axes.ticklabel_format(style="plain", useOffset=False)
        axes.tick_params(axis="x", rotation=30)
    if points is not None:
        bar = figure.colorbar(points, ax=grid, shrink=0.7, extend="both")
        bar.set_label("relative bias (%)", fontsize=10)
    return figure
