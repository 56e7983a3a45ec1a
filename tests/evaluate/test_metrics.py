"""Metrics against hydroGOF, epiR and soilspec, and where they have no meaning."""

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from shared_material import shared

from geosoil.errors import SamplesError
from geosoil.evaluate.metrics import regression_metrics
from geosoil.evaluate.statistics import correlation_table, descriptive_statistics


def test_the_metrics_are_those_of_the_r_packages():
    pairs = pd.read_csv(shared("golden/inputs/obs_pred.csv"))
    golden = json.loads(shared("golden/metrics/metrics.json").read_text())
    expected = {
        "r2": golden["hydroGOF"]["NSE"],
        "r": golden["hydroGOF"]["rPearson"],
        "rmse": golden["hydroGOF"]["rmse"],
        "mae": golden["hydroGOF"]["mae"],
        "rpiq": golden["soilspec_eval"]["RPIQ"],
        "rpd": golden["soilspec_eval"]["RPD"],
        "ccc": golden["epiR_ccc"]["rho_c"],
        "bias": golden["bias_pred_minus_obs"],
        "kge": golden["hydroGOF"]["KGE_2009"],
    }
    assert regression_metrics(pairs["obs"], pairs["pred"]) == pytest.approx(expected, abs=1e-10)


def test_a_shift_costs_r2_but_not_the_correlation():
    observed = np.array([1.0, 2.0, 3.0, 4.0])
    metrics = regression_metrics(observed, observed + 1)
    assert metrics["bias"] == metrics["rmse"] == metrics["mae"] == 1
    assert metrics["r2"] == pytest.approx(1 - 4 / 5)
    assert metrics["r"] == pytest.approx(1)
    assert metrics["ccc"] == pytest.approx(2 * 1.25 / (2 * 1.25 + 1))
    assert metrics["kge"] == pytest.approx(1 - 1 / 2.5)


@pytest.mark.parametrize(
    ("observed", "predicted", "undefined"),
    [
        ([2.0], [3.0], {"r2", "r", "rpiq", "rpd", "ccc", "kge"}),
        ([0.1, 0.1, 0.1], [1.0, 2.0, 3.0], {"r2", "r", "rpiq", "rpd", "ccc", "kge"}),
        ([1.0, 2.0, 3.0], [0.1, 0.1, 0.1], {"r", "kge"}),
        ([1.0, 2.0, 3.0], [1.0, 2.0, 3.0], {"rpiq", "rpd"}),
        ([-1.0, 0.0, 1.0], [-1.0, 0.0, 2.0], {"kge"}),
    ],
)
def test_a_measure_without_meaning_is_nan_and_silent(observed, predicted, undefined):
    metrics = regression_metrics(np.array(observed), np.array(predicted))
    assert {name for name, value in metrics.items() if math.isnan(value)} == undefined


contents = st.integers(-(10**6), 10**6).map(lambda hundredths: hundredths / 100)


@given(st.lists(st.tuples(contents, contents), min_size=1, max_size=20))
def test_the_metrics_keep_their_bounds(pairs):
    observed, predicted = np.array(pairs).T
    metrics = regression_metrics(observed, predicted)
    assert abs(metrics["bias"]) <= metrics["mae"] * (1 + 1e-12)
    assert metrics["mae"] <= metrics["rmse"] * (1 + 1e-12)
    for name in ("r", "ccc"):
        assert math.isnan(metrics[name]) or abs(metrics[name]) <= 1 + 1e-12
    for name in ("r2", "kge"):
        assert math.isnan(metrics[name]) or metrics[name] <= 1


@pytest.mark.parametrize(
    ("observed", "predicted", "message"),
    [
        ([1.0, math.nan, 2.0], [1.0, 1.0, math.inf], "in 2 of 3 pairs"),
        ([1.0, 2.0], [1.0], "shape"),
        ([], [], "shape"),
    ],
)
def test_pairs_that_are_none_are_refused(observed, predicted, message):
    with pytest.raises(SamplesError, match=message):
        regression_metrics(np.array(observed), np.array(predicted))


def test_descriptive_statistics_are_those_of_scipy():
    soil = pd.DataFrame({"site": list("abcde"), "soc_pct": [1.0, 2.0, 2.5, 3.0, 9.0], "ph": [5, 6, 7, 6, 5]})
    table = descriptive_statistics(soil, ["soc_pct", "ph"])
    assert table.index.tolist() == ["soc_pct", "ph"]
    for name, row in table.iterrows():
        x = soil[name].to_numpy(dtype=float)
        assert (row["n"], row["max"], row["min"]) == (5, x.max(), x.min())
        assert row["cv"] == pytest.approx(row["sd"] / row["mean"]) == pytest.approx(np.std(x, ddof=1) / x.mean())
        assert row["kurtosis"] == pytest.approx(stats.kurtosis(x, bias=False))
        assert row["skewness"] == pytest.approx(stats.skew(x, bias=False))


def test_few_or_constant_values_leave_the_undefined_nan():
    table = descriptive_statistics(pd.DataFrame({"flat": [0.0, 0.0], "two": [1.0, 3.0]}), ["flat", "two"])
    assert table.loc["flat", ["cv", "kurtosis", "skewness"]].isna().all()
    assert table.loc["two", ["kurtosis", "skewness"]].isna().all()
    assert table.loc["two", "cv"] == pytest.approx(math.sqrt(2) / 2)


def test_the_correlation_table_is_symmetric_and_knows_a_constant():
    rng = np.random.default_rng(0)
    soil = pd.DataFrame({"som": rng.normal(size=20), "flat": 0.1})
    soil["cu"] = soil["som"] + rng.normal(size=20)
    table = correlation_table(soil, ["som", "cu", "flat"])
    assert table.loc["som", "cu"] == table.loc["cu", "som"] == pytest.approx(np.corrcoef(soil["som"], soil["cu"])[0, 1])
    assert table.loc["som", "som"] == pytest.approx(1)
    assert table["flat"].isna().all()


@pytest.mark.parametrize(
    ("columns", "message"),
    [(["soc"], "the columns soc are missing"), (["name"], "name"), (["hole"], "hole"), (["ph"], None)],
)
def test_a_column_without_numbers_is_refused(columns, message):
    soil = pd.DataFrame({"name": ["a", "b"], "hole": [1.0, math.nan], "ph": [5.0, 6.0]})
    if message is None:
        assert descriptive_statistics(soil, columns).loc["ph", "mean"] == 5.5
        return
    with pytest.raises(SamplesError, match=message):
        descriptive_statistics(soil, columns)
