"""Measure candidates on test rows that no choice has seen: one engine for every split and every pipeline."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError
from geosoil.evaluate.metrics import ALL_DEPTHS, METRICS, regression_metrics
from geosoil.evaluate.resampling import bootstrap_interval, mean_over_repeats, paired_difference
from geosoil.numerics.threads import one_thread_each
from geosoil.pipeline.regressors import fit_model, predict_rows, predict_spread
from geosoil.pipeline.splits import SPLITS, Split, divide
from geosoil.pipeline.task import FitTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from geosoil.models.contract import Model
    from geosoil.pipeline.part import TargetProperty
    from geosoil.pipeline.recipe import Recipe
    from geosoil.pipeline.rows import TrainingRows
    from geosoil.pipeline.task import Candidate

    Progress = Callable[[str, int, int], None]

LEAST_TRAINING_ROWS = 10
LEAST_TEST_ROWS = 1
TABLE_METRICS = ("r2", "rmse", "mae", "rpiq", "ccc", "bias")
WITH_INTERVAL = ("r2", "rmse")
KEPT_DETAILS = ("n_features", "description", "losses", "stopping_losses", "choice")  # of each split: small ones


def no_progress(task: str, done: int, total: int) -> None:
    """Report nothing."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What a validation by one split found.

    Parameters
    ----------
    split : str
        Name in `SPLITS`.
    targets : tuple of TargetProperty
    observed : ndarray, shape (n, n_targets)
        NaN where unknown.
    predicted : dict of str to ndarray, shape (n_repeats, n, n_targets)
        By candidate, in the units of the targets; NaN where a row was not tested.
    training : dict of str to list of dict
        By candidate, R2 and RMSE of the training rows of each split, averaged over targets.
    folds : ndarray of int, shape (n_repeats, n)
        The number of the split that tested a row, -1 for none.
    splits : list of Split
    details : dict of str to list of dict
        By candidate and split, what the regressor noted (losses, chosen bands), and the spread of the tested rows.
    """

    split: str
    targets: tuple[TargetProperty, ...]
    observed: np.ndarray
    predicted: dict[str, np.ndarray]
    training: dict[str, list[dict[str, float]]]
    folds: np.ndarray
    splits: list[Split]
    details: dict[str, list[dict[str, Any]]]
    has_depths: bool = False

    @property
    def target_names(self) -> tuple[str, ...]:
        """The names of the targets: those of the bands of the map."""
        return tuple(target.column for target in self.targets)

    @property
    def leaks(self) -> bool:
        """Whether test rows took part in choices: a published protocol."""
        return bool(SPLITS[self.split].leaks)

    @property
    def is_clustered(self) -> bool:
        """Whether whole groups or blocks were tested together."""
        return SPLITS[self.split].keeps_groups

    @property
    def resampled_groups(self) -> np.ndarray | None:
        """What bootstrap resamples draw together: the folds of a split by groups or blocks, else single samples."""
        return self.folds[0] if self.is_clustered else None

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per candidate and target: metrics of the test rows with 95 % intervals, those of training rows last.

        Metrics are means over repeats. `test_r2_sd` is the standard deviation over repeats, `test_rmse_sd` that over
        splits. Under a logarithm, `test_r2_ln` compares ln(y) with ln(prediction), which one hot spot does not decide,
        and `test_bias_pct` is the bias in percent of the mean.
        """
        rows = []
        for name in self.predicted:
            rows += [self._row(name, k) for k in range(len(self.targets))]
            if self.has_depths and len(self.targets) > 1:
                rows.append(self._row(name, None))
        return pd.DataFrame(rows)

    def _row(self, name: str, k: int | None) -> dict[str, object]:
        columns = slice(None) if k is None else slice(k, k + 1)
        observed, groups = _flat(self.observed[:, columns]), self.resampled_groups
        predicted = np.array([_flat(repeat[:, columns]) for repeat in self.predicted[name]])
        n_columns = self.observed[:, columns].shape[1]
        if n_columns > 1 and groups is None:
            groups = np.arange(len(self.observed))  # the values of one profile are drawn together
        groups = None if groups is None else np.repeat(groups, n_columns)
        tested = np.isfinite(predicted).any(axis=0) & np.isfinite(observed)
        row: dict[str, object] = {
            "split": self.split,
            "target": ALL_DEPTHS if k is None else self.target_names[k],
            "model": name,
            "n": int(tested.sum()),
        }
        for metric in TABLE_METRICS:
            function = METRICS[metric].function
            if metric in WITH_INTERVAL:
                interval = bootstrap_interval(function, observed, predicted, groups=groups, n_resamples=500)
                row |= {f"test_{metric}": interval.estimate}
                row |= {f"test_{metric}_low": interval.low, f"test_{metric}_high": interval.high}
            else:
                row[f"test_{metric}"] = mean_over_repeats(function, observed, predicted)
        by_repeat = [mean_over_repeats(METRICS["r2"].function, observed, repeat[None]) for repeat in predicted]
        row["test_r2_sd"] = float(np.std(by_repeat, ddof=1)) if len(by_repeat) > 1 else np.nan
        by_split = rmse_by_split(self.predicted[name][:, :, columns], self.observed[:, columns], self.folds)
        row["test_rmse_sd"] = float(np.std(by_split, ddof=1)) if len(by_split) > 1 else np.nan
        target = self.targets[0 if k is None else k]
        if target.log != "none":
            positive = np.where(predicted > 0, predicted, np.nan)
            row["test_r2_ln"] = mean_over_repeats(METRICS["r2"].function, np.log(observed), np.log(positive))
            row["test_bias_pct"] = mean_over_repeats(_bias_percent, observed, predicted)
        sizes = [details["n_features"] for details in self.details[name] if "n_features" in details]
        if sizes:
            row["n_features"] = int(np.median(sizes))
        for metric in WITH_INTERVAL:
            key = metric if k is None else f"{metric} {k}"
            values = [figures[key] for figures in self.training[name] if key in figures]
            row[f"train_{metric}"] = float(np.mean(values)) if values else np.nan
        return row

    def differences(self, reference: str | None = None) -> pd.DataFrame:
        """Return how each candidate's RMSE and R2 differ from a reference on the same test rows, with 95 % intervals.

        Parameters
        ----------
        reference : str, optional
            Name of a candidate; by default the first.

        Returns
        -------
        DataFrame
            One row per candidate and target; `better` is the number of splits with a smaller RMSE than the reference.
        """
        reference = reference or next(iter(self.predicted))
        rows = []
        for name, predicted in self.predicted.items():
            if name == reference:
                continue
            for k, target in enumerate(self.target_names):
                observed, other = self.observed[:, k], self.predicted[reference][:, :, k]
                row: dict[str, object] = {
                    "split": self.split, "target": target, "model": name, "reference": reference
                }  # fmt: skip
                for metric in WITH_INTERVAL:
                    change = paired_difference(
                        METRICS[metric].function, observed, predicted[:, :, k], other, groups=self.resampled_groups,
                        n_resamples=500,
                    )  # fmt: skip
                    key = f"test_{metric}_difference"
                    row |= {key: change.estimate, f"{key}_low": change.low, f"{key}_high": change.high}
                by_split, by_reference = (
                    rmse_by_split(values[:, :, None], observed[:, None], self.folds)
                    for values in (predicted[:, :, k], other)
                )
                row["better"] = f"{int((by_split < by_reference).sum())} of {len(by_split)}"
                rows.append(row)
        return pd.DataFrame(rows)

    def rmse_by_repeat(self, name: str, k: int) -> np.ndarray:
        """Return the RMSE of a candidate for target k in each repeat, shape (n_repeats,)."""
        rmse = METRICS["rmse"].function
        return np.array([mean_over_repeats(rmse, self.observed[:, k], r[None, :, k]) for r in self.predicted[name]])

    def card_metrics(self, name: str) -> dict[str, dict[str, float]]:
        """Return the figures of one candidate by target, for a model's card, without NaN."""
        table = self.table
        rows = table[table.model == name]
        return {
            str(row["target"]): {
                key: float(value)
                for key, value in row.items()
                if key not in ("split", "target", "model") and np.isfinite(value)
            }
            for _, row in rows.iterrows()
        }


def _bias_percent(observed: np.ndarray, predicted: np.ndarray) -> float:
    return float(100 * np.mean(predicted - observed) / np.mean(observed))


def _flat(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values).reshape(-1)


def rmse_by_split(predicted: np.ndarray, observed: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the RMSE of each split that tested a known value.

    Parameters
    ----------
    predicted : ndarray, shape (n_repeats, n, n_targets)
    observed : ndarray, shape (n, n_targets)
    folds : ndarray of int, shape (n_repeats, n)
        Number of the split that tested a row, -1 for none.

    Examples
    --------
    >>> predicted = np.array([[[1.0], [2.0], [5.0]]])
    >>> rmse_by_split(predicted, np.array([[1.0], [4.0], [np.nan]]), np.array([[0, 0, 1]])).round(3).tolist()
    [1.414]
    """
    squared = (predicted - observed) ** 2
    by_split = [squared[folds == number] for number in range(int(folds.max()) + 1)]
    return np.array([np.sqrt(np.nanmean(values)) for values in by_split if np.isfinite(values).any()])


def validate(
    split: str,
    recipe: Recipe,
    rows: TrainingRows,
    candidates: Sequence[Candidate],
    *,
    shared: dict[Any, Any] | None = None,
    progress: Progress = no_progress,
) -> Outcome:
    """Validate candidates by one split; all candidates learn from the same rows and are tested on the same.

    Parameters
    ----------
    split : str
        Name in `SPLITS`.
    recipe : Recipe
    rows : TrainingRows
    candidates : sequence of Candidate
    shared : dict, optional
        What `prepare_shared` made from rows that are never tested.
    progress : callable, optional
        Called as `progress(task, splits done, splits in all)`.

    Returns
    -------
    Outcome

    Raises
    ------
    RecipeError
        If the rows lack what the split needs.
    SamplesError
        If a split leaves too few rows, and what the regressors raise.
    """
    splits = divide(split, rows, recipe.validation, recipe.seed)
    for division in splits:
        if len(division.train) < LEAST_TRAINING_ROWS or len(division.test) < LEAST_TEST_ROWS:
            raise SamplesError(
                recipe.name,
                found=f"a split with {len(division.train)} training rows and {len(division.test)} test rows",
                expected=f"at least {LEAST_TRAINING_ROWS} and {LEAST_TEST_ROWS} in every split",
                way_out="add samples, or change [validation]",
            )
    shape = (splits[-1].repeat + 1, *rows.y.shape)
    predicted = {candidate.name: np.full(shape, np.nan) for candidate in candidates}
    folds = np.full(shape[:2], -1)
    empty: list[dict[str, Any]] = [{} for _ in splits]
    training = {candidate.name: list(empty) for candidate in candidates}
    details = {candidate.name: list(empty) for candidate in candidates}
    fit = partial(_fit_split, split, recipe, rows, tuple(candidates), shared or {})
    results = run_in_processes(
        fit,
        splits,
        processes=recipe.validation.processes,
        task=f"validation by {SPLITS[split].title}",
        progress=progress,
    )
    for number, results_of_split in results:
        division = splits[number]
        folds[division.repeat, division.test] = number
        for name, (values, figures, notes) in results_of_split.items():
            predicted[name][division.repeat, division.test] = values
            training[name][number] = figures
            details[name][number] = notes
    return Outcome(split, rows.targets, rows.y, predicted, training, folds, splits, details, rows.layers_cm is not None)


def _fit_split(
    split: str,
    recipe: Recipe,
    rows: TrainingRows,
    candidates: tuple[Candidate, ...],
    shared: dict[Any, Any],
    division: Split,
) -> dict[str, tuple[np.ndarray, dict[str, float], dict[str, Any]]]:
    """Fit every candidate to the training rows of one split and predict its test rows as a map does."""
    cache: dict[Any, Any] = {}
    results = {}
    for candidate in candidates:
        task = FitTask(
            candidate,
            rows,
            division.train,
            recipe,
            seed=recipe.seed,
            test=division.test,
            leak=SPLITS[split].leaks,
            fold_cache=cache,
            shared=shared,
            n_workers=None if recipe.validation.processes == 1 else 1,
        )
        model = fit_model(task)
        tested = predict_rows(model, candidate, rows, division.test)
        kept = {key: task.details[key] for key in KEPT_DETAILS if key in task.details}
        spread = predict_spread(model, candidate, rows, division.test)
        kept |= {} if spread is None else {"spread": spread}
        results[candidate.name] = tested, _training_figures(model, candidate, rows, division.train), kept
    return results


def _training_figures(model: Model, candidate: Candidate, rows: TrainingRows, train: np.ndarray) -> dict[str, float]:
    predicted, observed = predict_rows(model, candidate, rows, train), rows.y[train]
    figures: dict[str, float] = {}
    for k in [None, *range(observed.shape[1])]:
        columns = slice(None) if k is None else slice(k, k + 1)
        y, values = _flat(observed[:, columns]), _flat(predicted[:, columns])
        known = np.isfinite(y) & np.isfinite(values)
        if known.any():
            metrics = regression_metrics(y[known], values[known])
            figures |= {metric if k is None else f"{metric} {k}": metrics[metric] for metric in WITH_INTERVAL}
    return figures


def run_in_processes(
    function: Callable[[Any], Any], items: Sequence[Any], *, processes: int, task: str, progress: Progress = no_progress
) -> Iterator[tuple[int, Any]]:
    """Call a function for each item, in several processes of one thread each; yield (number, result) as they finish.

    Fits of small models are sequences of steps too short for threads, so processes are used even for two items.
    """
    from joblib import Parallel, delayed

    calls = (delayed(_call_on_one_thread)(function, number, item) for number, item in enumerate(items))
    progress(task, 0, len(items))
    n_jobs = max(min(processes, len(items)), 1)
    with warnings.catch_warnings():
        # joblib replaces a worker whose memory has grown by 300 MB, and warns about it in the thread that manages the
        # workers. Where warnings are errors, the warning would end this thread, and the results would never come.
        warnings.filterwarnings("ignore", "A worker stopped while some jobs were given", UserWarning)
        for done, result in enumerate(Parallel(n_jobs=n_jobs, return_as="generator_unordered")(calls), start=1):
            yield result
            progress(task, done, len(items))


def _call_on_one_thread(function: Callable[[Any], Any], number: int, item: Any) -> tuple[int, Any]:
    with one_thread_each():
        return number, function(item)
