import numpy as np
import pytest

from geosoil.errors import RecipeError
from geosoil.spectra.smooth import SavitzkyGolay

NM = np.arange(400.0, 701.0, 10.0)


@pytest.mark.parametrize("edges", ["interp", "cut"])
@pytest.mark.parametrize("derivative", [0, 1, 2])
def test_a_polynomial_of_its_order_is_met_exactly_up_to_the_edges(edges, derivative):
    polynomial = np.polynomial.Polynomial([0.3, -1e-3, 2e-6])
    found = SavitzkyGolay(7, 2, derivative, delta_nm=10.0, edges=edges).fit_transform([polynomial(NM)])
    nm = NM[3:-3] if edges == "cut" else NM
    np.testing.assert_allclose(found, [(polynomial.deriv(derivative) if derivative else polynomial)(nm)], atol=1e-10)


def test_every_band_stays_unless_edges_are_cut():
    X = np.random.default_rng(0).uniform(size=(3, len(NM)))
    whole, cut = SavitzkyGolay(11).fit_transform(X), SavitzkyGolay(11, edges="cut").fit_transform(X)
    assert whole.shape == X.shape
    np.testing.assert_allclose(whole[:, 5:-5], cut)


def test_the_names_of_cut_bands_are_gone():
    names = SavitzkyGolay(5, edges="cut").fit(np.ones((2, 6))).get_feature_names_out(list("abcdef"))
    assert names.tolist() == ["c", "d"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"window_bands": 10},
        {"window_bands": 33},
        {"window_bands": 1, "polynomial_order": 0},
        {"polynomial_order": 11},
        {"derivative": 3},
        {"derivative": -1},
        {"delta_nm": 0.0},
        {"edges": "mirror"},
    ],
    ids=str,
)
def test_a_window_that_is_not_valid_is_refused(parameters):
    with pytest.raises(RecipeError, match=next(iter(parameters))):
        SavitzkyGolay(**parameters).fit(np.ones((2, len(NM))))
