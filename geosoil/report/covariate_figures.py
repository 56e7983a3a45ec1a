"""Figures about covariates and their choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator

from geosoil.report.figure_style import BLUE, LEGEND, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from geosoil.samples.covariates import Selection


def batches_figure(
    selection: Selection, *, unit: str = "", title: str = "Error by number of covariates, most important first"
) -> Figure:
    """Draw the cross-validation error by number of covariates, and mark the smallest; `unit` is that of the target.

    >>> from geosoil.samples.covariates import select_covariates
    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> figure = batches_figure(select_covariates(X, X[:, 0] + X[:, 1], ["dem", "twi", "ndvi"], batch=1), unit="%")
    >>> figure.axes[0].get_xlabel()
    'number of covariates'
    """
    count, rmse, spread = selection.n_covariates, selection.rmse, selection.standard_error
    best = int(np.argmin(rmse))
    figure = new_figure(3.6)
    axes = figure.subplots()
    axes.errorbar(count, rmse, spread, fmt="o-", color=BLUE, capsize=3, label="mean over folds ± standard error")
    label = f"selected: {count[best]:.0f} covariates, RMSE {rmse[best]:.3g} {unit}".rstrip()
    axes.plot(count[best], rmse[best], "o", ms=12, mfc="none", mec=VERMILION, mew=2, label=label)
    y_label = "RMSE of cross-validation"
    style_axes(axes, title, "number of covariates", f"{y_label} ({unit})" if unit else y_label)
    axes.xaxis.set_major_locator(FixedLocator(count.tolist(), nbins=10))
    axes.legend(**LEGEND)
    return figure
