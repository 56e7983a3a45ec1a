import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial import ConvexHull

from geosoil.errors import RecipeError
from geosoil.spectra.continuum import ContinuumRemoval, upper_hull

NM = np.array([400.0, 410.0, 450.0, 500.0, 505.0, 600.0, 700.0, 720.0, 800.0])


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (3, len(NM)), elements=st.floats(0, 1, width=16)))
def test_the_hull_lies_on_or_above_is_concave_and_touches_both_ends(X):
    hull = upper_hull(NM, X)
    assert (hull >= X - 1e-12).all()
    assert (np.diff(np.diff(hull, axis=1) / np.diff(NM), axis=1) <= 1e-12).all()
    np.testing.assert_array_equal(hull[:, [0, -1]], X[:, [0, -1]])


def test_the_hull_has_the_corners_of_qhull():
    X = np.random.default_rng(3).uniform(0.1, 0.6, (25, len(NM)))
    for row, hull in zip(X, upper_hull(NM, X), strict=True):
        corners = ConvexHull(np.column_stack([np.r_[NM, NM[[0, -1]]], np.r_[row, -1, -1]])).vertices
        corners = np.sort(corners[corners < len(NM)])
        np.testing.assert_allclose(hull, np.interp(NM, NM[corners], row[corners]))


def test_a_concave_spectrum_is_its_own_continuum():
    X = np.sqrt(NM)[None] / 100
    np.testing.assert_allclose(ContinuumRemoval(NM.tolist()).fit_transform(X), 1)
    np.testing.assert_allclose(ContinuumRemoval(NM.tolist(), method="subtraction").fit_transform(X), 1)


def test_the_depth_of_an_absorption_is_found():
    line = 0.2 + 1e-4 * NM
    X = line.copy()
    X[4] *= 0.7
    found = ContinuumRemoval(NM.tolist()).fit_transform([X])[0]
    assert found[4] == pytest.approx(0.7)
    np.testing.assert_allclose(np.delete(found, 4), 1)


def test_a_spectrum_of_zeros_has_no_ratio():
    assert np.isnan(ContinuumRemoval(NM.tolist()).fit_transform(np.zeros((1, len(NM))))).all()


@pytest.mark.parametrize("parameters", [{"method": "division"}, {"quantity": "A"}], ids=str)
def test_an_unknown_choice_is_refused(parameters):
    with pytest.raises(RecipeError, match=next(iter(parameters))):
        ContinuumRemoval(NM.tolist(), **parameters).fit(np.ones((1, len(NM))))
