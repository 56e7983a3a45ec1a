"""All 93 tasks of LimeSoDa with their official folds: `auto`, its candidates, and the four published models.

Every choice is made inside the training rows of a fold. The score is that of the publication: the predictions of all
ten folds are pooled, R2 = 1 - SSE / SST, and the mean is taken over the tasks. `auto` with place has the coordinates
where a set has them (60 tasks), and is `auto` without them elsewhere.

`--each` adds every candidate by itself, `--processes N` uses more processes than 2, `--journal FILE` keeps the
predictions of each fold, and a run with the same file continues after them. `--only "B.204,SC.50 pH"` takes some sets
and tasks, and `--every 7` every seventh task in the order of their names; nothing is claimed then. The data are those
of PyPI's `limesoda` (CC BY-SA; Schmidinger et al. 2025).
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import time
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import geopandas as gpd
import numpy as np
import pandas as pd
from measure import report, shared
from scipy.stats import wilcoxon

from geosoil.models.contract import Feature
from geosoil.pipeline.features import FeatureSettings
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.places import place_columns
from geosoil.pipeline.regressors import REGRESSORS, fit_model, predict_rows
from geosoil.pipeline.rows import TrainingRows
from geosoil.pipeline.task import Candidate, FitTask
from geosoil.pipeline.validation import run_in_processes

if TYPE_CHECKING:
    from collections.abc import Iterator

CANDIDATES = ("gp", "forest", "svr", "pls", "ridge", "boosted_trees")
SETTINGS = {"forest": {"n_trees": 200}}
LIMITS = {"limesoda": 0.515, "limesoda_place": 0.545, "limesoda_minutes": 60, "limesoda_losses": 8}
WORSE = 0.02
N_TASKS = 93


@dataclass(frozen=True)
class Task:
    """One property of one set."""

    name: str
    sensors: str
    rows: TrainingRows
    folds: np.ndarray


def choose_tasks(only: list[str], every: int) -> list[Task]:
    """Return the tasks that are named by themselves or by their set, or all; of these every so many, by their names."""
    tasks = [task for task in read_tasks() if not only or {task.name, task.name.split()[0]} & set(only)]
    unknown = set(only) - {name for task in tasks for name in (task.name, task.name.split()[0])}
    if unknown:
        sys.exit(f"limesoda: no set or task named {', '.join(sorted(unknown))}")
    return sorted(tasks, key=lambda task: task.name)[::every]


def read_tasks() -> Iterator[Task]:
    """Read all sets."""
    import LimeSoDa

    for name in LimeSoDa.list_datasets():
        loaded = LimeSoDa.load_dataset(name)
        if not isinstance(loaded, dict):
            continue
        table, places = loaded["Dataset"], loaded["Coordinates"]
        targets = [column for column in table if column.endswith("_target")]
        bands = [column for column in table if re.match(r"(wl|wn)_", column)]
        others = [column for column in table if column not in {*targets, *bands}]
        columns = [*bands, *others]
        features = tuple(Feature(column, wavelength_nm=wavelength_of(column)) for column in columns)
        sensors = "none" if not bands else "MIR" if bands[0].startswith("wn_") else "vis-NIR"
        for target in targets:
            rows = TrainingRows(
                ids=np.arange(len(table)).astype(str),
                X=table[columns].to_numpy(np.float32),
                y=table[[target]].to_numpy(np.float64),
                features=features,
                targets=(TargetProperty(column=target),),
                quantity="reflectance" if bands else "covariates",
                notes=[],
                sha256="",
            )
            title = f"{name} {target.removesuffix('_target')}"
            yield Task(title, sensors, with_places(rows, places), np.asarray(loaded["Folds"]))


def wavelength_of(column: str) -> float | None:
    """Return the wavelength in nm that a name such as `wl_350` or `wn_3799` states."""
    match = re.match(r"(wl|wn)_([\d.]+)", column)
    if match is None:
        return None
    return float(match[2]) if match[1] == "wl" else 1e7 / float(match[2])


def with_places(rows: TrainingRows, places: Any) -> TrainingRows:
    """Return the rows with x and y in metres; unchanged for a set without coordinates."""
    if places is None or not hasattr(places, "columns") or places.shape[1] < 2:
        return rows
    code = str(places.columns[0]).rsplit("_", 1)[1]
    points = gpd.GeoSeries(gpd.points_from_xy(*places.to_numpy(np.float64)[:, :2].T), crs=f"EPSG:{code}")
    return replace(rows, place=place_columns(rows, points, where="Coordinates"))


def candidate_of(kind: str, task: Task, *, place: bool) -> Candidate:
    """Return a candidate as a recipe with `kind = ...` and `features.place` would make it."""
    settings = REGRESSORS[kind].settings(**SETTINGS.get(kind, {}))
    return Candidate(kind, kind, settings, FeatureSettings(place=place))


def predict_fold(work: tuple[Task, str, bool, int]) -> dict[str, Any]:
    """Fit a kind to the other folds and predict one: the predictions, what was chosen, and seconds of a core."""
    task, kind, place, fold = work
    start = time.process_time()
    train, test = np.flatnonzero(task.folds != fold), np.flatnonzero(task.folds == fold)
    recipe = SimpleNamespace(
        seed=0,
        validation=SimpleNamespace(n_seeds=0),
        model=SimpleNamespace(**{name: entry.settings(**SETTINGS.get(name, {})) for name, entry in REGRESSORS.items()}),
    )
    candidate = candidate_of(kind, task, place=place)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fit = FitTask(candidate, task.rows, train, recipe, 0, test=test)  # type: ignore[arg-type]
        predicted = predict_rows(fit_model(fit), candidate, task.rows, test)[:, 0]
    chosen = str(fit.details.get("description", ""))
    return {"predicted": predicted.tolist(), "chosen": chosen, "seconds": time.process_time() - start}


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", default="")
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--journal")
    arguments = parser.parse_args()
    published = pd.read_csv(shared("limesoda_published.csv", folder="golden"))
    tasks = choose_tasks([name for name in arguments.only.split(",") if name], max(arguments.every, 1))
    runs = [("auto", False), ("auto", True)]
    if arguments.each:
        runs += [(kind, place) for kind in CANDIDATES for place in (False, True)]
    work = [
        (task, kind, place, fold)
        for task in tasks
        for kind, place in runs
        if not place or task.rows.place is not None
        for fold in np.unique(task.folds).tolist()
    ]
    journal = read_journal(arguments.journal)
    missing = [item for item in work if key_of(item) not in journal]
    missing.sort(key=lambda item: len(item[0].rows) * item[0].rows.X.shape[1])
    start = time.perf_counter()
    for number, result in run_in_processes(
        predict_fold, missing, processes=arguments.processes, task="folds", progress=show_progress
    ):
        journal[key_of(missing[number])] = result
        if arguments.journal:
            with Path(arguments.journal).open("a") as file:
                file.write(json.dumps({"key": key_of(missing[number]), **result}) + "\n")
    minutes = (time.perf_counter() - start) / 60
    done = {key_of(item): journal[key_of(item)] for item in work}
    predictions: dict[tuple[str, bool, str], np.ndarray] = {}
    for item in work:
        task, kind, place, fold = item
        whole = predictions.setdefault((kind, place, task.name), np.full(len(task.rows), np.nan))
        whole[task.folds == fold] = done[key_of(item)]["predicted"]
    seconds = sum(result["seconds"] for key, result in done.items() if key.startswith("auto"))
    held = show(tasks, scores_of(tasks, predictions, runs), published)
    print(f"auto without and with place took {seconds / 60:.1f} minutes of one core")
    if len(tasks) == N_TASKS and len(missing) == len(work) and not arguments.each:
        held.append(report("limesoda_minutes", minutes, "min", LIMITS["limesoda_minutes"]))
    sys.exit(not all(held))


def key_of(item: tuple[Task, str, bool, int]) -> str:
    """Return the name of a fold in the journal."""
    task, kind, place, fold = item
    return f"{kind}{' + place' if place else ''}, {task.name}, fold {fold}"


def read_journal(path: str | None) -> dict[str, dict[str, Any]]:
    """Return the finished folds of a journal by their names."""
    if path is None or not Path(path).exists():
        return {}
    lines = [json.loads(line) for line in Path(path).read_text().splitlines()]
    return {line["key"]: line for line in lines}


def show_progress(task: str, done: int, total: int) -> None:
    """Print a line for every twentieth of the work."""
    if total and done % max(total // 20, 1) == 0:
        print(f"{task}: {done} of {total}", flush=True)


def scores_of(
    tasks: list[Task], predictions: dict[tuple[str, bool, str], np.ndarray], runs: list[tuple[str, bool]]
) -> pd.DataFrame:
    """Return R2 of each task (rows) and model (columns); with place where the set has it, without elsewhere."""
    table = {}
    for kind, place in runs:
        column = []
        for task in tasks:
            values = predictions.get((kind, place, task.name))
            values = predictions[kind, False, task.name] if values is None else values
            y = task.rows.y[:, 0]
            column.append(1 - ((y - values) ** 2).sum() / ((y - y.mean()) ** 2).sum())
        table[f"{kind}{' + place' if place else ''}"] = column
    return pd.DataFrame(table, index=[task.name for task in tasks])


def show(tasks: list[Task], scores: pd.DataFrame, published: pd.DataFrame) -> list[bool]:
    """Print the tables and the claims; return whether each holds."""
    names = published["Dataset"] + " " + published["Property"]
    peers = published.assign(task=names).pivot_table(index="task", columns="learning_algorithm", values="R2")
    peers = peers.loc[scores.index]
    both = pd.concat([scores, peers], axis=1)
    sensors = pd.Series([task.sensors for task in tasks], index=scores.index)
    placed = np.array([task.rows.place is not None for task in tasks])
    by_sensor = both.groupby(sensors).mean().T
    by_sensor["with coordinates"] = both[placed].mean()
    by_sensor.insert(0, "all", both.mean())
    counts = {"all": len(both), **sensors.value_counts().to_dict(), "with coordinates": int(placed.sum())}
    print(f"mean R2; tasks: {', '.join(f'{name} {number}' for name, number in counts.items())}")
    print(by_sensor.sort_values("all", ascending=False).round(3).to_string())
    difference = both["auto + place"] - both["CatBoost"]
    if len(both) > 5:
        p = wilcoxon(difference, alternative="greater").pvalue
        n_better = int((difference > 0).sum())
        print(f"auto with place is better than CatBoost on {n_better} of {len(both)} tasks; p = {p:.2g} (Wilcoxon)")
    losers = difference[difference < -WORSE].sort_values()
    for name, value in losers.items():
        print(
            f"  worse than CatBoost by more than {WORSE}: {name} ({both.loc[name, 'auto + place']:.3f}, {value:+.3f})"
        )
    if len(both) < N_TASKS:
        print("only some of the tasks: nothing is claimed")
        return []
    return [
        report("limesoda", both["auto"].mean(), "R2", LIMITS["limesoda"], at_most=False),
        report("limesoda_place", both["auto + place"].mean(), "R2", LIMITS["limesoda_place"], at_most=False),
        report("limesoda_losses", len(losers), "tasks", LIMITS["limesoda_losses"]),
    ]


if __name__ == "__main__":
    main()
