"""The ops of a convolutional net compute what torch's layers compute, and a simplified program the same."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from geosoil.program.convolution import Convolve, MaxPool, ScaleChannels
from geosoil.program.lower import compile_program
from geosoil.program.ops import Affine, Elementwise, Select, output_size
from geosoil.program.parallel import Parallel
from geosoil.program.simplify import simplify
from geosoil.program.torch_backend import as_torch_function

RNG = np.random.default_rng(0)


def by_position(x):
    """`(sample, channel, position)` -> features `(feature, sample)`."""
    return np.ascontiguousarray(x.transpose(2, 1, 0).reshape(-1, len(x)))


@pytest.mark.parametrize(("length", "width"), [(7, 3), (2, 3), (1, 3), (3, 5), (6, 1)])
def test_a_convolution_is_torch_s_with_zeros_beyond_the_ends(length, width):
    x = RNG.normal(size=(5, 4, length)).astype(np.float32)
    weight, bias = RNG.normal(size=(3, 4, width)), RNG.normal(size=3)
    program = (Convolve(weight, bias),)
    tensors = (torch.from_numpy(values.astype(np.float32)) for values in (x, weight, bias))
    expected = by_position(functional.conv1d(*tensors, padding=width // 2).numpy())
    assert output_size(program, 4 * length) == 3 * length
    np.testing.assert_allclose(compile_program(program, 4 * length)(by_position(x)), expected, atol=1e-5)


def test_a_max_pool_drops_what_is_not_a_whole_window_and_channels_are_scaled_one_by_one():
    x = RNG.normal(size=(5, 2, 7)).astype(np.float32)
    scale, shift = np.array([2.0, -1.0]), np.array([0.5, 0.0])
    expected = functional.max_pool1d(torch.from_numpy(x), 3).numpy() * scale[:, None] + shift[:, None]
    program = (MaxPool(3, 2), ScaleChannels(scale, shift))
    np.testing.assert_allclose(compile_program(program, 14)(by_position(x)), by_position(expected), atol=1e-6)


def residual_program():
    inner = (Convolve(RNG.normal(size=(4, 4, 3)), RNG.normal(size=4)), Elementwise("leaky_relu"))
    return (
        Affine(RNG.normal(size=(20, 6)), RNG.normal(size=20)),
        Parallel(((), inner), "sum"),
        ScaleChannels(RNG.normal(size=4), RNG.normal(size=4)),
        Elementwise("relu"),
        MaxPool(2, 4),
        Select(np.array([5, 2])),
    )


def test_simplified_compiled_and_differentiable_programs_agree():
    program, x = residual_program(), RNG.normal(size=(6, 300)).astype(np.float32)
    simple, needed = simplify(program, 6)
    assert needed.tolist() == list(range(6))
    with torch.no_grad():
        plain = as_torch_function(program, torch.float64)(torch.from_numpy(x.T.astype(float))).numpy()
        shorter = as_torch_function(simple, torch.float64)(torch.from_numpy(x.T.astype(float))).numpy()
    np.testing.assert_allclose(shorter, plain, atol=1e-12)
    np.testing.assert_allclose(compile_program(program, 6)(x).T, plain, atol=1e-4)
