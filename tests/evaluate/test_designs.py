"""Accuracy by design: estimates by hand, and standard errors that agree with the spread over repeated samples."""

import numpy as np
import pytest
from scipy import stats

from geosoil.errors import SamplesError
from geosoil.evaluate.designs import ACCURACY, Design, accuracy
from geosoil.evaluate.metrics import regression_metrics

RNG = np.random.default_rng(7)
N_PIXELS = 20_000
ZONE = np.repeat([0, 1], [15_000, 5_000])  # 75 % and 25 % of the area; the second one is mapped badly
TRUTH = np.where(ZONE == 0, 20, 35) + RNG.normal(0, 6, N_PIXELS)
MAP = TRUTH + np.where(ZONE == 0, RNG.normal(0, 2, N_PIXELS), RNG.normal(3, 6, N_PIXELS))


def draw_random(rng):
    chosen = rng.choice(N_PIXELS, 120, replace=False)
    return chosen, Design.random(120)


def draw_stratified(rng):
    chosen = np.concatenate([rng.choice(np.flatnonzero(zone == ZONE), 60, replace=False) for zone in (0, 1)])
    return chosen, Design(ZONE[chosen], {0: 0.75, 1: 0.25})


def test_the_standard_error_of_the_bias_of_a_random_sample_is_that_of_a_mean():
    observed, predicted = TRUTH[:50], MAP[:50]
    bias = accuracy(observed, predicted, design=Design.random(50))["bias"]
    errors = predicted - observed
    assert bias.standard_error == pytest.approx(errors.std(ddof=1) / np.sqrt(50), rel=1e-12)
    expected = stats.t.interval(0.95, 49, errors.mean(), stats.sem(errors))
    np.testing.assert_allclose([bias.low, bias.high], expected, rtol=1e-12)


@pytest.mark.parametrize("design", [None, Design.random(50)])
def test_the_estimates_of_an_unstratified_sample_are_the_metrics(design):
    estimates = accuracy(TRUTH[:50], MAP[:50], design=design)
    metrics = regression_metrics(TRUTH[:50], MAP[:50])
    assert {name: estimates[name].value for name in ACCURACY} == pytest.approx({n: metrics[n] for n in ACCURACY})
    for estimate in estimates.values():
        assert estimate.low < estimate.value < estimate.high
        assert estimate.standard_error > 0


def test_standard_errors_agree_with_the_jackknife_for_a_shrunken_and_shifted_map():
    predicted = 0.4 * MAP[::100] + 25
    observed, n = TRUTH[::100], 200
    estimates = accuracy(observed, predicted, design=Design.random(n))
    rest = [regression_metrics(np.delete(observed, k), np.delete(predicted, k)) for k in range(n)]
    for name in ACCURACY:
        jackknife = np.sqrt((n - 1) * np.var([metrics[name] for metrics in rest]))
        assert estimates[name].standard_error == pytest.approx(jackknife, rel=0.03), name


def test_the_bootstrap_of_purposive_points_has_the_standard_error_of_a_mean_for_the_bias():
    bias = accuracy(TRUTH[:100], MAP[:100], design=None)["bias"]
    assert bias.standard_error == pytest.approx(stats.sem((MAP - TRUTH)[:100]), rel=0.08)


def test_a_stratified_sample_weighs_its_strata_by_area_as_computed_by_hand():
    # Errors 1 and 3 in 75 % of the area, and 0, 4 and 8 in 25 %: means 2 and 4, variances 2 and 16.
    error, observed = np.array([1.0, 3.0, 0.0, 4.0, 8.0]), np.array([10.0, 20.0, 30.0, 40.0, 50.0])
    design = Design(np.array(["dry", "dry", "wet", "wet", "wet"]), {"dry": 0.75, "wet": 0.25})
    estimates = accuracy(observed, observed + error, design=design)
    bias, rmse = estimates["bias"], estimates["rmse"]
    assert bias.value == pytest.approx(0.75 * 2 + 0.25 * 4)
    assert bias.standard_error == pytest.approx(np.sqrt(0.75**2 * 2 / 2 + 0.25**2 * 16 / 3))
    assert bias.high == pytest.approx(2.5 + 3.182446 * bias.standard_error, rel=1e-6)  # t of 5 - 2 degrees of freedom
    assert rmse.value == pytest.approx(np.sqrt(0.75 * 5 + 0.25 * 80 / 3))
    # Squares 1 and 9, and 0, 16 and 64, have the variances 32 and 1109.33; the root halves the relative error.
    assert rmse.standard_error == pytest.approx(np.sqrt(0.75**2 * 32 / 2 + 0.25**2 * 3328 / 3 / 3) / (2 * rmse.value))
    mean = 0.75 * 15 + 0.25 * 40
    variance = 0.75 * (15**2 + 25) + 0.25 * (40**2 + 200 / 3) - mean**2
    assert estimates["r2"].value == pytest.approx(1 - rmse.value**2 / variance)


@pytest.mark.parametrize("draw", [draw_random, draw_stratified])
def test_standard_errors_and_intervals_hold_over_repeated_samples(draw):
    whole = regression_metrics(TRUTH, MAP)
    rng = np.random.default_rng(1)
    drawn = []
    for _ in range(500):
        chosen, design = draw(rng)
        drawn.append(accuracy(TRUTH[chosen], MAP[chosen], design=design))
    for name in ACCURACY:
        values = np.array([estimates[name].value for estimates in drawn])
        errors = np.array([estimates[name].standard_error for estimates in drawn])
        covered = np.mean([e[name].low <= whole[name] <= e[name].high for e in drawn])
        assert abs(values.mean() - whole[name]) < 0.15 * values.std(), name
        assert np.sqrt(np.mean(errors**2)) == pytest.approx(values.std(), rel=0.12), name
        assert 0.91 <= covered <= 0.98, name


def test_the_accuracy_of_a_part_of_the_map_is_that_of_its_points_and_their_weights():
    rng = np.random.default_rng(3)
    chosen, design = draw_stratified(rng)
    domain = TRUTH[chosen] > 22
    part = accuracy(TRUTH[chosen], MAP[chosen], design=design, domain=domain)
    weights = design.weights[domain]
    error = (MAP - TRUTH)[chosen][domain]
    assert part["bias"].value == pytest.approx(np.sum(weights * error) / weights.sum())
    inside = np.ones(120, bool) & (ZONE[chosen] == 1)  # a stratum that is the whole part: a random sample of it
    stratum = accuracy(TRUTH[chosen], MAP[chosen], design=design, domain=inside)["bias"]
    assert stratum.standard_error == pytest.approx(stats.sem((MAP - TRUTH)[chosen][inside]), rel=1e-9)


def test_the_effective_size_of_a_random_sample_is_its_size_and_less_with_unequal_weights():
    flags = np.arange(40) % 4 == 0
    every = np.ones(40, bool)
    assert Design.random(40).effective_size(flags.astype(float), every) == pytest.approx(40)
    unequal = Design(np.repeat([0, 1], [30, 10]), {0: 0.1, 1: 0.9})
    assert unequal.effective_size(np.ones(40), every) == pytest.approx(1 / (0.1**2 / 30 + 0.9**2 / 10))


def test_a_perfect_map_has_no_error_and_constant_values_have_no_r2():
    values = np.arange(10.0)
    perfect = accuracy(values, values, design=Design.random(10))
    assert [perfect[name].value for name in ACCURACY] == [1, 0, 0, 1]
    assert perfect["ccc"].low == perfect["ccc"].high == perfect["r2"].low == 1
    constant = accuracy(np.ones(10), values, design=Design.random(10))
    assert np.isnan(constant["r2"].value)
    assert constant["bias"].value == pytest.approx(3.5)


def test_strata_that_allow_no_standard_error_are_refused():
    with pytest.raises(SamplesError, match="one point in stratum b"):
        Design(np.array(["a", "a", "b"]), {"a": 0.5, "b": 0.5})
    with pytest.raises(SamplesError, match="no area of stratum b"):
        Design(np.array(["a", "a", "b", "b"]), {"a": 1.0})
