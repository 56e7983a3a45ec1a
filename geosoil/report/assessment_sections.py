"""The sections of a report on the accuracy of a map at independent points."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.report.page import Section, format_number
from geosoil.report.validation_figures import predicted_measured_figure

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def assessment_sections(
    table: pd.DataFrame,
    points: pd.DataFrame,
    left_out: Mapping[str, Sequence[str]],
    *,
    text: Sequence[str],
    target: str,
) -> list[Section]:
    """Return the sections: accuracy with its figure, and the points that were left out.

    Parameters
    ----------
    table : DataFrame
        The columns part, n, figure, unit, estimate, standard_error, low and high.
    points : DataFrame
        One row per point: id, observed, predicted, and inside (0 or 1) where it is known.
    left_out : mapping of str to sequence of str
        Ids of points by the reason for which they were left out.
    text : sequence of str
        Paragraphs on the design of the sample and on the points.
    target : str
        Name of the property.

    Returns
    -------
    list of Section
    """
    unit = next((str(unit) for unit in table["unit"] if unit), "")
    groups = {"whole map": points}
    if "inside" in points:
        parts = {"inside the area": points[points["inside"] == 1], "outside the area": points[points["inside"] == 0]}
        groups |= {title: part for title, part in parts.items() if len(part)}
    panels = {title: (part["observed"].to_numpy(), part["predicted"].to_numpy()) for title, part in groups.items()}
    texts = {title: _in_panel(table[table["part"] == title], unit) for title in groups}
    figure = predicted_measured_figure(panels, unit=unit or "unit of the map", texts=texts, name=target)
    tables = [
        (f"{part}: estimates with standard errors and 95 % confidence intervals", rows.drop(columns="part"))
        for part, rows in table.groupby("part", sort=False)
    ]
    caption = "The values of the map against the measured values; the line is that of perfect agreement."
    shown = [(title, rows.reset_index(drop=True)) for title, rows in tables]
    sections = [Section("Accuracy", text, [(caption, figure)], shown)]
    if left_out:
        rows = pd.DataFrame([(name, reason) for reason, names in left_out.items() for name in names])
        sections.append(
            Section(
                "Points left out",
                ["These points could not be compared with the map."],
                tables=[("Points left out", rows.set_axis(["point", "reason"], axis=1))],
            )
        )
    return sections


def _in_panel(rows: pd.DataFrame, unit: str) -> str:
    values = rows.set_index("figure")["estimate"]
    lines = [f"n = {rows['n'].max()}", f"R² {values.get('r2', np.nan):.2f}"]
    return "\n".join([*lines, f"RMSE {format_number(values.get('rmse'))} {unit}".strip()])
