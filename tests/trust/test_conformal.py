"""Published interval constructions give the values of MAPIE, crepes and quantile-forest."""

import json
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge

from geosoil.errors import SamplesError
from geosoil.trust.conformal import (
    conformal_quantile,
    conformal_rank,
    cross_interval,
    mondrian_interval,
    quantile_interval,
    require_scores,
    signed_interval,
    split_interval,
)
from tests.shared_material import shared

LEVELS = (0.8, 0.9, 0.95)


def golden(name):
    return json.loads(shared(f"golden/conformal/{name}.json").read_text())


@pytest.fixture(scope="module")
def rows():
    table = pd.read_csv(shared("golden/inputs/conformal.csv"))
    X, y = table[["x0", "x1", "x2"]].to_numpy(), table["y"].to_numpy()
    return X, y, table["group"].to_numpy()


def ridge(X, y, train):
    return Ridge(alpha=1.0).fit(X[train], y[train])


def split_parts(X, y, last_fitted):
    model = ridge(X, y, slice(0, last_fitted))
    return model.predict(X[150:]), y[last_fitted:150] - model.predict(X[last_fitted:150])


def assert_bounds(found, expected):
    for values, known in zip(found, (expected["lower"], expected["upper"]), strict=True):
        known = np.array([np.nan if value is None else value for value in known])
        np.testing.assert_allclose(np.where(np.isinf(values), np.nan, values), known, rtol=0, atol=1e-10)


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("case", "last_fitted"), [("split_n50", 100), ("split_n59", 91)])
def test_split_intervals_are_those_of_mapie(rows, case, last_fitted, level):
    predicted, residuals = split_parts(*rows[:2], last_fitted)
    assert_bounds(split_interval(predicted, residuals, level), golden("mapie_split")[case][str(level)])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize(("case", "n_folds"), [("kfold5", 5), ("loo", 150)])
def test_cross_intervals_are_those_of_mapie(rows, case, n_folds, level):
    X, y, _ = rows
    known = golden("mapie_cv_jackknife")[case]
    folds = np.arange(150) * n_folds // 150
    models = [ridge(X[:150], y[:150], folds != fold) for fold in range(n_folds)]
    out_of_fold = np.array([models[fold].predict(X[[i]])[0] for i, fold in enumerate(folds)])
    by_fold = np.array([model.predict(X[150:]) for model in models])
    assert_bounds(cross_interval(by_fold, folds, y[:150] - out_of_fold, level), known["plus"][str(level)])
    centre = ridge(X, y, slice(0, 150)).predict(X[150:])
    assert_bounds(split_interval(centre, y[:150] - out_of_fold, level), known["base"][str(level)])


@pytest.mark.parametrize("level", LEVELS)
def test_conformalised_quantiles_are_those_of_mapie(rows, level):
    known = golden("cqr_quantile_forest")
    calibration, new = (np.array(known[f"forest_quantiles_{part}"]) for part in ("calibration", "test"))
    alphas = np.array(known["quantiles"])
    low, high = (int(np.argmin(np.abs(alphas - q))) for q in ((1 - level) / 2, (1 + level) / 2))
    for name in ("symmetric", "asymmetric"):
        found = quantile_interval(
            (new[:, low], new[:, high]),
            (calibration[:, low], calibration[:, high]),
            rows[1][100:150],
            level,
            symmetric=name == "symmetric",
        )
        assert_bounds(found, known[str(level)][name])


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("normalised", [False, True])
def test_normalised_mondrian_and_signed_intervals_are_those_of_crepes(rows, normalised, level):
    X, y, group = rows
    known = golden("crepes")
    predicted, residuals = split_parts(X, y, 100)
    scales = {}
    if normalised:
        scales = {"scale": np.array(known["sigma_test"]), "residual_scale": np.array(known["sigma_calibration"])}
    expected = known["normalized" if normalised else "standard"]
    assert_bounds(split_interval(predicted, residuals, level, **scales), expected[str(level)])
    assert_bounds(signed_interval(predicted, residuals, level, **scales), expected["cps"][str(level)])
    expected = known["normalized_mondrian" if normalised else "mondrian"]
    found = mondrian_interval(predicted, group[150:], residuals, group[100:150], level, **scales)
    assert_bounds(found, expected[str(level)])


@pytest.mark.parametrize("n", [19, 39, 59, 99, 999])
def test_the_rank_is_exact_where_the_level_times_n_plus_1_is_a_whole_number(n):
    for percent in range(5, 100, 5):
        assert conformal_rank(percent / 100, n) == math.ceil(Fraction(percent, 100) * (n + 1))


def test_too_few_scores_give_an_infinite_quantile_and_an_error_that_names_the_widest_level():
    assert conformal_quantile(np.arange(18.0), 0.95) == math.inf
    assert conformal_quantile(np.arange(19.0), 0.95) == 18.0
    require_scores(0.95, 19)
    with pytest.raises(SamplesError, match=r"95 % with 18 scores.*at least 19 .*at most 94.7 %"):
        require_scores(0.95, 18)


@pytest.mark.parametrize("level", [0.0, 1.0, -0.5, 90.0, float("nan")])
def test_a_level_that_is_not_a_share_is_refused(level):
    with pytest.raises(SamplesError, match="larger than 0 and smaller than 1"):
        conformal_quantile(np.arange(50.0), level)


def test_the_finite_sample_rule_covers_at_least_the_level_on_average_and_no_more_than_one_rank_above():
    rng = np.random.default_rng(0)
    scores = rng.exponential(size=(4000, 31))
    inside = [conformal_quantile(draw[:30], 0.8) >= draw[30] for draw in scores]
    assert 25 / 31 - 0.02 < np.mean(inside) < 25 / 31 + 0.02
