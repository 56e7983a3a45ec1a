"""One validation engine: any candidates, any split, any rows, and figures with known values."""

import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from pyproj import CRS
from small_rows import candidate, patch_rows, spectral_rows

from geosoil.errors import SamplesError
from geosoil.evaluate.metrics import ALL_DEPTHS, METRICS, regression_metrics
from geosoil.evaluate.resampling import bootstrap_interval
from geosoil.pipeline.part import TargetProperty
from geosoil.pipeline.validation import Outcome, rmse_by_split, run_in_processes, validate
from geosoil.pipeline.validation_settings import ValidationSettings

ABSORBANCE = {"preprocessing": [{"step": "absorbance"}]}


def recipe(processes=1, **settings):
    validation = ValidationSettings(processes=processes, **{"n_folds": 3} | settings)
    return SimpleNamespace(name="small", seed=0, validation=validation)


def pls(name="PLSR", **settings):
    return replace(candidate("pls", settings or None, **ABSORBANCE), name=name)


@pytest.fixture(scope="module")
def outcome():
    return validate("random", recipe(n_repeats=2), spectral_rows(), [pls(), pls("one component", max_components=1)])


_kept = []  # in a worker


def keep_memory(number):
    """Keep 400 MB at the second call in a process; joblib replaces a process that grows by over 300 MB in a second."""
    time.sleep(1.2)
    _kept.append(b"x" * (400 * 2**20 if len(_kept) == 1 else 1))
    return number


def test_a_worker_that_is_replaced_because_its_memory_grew_does_not_end_the_work():
    results = []

    def run():
        results.extend(run_in_processes(keep_memory, range(6), processes=2, task="folds"))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(300)  # a busy machine needs more than a minute
    assert sorted(results) == [(number, number) for number in range(6)]


def test_every_row_is_predicted_once_in_each_repeat(outcome):
    assert outcome.predicted["PLSR"].shape == (2, 48, 1)
    assert np.isfinite(outcome.predicted["PLSR"]).all()
    assert sorted(set(outcome.folds[0])) == [0, 1, 2]
    assert sorted(set(outcome.folds[1])) == [3, 4, 5]


def test_the_table_has_the_mean_over_repeats_of_the_test_rows_metrics(outcome):
    table = outcome.table.set_index("model")
    by_repeat = [regression_metrics(outcome.observed[:, 0], repeat[:, 0]) for repeat in outcome.predicted["PLSR"]]
    for metric in ("r2", "rmse", "mae", "rpiq", "ccc", "bias"):
        expected = np.mean([figures[metric] for figures in by_repeat])
        assert table.loc["PLSR", f"test_{metric}"] == pytest.approx(expected)
    assert table.loc["PLSR", "test_r2_sd"] == pytest.approx(np.std([f["r2"] for f in by_repeat], ddof=1))
    assert table.loc["PLSR", "test_r2_low"] < table.loc["PLSR", "test_r2"] < table.loc["PLSR", "test_r2_high"]
    assert table.loc["PLSR", "n"] == 48
    assert table.loc["PLSR", "n_features"] == 30
    assert table.loc["PLSR", "test_r2"] > 0.9
    assert table.loc["PLSR", "train_r2"] > table.loc["PLSR", "test_r2"]


def test_the_figures_of_test_rows_come_before_those_of_training_rows(outcome):
    columns = list(outcome.table)
    assert columns.index("test_r2") < columns.index("train_r2")


def test_differences_are_paired_and_against_the_first_model(outcome):
    (row,) = outcome.differences().to_dict("records")
    table = outcome.table.set_index("model")
    assert row["model"] == "one component"
    assert row["reference"] == "PLSR"
    expected = table.loc["one component", "test_rmse"] - table.loc["PLSR", "test_rmse"]
    assert row["test_rmse_difference"] == pytest.approx(expected)
    low, high = row["test_rmse_difference_low"], row["test_rmse_difference_high"]
    assert 0 < low < row["test_rmse_difference"] < high
    assert row["test_r2_difference_high"] < 0
    assert row["better"] == "0 of 6"
    (turned,) = outcome.differences("one component").to_dict("records")
    assert turned["test_rmse_difference"] == pytest.approx(-expected)
    assert turned["better"] == "6 of 6"


def test_figures_do_not_depend_on_the_number_of_processes():
    rows = spectral_rows()
    one, two = (validate("random", recipe(processes), rows, [pls()]) for processes in (1, 2))
    np.testing.assert_array_equal(one.predicted["PLSR"], two.predicted["PLSR"])


def test_nothing_to_run_yields_nothing():
    assert list(run_in_processes(str, [], processes=2, task="folds")) == []


def test_a_test_row_does_not_change_its_own_prediction():
    rows = spectral_rows()
    outcome = validate("random", recipe(), rows, [pls()])
    y = rows.y.copy()
    y[outcome.folds[0] == 1] *= 5
    changed = validate("random", recipe(), replace(rows, y=y), [pls()])
    tested = outcome.folds[0] == 1
    np.testing.assert_array_equal(outcome.predicted["PLSR"][0, tested], changed.predicted["PLSR"][0, tested])
    assert not np.allclose(outcome.predicted["PLSR"][0, ~tested], changed.predicted["PLSR"][0, ~tested])


def test_a_logarithm_has_its_own_r2():
    rows = spectral_rows(targets=(TargetProperty(column="soc_pct", unit="%", log="naive"),))
    rows = replace(rows, y=rows.y / 10)  # predictions below 1 have a logarithm too
    outcome = validate("random", recipe(), rows, [pls()])
    (row,) = outcome.table.to_dict("records")
    expected = regression_metrics(np.log(rows.y[:, 0]), np.log(outcome.predicted["PLSR"][0, :, 0]))["r2"]
    assert row["test_r2_ln"] == pytest.approx(expected)
    bias = regression_metrics(rows.y[:, 0], outcome.predicted["PLSR"][0, :, 0])["bias"]
    assert row["test_bias_pct"] == pytest.approx(100 * bias / rows.y.mean())


def test_depths_have_a_row_each_and_one_for_all_together():
    outcome = validate("random", recipe(), patch_rows(), [candidate("forest")])
    table = outcome.table.set_index("target")
    layers = ["soc_g_kg 0-10 cm", "soc_g_kg 10-30 cm", "soc_g_kg 30-60 cm"]
    assert list(table.index) == [*layers, ALL_DEPTHS]
    assert table.n.tolist() == [48, 48, 40, 136]
    metrics = outcome.card_metrics("Forest")
    assert set(metrics) == {*layers, ALL_DEPTHS}
    assert all(np.isfinite(list(figures.values())).all() for figures in metrics.values())


def test_the_values_of_one_profile_are_resampled_together():
    outcome = validate("random", recipe(), patch_rows(), [candidate("forest")])
    y, predicted = outcome.observed, outcome.predicted["Forest"]
    profiles = np.repeat(np.arange(48), 3)
    expected = bootstrap_interval(
        METRICS["rmse"].function, y.ravel(), predicted.reshape(1, -1), groups=profiles, n_resamples=500
    )
    row = outcome.table.set_index("target").loc[ALL_DEPTHS]
    assert (row.test_rmse_low, row.test_rmse_high) == (expected.low, expected.high)


def test_several_targets_have_a_row_each_and_none_for_all_together():
    rows = spectral_rows()
    targets = (TargetProperty(column="soc_pct", unit="%"), TargetProperty(column="clay_pct", unit="%"))
    rows = replace(rows, y=np.column_stack([rows.y[:, 0], 100 - rows.y[:, 0]]), targets=targets, library=None)
    outcome = validate("random", recipe(), rows, [pls()])
    assert outcome.table.target.tolist() == ["soc_pct", "clay_pct"]


def test_too_few_training_rows_are_refused_before_anything_is_fitted():
    with pytest.raises(SamplesError, match="8 training rows"):
        validate("holdout", recipe(n_train=8), spectral_rows(), [pls()])


def test_whole_groups_are_resampled_where_whole_groups_are_tested():
    rows = replace(spectral_rows(), groups=np.repeat(["a", "b", "c", "d"], 12))
    outcome = validate("site_out", recipe(), rows, [pls()])
    assert outcome.is_clustered
    np.testing.assert_array_equal(outcome.resampled_groups, outcome.folds[0])
    assert not validate("random", recipe(), rows, [pls()]).is_clustered


def test_a_fold_without_known_values_has_no_rmse():
    predicted = np.array([[[1.0], [2.0], [5.0], [7.0]]])
    observed = np.array([[2.0], [2.0], [np.nan], [np.nan]])
    np.testing.assert_allclose(rmse_by_split(predicted, observed, np.array([[0, 0, 1, 1]])), [np.sqrt(0.5)])


def test_only_published_protocols_are_marked_as_leaking():
    parts = {"targets": (), "observed": np.empty((0, 0)), "predicted": {}, "training": {}}
    parts |= {"folds": np.empty((1, 0), int), "splits": [], "details": {}}
    assert Outcome("published_rank", **parts).leaks
    assert not Outcome("random", **parts).leaks


def test_ten_training_rows_and_one_test_row_are_enough():
    rows = spectral_rows()
    few = validate("holdout", recipe(n_train=10), rows, [pls(max_components=2, n_folds=2)])
    assert np.isfinite(few.predicted["PLSR"]).sum() == 38
    xy, crs = np.column_stack([np.arange(48) * 1000.0, np.zeros(48)]), CRS.from_epsg(32633)
    each = validate("buffer", recipe(buffer_m=1.0), replace(rows, xy=xy, crs=crs), [pls(max_components=2)])
    assert {len(split.test) for split in each.splits} == {1}


def test_rows_that_no_split_tests_have_no_fold_and_no_prediction():
    outcome = validate("holdout", recipe(test_share=0.5), spectral_rows(), [pls()])
    untested = outcome.folds[0] == -1
    assert untested.sum() == 24
    assert np.isnan(outcome.predicted["PLSR"][0, untested]).all()
    assert outcome.table.n.item() == 24


def test_the_spread_over_two_splits_is_known():
    outcome = validate("random", recipe(n_folds=2), spectral_rows(), [pls()])
    by_split = rmse_by_split(outcome.predicted["PLSR"], outcome.observed, outcome.folds)
    assert len(by_split) == 2
    assert outcome.table.test_rmse_sd.item() == pytest.approx(abs(by_split[0] - by_split[1]) / np.sqrt(2))


def test_all_depths_of_a_logarithm_have_an_r2_of_ln_and_a_prediction_of_zero_has_none():
    rows = patch_rows()
    targets = tuple(target.model_copy(update={"log": "naive"}) for target in rows.targets)
    outcome = validate("random", recipe(), replace(rows, targets=targets), [candidate("forest")])
    assert np.isfinite(outcome.table.test_r2_ln).all()
    outcome.predicted["Forest"][0, 0, 0] = 0.0
    assert np.isfinite(replace(outcome).table.test_r2_ln).all()


def test_single_values_are_resampled_for_one_target():
    outcome = validate("random", recipe(), spectral_rows(), [pls()])
    expected = bootstrap_interval(
        METRICS["rmse"].function, outcome.observed[:, 0], outcome.predicted["PLSR"][:, :, 0], n_resamples=500
    )
    assert outcome.table.test_rmse_low.item() == expected.low
