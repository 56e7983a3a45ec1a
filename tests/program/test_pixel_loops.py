"""The compiled loops over pixels: against numpy in float64, and against the same operations in torch."""

import numpy as np
import pytest
import torch

from geosoil.program._pixel_loops import _exp_of_negative
from geosoil.program.kernels import Covariance
from geosoil.program.lower import compile_program
from geosoil.program.ops import Affine, InPlaceOp, Standardise, _compile_filter, filter_taps
from geosoil.program.torch_backend import as_torch_function
from geosoil.spectra.smooth import SavitzkyGolay

RNG = np.random.default_rng(3)
X = RNG.normal(size=(30, 64)).astype(np.float32)
SUPPORT = RNG.normal(size=(9, 30))


def test_the_exponential_function_is_exact_to_float32_and_ends_in_zero():
    for a in (0.0, 1e-7, 0.3, 1.0, 20.0, 86.0):
        assert _exp_of_negative(np.float32(a)) == pytest.approx(np.exp(-np.float64(np.float32(a))), rel=4e-7 * (1 + a))
    assert _exp_of_negative(np.float32(100.0)) == _exp_of_negative(np.float32(3e38)) == 0.0


@pytest.mark.parametrize("name", ["exponential", "matern32", "matern52", "rbf"])
def test_covariances_their_linear_term_and_variance_are_those_of_float64_and_of_torch(name):
    op = Covariance(SUPPORT, 0.02, name, 1.7, 0.05, with_variance=True)
    exact = as_torch_function((op,), torch.float64)(torch.from_numpy(X.T.astype(np.float64))).numpy().T
    assert exact.shape == (10, 64)
    assert exact[-1] == pytest.approx(1.7 + 0.05 * (X.astype(np.float64) ** 2).sum(axis=0))
    loops = op._compile_loops()(torch.from_numpy(X), {})
    with_torch = op._compile_torch()(torch.from_numpy(X), {})
    assert loops.numpy() == pytest.approx(exact, abs=3e-6)
    assert with_torch.numpy() == pytest.approx(exact, abs=3e-6)
    assert compile_program((op, Affine(np.eye(10)[[2]], np.zeros(1))), 30)(X)[0] == pytest.approx(exact[2], abs=3e-6)


def test_a_pixel_on_a_support_vector_has_the_whole_amplitude():
    op = Covariance(SUPPORT, 50.0, "matern32", 2.0)
    here = op._compile_loops()(torch.from_numpy(SUPPORT.T).float().contiguous(), {}).numpy()
    assert np.diag(here) == pytest.approx(np.full(9, 2.0), abs=1e-3)
    assert here.max() <= 2.0


def test_a_filter_along_the_spectrum_is_the_product_with_its_matrix():
    derivative = SavitzkyGolay(window_bands=11, polynomial_order=2, derivative=1).fit(X.T).lower()[0]
    taps, first = filter_taps(derivative.weight)
    assert taps.shape == (30, 12)
    assert first.max() + 12 <= 30
    shifted = Affine(derivative.weight, RNG.normal(size=30))
    expected = shifted.weight @ X + shifted.bias[:, None]
    assert _filtered(shifted, X) == pytest.approx(expected, abs=1e-5)
    assert shifted.multiply_adds(30) == np.count_nonzero(derivative.weight) < 30 * 12
    assert filter_taps(RNG.normal(size=(30, 30))) is None
    last = np.zeros((3, 40))  # whose first row is empty
    last[1, 39] = last[2, 38] = 2.0
    rows = RNG.normal(size=(40, 8)).astype(np.float32)
    assert _filtered(Affine(last, np.ones(3)), rows) == pytest.approx(last @ rows + 1, abs=1e-6)
    wide = Affine(np.eye(80) + np.eye(80, k=1), np.zeros(80))  # enough rows for the loop
    assert wide.compile(owns_input=False)(torch.from_numpy(rows[[0] * 80]), {}).numpy() == pytest.approx(
        wide.weight @ rows[[0] * 80], abs=1e-6
    )


def _filtered(op, x):
    taps, first = filter_taps(op.weight)
    return _compile_filter(taps, first, op.bias)(torch.from_numpy(x), {}).numpy()


def test_pixels_are_fewer_at_once_where_rows_are_many():
    assert Covariance(np.ones((60, 51)), 1.0).pixels_at_once == 2048
    assert Covariance(np.ones((100, 292)), 1.0).pixels_at_once == 512
    assert Covariance(np.ones((1000, 2000)), 1.0).pixels_at_once == 256


@pytest.mark.parametrize(("shift", "most"), [(0.0, 2e-6), (30.0, 5e-5)])
def test_spectra_are_standardised_as_in_float64_and_flat_ones_have_no_value(shift, most):
    rows = np.cumsum(RNG.normal(0, 0.01, (280, 70)), axis=0) + 0.3 + shift
    rows[:, 40:] = rows[0, 40:]
    rows[3, 7], rows[9, 8] = np.nan, np.inf
    rows = rows.astype(np.float32)
    exact = rows.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (exact - exact.mean(0)) / exact.std(0, ddof=1)
    result = Standardise().compile(owns_input=False)(torch.from_numpy(rows), {}).numpy()
    assert np.isnan(result[:, 40:]).all() and np.isnan(result[:, 7]).all() and not np.isfinite(result[:, 8]).any()
    usual = np.setdiff1d(np.arange(40), [7, 8])
    np.testing.assert_allclose(result[:, usual], expected[:, usual], atol=most)
    by_torch = InPlaceOp.compile(Standardise(), owns_input=False)(torch.from_numpy(rows), {}).numpy()
    np.testing.assert_allclose(result[:, usual], by_torch[:, usual], atol=20 * most)


def test_spectra_of_few_bands_are_standardised_without_a_loop(monkeypatch):
    monkeypatch.setattr("geosoil.program._pixel_loops.standardise_columns", None)
    for n_bands, fails in ((63, False), (64, True)):
        rows = torch.from_numpy(RNG.normal(size=(n_bands, 4)).astype(np.float32))
        run = Standardise().compile(owns_input=False)
        if fails:
            with pytest.raises(TypeError):
                run(rows, {})
        else:
            assert run(rows, {}).std(0).numpy() == pytest.approx(np.ones(4), rel=1e-5)
