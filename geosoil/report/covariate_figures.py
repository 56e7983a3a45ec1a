"""Figures about covariates and their choice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator

from geosoil.report.figures import NAMED_COLOURS, WIDTH

if TYPE_CHECKING:
    from geosoil.samples.covariates import Selection


def batches_figure(
    selection: Selection, *, unit: str = "", title: str = "Covariates in batches, strongest first"
) -> Figure:
    """Draw the error of growing batches of covariates, and mark the least; unit: of the target.

    >>> from geosoil.samples.covariates import select_covariates
    >>> X = np.random.default_rng(0).normal(size=(40, 3))
    >>> figure = batches_figure(select_covariates(X, X[:, 0] + X[:, 1], ["dem", "twi", "ndvi"], batch=1), unit="%")
    >>> figure.axes[0].get_xlabel()
    'covariates'
    """
    count, rmse, spread = selection.n_covariates, selection.rmse, selection.standard_error
    best = int(np.argmin(rmse))
    figure = Figure(figsize=(WIDTH, 3.6), dpi=100, layout="constrained", facecolor="white")
    axes = figure.subplots()
    colour = NAMED_COLOURS["laboratory"]
    axes.errorbar(count, rmse, spread, fmt="o-", color=colour, capsize=3, label="mean of the folds ± standard error")
    label = f"chosen: {count[best]:.0f} covariates, RMSE {rmse[best]:.3g} {unit}".rstrip()
    axes.plot(count[best], rmse[best], "o", ms=12, mfc="none", mec=NAMED_COLOURS["satellite"], mew=2, label=label)
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel("covariates", fontsize=10)
    axes.set_ylabel(f"RMSE of cross-validation ({unit})" if unit else "RMSE of cross-validation", fontsize=10)
    axes.tick_params(labelsize=9, color="0.6")
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(FixedLocator(count.tolist(), nbins=10))
    axes.legend(frameon=False, fontsize=9)
    return figure
