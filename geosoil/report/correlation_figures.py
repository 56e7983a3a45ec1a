"""Figure of the correlations of a map with factors of terrain, by zone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.report.figure_style import add_legend, colours_of, new_figure, style_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

ROW_INCHES = 0.16  # a bar of one zone
MOST_BARS = 120


def zones_figure(table: pd.DataFrame) -> Figure:
    """Draw Pearson's r of each factor as bars, one per zone.

    Parameters
    ----------
    table : DataFrame
        The columns zone, factor and pearson_r of a `correlation_table`; at most 120 rows are drawn.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = [("whole image", "twi", 0.5), ("left", "twi", -0.2)]
    >>> figure = zones_figure(pd.DataFrame(rows, columns=["zone", "factor", "pearson_r"]))
    >>> [text.get_text() for text in figure.axes[0].get_yticklabels()]
    ['twi']
    """
    shown = table.head(MOST_BARS)
    factors, zones = list(dict.fromkeys(shown["factor"])), list(dict.fromkeys(shown["zone"]))
    figure = new_figure(0.9 + ROW_INCHES * len(factors) * (len(zones) + 1.5))
    axes = figure.subplots()
    thickness = 1 / (len(zones) + 1)
    colours = colours_of(zones)
    for k, zone in enumerate(zones):
        r = shown[shown["zone"] == zone].set_index("factor")["pearson_r"].reindex(factors)
        middle = [i + (k - (len(zones) - 1) / 2) * thickness for i in range(len(factors))]
        axes.barh(middle, r.fillna(0).to_numpy(), height=0.9 * thickness, color=colours[zone], label=zone)
    axes.axvline(0, color="0.4", linewidth=0.8)
    reach = max(0.25, float(shown["pearson_r"].abs().max()) * 1.1) if shown["pearson_r"].notna().any() else 1.0
    axes.set(xlim=(-reach, reach), yticks=range(len(factors)), yticklabels=factors)
    axes.invert_yaxis()
    style_axes(axes, "", "Pearson's r", "")
    axes.grid(axis="y", visible=False)
    if len(zones) > 1:
        add_legend(axes)
    return figure
