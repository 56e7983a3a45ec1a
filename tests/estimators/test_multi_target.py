"""One model a target: each learns from the rows where its target is known, and all are stored together."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.errors import SamplesError
from geosoil.estimators.forest import Forest
from geosoil.estimators.log_target import LogTarget
from geosoil.estimators.multi_target import PerTarget
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, save_model

LAYERS = ["0-5", "5-15", "15-30", "30-60", "60-100", "100-200"]


def layers(n=60, p=4):
    """Covariates and a content by depth, unknown below a profile's end."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, p)).astype(np.float32)
    y = 5 + X[:, [0]] * np.linspace(2, 0.2, len(LAYERS)) + rng.normal(0, 0.05, (n, len(LAYERS)))
    y[np.arange(len(LAYERS)) > rng.integers(2, len(LAYERS), n)[:, None]] = np.nan
    return X, y


def test_each_target_is_fitted_on_its_known_rows_alone():
    X, y = layers()
    assert np.isnan(y).any()
    fitted = PerTarget(LinearRegression()).fit(X, y)
    for j in range(len(LAYERS)):
        known = np.isfinite(y[:, j])
        alone = LinearRegression().fit(X[known], y[known, j])
        np.testing.assert_array_equal(fitted.predict(X)[:, j], alone.predict(X))


def test_groups_are_handed_on_for_the_known_rows():
    class Witness(LinearRegression):
        def fit(self, X, y, groups):
            self.seen_ = groups.tolist()
            return super().fit(X, y)

    y = np.array([[1.0, np.nan], [2.0, 5.0], [3.0, 7.0]])
    fitted = PerTarget(Witness()).fit(np.arange(3.0)[:, None], y, groups=np.array([10, 11, 12]))
    assert [member.seen_ for member in fitted.estimators_] == [[10, 11, 12], [11, 12]]


def test_a_target_that_is_known_nowhere_is_refused_by_its_number():
    X, y = layers()
    y[:, 3] = np.nan
    with pytest.raises(SamplesError, match="no value of target 4 of 6"):
        PerTarget(LinearRegression()).fit(X, y)


def test_a_table_of_one_column_is_no_vector():
    with pytest.raises(ValueError, match="expected \\(3, target\\)"):
        PerTarget(LinearRegression()).fit(np.ones((3, 1)), np.ones(3))


def saved_and_read(estimator, X, y, folder):
    features = tuple(Feature(f"c{i}", None, None, float(x.min()), float(x.max())) for i, x in enumerate(X.T))
    targets = tuple(Target(f"SOC {layer} cm", "%", (0.0, None)) for layer in LAYERS)
    model = PixelModel(PerTarget(estimator).fit(X, y), features, targets)
    training = TrainingCard(n_samples=len(y), recipe_sha256="r", table_sha256="t")
    save_model(model, folder, name="soc", study="test", preprocessing=[], training=training)
    return model, load_model(folder)


@pytest.mark.parametrize(
    "estimator",
    [
        Forest(n_trees=7),
        LogTarget(make_pipeline(StandardScaler(), Forest(n_trees=3))),
        make_pipeline(StandardScaler(), PartialLeastSquares(n_components=2)),
    ],
)
def test_six_depths_are_stored_in_one_folder_and_predict_the_same(tmp_path, estimator):
    X, y = layers()
    model, again = saved_and_read(estimator, X, y, tmp_path / "m")
    block = np.ascontiguousarray(X[:, model.used_columns].T)[:, :, None]
    assert again.predict(block).shape == (6, len(X), 1)
    np.testing.assert_array_equal(again.predict(block), model.predict(block))
    np.testing.assert_array_equal(again.estimator.predict(X), model.estimator.predict(X))
    assert len(np.unique(again.predict(block)[:, 0, 0])) == 6


def test_members_that_can_be_lowered_run_as_one_program_and_forests_by_their_own_predict(tmp_path):
    X, y = layers()
    linear, _ = saved_and_read(PartialLeastSquares(n_components=2), X, y, tmp_path / "linear")
    assert linear.is_lowered
    by_rows = linear.predict_rows(X[:, linear.used_columns]).T
    np.testing.assert_allclose(linear.predict(X[:, linear.used_columns].T[:, :, None])[..., 0], by_rows, rtol=1e-5)
    forest, _ = saved_and_read(Forest(n_trees=3), X, y, tmp_path / "forest")
    assert not forest.is_lowered
