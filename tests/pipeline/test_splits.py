"""Splits divide rows as their names say, and every row is tested as often as promised."""

from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from pyproj import CRS, Transformer

from geosoil.errors import RecipeError, SamplesError
from geosoil.models.contract import Feature
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.rows import TrainingRows
from geosoil.pipeline.splits import SPLITS, default_block_m, divide
from geosoil.pipeline.validation_settings import ValidationSettings
from geosoil.samples.knndm import knndm

N = 40


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    y = rng.permutation(N).astype(float)
    return TrainingRows(
        ids=np.array([f"S{i}" for i in range(N)]),
        X=rng.uniform(0.1, 0.9, (N, 6)).astype(np.float32),
        y=y[:, None],
        features=tuple(Feature(f"{i}") for i in range(6)),
        targets=(TargetProperty(column="soc"),),
        quantity="covariates",
        notes=[],
        sha256="",
        xy=rng.uniform(0, 1000, (N, 2)),
        crs=CRS.from_epsg(32633),
        map_places=np.stack(np.meshgrid(np.arange(50.0, 1000, 100), np.arange(50.0, 1000, 100)), axis=-1).reshape(
            -1, 2
        ),
        groups=np.repeat(["north", "east", "south", "west"], N // 4),
        folds=np.tile(["a", "b"], N // 2),
    )


@pytest.mark.parametrize("name", SPLITS)
def test_training_and_test_rows_are_disjoint_and_no_row_is_tested_twice_in_a_repeat(name, rows):
    nothing_left_out = {"buffer_m": 1e-9, "range_m": 1e-9}
    splits = divide(name, rows, ValidationSettings(n_folds=4, n_repeats=2, block_m=200.0, **nothing_left_out), seed=3)
    for repeat in {split.repeat for split in splits}:
        tested = np.concatenate([split.test for split in splits if split.repeat == repeat])
        assert len(set(tested)) == len(tested)
    for split in splits:
        assert not set(split.train) & set(split.test)
        assert set(split.train) | set(split.test) == set(range(N))


@pytest.mark.parametrize(
    "name", ["random", "rank", "groups", "site_out", "folds", "spatial", "buffer", "knndm", "nndm"]
)
def test_every_row_is_tested_once_in_each_repeat(name, rows):
    splits = divide(name, rows, ValidationSettings(n_folds=4, n_repeats=2, block_m=200.0, buffer_m=150.0), seed=0)
    for repeat in {split.repeat for split in splits}:
        tested = np.concatenate([split.test for split in splits if split.repeat == repeat])
        assert sorted(tested) == list(range(N))


def test_the_same_seed_gives_the_same_random_folds_and_another_seed_gives_others(rows):
    settings = ValidationSettings(n_folds=4)
    first, again, other = (divide("random", rows, settings, seed=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(a.test, b.test) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a.test, b.test) for a, b in zip(first, other, strict=True))


def test_repeats_divide_the_rows_differently(rows):
    splits = divide("random", rows, ValidationSettings(n_folds=2, n_repeats=2), seed=0)
    assert [split.repeat for split in splits] == [0, 0, 1, 1]
    assert not np.array_equal(splits[0].test, splits[2].test)


def test_a_site_is_left_out_whole_and_folds_are_those_of_the_column(rows):
    for split in divide("site_out", rows, ValidationSettings(), seed=0):
        assert len(set(rows.groups[split.test])) == 1
        assert len(split.test) == 10
    labels = [set(rows.folds[split.test]) for split in divide("folds", rows, ValidationSettings(), seed=0)]
    assert labels == [{"a"}, {"b"}]


def test_groups_and_blocks_stay_together(rows):
    for split in divide("groups", rows, ValidationSettings(n_folds=10), seed=0):
        assert not set(rows.groups[split.train]) & set(rows.groups[split.test])
    block = np.floor((rows.xy - rows.xy.min(axis=0)) / 250).astype(int)
    for split in divide("spatial", rows, ValidationSettings(n_folds=4, block_m=250.0), seed=0):
        assert not {tuple(place) for place in block[split.train]} & {tuple(place) for place in block[split.test]}


def test_no_training_row_lies_within_the_buffer_of_the_tested_one(rows):
    splits = divide("buffer", rows, ValidationSettings(buffer_m=300.0), seed=0)
    for split in splits:
        distance = np.hypot(*(rows.xy - rows.xy[split.test]).T)
        assert split.train.tolist() == np.flatnonzero(distance > 300).tolist()
    with pytest.raises(RecipeError, match="buffer_m"):
        divide("buffer", rows, ValidationSettings(), seed=0)


def test_folds_that_match_the_map_are_those_of_knndm_in_metres_also_for_places_in_degrees(rows):
    clusters = np.repeat(rows.xy[::8], 8, axis=0) + np.random.default_rng(1).normal(0, 10, (N, 2))
    clustered, settings = replace(rows, xy=clusters), ValidationSettings(n_folds=4)
    splits = divide("knndm", clustered, settings, seed=0)
    expected = knndm(clusters, rows.map_places, 4).splits()
    assert knndm(clusters, rows.map_places, 4).method == "clustered"
    assert [split.test.tolist() for split in splits] == [test.tolist() for _, test in expected]
    to_degrees = Transformer.from_crs(32633, 4326, always_xy=True)
    xy, places = (np.stack(to_degrees.transform(*points.T), axis=1) for points in (clusters, rows.map_places))
    in_degrees = replace(clustered, xy=xy, map_places=places, crs=CRS.from_epsg(4326))
    assert [split.test.tolist() for split in divide("knndm", in_degrees, settings, seed=0)] == [
        split.test.tolist() for split in splits
    ]


def test_the_range_limits_what_nndm_leaves_out(rows):
    clusters = np.repeat(rows.xy[::8], 8, axis=0) + np.random.default_rng(1).normal(0, 10, (N, 2))
    clustered = replace(rows, xy=clusters)
    sizes = [
        sum(len(split.train) for split in divide("nndm", clustered, ValidationSettings(**options), seed=0))
        for options in ({"range_m": 1e-9}, {"range_m": 10.0}, {}, {"least_share": 0.9})
    ]
    assert sizes[0] == N * (N - 1)
    assert sizes[2] < sizes[3] < sizes[0] and sizes[2] < sizes[1] < sizes[0]


def test_a_holdout_has_the_share_or_the_number_that_is_asked_for(rows):
    by_share = divide("holdout", rows, ValidationSettings(test_share=0.3, n_repeats=3), seed=0)
    assert [len(split.test) for split in by_share] == [12, 12, 12]
    by_number = divide("holdout", rows, ValidationSettings(n_train=15), seed=0)
    assert [len(split.train) for split in by_number] == [15]


def test_kennard_stone_takes_the_extremes_into_training(rows):
    line = np.linspace(0, 1, N, dtype=np.float32)
    rows = replace(rows, X=np.repeat(line[:, None], 6, axis=1))
    (split,) = divide("kennard_stone", rows, ValidationSettings(n_train=5), seed=0)
    assert {0, N - 1} <= set(split.train)
    assert len(split.train) == 5


def test_labels_limit_the_training_rows_and_no_test_row(rows):
    splits = divide("random", rows, ValidationSettings(n_folds=4, n_labels=12), seed=0)
    assert [(len(split.train), len(split.test)) for split in splits] == [(12, 10)] * 4


@pytest.mark.parametrize(
    ("name", "missing", "words"),
    [("groups", "groups", "data.group"), ("site_out", "groups", "data.group"), ("folds", "folds", "data.folds"),
     ("spatial", "xy", "places"), ("knndm", "map_places", "data.covariates"), ("nndm", "xy", "a map|places")],
)  # fmt: skip
def test_a_split_that_the_rows_cannot_have_is_one_line_that_names_the_key(name, missing, words, rows):
    with pytest.raises(RecipeError, match=words):
        divide(name, replace(rows, **{missing: None}), ValidationSettings(), seed=0)


def test_blocks_and_buffers_of_places_in_degrees_are_in_metres(rows):
    """Along the equator, across the date line, a thousandth of a degree is 111.3 m."""
    line = np.column_stack([179.9985 + np.arange(N) / 1000, np.zeros(N)])
    line[2:, 0] -= 360
    in_degrees = replace(rows, xy=line, crs=CRS.from_epsg(4326))
    splits = divide("buffer", in_degrees, ValidationSettings(buffer_m=223), seed=0)
    assert [len(split.train) for split in splits[:4]] == [N - 3, N - 4, N - 5, N - 5]
    blocks = divide("spatial", in_degrees, ValidationSettings(block_m=442.3, n_folds=5), seed=0)
    assert sorted(np.concatenate([split.test for split in blocks])) == list(range(N))


def test_more_folds_than_rows_are_refused(rows):
    with pytest.raises(SamplesError, match="40"):
        divide("random", rows, ValidationSettings(n_folds=41), seed=0)


def test_the_default_block_is_a_tenth_of_the_longer_side(rows):
    assert default_block_m(np.array([[0.0, 10.0], [300.0, 5010.0]])) == 500.0


def test_only_published_splits_leak_and_their_meaning_says_so():
    leaking = {name for name, split in SPLITS.items() if split.leaks}
    assert leaking == {name for name in SPLITS if name.startswith("published")}
    assert all("leaks" in SPLITS[name].meaning for name in leaking)
    assert {split.leaks for split in SPLITS.values()} == {"", "selection", "settings"}


def test_the_defaults_are_those_of_the_documentation():
    assert ValidationSettings().model_dump() == {
        "split": ["random"], "n_folds": 10, "n_repeats": 1, "block_m": None, "buffer_m": None, "test_share": 0.25,
        "n_train": None, "n_labels": None, "n_components": None, "mahalanobis": False, "n_seeds": 1999, "processes": 2,
        "n_places": 1000, "clustering": "hierarchical", "largest_share": 0.5, "range_m": None, "least_share": 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("settings", [{"test_share": 1.0}, {"test_share": 0.0}, {"n_folds": 1}, {"n_repeats": 0}])
def test_settings_that_test_nothing_or_everything_are_refused(settings):
    with pytest.raises(ValidationError):
        ValidationSettings(**settings)


@pytest.mark.parametrize("name", ["rank", "site_out", "folds", "buffer", "kennard_stone", "published_rank"])
def test_a_split_without_repeats_has_repeat_0(name, rows):
    settings = ValidationSettings(n_folds=4, n_repeats=2, buffer_m=100.0, n_train=20)
    assert {split.repeat for split in divide(name, rows, settings, seed=0)} == {0}


def test_the_table_states_what_each_split_needs_and_how_its_figures_are_read():
    def with_flag(flag):
        return {name for name, split in SPLITS.items() if getattr(split, flag)}

    assert with_flag("makes_folds") == {"random", "groups", "spatial", "knndm"}
    assert with_flag("keeps_groups") == {"groups", "site_out", "spatial", "knndm"}
    assert with_flag("is_random") == {"random", "holdout"}
    needs = {name: set(split.needs) for name, split in SPLITS.items() if split.needs}
    assert needs == {
        "groups": {"group"}, "site_out": {"group"}, "folds": {"folds"}, "spatial": {"places"},
        "buffer": {"places", "buffer_m"}, "knndm": {"places", "map"}, "nndm": {"places", "map"},
    }  # fmt: skip


def test_a_row_exactly_at_the_buffer_is_not_learned_from(rows):
    line = replace(rows, xy=np.column_stack([np.arange(N) * 10.0, np.zeros(N)]))
    first = divide("buffer", line, ValidationSettings(buffer_m=20.0), seed=0)[0]
    assert first.train.tolist() == list(range(3, N))
