"""The weighted sum of covariances with samples: exact over a hundred kilometres, in all its forms."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from geosoil.program.kernel_sum import KernelSum
from geosoil.program.kernels import rate_of
from geosoil.program.lower import compile_program
from geosoil.program.ops import Affine
from geosoil.program.torch_backend import as_torch_function

CORRELATIONS = {
    "exponential": lambda t: np.exp(-t),
    "matern32": lambda t: (1 + 3**0.5 * t) * np.exp(-(3**0.5) * t),
    "matern52": lambda t: (1 + 5**0.5 * t + 5 / 3 * t**2) * np.exp(-(5**0.5) * t),
    "rbf": lambda t: np.exp(-(t**2) / 2),
}


def sums(name):
    """Return an op of 300 samples over 100 km, places of pixels, and their sums in float64."""
    rng = np.random.default_rng(0)
    support, weights = rng.uniform(-50_000, 50_000, (300, 2)), rng.normal(size=300)
    centre, scale = np.array([1000.0, -500.0]), np.array([2e-5, 2e-5])
    op = KernelSum((support - centre) * scale, centre, scale, rate_of(name, 900 * 2e-5), name, weights, 13.0)
    pixels = rng.uniform(-50_000, 50_000, (5000, 2)).round().astype(np.float32)
    pixels[:300] = support.round() + rng.integers(-400, 400, (300, 2))  # near samples, where the sums matter
    expected = CORRELATIONS[name](cdist(pixels.astype(np.float64), support) / 900) @ weights + 13
    return op, pixels, expected


@pytest.mark.parametrize("name", CORRELATIONS)
def test_sums_over_a_hundred_kilometres_are_exact_up_to_the_rounding_of_the_result(name):
    op, pixels, expected = sums(name)
    found = compile_program((op,), 2)(pixels.T)[0]
    assert np.ptp(expected) > 1
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-7)  # half a unit in the last place of 13


@pytest.mark.parametrize("name", CORRELATIONS)
def test_the_form_that_can_be_differentiated_computes_the_same(name):
    op, pixels, expected = sums(name)
    function = as_torch_function((op,), torch.float64)
    np.testing.assert_allclose(function(torch.from_numpy(pixels[:400].astype(float)))[:, 0], expected[:400], atol=1e-7)


def test_a_factor_and_an_offset_behind_the_sum_become_part_of_it():
    op, pixels, expected = sums("matern32")
    program = compile_program((op, Affine(np.array([[2.0]]), np.array([-20.0]))), 2)
    assert len(program.program) == 1
    np.testing.assert_allclose(program(pixels.T)[0], 2 * expected - 20, rtol=0, atol=5e-7)


def test_a_pixel_does_not_depend_on_how_many_are_computed_with_it():
    op, pixels, _ = sums("matern32")
    program = compile_program((op,), 2)
    whole = program(pixels.T)[0]
    for start, stop in ((0, 1), (7, 300), (3000, 5000)):
        np.testing.assert_array_equal(program(pixels[start:stop].T)[0], whole[start:stop])
