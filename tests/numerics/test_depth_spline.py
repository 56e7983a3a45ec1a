"""Equal-area splines: mass is kept, and with the peer's slices the numbers are the peer's (golden/mpspline)."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_material import shared

from geosoil.errors import RecipeError, SamplesError
from geosoil.numerics.depth_spline import STANDARD_LAYERS_CM, fit_depth_splines, layer_means

LAYERS = list(STANDARD_LAYERS_CM)


@st.composite
def profiles(draw, *, least=1, most=4):
    """Some profiles of one to six horizons with gaps, as flat arrays in any order of rows."""
    rows = []
    for index in range(draw(st.integers(least, most))):
        depth = draw(st.sampled_from([0.0, 0.0, 4.5]))
        for _ in range(draw(st.integers(1, 6))):
            depth += draw(st.sampled_from([0.0, 0.0, 7.25, 20.0]))
            thickness = draw(st.floats(0.5, 60.0))
            rows.append((depth, depth + thickness, draw(st.floats(-100, 100)), index))
            depth += thickness
    return [np.array(column) for column in zip(*draw(st.permutations(rows)), strict=True)]


smoothings = st.sampled_from([0.0, 0.01, 0.1, 1.0, 100.0])


def golden_profiles():
    frame = pd.read_csv(shared("golden/inputs/profiles.csv"))
    index, names = pd.factorize(frame["pid"])
    return [frame[name].to_numpy() for name in ("top", "bottom", "soc")] + [index], list(names)


def as_numbers(values):
    return np.array([np.nan if value is None else value for value in values])


@pytest.mark.parametrize("smoothing", [0.1, 0.01, 1])
def test_layer_means_are_the_exact_integrals_of_the_golden_splines(smoothing):
    rows, names = golden_profiles()
    golden = json.loads(shared("golden/mpspline/exact_integrals.json").read_text())[f"lam_{smoothing}"]
    found = layer_means(*rows, smoothing=smoothing)
    assert len(golden) == 10
    for name, expected in golden.items():
        i = names.index(name)
        np.testing.assert_allclose(found.mean[i], as_numbers(expected["layer_mean"]), rtol=0, atol=1e-9)
        covered_cm = found.coverage[i] * np.diff(LAYERS)[:, 0]
        np.testing.assert_allclose(covered_cm, expected["coverage_cm"], atol=1e-9)


@pytest.mark.parametrize(
    ("key", "smoothing", "clip"),
    [
        ("lam_0.1", 0.1, (0, 1000)),
        ("lam_0.01", 0.01, (0, 1000)),
        ("lam_1", 1, (0, 1000)),
        ("lam_0.1_unclamped", 0.1, None),
    ],
)
def test_slices_at_the_top_and_the_splines_under_them_are_those_of_mpspline2(key, smoothing, clip):
    rows, names = golden_profiles()
    golden = json.loads(shared("golden/mpspline/mpspline2.json").read_text())[key]
    splines = fit_depth_splines(*rows, smoothing=smoothing)
    found = splines.layer_means(slices="top", clip=clip)
    for name in set(golden) - {"P05_single"}:  # the peer writes the only horizon, 0-30, also into 30-60
        i = names.index(name)
        np.testing.assert_allclose(found.mean[i], as_numbers(golden[name]["est_dcm"]), rtol=0, atol=1e-9)
        np.testing.assert_allclose(splines.fitted[rows[3] == i], golden[name]["est_icm"], rtol=0, atol=1e-9)
        # Every second piece is a horizon; alfa, b0 and gamma are the peer's names.
        horizons = slice(splines.first[i], splines.first[i] + 2 * np.sum(rows[3] == i), 2)
        for ours, theirs in ((splines.level, "alfa"), (splines.slope, "b0"), (splines.curve, "gamma")):
            np.testing.assert_allclose(ours[horizons], golden[name]["coef"][theirs], rtol=0, atol=1e-9)


def test_the_exact_mean_lies_between_the_tops_of_mpspline2_and_the_bottoms_of_ithir():
    rows, names = golden_profiles()
    ithir = json.loads(shared("golden/mpspline/ithir_ea_spline.json").read_text())["harmonised"]
    bottoms = next(row for row in ithir if row["id"] == "P02_deep")
    exact, tops = (layer_means(*rows, slices=s).mean[names.index("P02_deep")] for s in (None, "top"))
    theirs = np.array([bottoms[f"{top}-{bottom}cm"] for top, bottom in LAYERS])
    # P02 falls with depth everywhere: the value at the top of a slice is too high, at its bottom too low.
    assert (theirs < exact).all() and (exact < tops).all()
    np.testing.assert_allclose([theirs[1], exact[1], tops[1]], [6.68, 6.96, 7.25], atol=0.005)


def test_the_spline_is_the_minimum_that_it_is_said_to_be():
    top, bottom, y = np.array([0.0, 8, 30]), np.array([8.0, 20, 55]), np.array([4.0, 1, 2])
    smoothing = 0.7
    spline = fit_depth_splines(top, bottom, y, np.zeros(3, int), smoothing=smoothing)
    # The same problem on slices of 0.05 cm, by least squares: n unknown levels, rows of data and of slopes.
    step = 0.05
    centres = np.arange(step / 2, 55, step)
    data = np.stack([((centres > t) & (centres < b)) / ((b - t) / step) for t, b in zip(top, bottom, strict=True)])
    slopes = np.diff(np.eye(len(centres)), axis=0) / step
    left = np.vstack([data / np.sqrt(3), slopes * np.sqrt(smoothing * step)])
    f = np.linalg.lstsq(left, np.concatenate([y / np.sqrt(3), np.zeros(len(slopes))]), rcond=None)[0]
    np.testing.assert_allclose([spline.at(depth)[0] for depth in centres[::50]], f[::50], atol=2e-3)
    np.testing.assert_allclose(spline.fitted, data @ f, atol=2e-3)


@given(profiles(), smoothings)
@settings(deadline=None)
def test_mass_is_kept_over_each_horizon_and_over_any_cut_into_layers(rows, smoothing):
    top, bottom, y, profile = rows
    splines = fit_depth_splines(*rows, smoothing=smoothing)
    scale = 1 + np.abs(y).max()
    for i in range(len(y)):
        mean = splines.layer_means([(top[i], bottom[i])]).mean[profile[i], 0]
        np.testing.assert_allclose(mean, splines.fitted[i], atol=1e-9 * scale)
    if smoothing == 0:
        np.testing.assert_allclose(splines.fitted, y, atol=1e-9 * scale)
    limits = np.linspace(0, bottom.max(), 38)
    fine = splines.layer_means(np.stack([limits[:-1], limits[1:]], axis=1))
    whole = splines.layer_means([(0, bottom.max())])
    kept = (np.nan_to_num(fine.mean) * fine.coverage).mean(axis=1)
    np.testing.assert_allclose(kept, whole.mean[:, 0] * whole.coverage[:, 0], atol=1e-9 * scale)


@given(profiles(), smoothings, st.floats(-50, 50), st.floats(-3, 3))
@settings(deadline=None)
def test_a_shift_and_a_scale_of_the_values_shift_and_scale_the_means(rows, smoothing, shift, scale):
    top, bottom, y, profile = rows
    one = layer_means(top, bottom, y, profile, smoothing=smoothing)
    other = layer_means(top, bottom, scale * y + shift, profile, smoothing=smoothing)
    np.testing.assert_allclose(other.mean, scale * one.mean + shift, atol=1e-8)
    np.testing.assert_array_equal(other.coverage, one.coverage)


@given(profiles(), smoothings)
@settings(deadline=None)
def test_a_constant_profile_stays_constant(rows, smoothing):
    top, bottom, y, profile = rows
    mean = layer_means(top, bottom, np.full(len(y), 2.5), profile, smoothing=smoothing).mean
    np.testing.assert_allclose(mean[np.isfinite(mean)], 2.5, rtol=1e-12)


@given(profiles(least=2), smoothings, st.randoms(use_true_random=False))
@settings(deadline=None)
def test_neither_other_profiles_nor_the_order_of_rows_change_a_bit_of_a_result(rows, smoothing, random):
    together = layer_means(*rows, smoothing=smoothing)
    order = list(range(len(rows[0])))
    random.shuffle(order)
    shuffled = layer_means(*(column[order] for column in rows), smoothing=smoothing)
    np.testing.assert_array_equal(shuffled.mean, together.mean)
    for index in np.unique(rows[3]):
        own = rows[3] == index
        alone = layer_means(*(column[own] for column in rows[:3]), np.zeros(own.sum(), int), smoothing=smoothing)
        np.testing.assert_array_equal(alone.mean[0], together.mean[index])
        np.testing.assert_array_equal(alone.coverage[0], together.coverage[index])


def test_one_horizon_is_constant_over_what_it_covers_and_nowhere_else():
    found = layer_means(np.array([0.0]), np.array([40.0]), np.array([2.4]), np.array([0]))
    np.testing.assert_allclose(found.mean, [[2.4, 2.4, 2.4, 2.4, np.nan, np.nan]])
    np.testing.assert_allclose(found.coverage, [[1, 1, 1, 1 / 3, 0, 0]])


def test_two_horizons_follow_the_solution_by_hand():
    # R b = 6 Q y with R = 2 (10 + 10) + 12 * 2 * 0.1, y = 1, 2: b = 6 / 42.4, s = y +- 0.2 b.
    splines = fit_depth_splines(np.array([0.0, 10]), np.array([10.0, 20]), np.array([1.0, 2]), np.array([0, 0]))
    b = 6 / 42.4
    np.testing.assert_allclose(splines.fitted, [1 + 0.2 * b, 2 - 0.2 * b])
    np.testing.assert_allclose(splines.at(10), [1.5])  # equal thickness: halfway at the limit between them
    np.testing.assert_allclose(splines.slope[2], b)


def test_nothing_is_said_above_a_missing_surface_and_a_gap_is_a_straight_line():
    top, bottom = np.array([12.5, 60.0]), np.array([30.0, 80.0])
    splines = fit_depth_splines(top, bottom, np.array([3.0, 1]), np.array([0, 0]))
    found = splines.layer_means([(0, 5), (0, 12.5), (10, 15), (30, 60)])
    assert np.isnan(found.mean[0, :2]).all() and found.coverage[0].tolist() == [0, 0, 0.5, 1]
    inside = np.array([splines.at(depth)[0] for depth in np.linspace(30, 60, 7)])
    np.testing.assert_allclose(np.diff(inside, 2), 0, atol=1e-12)
    np.testing.assert_allclose(found.mean[0, 3], (inside[0] + inside[-1]) / 2)


def test_undershoot_is_left_as_it_is_unless_clipped():
    rows = np.array([0.0, 10, 20, 40]), np.array([10.0, 20, 40, 80]), np.array([9, 0.1, 0.1, 0.1]), np.zeros(4, int)
    assert layer_means(*rows).mean[0, 2] < -0.4
    clipped = layer_means(*rows, clip=(0, 8)).mean[0]
    assert clipped[2] == 0 and clipped[0] == 8 and np.isnan(clipped[5])


def test_profiles_without_a_horizon_are_nan():
    found = layer_means(np.array([0.0]), np.array([200.0]), np.array([1.0]), np.array([1]), n_profiles=3)
    np.testing.assert_array_equal(np.isnan(found.mean).all(axis=1), [True, False, True])
    empty = layer_means(*np.zeros((4, 0)), n_profiles=2)
    assert np.isnan(empty.mean).all() and not empty.coverage.any()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (([0, 5], [10, 20], [1, 2], [0, 0]), r"profile 0: found horizons that overlap \(0-10 cm"),
        (([10], [10], [1], [3]), "profile 3: found a horizon without thickness"),
        (([20], [10], [1], [0]), "without thickness"),
        (([0], [10], [np.nan], [0]), "a depth or value that is not a finite number"),
        (([0], [np.nan], [1], [0]), "a depth or value that is not a finite number"),
        (([0], [10], [1], [-1]), "a negative profile index"),
    ],
)
def test_horizons_that_no_spline_fits_are_refused(rows, message):
    with pytest.raises(SamplesError, match=message):
        layer_means(*map(np.array, rows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers_cm": [(5, 0)]}, "0 <= top < bottom"),
        ({"layers_cm": []}, "0 <= top < bottom"),
        ({"layers_cm": [(-5, 0)]}, "0 <= top < bottom"),
        ({"layers_cm": [(0, 7.5)], "slices": "top"}, "whole cm"),
        ({"slices": "bottom"}, "slices='bottom'"),
        ({"smoothing": -0.1}, "smoothing -0.1"),
        ({"smoothing": np.nan}, "smoothing nan"),
    ],
)
def test_settings_that_are_not_valid_are_refused(options, message):
    with pytest.raises(RecipeError, match=message):
        layer_means(np.array([0.0]), np.array([10.0]), np.array([1.0]), np.array([0]), **options)
