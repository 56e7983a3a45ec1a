"""The tables of an outcome: metrics by round on both scales, and paired differences with their spread."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.evaluate.metrics import regression_metrics
from geosoil.evaluate.retransformation import retransformation_bias
from geosoil.studies.lead_transfer.candidates import CONTROLS, TRANSFER, model_names

if TYPE_CHECKING:
    from geosoil.studies.lead_transfer.protocols import Outcome
    from geosoil.studies.lead_transfer.recipe import Recipe

METRICS = ("r2", "rmse", "rpd", "ccc", "bias")


def rpd_class(rpd: float) -> str:
    """Return the class of an RPD as He et al. 2025 name it (2.2.4, after Viscarra Rossel et al. 2006).

    >>> rpd_class(1.39), rpd_class(1.4), rpd_class(2.12)
    ('inadequate', 'acceptable', 'superior')
    """
    if np.isnan(rpd):
        return ""
    return "inadequate" if rpd < 1.4 else "acceptable" if rpd < 2.0 else "superior"


def scales(recipe: Recipe) -> tuple[str, ...]:
    """Return the scales of figures: of the logarithm, that models learn, first where there is one."""
    return (recipe.target.unit,) if recipe.target.log == "none" else ("ln", recipe.target.unit)


def by_round(outcome: Outcome, recipe: Recipe, kind: str, scale: str) -> pd.DataFrame:
    """Return the metrics of one model, a row a round, on a scale: "ln", or the target's unit."""
    rows = []
    all_observed, all_predicted = _on_scale(outcome, kind, scale)
    for predicted in all_predicted:
        seen = np.isfinite(predicted)
        observed, own = all_observed[seen], predicted[seen]
        figures = regression_metrics(observed, own)
        row = {metric: figures[metric] for metric in METRICS}
        if scale != "ln" and recipe.target.log != "none":
            row["bias_pct"] = retransformation_bias(observed, own)["bias_pct"]
        rows.append(row)
    return pd.DataFrame(rows)


def comparison_table(outcome: Outcome, recipe: Recipe) -> pd.DataFrame:
    """Return one row a model and scale: means over rounds, and the spread of R2 and RMSE where there are several."""
    names = model_names(recipe)
    rows = []
    for scale in scales(recipe):
        for kind in outcome.predicted:
            own = by_round(outcome, recipe, kind, scale)
            spread = own.std(ddof=1) if len(own) > 1 else own.iloc[0] * np.nan
            role = "control" if kind in CONTROLS else "transfer" if kind == TRANSFER else "direct"
            row: dict[str, object] = {"protocol": outcome.protocol, "model": names[kind], "role": role, "scale": scale}
            row |= {"n_train": round(float(np.mean([len(split.train) for split in outcome.splits])))}
            row |= {"r2": own.r2.mean(), "r2_sd": spread.r2, "rmse": own.rmse.mean(), "rmse_sd": spread.rmse}
            row |= {"rpd": own.rpd.mean(), "rpd_class": rpd_class(own.rpd.mean()), "ccc": own.ccc.mean()}
            row |= {"bias": own.bias.mean()}
            if scale != "ln" and recipe.target.log != "none":
                row["bias_pct"] = own.bias_pct.mean()
            rows.append(row)
    return pd.DataFrame(rows)


def paired_differences(outcome: Outcome, recipe: Recipe) -> pd.DataFrame:
    """Return what transfer gains over every other model, test rows for test rows, on the scale that is learned.

    Of random rounds: R2. Of folds, whose test rows differ in spread: RMSE of each fold, so that below 0 is a gain.
    `standard_error` is that of Nadeau and Bengio 2003: rounds share rows, and sd / sqrt(rounds) would be too small.
    """
    names, scale = model_names(recipe), scales(recipe)[0]
    measure = "rmse" if outcome.is_folded else "r2"
    figures = {kind: _by_split(outcome, kind, scale, measure) for kind in outcome.predicted}
    ratio = float(np.mean([len(split.test) / len(split.train) for split in outcome.splits]))
    rows = []
    for kind, values in figures.items():
        if kind == TRANSFER:
            continue
        change = figures[TRANSFER] - values
        better = change < 0 if outcome.is_folded else change > 0
        sd = float(change.std(ddof=1)) if change.size > 1 else np.nan
        rows.append(
            {
                "protocol": outcome.protocol,
                "against": names[kind],
                "measure": f"{measure} ({scale})",
                "difference": float(change.mean()),
                "sd": sd,
                "standard_error": sd * np.sqrt(1 / change.size + ratio),
                "least": float(change.min()),
                "most": float(change.max()),
                "transfer_better": f"{int(better.sum())} of {change.size}",
            }
        )
    return pd.DataFrame(rows)


def transfer_gain(outcome: Outcome, recipe: Recipe, over: tuple[str, ...]) -> float:
    """Return mean R2 of transfer minus the largest mean R2 among other models, on the scale that is learned."""
    scale = scales(recipe)[0]
    means = {kind: by_round(outcome, recipe, kind, scale).r2.mean() for kind in (TRANSFER, *over)}
    return float(means[TRANSFER] - max(means[kind] for kind in over))


def _by_split(outcome: Outcome, kind: str, scale: str, measure: str) -> np.ndarray:
    observed, predicted = _on_scale(outcome, kind, scale)
    return np.array(
        [
            regression_metrics(observed[split.test], predicted[split.repeat, split.test])[measure]
            for split in outcome.splits
        ]
    )


def _on_scale(outcome: Outcome, kind: str, scale: str) -> tuple[np.ndarray, np.ndarray]:
    """Return observed `(n,)` and predicted `(round, n)`: under a logarithm what the model itself predicts, no exp."""
    if scale == "ln":
        return np.log(outcome.observed), outcome.learned[kind]
    return outcome.observed, outcome.predicted[kind]
