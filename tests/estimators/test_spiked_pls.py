"""Spiking: copies of a site's rows among a library's, judged on the site alone, averaged by how they did."""

import numpy as np
import pytest
from sklearn.cross_decomposition import PLSRegression

from geosoil.errors import SamplesError
from geosoil.estimators.spiked_pls import SpikedPLS
from geosoil.program.lower import compile_program

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 6))
OF_SITE = np.arange(60) % 4 == 0
Y = X @ [1.0, -2.0, 0.5, 0.0, 0.3, 0.1] + np.where(OF_SITE, 0.8 * X[:, 3], 0) + RNG.normal(0, 0.3, 60)


def spiked(weight, left_out=()):
    """Rows of the library once and of the site `weight` times, but for some."""
    site = np.setdiff1d(np.flatnonzero(OF_SITE), left_out)
    return np.concatenate([np.flatnonzero(~OF_SITE), np.repeat(site, weight)])


def pls(rows, n_components):
    return PLSRegression(n_components, scale=False).fit(X[rows], Y[rows])


def test_one_model_alone_is_pls_on_the_library_and_copies_of_the_site():
    model = SpikedPLS(weights=(3,), alone=False, max_components=1).fit(X, Y, OF_SITE)
    np.testing.assert_allclose(model.predict(X), pls(spiked(3), 1).predict(X), rtol=1e-9)
    assert model.share_.tolist() == [[1.0]]


def test_shares_follow_the_error_on_rows_of_the_site_that_were_left_out():
    model = SpikedPLS(weights=(1, 5), max_components=3, sharpness=2.0, n_folds=3, random_state=1).fit(X, Y, OF_SITE)
    site = np.flatnonzero(OF_SITE)
    folds = np.random.default_rng(1).permutation(len(site)) % 3
    mse = np.empty((3, 3))
    for i, rows_of in enumerate([lambda out: spiked(1, out), lambda out: spiked(5, out), np.setdiff1d]):
        for n_components in (1, 2, 3):
            squares = []
            for fold in range(3):
                out = site[folds == fold]
                rows = rows_of(site, out) if rows_of is np.setdiff1d else rows_of(out)
                squares.extend((pls(rows, n_components).predict(X[out]) - Y[out]) ** 2)
            mse[i, n_components - 1] = np.mean(squares)
    share = mse**-2.0
    np.testing.assert_allclose(model.share_, share / share.sum(), rtol=1e-8)
    assert model.cross_validated_rmse_ == pytest.approx(np.sqrt(mse.min()))

    whole = [spiked(1), spiked(5), site]
    each = [[pls(rows, a).predict(X) for a in (1, 2, 3)] for rows in whole]
    np.testing.assert_allclose(model.predict(X), np.tensordot(model.share_, each, 2), rtol=1e-8)


def test_a_sharp_choice_is_the_best_single_model():
    model = SpikedPLS(max_components=4, sharpness=1e4).fit(X, Y, OF_SITE)
    assert model.share_.max() > 0.999


def test_components_that_a_small_site_alone_cannot_have_get_no_share():
    site_rows = np.isin(np.arange(60), [0, 4, 8, 12, 16])
    model = SpikedPLS(weights=(1,), max_components=6, n_folds=5).fit(X, Y, site_rows)
    assert (model.share_[1, 3:] == 0).all()  # four rows to learn from: three components
    assert (model.share_[0] > 0).all()
    assert np.isfinite(model.coef_).all()


def test_it_lowers_to_one_row_of_a_matrix():
    model = SpikedPLS(max_components=2).fit(X, Y, OF_SITE)
    lowered = compile_program(model.lower(), 6)(X.T.astype(np.float32))
    np.testing.assert_allclose(lowered[0], model.predict(X), atol=1e-5)


def test_fewer_rows_of_the_site_than_folds_are_refused():
    with pytest.raises(SamplesError, match="site: found 3 samples; expected at least 5"):
        SpikedPLS().fit(X, Y, np.arange(60) < 3)
