"""Figures of the importance of wavelengths and covariates for the predictions of models."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.report.figure_style import BLUE, GREEN, GREY, VERMILION, WIDTH, add_legend, new_figure, style_axes
from geosoil.spectra.absorption_features import ABSORPTION_FEATURES

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from geosoil.explain.windows import Windows

MARKS = {"shared": GREEN, "own": VERMILION, "": GREY}
LARGEST_NM = 2600.0  # the table of absorption features ends here


def window_figure(panels: Mapping[str, tuple[Windows, npt.ArrayLike, npt.ArrayLike]], *, unit: str = "") -> Figure:
    """Draw the importance of windows of wavelengths, one panel per model, below known absorption features.

    Parameters
    ----------
    panels : mapping of str to tuple
        Title -> windows, importance `(window,)` (mean absolute attribution) and marks `(window,)`: "shared", "own" or
        "" (see `mark_windows`). Each bar is as wide as its window.
    unit : str
        Unit of the importance, if all panels have the same.

    Examples
    --------
    >>> from geosoil.explain.windows import windows_of
    >>> from geosoil.models.contract import Feature
    >>> windows = windows_of([Feature("a", 2200.0), Feature("b", 2210.0)], np.array([0, 1]))
    >>> figure = window_figure({"pH": (windows, [0.1, 0.2], ["shared", ""])})
    >>> figure.axes[1].get_xlabel()
    'wavelength (nm)'
    """
    figure = new_figure(1.1 + 2.7 * len(panels))
    heights = (0.9, *[2.4] * len(panels))
    strip, *rows = figure.subplots(len(panels) + 1, 1, sharex=True, height_ratios=heights)
    low = min(windows.low_nm.min() for windows, _, _ in panels.values())
    high = max(windows.high_nm.max() for windows, _, _ in panels.values())
    strip.set_xlim(low - 0.01 * (high - low), high + 0.01 * (high - low))
    _draw_features(strip, low, high)
    only = " only" if len(panels) > 1 else ""
    labels = {"shared": "important in both models", "own": f"important in this model{only}", "": "other"}
    for axes, (title, (windows, importance, marks)) in zip(rows, panels.items(), strict=True):
        importance, marks = np.asarray(importance, np.float64), np.asarray(marks)
        left, right = _edges(windows)
        for mark, colour in MARKS.items():
            marked = marks == mark
            if marked.any():
                axes.bar(
                    left[marked], importance[marked], width=(right - left)[marked], align="edge", color=colour,
                    linewidth=0, label=labels[mark],
                )  # fmt: skip
        last = axes is rows[-1]
        style_axes(axes, title, "wavelength (nm)" if last else "", f"mean |SHAP|{f' ({unit})' if unit else ''}")
        axes.margins(y=0.08)
        add_legend(axes)
    return figure


def covariate_figure(panels: Mapping[str, tuple[Windows, npt.ArrayLike]], *, unit: str = "", most: int = 20) -> Figure:
    """Draw the mean absolute attribution of the most important covariates as bars, the largest first.

    Parameters
    ----------
    panels : mapping of str to tuple
        Title -> windows and importance `(window,)`.
    unit : str
        Unit of the importance, if all panels have the same.
    most : int
        Largest number of bars per panel.

    Examples
    --------
    >>> from geosoil.explain.windows import windows_of
    >>> from geosoil.models.contract import Feature
    >>> figure = covariate_figure({"Pb": (windows_of([Feature("dist"), Feature("elev")], np.arange(2)), [0.1, 0.2])})
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['elev', 'dist']
    """
    shown = {title: np.argsort(np.asarray(values))[::-1][:most] for title, (_, values) in panels.items()}
    figure = new_figure(0.6 + sum(0.5 + 0.26 * len(order) for order in shown.values()))
    heights = [len(order) + 1 for order in shown.values()]
    rows = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
    for axes, (title, (windows, values)) in zip(rows[:, 0], panels.items(), strict=True):
        order = shown[title]
        axes.barh(range(len(order)), np.asarray(values)[order], color=BLUE)
        axes.set_yticks(range(len(order)), [windows.names[i] for i in order])
        axes.invert_yaxis()
        style_axes(axes, title, f"mean |SHAP|{f' ({unit})' if unit else ''}", "")
        axes.grid(axis="y", visible=False)
    return figure


def mark_windows(
    importance: npt.ArrayLike, other: npt.ArrayLike | None = None, *, share: float = 0.1, least: int = 3
) -> np.ndarray:
    """Mark the most important windows of a model.

    Parameters
    ----------
    importance : array_like of shape (window,)
        Importance in this model.
    other : array_like of shape (window,), optional
        Importance of the same windows in another model.
    share : float
        Share of windows that are marked.
    least : int
        Smallest number of windows that are marked.

    Returns
    -------
    ndarray of str of shape (window,)
        "shared" if a window is important in both models, "own" if only in this one, else "".

    Examples
    --------
    >>> mark_windows([5, 4, 0, 0], [5, 0, 4, 0], least=2).tolist()
    ['shared', 'own', '', '']
    """
    important = _highest(np.asarray(importance, np.float64), share, least)
    marks = np.where(important, "own", "").astype("<U6")
    if other is not None:
        marks[important & _highest(np.asarray(other, np.float64), share, least)] = "shared"
    return marks


def _highest(values: np.ndarray, share: float, least: int) -> np.ndarray:
    count = min(len(values), max(least, round(share * len(values))))
    high = np.zeros(len(values), bool)
    high[np.argsort(-values, kind="stable")[:count]] = True
    return high & (values > 0)


def _edges(windows: Windows) -> tuple[np.ndarray, np.ndarray]:
    """Return the ends of the bars, half a band beyond the first and last band of a window."""
    centres = np.sort(np.concatenate([windows.low_nm, windows.high_nm]))
    steps = np.diff(np.unique(centres))
    inner = windows.high_nm - windows.low_nm
    half = np.full(len(inner), (steps.min() if len(steps) else 1.0) / 2)
    return windows.low_nm - half, windows.high_nm + half


def _draw_features(axes: Axes, low: float, high: float) -> None:
    """Draw known absorption features as labelled bars in three rows."""
    axes.set(ylim=(0, 3), yticks=[])
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(bottom=False)
    ends = [-np.inf] * 3
    for feature in sorted(ABSORPTION_FEATURES, key=lambda f: f.low_nm):
        if feature.high_nm < low or feature.low_nm > min(high, LARGEST_NM):
            continue
        centre = (max(feature.low_nm, low) + min(feature.high_nm, high)) / 2
        half_nm = 0.5 * (len(feature.name) + 1) * 6.0 / (100 * WIDTH * 0.9) * (high - low)  # half the width of its text
        row = next((i for i in (2, 1, 0) if ends[i] <= centre - half_nm), int(np.argmin(ends)))
        text_nm = max(centre, ends[row] + half_nm)
        axes.barh(row + 0.12, feature.high_nm - feature.low_nm, left=feature.low_nm, height=0.2, color="0.6")
        axes.text(text_nm, row + 0.32, feature.name, ha="center", va="bottom", fontsize=7, color="0.25")
        ends[row] = text_nm + half_nm
