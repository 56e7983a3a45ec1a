"""Splits: every sample on one side, in one fold, and folds that balance (trap 21: a point in two folds)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geosoil.errors import RecipeError, SamplesError
from geosoil.samples.splits import split_by_rank, split_groups, split_k_fold, split_spatial_blocks


def assert_partition(splits, n: int) -> None:
    tested = np.concatenate([test for _, test in splits])
    assert sorted(tested.tolist()) == list(range(n))
    for train, test in splits:
        assert sorted(np.concatenate([train, test]).tolist()) == list(range(n))


def test_ninety_one_samples_by_rank_are_sixty_one_and_thirty():
    y = np.random.default_rng(0).permutation(91).astype(float)
    [(train, test)] = split_by_rank(y)
    assert sorted(y[test].tolist()) == list(range(1, 91, 3))
    assert (len(train), len(test)) == (61, 30)


@given(st.lists(st.floats(-1e9, 1e9), min_size=5, max_size=60), st.integers(2, 5), st.data())
def test_every_sample_is_on_one_side_of_a_rank_split(y, step, data):
    offset = data.draw(st.integers(0, step - 1))
    [(train, test)] = split_by_rank(np.array(y), step=step, offset=offset)
    assert sorted([*train.tolist(), *test.tolist()]) == list(range(len(y)))
    assert len(test) == len(range(offset, len(y), step))


@given(st.integers(2, 60), st.integers(2, 12), st.integers(1, 3), st.integers(0, 99))
def test_each_repeat_of_k_fold_is_a_partition_into_equal_folds(n, n_folds, n_repeats, seed):
    if n < n_folds:
        with pytest.raises(SamplesError, match=f"{n} samples for {n_folds} folds"):
            split_k_fold(n, n_folds)
        return
    splits = split_k_fold(n, n_folds, n_repeats=n_repeats, seed=seed)
    assert len(splits) == n_repeats * n_folds
    for repeat in range(n_repeats):
        folds = splits[repeat * n_folds : (repeat + 1) * n_folds]
        assert_partition(folds, n)
        sizes = [len(test) for _, test in folds]
        assert max(sizes) - min(sizes) <= 1


@given(st.lists(st.integers(0, 15), min_size=2, max_size=80), st.integers(2, 6), st.integers(0, 99))
def test_groups_stay_whole_and_folds_balance(groups, n_folds, seed):
    groups = np.array(groups)
    sizes = np.unique(groups, return_counts=True)[1]
    if len(sizes) < n_folds:
        with pytest.raises(SamplesError, match=f"{len(sizes)} groups for {n_folds} folds"):
            split_groups(groups, n_folds, seed=seed)
        return
    splits = split_groups(groups, n_folds, seed=seed)
    assert_partition(splits, len(groups))
    for train, test in splits:
        assert len(test) > 0
        assert not set(groups[train]) & set(groups[test])
    tested = [len(test) for _, test in splits]
    assert max(tested) - min(tested) <= sizes.max()


coordinates = st.lists(st.tuples(st.floats(-1e5, 1e5), st.floats(-1e5, 1e5)), min_size=4, max_size=60)


@given(coordinates, st.floats(10.0, 1e5), st.integers(2, 5), st.integers(0, 99))
def test_a_point_is_in_one_fold_and_its_block_with_it(points, side_m, n_folds, seed):
    x, y = np.array(points).T
    block = [tuple(at) for at in np.floor((np.array(points) - np.array(points).min(axis=0)) / side_m)]
    if len(points) < n_folds or len(set(block)) < n_folds:
        with pytest.raises(SamplesError, match=f"for {n_folds} folds"):
            split_spatial_blocks(x, y, side_m, n_folds, seed=seed)
        return
    splits = split_spatial_blocks(x, y, side_m, n_folds, seed=seed)
    assert_partition(splits, len(points))
    for train, test in splits:
        assert not {block[i] for i in train} & {block[i] for i in test}


def test_a_seed_gives_one_answer_and_another_seed_another():
    x, y = np.random.default_rng(0).uniform(0, 1000, (2, 200))
    for split in (
        lambda seed: split_k_fold(200, 5, seed=seed),
        lambda seed: split_groups(np.arange(200) // 4, 5, seed=seed),
        lambda seed: split_spatial_blocks(x, y, 100.0, 5, seed=seed),
    ):
        first, again, other = split(1), split(1), split(2)
        assert all((a[1] == b[1]).all() for a, b in zip(first, again, strict=True))
        assert any(a[1].tolist() != b[1].tolist() for a, b in zip(first, other, strict=True))


def test_what_cannot_be_split_is_refused():
    points = np.array([0.0, 0.1, 0.2, 0.3])  # degrees, taken for metres
    with pytest.raises(SamplesError, match=r"1 blocks of 1000 m for 2 folds.*not degrees"):
        split_spatial_blocks(points, points, 1000.0, 2)
    with pytest.raises(RecipeError, match="side_m=0"):
        split_spatial_blocks(points, points, 0.0, 2)
    with pytest.raises(SamplesError, match="1 missing numbers in y"):
        split_by_rank(np.array([1.0, np.nan, 2.0]))
    with pytest.raises(RecipeError, match="offset=3"):
        split_by_rank(points, offset=3)
    with pytest.raises(SamplesError, match="2 samples for 3 folds"):
        split_by_rank(points[:2])
    with pytest.raises(SamplesError, match="1 samples without a group"):
        split_groups(["a", None, "b"], 2)
