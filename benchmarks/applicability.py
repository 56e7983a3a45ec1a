"""Dissimilarity index, threshold, density and area of applicability against values of CAST 1.1.0 in ../shared/golden.

python benchmarks/applicability.py
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import pandas as pd
from measure import report, shared

from geosoil.trust.applicability import fit_applicability

COLUMNS = list("abcd")


def main() -> bool:
    """Compare the four cases: with and without weights, with and without folds."""
    golden = json.loads(shared("cast", "aoa.json", folder="golden").read_text())
    samples = pd.read_csv(shared("inputs", "aoa_train.csv", folder="golden"))
    rows = pd.read_csv(shared("inputs", "aoa_new.csv", folder="golden"))[COLUMNS].to_numpy()
    folds = samples["fold"].to_numpy()
    splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in np.unique(folds)]
    weights = np.array([golden["weights"][name] for name in COLUMNS])
    largest, wrong, n_cases = 0.0, 0, 0
    for case, expected in golden.items():
        if case in ("peer", "weights"):
            continue
        area = fit_applicability(
            samples[COLUMNS].to_numpy(),
            weights=weights if case.startswith("weighted") else None,
            splits=splits if case.endswith("cv5") else None,
        )
        assessed = area.assess(rows)
        pairs: dict[str, Any] = {
            "mean_distance": area.mean_distance,
            "threshold": area.threshold,
            "train_di": area.training_index,
            "new_di": assessed.dissimilarity,
        }
        largest = max(largest, *(float(np.abs(np.subtract(got, expected[key])).max()) for key, got in pairs.items()))
        sets = {"new_aoa": assessed.inside, "new_lpd": assessed.density, "train_lpd": area.training_density}
        wrong += sum(int(np.sum(got != np.asarray(expected[key]))) for key, got in sets.items())
        n_cases += 1
    print(f"{n_cases} cases, {len(samples)} samples, {len(rows)} rows")
    return all([
        report("applicability", largest, "difference", 1e-10),
        report("applicability_sets", wrong, "entries", 0),
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(not main())
