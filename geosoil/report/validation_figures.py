"""Figures of validations: predicted against measured values, metrics over repeats, and folds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FixedLocator

from geosoil.report.figure_style import (
    BLUE,
    GREEN,
    LEGEND,
    LINES,
    OTHER_COLOURS,
    VERMILION,
    limit_ticks,
    new_figure,
    panel_grid,
    place_labels,
    style_axes,
    style_panel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from matplotlib.figure import Figure

    from geosoil.samples.covariates import Selection


def predicted_measured_figure(
    panels: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    unit: str,
    texts: Mapping[str, str] | None = None,
    name: str = "",
    reference: str = "measured",
) -> Figure:
    """Draw predicted against measured values, one panel per model, with the same scale and the 1:1 line.

    Parameters
    ----------
    panels : mapping of str to pair of array_like of shape (sample,)
        Title -> measured and predicted values in `unit`.
    unit : str
        Unit of the values.
    texts : mapping of str to str, optional
        Title -> metrics printed in the panel.
    name : str
        Name of the property.
    reference : str
        What the values are that predictions are compared with.

    Examples
    --------
    >>> figure = predicted_measured_figure({"PLSR": ([1, 2], [1.1, 1.9])}, unit="%", texts={"PLSR": "R² 0.96"})
    >>> figure.axes[0].get_xlabel()
    'measured (%)'
    """
    figure, grid = panel_grid(len(panels), square=True)
    pairs = [np.concatenate([np.ravel(a) for a in pair]).astype(float) for pair in panels.values()]
    values = np.concatenate(pairs)
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.5
    limits = (low - margin, high + margin)
    label = f"{name} ({unit})" if name else f"({unit})"
    for k, (axes, (title, (observed, predicted))) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        axes.plot(limits, limits, color="0.45", linewidth=1, zorder=1)
        axes.scatter(observed, predicted, s=18, color=BLUE, alpha=0.55, linewidth=0, zorder=2)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        limit_ticks(axes)
        style_panel(grid, k, len(panels), title, f"{reference} {label}", f"predicted {label}")
        if texts and title in texts:
            box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.5}  # readable above points
            axes.text(
                0.04, 0.96, texts[title], transform=axes.transAxes, va="top", linespacing=1.4, fontsize=9, bbox=box
            )
    return figure


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


def rmse_change_figure(changes: Mapping[str, npt.ArrayLike], *, reference: str) -> Figure:
    """Draw the reduction of RMSE of models compared with a reference, in percent (Shen et al. 2022, Fig. 4).

    `changes` maps names of models to percentages `(repeat,)`, positive for a smaller RMSE. Bars are means, lines
    standard deviations over repeats, points the repeats. The axis ends at -100 % so that one poor model does not hide
    the others; values below are labelled.

    >>> rmse_change_figure({"MBL": [5.0, 9.0]}, reference="local PLSR").axes[0].get_yticklabels()[0].get_text()
    'MBL'
    """
    figure = new_figure(0.42 * len(changes) + 1.1)
    axes = figure.subplots()
    values = {name: np.asarray(repeats, np.float64) for name, repeats in changes.items()}
    low = max(-100.0, min(0.0, *(repeats.min() for repeats in values.values())) - 8)
    high = max(10.0, *(repeats.max() for repeats in values.values())) + 12
    for i, repeats in enumerate(values.values()):
        mean = float(repeats.mean())
        spread = repeats.std(ddof=1) if repeats.size > 1 else 0.0
        axes.barh(i, max(mean, low), height=0.62, color=BLUE if mean >= 0 else VERMILION, alpha=0.75, linewidth=0)
        if repeats.size > 1:
            axes.errorbar(max(mean, low), i, xerr=spread, color="0.25", capsize=3, linewidth=1.2, clip_on=True)
            axes.scatter(np.clip(repeats, low, high), np.full(repeats.size, i), s=9, color="0.25", alpha=0.6, zorder=3)
        text = f"{mean:+.0f}" + (" (outside the axis)" if mean < low else "")
        end = max(min(max(mean + spread, repeats.max(), 0.0), high - 8), low)
        axes.text(end + 1.5, i, text, va="center", fontsize=9)
    axes.axvline(0, color="0.3", linewidth=1)
    axes.set_xlim(low, high)
    style_axes(axes, "", f"reduction of RMSE compared with {reference} (%)", "")
    axes.set_yticks(range(len(values)), list(values), fontsize=10)
    axes.invert_yaxis()
    axes.tick_params(length=0, axis="y")
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    return figure


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


def distances_figure(
    to_map: np.ndarray, between_samples: np.ndarray, by_split: Mapping[str, np.ndarray], *, unit: str = "m"
) -> Figure:
    """Draw the shares of map places and of test rows that have a sample to learn from within a distance.

    Parameters
    ----------
    to_map : ndarray
        Distance of each place of the map to the nearest sample.
    between_samples : ndarray
        Distance of each sample to the nearest other one.
    by_split : mapping of str to ndarray
        Title of a split -> distance of each test row to the nearest training row; NaN for a row that is not tested.
    unit : str
        Unit of the distances.

    Examples
    --------
    >>> distances = np.arange(1.0, 9)
    >>> figure = distances_figure(3 * distances, distances, {"random folds": distances})
    >>> [line.get_label() for line in figure.axes[0].lines]
    ['from the map to the samples', 'between samples', 'random folds']
    """
    figure = new_figure(3.8)
    axes = figure.subplots()
    lines = {"from the map to the samples": to_map, "between samples": between_samples} | dict(by_split)
    known = {name: np.sort(values[np.isfinite(values)]) for name, values in lines.items()}
    right = 1.05 * max(float(np.quantile(values, 0.98)) for values in known.values() if values.size) or 1.0
    colours = (BLUE, "0.55", VERMILION, GREEN, *OTHER_COLOURS)
    for number, (name, values) in enumerate(known.items()):
        style = "-" if number < 2 else LINES[(number - 1) % len(LINES)]
        share = np.arange(1, values.size + 1) / max(values.size, 1)
        axes.step(
            np.concatenate([[0.0], values, [max(right, *values[-1:])]]),
            np.concatenate([[0.0], share, [1.0]]),
            where="post",
            color=colours[number % len(colours)],
            linestyle=style,
            linewidth=2.6 if number == 0 else 1.5,
            label=name,
        )
    axes.set(xlim=(0, right), ylim=(0, 1.02))
    axes.ticklabel_format(style="plain", axis="x", useOffset=False)
    style_axes(axes, "", f"distance to the nearest sample that is learned from ({unit})", "share within the distance")
    axes.legend(**LEGEND, loc="lower right")
    return figure


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
    if untested.any():
        axes.scatter(x[untested], y[untested], s=14, color="0.75", label="not tested")
    for i, number in enumerate(numbers):
        members = folds == number
        label = f"fold {i + 1}" if len(numbers) <= 12 else None
        axes.scatter(x[members], y[members], s=16, color=colours(i % 20), label=label)
    axes.set_aspect("equal")
    axes.ticklabel_format(style="plain", useOffset=False)
    style_axes(axes, title, *place_labels(ground_unit))
    if len(numbers) <= 12 or untested.any():
        axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False)
    return figure
