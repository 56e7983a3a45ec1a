"""Figures of prediction intervals: how often they cover, where they fail, and how errors grow with dissimilarity."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binom

from geosoil.report.figure_style import BLUE, GREY, LEGEND, VERMILION, new_figure, style_axes
from geosoil.trust.diagnostics import error_profile

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

N_BINS = 10  # of the histogram of probabilities


def calibration_figure(table: pd.DataFrame, probabilities: np.ndarray) -> Figure:
    """Draw the coverage of intervals against their level, and the histogram of probabilities (PIT).

    Parameters
    ----------
    table : DataFrame
        Of `coverage_by_level`.
    probabilities : ndarray of shape (n,)
        Of `nested_probabilities`; NaN where there is none.

    Returns
    -------
    Figure
    """
    figure = new_figure(3.9)
    left, right = figure.subplots(1, 2)
    known = table[table.n > 0]
    level, covered = 100 * known.level.to_numpy(), 100 * known.covered.to_numpy()
    ends = np.abs(100 * known[["covered_low", "covered_high"]].to_numpy().T - covered)
    left.plot([0, 100], [0, 100], color=GREY, linewidth=1, linestyle="--", label="stated level")
    left.errorbar(level, covered, ends, color=BLUE, marker="o", markersize=4, linewidth=1, label="observed coverage")
    left.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
    left.legend(**LEGEND, loc="upper left")
    style_axes(left, "Coverage", "level of the interval (%)", "test values inside (%)")
    probabilities = probabilities[np.isfinite(probabilities)]
    counts = np.histogram(probabilities, N_BINS, (0, 1))[0]
    n = max(len(probabilities), 1)
    low, high = np.array(binom.interval(0.95, n, 1 / N_BINS)) / n
    right.bar((np.arange(N_BINS) + 0.5) / N_BINS, 100 * counts / n, 0.92 / N_BINS, color=BLUE, alpha=0.8)
    right.axhspan(100 * low, 100 * high, color=GREY, alpha=0.25, linewidth=0, label="95 % range if uniform")
    right.axhline(100 / N_BINS, color=GREY, linewidth=1, linestyle="--")
    right.legend(**LEGEND, loc="upper right")
    right.set(xlim=(0, 1), ylim=(0, max(1.35 * 100 * counts.max() / n, 1.5 * 100 * high)))
    style_axes(right, "Probability of a lower value", "probability", "test values (%)")
    return figure


def coverage_classes_figure(tables: Mapping[str, pd.DataFrame], level: float) -> Figure:
    """Draw the coverage of intervals by class, one panel for each way of making classes, two panels per row.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        By the title of the panel, tables of `coverage_by_class` with names of classes.
    level : float
        The level of the intervals.

    Returns
    -------
    Figure
    """
    most = max(len(table) for table in tables.values())
    n_rows = ceil(len(tables) / 2)
    figure = new_figure((1.1 + 0.22 * most) * n_rows)
    panels = figure.subplots(n_rows, 2, squeeze=False).ravel()
    for axes in panels[len(tables) :]:
        axes.set_visible(False)
    for axes, (title, table) in zip(panels, tables.items(), strict=False):
        covered = 100 * table.covered.to_numpy()
        ends = np.abs(100 * table[["covered_low", "covered_high"]].to_numpy().T - covered)
        places = np.arange(len(table))[::-1]
        axes.axvline(100 * level, color=GREY, linewidth=1, linestyle="--")
        axes.errorbar(covered, places, xerr=ends, color=BLUE, marker="o", markersize=5, linewidth=1.2, linestyle="none")
        axes.set_yticks(places, [f"{name}, n = {n}" for name, n in zip(table["class"], table.n, strict=True)])
        axes.set(ylim=(-0.6, len(table) - 0.4), xlim=(min(50, np.nanmin(covered - ends[0], initial=50) - 3), 104))
        style_axes(axes, title, "test values inside (%)", "")
    return figure


def error_profile_figure(
    dissimilarity: np.ndarray, residuals: np.ndarray, *, threshold: float | None, unit: str
) -> Figure:
    """Draw absolute errors of test rows against their dissimilarity, with the expected error.

    Parameters
    ----------
    dissimilarity, residuals : ndarray of shape (n,)
    threshold : float, optional
        Largest dissimilarity inside the area of applicability.
    unit : str
        Unit of the residuals.

    Returns
    -------
    Figure
    """
    figure = new_figure(3.6)
    axes = figure.subplots()
    x, expected = error_profile(dissimilarity, residuals)
    axes.scatter(dissimilarity, np.abs(residuals), s=14, color=GREY, alpha=0.7, linewidth=0, label="test samples")
    axes.plot(x, expected, color=BLUE, linewidth=2, label="expected error")
    if threshold is not None:
        axes.axvline(threshold, color=VERMILION, linewidth=1.2, linestyle="--", label="limit of the area")
    axes.set(xlim=(0, None), ylim=(0, 1.05 * np.quantile(np.abs(residuals), 0.99)))
    axes.legend(**LEGEND, loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3)
    style_axes(axes, "Error and dissimilarity", "dissimilarity index", f"absolute error ({unit})" if unit else "error")
    return figure
