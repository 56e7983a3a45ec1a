"""Ridge regression against scikit-learn's own, by rows and as a lowered program."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge as ScikitRidge
from sklearn.linear_model import RidgeCV

from geosoil.estimators.ridge import Ridge
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel


def test_predictions_are_those_of_scikit_learn_by_rows_and_by_blocks():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 6)).astype(np.float32)
    y = X @ np.arange(6.0) + rng.normal(0, 2, 40)
    model = Ridge(n_penalties=8).fit(X, y)
    expected = RidgeCV(np.geomspace(1e-3, 1e4, 8)).fit(X, y).predict(X)
    np.testing.assert_allclose(model.predict(X), expected, rtol=1e-5)
    pixels = PixelModel(model, tuple(Feature(f"b{i}") for i in range(6)), (Target("y", ""),))
    assert pixels.is_lowered
    np.testing.assert_allclose(pixels.predict(np.ascontiguousarray(X.T)[:, None])[0, 0], expected, rtol=1e-4)


def test_noise_is_answered_by_a_larger_penalty_than_a_clean_relation():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 30))
    clean, noise = Ridge().fit(X, X[:, 0]), Ridge().fit(X, rng.normal(size=40))
    assert clean.penalty_ < 0.01
    assert noise.penalty_ > 1


@pytest.mark.parametrize("p", [6, 80])
def test_leave_one_out_predictions_are_those_of_regressions_without_each_row(p):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(25, p)) + 5
    y = X[:, 0] + rng.normal(0, 1, 25)
    model = Ridge().fit(X, y)
    left_out = [
        ScikitRidge(model.penalty_).fit(np.delete(X, i, 0), np.delete(y, i)).predict(X[[i]]).item() for i in range(25)
    ]
    np.testing.assert_allclose(model.loo_prediction_, left_out, rtol=1e-6)
    # The penalty is the one whose leave-one-out error is the smallest.
    errors = {}
    for penalty in np.geomspace(1e-3, 1e4, 22):
        alone = Ridge(lowest_penalty=penalty, highest_penalty=penalty, n_penalties=2).fit(X, y)
        errors[penalty] = np.mean((alone.loo_prediction_ - y) ** 2)
    assert model.penalty_ == pytest.approx(min(errors, key=errors.get))
