"""Dissimilarities between spectra have known values, also where a spectrum has no shape."""

import numpy as np
import pytest

from geosoil.numerics.distances import (
    correlation_dissimilarity,
    cosine_dissimilarity,
    euclidean_dissimilarity,
    principal_axes,
)


def test_a_flat_spectrum_has_no_correlation_and_no_nan():
    spectra, flat = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]), np.array([[1.5, 1.5, 1.5]])
    np.testing.assert_array_equal(correlation_dissimilarity(spectra, flat, together=False), [[0.5], [0.5]])
    assert cosine_dissimilarity(np.zeros((1, 2)), np.array([[1.0, 2.0]]), together=False)[0, 0] == pytest.approx(
        np.pi / 2
    )


def test_correlation_is_0_for_the_same_shape_and_1_for_the_opposite_one():
    X = np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]])
    np.testing.assert_allclose(correlation_dissimilarity(X, X), [[0, 1], [1, 0]], atol=1e-12)


def test_the_euclidean_dissimilarity_does_not_grow_with_the_number_of_bands():
    X, Y = np.array([[0.1, 0.4]]), np.array([[0.3, 0.1]])
    repeated = euclidean_dissimilarity(np.tile(X, 2), np.tile(Y, 2))
    np.testing.assert_allclose(repeated, euclidean_dissimilarity(X, Y))


def test_principal_axes_are_as_many_as_asked_for_or_as_explain_the_share():
    rows = np.array([[-3.0, 0.0, 0.0], [3.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 1.0, 0.0]])
    assert principal_axes(rows)[1:] == (2, 2)
    assert principal_axes(rows, 0.9)[2] == 1  # 18 of 20 is the share of the first axis
    assert principal_axes(rows, 0.91)[2] == 2
    assert principal_axes(rows, 5)[2] == 5
