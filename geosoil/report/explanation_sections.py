"""The sections of the reports of `geosoil explain`: what the predictions depend on, and whether attributions add up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.explain.tables import MOST_DEVIATION, check_line
from geosoil.report.page import Section, format_number

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure

    from geosoil.explain.explanation import Explanation

    Explained = tuple[Explanation, pd.DataFrame, str]

SHOWN_WINDOWS = 15
NAMED_WINDOWS = 3
CANCELLING = 2.0
"""Ratio of the attributions of one window to the differences of predictions from which a report warns."""


def samples_sections(
    explained: Mapping[str, Explained], figure: Figure, *, remarks: Sequence[str] = ()
) -> list[Section]:
    """Return the sections of an explanation of samples.

    Parameters
    ----------
    explained : mapping of str to (Explanation, DataFrame, str)
        Name of a model -> attributions, `window_table`, and the unit of the target.
    figure : Figure
        The importance of the windows of all models.
    remarks : sequence of str
        Sentences on how the models compare.

    Returns
    -------
    list of Section
    """
    text, warnings, tables, methods = [], [], [], []
    for name, (explanation, table, unit) in explained.items():
        text += answers(explanation, table, unit, of_rows=f"{len(explanation.rows)} samples", model=name)
        warnings += warnings_of(explanation, table, model=name)
        what = "regions" if explanation.windows.is_spectral else "covariates"
        shown = _shown(table)
        tables.append((f"{name}: the {len(shown)} {what} that weigh most, of {len(table)}", shown))
        methods += [f"{name}: {line}." for line in (*explanation.notes, check_line(explanation))]
    caption = "Mean absolute Shapley value: by how much a window moves a prediction away from the mean, on average."
    return [
        Section("Summary", [*text, *(f"{remark}." for remark in remarks)], warnings=warnings),
        Section("What the predictions depend on", figures=[(caption, figure)], tables=tables),
        _method_section(methods),
    ]


def raster_sections(
    explanation: Explanation,
    table: pd.DataFrame,
    unit: str,
    figure: Figure,
    *,
    remarks: Sequence[str],
    warnings: Sequence[str] = (),
) -> list[Section]:
    """Return the sections of an explanation of pixels.

    Parameters
    ----------
    explanation : Explanation
        Attributions of the pixels.
    table : DataFrame
        The `window_table` of the bands.
    unit : str
        Unit of the attributions.
    figure : Figure
        The map of the attribution of largest mean absolute value.
    remarks : sequence of str
        What was done to the input, and which pixels were explained.
    warnings : sequence of str
        What is strange about the input.

    Returns
    -------
    list of Section
    """
    text = answers(explanation, table, unit, of_rows=f"{len(explanation.values)} pixels")
    lines = (*explanation.notes, check_line(explanation), *remarks)
    highest = str(table.sort_values("rank")["window"].iloc[0])
    caption = f"What {highest} adds to the prediction of each pixel ({unit or 'unit of the model'}); zero is the mean."
    what = f"Mean absolute Shapley value of the pixels, in {unit or 'the unit of the model'}"
    return [
        Section("Summary", text, warnings=[*warnings_of(explanation, table), *warnings]),
        Section("What the predictions depend on", figures=[(caption, figure)], tables=[(what, _shown(table))]),
        _method_section([f"{line[:1].upper()}{line[1:]}." for line in lines]),
    ]


def answers(explanation: Explanation, table: pd.DataFrame, unit: str, *, of_rows: str, model: str = "") -> list[str]:
    """Return which windows weigh most, how many carry half of all attributions, and how large attributions are.

    >>> import pandas as pd
    >>> from geosoil.explain.explanation import Explanation
    >>> from geosoil.explain.windows import windows_of
    >>> from geosoil.models.contract import Feature
    >>> windows = windows_of([Feature("slope"), Feature("twi")], np.array([0, 1]))
    >>> values = np.array([[3.0, -1.0], [-3.0, 1.0]])
    >>> explanation = Explanation(values, windows, np.arange(2), np.array([12.0, 8.0]), 10.0, 2.0, "linear", "soc", ())
    >>> table = pd.DataFrame({"window": ["slope", "twi"], "share": [0.75, 0.25], "rank": [1, 2], "absorbs_here": ""})
    >>> for sentence in answers(explanation, table, "g/kg", of_rows="2 samples"):
    ...     print(sentence)
    soc depends most on slope (75 %), twi (25 %).
    1 of 2 covariates carries half of all attributions.
    The 2 samples are predicted as 10.0 g/kg on average of the background, and differ from it by 2.00 g/kg on average.
    """
    best = table.sort_values("rank")
    named = [
        f"{_name(row)} ({100 * row.share:.0f} %{f', {row.absorbs_here}' if row.absorbs_here else ''})"
        for row in best.head(NAMED_WINDOWS).itertuples()
    ]
    half = int(np.searchsorted(np.cumsum(best["share"].to_numpy()), 0.5)) + 1
    what = "spectral windows" if explanation.windows.is_spectral else "covariates"
    moved = _mean_difference(explanation)
    # Under a logarithm of the target, attributions and their baseline have no unit that a reader knows.
    of_unit = f" {unit}" if unit and not explanation.quantity.startswith("ln(") else ""
    of_model = f"{model}: " if model else ""
    return [
        f"{of_model}{explanation.quantity} depends most on {', '.join(named)}.",
        f"{half} of {len(best)} {what} {'carries' if half == 1 else 'carry'} half of all attributions.",
        f"The {of_rows} are predicted as {format_number(explanation.baseline)}{of_unit} on average of the background, "
        f"and differ from it by {format_number(moved)}{of_unit} on average.",
    ]


def warnings_of(explanation: Explanation, table: pd.DataFrame, *, model: str = "") -> list[str]:
    """Return warnings if attributions do not add up to the predictions, or if large ones cancel each other."""
    warnings = []
    of_model = f"{model}: the" if model else "The"
    if explanation.additivity > MOST_DEVIATION:
        warnings.append(
            f"{of_model} attributions do not add up to the predictions (deviation {explanation.additivity:.1%} of "
            f"their spread, limit {MOST_DEVIATION:.0%}), so that the order of windows may be wrong: raise the budget "
            "or the number of background rows."
        )
    best = table.sort_values("rank").iloc[0]
    times = float(best["mean_abs_shap"]) / (_mean_difference(explanation) or 1.0)
    if times > CANCELLING:
        warnings.append(
            f"{of_model} attributions of {_name(best)} are {times:.0f} times as large as "
            "the differences of the predictions, because those of other features cancel them: these features vary "
            "together, and none of them can be interpreted alone."
        )
    return warnings


def _mean_difference(explanation: Explanation) -> float:
    """Return by how much the predictions differ from the mean of the background, on average."""
    return float(np.abs(explanation.predicted - explanation.baseline).mean())


def _shown(table: pd.DataFrame) -> pd.DataFrame:
    """Return the windows that weigh most, with the headings of a page."""
    best = table.sort_values("rank").head(SHOWN_WINDOWS)
    shown = best[["rank", "window", "mean_abs_shap", "share", "absorbs_here"]].reset_index(drop=True)
    shown["window"] = [_name(row) for row in best.itertuples()]
    shown["share"] *= 100
    if not shown["absorbs_here"].any():
        shown = shown.drop(columns="absorbs_here")
    headings = {"mean_abs_shap": "mean |SHAP|", "share": "share (%)", "absorbs_here": "what absorbs here"}
    return shown.rename(columns=headings)


def _name(row: Any) -> str:
    """Return the name of a window in whole nanometres; a region or a covariate keeps its name."""
    is_range = str(row.window).endswith(" nm") and row.high_nm > row.low_nm
    return f"{row.low_nm:.0f} to {row.high_nm:.0f} nm" if is_range else str(row.window)


def _method_section(lines: Sequence[str]) -> Section:
    about = (
        "Shapley values divide the difference between a prediction and the mean prediction of background rows among "
        "the features (Lundberg and Lee 2017). They show what the model uses, which need not be what causes the "
        "property."
    )
    return Section("How this was computed", [about, *lines])
