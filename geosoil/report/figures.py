"""The figures of a study: pure functions from arrays to matplotlib Figures, one look for all.

No pyplot, so no figure of one study is left open in another. Colours are those of Okabe and Ito, which readers with any
colour vision tell apart; what colour says, a line style or a label says too.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt
    from matplotlib.axes import Axes

# One colour for one thing in all figures; other names take the rest in order.
NAMED_COLOURS = {"laboratory": "#0072B2", "satellite": "#D55E00", "generated": "#009E73"}
OTHER_COLOURS = ("#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
LINES = ("-", "--", "-.", ":")
WIDTH = 8.0  # inches, 800 pixels wide at 100 dpi: text stays readable in a page
GAP = 4.0  # a step of wavelength this many times the median is a gap, not a band


def map_figure(
    array: npt.ArrayLike,
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    extent: tuple[float, float, float, float] | None = None,
    points: npt.ArrayLike | None = None,
    ground_unit: str = "m",
    ramp: str = "viridis",
) -> Figure:
    """Draw a map with its colour scale; no data is light grey.

    array: `(y, x)` in `unit`, NaN = no data. low, high: values of the first and last colour, in `unit`.
    extent: (left, right, bottom, top) in `ground_unit`, the unit of the CRS; by default axes count pixels.
    points: `(n, 2)` x and y of sites, in the unit of the axes.

    >>> map_figure(np.eye(3), title="SOC", unit="%", low=0, high=1).axes[0].get_title(loc="left")
    'SOC'
    """
    values = np.ma.masked_invalid(np.asarray(array, dtype=np.float64))
    height, width = values.shape
    figure = _figure(float(np.clip(0.8 * WIDTH * height / width, 2.5, 9.0)) + 0.6)
    figure.set_layout_engine("compressed")  # no empty margins beside a narrow map
    axes = figure.subplots()
    axes.set_facecolor("#e6e6e6")
    image = axes.imshow(values, cmap=ramp, vmin=low, vmax=high, extent=extent, interpolation="nearest")
    beyond = (bool((values < low).any()), bool((values > high).any()))
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}[beyond]
    bar = figure.colorbar(image, ax=axes, label=unit, extend=extend, shrink=0.85, aspect=28, pad=0.02)
    bar.outline.set_visible(False)
    x_label, y_label = "column (pixels)", "row (pixels)"
    if extent is not None:
        x_label, y_label = f"easting ({ground_unit})", f"northing ({ground_unit})"
        axes.ticklabel_format(style="plain", useOffset=False)
    if points is not None:
        x, y = np.asarray(points, dtype=np.float64).T
        label = f"sites (n = {x.size})"
        axes.scatter(x, y, s=16, facecolor="white", edgecolor="black", linewidth=0.8, zorder=3, label=label)
        figure.legend(frameon=False, fontsize=9, loc="outside lower left")
    _style(axes, title, x_label, y_label)
    axes.grid(visible=False)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    return figure


def spectra_figure(
    wavelength_nm: npt.ArrayLike,
    groups: Mapping[str, npt.ArrayLike],
    *,
    correlations: Mapping[str, npt.ArrayLike] | None = None,
    title: str = "",
    y_label: str = "reflectance",
    target: str = "the target",
) -> Figure:
    """Draw mean and 5-95 % band of groups of spectra; below, their correlation with a target, if given.

    wavelength_nm: `(p,)` nanometres; lines break where bands were dropped or detectors overlap.
    groups: name -> `(n, p)` spectra in the unit of `y_label`. correlations: name -> `(p,)` Pearson's r.

    >>> groups = {"laboratory": np.ones((4, 3))}
    >>> len(spectra_figure([400, 500, 600], groups, correlations={"laboratory": [0, 1, 0]}).axes)
    2
    """
    rows = 2 if correlations else 1
    figure = _figure(3.4 * rows)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    colours = _colours([*groups, *(correlations or {})])
    for k, (name, spectra) in enumerate(groups.items()):
        _draw_band(panels[0], wavelength_nm, spectra, name, colours[name], LINES[k % 4])
    _style(panels[0], title, "" if correlations else "wavelength (nm)", y_label)
    _legend(panels[0])
    if correlations:
        for k, (name, r) in enumerate(correlations.items()):
            x, y = break_at_gaps(wavelength_nm, r)
            panels[1].plot(x, y, LINES[k % 4], color=colours[name], label=name)
        panels[1].axhline(0, color="0.5", linewidth=0.8)
        _style(panels[1], "", "wavelength (nm)", f"correlation with {target} (r)")
        _legend(panels[1])
    return figure


def predicted_measured_figure(
    panels: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    unit: str,
    texts: Mapping[str, str] | None = None,
    name: str = "",
) -> Figure:
    """Draw predicted against measured values, one panel a model, on one scale with the 1:1 line.

    panels: title -> (observed `(n,)`, predicted `(n,)`) in `unit`. texts: title -> the metrics to print in the panel.
    name: of the property.

    >>> figure = predicted_measured_figure({"PLSR": ([1, 2], [1.1, 1.9])}, unit="%", texts={"PLSR": "R² 0.96"})
    >>> figure.axes[0].get_xlabel()
    'measured (%)'
    """
    figure, grid = _grid(len(panels), square=True)
    pairs = [np.concatenate([np.ravel(a) for a in pair]).astype(float) for pair in panels.values()]
    every = np.concatenate(pairs)
    every = every[np.isfinite(every)]
    low, high = (every.min(), every.max()) if every.size else (0.0, 1.0)
    margin = 0.04 * (high - low) or 0.5
    limits = (low - margin, high + margin)
    what = f"{name} " if name else ""
    for k, (axes, (title, (observed, predicted))) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        axes.plot(limits, limits, color="0.45", linewidth=1, zorder=1)
        axes.scatter(observed, predicted, s=18, color="#0072B2", alpha=0.55, linewidth=0, zorder=2)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        last_row, first_column = k + grid.shape[1] >= len(panels), k % grid.shape[1] == 0
        x_label = f"measured {what}({unit})" if last_row else ""
        _style(axes, title, x_label, f"predicted {what}({unit})" if first_column else "")
        if texts and title in texts:
            axes.text(0.04, 0.96, texts[title], transform=axes.transAxes, va="top", linespacing=1.4, fontsize=9)
    return figure


def selected_bands_figure(
    wavelength_nm: npt.ArrayLike,
    mean_spectrum: npt.ArrayLike,
    selected: Mapping[str, npt.ArrayLike],
    *,
    title: str = "",
    y_label: str = "reflectance",
) -> Figure:
    """Draw a mean spectrum, and below it one row of ticks for every choice of bands.

    wavelength_nm, mean_spectrum: `(p,)`. selected: name -> `(p,)` True where a band was chosen.

    >>> figure = selected_bands_figure([400, 500], [0.1, 0.2], {"CARS": [True, False]})
    >>> [text.get_text() for text in figure.axes[1].get_yticklabels()]
    ['CARS (1)']
    """
    wavelength_nm = np.asarray(wavelength_nm, dtype=np.float64)
    masks = {name: np.asarray(mask, dtype=bool) for name, mask in selected.items()}
    figure = _figure(3.0 + 0.45 * len(masks))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 0.45 * max(len(masks), 1)))
    top.plot(*break_at_gaps(wavelength_nm, mean_spectrum), color="black")
    _style(top, title, "", y_label)
    for row, (name, mask) in enumerate(masks.items()):
        colour = NAMED_COLOURS.get(name, NAMED_COLOURS["laboratory"])
        bottom.vlines(wavelength_nm[mask], row - 0.36, row + 0.36, color=colour, linewidth=1.4)
    bottom.set_yticks(range(len(masks)), [f"{name} ({mask.sum()})" for name, mask in masks.items()])
    bottom.set_ylim(len(masks) - 0.4, -0.6)
    _style(bottom, "", "wavelength (nm)", "")
    bottom.grid(visible=False)
    return figure


def loss_figure(curves: Mapping[str, npt.ArrayLike], *, title: str = "", y_label: str = "loss") -> Figure:
    """Draw losses by epoch; on a logarithmic scale where they are positive and span more than a factor of 20.

    curves: name -> `(epochs,)`.

    >>> loss_figure({"total": [100.0, 10.0, 1.0]}).axes[0].get_yscale()
    'log'
    """
    figure = _figure(3.6)
    axes = figure.subplots()
    colours, every = _colours(list(curves)), []
    for k, (name, values) in enumerate(curves.items()):
        values = np.asarray(values, dtype=np.float64)
        every.append(values[np.isfinite(values)])
        axes.plot(np.arange(1, values.size + 1), values, LINES[k % 4], color=colours[name], label=name)
    finite = np.concatenate(every) if every else np.empty(0)
    if finite.size and finite.min() > 0 and finite.max() > 20 * finite.min():
        axes.set_yscale("log")
    _style(axes, title, "epoch", y_label)
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    _legend(axes)
    return figure


def loss_variants_figure(
    wavelength_nm: npt.ArrayLike,
    panels: Mapping[str, npt.ArrayLike],
    *,
    reference: tuple[str, npt.ArrayLike] | None = None,
    y_label: str = "reflectance",
) -> Figure:
    """Draw mean and 5-95 % band of generated spectra, one panel a variant of the loss, on one scale.

    wavelength_nm: `(p,)`. panels: title -> `(n, p)` spectra. reference: name and `(n, p)` spectra that they should look
    like, repeated in every panel.

    >>> len(loss_variants_figure([400, 500], {"MSE": np.ones((3, 2)), "MSE + KL": np.ones((3, 2))}).axes)
    2
    """
    figure, grid = _grid(len(panels), square=False)
    for k, (axes, (title, spectra)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        if reference is not None:
            _draw_band(axes, wavelength_nm, reference[1], reference[0], "0.35", "--")
        _draw_band(axes, wavelength_nm, spectra, "generated", NAMED_COLOURS["generated"], "-")
        last_row, first_column = k + grid.shape[1] >= len(panels), k % grid.shape[1] == 0
        _style(axes, title, "wavelength (nm)" if last_row else "", y_label if first_column else "")
        axes.xaxis.set_major_locator(MaxNLocator(4))
    if panels and reference is not None:
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, frameon=False, fontsize=9, loc="outside lower left", ncols=2)
    return figure


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a figure as PNG of 150 dpi.

    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     save_figure(loss_figure({"total": [2.0, 1.0]}), Path(folder) / "loss.png")
    ...     (Path(folder) / "loss.png").stat().st_size > 5000
    True
    """
    from geosoil.io.atomic import atomic_path

    with atomic_path(path) as temporary:
        figure.savefig(temporary, format="png", dpi=150)


def break_at_gaps(wavelength_nm: npt.ArrayLike, values: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelengths and values with a NaN between bands that a line must not join.

    wavelength_nm, values: `(p,)`. A gap is a step of more than four times the median one (a dropped water window), or
    a step back (detectors that overlap).

    >>> break_at_gaps([400, 410, 420, 500, 510], [1, 2, 3, 4, 5])[1]
    array([ 1.,  2.,  3., nan,  4.,  5.])
    """
    wavelength_nm, values = np.asarray(wavelength_nm, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if wavelength_nm.size < 3:
        return wavelength_nm, values
    step = np.diff(wavelength_nm)
    step *= np.sign(np.median(step))  # some products list bands from long to short
    usual = np.median(step[step > 0]) if (step > 0).any() else np.inf
    gaps = np.flatnonzero((step > GAP * usual) | (step <= 0)) + 1
    return np.insert(wavelength_nm, gaps, np.nan), np.insert(values, gaps, np.nan)


def _draw_band(
    axes: Axes, wavelength_nm: npt.ArrayLike, spectra: npt.ArrayLike, name: str, colour: str, line: str
) -> None:
    spectra = np.atleast_2d(np.asarray(spectra, dtype=np.float64))
    seen = np.isfinite(spectra).any(axis=0)
    summary = np.full((3, spectra.shape[1]), np.nan)
    summary[:, seen] = np.vstack(
        [np.nanpercentile(spectra[:, seen], [5, 95], axis=0), np.nanmean(spectra[:, seen], axis=0)[None]]
    )
    (x, low), (_, high), (_, mean) = (break_at_gaps(wavelength_nm, row) for row in summary)
    # Where detectors overlap, the first one's band ends at the second: twice the tint would look like a feature.
    tail = np.where(np.isnan(x), np.inf, x)
    shown = tail <= np.minimum.accumulate(tail[::-1])[::-1]
    axes.fill_between(x, low, high, where=shown, color=colour, alpha=0.18, linewidth=0)
    for edge in (low, high):
        axes.plot(np.where(shown, x, np.nan), edge, line, color=colour, alpha=0.45, linewidth=0.7)
    axes.plot(x, mean, line, color=colour, label=f"{name} (n = {spectra.shape[0]})")


def _figure(height: float) -> Figure:
    return Figure(figsize=(WIDTH, height), dpi=100, layout="constrained", facecolor="white")


def _grid(count: int, *, square: bool) -> tuple[Figure, np.ndarray]:
    """A figure of `count` panels on shared axes, three in a row at most; four make a square."""
    columns = 2 if count == 4 else min(max(count, 1), 3)
    rows = max(ceil(count / columns), 1)
    panel = WIDTH / columns if square else 2.6
    figure = _figure(min(panel, 5.0) * rows + 0.3)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for k, axes in enumerate(grid.flat):
        axes.set_visible(k < count)
        axes.tick_params(labelbottom=k + columns >= count)  # also above an empty place of the last row
    return figure, grid


def _style(axes: Axes, title: str, x_label: str, y_label: str) -> None:
    """The one look: title on the left, light grid, no box, text of 10 points."""
    axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
    axes.set_xlabel(x_label, fontsize=10)
    axes.set_ylabel(y_label, fontsize=10)
    axes.tick_params(labelsize=9, color="0.6")
    axes.grid(color="0.9", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("0.6")


def _legend(axes: Axes) -> None:
    axes.legend(frameon=False, fontsize=9, loc="best", handlelength=2.4)


def _colours(names: list[str]) -> dict[str, str]:
    others = [name for name in dict.fromkeys(names) if name not in NAMED_COLOURS]
    return NAMED_COLOURS | {name: OTHER_COLOURS[k % len(OTHER_COLOURS)] for k, name in enumerate(others)}
