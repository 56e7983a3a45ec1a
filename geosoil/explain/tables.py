"""An explanation as text and as a table: whether attributions add up, and the importance of each window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.spectra.absorption_features import features_in

if TYPE_CHECKING:
    from geosoil.explain.explanation import Explanation

MOST_DEVIATION = 0.02  # of the spread of f: a larger deviation of a sum is reported as a failure


def check_line(explanation: Explanation) -> str:
    """Return a sentence on how far the sums of attributions are from f(x) - mean f(background)."""
    deviation = explanation.additivity
    if deviation <= MOST_DEVIATION:
        verdict = "holds"
    else:
        verdict = f"DOES NOT HOLD (limit {MOST_DEVIATION:.0%}); raise the budget or the number of background rows"
    return (
        f"{explanation.method}: sums of attributions are within {deviation:.2%} of the spread "
        f"{explanation.spread:.3g} of f: {verdict}"
    )


def window_table(explanation: Explanation, marks: np.ndarray, *, compared: bool = False) -> pd.DataFrame:
    """Return one row per window, with its importance.

    Parameters
    ----------
    explanation : Explanation
        Attributions of the samples.
    marks : ndarray of str, (window,)
        Which windows are important, of `mark_windows`.
    compared : bool
        Whether another model is compared: windows that are important in this model alone are then marked "shifted".

    Returns
    -------
    DataFrame
        Columns `window`, `low_nm`, `high_nm`, `mean_abs_shap`, `share`, `rank`, `mark` and `absorbs_here`.
    """
    windows, importance = explanation.windows, explanation.importance
    words = {"own": "shifted" if compared else "high", "shared": "shared", "": ""}
    rank = np.empty(len(importance), int)
    rank[np.argsort(-importance, kind="stable")] = np.arange(1, len(importance) + 1)
    absorbing = [
        "; ".join(features_in(low, high)) if np.isfinite(low) else ""
        for low, high in zip(windows.low_nm, windows.high_nm, strict=True)
    ]
    return pd.DataFrame(
        {
            "window": windows.names,
            "low_nm": windows.low_nm,
            "high_nm": windows.high_nm,
            "mean_abs_shap": importance,
            "share": importance / (importance.sum() or 1.0),
            "rank": rank,
            "mark": [words[str(mark)] for mark in marks],
            "absorbs_here": absorbing,
        }
    )


def highest_line(table: pd.DataFrame, most: int = 5) -> str:
    """Return a line that names the most important windows of a `window_table`."""
    best = table.sort_values("rank").head(most)
    named = [f"{row.window}{f' ({row.absorbs_here})' if row.absorbs_here else ''}" for row in best.itertuples()]
    return "highest: " + ", ".join(named)
