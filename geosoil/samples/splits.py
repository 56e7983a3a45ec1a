"""Splits of samples into training and test rows.

Each function returns a list of `(train, test)` index arrays, as scikit-learn accepts for `cv=`. All random draws are
seeded. In the folds of one repeat every sample is tested exactly once, and is never on both sides of a split.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedKFold

from geosoil.errors import RecipeError, SamplesError

if TYPE_CHECKING:
    from collections.abc import Sequence

Split = tuple[np.ndarray, np.ndarray]


def split_by_rank(y: np.ndarray, *, step: int = 3, offset: int = 1) -> list[Split]:
    """Sort samples by content and test one of each `step` of them, starting at rank `offset`: one split.

    The default offset keeps the smallest of each triple in training, so that the test range lies within that of
    training; 91 samples are split into 61 and 30. Training and test rows are similar by construction: a random split
    is the stricter test.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Contents; equal ones rank in the order of the input.
    step, offset : int
        Samples of the ranks offset, offset + step, ... are tested; rank 0 is the smallest content.

    Returns
    -------
    list of (train, test)

    Raises
    ------
    SamplesError
        If there is NaN, or fewer samples than `step`.
    RecipeError
        Unless 0 <= offset < step.

    Examples
    --------
    >>> [(train, test)] = split_by_rank(np.array([5.0, 1.0, 3.0, 2.0, 4.0, 6.0]))
    >>> train.tolist(), test.tolist()
    ([1, 2, 4, 5], [0, 3])
    """
    y = _finite(y, "y")
    if step < 2 or not 0 <= offset < step:
        raise RecipeError(
            "split by rank",
            found=f"step={step}, offset={offset}",
            expected="a step of 2 or more, and an offset from 0 to step - 1",
            way_out="change these values",
        )
    _check_count(len(y), step, "samples")
    tested = np.zeros(len(y), dtype=bool)
    tested[np.argsort(y, kind="stable")[offset::step]] = True
    return [(np.flatnonzero(~tested), np.flatnonzero(tested))]


def split_k_fold(n_samples: int, n_folds: int = 10, *, n_repeats: int = 1, seed: int = 0) -> list[Split]:
    """Distribute samples at random over folds whose sizes differ by at most one.

    Parameters
    ----------
    n_samples, n_folds : int
    n_repeats : int
        Number of times that the samples are distributed.
    seed : int

    Returns
    -------
    list of (train, test)
        `n_repeats * n_folds` splits, repeat by repeat.

    Raises
    ------
    SamplesError
        If there are fewer samples than folds.

    Examples
    --------
    >>> [test.tolist() for _, test in split_k_fold(5, 2, seed=1)]
    [[1, 2, 4], [0, 3]]
    """
    _check_count(n_samples, n_folds, "samples")
    folds = RepeatedKFold(n_splits=n_folds, n_repeats=n_repeats, random_state=seed)
    return list(folds.split(np.empty((n_samples, 0))))


def split_by_label(labels: np.ndarray) -> list[Split]:
    """Test the samples of each label by the samples of all other labels, in the order of the sorted labels.

    >>> [(train.tolist(), test.tolist()) for train, test in split_by_label(np.array([1, 0, 1]))]
    [([0, 2], [1]), ([1], [0, 2])]
    """
    return [(np.flatnonzero(labels != label), np.flatnonzero(labels == label)) for label in np.unique(labels)]


def split_groups(groups: Sequence[object] | np.ndarray, n_folds: int = 10, *, seed: int = 0) -> list[Split]:
    """Distribute whole groups over folds, so that the samples of a group are on one side of every split.

    The largest groups are assigned first, each to the fold with the fewest samples, and equal ones in a seeded order.
    Fold sizes differ by no more than the largest group.

    Parameters
    ----------
    groups : sequence of shape (n,)
        The group of each sample, for instance a profile or a field.
    n_folds, seed : int

    Returns
    -------
    list of (train, test)

    Raises
    ------
    SamplesError
        If there are fewer groups than folds, or a group is missing.

    Examples
    --------
    >>> [test.tolist() for _, test in split_groups(["a", "a", "b", "b", "c"], 2)]
    [[0, 1, 4], [2, 3]]
    """
    codes, unique = pd.factorize(np.asarray(groups))
    if (codes < 0).any():
        raise SamplesError(
            "groups",
            found=f"{int((codes < 0).sum())} samples without a group",
            expected="a group for each sample",
            way_out="assign them to a group, or drop them",
        )
    _check_count(len(unique), n_folds, "groups")
    size, order = np.bincount(codes), np.random.default_rng(seed).permutation(len(unique))
    # scikit-learn's GroupKFold ignores the sizes if it shuffles, and has no seed if it does not.
    fold_of_group, fold_size = np.empty(len(unique), dtype=np.intp), np.zeros(n_folds, dtype=np.intp)
    for group in order[np.argsort(-size[order], kind="stable")]:
        fold_of_group[group] = np.argmin(fold_size)
        fold_size[fold_of_group[group]] += size[group]
    return split_by_label(fold_of_group[codes])


def split_spatial_blocks(
    x_m: np.ndarray, y_m: np.ndarray, side_m: float, n_folds: int = 10, *, seed: int = 0
) -> list[Split]:
    """Distribute square blocks of the map over folds, so that near neighbours are trained or tested together.

    Block (i, j) contains the samples with i side <= x < (i + 1) side, and the same for y, from the lower left sample.
    Blocks are distributed as the groups of `split_groups`. The side should not be smaller than the range of the
    variogram.

    Parameters
    ----------
    x_m, y_m : ndarray of shape (n,)
        Projected coordinates in metres.
    side_m : float
        Side of a block in metres.
    n_folds, seed : int

    Returns
    -------
    list of (train, test)

    Raises
    ------
    SamplesError
        If there is NaN, or fewer occupied blocks than folds.
    RecipeError
        If the side is not positive.

    References
    ----------
    Roberts et al. (2017), Ecography 40, 913-929.

    Examples
    --------
    >>> x_m, y_m = np.array([0.0, 10.0, 120.0, 130.0]), np.zeros(4)
    >>> sorted(test.tolist() for _, test in split_spatial_blocks(x_m, y_m, 100.0, 2))
    [[0, 1], [2, 3]]
    """
    x_m, y_m = _finite(x_m, "x_m"), _finite(y_m, "y_m")
    if not side_m > 0:
        raise RecipeError(
            "spatial blocks", found=f"side_m={side_m}", expected="a positive length in metres", way_out="change it"
        )
    if len(x_m) != len(y_m):
        raise SamplesError(
            "spatial blocks",
            found=f"{len(x_m)} x and {len(y_m)} y",
            expected="one pair of coordinates for each sample",
            way_out="check the table of samples",
        )
    _check_count(len(x_m), n_folds, "samples")
    column, row = (np.floor((metres - metres.min()) / side_m) for metres in (x_m, y_m))
    block = np.unique(np.column_stack([column, row]), axis=0, return_inverse=True)[1].reshape(-1)
    if block.max() + 1 < n_folds:
        raise SamplesError(
            "spatial blocks",
            found=f"{block.max() + 1} blocks of {side_m:g} m for {n_folds} folds",
            expected="at least one block for each fold",
            way_out="use smaller blocks or fewer folds, and coordinates in metres, not degrees",
        )
    return split_groups(block, n_folds, seed=seed)


def _check_count(n: int, n_folds: int, what: str) -> None:
    if n_folds < 2 or n < n_folds:
        raise SamplesError(
            "split",
            found=f"{n} {what} for {n_folds} folds",
            expected=f"two folds or more, and no more folds than {what}",
            way_out="change the number of folds",
        )


def _finite(values: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values, dtype=np.float64)
    n_bad = int(np.sum(~np.isfinite(values)))
    if values.ndim != 1 or n_bad:
        raise SamplesError(
            "split",
            found=f"{n_bad} missing numbers in {name} of shape {values.shape}",
            expected="one finite number for each sample",
            way_out="drop the samples without a number",
        )
    return values
