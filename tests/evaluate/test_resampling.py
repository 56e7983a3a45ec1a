"""Confidence intervals and paired differences have the values that are known."""

import numpy as np
import pytest

from geosoil.evaluate.metrics import METRICS
from geosoil.evaluate.resampling import bootstrap_interval, mean_over_repeats, paired_difference

BIAS, RMSE, R2 = (METRICS[name].function for name in ("bias", "rmse", "r2"))


def test_the_interval_of_a_mean_is_that_of_the_normal_distribution():
    rng = np.random.default_rng(0)
    observed = np.zeros(400)
    predicted = rng.normal(0, 2, 400)
    interval = bootstrap_interval(BIAS, observed, predicted[None], n_resamples=4000)
    half_width = 1.96 * predicted.std() / np.sqrt(400)
    assert interval.estimate == pytest.approx(predicted.mean())
    assert interval.high - interval.low == pytest.approx(2 * half_width, rel=0.06)
    assert interval.low < interval.estimate < interval.high


def test_a_higher_level_gives_a_wider_interval():
    rng = np.random.default_rng(1)
    observed = rng.normal(size=60)
    predicted = (observed + rng.normal(0, 0.5, 60))[None]
    narrow, wide = (bootstrap_interval(R2, observed, predicted, level=level) for level in (0.5, 0.95))
    assert wide.low < narrow.low < narrow.high < wide.high


def test_samples_of_a_group_are_drawn_together():
    observed = np.zeros(40)
    groups = np.repeat(np.arange(4), 10)
    predicted = np.repeat([1.0, 2.0, 3.0, 4.0], 10)[None]
    alone = bootstrap_interval(BIAS, observed, predicted)
    together = bootstrap_interval(BIAS, observed, predicted, groups=groups)
    assert together.high - together.low > 2 * (alone.high - alone.low)
    assert together.estimate == alone.estimate == 2.5


def test_rows_without_a_value_take_no_part():
    observed = np.array([1.0, 2.0, np.nan, 4.0])
    predicted = np.array([[2.0, np.nan, 9.0, 5.0], [np.nan, 4.0, 9.0, np.nan]])
    assert mean_over_repeats(BIAS, observed, predicted) == 1.5
    assert np.isnan(mean_over_repeats(BIAS, observed, np.full((1, 4), np.nan)))


def test_the_seed_decides_the_interval():
    rng = np.random.default_rng(2)
    observed, predicted = rng.normal(size=30), rng.normal(size=(2, 30))
    first, second, other = (bootstrap_interval(RMSE, observed, predicted, seed=seed) for seed in (0, 0, 1))
    assert first == second
    assert first != other


def test_what_is_hard_for_both_models_cancels_in_their_difference():
    rng = np.random.default_rng(3)
    observed = rng.normal(size=100)
    hard = rng.normal(0, 3, 100)
    better, worse = observed + hard, observed + 1.05 * hard
    difference = paired_difference(RMSE, observed, better[None], worse[None])
    assert difference.estimate == pytest.approx(RMSE(observed, better) - RMSE(observed, worse))
    assert difference.low < difference.estimate < difference.high < 0
    single = bootstrap_interval(RMSE, observed, better[None])
    assert difference.high - difference.low < 0.2 * (single.high - single.low)


def test_the_ends_of_the_interval_are_quantiles_of_equal_tails():
    rng = np.random.default_rng(4)
    observed = np.zeros(300)
    predicted = rng.exponential(1, 300)
    interval = bootstrap_interval(BIAS, observed, predicted[None], n_resamples=4000, level=0.8)
    error = predicted.std() / np.sqrt(300)
    assert interval.high - predicted.mean() == pytest.approx(1.2816 * error, rel=0.1)
    assert predicted.mean() - interval.low == pytest.approx(1.2816 * error, rel=0.1)


def test_by_default_a_thousand_resamples_of_seed_0_give_95_percent():
    rng = np.random.default_rng(5)
    observed, predicted, other = rng.normal(size=20), rng.normal(size=(1, 20)), rng.normal(size=(1, 20))
    settings = {"n_resamples": 1000, "level": 0.95, "seed": 0}
    assert bootstrap_interval(RMSE, observed, predicted) == bootstrap_interval(RMSE, observed, predicted, **settings)
    difference = paired_difference(RMSE, observed, predicted, other)
    assert difference == paired_difference(RMSE, observed, predicted, other, **settings)
    assert difference != paired_difference(RMSE, observed, predicted, other, n_resamples=1001)
