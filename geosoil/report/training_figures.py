"""Figures of the training of networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from geosoil.report.figure_style import (
    BLUE,
    LEGEND,
    LINES,
    VERMILION,
    add_legend,
    colours_of,
    new_figure,
    panel_grid,
    style_axes,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt
    from matplotlib.figure import Figure

CURVE_COLOURS = {"training rows": BLUE, "rows held out for early stopping": VERMILION}


def loss_figure(curves: Mapping[str, npt.ArrayLike], *, title: str = "", y_label: str = "loss") -> Figure:
    """Draw losses by epoch, on a logarithmic scale if they are positive and span more than a factor of 20.

    `curves` maps names to losses `(epoch,)`.

    >>> loss_figure({"total": [100.0, 10.0, 1.0]}).axes[0].get_yscale()
    'log'
    """
    figure = new_figure(3.6)
    axes = figure.subplots()
    colours, known = colours_of(curves), []
    for k, (name, values) in enumerate(curves.items()):
        values = np.asarray(values, dtype=np.float64)
        known.append(values[np.isfinite(values)])
        axes.plot(np.arange(1, values.size + 1), values, LINES[k % 4], color=colours[name], label=name)
    finite = np.concatenate(known) if known else np.empty(0)
    if finite.size and finite.min() > 0 and finite.max() > 20 * finite.min():
        axes.set_yscale("log")
    style_axes(axes, title, "epoch", y_label)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    add_legend(axes)
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
