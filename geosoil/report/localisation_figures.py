"""The figures of a comparison of localised models: what each gains over local modelling, and the site's points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.report.figure_style import BLUE, LEGEND, VERMILION, colour_bar, new_figure, style_axes

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy.typing as npt
    from matplotlib.figure import Figure


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


def points_figure(
    xy: npt.ArrayLike,
    values: npt.ArrayLike,
    learned: npt.ArrayLike,
    *,
    title: str,
    unit: str,
    ground_unit: str = "m",
) -> Figure:
    """Draw values at points, with training samples as squares and the others as circles.

    Parameters
    ----------
    xy : array_like of shape (sample, 2)
        Coordinates in `ground_unit`.
    values : array_like of shape (sample,)
        Values in `unit`.
    learned : array_like of bool of shape (sample,)
        True for training samples.
    title, unit, ground_unit : str
        Labels.

    Examples
    --------
    >>> points_figure([[0, 0], [1, 1]], [1, 2], [True, False], title="SOC", unit="%").axes[0].get_title(loc="left")
    'SOC'
    """
    xy, values, training = np.asarray(xy, np.float64), np.asarray(values, np.float64), np.asarray(learned, bool)
    figure = new_figure(6.4, layout="compressed")
    axes = figure.subplots()
    low, high = np.quantile(values, [0.02, 0.98])
    for flags, marker, name in ((~training, "o", "test samples"), (training, "s", "training samples")):
        if flags.any():
            drawn = axes.scatter(
                xy[flags, 0], xy[flags, 1], c=values[flags], s=42, marker=marker, vmin=low, vmax=high,
                cmap="viridis", edgecolor="black" if marker == "s" else "white", linewidth=0.8,
                label=f"{name} (n = {int(flags.sum())})",
            )  # fmt: skip
    colour_bar(figure, drawn, axes, unit, extend="both")
    axes.legend(**LEGEND, loc="upper left", bbox_to_anchor=(0, -0.1), ncols=2, borderaxespad=0)
    axes.set_aspect("equal")
    style_axes(axes, title, f"easting ({ground_unit})", f"northing ({ground_unit})")
    axes.ticklabel_format(style="plain", useOffset=False)
    axes.locator_params(nbins=5)
    return figure
