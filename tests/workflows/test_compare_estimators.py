"""A dict of estimators is compared on the same test rows, by folds and metrics of one's own."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, RepeatedKFold
from sklearn.neighbors import KNeighborsRegressor

import geosoil
from geosoil.errors import EstimatorError, SamplesError

X = np.arange(24.0).reshape(12, 2) ** 1.5
Y = 3 + 2 * X[:, 0] - X[:, 1]
FOLDS = np.array(["north", "east", "south"] * 4)
MODELS = {"mean": DummyRegressor(), "linear": LinearRegression()}


class Memory(RegressorMixin, BaseEstimator):
    """Predict the observed value of a row that was learned from, and -1 for any other."""

    def fit(self, X, y):
        self.known_ = dict(zip(X[:, 0], y, strict=True))
        return self

    def predict(self, X):
        return np.array([self.known_.get(key, -1.0) for key in X[:, 0]])


def largest_error(observed, predicted):
    return np.abs(observed - predicted).max()


def test_a_line_is_exact_and_the_mean_has_the_errors_of_its_training_rows():
    result = geosoil.compare(MODELS, X, Y, folds=FOLDS, metrics=["rmse", "r2", largest_error])
    table = result.table.set_index("model")
    means = np.array([Y[fold != FOLDS].mean() for fold in FOLDS])
    np.testing.assert_allclose(result.predicted["mean"][0], means)
    assert table.loc["mean", "test_rmse"] == pytest.approx(np.sqrt(np.mean((Y - means) ** 2)))
    assert table.loc["mean", "test_largest_error"] == pytest.approx(np.abs(Y - means).max())
    assert table.loc["linear", ["test_rmse", "test_r2"]].tolist() == pytest.approx([0, 1], abs=1e-9)
    assert table.n.tolist() == [12, 12]
    (row,) = result.differences.to_dict("records")
    assert (row["model"], row["reference"], row["better"]) == ("linear", "mean", "3 of 3")
    assert row["test_rmse_difference"] == pytest.approx(-table.loc["mean", "test_rmse"])
    assert row["test_rmse_difference_low"] < row["test_rmse_difference"] < row["test_rmse_difference_high"] < 0
    spread = np.mean([Y[fold != FOLDS].std() for fold in np.unique(FOLDS)])
    assert table.loc["mean", "train_rmse"] == pytest.approx(spread)


@pytest.mark.parametrize(
    ("folds", "n_repeats"),
    [
        (FOLDS, 1),
        (pd.Series(FOLDS, index=range(50, 62)), 1),
        (list(FOLDS), 1),
        (4, 1),
        (RepeatedKFold(n_splits=3, n_repeats=2, random_state=0), 2),
        ([(np.arange(6), np.arange(6, 12)), (np.arange(6, 12), np.arange(6))], 1),
    ],
)
def test_every_prediction_comes_from_a_model_that_did_not_see_the_row(folds, n_repeats):
    result = geosoil.compare({"memory": Memory()}, X, Y, folds=folds, metrics="rmse")
    assert result.predicted["memory"].tolist() == [[-1.0] * 12] * n_repeats
    assert result.table.train_rmse.item() == 0


def test_labels_of_folds_are_honoured_and_an_estimator_that_was_fitted_learns_again():
    fitted = Memory().fit(X, Y)
    result = geosoil.compare({"memory": fitted}, X, Y, folds=FOLDS)
    assert (result.predicted["memory"] == -1).all()
    for label in np.unique(FOLDS):
        assert len(set(result.folds[0, label == FOLDS])) == 1
    assert len(fitted.known_) == 12


def test_groups_are_tested_together_and_drawn_together():
    groups = np.repeat(list("abcd"), 3)
    by_splitter = geosoil.compare(MODELS, X, Y, folds=GroupKFold(4), groups=groups)
    by_number = geosoil.compare(MODELS, X, Y, folds=4, groups=groups)
    for result in (by_splitter, by_number):
        assert all(len(set(result.folds[0, group == groups])) == 1 for group in groups)
    drawn_alone = geosoil.compare(MODELS, X, Y, folds=groups)
    np.testing.assert_array_equal(drawn_alone.predicted["mean"], by_splitter.predicted["mean"])
    assert drawn_alone.table.test_rmse_low[0] != by_splitter.table.test_rmse_low[0]


def test_test_figures_are_first_and_training_figures_last_and_both_tables_are_printed():
    result = geosoil.compare(
        MODELS | {"knn": KNeighborsRegressor(2)}, pd.DataFrame(X, columns=["a", "b"]), Y, folds=FOLDS,
        metrics={"rmse": "rmse", "worst": largest_error}, reference="linear",
    )  # fmt: skip
    assert list(result.table) == [
        "model", "n", "test_rmse", "test_rmse_low", "test_rmse_high", "test_worst", "test_worst_low",
        "test_worst_high", "train_rmse", "train_worst",
    ]  # fmt: skip
    text = repr(result)
    assert text.startswith("Comparison\n")
    assert "Differences from linear on the same test rows:" in text
    assert result.differences.model.tolist() == ["mean", "knn"]
    row = result.table.iloc[0]
    assert f"{row.test_rmse:.3g} [{row.test_rmse_low:.3g} to {row.test_rmse_high:.3g}]" in text


def test_rows_that_one_model_does_not_predict_are_left_out_for_all():
    class Gap(DummyRegressor):
        def predict(self, X):
            return np.where(X[:, 0] == X[4, 0] if len(X) > 4 else X[:, 0] < 1, np.nan, super().predict(X))

    result = geosoil.compare({"gap": Gap(), "mean": DummyRegressor()}, X, Y, folds=FOLDS)
    assert result.table.n.tolist() == [11, 11]
    assert result.notes == ("gap predicts no number for 1 rows, which are left out for all models",)


def test_progress_is_reported_after_each_fold():
    calls = []
    geosoil.compare(MODELS, X, Y, folds=FOLDS, progress=lambda *call: calls.append(call))
    assert calls == [("comparison", done, 3) for done in range(4)]


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"y": Y[:-1]}, SamplesError, r"X of shape \(12, 2\) and y of shape \(11,\)"),
        ({"y": np.where(np.arange(12) == 2, np.nan, Y)}, SamplesError, "NaN or infinity in 1 of 12 rows"),
        ({"folds": FOLDS[:5]}, SamplesError, "5 labels; expected a label for each of 12 rows"),
        ({"folds": np.zeros(12)}, SamplesError, "fold 1 with 0 training rows and 12 test rows"),
        ({"folds": [(np.arange(8), np.arange(6, 12))]}, SamplesError, "2 of them in both"),
        ({"metrics": ["rsme"]}, SamplesError, "'rsme'; expected one of r2"),
        ({"reference": "PLS"}, EstimatorError, "one of mean, linear"),
        ({"recipe": {"PLS": LinearRegression}}, EstimatorError, "the class LinearRegression"),
        ({"X": np.where(X > 30, np.nan, X)}, EstimatorError, "model 'linear': it failed with ValueError"),
        ({"recipe": {}}, EstimatorError, "no models"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(changes, error, message):
    with pytest.raises(error, match=message) as caught:
        geosoil.compare(**{"recipe": MODELS, "X": X, "y": Y, "folds": FOLDS} | changes)
    assert "\n" not in str(caught.value)
