"""Intervals of a map cover what they promise, are nested, and do not depend on the other pixels."""

import math

import numpy as np
import pytest
from scipy.stats.mstats import hdquantiles

from geosoil.errors import ModelFileError, SamplesError
from geosoil.trust.conformal import conformal_quantile, split_interval
from geosoil.trust.diagnostics import nested_bounds
from geosoil.trust.intervals import IntervalState as State
from geosoil.trust.intervals import fit_intervals
from geosoil.trust.local_scale import CONSTANT, LocalScale, fit_local_scale
from geosoil.trust.scores import Scores, leave_one_out_scores, pool_scores


def make_scores(n, seed=0, *, noise="spread", skewed=False, n_repeats=1):
    """Predictions between 5 and 50 whose errors are as large as a spread, or the same everywhere."""
    rng = np.random.default_rng(seed)
    predicted, spread = rng.uniform(5, 50, n), rng.lognormal(0, 0.6, n)
    error = rng.gumbel(-0.577, 1, n) if skewed else rng.normal(size=n)
    observed = predicted + error * (spread if noise == "spread" else 1.0)
    shape = (n_repeats, n)
    folds = np.broadcast_to(np.arange(n) % 10, shape)
    return pool_scores(observed, np.broadcast_to(predicted, shape), folds, indicators={"spread": spread[None]})


def covered(state, scores, level):
    lower, upper = state.bounds(scores.predicted, [level], scores.indicators)[0]
    return np.mean((lower <= scores.observed) & (scores.observed <= upper))


def test_without_a_reason_for_a_local_scale_the_interval_is_that_of_split_conformal_prediction():
    scores = make_scores(18, noise="constant")  # few, so that the quantile is one score
    state = fit_intervals(scores)
    assert state.scale is CONSTANT
    expected = split_interval(scores.predicted, scores.observed - scores.predicted, 0.9)
    np.testing.assert_allclose(state.bounds(scores.predicted, [0.9], scores.indicators)[0], expected, atol=1e-10)


def test_the_quantile_of_many_scores_is_that_of_harrell_and_davis_and_of_few_the_conformal_one():
    for n, level in ((19, 0.9), (40, 0.95), (200, 0.5), (200, 0.9)):
        scores = np.sort(np.abs(np.random.default_rng(n).normal(size=n)))
        state = State(scores, n, CONSTANT)
        assert state.quantile(level) == pytest.approx(float(hdquantiles(scores, [level])[0]), rel=1e-12)
    for n, level in ((18, 0.9), (38, 0.95)):
        scores = np.sort(np.abs(np.random.default_rng(n).normal(size=n)))
        assert State(scores, n, CONSTANT).quantile(level) == conformal_quantile(scores, level) == scores[-1]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
def test_the_quantile_covers_as_much_as_the_level_says_from_few_scores_on(level):
    rng, n = np.random.default_rng(0), 25
    known = [np.sort(rng.exponential(size=n)) for _ in range(2000)]
    covered = np.mean([-np.expm1(-State(scores, n, CONSTANT).quantile(level)) for scores in known])
    assert -0.01 < covered - level < 0.02


def test_the_scale_follows_the_spread_that_makes_the_errors_and_nothing_else():
    scores = make_scores(20_000)
    scale = fit_intervals(scores).scale
    relative = scale({"predicted": np.full(2, 20.0), "spread": np.array([0.5, 2.0])}, (2,))
    assert relative[1] / relative[0] == pytest.approx(4.0, rel=0.1)
    at_other_values = {"predicted": np.array([8.0, 40.0]), "spread": np.ones(2)}
    assert np.ptp(np.log(scale(at_other_values, (2,)))) < 0.05


def test_the_scale_never_shrinks_where_dissimilarity_or_spread_grow():
    rng = np.random.default_rng(0)
    dissimilarity = rng.uniform(0, 2, 300)
    shrinking = rng.normal(size=300) / (0.2 + dissimilarity)
    assert fit_local_scale(shrinking, {"dissimilarity": dissimilarity}) is CONSTANT
    assert fit_local_scale(shrinking, {"predicted": dissimilarity}).slopes[0] < 0


def test_the_scale_is_constant_for_unrelated_indicators_and_few_scores():
    rng = np.random.default_rng(0)
    constant = [
        fit_local_scale(rng.normal(size=80), {"spread": rng.lognormal(size=80)}) is CONSTANT for _ in range(100)
    ]
    assert np.mean(constant) > 0.8
    spread = np.linspace(1, 20, 29)
    assert fit_local_scale(spread, {"spread": spread}) is CONSTANT
    assert fit_local_scale(np.zeros(50), {"spread": np.arange(50.0)}) is CONSTANT
    assert fit_local_scale(np.arange(50.0), {"spread": np.ones(50)}) is CONSTANT


def test_beyond_the_largest_spread_that_was_scored_the_scale_grows_to_twice_and_no_farther():
    spread = np.linspace(1, 10, 1000)
    scale = fit_local_scale(np.resize([1.0, -1.0], 1000) * spread, {"spread": spread})
    at_limit, beyond = scale({"spread": np.array([21.0, 1000.0])}, (2,)) / scale({"spread": np.array([10.0])}, (1,))
    assert at_limit == pytest.approx(beyond) == pytest.approx(2 ** scale.slopes[0])


@pytest.mark.parametrize(("n", "noise"), [(40, "constant"), (40, "spread"), (120, "spread")])
def test_new_samples_are_covered_as_often_as_the_level_says(n, noise):
    rates = []
    for seed in range(40):
        state = fit_intervals(make_scores(n, seed, noise=noise))
        rates.append([covered(state, make_scores(400, 1000 + seed, noise=noise), level) for level in (0.5, 0.9)])
    assert np.abs(np.mean(rates, axis=0) - [0.5, 0.9]).max() < 0.03


def test_a_local_scale_makes_intervals_narrower_and_covers_certain_and_uncertain_pixels_alike():
    scores, new = make_scores(300), make_scores(4000, 1)
    state = fit_intervals(scores)
    lower, upper = state.bounds(new.predicted, [0.9], new.indicators)[0]
    half = conformal_quantile(np.abs(scores.observed - scores.predicted), 0.9)
    assert np.mean(upper - lower) < 0.95 * 2 * half
    uncertain = new.indicators["spread"] > 1

    def difference(inside):
        return abs(inside[uncertain].mean() - inside[~uncertain].mean())

    of_constant_width = difference(np.abs(new.observed - new.predicted) <= half)
    assert difference((lower <= new.observed) & (new.observed <= upper)) < 0.6 * of_constant_width


def test_skewed_errors_give_a_longer_upper_side_and_symmetric_errors_do_not():
    assert fit_intervals(make_scores(400, skewed=True)).skew > 0.1
    assert abs(fit_intervals(make_scores(400)).skew) < 0.1
    assert fit_intervals(make_scores(20, skewed=True)).skew == 0


def test_a_skew_makes_the_upper_side_longer_by_its_factor_and_the_lower_side_shorter():
    state = State(np.arange(1.0, 20.0), 19, CONSTANT, math.log(2))
    np.testing.assert_allclose(state.bounds(np.array([10.0]), [0.5])[0].ravel(), [5.0, 30.0])
    # 4.9 is 10.2 units of the lower side away, and 30.1 is 10.05 units of the upper side: beyond 10 of 19 scores.
    np.testing.assert_allclose(state.probability(np.array([4.9, 30.1]), np.full(2, 10.0)), [0.25, 0.75])


def test_a_skew_divides_the_misses_more_evenly_between_both_sides():
    scores, new = make_scores(400, skewed=True), make_scores(4000, 1, skewed=True)
    state = fit_intervals(scores)

    def share_above(state):
        lower, upper = state.bounds(new.predicted, [0.9], new.indicators)[0]
        above, below = (new.observed > upper).mean(), (new.observed < lower).mean()
        assert 0.86 < 1 - above - below < 0.94
        return above / (above + below)

    without = np.abs(scores.observed - scores.predicted) / state.scale(
        {"predicted": scores.predicted, **scores.indicators}, scores.predicted.shape
    )
    assert abs(share_above(state) - 0.5) < abs(share_above(State(np.sort(without), 400, state.scale)) - 0.5) - 0.1


def test_chance_gives_no_skew():
    rng = np.random.default_rng(0)
    without = [
        fit_intervals(pool_scores(rng.normal(size=100), np.zeros((1, 100)), np.arange(100)[None] % 10)).skew == 0
        for _ in range(40)
    ]
    assert np.mean(without) > 0.6


def test_the_score_of_a_row_comes_from_a_scale_without_the_rows_of_its_group():
    scores = make_scores(100)
    state, inside = fit_intervals(scores), scores.groups == 2
    others = fit_intervals(scores.take(~inside))
    everything = {"predicted": scores.predicted, **scores.indicators}
    scale = others.scale.centred_on(everything)({name: v[inside] for name, v in everything.items()}, (inside.sum(),))
    errors = (scores.observed - scores.predicted)[inside] / scale
    expected = np.where(errors > 0, errors * math.exp(-others.skew), -errors * math.exp(others.skew))
    nearest = np.abs(state.scores[:, None] - expected).min(axis=0)
    np.testing.assert_allclose(nearest, 0, atol=1e-12)


def test_errors_of_a_logarithm_scale_with_the_prediction_and_bounds_remain_positive():
    rng = np.random.default_rng(0)
    predicted = rng.lognormal(1, 1, 500)
    scores = pool_scores(predicted * rng.lognormal(0, 0.5, 500), predicted[None], np.arange(500)[None] % 5)
    state = fit_intervals(scores, logarithm=True)
    lower, upper = state.bounds(np.array([1.0, 10.0]), [0.9])[0]
    assert lower.min() > 0
    assert lower[1] / lower[0] == pytest.approx(10, rel=0.2)
    assert math.log(upper[0]) == pytest.approx(1.645 * 0.5, rel=0.2)
    not_positive = pool_scores(
        np.append(scores.observed, 0.0), np.append(predicted, 1.0)[None], np.zeros((1, 501), int)
    )
    assert not fit_intervals(not_positive, logarithm=True).logarithm


def test_intervals_are_nested_contain_the_prediction_and_keep_to_the_valid_range():
    scores = make_scores(200, skewed=True)
    state = fit_intervals(scores)
    predicted = np.linspace(0, 60, 500, dtype=np.float32)
    spread = np.geomspace(1e-3, 1e3, 500).astype(np.float32)
    levels = [0.5, 0.8, 0.9, 0.95, 0.99]
    ends = state.bounds(predicted, levels, {"spread": spread}, (0.0, 60.0))
    assert ends.dtype == np.float32
    assert (np.diff(ends[:, 0], axis=0) <= 0).all()
    assert (np.diff(ends[:, 1], axis=0) >= 0).all()
    assert ((ends[:, 0] <= predicted) & (predicted <= ends[:, 1])).all()
    assert ends.min() >= 0
    assert ends.max() <= 60


@pytest.mark.parametrize("logarithm", [False, True])
def test_every_pixel_has_the_same_bounds_in_any_block_to_the_last_bit(logarithm):
    state = fit_intervals(make_scores(300), logarithm=logarithm)
    rng = np.random.default_rng(0)
    predicted = rng.uniform(1, 60, (37, 53)).astype(np.float32)
    spread = rng.lognormal(0, 1, (37, 53)).astype(np.float32)
    predicted[3, 4] = np.nan
    whole = state.bounds(predicted, [0.5, 0.9], {"spread": spread})
    assert np.isnan(whole[..., 3, 4]).all()
    for part in (np.s_[:, :1], np.s_[5:6, 7:8], np.s_[3:30:2, ::3], np.s_[::-1, :]):
        cut = state.bounds(predicted[part], [0.5, 0.9], {"spread": spread[part]})
        np.testing.assert_array_equal(cut, whole[(..., *part)])
    exact = state.bounds(predicted.astype(float), [0.5, 0.9], {"spread": spread.astype(float)})
    np.testing.assert_allclose(whole, exact, rtol=2e-5, atol=1e-5)


def test_repeats_of_the_same_predictions_change_nothing():
    once, thrice = fit_intervals(make_scores(25)), fit_intervals(make_scores(25, n_repeats=3))
    assert thrice.n_samples == 25
    assert len(thrice.scores) == 75
    for level in (0.5, 0.8, 0.9, 0.95):
        assert thrice.quantile(level) == pytest.approx(once.quantile(level))


def test_too_wide_a_level_is_refused_with_the_widest_that_is_honest():
    state = fit_intervals(make_scores(15))
    with pytest.raises(SamplesError, match=r"95 % with 15 scores of samples.*at most 93.7 %"):
        state.bounds(np.ones(1), [0.95])
    assert np.isfinite(state.bounds(np.ones(1), [0.93])).all()


def test_the_interval_of_a_row_is_measured_without_the_scores_of_its_group():
    scores = make_scores(100)
    lower, upper = nested_bounds(scores, [0.9])[0]
    changed = scores.observed.copy()
    group = scores.groups == 3
    changed[group] += 1000
    other = Scores(changed, *(getattr(scores, name) for name in ("predicted", "samples", "groups", "indicators")))
    np.testing.assert_array_equal(nested_bounds(other, [0.9])[0][:, group], [lower[group], upper[group]])
    assert (nested_bounds(other, [0.9])[0][1, ~group] != upper[~group]).all()


def test_folds_of_single_rows_are_measured_in_ten_groups_and_one_holdout_too():
    assert len(np.unique(leave_one_out_scores(np.arange(50.0), np.zeros(50), np.ones(50)).groups)) == 10
    holdout = pool_scores(np.arange(50.0), np.zeros((1, 50)), np.zeros((1, 50), int))
    assert len(np.unique(holdout.groups)) == 10


def test_a_state_is_the_same_after_it_was_stored():
    scores = make_scores(200, skewed=True)
    state = fit_intervals(scores)
    again = State.from_state(*state.to_state())
    expected = state.bounds(scores.predicted, [0.5, 0.9], scores.indicators)
    np.testing.assert_array_equal(again.bounds(scores.predicted, [0.5, 0.9], scores.indicators), expected)


def _changed(name, change):
    def tamper(card, arrays):
        arrays[name] = change(arrays[name].copy())

    return tamper


def _set(**values):
    return lambda card, arrays: card.update(values)


def _put(array, index, value):
    array[index] = value
    return array


@pytest.mark.parametrize(
    "tamper",
    [
        _changed("scores", lambda a: a[::-1]),
        _changed("scores", lambda a: a - 1),
        _changed("scores", lambda a: _put(a, -1, np.nan)),
        _changed("scores", lambda a: a[:5]),
        _changed("scores", lambda a: a[None]),
        _changed("scores", lambda a: a.astype(np.float32)),
        _changed("scale", lambda a: _put(a, (0, 0), -1.0)),
        _changed("scale", lambda a: _put(a, (0, 1), -0.5)),
        _changed("scale", lambda a: _put(a, (0, 2), 1e9)),
        _changed("scale", lambda a: a[:, :3]),
        lambda card, arrays: arrays.update(more=np.zeros(1)),
        lambda card, arrays: arrays.pop("scale"),
        _set(indicators=["spread", "spread"]),
        _set(indicators=["unknown"]),
        _set(n_samples=0),
        _set(n_samples="many"),
        _set(skew=50.0),
        _set(log_scale=float("nan")),
        _set(program="import os"),
    ],
)
def test_a_state_that_was_tampered_with_is_refused(tamper):
    rng = np.random.default_rng(0)
    spread = rng.lognormal(0, 1, 300)
    scale = fit_local_scale(rng.normal(size=300) * spread, {"spread": spread})
    card, arrays = State(np.sort(rng.exponential(size=300)), 300, scale).to_state()
    assert card["indicators"] == ["spread"]
    tamper(card, arrays)
    with pytest.raises(ModelFileError, match="intervals are not valid"):
        State.from_state(card, arrays)


def test_a_constant_scale_is_one():
    assert isinstance(CONSTANT, LocalScale)
    np.testing.assert_array_equal(CONSTANT({}, (2, 2)), np.ones((2, 2), np.float32))
