import numpy as np
import pytest

from geosoil.errors import RecipeError, SamplesError
from geosoil.spectra.scatter import MSC, SNV, Detrend

NM = np.linspace(400, 2500, 43)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_flat_spectrum_has_no_snv(dtype):
    found = SNV().fit_transform(np.array([np.full(43, 0.3), np.linspace(0.1, 0.3, 43)], dtype=dtype))
    assert np.isnan(found[0]).all() and np.isfinite(found[1]).all()


def test_snv_is_per_row_and_never_per_column():
    X = np.random.default_rng(0).uniform(0.1, 0.5, (5, 43))
    found = SNV().fit_transform(X)
    np.testing.assert_allclose(found.mean(axis=1), 0, atol=1e-12)
    np.testing.assert_allclose(found.std(axis=1, ddof=1), 1)
    assert not np.allclose(found.mean(axis=0), 0, atol=1e-2)


def test_detrending_removes_every_polynomial_of_its_degree():
    parabola = 0.2 + 1e-4 * NM + 3e-8 * NM**2
    np.testing.assert_allclose(Detrend(NM.tolist(), degree=2).fit_transform([parabola]), 0, atol=1e-10)
    assert np.abs(Detrend(NM.tolist(), degree=1).fit_transform([parabola])).max() > 0.01


def test_detrending_without_snv_keeps_the_scale():
    bump = np.exp(-(((NM - 1400) / 50) ** 2))
    once, twice = Detrend(NM.tolist(), snv=False).fit_transform([bump, 2 * bump])
    np.testing.assert_allclose(twice, 2 * once, atol=1e-12)


def test_a_polynomial_with_more_terms_than_bands_is_refused():
    with pytest.raises(RecipeError, match="degree=43"):
        Detrend(NM.tolist(), degree=43).fit(np.ones((2, 43)))


def test_msc_keeps_the_reference_of_the_training_set():
    rng = np.random.default_rng(1)
    train, test = rng.uniform(0.1, 0.5, (2, 20, 43))
    alone = MSC().fit(train).transform(test[:1])
    np.testing.assert_allclose(MSC().fit(train).transform(test)[:1], alone)
    assert not np.allclose(MSC().fit_transform(test)[:1], alone)


def test_the_reference_is_the_mean_of_complete_spectra():
    X = np.random.default_rng(2).uniform(0.1, 0.5, (6, 43))
    holed = X.copy()
    holed[0, 5] = np.nan
    np.testing.assert_allclose(MSC().fit(holed).reference_, X[1:].mean(axis=0))


@pytest.mark.parametrize(
    ("reference", "X"),
    [
        (None, np.full((2, 3), np.nan)),
        ([1.0, 2.0], np.ones((2, 3))),
        ([1.0, 1.0, 1.0], np.ones((2, 3))),
        ([1.0, np.nan, 2.0], np.ones((2, 3))),
    ],
    ids=["all NaN", "other length", "flat", "holed"],
)
def test_a_reference_that_cannot_serve_is_refused(reference, X):
    with pytest.raises(SamplesError, match="MSC"):
        MSC(reference).fit(X)
