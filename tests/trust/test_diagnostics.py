"""Diagnostics of intervals give known answers for intervals that are right, too narrow, or biased."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm

from geosoil.trust.diagnostics import (
    coverage_by_class,
    coverage_by_level,
    coverage_range,
    error_profile,
    interval_score,
    nested_bounds,
    nested_probabilities,
    value_classes,
)
from geosoil.trust.scores import pool_scores

LEVELS = np.array([0.5, 0.8, 0.9])


def normal_bounds(n, sd=1.0):
    half = norm.ppf((1 + LEVELS) / 2) * sd
    return np.broadcast_to(np.array([-half, half]).T[:, :, None], (len(LEVELS), 2, n))


def test_true_quantiles_cover_what_they_promise_and_half_of_them_less():
    y = norm.ppf((np.arange(2000) + 0.5) / 2000)
    table = coverage_by_level(y, normal_bounds(2000), LEVELS)
    np.testing.assert_allclose(table.covered, LEVELS, atol=1e-3)
    np.testing.assert_allclose(table.below, (1 - LEVELS) / 2, atol=1e-3)
    np.testing.assert_allclose(table.mean_width, 2 * norm.ppf((1 + LEVELS) / 2))
    narrow = coverage_by_level(y, normal_bounds(2000, 0.5), LEVELS)
    np.testing.assert_allclose(narrow.covered, 2 * norm.cdf(norm.ppf((1 + LEVELS) / 2) / 2) - 1, atol=1e-3)


def test_the_interval_score_is_smallest_for_the_true_quantiles():
    y = norm.ppf((np.arange(2000) + 0.5) / 2000)
    scores = {sd: coverage_by_level(y, normal_bounds(2000, sd), LEVELS).interval_score for sd in (0.8, 1.0, 1.25)}
    assert (scores[1.0] < scores[0.8]).all()
    assert (scores[1.0] < scores[1.25]).all()
    # For a normal distribution its mean is 2 density(z) / tail, with tail = (1 - level) / 2.
    z = norm.ppf((1 + LEVELS) / 2)
    np.testing.assert_allclose(scores[1.0], 2 * norm.pdf(z) / ((1 - LEVELS) / 2), rtol=2e-3)


def test_the_range_of_a_coverage_is_the_exact_binomial_one():
    for inside, n in ((0, 7), (7, 7), (81, 90)):
        expected = binomtest(inside, n).proportion_ci(0.95, "exact")
        assert coverage_range(inside, n) == pytest.approx((expected.low, expected.high))


def test_rows_without_an_interval_do_not_count():
    bounds = np.array([[[0.0, np.nan, 0.0], [2.0, np.nan, 2.0]]])
    row = coverage_by_level(np.array([1.0, 1.0, np.nan]), bounds, [0.9]).iloc[0]
    assert (row.n, row.covered) == (1, 1.0)
    empty = coverage_by_level(np.array([np.nan]), bounds[:, :, :1], [0.9]).iloc[0]
    assert empty.n == 0
    assert np.isnan(empty.covered)


def test_coverage_by_class_finds_the_class_where_intervals_fail():
    y = np.array([0.5, 0.7, 5.0, 6.0])
    table = coverage_by_class(y, np.zeros(4), np.ones(4), np.array([0, 0, 1, 1]), 0.9)
    assert table.covered.tolist() == [1.0, 0.0]
    assert table.above.tolist() == [0.0, 1.0]


def test_classes_hold_equal_numbers_and_do_not_divide_equal_values():
    values = np.random.default_rng(0).permutation(np.arange(100.0))
    assert np.bincount(value_classes(values, 4)).tolist() == [25, 25, 25, 25]
    assert len(np.unique(value_classes(np.ones(10), 4))) == 1


def make_scores(bias=0.0):
    rng = np.random.default_rng(0)
    predicted = rng.uniform(5, 10, (1, 1500))
    observed = predicted[0] + bias + rng.normal(size=1500)
    return pool_scores(observed, predicted, np.arange(1500)[None] % 10)


def test_probabilities_are_uniform_for_honest_intervals_and_shifted_under_a_bias():
    counts = np.histogram(nested_probabilities(make_scores()), 10, (0, 1))[0]
    assert np.abs(counts - 150).max() < 4 * np.sqrt(150)
    assert nested_probabilities(make_scores(bias=1.0)).mean() > 0.6


def test_nested_coverage_agrees_with_the_probabilities():
    scores = make_scores()
    lower, upper = nested_bounds(scores, [0.8])[0]
    inside = (lower <= scores.observed) & (scores.observed <= upper)
    assert np.mean(inside == (np.abs(nested_probabilities(scores) - 0.5) <= 0.4)) > 0.995


def test_the_error_profile_never_falls_and_finds_a_step():
    x = np.linspace(0, 1, 400)
    residuals = np.random.default_rng(0).normal(size=400) * np.where(x > 0.5, 3.0, 1.0)
    points, error = error_profile(x, residuals)
    assert (np.diff(error) >= 0).all()
    expected = np.interp([0.25, 0.75], points, error) / np.sqrt(2 / np.pi)
    assert expected[1] / expected[0] == pytest.approx(3, rel=0.3)


def test_a_score_outside_costs_in_proportion_to_its_distance():
    cost = interval_score(np.array([-1.0, 0.5, 3.0]), np.zeros(3), np.ones(3), 0.8)
    np.testing.assert_allclose(cost, [11.0, 1.0, 21.0])
