"""A simplified program computes what the plain one does, and reads only what it needs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geosoil.program.kernels import Covariance
from geosoil.program.lower import compile_program
from geosoil.program.ops import Affine, Clip, Elementwise, Select, Standardise, output_size
from geosoil.program.parallel import Parallel
from geosoil.program.simplify import needed_inputs, simplify


def run_plainly(program, x):
    """The meaning of every op, in float64 and without any rule."""
    for op in program:
        if isinstance(op, Affine):
            x = op.weight @ x + op.bias[:, None]
        elif isinstance(op, Select):
            x = x[op.index]
        elif isinstance(op, Elementwise):
            x = {"relu": lambda v: np.maximum(v, 0), "exp": np.exp, "square": np.square}[op.name](x)
        elif isinstance(op, Clip):
            x = np.clip(x, op.low, op.high)
        elif isinstance(op, Standardise):
            x = (x - x.mean(0)) / x.std(0, ddof=1)
        elif isinstance(op, Covariance):
            x = np.exp(-op.rate * ((x[None] - op.support[:, :, None]) ** 2).sum(1))
        else:
            parts = [run_plainly(branch, x) for branch in op.branches]
            x = np.concatenate(parts) if op.how == "concat" else np.sum(parts, axis=0)
    return x


def random_program(rng, n, depth):
    ops = []
    for _ in range(rng.integers(1, 5)):
        kind = rng.choice(["affine", "diagonal", "select", "relu", "clip", "snv", "rbf", "concat", "sum"])
        size = int(rng.integers(1, 6))
        if kind == "affine":
            weight = rng.normal(size=(size, n)) * rng.integers(0, 2, size=(size, n))
            ops.append(Affine(weight, rng.normal(size=size)))
        elif kind == "diagonal":
            ops.append(Affine(np.diag(rng.normal(size=n)), rng.normal(size=n)))
        elif kind == "select":
            ops.append(Select(rng.integers(0, n, size)))
        elif kind == "relu":
            ops.append(Elementwise("relu"))
        elif kind == "clip":
            ops.append(Clip(-1.0, None))
        elif kind == "snv" and n > 2:
            ops.append(Affine(np.eye(n) + 0.1, np.arange(n, dtype=float)))
            ops.append(Standardise())
        elif kind == "rbf":
            ops.append(Covariance(rng.normal(size=(size, n)), 0.1))
        elif kind == "concat" and depth:
            branches = [random_program(rng, n, depth - 1) for _ in range(2)]
            ops.append(Parallel((*branches, ()), "concat"))
        elif kind == "sum" and depth:
            branches = [random_program(rng, n, depth - 1) for _ in range(2)]
            sizes = [output_size(branch, n) for branch in branches]
            ends = tuple(
                (*b, Affine(rng.normal(size=(2, s)), np.ones(2))) for b, s in zip(branches, sizes, strict=True)
            )
            ops.append(Parallel(ends, "sum"))
        n = output_size(tuple(ops[-1:]), n) if ops else n
    return tuple(ops)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_a_simplified_program_computes_what_the_plain_one_does(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(1, 7))
    program = random_program(rng, n, 2)
    x = rng.normal(size=(n, 5))
    expected = run_plainly(program, x)
    scale = 1 + np.abs(expected).max() if np.isfinite(expected).all() else np.inf
    if not scale < 1e3:  # a degenerate draw: nearly constant columns before a division
        return
    simple, needed = simplify(program, n)
    np.testing.assert_allclose(run_plainly(simple, x[needed]), expected, atol=1e-7 * scale)
    compiled = compile_program(program, n)
    if not any(isinstance(op, Standardise) for op in program):
        np.testing.assert_allclose(compiled(x[needed].astype(np.float32)), expected, atol=1e-3 * scale)


def test_bands_that_nobody_reads_are_not_asked_for():
    program = (Affine(np.diag(np.ones(6)), np.zeros(6)), Select(np.array([4, 1])), Covariance(np.zeros((3, 2)), 1.0))
    assert needed_inputs(program, 6).tolist() == [1, 4]


def test_decoder_outputs_that_nobody_reads_are_not_computed():
    decoder = Affine(np.ones((100, 8)), np.zeros(100))
    program = (Affine(np.ones((8, 5)), np.zeros(8)), Elementwise("relu"), decoder, Select(np.array([3, 70])))
    assert compile_program(program, 5).multiply_adds == 8 * 5 + 2 * 8


def test_neighbouring_linear_steps_are_one_matrix():
    rng = np.random.default_rng(0)
    steps = tuple(Affine(rng.normal(size=(4, 4)), rng.normal(size=4)) for _ in range(5))
    simple, _ = simplify(steps, 4)
    assert len(simple) == 1


def test_a_linear_model_on_mixed_features_is_added_up_branch_by_branch():
    mixed = Parallel(((Select(np.arange(3)),), (Affine(np.ones((4, 3)), np.ones(4)),)), "concat")
    simple, _ = simplify((mixed, Affine(np.arange(7.0)[None], np.zeros(1))), 3)
    assert len(simple) == 1


@pytest.mark.parametrize("pixels_at_once", [1, 7, 64, 1000])
def test_the_result_does_not_depend_on_how_many_pixels_run_together(pixels_at_once):
    rng = np.random.default_rng(0)
    program = (
        Affine(rng.normal(size=(9, 6)), rng.normal(size=9)),
        Elementwise("relu"),
        Covariance(rng.normal(size=(4, 9)), 0.1),
    )
    x = rng.normal(size=(6, 301)).astype(np.float32)
    np.testing.assert_allclose(
        compile_program(program, 6)(x, pixels_at_once=pixels_at_once), run_plainly(program, x), atol=1e-5
    )


def test_running_a_program_leaves_denormal_numbers_to_others_as_they_were():
    program = (Covariance(np.full((1, 2), 1e3), 1.0), Affine(np.ones((1, 1)), np.zeros(1)))
    assert compile_program(program, 2)(np.zeros((2, 3), np.float32)).tolist() == [[0.0, 0.0, 0.0]]
    assert np.float32(1e-40) * np.float32(1) > 0
