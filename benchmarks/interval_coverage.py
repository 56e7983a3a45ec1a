"""Coverage of prediction intervals on all 93 tasks of LimeSoDa, whose official folds are the test rows.

In each fold a ridge regression learns from the training rows, which also give the scores, by leave-one-out predictions
in closed form. The local scale may use the predicted value and the dissimilarity. The peer is split conformal
prediction as in MAPIE: the same regression, fitted to two thirds of the training rows and calibrated by one third. Its
widths are multiplied by the factor that gives it the same pooled coverage.

Widths are in standard deviations of the property, and means over tasks. Data: PyPI's `limesoda` (CC BY-SA),
Schmidinger et al. 2025; without it the benchmark is skipped.

    python benchmarks/interval_coverage.py [--quick]
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from measure import asked_quick, report
from scipy.stats import binom
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.ridge import Ridge
from geosoil.trust.applicability import fit_applicability
from geosoil.trust.conformal import conformal_quantile
from geosoil.trust.diagnostics import CARD_LEVELS as LEVELS
from geosoil.trust.intervals import fit_intervals
from geosoil.trust.local_scale import DISSIMILARITY
from geosoil.trust.scores import pool_scores

if TYPE_CHECKING:
    from collections.abc import Iterator

LEVEL = LEVELS.index(0.9)


@dataclass
class Measured:
    """What intervals did on the test rows of one task: whether they held each value, and their relative widths."""

    inside: list[np.ndarray] = field(default_factory=list)
    width: list[np.ndarray] = field(default_factory=list)
    split_error: list[np.ndarray] = field(default_factory=list)  # in half widths of the split intervals of 90 %
    split_width: list[np.ndarray] = field(default_factory=list)


def tasks(quick: bool) -> Iterator[tuple[str, np.ndarray, np.ndarray, np.ndarray]]:
    """Yield name, features, property and official fold of each row."""
    import LimeSoDa

    for name in LimeSoDa.list_datasets():
        loaded = LimeSoDa.load_dataset(name)
        if not isinstance(loaded, dict) or (quick and len(loaded["Dataset"]) > 50):
            continue
        table = loaded["Dataset"]
        targets = [column for column in table if column.endswith("_target")]
        X = table.drop(columns=targets).to_numpy(np.float64)
        for target in targets:
            yield f"{name} {target}", X, table[target].to_numpy(np.float64), np.ravel(loaded["Folds"])


def measure(X: np.ndarray, y: np.ndarray, folds: np.ndarray) -> Measured:
    """Return what the intervals of one task did in its official folds."""
    measured = Measured()
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), folds == fold
        model = make_pipeline(StandardScaler(), Ridge()).fit(X[train], y[train])
        area = fit_applicability(X[train])
        scores = pool_scores(
            y[train],
            model[-1].loo_prediction_[None],
            np.arange(len(train))[None],
            indicators={DISSIMILARITY: area.training_index[None]},
        )
        predicted = model.predict(X[test]).astype(np.float64)
        dissimilarity = area.assess(X[test]).dissimilarity
        ends = fit_intervals(scores).bounds(predicted, LEVELS, {DISSIMILARITY: dissimilarity})
        measured.inside.append((ends[:, 0] <= y[test]) & (y[test] <= ends[:, 1]))
        measured.width.append((ends[:, 1] - ends[:, 0]) / y.std())
        order = np.random.default_rng(0).permutation(train)
        fitted, calibration = np.split(order, [round(2 * len(order) / 3)])
        part = make_pipeline(StandardScaler(), Ridge()).fit(X[fitted], y[fitted])
        half = conformal_quantile(np.abs(y[calibration] - part.predict(X[calibration])), LEVELS[LEVEL])
        measured.split_error.append(np.abs(y[test] - part.predict(X[test])) / half)
        measured.split_width.append(np.full(test.sum(), 2 * half / y.std()))
    return measured


def main(quick: bool) -> bool:
    """Measure all tasks, print a table by level, then the claims."""
    try:
        import LimeSoDa  # noqa: F401
    except ImportError:
        print("interval_coverage skipped: needs the package limesoda")
        return True
    found = {name: measure(X, y, folds) for name, X, y, folds in tasks(quick)}
    inside = {name: np.concatenate(m.inside, axis=1) for name, m in found.items()}
    pooled = np.concatenate(list(inside.values()), axis=1)
    width = np.mean([np.concatenate(m.width, axis=1).mean(axis=1) for m in found.values()], axis=0)
    print(f"{len(found)} tasks, {pooled.shape[1]} test values")
    for level, share, mean_width in zip(LEVELS, pooled.mean(axis=1), width, strict=True):
        print(f"level {100 * level:g} %: covered {100 * share:.1f} %, mean width {mean_width:.2f} standard deviations")
    counts = {name: (int(values[LEVEL].sum()), values.shape[1]) for name, values in inside.items()}
    ranges = {name: binom.interval(0.99, n, LEVELS[LEVEL]) for name, (_, n) in counts.items()}
    outside = [name for name, (low, high) in ranges.items() if not low <= counts[name][0] <= high]
    print("outside the 99 % binomial range:", ", ".join(outside) or "none")
    errors = np.concatenate([np.concatenate(m.split_error) for m in found.values()])
    factor = float(np.quantile(errors, pooled[LEVEL].mean()))
    split_width = np.mean([np.concatenate(m.split_width).mean() for m in found.values()])
    print(
        f"split conformal: covered {100 * np.mean(errors <= 1):.1f} %, mean width {split_width:.2f}, times {factor:.3f}"
    )
    held = [
        report("coverage_ridge", abs(100 * float(pooled[LEVEL].mean()) - 90), "points from 90 %", 1),
        report("coverage_ridge_sets", 100 * (1 - len(outside) / len(found)), "% of tasks", 95, at_most=False),
        report("coverage_ridge_width", float(width[LEVEL] / (factor * split_width)), "of split conformal", 0.95),
    ]
    return all(held) or quick


if __name__ == "__main__":
    sys.exit(not main(asked_quick(__doc__)))
