"""Figures of spectra: groups, selected and generated spectra, and a library beside a site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator
from scipy.stats import gaussian_kde

from geosoil.report.figure_style import (
    BLUE,
    GREY,
    LEGEND,
    LINES,
    NAMED_COLOURS,
    SKY,
    VERMILION,
    add_legend,
    colours_of,
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

GAP = 4.0  # a step between wavelengths of more than this many times the median step is a gap
LIBRARY_COLOURS = {"library": GREY, "country": SKY, "chosen": BLUE, "site": VERMILION}
_MOST_POINTS = 5000  # points drawn per group; more would only enlarge the file


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


def library_figure(
    spectra: Mapping[str, npt.ArrayLike], contents: Mapping[str, npt.ArrayLike], *, target: str
) -> Figure:
    """Draw the first three principal components of spectra, and densities of contents (Shen et al. 2022, Fig. 3).

    Parameters
    ----------
    spectra : mapping of str to array_like of shape (sample, band)
        Equally preprocessed spectra; any of the names "library", "country", "chosen" and "site". The components are
        those of the first.
    contents : mapping of str to array_like of shape (sample,)
        Contents in the unit of `target`.
    target : str
        Label of the contents.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(30, 5))
    >>> figure = library_figure({"library": X, "site": X[:6]}, {"library": X[:, 0], "site": X[:6, 0]}, target="soc_pct")
    >>> len(figure.axes)
    6
    """
    rows = {name: np.asarray(values, np.float64) for name, values in spectra.items()}
    first = next(iter(rows.values()))
    mean = first.mean(axis=0)
    values, vectors = np.linalg.eigh((first - mean).T @ (first - mean))
    components, share = vectors[:, ::-1][:, :3], values[::-1][:3] / values.sum()
    scores = {name: (X - mean) @ components for name, X in rows.items()}
    labels = [f"PC {i + 1} ({share[i]:.0%})" for i in range(3)]
    figure = new_figure(6.0, width=9.0)
    panels = figure.subplots(2, 3)
    for axes, (i, j) in zip(panels[0], ((0, 1), (0, 2), (1, 2)), strict=True):
        for name, points in scores.items():
            points = _subset(points)
            many = name in ("library", "country")
            axes.scatter(
                points[:, i],
                points[:, j],
                s=5 if many else 16,
                color=LIBRARY_COLOURS[name],
                alpha=0.35 if many else 0.9,
                linewidth=0 if many else 0.4,
                edgecolor="white",
                label=f"{name} (n = {len(rows[name])})",
            )
        _style_small(axes, labels[i], labels[j])
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(),
        loc="outside upper left", ncols=4, markerscale=1.5, **LEGEND,
    )  # fmt: skip
    _densities(panels[1, 0], {name: np.asarray(y, np.float64) for name, y in contents.items()}, target)
    for axes, i in zip(panels[1, 1:], (0, 1), strict=True):
        _densities(axes, {name: points[:, i] for name, points in scores.items()}, labels[i])
    return figure


def _densities(axes: Axes, groups: Mapping[str, np.ndarray], label: str) -> None:
    """Draw a kernel density of each group over the range of 99 % of all values."""
    low, high = np.quantile(np.concatenate(list(groups.values())), [0.005, 0.995])
    site = groups.get("site")
    if site is not None:
        low, high = min(low, site.min()), max(high, site.max())
    margin = 0.08 * (high - low)  # the curves then end near zero
    x = np.linspace(low - margin, high + margin, 200)
    for name, values in groups.items():
        if len(values) > 2 and np.ptp(values) > 0:
            density = gaussian_kde(_subset(values))(x)
            axes.plot(x, density, color=LIBRARY_COLOURS[name], linewidth=1.6)
            axes.fill_between(x, density, color=LIBRARY_COLOURS[name], alpha=0.15, linewidth=0)
    axes.set_ylim(bottom=0)
    _style_small(axes, label, "density")


def _subset(rows: np.ndarray) -> np.ndarray:
    """Return at most _MOST_POINTS evenly spaced rows."""
    return rows[:: max(1, -(-len(rows) // _MOST_POINTS))]


def _style_small(axes: Axes, x_label: str, y_label: str) -> None:
    style_axes(axes, "", x_label, y_label)
    axes.tick_params(labelsize=8)
