"""The first section of a report: how good the model is, how far to trust it, what was left out, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.evaluate.metrics import ALL_DEPTHS
from geosoil.pipeline.splits import SPLITS
from geosoil.pipeline.trust import trust_sentence
from geosoil.report.page import Section, format_number
from geosoil.samples.clustering import is_clustered

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from geosoil.pipeline.fit import FittedPipeline
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.validation import Outcome

LITTLE_R2 = 0.2
"""R2 below which a model predicts hardly better than the mean of the samples."""
MANY_CLIPPED = 0.02
"""Share of test predictions at the end of the valid range from which a report advises to model the logarithm."""


def summary_section(fitted: FittedPipeline) -> Section:
    """Return the answers of a trained model.

    Parameters
    ----------
    fitted : FittedPipeline

    Returns
    -------
    Section
        Accuracy by the first honest split, the sentences of trust, and what was left out; warnings that can change
        a decision come first.
    """
    outcome = main_outcome(fitted.outcomes)
    text = [] if outcome is None else [_accuracy(row, outcome) for _, row in outcome.table.iterrows()]
    if fitted.trust is not None:
        state = fitted.trust.state
        units = {target.column: target.unit for target in fitted.rows.targets}
        text += [f"{trust_sentence(state, name, units[name])}." for name in state.targets]
        text += [] if fitted.trust.scene is None else [f"{fitted.trust.scene.sentence}."]
    text += [f"{note[:1].upper()}{note[1:].rstrip('.')}." for note in fitted.rows.notes]
    warnings = [] if outcome is None else warnings_of(outcome, fitted.rows)
    warnings += [f"Not trained: {reason}" for reason in fitted.rows.refused]
    return Section("Summary", text, warnings=warnings)


def comparison_summary(outcomes: Sequence[Outcome], rows: TrainingRows) -> Section:
    """Return which of the compared models has the smallest error, and whether the samples tell it from the second."""
    outcome = main_outcome(outcomes)
    if outcome is None:
        return Section("Summary", ["Only protocols that leak were run, so that no accuracy can be stated."])
    text = []
    table = outcome.table
    for target in dict.fromkeys(table.target):
        of_target = table[(table.target == target)].sort_values("test_rmse", kind="stable")
        text.append(f"Smallest error: {_accuracy(of_target.iloc[0], outcome)}")
        if len(of_target) > 1 and target != ALL_DEPTHS:
            text.append(_difference(outcome, target, *of_target.model.head(2)))
    return Section("Summary", text, warnings=warnings_of(outcome, rows))


def main_outcome(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the outcome of the first split that does not leak."""
    return next((outcome for outcome in outcomes if not outcome.leaks), None)


def warnings_of(outcome: Outcome, rows: TrainingRows) -> list[str]:
    """Return what can change a decision: clustered samples, little skill, predictions at the end of the valid range."""
    warnings = []
    if SPLITS[outcome.split].is_random and rows.xy_m is not None and is_clustered(rows.xy_m):
        warnings.append(
            "The samples are clustered, and random folds test them beside their neighbours: the accuracy away from the "
            "samples is lower. Add 'spatial' to validation.split."
        )
    best = outcome.table.groupby("target", sort=False).test_r2.max()
    for target, r2 in best.items():
        if r2 < LITTLE_R2 and target != ALL_DEPTHS:
            warnings.append(f"{target}: R² is {r2:.2f}, so that a map shows hardly more than the mean of the samples.")
    name = next(iter(outcome.predicted))
    for k, target in enumerate(outcome.targets):
        predicted = outcome.predicted[name][..., k]
        known = predicted[np.isfinite(predicted)]
        low = target.valid_range[0]
        if low is not None and target.log == "none" and len(known):
            clipped = np.count_nonzero(known <= low)
            if clipped > MANY_CLIPPED * len(known):
                warnings.append(
                    f"{clipped} of {len(known)} test predictions of {target.name} were at or below {low:g}, the end of "
                    'the valid range: model the logarithm (log = "smearing").'
                )
    return warnings


def _accuracy(row: pd.Series, outcome: Outcome) -> str:
    unit = outcome.targets[0].unit
    limits = f" (95 % interval {row.test_r2_low:.2f} to {row.test_r2_high:.2f})" if "test_r2_low" in row else ""
    return (
        f"{row.target}, {row.model}: R² {row.test_r2:.2f}{limits}, RMSE {format_number(row.test_rmse)}"
        f"{f' {unit}' if unit else ''}, for {row.n} samples that the model had not seen, by "
        f"{SPLITS[outcome.split].title.lower()}."
    )


def _difference(outcome: Outcome, target: str, best: str, second: str) -> str:
    differences = outcome.differences(second)
    if "target" in differences:
        differences = differences[differences.target == target]
    row = differences[differences.model == best].iloc[0]
    high = row.test_rmse_difference_high
    relation = "which these samples do not show to be better than" if not high < 0 else "which is better than"
    return (
        f"The model of the smallest error is {best}, {relation} the second one, {second}. It was found by these test "
        "samples, so that its error is a little too small."
    )
