"""A map of the samples, coloured by the fold that tests them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.report.figure_style import new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def folds_figure(xy: np.ndarray, folds: np.ndarray, *, title: str = "", ground_unit: str = "m") -> Figure:
    """Draw the places of samples in the colour of their fold.

    Parameters
    ----------
    xy : ndarray, shape (n, 2)
    folds : ndarray of int, shape (n,)
        Number of the split that tests a sample, -1 for none (grey).
    title : str
    ground_unit : str
        Unit of the places.
    """
    from matplotlib import colormaps

    figure = new_figure(5.2)
    axes = figure.subplots()
    numbers = np.unique(folds[folds >= 0])
    colours = colormaps["tab20"]
    untested = folds < 0
    x, y = xy.T
    axes.scatter(x[untested], y[untested], s=14, color="0.75", label="not tested")
    for i, number in enumerate(numbers):
        members = folds == number
        label = f"fold {i + 1}" if len(numbers) <= 12 else None
        axes.scatter(x[members], y[members], s=16, color=colours(i % 20), label=label)
    axes.set_aspect("equal")
    style_axes(axes, title, f"x ({ground_unit})", f"y ({ground_unit})")
    if len(numbers) <= 12 or untested.any():
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure
