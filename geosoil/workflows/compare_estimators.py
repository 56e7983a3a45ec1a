"""`geosoil.compare({...}, X, y)`: estimators on the same test rows, with paired differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from geosoil.errors import EstimatorError, SamplesError
from geosoil.evaluate.metrics import METRICS
from geosoil.evaluate.resampling import bootstrap_interval, mean_over_repeats, paired_difference
from geosoil.pipeline.splits import Split
from geosoil.pipeline.validation import no_progress, rmse_by_split, run_in_processes
from geosoil.samples.splits import split_groups, split_k_fold
from geosoil.workflows.progress import reported
from geosoil.workflows.shown import ShownResult, table_as_text

if TYPE_CHECKING:
    from geosoil.workflows.progress import Progress

WHERE = "compare"
Metrics = Mapping[str, Callable[[np.ndarray, np.ndarray], float]]


@dataclass(frozen=True, repr=False)
class Comparison(ShownResult):
    """What a comparison of estimators found.

    Parameters
    ----------
    table : DataFrame
        One row per model: `n` test values, each metric of the pooled test predictions with the ends of its 95 %
        bootstrap interval (`test_rmse`, `test_rmse_low`, `test_rmse_high`), and last the mean over folds of the same
        metric of the training rows (`train_rmse`). With repeats, metrics are means over repeats.
    differences : DataFrame
        One row per model other than the reference: how much each metric differs from that of the reference on the same
        test rows, with the ends of the 95 % interval, and in how many folds its RMSE is smaller.
    observed : ndarray, shape (n,)
    predicted : dict of str to ndarray, shape (n_repeats, n)
        By model, the predictions of test rows; NaN where a repeat did not test a row.
    folds : ndarray of int, shape (n_repeats, n)
        The number of the fold that tested a row, -1 for none.
    notes : tuple of str
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    observed: np.ndarray
    predicted: dict[str, np.ndarray]
    folds: np.ndarray
    notes: tuple[str, ...] = ()

    def summary(self) -> str:
        """Return both tables as text, with 95 % intervals in brackets."""
        names = [name for name in self.table if f"{name}_low" in self.table]
        lines = [*self.notes, table_as_text(self.table, ["model", "n", *names])]
        if len(self.differences):
            reference = self.differences.reference[0]
            lines += ["", f"Differences from {reference} on the same test rows:"]
            names = [name for name in self.differences if f"{name}_low" in self.differences]
            lines.append(table_as_text(self.differences, ["model", *names, "better"]))
        return "\n".join(lines)


def compare_estimators(
    models: Mapping[str, Any],
    X: Any,
    y: Any,
    *,
    folds: Any = 10,
    groups: Any = None,
    metrics: Any = ("r2", "rmse"),
    reference: str | None = None,
    processes: int = 1,
    seed: int = 0,
    progress: Progress | bool | None = None,
) -> Comparison:
    """Compare scikit-learn estimators on the same test rows; `geosoil.compare` calls this for a dict of estimators.

    A copy of each estimator is fitted to the training rows of each fold, so that every prediction comes from a model
    that did not see its row. A choice of hyper-parameters belongs in the estimator, for example as a `GridSearchCV`: it
    is then made within the training rows.

    Parameters
    ----------
    models : mapping of str to estimator
        Estimators or Pipelines with `fit` and `predict`.
    X : array_like or DataFrame, shape (n, ...)
        Features.
    y : array_like, shape (n,)
        Observed values.
    folds : int, array_like of shape (n,), scikit-learn splitter, or list of (train, test)
        A number of random folds, or the label of each row's fold, or how rows are divided.
    groups : array_like of shape (n,), optional
        Rows of a group, such as a profile or a field, are drawn together by the bootstrap, and tested together if
        `folds` is a number or a splitter of groups. Give them for spatial folds, whose intervals are too narrow
        otherwise.
    metrics : sequence of str or callable, or mapping of str to callable
        Names in `geosoil.evaluate.metrics.METRICS`, or callables of y_true and y_pred that return a number.
    reference : str, optional
        The model that the others are compared with; by default the first.
    processes : int
        Number of folds that are computed at the same time.
    seed : int
        Seed of random folds and of the bootstrap.
    progress : callable or bool, optional
        Called as `progress(task, done, total)` after each fold; True shows a bar.

    Returns
    -------
    Comparison

    Raises
    ------
    SamplesError
        If X, y, groups or folds do not match, or a fold tests rows that it learns from.
    EstimatorError
        If a model has no `fit` and `predict`, or does not predict one value for each row.
    """
    values, observed = _checked_rows(X, y)
    groups = None if groups is None else _column(groups, len(observed), "groups")
    functions = _functions(metrics)
    reference = _checked_models(models, reference)
    splits = _divide(folds, values, observed, groups, seed)
    shape = (splits[-1].repeat + 1, len(observed))
    predicted, numbers = {name: np.full(shape, np.nan) for name in models}, np.full(shape, -1)
    training: dict[str, list[dict[str, float]]] = {name: [] for name in models}
    fit = partial(_fit_split, dict(models), values, observed, functions)
    with reported(progress) as report:
        fitted = run_in_processes(
            fit, splits, processes=processes, task="comparison", progress=report or no_progress
        )  # fmt: skip
        for number, results in fitted:
            repeat, _, test = splits[number]
            numbers[repeat, test] = number
            for name, (tested, figures) in results.items():
                predicted[name][repeat, test] = tested
                training[name].append(figures)
    notes = _leave_out_unpredicted(predicted, numbers)
    intervals = partial(bootstrap_interval, groups=groups, seed=seed)
    rows, differences = [], []
    for name in models:
        tested_rows = np.isfinite(predicted[name]).any(axis=0)
        row: dict[str, Any] = {"model": name, "n": int(tested_rows.sum())}
        for metric, function in functions.items():
            interval = intervals(function, observed, predicted[name])
            row |= {f"test_{metric}": interval.estimate, f"test_{metric}_low": interval.low}
            row[f"test_{metric}_high"] = interval.high
        row |= {f"train_{metric}": float(np.mean([t[metric] for t in training[name]])) for metric in functions}
        rows.append(row)
        if name != reference:
            differences.append(_difference(name, reference, functions, observed, predicted, numbers, groups, seed))
    return Comparison(pd.DataFrame(rows), pd.DataFrame(differences), observed, predicted, numbers, notes)


def _difference(
    name: str,
    reference: str,
    functions: Metrics,
    observed: np.ndarray,
    predicted: dict[str, np.ndarray],
    folds: np.ndarray,
    groups: np.ndarray | None,
    seed: int,
) -> dict[str, Any]:
    row: dict[str, Any] = {"model": name, "reference": reference}
    for metric, function in functions.items():
        change = paired_difference(
            function, observed, predicted[name], predicted[reference], groups=groups, seed=seed
        )  # fmt: skip
        key = f"test_{metric}_difference"
        row |= {key: change.estimate, f"{key}_low": change.low, f"{key}_high": change.high}
    by_fold, by_reference = (
        rmse_by_split(predicted[model][:, :, None], observed[:, None], folds) for model in (name, reference)
    )
    return row | {"better": f"{int((by_fold < by_reference).sum())} of {len(by_fold)}"}


def _fit_split(
    models: dict[str, Any], X: Any, y: np.ndarray, functions: Metrics, split: Split
) -> dict[str, tuple[np.ndarray, dict[str, float]]]:
    """Fit a copy of every model to the training rows of a fold; return test predictions and training figures."""
    from sklearn.base import clone

    results = {}
    for name, model in models.items():
        fitted = clone(model, safe=False)
        try:
            fitted.fit(_rows(X, split.train), y[split.train])
            tested, learned = (_predict(name, fitted, _rows(X, rows)) for rows in (split.test, split.train))
        except (ValueError, TypeError, ArithmeticError) as error:
            raise EstimatorError(
                f"model {name!r}",
                problem=f"it failed with {type(error).__name__} ({str(error)[:300]})",
                expected="an estimator that is fitted to X and y and predicts the test rows",
                way_out="correct X or the settings of the model",
            ) from error
        figures = {
            key: mean_over_repeats(function, y[split.train], learned[None]) for key, function in functions.items()
        }
        results[name] = tested, figures
    return results


def _predict(name: str, fitted: Any, X: Any) -> np.ndarray:
    predicted = np.asarray(fitted.predict(X), np.float64)
    if predicted.size != len(predicted) or len(predicted) != X.shape[0]:
        raise EstimatorError(
            name,
            found=f"predictions of shape {predicted.shape} for {X.shape[0]} rows",
            expected="one number for each row",
            way_out="compare models of one target",
        )
    return predicted.reshape(-1)


def _leave_out_unpredicted(predicted: dict[str, np.ndarray], folds: np.ndarray) -> tuple[str, ...]:
    """Set rows that a model did not predict to NaN for all models, so that all are judged on the same rows."""
    tested = folds >= 0
    lacking = {name: tested & ~np.isfinite(values) for name, values in predicted.items()}
    left_out = np.any(list(lacking.values()), axis=0)
    for values in predicted.values():
        values[left_out] = np.nan
    return tuple(
        f"{name} predicts no number for {int(missing.any(axis=0).sum())} rows, which are left out for all models"
        for name, missing in lacking.items()
        if missing.any()
    )


def _checked_models(models: Mapping[str, Any], reference: str | None) -> str:
    if not models:
        raise EstimatorError(
            WHERE, found="no models", expected="one or more estimators", way_out='give {"NAME": estimator, ...}'
        )
    for name, model in models.items():
        if isinstance(model, type) or not (hasattr(model, "fit") and hasattr(model, "predict")):
            raise EstimatorError(
                f"model {name!r}",
                found=f"the class {model.__name__}" if isinstance(model, type) else f"a {type(model).__name__}",
                expected="an estimator with fit and predict",
                way_out="give an object such as LinearRegression()",
            )
    if reference is not None and reference not in models:
        raise EstimatorError(
            "reference",
            found=repr(reference),
            expected=f"one of {', '.join(map(str, models))}",
            way_out="name one of the models",
        )
    return reference if reference is not None else next(iter(models))


def _checked_rows(X: Any, y: Any) -> tuple[Any, np.ndarray]:
    values = X if hasattr(X, "shape") else np.asarray(X)
    try:
        observed = np.asarray(y, np.float64)
    except (TypeError, ValueError) as error:
        raise SamplesError(
            "y", found=f"values that are not numbers ({error})", expected="numbers", way_out="convert them"
        ) from error
    if observed.size != len(observed) or len(observed) != values.shape[0]:
        raise SamplesError(
            WHERE,
            found=f"X of shape {tuple(values.shape)} and y of shape {observed.shape}",
            expected="one value of y for each row of X",
            way_out="give one target, with as many values as X has rows",
        )
    n_bad = int((~np.isfinite(observed)).sum())
    if n_bad:
        raise SamplesError(
            "y",
            found=f"NaN or infinity in {n_bad} of {observed.size} rows",
            expected="finite numbers",
            way_out="leave these rows out of X, y and folds",
        )
    return values, observed.reshape(-1)


def _column(values: Any, n_rows: int, what: str) -> np.ndarray:
    """Return labels, one for each row, as numbers from 0."""
    labels = np.asarray(values, dtype=object)
    codes, _ = pd.factorize(labels.reshape(-1), sort=False)
    if labels.size != n_rows or (codes < 0).any():
        missing = f" of which {int((codes < 0).sum())} are missing" if (codes < 0).any() else ""
        raise SamplesError(
            what,
            found=f"{labels.size} labels{missing}",
            expected=f"a label for each of {n_rows} rows",
            way_out="leave rows without a label out of X and y",
        )
    return np.asarray(codes)


def _functions(metrics: Any) -> Metrics:
    """Return metrics by name; names of `METRICS` become their functions."""
    if isinstance(metrics, str) or callable(metrics):
        metrics = [metrics]
    if not isinstance(metrics, Mapping):
        metrics = {
            metric if isinstance(metric, str) else getattr(metric, "__name__", f"metric_{number}"): metric
            for number, metric in enumerate(metrics, start=1)
        }
    functions = {}
    for name, metric in metrics.items():
        if not callable(metric) and metric not in METRICS:
            raise SamplesError(
                "metrics",
                found=repr(metric),
                expected=f"one of {', '.join(METRICS)}, or a callable of y_true and y_pred",
                way_out="name one of these, or give the function itself",
            )
        functions[str(name)] = metric if callable(metric) else METRICS[metric].function
    return functions


def _divide(folds: Any, X: Any, y: np.ndarray, groups: np.ndarray | None, seed: int) -> list[Split]:
    """Return the splits of a number of folds, of labels, of a splitter, or of pairs of (train, test)."""
    if isinstance(folds, (int, np.integer)):
        pairs = (
            split_k_fold(len(y), int(folds), seed=seed)
            if groups is None
            else split_groups(groups, int(folds), seed=seed)
        )
    elif hasattr(folds, "split") and hasattr(folds, "get_n_splits"):
        pairs = list(folds.split(X, y, groups))
    elif isinstance(folds, Sequence) and len(folds) and isinstance(folds[0], tuple):
        pairs = list(folds)
    else:
        labels = _column(folds, len(y), "folds")
        pairs = [(np.flatnonzero(labels != label), np.flatnonzero(labels == label)) for label in np.unique(labels)]
    splits: list[Split] = []
    tested: list[np.ndarray] = []  # by repeat, whether each row was tested
    for number, pair in enumerate(pairs):
        train, test = (np.arange(len(y))[np.asarray(rows)] for rows in pair)
        both = np.intersect1d(train, test)
        if both.size or not (train.size and test.size):
            raise SamplesError(
                "folds",
                found=f"fold {number + 1} with {train.size} training rows and {test.size} test rows, "
                f"{both.size} of them in both",
                expected="training and test rows that differ, and at least one of each",
                way_out="correct the folds; two or more are needed",
            )
        repeat = next((k for k, rows in enumerate(tested) if not rows[test].any()), len(tested))
        if repeat == len(tested):
            tested.append(np.zeros(len(y), bool))
        tested[repeat][test] = True
        splits.append(Split(repeat, train, test))
    return splits


def _rows(X: Any, rows: np.ndarray) -> Any:
    return X.iloc[rows] if hasattr(X, "iloc") else X[rows]
