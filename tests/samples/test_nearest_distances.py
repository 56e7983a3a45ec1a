"""Distances to the nearest sample have known values, and those of CAST's geodist."""

import json

import numpy as np
import pandas as pd
import pytest
from shared_material import shared

from geosoil.errors import SamplesError
from geosoil.samples.nearest_distances import (
    difference_of_distances,
    fold_distances,
    in_feature_space,
    prediction_distances,
    sample_distances,
)

GRID = np.stack(np.meshgrid(np.arange(4.0), np.arange(4.0)), axis=-1).reshape(-1, 2)


def test_on_a_grid_the_nearest_sample_is_one_step_away_and_a_cell_between_four_half_a_diagonal():
    assert sample_distances(GRID).tolist() == [1.0] * 16
    np.testing.assert_allclose(prediction_distances(GRID, GRID[:1] + 0.5), np.sqrt(0.5))


def test_the_distance_of_folds_is_to_the_training_rows_that_the_fold_uses():
    columns = [(np.flatnonzero(GRID[:, 0] >= 2), np.flatnonzero(GRID[:, 0] < 2))]
    distances = fold_distances(GRID, columns)
    np.testing.assert_array_equal(distances[GRID[:, 0] == 0], 2)
    np.testing.assert_array_equal(distances[GRID[:, 0] == 1], 1)
    assert np.isnan(distances[GRID[:, 0] >= 2]).all()


def test_the_difference_of_shifted_distances_is_the_shift_and_rows_never_tested_do_not_count():
    distances = np.random.default_rng(0).gamma(2, size=50)
    assert difference_of_distances(distances, distances) == 0
    assert difference_of_distances(np.append(distances + 3, np.nan), distances) == pytest.approx(3)


def test_features_are_standardised_by_the_samples_alone_and_constant_ones_are_left_out():
    samples, rows = in_feature_space(np.array([[0.0, 1.0, 5.0], [2.0, 3.0, 5.0]]), np.array([[1.0, 2.0, 9.0]]))
    np.testing.assert_allclose(rows, [[0.0, 0.0]], atol=1e-15)
    np.testing.assert_allclose(samples.std(axis=0, ddof=1), 1)


def test_the_mahalanobis_distance_does_not_change_when_features_are_combined():
    rng = np.random.default_rng(1)
    samples, rows, mixing = rng.normal(size=(50, 3)), rng.normal(size=(20, 3)), rng.normal(size=(3, 3))
    plain = prediction_distances(*in_feature_space(samples, rows, metric="mahalanobis"))
    mixed = prediction_distances(*in_feature_space(samples @ mixing, rows @ mixing, metric="mahalanobis"))
    np.testing.assert_allclose(mixed, plain, rtol=1e-9)


@pytest.mark.parametrize(
    ("samples", "metric", "problem"),
    [
        (np.ones((5, 2)), "euclidean", "only constant"),
        (np.repeat(np.arange(5.0)[:, None], 2, axis=1), "mahalanobis", "determine each other"),
        (np.full((5, 2), np.nan), "euclidean", "10 missing"),
    ],
)
def test_features_without_distances_are_refused(samples, metric, problem):
    with pytest.raises(SamplesError, match=problem):
        in_feature_space(samples, np.zeros((1, 2)), metric=metric)


@pytest.mark.parametrize("metric", ["euclidean", "mahalanobis"])
def test_distances_of_features_are_those_of_geodist(metric):
    samples, rows = (
        pd.read_csv(shared(f"golden/inputs/knndm_feature_{name}.csv")).to_numpy() for name in ("train", "new")
    )
    folds = np.array(
        json.loads(shared("golden/knndm/knndm_feature_clustered.json").read_text())["hierarchical_k5"]["folds"]
    )
    expected = json.loads(shared("golden/knndm/geodist.json").read_text())[f"feature_clustered_{metric}"]
    samples, rows = in_feature_space(samples, rows, metric=metric)
    splits = [(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)) for fold in range(5)]
    to_map, between, of_folds = (
        prediction_distances(samples, rows),
        sample_distances(samples),
        fold_distances(samples, splits),
    )
    np.testing.assert_allclose(to_map, expected["prediction_to_sample"], rtol=1e-10)
    np.testing.assert_allclose(between, expected["sample_to_sample"], rtol=1e-10)
    np.testing.assert_allclose(of_folds, expected["CV_distances"], rtol=1e-10)
    assert difference_of_distances(of_folds, to_map) == pytest.approx(expected["W_CV"], rel=1e-10)
    assert difference_of_distances(between, to_map) == pytest.approx(expected["W_sample"], rel=1e-10)
