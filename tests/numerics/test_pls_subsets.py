"""PLS on many subsets gives the errors of one fit after the other."""

import numpy as np
import pandas as pd
import pytest
from shared_material import shared
from sklearn.cross_decomposition import PLSRegression

from geosoil.errors import DeviceError
from geosoil.numerics.pls import fit_pls
from geosoil.numerics.pls_subsets import SubsetPLS


@pytest.fixture
def real():
    """Return absorbance, SNV, and clay of soils of four countries: X (n, 201), y (n,)."""
    frame = pd.read_parquet(shared("data/spectra/multisite_visnir_450_2450.parquet")).dropna(subset=["clay_pct"])
    X = -np.log10(frame.filter(regex=r"^\d").to_numpy(float))
    X = (X - X.mean(axis=1, keepdims=True)) / X.std(axis=1, ddof=1, keepdims=True)
    return X, frame.clay_pct.to_numpy(float)


def subsets_of(n, k, count):
    rng = np.random.default_rng(0)
    return np.stack([rng.choice(n, k, replace=False) for _ in range(count)])


def test_errors_are_those_of_scikit_learn_on_real_spectra(real):
    X, y = real
    subsets = subsets_of(len(y) - 30, 100, 6)
    for rows, error in zip(subsets, SubsetPLS(X, y, X[-30:], y[-30:]).errors(subsets, 10), strict=True):
        predicted = PLSRegression(10, scale=False).fit(X[rows], y[rows]).predict(X[-30:]).reshape(-1)
        assert error == pytest.approx(np.sqrt(np.mean((predicted - y[-30:]) ** 2)), rel=1e-9)


def test_squaring_the_spectra_costs_no_digit_that_tells_subsets_apart(real):
    X, y = real
    subsets = subsets_of(len(y) - 30, 100, 50)
    for n_components in (1, 10, 15):
        exact = fit_pls(X[subsets], y[subsets], n_components).predict(X[-30:])[:, -1]
        exact = np.sqrt(np.mean((exact - y[-30:]) ** 2, axis=1))
        assert SubsetPLS(X, y, X[-30:], y[-30:]).errors(subsets, n_components) == pytest.approx(exact, rel=1e-8)


def test_reconstruction_is_what_the_scores_leave_of_each_band(real):
    X, y = real
    subsets = subsets_of(len(y) - 30, 40, 4)
    fits = fit_pls(X[subsets], y[subsets], 5)
    new = X[-30:] - fits.x_mean[:, None]
    missed = new - new @ fits.rotations.transpose(0, 2, 1) @ fits.loadings
    expected = np.sqrt(np.mean(missed**2, axis=1)).mean(axis=1)
    assert SubsetPLS(X, y, X[-30:], None).errors(subsets, 5, "reconstruction") == pytest.approx(expected, rel=1e-9)


def test_components_beyond_the_rank_of_a_subset_change_nothing():
    rng = np.random.default_rng(0)
    half = rng.normal(size=(120, 3))
    X, y = np.hstack([half, half]), rng.normal(size=120)
    pls = SubsetPLS(X, y, X[:12], y[:12])
    subsets = subsets_of(120, 20, 5)
    assert pls.errors(subsets, 6) == pytest.approx(pls.errors(subsets, 3), rel=1e-9)
    assert pls.errors(subsets, 6, "reconstruction") == pytest.approx(np.zeros(5), abs=1e-9)


def test_a_subset_of_equal_contents_predicts_their_mean():
    X = np.random.default_rng(0).normal(size=(10, 4))
    errors = SubsetPLS(X, np.full(10, 3.0), X[:5], np.full(5, 2.0)).errors(np.array([[0, 2, 4, 6]]), 2)
    assert errors == pytest.approx([1.0])


def test_a_cuda_device_that_is_not_there_is_one_line(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    X = np.eye(4)
    with pytest.raises(DeviceError, match=r"no CUDA device that torch can use; .*choose the device cpu"):
        SubsetPLS(X, X[0], X, X[0], device="cuda")
