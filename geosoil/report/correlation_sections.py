"""The sections of the report of `geosoil correlate`: the largest correlation, where zones differ, and all values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.evaluate.correlate import CAVEAT, WHOLE
from geosoil.report.correlation_figures import MOST_BARS, zones_figure
from geosoil.report.page import Section

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

CLEAR_R = 0.1
"""Size of a correlation from which its sign is compared between zones."""
WEAK_R = 0.3
"""Size of a correlation below which a summary calls it weak."""


def correlation_sections(table: pd.DataFrame, figure: Figure, *, notes: Sequence[str]) -> list[Section]:
    """Return the sections of the correlations of a map with terrain.

    Parameters
    ----------
    table : DataFrame
        The `correlation_table`.
    figure : Figure
        The map with its streams.
    notes : sequence of str
        What was done to the inputs.

    Returns
    -------
    list of Section
    """
    name = str(table["property"].iloc[0])
    numbers = table.drop(columns="property").rename(columns={"pearson_r": "Pearson's r", "spearman_r": "Spearman's r"})
    by_zone = zones_figure(table)
    caption = "Pearson's r of the map with each factor, by zone; at zero there is no linear relation."
    if len(table) > MOST_BARS:
        caption += f" Only the first {MOST_BARS} rows of the table are drawn."
    remarks = [f"{note[:1].upper()}{note[1:]}." for note in dict.fromkeys([*notes, CAVEAT])]
    return [
        Section("Summary", answers(table), warnings=opposite_zones(table)),
        Section("Correlations", figures=[(caption, by_zone)], tables=[(f"{name} with factors of terrain", numbers)]),
        Section("Map", figures=[(f"{name} and the streams.", figure)]),
        Section("How this was computed", remarks),
    ]


def answers(table: pd.DataFrame) -> list[str]:
    """Return the factor of the largest correlation in the whole image, and how the others compare.

    >>> import pandas as pd
    >>> rows = [("soc", WHOLE, "twi", 90, 0.52, 0.5), ("soc", WHOLE, "slope", 90, -0.1, -0.1)]
    >>> columns = ["property", "zone", "factor", "n", "pearson_r", "spearman_r"]
    >>> print(*answers(pd.DataFrame(rows, columns=columns)))
    soc is most closely related to twi: r = 0.52 (Spearman 0.50) over 90 pixels. Then follow slope (r = -0.10).
    """
    whole = table[(table["zone"] == WHOLE) & table["pearson_r"].notna()]
    name = str(table["property"].iloc[0])
    if whole.empty:
        return [f"{name} has no correlation with any factor: its pixels or those of the factors do not vary."]
    order = whole.reindex(whole["pearson_r"].abs().sort_values(ascending=False, kind="stable").index)
    best, *others = order.itertuples()
    relation = (
        "is most closely related to" if abs(best.pearson_r) >= WEAK_R else "is only weakly related to terrain, most to"
    )
    text = [
        f"{name} {relation} {best.factor}: r = {best.pearson_r:.2f} (Spearman {best.spearman_r:.2f}) over {best.n} "
        "pixels."
    ]
    if others:
        text.append(f"Then follow {', '.join(f'{row.factor} (r = {row.pearson_r:.2f})' for row in others)}.")
    return text


def opposite_zones(table: pd.DataFrame) -> list[str]:
    """Return a warning for each factor whose correlation is clearly positive in one zone and negative in another."""
    warnings = []
    for factor, rows in table[table["zone"] != WHOLE].groupby("factor", sort=False):
        r = rows["pearson_r"].to_numpy()
        if np.nanmax(r, initial=0) >= CLEAR_R and np.nanmin(r, initial=0) <= -CLEAR_R:
            high, low = rows.iloc[int(np.nanargmax(r))], rows.iloc[int(np.nanargmin(r))]
            warnings.append(
                f"{factor} is related in opposite directions: r = {high.pearson_r:.2f} in {high.zone}, "
                f"{low.pearson_r:.2f} in {low.zone}. The value of the whole image mixes the two."
            )
    return warnings
