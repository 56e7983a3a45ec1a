"""Kennard-Stone and DUPLEX choose what R prospectr chooses, in memory of order n."""

import json
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from shared_material import shared

from geosoil.errors import SamplesError
from geosoil.samples.kennard_stone import duplex, farthest_pair, kennard_stone, principal_scores
from geosoil.samples.libraries import localisation_space

CALLS = {
    "euclid_k30": {},
    "euclid_k2": {},
    "euclid_k39": {},
    "euclid_k12_init_3": {"start": 3},
    "euclid_k12_init_3_17": {"start": [3, 17]},
    "pc5_euclid_k30": {"n_components": 5},
    "pc5_mahal_k30": {"n_components": 5, "mahalanobis": True},
    "pc099_euclid_k30": {"n_components": 0.99},
    "pc099_mahal_k30": {"n_components": 0.99, "mahalanobis": True},
    "raw_reflectance_euclid_k30": {},
}


@pytest.fixture(scope="module")
def reflectance():
    return pd.read_csv(shared("golden/inputs/spectra_10nm.csv")).filter(regex=r"^\d").to_numpy()


@pytest.fixture(scope="module")
def answers():
    return json.loads(shared("golden/prospectr/kenstone.json").read_text())


def by_the_whole_matrix(X, k):
    """Kennard-Stone by its definition, with all distances at hand."""
    squared = cdist(X, X, "sqeuclidean") - np.eye(len(X))
    first = np.unravel_index(np.argmax(squared.T), squared.shape)  # column by column
    chosen = [int(max(first)), int(min(first))]
    while len(chosen) < k:
        nearest = squared[:, chosen].min(axis=1)
        nearest[chosen] = -1
        chosen.append(int(np.argmax(nearest)))
    return chosen


@pytest.mark.parametrize("name", CALLS)
def test_the_order_of_choice_is_prospectrs(name, reflectance, answers):
    X = reflectance if name.startswith("raw") else localisation_space(reflectance)
    model = answers[name]["model"]
    assert kennard_stone(X, len(model), **CALLS[name]).tolist() == model


def test_groups_enter_whole_as_in_prospectr(reflectance, answers):
    chosen = kennard_stone(localisation_space(reflectance), 20, groups=np.arange(40) // 2).tolist()
    model = answers["euclid_k20_groups_of_2"]["model"]
    assert set(chosen[:4]) == set(model[:4])  # the peer lists the first two groups the other way round
    assert chosen[4:] == model[4:]


def test_a_group_may_bring_more_than_k():
    X = np.arange(9.0)[:, None] ** 2
    chosen = kennard_stone(X, 4, groups=[0, 0, 0, 1, 1, 1, 2, 2, 2])
    assert sorted(chosen.tolist()) == [0, 1, 2, 6, 7, 8]


def test_duplex_from_the_peers_start_goes_the_peers_way(reflectance, answers):
    golden = answers["duplex_euclid_k15"]
    X = localisation_space(reflectance)
    one, other = duplex(X, 15, starts=(golden["model"][:2], golden["test"][:2]))
    assert one.tolist() == golden["model"]
    assert other.tolist() == golden["test"]


def test_duplex_starts_both_sets_with_the_farthest_pairs(reflectance):
    X = localisation_space(reflectance)
    one, other = duplex(X, 15)
    assert one[:2].tolist() == by_the_whole_matrix(X, 2)
    rest = np.setdiff1d(np.arange(40), one[:2])
    assert other[:2].tolist() == rest[by_the_whole_matrix(X[rest], 2)].tolist()
    assert not set(one.tolist()) & set(other.tolist())


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(3, 60), st.integers(1, 40), st.booleans())
def test_bounds_and_sketches_never_change_the_choice(seed, n, n_bands, with_twins):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, n_bands)) * rng.lognormal(size=n_bands)
    if with_twins:
        X[n // 2] = X[0]
        X = np.round(X)  # many equal distances, which float64 holds exactly
    k = rng.integers(2, n + 1)
    assert kennard_stone(X, int(k)).tolist() == by_the_whole_matrix(X, k)


def test_the_farthest_pair_of_many_blocks_is_found():
    X = np.random.default_rng(0).normal(size=(3000, 30))
    assert farthest_pair(X).tolist() == by_the_whole_matrix(X, 2)


def test_memory_grows_with_n_not_n_times_n():
    X = np.random.default_rng(0).normal(size=(6000, 20))
    tracemalloc.start()
    kennard_stone(X, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.15 * 8 * len(X) ** 2


def test_scores_explain_the_share_asked_for(reflectance):
    assert principal_scores(localisation_space(reflectance), 0.99).shape == (40, 6)


@pytest.mark.parametrize(
    "wrong", [{"k": 0}, {"k": 7}, {"start": 6}, {"start": [1, 1]}, {"groups": [1, 2]}, {"n_components": 7}]
)
def test_what_cannot_be_chosen_is_refused(wrong):
    X = np.random.default_rng(0).normal(size=(6, 3))
    with pytest.raises(SamplesError):
        kennard_stone(X, **{"k": 3} | wrong)


def test_nan_is_refused():
    with pytest.raises(SamplesError, match="1 rows with NaN"):
        kennard_stone(np.array([[1.0], [np.nan], [2.0]]), 2)
