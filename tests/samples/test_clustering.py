"""Clustered samples are recognised."""

import numpy as np
import pytest

from geosoil.samples.clustering import clark_evans_ratio, is_clustered


def test_points_at_random_have_a_ratio_of_one():
    xy = np.random.default_rng(0).uniform(0, 1000, (3000, 2))
    assert clark_evans_ratio(xy) == pytest.approx(1, abs=0.04)


def test_a_square_grid_has_a_ratio_of_two():
    xy = np.stack(np.meshgrid(np.arange(50.0), np.arange(50.0)), axis=-1).reshape(-1, 2)
    assert clark_evans_ratio(xy) == pytest.approx(2, abs=0.05)


def test_the_ratio_does_not_depend_on_scale_place_or_repeated_samples():
    xy = np.random.default_rng(1).uniform(0, 1, (50, 2))
    ratio = clark_evans_ratio(xy)
    assert clark_evans_ratio(1000 * xy + 5e5) == pytest.approx(ratio)
    assert clark_evans_ratio(np.concatenate([xy, xy[:10]])) == pytest.approx(ratio)


@pytest.mark.parametrize("xy", [[[0, 0], [1, 1]], [[0, 0], [1, 1], [2, 2], [3, 3]]])
def test_two_places_or_places_on_a_line_have_no_ratio(xy):
    assert np.isnan(clark_evans_ratio(np.array(xy, float)))
    assert not is_clustered(np.array(xy, float))


def test_few_samples_are_not_called_clustered():
    rng = np.random.default_rng(2)
    clusters = (rng.uniform(0, 10_000, (4, 1, 2)) + rng.normal(0, 10, (4, 5, 2))).reshape(-1, 2)
    assert is_clustered(clusters)
    assert not is_clustered(clusters[:19])


def test_the_ratio_of_a_triangle_and_of_a_square_is_that_of_the_formula():
    triangle, square = np.array([[0, 0], [1, 0], [0, 1]]), np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    assert clark_evans_ratio(triangle) == pytest.approx(2 * np.sqrt(6))  # mean distance 1, 3 points on an area of 0.5
    assert clark_evans_ratio(square) == pytest.approx(4)  # mean distance 1, 4 points on an area of 1


def test_the_nearest_neighbour_counts_and_not_the_second():
    pairs = np.array([[0, 0], [0, 1], [10, 0], [10, 1], [0, 10], [0, 11], [10, 10], [10, 11]], float)
    assert clark_evans_ratio(pairs) == pytest.approx(1 / (0.5 / np.sqrt(8 / 110)))
