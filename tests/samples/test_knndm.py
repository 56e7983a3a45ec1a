"""Folds of kNNDM and NNDM resemble the use of the map, and are those of CAST."""

import json

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import RecipeError, SamplesError
from geosoil.samples.knndm import choose_clusters, closer_test, knndm, merge_clusters, nndm
from geosoil.samples.nearest_distances import (
    difference_of_distances,
    fold_distances,
    prediction_distances,
    sample_distances,
)
from geosoil.samples.splits import split_k_fold

RNG = np.random.default_rng(0)
MAP = np.stack(np.meshgrid(np.arange(250.0, 10_000, 500), np.arange(250.0, 10_000, 500)), axis=-1).reshape(-1, 2)
CLUSTERED = (RNG.uniform(0, 10_000, (6, 1, 2)) + RNG.normal(0, 100, (6, 12, 2))).reshape(-1, 2)
SPREAD = RNG.uniform(0, 10_000, (72, 2))


def places(name):
    return pd.read_csv(shared(f"golden/inputs/knndm_{name}.csv"))[["x", "y"]].to_numpy()


def golden(name):
    return json.loads(shared(f"golden/knndm/{name}.json").read_text())


def partition(folds):
    return {frozenset(np.flatnonzero(np.asarray(folds) == fold).tolist()) for fold in set(np.asarray(folds).tolist())}


@pytest.mark.parametrize("case", ["hierarchical_k5", "hierarchical_k5_maxp_0.25", "kmeans_k5"])
@pytest.mark.parametrize("name", ["mixed", "clustered"])
def test_folds_and_their_difference_from_the_map_are_those_of_the_package_cast(name, case):
    points, grid, expected = places(name), places("grid"), golden(f"knndm_{name}")[case]
    share = expected.get("maxp", 0.5)
    if "kmeans" in case:  # the random starts of R are not drawn again
        labels = zip(expected["tried"]["n_clusters"], map(np.array, expected["kmeans_labels"]), strict=True)
        (n_clusters, folds), tried = choose_clusters(
            points, prediction_distances(points, grid), labels, 5, largest_share=share
        )
    else:
        matched = knndm(points, grid, 5, largest_share=share)
        n_clusters, folds, tried = matched.n_clusters, matched.folds, matched.tried
        assert matched.p_value == pytest.approx(expected["ks_p"], abs=1e-9)
        assert matched.statistic == pytest.approx(expected["ks_D"], abs=1e-12)
    assert n_clusters == expected["q"]
    assert partition(folds) == partition(expected["folds"])
    np.testing.assert_allclose(
        list(tried.values()), [np.nan if value is None else value for value in expected["tried"]["W"]], rtol=1e-10
    )
    assert list(tried) == expected["tried"]["n_clusters"]


@pytest.mark.parametrize("case", ["clustered_phi_max", "clustered_phi_600", "clustered_min_train_0.9", "mixed_phi_max"])
def test_rows_left_out_by_nndm_are_those_of_the_package_cast(case):
    name, expected = case.split("_")[0], golden("nndm")[case]
    options = {"clustered_phi_600": {"range_m": 600.0}, "clustered_min_train_0.9": {"least_share": 0.9}}
    splits = nndm(places(name), places("grid"), **options.get(case, {}))
    for row, ((train, test), left_out) in enumerate(zip(splits, expected["indx_exclude"], strict=True)):
        assert test.tolist() == [row]
        assert sorted({*range(len(splits))} - {*train.tolist(), row}) == sorted(left_out)


def test_folds_of_clusters_resemble_the_use_of_the_map_better_than_random_ones():
    matched = knndm(CLUSTERED, MAP, 4)
    to_map = prediction_distances(CLUSTERED, MAP)
    random = fold_distances(CLUSTERED, split_k_fold(len(CLUSTERED), 4))
    assert matched.method == "clustered"
    assert matched.difference < 0.5 * difference_of_distances(random, to_map)
    assert matched.difference == min(value for value in matched.tried.values() if not np.isnan(value))
    assert matched.difference == pytest.approx(
        difference_of_distances(fold_distances(CLUSTERED, matched.splits()), to_map)
    )


@pytest.mark.parametrize("clustering", ["hierarchical", "kmeans"])
def test_every_sample_is_tested_once_and_no_fold_exceeds_the_largest_share(clustering):
    points = CLUSTERED[::2]
    matched = knndm(points, MAP, 4, clustering=clustering, largest_share=0.3)
    tested = np.concatenate([test for _, test in matched.splits()])
    assert sorted(tested.tolist()) == list(range(len(points)))
    assert max(len(test) for _, test in matched.splits()) <= 0.3 * len(points)


def test_samples_that_are_spread_like_the_map_get_random_folds_with_a_seed():
    matched, again, other = (knndm(SPREAD, MAP, 4, seed=seed) for seed in (0, 0, 1))
    assert matched.method == "random" and matched.n_clusters is None
    assert matched.folds.tolist() == again.folds.tolist() != other.folds.tolist()


def test_large_clusters_are_folds_and_small_ones_are_dealt_in_order():
    points = np.arange(12.0)[:, None]
    labels = np.array([5, 5, 5, 5, 5, 5, 0, 1, 2, 3, 4, 4])
    assert merge_clusters(points, labels, 3).tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 1, 2, 1, 1]


def test_a_cluster_of_exactly_the_mean_size_of_a_fold_is_a_fold():
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 3, 4, 5])
    assert partition(merge_clusters(np.arange(12.0)[:, None], labels, 3)) == partition(np.repeat([0, 1, 2], 4))


def test_a_pair_exactly_at_the_range_is_left_out():
    points, place = np.array([[0.0], [1.0], [50.0], [52.0], [99.0]]), np.array([[25.0], [75.0]])
    sizes = [[len(train) for train, _ in nndm(points, place, range_m=range_m)] for range_m in (0.9, 1.0, 2.0)]
    assert sizes == [[4] * 5, [3, 3, 4, 4, 4], [3, 3, 3, 3, 4]]


def test_the_order_of_the_samples_does_not_change_the_folds():
    order = np.random.default_rng(1).permutation(len(CLUSTERED))
    first, other = knndm(CLUSTERED, MAP, 4), knndm(CLUSTERED[order], MAP, 4)
    restored = np.empty_like(other.folds)
    restored[order] = other.folds
    assert partition(first.folds) == partition(restored)


def test_the_exact_p_value_counts_orders_and_takes_ties_into_account():
    # Of the 20 orders of three and three values, one has the three smallest ones first.
    assert closer_test(np.array([1.0, 2, 3]), np.array([4.0, 5, 6])) == (1.0, pytest.approx(1 / 20))
    # Two ties of one value each cannot tell the sets apart.
    assert closer_test(np.ones(3), np.ones(4)) == (0.0, pytest.approx(1.0))


def test_nndm_leaves_out_neighbours_until_distances_are_those_of_the_map():
    to_map = prediction_distances(CLUSTERED, MAP)
    splits = nndm(CLUSTERED, MAP)
    without = difference_of_distances(sample_distances(CLUSTERED), to_map)
    assert difference_of_distances(fold_distances(CLUSTERED, splits), to_map) < 0.5 * without
    assert all(len(train) >= 0.5 * len(CLUSTERED) - 1 for train, _ in splits)


def test_nndm_of_samples_that_are_spread_like_the_map_leaves_out_few():
    splits = nndm(SPREAD, MAP)
    assert np.mean([len(train) for train, _ in splits]) > 0.95 * len(SPREAD)


def test_samples_at_one_place_do_not_stop_either_method():
    points = np.concatenate([CLUSTERED, CLUSTERED[:20]])
    assert len(knndm(points, MAP, 4).splits()) == 4
    assert len(nndm(points, MAP)) == len(points)


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (SamplesError, lambda: knndm(CLUSTERED[:10], MAP, 10)),
        (SamplesError, lambda: knndm(np.zeros((6000, 2)), MAP, 10)),
        (SamplesError, lambda: nndm(np.zeros((6000, 2)), MAP)),
        (SamplesError, lambda: nndm(CLUSTERED[:2], MAP)),
        (SamplesError, lambda: knndm(CLUSTERED, np.full((3, 2), np.nan), 4)),
        (RecipeError, lambda: knndm(CLUSTERED, MAP, 4, largest_share=0.2)),
    ],
)
def test_what_cannot_be_divided_is_refused_in_one_line(error, call):
    with pytest.raises(error):
        call()
