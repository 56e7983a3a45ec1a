"""The weights of features are those that the model gives them, followed back through the steps before it."""

import numpy as np
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA, IncrementalPCA
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.estimators.ridge import Ridge
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.trust.feature_weights import feature_weights

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4)) * np.array([1.0, 100.0, 1.0, 1.0]) + 5
Y = 2 * X[:, 0] + 0.06 * X[:, 1] + 0.01 * RNG.normal(size=80)


def test_coefficients_are_those_of_standardised_features_with_and_without_a_scaler():
    plain = feature_weights(LinearRegression().fit(X, Y), X)
    scaled = feature_weights(make_pipeline(StandardScaler(), LinearRegression()).fit(X, Y), X)
    assert plain.source == "coefficients"
    np.testing.assert_allclose(plain.values, scaled.values, rtol=1e-6)
    assert plain.values[1] / plain.values[0] == pytest.approx(0.06 * X[:, 1].std() / (2 * X[:, 0].std()), rel=0.01)
    assert plain.values.mean() == pytest.approx(1)


@pytest.mark.parametrize("estimator", [Ridge(), PartialLeastSquares(n_components=4), LogTarget(Ridge())])
def test_linear_models_of_geosoil_have_weights(estimator):
    weights = feature_weights(estimator.fit(X.astype(np.float32), Y - Y.min() + 1), X)
    assert weights.source == "coefficients"
    assert weights.values[2:].max() < 0.2 * weights.values[:2].min()


def test_a_forest_gives_its_importances():
    forest = Forest(n_trees=20, random_state=0).fit(X.astype(np.float32), Y)
    weights = feature_weights(forest, X)
    assert weights.source == "importance"
    np.testing.assert_allclose(weights.values / 4, forest.forest_.feature_importances_)


def test_features_that_a_selection_leaves_out_have_weight_0():
    pipeline = make_pipeline(SelectKBest(f_regression, k=2), LinearRegression()).fit(X, Y)
    weights = feature_weights(pipeline, X)
    assert (weights.values > 0).tolist() == [True, True, False, False]


def test_blocks_of_a_process_contribute_their_shares_of_the_variance_to_the_squared_distance():
    process = LinearRegression().fit(X, Y)
    process.blocks = [{"name": "bands", "columns": [0, 1, 2]}, {"name": "height", "columns": [3]}]
    process.variance_shares_ = np.array([0.3, 0.6, 0.1])  # the last one is that of the noise
    weights = feature_weights(process, X)
    assert weights.source == "variance"
    squared = weights.values**2
    assert squared[:3].sum() / squared[3] == pytest.approx(0.5)
    assert squared[0] == squared[1] == squared[2]
    process.blocks = None
    process.variance_shares_ = np.array([0.9, 0.1])
    assert feature_weights(process, X).values.tolist() == [1, 1, 1, 1]


@pytest.mark.parametrize(
    "estimator",
    [
        KNeighborsRegressor(),
        SupportVectors(),
        make_pipeline(PCA(4), LinearRegression()),
        make_pipeline(PCA(2), LinearRegression()),
        make_pipeline(IncrementalPCA(4), LinearRegression()),
        make_pipeline(ColumnTransformer([("last", "passthrough", [3]), ("others", "passthrough", [0, 1, 2])]), Ridge()),
    ],
)
def test_models_without_weights_of_single_features_have_equal_ones(estimator):
    weights = feature_weights(estimator.fit(X, Y), X)
    assert weights.values.tolist() == [1, 1, 1, 1] and weights.source == "equal"


def test_a_model_that_uses_no_feature_has_equal_weights():
    constant = LinearRegression().fit(X, np.ones(80))
    constant.coef_ = np.zeros(4)
    assert feature_weights(constant, X).source == "equal"


def test_several_targets_count_alike_whatever_their_units():
    both = LinearRegression().fit(X, np.column_stack([X[:, 0], 1e6 * X[:, 2]]))
    values = feature_weights(both, X).values
    assert values[0] / X[:, 0].std() == pytest.approx(values[2] / X[:, 2].std())


def test_weights_of_an_estimator_in_a_search_and_of_one_per_target_are_those_of_the_estimators():
    search = GridSearchCV(LinearRegression(), {"fit_intercept": [True]}, cv=2).fit(X, Y)
    np.testing.assert_allclose(
        feature_weights(search, X).values, feature_weights(LinearRegression().fit(X, Y), X).values
    )
    both = MultiOutputRegressor(LinearRegression()).fit(X, np.column_stack([X[:, 0], 1e6 * X[:, 2]]))
    np.testing.assert_allclose(feature_weights(both, X).values, [2, 0, 2, 0], atol=1e-6)
    one_unknown = MultiOutputRegressor(KNeighborsRegressor()).fit(X, np.column_stack([X[:, 0], X[:, 2]]))
    assert feature_weights(one_unknown, X).source == "equal"
