"""The section of a report on how far a model can be trusted: it is the first one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.pipeline.trust import trust_sentence
from geosoil.report.page import Section, format_number
from geosoil.report.trust_figures import calibration_figure, coverage_classes_figure, error_profile_figure
from geosoil.trust.diagnostics import (
    CARD_LEVELS,
    LEVELS,
    coverage_by_class,
    coverage_by_level,
    nested_probabilities,
    value_classes,
)
from geosoil.trust.local_scale import DISSIMILARITY, SPREAD

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from geosoil.pipeline.trust import FittedTrust
    from geosoil.trust.scores import Scores

LEVEL = 0.9
MOST_TARGETS_DRAWN = 3  # of more targets, only the first one is drawn
FEWEST_DRAWN = 20  # scores
CLASS_TITLES = {"predicted": "By predicted value", DISSIMILARITY: "By dissimilarity", SPREAD: "By spread"}
INDICATOR_TITLES = {
    "predicted": "the predicted value",
    DISSIMILARITY: "the dissimilarity",
    SPREAD: "the spread of the members",
}


def trust_section(trust: FittedTrust, r2: dict[str, float]) -> Section:
    """Show errors, prediction intervals and how these cover.

    Parameters
    ----------
    trust : FittedTrust
    r2 : dict of str to float
        R2 of the test rows by the name of the target, by the same split.

    Returns
    -------
    Section
    """
    units = {target.column: target.unit for target in trust.outcome.targets}
    text = [f"R2 {r2[name]:.2f}, {trust_sentence(trust.state, name, units[name])}." for name in trust.state.targets]
    text += [] if trust.scene is None else [f"{trust.scene.sentence}."]
    text.append(
        "The error is the root mean square of the errors of test rows. The interval of a test row is computed from the "
        "errors of rows of other folds only (nested); the intervals of a map are computed in the same way from the "
        "errors of all rows. They are those of single pixels: errors of neighbouring pixels are alike, so that the "
        "interval of the mean of an area is not the mean of the intervals."
    )
    text += [_in_words(trust, name) for name in trust.state.targets]
    text += trust.notes
    drawn = list(trust.scores)
    figures: list[tuple[str, Figure]] = []
    for name in drawn if len(drawn) <= MOST_TARGETS_DRAWN else drawn[:1]:
        if len(trust.scores[name]) >= FEWEST_DRAWN:
            figures += _figures(trust, name, units[name])
    tables = []
    for name, scores in trust.scores.items():
        table = coverage_by_level(scores.observed, trust.bounds[name], LEVELS)
        table = table[table.level.isin(CARD_LEVELS)]
        tables.append((f"Intervals of {name}, by level", table.reset_index(drop=True)))
    return Section("Trust", text, figures, tables)


def _in_words(trust: FittedTrust, name: str) -> str:
    state = trust.state.targets[name].intervals
    of = " and ".join(INDICATOR_TITLES[indicator] for indicator in state.scale.indicators)
    if state.logarithm:  # errors of the logarithm are factors of the prediction
        width = "their width is proportional to the prediction" + (f", and varies with {of}" if of else "")
    else:
        width = f"their width varies with {of}" if of else "they have the same width everywhere"
    ratio = float(np.exp(2 * state.skew))
    sides = "" if abs(ratio - 1) < 0.05 else f"; the upper side is {ratio:.2g} times as long as the lower one"
    return f"Intervals of {name} come from {state.n_samples} samples: {width}{sides}."


def _figures(trust: FittedTrust, name: str, unit: str) -> list[tuple[str, Figure]]:
    scores, bounds = trust.scores[name], trust.bounds[name]
    state = trust.state.targets[name].intervals
    levels = coverage_by_level(scores.observed, bounds, LEVELS)
    probabilities = nested_probabilities(scores, logarithm=state.logarithm)
    caption = (
        f"{name}: coverage by level with its 95 % confidence interval, and the probability that the intervals give to "
        "values below the observed one, which is uniform for honest intervals."
    )
    figures = [(caption, calibration_figure(levels, probabilities))]
    lower, upper = bounds[LEVELS.index(LEVEL)]
    if np.isfinite(lower).any():
        tables = {
            title: coverage_by_class(scores.observed, lower, upper, classes, LEVEL)
            for title, classes in _classes(scores).items()
        }
        for title, table in tables.items():
            tables[title] = _named(table, scores, title)
        caption = f"{name}: coverage of the {100 * LEVEL:g} % intervals by class, with 95 % confidence intervals."
        figures.append((caption, coverage_classes_figure(tables, LEVEL)))
    dissimilarity = scores.indicators.get(DISSIMILARITY)
    if dissimilarity is not None and np.ptp(dissimilarity) > 0:
        area = trust.state.applicability
        figure = error_profile_figure(
            dissimilarity,
            scores.observed - scores.predicted,
            threshold=None if area is None else area.threshold,
            unit=unit,
        )
        figures.append((f"{name}: absolute errors of test samples, and their expectation, which never falls.", figure))
    return figures


def _classes(scores: Scores) -> dict[str, np.ndarray]:
    """Return the classes of each score by the title of their panel."""
    values = {"predicted": scores.predicted, **scores.indicators}
    classes = {CLASS_TITLES[name]: value_classes(v) for name, v in values.items()}
    return classes | {"By fold": scores.groups}


def _named(table: pd.DataFrame, scores: Scores, title: str) -> pd.DataFrame:
    """Return a table of classes with their names: the range of values, or the number of the fold."""
    if title == "By fold":
        return table.assign(**{"class": [f"fold {number + 1}" for number in table["class"]]})
    name = next(key for key, known in CLASS_TITLES.items() if known == title)
    values = scores.predicted if name == "predicted" else scores.indicators[name]
    classes = value_classes(values)
    names = []
    for number in table["class"]:
        chosen = values[classes == number]
        names.append(f"{format_number(chosen.min())} to {format_number(chosen.max())}")
    return table.assign(**{"class": names})
