"""Weights of models: known answers where one is perfect, all are alike, or one is useless."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from geosoil.evaluate.stacking import SHRINKAGE, ensemble_weights

RNG = np.random.default_rng(0)
Y = RNG.normal(10, 3, 100)


def test_a_perfect_model_takes_all_the_weight():
    predicted = np.array([Y + RNG.normal(0, 2, 100), Y, Y + RNG.normal(0, 1, 100)])
    assert ensemble_weights(predicted, Y).tolist() == [0, 1, 0]


def test_models_that_are_alike_have_equal_weights():
    same = Y + RNG.normal(0, 1, 100)
    np.testing.assert_allclose(ensemble_weights(np.array([same, same, same]), Y), 1 / 3, atol=1e-6)
    equally_good = Y + RNG.normal(0, 1, (3, 100))
    np.testing.assert_allclose(ensemble_weights(equally_good, Y), 1 / 3, atol=0.05)


def test_a_useless_model_is_dropped():
    good = Y + RNG.normal(0, 1, (2, 100))
    for useless in (np.full(100, Y.mean()), RNG.permutation(Y), -Y):
        weights = ensemble_weights(np.array([good[0], useless, good[1]]), Y)
        assert weights[1] == 0
        assert weights[[0, 2]] == pytest.approx(0.5, abs=0.15)


def test_a_better_model_has_more_weight_with_more_rows():
    shares = []
    for n in (40, 400, 40_000):  # errors that are independent, and whose sizes are exactly 1 and 1.3
        errors, _ = np.linalg.qr(np.random.default_rng(2).normal(size=(n, 2)))
        y = np.random.default_rng(1).normal(size=n)
        shares.append(ensemble_weights(y + errors.T * np.sqrt(n) * [[1.0], [1.3]], y)[0])
    assert 0.5 < shares[0] < shares[1] < shares[2]
    # Without shrinkage, weights of independent errors are those of their inverse variances.
    assert shares[2] == pytest.approx(1.3**2 / (1 + 1.3**2), abs=0.01)


def test_few_rows_do_not_decide_against_equal_weights():
    y = np.random.default_rng(3).normal(size=15)
    weights = ensemble_weights(y + np.random.default_rng(4).normal(size=(2, 15)) * [[1.0], [1.4]], y)
    np.testing.assert_allclose(weights, 0.5, atol=0.15)


def test_the_weights_minimise_what_the_description_says():
    errors = np.random.default_rng(5).normal(size=(3, 60)) + np.array([[0.5], [0.0], [-0.2]])
    c = SHRINKAGE * np.mean(errors**2) / 60

    def loss(w):
        return np.mean((w @ errors) ** 2) + c * ((w - 1 / 3) ** 2).sum()

    one = {"type": "eq", "fun": lambda w: w.sum() - 1}
    free = minimize(loss, np.full(3, 1 / 3), bounds=[(0, 1)] * 3, constraints=one)
    np.testing.assert_allclose(ensemble_weights(Y[:60] + errors, Y[:60]), free.x, atol=1e-4)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(1, 6), n=st.integers(10, 80), scale=st.floats(1e-6, 1e6))
def test_weights_are_a_mean_that_depends_neither_on_the_unit_nor_on_the_order(seed, m, n, scale):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=n)
    predicted = y + rng.normal(size=(m, n)) * rng.uniform(0.1, 3, (m, 1))
    weights = ensemble_weights(predicted, y)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() >= 0
    np.testing.assert_allclose(ensemble_weights(scale * predicted, scale * y), weights, atol=1e-6)
    order = rng.permutation(m)
    np.testing.assert_allclose(ensemble_weights(predicted[order], y), weights[order], atol=1e-6)


def test_no_errors_and_constant_targets_give_equal_weights():
    assert ensemble_weights(np.array([Y, Y]), Y).tolist() == [0.5, 0.5]
    assert ensemble_weights(Y[None], Y + 1).tolist() == [1.0]
