"""Prediction intervals against MAPIE, crepes and quantile-forest, on the values in ../shared/golden/conformal.

The largest difference of the ends is printed for each construction; infinite ends must be infinite in both.

    python benchmarks/conformal_golden.py
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
from measure import report, shared
from sklearn.linear_model import Ridge

from geosoil.trust.conformal import (
    Bounds,
    cross_interval,
    mondrian_interval,
    quantile_interval,
    signed_interval,
    split_interval,
)

LIMIT = 1e-9
LEVELS = (0.8, 0.9, 0.95)


def difference(found: Bounds, expected: dict[str, Any]) -> float:
    """Return the largest absolute difference of the ends; infinity where only one of the two is infinite."""
    known = np.array([[np.inf if v is None else v for v in expected[end]] for end in ("lower", "upper")])
    values = np.array(found)
    infinite = np.isinf(known)
    if (np.isinf(values) != infinite).any():
        return float("inf")
    return float(np.abs(values[~infinite] - known[~infinite]).max(initial=0))


def differences() -> dict[str, float]:
    """Return the largest difference by construction."""
    golden = {path.stem: json.loads(path.read_text()) for path in shared("..", "golden", "conformal").glob("*.json")}
    table = pd.read_csv(shared("..", "golden", "inputs", "conformal.csv"))
    X, y, group = table[["x0", "x1", "x2"]].to_numpy(), table["y"].to_numpy(), table["group"].to_numpy()

    def fit(rows: Any) -> Ridge:
        return Ridge(alpha=1.0).fit(X[:150][rows], y[:150][rows])

    found: dict[str, list[float]] = {}
    crepes, forest = golden["crepes"], golden["cqr_quantile_forest"]
    calibration, new = (np.array(forest[f"forest_quantiles_{part}"]) for part in ("calibration", "test"))
    sigma = {"scale": np.array(crepes["sigma_test"]), "residual_scale": np.array(crepes["sigma_calibration"])}
    by_folds = {name: np.arange(150) * k // 150 for name, k in (("kfold5", 5), ("loo", 150))}
    models = {name: [fit(folds != f) for f in np.unique(folds)] for name, folds in by_folds.items()}
    for level in LEVELS:
        key = str(level)
        for case, last in (("split_n50", 100), ("split_n59", 91)):
            model = fit(slice(0, last))
            interval = split_interval(model.predict(X[150:]), y[last:150] - model.predict(X[last:150]), level)
            found.setdefault("split", []).append(difference(interval, golden["mapie_split"][case][key]))
        for case, name in (("kfold5", "CV+"), ("loo", "jackknife+")):
            folds, known = by_folds[case], golden["mapie_cv_jackknife"][case]
            unseen = np.array([models[case][fold].predict(X[[i]])[0] for i, fold in enumerate(folds)])
            by_fold = np.array([model.predict(X[150:]) for model in models[case]])
            interval = cross_interval(by_fold, folds, y[:150] - unseen, level)
            found.setdefault(name, []).append(difference(interval, known["plus"][key]))
            interval = split_interval(fit(slice(0, 150)).predict(X[150:]), y[:150] - unseen, level)
            found.setdefault("cross, one model", []).append(difference(interval, known["base"][key]))
        low, high = (int(np.argmin(np.abs(np.array(forest["quantiles"]) - (1 + s * level) / 2))) for s in (-1, 1))
        pairs = (new[:, low], new[:, high]), (calibration[:, low], calibration[:, high])
        for name in ("symmetric", "asymmetric"):
            interval = quantile_interval(*pairs, y[100:150], level, symmetric=name == "symmetric")
            found.setdefault("CQR", []).append(difference(interval, forest[key][name]))
        model = fit(slice(0, 100))
        centre, residuals = model.predict(X[150:]), y[100:150] - model.predict(X[100:150])
        for name, scales in (("standard", {}), ("normalized", sigma)):
            expected = crepes[name]
            interval = split_interval(centre, residuals, level, **scales)
            found.setdefault("normalised", []).append(difference(interval, expected[key]))
            interval = signed_interval(centre, residuals, level, **scales)
            found.setdefault("signed", []).append(difference(interval, expected["cps"][key]))
            known = crepes["mondrian" if name == "standard" else "normalized_mondrian"]
            interval = mondrian_interval(centre, group[150:], residuals, group[100:150], level, **scales)
            found.setdefault("Mondrian", []).append(difference(interval, known[key]))
    return {name: max(values) for name, values in found.items()}


def main() -> bool:
    """Print each difference, then the largest one."""
    found = differences()
    for name, value in found.items():
        print(f"{name}: {value:.2g}")
    return report("conformal_golden", max(found.values()), "absolute", LIMIT)


if __name__ == "__main__":
    sys.exit(not main())
