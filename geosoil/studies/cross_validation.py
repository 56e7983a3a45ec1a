"""What the validations of all studies share: splits, running them in processes, and figures paired by fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from geosoil.numerics.threads import one_thread_each
from geosoil.studies.results import no_progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from geosoil.studies.results import Progress

S = TypeVar("S")
R = TypeVar("R")


class Split(NamedTuple):
    """Rows to learn from and to test, `(n_train,)` and `(n_test,)`; splits of one repeat test a row at most once."""

    repeat: int
    train: np.ndarray
    test: np.ndarray


def repeated(
    deal: Callable[[int], Iterable[tuple[np.ndarray, np.ndarray]]], n_repeats: int, *, seed: int
) -> list[Split]:
    """Return the splits of n_repeats, repeat by repeat; deal(seed) gives the (train, test) of one.

    >>> from geosoil.samples.splits import split_k_fold
    >>> splits = repeated(lambda seed: split_k_fold(6, 2, seed=seed), 2, seed=0)
    >>> [(split.repeat, split.test.tolist()) for split in splits]
    [(0, [1, 2, 5]), (0, [0, 3, 4]), (1, [1, 2, 4]), (1, [0, 3, 5])]
    """
    return [Split(repeat, train, test) for repeat in range(n_repeats) for train, test in deal(seed + repeat)]


def run_folds(
    function: Callable[[S], R],
    splits: Sequence[S],
    *,
    processes: int,
    what: str,
    progress: Progress = no_progress,
) -> Iterator[tuple[int, R]]:
    """Call a function for each split, several in processes of their own; yield (number, result) as they get done.

    Splits are independent, and each is a sequence of small steps: every process holds one thread. So does this one
    where there is one process only, for a sum rounds by its threads and figures shall not depend on the processes.

    >>> list(run_folds(len, ["a", "bc"], processes=1, what="words"))
    [(0, 1), (1, 2)]
    """
    from joblib import Parallel, delayed

    tasks = (delayed(_on_one_thread)(function, number, split) for number, split in enumerate(splits))
    progress(what, 0, len(splits))
    n_jobs = min(processes, len(splits))
    for done, found in enumerate(Parallel(n_jobs=n_jobs, return_as="generator_unordered")(tasks), start=1):
        yield found
        progress(what, done, len(splits))


def _on_one_thread(function: Callable[[S], R], number: int, split: S) -> tuple[int, R]:
    with one_thread_each():
        return number, function(split)


def mean_of_repeats(predicted: np.ndarray) -> np.ndarray:
    """Return the mean over repeats `(n, ...)` of predicted `(repeat, n, ...)`, NaN where a row was never tested.

    >>> mean_of_repeats(np.array([[1.0, np.nan, 2.0], [3.0, np.nan, np.nan]])).tolist()
    [2.0, nan, 2.0]
    """
    count = np.isfinite(predicted).sum(axis=0)
    total = np.nansum(predicted, axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def rmse_by_fold(predicted: np.ndarray, observed: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return the RMSE `(fold,)` of predicted `(repeat, n, ...)` and observed `(n, ...)`.

    folds `(repeat, n)` is the number of the fold that tested a row, -1 for none; folds without a value are left out.

    >>> rmse_by_fold(np.array([[1.0, 2.0, 5.0]]), np.array([1.0, 4.0, np.nan]), np.array([[0, 0, 1]])).round(3).tolist()
    [1.414]
    """
    squared = (predicted - observed) ** 2
    each = [squared[folds == fold] for fold in range(int(folds.max()) + 1)]
    return np.array([np.sqrt(np.nanmean(own)) for own in each if np.isfinite(own).any()])


def mean_and_error(change: np.ndarray) -> tuple[float, float]:
    """Return the mean of paired differences `(fold,)` and its standard error, NaN for a single one.

    Folds share training rows, so the error is a lower bound.

    >>> mean_and_error(np.array([1.0, 3.0]))
    (2.0, 1.0)
    """
    error = change.std(ddof=1) / np.sqrt(change.size) if change.size > 1 else np.nan
    return float(change.mean()), float(error)
