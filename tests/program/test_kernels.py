"""The op of covariances."""

import numpy as np
import pytest
import torch

from geosoil.numerics.covariance import CORRELATIONS, correlation
from geosoil.program.kernels import Covariance, rate_of
from geosoil.program.lower import compile_program
from geosoil.program.ops import Affine, Select
from geosoil.program.simplify import prune_program

RNG = np.random.default_rng(1)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_the_op_is_the_covariance_function_in_both_its_forms(name: str) -> None:
    support, rows = RNG.normal(size=(5, 4)), RNG.normal(size=(9, 4))
    op = Covariance(support, rate_of(name, 1.7), name, 2.5)  # type: ignore[arg-type]
    expected = 2.5 * correlation(name, torch.cdist(torch.from_numpy(rows), torch.from_numpy(support)), 1.7).numpy()
    values = compile_program((op,), 4)(rows.T.astype(np.float32)).T
    assert values == pytest.approx(expected, abs=2e-5)
    precise = op.differentiable(torch.float64)(torch.from_numpy(rows)).numpy()
    assert precise == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", CORRELATIONS)
def test_a_row_of_the_support_has_the_amplitude(name: str) -> None:
    support = RNG.normal(size=(3, 4))
    op = Covariance(support, rate_of(name, 0.8), name, 1.5)  # type: ignore[arg-type]
    values = compile_program((op,), 4)(support.T.astype(np.float32))
    assert np.diag(values) == pytest.approx(np.full(3, 1.5), abs=5e-3 if name == "exponential" else 1e-5)


def test_pruning_keeps_only_the_samples_that_are_read() -> None:
    op = Covariance(RNG.normal(size=(6, 2)), 1.0, "matern52", 1.0)
    program, needed = prune_program((op, Select(np.array([4, 1]))), np.arange(2), 2)
    assert needed.tolist() == [0, 1]
    assert np.array_equal(program[0].support, op.support[[4, 1]])  # type: ignore[attr-defined]
    assert op.multiply_adds(2) == 12
    assert op.n_outputs(2) == 6
    assert op.has_kernel


def test_the_input_of_another_op_is_not_changed_for_the_next_batch() -> None:
    op = Covariance(RNG.normal(size=(4, 3)), 1.0, "matern32", 1.0)
    program = compile_program((Affine(np.eye(3)[[1, 0, 2]] * 2.0, np.ones(3)), op), 3)
    rows = RNG.normal(size=(3, 5000)).astype(np.float32)
    assert np.array_equal(program(rows)[:, :7], program(rows[:, :7]))
