"""The figures of a study: pure functions from arrays to matplotlib Figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from geosoil.report.figure_style import (
    BLUE,
    LEGEND,
    LINES,
    NAMED_COLOURS,
    WIDTH,
    add_legend,
    colour_bar,
    colours_of,
    draw_map,
    ends_beyond,
    limit_ticks,
    new_figure,
    panel_grid,
    style_axes,
    style_panel,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from geosoil.report.figure_style import Extent

GAP = 4.0  # a step between wavelengths of more than this many times the median step is a gap


def map_figure(
    array: npt.ArrayLike,
    *,
    title: str,
    unit: str,
    low: float,
    high: float,
    extent: Extent | None = None,
    points: npt.ArrayLike | None = None,
    ground_unit: str = "m",
    ramp: str = "viridis",
) -> Figure:
    """Draw a map with its colour scale; pixels without data are light grey.

    Parameters
    ----------
    array : array_like of shape (y, x)
        Values in `unit`; NaN = no data.
    title, unit : str
        Title of the map, and unit of its values.
    low, high : float
        Values of the first and last colour, in `unit`.
    extent : tuple, optional
        (left, right, bottom, top) in `ground_unit`; by default the axes are in pixels.
    points : array_like of shape (site, 2), optional
        x and y of sites in the unit of the axes.
    ground_unit : str
        Unit of the CRS.
    ramp : str
        Colour map of matplotlib.

    Examples
    --------
    >>> map_figure(np.eye(3), title="SOC", unit="%", low=0, high=1).axes[0].get_title(loc="left")
    'SOC'
    """
    height, width = np.shape(array)
    figure = new_figure(float(np.clip(0.8 * WIDTH * height / width, 2.5, 9.0)) + 0.6, layout="compressed")
    axes = figure.subplots()
    image = draw_map(axes, array, ramp=ramp, extent=extent, vmin=low, vmax=high)
    colour_bar(figure, image, axes, unit, extend=ends_beyond(array, low, high))
    x_label, y_label = "column (pixels)", "row (pixels)"
    if extent is not None:
        x_label, y_label = f"easting ({ground_unit})", f"northing ({ground_unit})"
        axes.ticklabel_format(style="plain", useOffset=False)
    if points is not None:
        x, y = np.asarray(points, dtype=np.float64).T
        label = f"sites (n = {x.size})"
        axes.scatter(x, y, s=16, facecolor="white", edgecolor="black", linewidth=0.8, zorder=3, label=label)
        figure.legend(**LEGEND, loc="outside lower left")
    style_axes(axes, title, x_label, y_label)
    axes.grid(visible=False)
    limit_ticks(axes)
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
    """Draw the mean and the range from the 5th to the 95th percentile of groups of spectra.

    Parameters
    ----------
    wavelength_nm : array_like of shape (band,)
        Wavelengths in nm; lines are interrupted where bands were dropped or detectors overlap.
    groups : mapping of str to array_like of shape (sample, band)
        Spectra of each group in the unit of `y_label`.
    correlations : mapping of str to array_like of shape (band,), optional
        Pearson's r with the target, drawn in a second panel.
    title, y_label, target : str
        Labels.

    Examples
    --------
    >>> groups = {"laboratory": np.ones((4, 3))}
    >>> len(spectra_figure([400, 500, 600], groups, correlations={"laboratory": [0, 1, 0]}).axes)
    2
    """
    rows = 2 if correlations else 1
    figure = new_figure(3.4 * rows)
    panels = figure.subplots(rows, 1, sharex=True, squeeze=False)[:, 0]
    colours = colours_of([*groups, *(correlations or {})])
    for k, (name, spectra) in enumerate(groups.items()):
        _draw_band(panels[0], wavelength_nm, spectra, name, colours[name], LINES[k % 4])
    style_axes(panels[0], title, "" if correlations else "wavelength (nm)", y_label)
    add_legend(panels[0])
    if correlations:
        for k, (name, r) in enumerate(correlations.items()):
            x, y = break_at_gaps(wavelength_nm, r)
            panels[1].plot(x, y, LINES[k % 4], color=colours[name], label=name)
        panels[1].axhline(0, color="0.5", linewidth=0.8)
        style_axes(panels[1], "", "wavelength (nm)", f"correlation r with {target}")
        add_legend(panels[1])
    return figure


def predicted_measured_figure(
    panels: Mapping[str, tuple[npt.ArrayLike, npt.ArrayLike]],
    *,
    unit: str,
    texts: Mapping[str, str] | None = None,
    name: str = "",
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
        style_panel(grid, k, len(panels), title, f"measured {label}", f"predicted {label}")
        if texts and title in texts:
            box = {"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.5}  # readable above points
            axes.text(
                0.04, 0.96, texts[title], transform=axes.transAxes, va="top", linespacing=1.4, fontsize=9, bbox=box
            )
    return figure


def selected_bands_figure(
    wavelength_nm: npt.ArrayLike,
    mean_spectrum: npt.ArrayLike,
    selected: Mapping[str, npt.ArrayLike],
    *,
    title: str = "",
    y_label: str = "reflectance",
) -> Figure:
    """Draw a mean spectrum, and below it one row of ticks per selection of bands.

    Parameters
    ----------
    wavelength_nm, mean_spectrum : array_like of shape (band,)
        Wavelengths in nm, and the spectrum in the unit of `y_label`.
    selected : mapping of str to array_like of bool of shape (band,)
        Name of a selection -> True for its bands.
    title, y_label : str
        Labels.

    Examples
    --------
    >>> figure = selected_bands_figure([400, 500], [0.1, 0.2], {"CARS": [True, False]})
    >>> [text.get_text() for text in figure.axes[1].get_yticklabels()]
    ['CARS (1)']
    """
    wavelength_nm = np.asarray(wavelength_nm, dtype=np.float64)
    masks = {name: np.asarray(mask, dtype=bool) for name, mask in selected.items()}
    figure = new_figure(3.0 + 0.45 * len(masks))
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2.6, 0.45 * max(len(masks), 1)))
    top.plot(*break_at_gaps(wavelength_nm, mean_spectrum), color="black")
    style_axes(top, title, "", y_label)
    for row, (name, mask) in enumerate(masks.items()):
        colour = NAMED_COLOURS.get(name, BLUE)
        bottom.vlines(wavelength_nm[mask], row - 0.36, row + 0.36, color=colour, linewidth=1.4)
    bottom.set_yticks(range(len(masks)), [f"{name} ({mask.sum()})" for name, mask in masks.items()])
    bottom.set_ylim(len(masks) - 0.4, -0.6)
    style_axes(bottom, "", "wavelength (nm)", "")
    bottom.grid(visible=False)
    return figure


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


def loss_variants_figure(
    wavelength_nm: npt.ArrayLike,
    panels: Mapping[str, npt.ArrayLike],
    *,
    reference: tuple[str, npt.ArrayLike] | None = None,
    y_label: str = "reflectance",
) -> Figure:
    """Draw the mean and the range from the 5th to the 95th percentile of generated spectra, one panel per loss.

    Parameters
    ----------
    wavelength_nm : array_like of shape (band,)
        Wavelengths in nm.
    panels : mapping of str to array_like of shape (sample, band)
        Title -> generated spectra in the unit of `y_label`.
    reference : pair of str and array_like of shape (sample, band), optional
        Name and spectra that are drawn in each panel for comparison.
    y_label : str
        Label.

    Examples
    --------
    >>> len(loss_variants_figure([400, 500], {"MSE": np.ones((3, 2)), "MSE + KL": np.ones((3, 2))}).axes)
    2
    """
    figure, grid = panel_grid(len(panels), square=False)
    for k, (axes, (title, spectra)) in enumerate(zip(grid.flat, panels.items(), strict=False)):
        if reference is not None:
            _draw_band(axes, wavelength_nm, reference[1], reference[0], "0.35", "--")
        _draw_band(axes, wavelength_nm, spectra, "generated", NAMED_COLOURS["generated"], "-")
        style_panel(grid, k, len(panels), title, "wavelength (nm)", y_label)
        axes.xaxis.set_major_locator(MaxNLocator(4))
    if panels and reference is not None:
        handles, labels = grid.flat[0].get_legend_handles_labels()
        figure.legend(handles, labels, **LEGEND, loc="outside lower left", ncols=2)
    return figure


def break_at_gaps(wavelength_nm: npt.ArrayLike, values: npt.ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Return wavelengths and values `(band,)` with NaN inserted where a line is interrupted.

    This is where a step is more than four times the median step (a dropped water window), or goes back (overlapping
    detectors).

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
    known = np.isfinite(spectra).any(axis=0)
    summary = np.full((3, spectra.shape[1]), np.nan)
    summary[:, known] = np.vstack(
        [np.nanpercentile(spectra[:, known], [5, 95], axis=0), np.nanmean(spectra[:, known], axis=0)[None]]
    )
    (x, low), (_, high), (_, mean) = (break_at_gaps(wavelength_nm, row) for row in summary)
    # Where detectors overlap, the tinted range of the first ends at the second, as a double tint would mislead.
    tail = np.where(np.isnan(x), np.inf, x)
    shown = tail <= np.minimum.accumulate(tail[::-1])[::-1]
    axes.fill_between(x, low, high, where=shown, color=colour, alpha=0.18, linewidth=0)
    for edge in (low, high):
        axes.plot(np.where(shown, x, np.nan), edge, line, color=colour, alpha=0.45, linewidth=0.7)
    axes.plot(x, mean, line, color=colour, label=f"{name} (n = {spectra.shape[0]})")
