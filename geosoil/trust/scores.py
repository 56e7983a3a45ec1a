"""Errors of rows that a model has not seen, with what is known about each: the material of prediction intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.trust.local_scale import SPREAD

if TYPE_CHECKING:
    from collections.abc import Mapping

MOST_GROUPS = 10  # of rows that are left out together where intervals are measured or fitted without them
LEAVE_ONE_OUT = "leave one out"


@dataclass(frozen=True, eq=False)
class Scores:
    """Predictions of rows by models that have not learned from them, pooled over folds and repeats.

    The model that makes a map is fitted to all rows; the errors that it is expected to make are those of these models
    (cross-conformal prediction with pooled scores).

    Parameters
    ----------
    observed, predicted : ndarray of shape (n_scores,)
        Finite numbers in the unit of the target.
    samples : ndarray of int, shape (n_scores,)
        The number of the sample of each score; a sample has one score in each repeat that tested it.
    groups : ndarray of int, shape (n_scores,)
        Samples of a group are left out together, so that no choice is measured by the rows that made it.
    indicators : dict of str to ndarray of shape (n_scores,)
        What was known about each prediction (`geosoil.trust.local_scale.INDICATORS`).
    split : str
        How the rows were divided.
    """

    observed: np.ndarray
    predicted: np.ndarray
    samples: np.ndarray
    groups: np.ndarray
    indicators: dict[str, np.ndarray] = field(default_factory=dict)
    split: str = ""

    def __len__(self) -> int:
        """Return the number of scores."""
        return len(self.observed)

    @property
    def n_samples(self) -> int:
        """The number of different samples."""
        return len(np.unique(self.samples))

    def take(self, rows: np.ndarray) -> Scores:
        """Return the scores at indices, or where a mask is true."""
        return Scores(
            self.observed[rows],
            self.predicted[rows],
            self.samples[rows],
            self.groups[rows],
            {name: values[rows] for name, values in self.indicators.items()},
            self.split,
        )


def pool_scores(
    observed: np.ndarray,
    predicted: np.ndarray,
    folds: np.ndarray,
    *,
    indicators: Mapping[str, np.ndarray] | None = None,
    split: str = "",
) -> Scores:
    """Pool the out-of-fold predictions of one target over folds and repeats.

    Parameters
    ----------
    observed : ndarray of shape (n,)
        NaN where unknown.
    predicted : ndarray of shape (n_repeats, n)
        NaN where a repeat did not test a row.
    folds : ndarray of int, shape (n_repeats, n)
        The fold that tested a row, -1 for none.
    indicators : mapping of str to ndarray of shape (n_repeats, n), optional
    split : str
        The name of the split.

    Returns
    -------
    Scores

    Raises
    ------
    SamplesError
        If no row has both values.

    Examples
    --------
    >>> scores = pool_scores(np.array([1.0, np.nan, 3.0]), np.array([[1.5, 2.0, 2.5]]), np.array([[0, 0, 1]]))
    >>> scores.samples.tolist(), scores.predicted.tolist()
    ([0, 2], [1.5, 2.5])
    """
    known = np.isfinite(predicted) & np.isfinite(observed)
    parts = {name: np.broadcast_to(values, predicted.shape) for name, values in (indicators or {}).items()}
    parts = {name: values for name, values in parts.items() if np.isfinite(values[known]).all()}
    if not known.any():
        raise SamplesError(
            "scores",
            found="no row with an observed value and a prediction by a model that has not learned from it",
            expected="out-of-fold predictions",
            way_out="validate the model by folds",
        )
    samples = np.nonzero(known)[1]
    # A sample has one group in all repeats: the fold of the first repeat that tested it.
    first = folds[np.argmax(known, axis=0), np.arange(known.shape[1])]
    return Scores(
        np.broadcast_to(observed, predicted.shape)[known],
        predicted[known],
        samples,
        _few_groups(first, known.any(axis=0))[samples],
        {name: values[known] for name, values in parts.items()},
        split,
    )


def leave_one_out_scores(observed: np.ndarray, predicted: np.ndarray, variance: np.ndarray | None = None) -> Scores:
    """Return the scores of leave-one-out predictions, for example those of a Gaussian process in closed form.

    Parameters
    ----------
    observed : ndarray of shape (n,)
    predicted : ndarray of shape (n,)
        The prediction of each row from all others.
    variance : ndarray of shape (n,), optional
        Its variance; the spread of the process is its square root.

    Returns
    -------
    Scores

    Examples
    --------
    >>> scores = leave_one_out_scores(np.arange(3.0), np.ones(3), np.full(3, 4.0))
    >>> scores.indicators["spread"].tolist(), scores.split
    ([2.0, 2.0, 2.0], 'leave one out')
    """
    indicators = {} if variance is None else {SPREAD: np.sqrt(variance)[None]}
    return pool_scores(observed, predicted[None], np.arange(len(observed))[None], indicators=indicators,
                       split=LEAVE_ONE_OUT)  # fmt: skip


def _few_groups(labels: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Return at most `MOST_GROUPS` groups of samples from their folds; several random groups where there is one fold.

    >>> _few_groups(np.array([4, 4, 7]), np.ones(3, bool)).tolist()
    [0, 0, 1]
    """
    groups = np.zeros(len(labels), np.int64)
    names, numbers = np.unique(labels[known], return_inverse=True)
    generator = np.random.default_rng(0)
    if len(names) == 1:  # one holdout: its rows are divided at random
        numbers = generator.permutation(known.sum())
        names = numbers
    groups[known] = generator.permutation(len(names))[numbers] % MOST_GROUPS if len(names) > MOST_GROUPS else numbers
    return groups
