"""An op brings everything with it that the simplifier, both torch forms, the costs and the explanations need."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from geosoil.program.convolution import Convolve
from geosoil.program.kernels import Covariance
from geosoil.program.lower import LoweredProgram, compile_program
from geosoil.program.ops import Affine, InPlaceOp, Op, Select, count_multiply_adds
from geosoil.program.parallel import Parallel
from geosoil.program.simplify import simplify
from geosoil.program.torch_backend import as_torch_function, kept_tensor


@dataclass(frozen=True)
class Shift(InPlaceOp):
    """Add a number: an op that the package does not know."""

    by: float

    def apply_(self, x):
        return x.add_(self.by)

    def differentiable(self, dtype):
        return lambda x: x + self.by


@dataclass(frozen=True)
class SumOfPairs(Op):
    """Add neighbouring features, two by two."""

    def n_outputs(self, n_inputs):
        return n_inputs // 2

    def multiply_adds(self, n_inputs):
        return n_inputs

    def compile(self, *, owns_input):
        key = object()
        return lambda x, s: torch.add(x[::2], x[1::2], out=kept_tensor(s, key, len(x) // 2, x))

    def differentiable(self, dtype):
        return lambda x: x[:, ::2] + x[:, 1::2]


def test_an_op_that_is_defined_elsewhere_is_simplified_run_counted_and_differentiated():
    program = (
        Select(np.array([3, 0, 1, 2])),
        Parallel(((SumOfPairs(),), (Shift(0.5),)), "concat"),
        Shift(1.0),
        Select(np.array([1, 2])),
    )
    x = np.arange(8, dtype=np.float32).reshape(4, 2)
    expected = [[x[1, 0] + x[2, 0] + 1, x[3, 0] + 1.5], [x[1, 1] + x[2, 1] + 1, x[3, 1] + 1.5]]
    simple, needed = simplify(program, 4)
    assert needed.tolist() == [0, 1, 2, 3]
    assert compile_program(program, 4)(x).T.tolist() == expected
    inputs = torch.from_numpy(x.T.copy()).requires_grad_()
    outputs = as_torch_function(simple)(inputs)
    assert outputs.tolist() == expected
    assert torch.autograd.grad(outputs[:, 0].sum(), inputs)[0].tolist() == [[0.0, 1.0, 1.0, 0.0]] * 2
    assert count_multiply_adds(program, 4) == 4


def test_an_op_leaves_the_input_of_a_program_as_it_was():
    x = np.ones((3, 4), np.float32)
    assert compile_program((Shift(2.0),), 3)(x).max() == 3.0
    assert x.max() == 1.0


def test_a_convolution_runs_on_fewer_pixels_and_a_kernel_is_found_in_a_branch():
    convolution = Convolve(np.ones((1, 1, 3)), np.zeros(1))
    assert compile_program((Affine(np.ones((4, 2)), np.zeros(4)), convolution), 2)._batch.size == 256
    assert compile_program((Shift(1.0),), 2)._batch.size == 2048
    kernel = Covariance(np.zeros((1, 2)), 1.0)
    assert Parallel(((), (Parallel((((kernel),),), "sum"),)), "concat").has_kernel
    assert not Parallel(((), (Shift(1.0),)), "concat").has_kernel


def test_an_op_without_its_torch_forms_cannot_be_made():
    class Unfinished(Op):
        def n_outputs(self, n_inputs):
            return n_inputs

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


def test_pixels_with_gaps_have_no_value_whatever_the_program_does():
    values = np.arange(40.0, dtype=np.float32).reshape(2, 20)
    values[1, [0, 7, 16, 17, 18, 19]] = np.nan
    values[0, 3] = np.inf
    ignoring = LoweredProgram((Select(np.array([0])), Affine(np.array([[2.0]]), np.array([1.0]))), 2)
    expected = 2 * values[:1] + 1
    np.testing.assert_array_equal(ignoring(values, 8), expected)
    expected[:, ~np.isfinite(values).all(axis=0)] = np.nan
    for at_once in (4, 8, 32):
        np.testing.assert_array_equal(ignoring(values, at_once, mask_gaps=True), expected)


def test_a_batch_of_gaps_is_not_computed():
    runs = []

    @dataclass(frozen=True)
    class Recorded(InPlaceOp):
        def apply_(self, x):
            runs.append(x.shape[1])
            return x

        def differentiable(self, dtype):
            return lambda x: x

    values = np.full((2, 12), np.nan, np.float32)
    values[:, 5] = 1.0
    result = LoweredProgram((Recorded(),), 2)(values, 4, mask_gaps=True)
    assert runs == [4] and np.isfinite(result).sum() == 2
