"""An estimator's own predict in parts of one size, where a row that it refuses has no value and affects no other."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.cross_decomposition import PLSRegression
from sklearn.ensemble import RandomForestRegressor, VotingRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures

from geosoil.errors import EstimatorError
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.row_predictions import FEWEST_ROWS, MOST_ROWS, RowPredictor
from geosoil.spectra.scatter import SNV


def rows(n=40, p=6, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.uniform(0.1, 0.6, (n, p))
    return X, 10 * X[:, 0] - 5 * X[:, 3]


STRANGE = {
    "a pipeline": lambda: make_pipeline(SNV(), PLSRegression(2)),
    "a pipeline in a wrapper": lambda: TransformedTargetRegressor(
        make_pipeline(SNV(), PLSRegression(2)), func=np.log1p, inverse_func=np.expm1
    ),
    "pipelines side by side": lambda: VotingRegressor(
        [("a", make_pipeline(SNV(), PLSRegression(2))), ("b", LinearRegression())]
    ),
    "a step that takes no NaN": lambda: make_pipeline(SNV(), PolynomialFeatures(), PLSRegression(2)),
    "a forest of geosoil's kind of rows": lambda: make_pipeline(SNV(), RandomForestRegressor(5, random_state=0)),
}


@pytest.mark.parametrize("kind", list(STRANGE))
def test_strange_rows_have_no_value_and_the_others_that_of_predict(kind):
    X, y = rows()
    estimator = STRANGE[kind]().fit(X, np.abs(y))
    strange = X.copy()
    strange[[3, 17, 18]] = 0.0
    strange[30] = 0.25
    predicted = RowPredictor(estimator, 1)(strange)[:, 0]
    expected = np.reshape(estimator.predict(X), -1)
    refused = [3, 17, 18, 30]
    kept = np.setdiff1d(np.arange(len(X)), refused)
    np.testing.assert_allclose(predicted[kept], expected[kept], rtol=1e-12)
    # A random forest of scikit-learn takes NaN for a missing value, and predicts.
    assert np.isnan(predicted[refused]).all() or kind.startswith("a forest")


def test_infinity_is_no_value():
    with np.errstate(over="ignore"):
        estimator = make_pipeline(LinearRegression()).fit([[0.0], [1.0]], [0.0, 1.0])
        wrapped = TransformedTargetRegressor(estimator, func=np.log, inverse_func=np.exp).fit(
            [[0.0], [1.0]], [1.0, 2.0]
        )
        predicted = RowPredictor(wrapped, 1)(np.array([[1.0], [1e6]]))
    assert predicted[0, 0] == pytest.approx(2.0)
    assert np.isnan(predicted[1, 0])


class Recorder(RegressorMixin, BaseEstimator):
    """Keeps the shapes and types of the rows that it predicts."""

    def fit(self, X, y):
        self.n_features_in_, self.seen_ = X.shape[1], []
        return self

    def predict(self, X):
        self.seen_.append((X.shape, X.dtype))
        return X.sum(axis=1)


def test_rows_come_in_float64_and_always_as_many():
    X, y = rows(5000)
    recorder = Recorder().fit(X, y)
    predicted = RowPredictor(recorder, 1)(X.astype(np.float32))
    assert recorder.seen_ == [((MOST_ROWS, 6), np.dtype(np.float64))] * 3
    np.testing.assert_array_equal(predicted[:, 0], X.astype(np.float32).astype(np.float64).sum(axis=1))


def test_an_estimator_that_computes_much_for_a_row_receives_fewer_rows():
    X, y = rows(3000)
    assert RowPredictor(KernelRidge().fit(X, y), 1).rows_at_once == 256
    many = make_pipeline(PolynomialFeatures(9), LinearRegression()).fit(X[:20], y[:20])  # 5005 products
    assert RowPredictor(many, 1).rows_at_once == 128
    assert RowPredictor(VotingRegressor([("k", KernelRidge())]).fit(X, y), 1).rows_at_once == 256
    assert RowPredictor(make_pipeline(LinearRegression()).fit(X, y), 1).rows_at_once == MOST_ROWS
    assert FEWEST_ROWS == 64


def test_a_failure_that_no_row_causes_is_one_line():
    X, y = rows()
    broken = make_pipeline(FunctionTransformer(lambda X: X.iloc[:, :2]), LinearRegression())
    broken.steps[1][1].fit(X[:, :2], y)
    with pytest.raises(EstimatorError, match=r"^Pipeline: predict failed with AttributeError .*; fit it to an array"):
        RowPredictor(broken, 1)(X)
    with pytest.raises(EstimatorError, match="found 1 predictions for each row; expected 2, one for each target"):
        RowPredictor(LinearRegression().fit(X, y), 2)(X)


def test_an_estimator_fitted_to_a_table_receives_its_columns(recwarn):
    from pandas import DataFrame
    from sklearn.compose import ColumnTransformer
    from sklearn.preprocessing import StandardScaler

    X, y = rows()
    table = DataFrame(X, columns=[f"band {i}" for i in range(6)])
    by_name = ColumnTransformer([("scaled", StandardScaler(), ["band 3", "band 0"])])
    estimator = make_pipeline(by_name, LinearRegression()).fit(table, y)
    np.testing.assert_allclose(RowPredictor(estimator, 1)(X)[:, 0], y)
    assert not recwarn.list


def test_a_linear_model_of_collinear_bands_keeps_its_digits():
    rng = np.random.default_rng(1)
    X = (0.3 + 1e-4 * rng.normal(size=(80, 60)) + 0.05 * rng.normal(size=(80, 1))).astype(np.float32)
    y = rng.normal(size=80)
    estimator = LinearRegression().fit(X.astype(np.float64), y)
    model = PixelModel(estimator, tuple(Feature(str(i)) for i in range(60)), (Target("t", ""),))
    found = model.predict(np.ascontiguousarray(X.T)[:, :, None])[0, :, 0]
    expected = estimator.predict(X.astype(np.float64))
    assert np.abs(found - expected).max() <= 1e-6 * expected.std()
    assert not model.is_lowered and model.gpu_support == {"LinearRegression": False}
