"""The figure of a localised library: contents, and the space of spectra, of library, chosen rows and site."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import gaussian_kde

from geosoil.report.figure_style import BLUE, GREY, LEGEND, SKY, VERMILION, new_figure, style_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LIBRARY_COLOURS = {"library": GREY, "country": SKY, "chosen": BLUE, "site": VERMILION}
_MOST_POINTS = 5000  # points drawn per group; more would only enlarge the file


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
