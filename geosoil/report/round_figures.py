"""Figures of repeated rounds: box plots of a metric, and learning curves of all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.report.figure_style import BLUE, LEGEND, VERMILION, new_figure, panel_grid, style_axes

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.figure import Figure

CURVE_COLOURS = {"training rows": BLUE, "rows held out for early stopping": VERMILION}


def rounds_figure(values: Mapping[str, npt.ArrayLike], *, y_label: str) -> Figure:
    """Draw a metric of repeated validations as box plots: quartiles, median, range, and one point per repeat.

    `values` maps names of models to metrics `(repeat,)`.

    >>> rounds_figure({"PLS": [0.4, 0.5], "ResNet": [0.5, 0.7]}, y_label="R²").axes[0].get_ylabel()
    'R²'
    """
    figure = new_figure(4.2)
    axes = figure.subplots()
    rows = [np.asarray(value, np.float64) for value in values.values()]
    rows = [row[np.isfinite(row)] for row in rows]
    boxes = axes.boxplot(rows, whis=(0, 100), widths=0.5, showfliers=False, patch_artist=True)
    for box in boxes["boxes"]:
        box.set(facecolor=(BLUE, 0.2), edgecolor="0.4")
    for median in boxes["medians"]:
        median.set(color=VERMILION, linewidth=2)
    for k, row in enumerate(rows, start=1):
        # Fixed horizontal offsets separate equal values, and make the figure reproducible.
        axes.plot(k + np.linspace(-0.12, 0.12, row.size), row, ".", color="0.25", markersize=5, alpha=0.7)
    axes.set_xticks(range(1, len(rows) + 1), [name.replace(" ", "\n", 1) for name in values])
    style_axes(axes, "", "", y_label)
    return figure


def learning_curves_figure(curves: Mapping[str, Sequence[tuple[npt.ArrayLike, npt.ArrayLike]]]) -> Figure:
    """Draw losses by epoch on a logarithmic scale, one panel per model and one line per repeat.

    `curves` maps names to pairs of losses `(epoch,)`: of the training rows and of the held-out rows.

    >>> figure = learning_curves_figure({"ResNet": [([1.0, 0.5, 0.2], [1.0, 0.7, 0.8])]})
    >>> figure.axes[0].get_yscale()
    'log'
    """
    figure, grid = panel_grid(len(curves), square=False)
    figure.set_size_inches(figure.get_figwidth(), max(3.2, figure.get_figheight()))
    for k, (axes, (name, pairs)) in enumerate(zip(grid.flat, curves.items(), strict=False)):
        for j, pair in enumerate(pairs):
            for losses, (label, colour) in zip(pair, CURVE_COLOURS.items(), strict=True):
                losses = np.asarray(losses, np.float64)
                axes.plot(np.arange(1, losses.size + 1), losses, color=colour, linewidth=0.8, alpha=0.6,
                          label=label if j == 0 else None)  # fmt: skip
        axes.set_yscale("log")
        style_axes(axes, name, "epoch", "loss" if k % grid.shape[1] == 0 else "")
    grid.flat[0].legend(**LEGEND)
    return figure
