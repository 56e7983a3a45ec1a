"""The width of prediction intervals at equal coverage: those of geosoil, and those that other constructions give.

The tasks are every second set of LimeSoDa in the order of names, with the properties in turn: 16 of the 93, fixed
before any was run. All methods predict the same official folds from the same training rows.

geosoil            what `geosoil train` stores for `kind = "auto"`, the default: the interval of a row comes from the
                   errors in the other folds
process            a Gaussian process, and 1.645 of its predictive standard deviations
split conformal    the same `auto`, fitted to two thirds of the training rows and calibrated by one third, as in MAPIE
quantile forest    quantiles of a forest of 200 trees, conformalised by the same third

The widths of each method are multiplied by the factor that gives it a pooled coverage of 90 %. They are in standard
deviations of the property, and means over the tasks. The figure is that of geosoil divided by the smallest of the
others. `same process` compares the intervals of geosoil around the process with those of the process: what the
intervals alone contribute, without the better prediction of `auto`.

Data: PyPI's `limesoda` (CC BY-SA), Schmidinger et al. 2025; without it the benchmark is skipped. `--quick`: 4 tasks.
"""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from limesoda import candidate_of, read_tasks
from measure import asked_quick, report
from sklearn.ensemble import RandomForestRegressor

from geosoil.pipeline.recipe import Recipe
from geosoil.pipeline.regressors import fit_model, predict_rows
from geosoil.pipeline.task import FitTask
from geosoil.pipeline.trust import fit_trust
from geosoil.pipeline.validation import Outcome, run_in_processes, validate
from geosoil.trust.conformal import conformal_quantile
from geosoil.trust.diagnostics import LEVELS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from limesoda import Task

    from geosoil.pipeline.rows import TrainingRows

LEVEL, NORMAL = 0.9, 1.6448536
Intervals = np.ndarray  # (3, n): lower end, prediction, upper end


def chosen_tasks(quick: bool) -> Iterator[Task]:
    """Yield the tasks: of every second set, one property, in turn."""
    by_set: dict[str, list[Task]] = {}
    for task in read_tasks():
        by_set.setdefault(task.name.rpartition(" ")[0], []).append(task)
    chosen = ["BB.51", "MG.112", "SC.50", "W.50"] if quick else list(by_set)[::2]
    for number, name in enumerate(chosen):
        yield by_set[name][number % 3]


def intervals_of(task: Task) -> tuple[str, np.ndarray, dict[str, Intervals]]:
    """Return name, observed values and the intervals of each method in the official folds."""
    recipe = Recipe.model_validate(
        {
            "name": "coverage_width",
            "data": {"kind": "table", "table": "-", "columns": ["-"]},
            "target": {"column": task.rows.targets[0].column, "valid_range": [-np.inf, np.inf]},
            "model": {"kind": "auto", "forest": {"n_trees": 200}},
            "validation": {"processes": 1},
        }
    )
    rows = replace(task.rows, folds=task.folds.astype(str))
    auto, process = (candidate_of(kind, task, place=False) for kind in ("auto", "gp"))
    with warnings.catch_warnings(action="ignore"):
        outcome = validate("folds", recipe, rows, [auto, process])
        made = {"geosoil": stored(recipe, rows, auto, outcome), "same process": stored(recipe, rows, process, outcome)}
        made |= {"process": of_process(outcome, process.name), **split_conformal(recipe, rows, auto, outcome)}
    return task.name, rows.y[:, 0], made


def stored(recipe: Recipe, rows: TrainingRows, candidate: Any, outcome: Outcome) -> Intervals:
    """Return the intervals that the report of a training measures."""
    learned = np.arange(len(rows))
    model = fit_model(FitTask(candidate, rows, learned, recipe, seed=0))
    trust = fit_trust(model, candidate, rows, learned, [outcome])
    assert trust is not None
    (scores,), (bounds,) = trust.scores.values(), trust.bounds.values()
    lower, upper = bounds[LEVELS.index(LEVEL)]
    order = np.argsort(scores.samples)
    return np.stack([lower, scores.predicted, upper])[:, order]


def of_process(outcome: Outcome, name: str) -> Intervals:
    """Return Gaussian intervals of a process, whose standard deviation contains the noise."""
    mean, deviation = outcome.predicted[name][0, :, 0], np.full(len(outcome.observed), np.nan)
    for division, details in zip(outcome.splits, outcome.details[name], strict=True):
        deviation[division.test] = details["spread"][:, 0]
    return np.stack([mean - NORMAL * deviation, mean, mean + NORMAL * deviation])


def split_conformal(recipe: Recipe, rows: TrainingRows, candidate: Any, outcome: Outcome) -> dict[str, Intervals]:
    """Return the intervals of split conformal prediction and of a conformalised quantile forest."""
    y, ends = rows.y[:, 0], np.full((2, 3, len(rows)), np.nan)
    for division in outcome.splits:
        order = np.random.default_rng(0).permutation(division.train)
        fitted, calibration = np.split(order, [round(2 * len(order) / 3)])
        model = fit_model(FitTask(candidate, rows, np.sort(fitted), recipe, seed=0, test=division.test))
        mean = predict_rows(model, candidate, rows, division.test)[:, 0]
        errors = np.abs(y[calibration] - predict_rows(model, candidate, rows, calibration)[:, 0])
        half = conformal_quantile(errors, LEVEL)
        ends[0][:, division.test] = mean - half, mean, mean + half
        forest = RandomForestRegressor(200, min_samples_leaf=5, random_state=0).fit(rows.X[fitted], y[fitted])
        (low, _, high), tested = (
            forest_quantiles(forest, rows.X[fitted], y[fitted], rows.X[part]) for part in (calibration, division.test)
        )
        widened = conformal_quantile(np.maximum(low - y[calibration], y[calibration] - high), LEVEL)
        ends[1][:, division.test] = tested + np.array([[-widened], [0.0], [widened]])
    return {"split conformal": ends[0], "quantile forest": ends[1]}


def forest_quantiles(forest: Any, X: np.ndarray, y: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return the quantiles 5, 50 and 95 % of rows, by the leaves shared with training rows (Meinshausen 2006)."""
    leaves, of_training = forest.apply(rows), forest.apply(X)
    shared = leaves[:, None] == of_training[None]
    weights = (shared / shared.sum(axis=1, keepdims=True)).mean(axis=2)
    order = np.argsort(y)
    below = np.cumsum(weights[:, order], axis=1)
    return np.stack([y[order][(below >= level - 1e-9).argmax(axis=1)] for level in (0.05, 0.5, 0.95)])


def errors_of(observed: np.ndarray, ends: Intervals) -> np.ndarray:
    """Return the distance of each value from the prediction, in units of the side of the interval on which it lies."""
    lower, centre, upper = ends
    side = np.where(observed > centre, upper - centre, centre - lower)
    return np.abs(observed - centre) / np.maximum(side, 1e-12)


def main(quick: bool) -> bool:
    """Measure and report."""
    try:
        import LimeSoDa  # noqa: F401
    except ImportError:
        print("coverage_width skipped: needs the package limesoda")
        return True
    tasks = sorted(chosen_tasks(quick), key=lambda task: task.rows.X.size)
    done = []
    for _, result in run_in_processes(intervals_of, tasks, processes=2, task="tasks"):
        done.append(result)
        print(f"{len(done)} of {len(tasks)}: {result[0]}", flush=True)
    done.sort(key=lambda result: result[0])
    table, factors, covered = pd.DataFrame(index=[name for name, *_ in done]), {}, {}
    for method in done[0][2]:
        errors = np.concatenate([errors_of(y, made[method]) for _, y, made in done])
        covered[method], factors[method] = float(np.mean(errors <= 1)), float(np.quantile(errors, LEVEL))
        table[method] = [factors[method] * np.mean(made[method][2] - made[method][0]) / y.std() for _, y, made in done]
    print("mean width at a pooled coverage of 90 %, in standard deviations of the property")
    print(pd.concat([table, table.mean().to_frame("mean").T]).round(2).to_string())
    for method, share in covered.items():
        print(f"{method}: covered {100 * share:.1f} % before its widths were multiplied by {factors[method]:.3f}")
    mean = table.mean()
    best = mean[["process", "split conformal", "quantile forest"]].min()
    same = mean["same process"] / mean["process"]
    print(f"intervals of geosoil around the process, divided by those of the process: {same:.3f}")
    return report("coverage_width", mean["geosoil"] / best, "ratio", 0.95) or quick


if __name__ == "__main__":
    sys.exit(not main(asked_quick(__doc__)))
