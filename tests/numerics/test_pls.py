"""PLS against R pls 2.8-1, extended precision, ordinary least squares and itself done one by one."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shared_material import shared

from geosoil.errors import SamplesError
from geosoil.numerics import pls
from geosoil.numerics.pls import cross_validated_predictions, cross_validated_rmse, fit_pls, variable_importance


def collinear(n: int, p: int, seed: int = 0, noise: float = 1e-3) -> tuple[np.ndarray, np.ndarray]:
    """Return X of eight strong directions and weak noise, as spectra are, and y."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 8)) @ rng.normal(size=(8, p)) + noise * rng.normal(size=(n, p))
    return X, X @ rng.normal(size=p)


@pytest.fixture(scope="module")
def golden() -> tuple[np.ndarray, np.ndarray, dict]:
    """Return absorbance (40, 43), y and what R gave."""
    table = pd.read_csv(shared("golden/inputs/spectra_10nm.csv"))
    X = np.log10(1 / table.filter(regex=r"^\d").to_numpy())[:, ::5]
    return X, table["soc"].to_numpy(), json.loads(shared("golden/pls/pls.json").read_text())


@pytest.mark.parametrize(("name", "scale"), [("centred", False), ("scaled", True)])
def test_coefficients_predictions_and_cross_validation_are_those_of_r(golden, name, scale):
    X, y, expected = golden[0][:30], golden[1][:30], golden[2][name]
    fits = fit_pls(X, y, 8, scale=scale)
    np.testing.assert_allclose(fits.coefficients, expected["coef_original_units"], rtol=1e-8)
    np.testing.assert_allclose(fits.intercepts, expected["intercept"], rtol=1e-9)
    np.testing.assert_allclose(fits.predict(golden[0][30:]), expected["pred_test"], atol=1e-9)
    interleaved, leave_one_out = np.arange(30) % 5, np.arange(30)
    for folds, key in ((interleaved, "rmsecv_interleaved5_plain"), (leave_one_out, "rmsecv_loo")):
        np.testing.assert_allclose(cross_validated_rmse(X, y, folds, 8, scale=scale), expected[key], atol=1e-10)


def test_variable_importance_is_that_of_r(golden):
    fits = fit_pls(golden[0][:30], golden[1][:30], 8)
    np.testing.assert_allclose(variable_importance(fits).T, golden[2]["vip_by_ncomp"], atol=1e-9)


def test_the_target_projection_gives_the_selectivity_ratio_of_r(golden):
    X = golden[0][:30] - golden[0][:30].mean(axis=0)
    for a, b in enumerate(fit_pls(X, golden[1][:30], 8).coefficients):
        t = X @ b / np.linalg.norm(b)
        explained = np.outer(t, t @ X / (t @ t))
        ratio = np.sum(explained**2, axis=0) / np.sum((X - explained) ** 2, axis=0)
        np.testing.assert_allclose(ratio, np.array(golden[2]["selectivity_ratio_by_ncomp"])[:, a], rtol=1e-8)


def nipals_in_extended_precision(X: np.ndarray, y: np.ndarray, n_components: int) -> np.ndarray:
    X, y = X.astype(np.longdouble), y.astype(np.longdouble)
    X, y = X - X.mean(axis=0), y - y.mean()
    weights, loadings, rotations, coefficients = [], [], [], [np.zeros(X.shape[1], dtype=np.longdouble)]
    for _ in range(n_components):
        w = (X * y[:, None]).sum(axis=0)
        w /= np.sqrt((w * w).sum())
        t = (X * w).sum(axis=1)
        p, q = (X * t[:, None]).sum(axis=0) / (t * t).sum(), (y * t).sum() / (t * t).sum()
        X, y = X - t[:, None] * p, y - q * t
        r = w - sum(((p_ * w).sum() * r_ for p_, r_ in zip(loadings, rotations, strict=True)), start=0 * w)
        weights.append(w), loadings.append(p), rotations.append(r)
        coefficients.append(coefficients[-1] + q * r)
    return np.array(coefficients[1:])


def test_collinear_spectra_cost_no_digits():
    # the textbook kernel algorithm and the plain bidiagonal recurrence are off by 1e-8 here
    X, y = collinear(61, 420)
    exact = nipals_in_extended_precision(X, y, 15)
    off = np.abs(fit_pls(X, y, 15).coefficients - exact).max(axis=1) / np.abs(exact).max(axis=1)
    assert off.max() < 1e-11


def test_all_components_are_ordinary_least_squares():
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(40, 6)) + 100, rng.normal(size=40)
    design = np.column_stack([np.ones(40), X])
    intercept, *slopes = np.linalg.lstsq(design, y)[0]
    for scale in (False, True):
        fits = fit_pls(X, y, 6, scale=scale)
        np.testing.assert_allclose(fits.coefficients[-1], slopes, rtol=1e-9)
        np.testing.assert_allclose(fits.intercepts[-1], intercept, rtol=1e-9)


def test_components_beyond_the_rank_repeat_the_last_real_one():
    X, y = collinear(6, 50, noise=0.1)
    coefficients = fit_pls(X, y, 12).coefficients
    assert (np.abs(np.diff(coefficients[:5], axis=0)).max(axis=1) > 0).all()  # six centred rows have rank five
    assert (coefficients[5:] == coefficients[4]).all()
    np.testing.assert_allclose(fit_pls(X, y, 12).predict(X)[-1], y, atol=1e-9)


@pytest.mark.parametrize("scale", [False, True])
def test_what_does_not_vary_has_no_coefficient(scale):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 5)), rng.normal(size=20)
    X[:, 2] = 0.1  # the mean of twenty 0.1 is not exactly 0.1
    assert np.abs(fit_pls(X, y, 3, scale=scale).coefficients[:, 2]).max() < 1e-14
    flat = fit_pls(np.full((20, 5), 0.1), y, 3, scale=scale)
    assert (flat.coefficients == 0).all()
    np.testing.assert_allclose(flat.predict(X), y.mean())


def test_scores_are_orthonormal_and_rebuild_the_spectra():
    X, y = collinear(30, 50, noise=0.1)
    fits = fit_pls(X, y, 29, scale=True)
    Z = (X - fits.x_mean) / fits.x_scale
    scores = Z @ fits.rotations.T
    np.testing.assert_allclose(scores.T @ scores, np.eye(29), atol=1e-8)
    np.testing.assert_allclose(scores @ fits.loadings, Z, atol=1e-8)
    np.testing.assert_allclose(scores.T @ Z, fits.loadings, atol=1e-8)


@pytest.mark.parametrize("scale", [False, True])
def test_a_stack_is_fitted_as_one_by_one_whatever_the_batch(monkeypatch, scale):
    X, y = collinear(60, 30, noise=0.1)
    rows = np.random.default_rng(0).permuted(np.tile(np.arange(60), (7, 1)), axis=1)[:, :20]
    single = [fit_pls(X[r], y[r], 4, scale=scale) for r in rows]
    for numbers in (1, 2 * 20 * 30, 10**9):
        monkeypatch.setattr(pls, "_NUMBERS_AT_ONCE", numbers)
        stack = fit_pls(X[rows], y[rows], 4, scale=scale)
        np.testing.assert_allclose(stack.coefficients, [fits.coefficients for fits in single], rtol=1e-9)
        np.testing.assert_allclose(stack.predict(X), [fits.predict(X) for fits in single], rtol=1e-9)


@given(
    seed=st.integers(0, 10**6),
    n_folds=st.integers(2, 6),
    n_components=st.integers(1, 8),
    scale=st.booleans(),
    numbers=st.sampled_from([1, 2000, 10**9]),
)
@settings(max_examples=30, deadline=None)
def test_cross_validation_equals_refitting_each_fold_on_each_subset(seed, n_folds, n_components, scale, numbers):
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(18, 9)) + 3, rng.normal(size=18) - 5
    folds = rng.permutation(np.arange(18) % n_folds)
    features = rng.random((3, 9)) < 0.5
    features[:, 0] = True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pls, "_NUMBERS_AT_ONCE", numbers)
        found = cross_validated_predictions(X, y, folds, n_components, scale=scale, features=features)
    for subset, predicted in zip(features, found, strict=True):
        for fold in range(n_folds):
            out = folds == fold
            one = fit_pls(X[~out][:, subset], y[~out], n_components, scale=scale).predict(X[out][:, subset])
            np.testing.assert_allclose(predicted[:, out], one, rtol=1e-7, atol=1e-9)


def test_a_band_constant_in_one_fold_only_is_left_out_there():
    rng = np.random.default_rng(0)
    X, y, folds = rng.normal(size=(20, 3)), rng.normal(size=20), np.arange(20) % 5
    X[folds != 0, 1] = 7.0  # constant wherever fold 0 is held out
    predicted = cross_validated_predictions(X, y, folds, 2, scale=True)[:, folds == 0]
    without = cross_validated_predictions(X[:, [0, 2]], y, folds, 2, scale=True)[:, folds == 0]
    np.testing.assert_allclose(predicted, without, rtol=1e-9)


def test_what_cannot_be_fitted_is_refused():
    X, y = collinear(10, 4)
    hole = np.where(np.eye(10, 4) == 1, np.nan, X)
    with pytest.raises(SamplesError, match="NaN"):
        fit_pls(hole, y, 2)
    with pytest.raises(SamplesError, match="shape"):
        fit_pls(X, y[:-1], 2)
    with pytest.raises(SamplesError, match="1 folds of 10 rows"):
        cross_validated_rmse(X, y, np.zeros(10), 2)
