"""Programs that are joined compute what they have in common once, and give the values that each gives alone."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from geosoil.program.lower import LoweredProgram
from geosoil.program.ops import Affine, Clip, Elementwise, InPlaceOp, Select
from geosoil.program.parallel import Parallel
from geosoil.program.shared_work import Joint, Shared, _content, join_programs
from geosoil.program.torch_backend import as_torch_function

N_FEATURES = 6
rng = np.random.default_rng(5)
ENCODER = (Affine(rng.normal(size=(4, N_FEATURES)), rng.normal(size=4)), Elementwise("relu"))
PIXELS = rng.normal(size=(N_FEATURES, 5000)).astype(np.float32)


@dataclass(frozen=True)
class Counted(InPlaceOp):
    """Adds 1, and counts how often it runs."""

    name: str = ""

    runs: ClassVar[list[str]] = []

    def apply_(self, x):
        self.runs.append(self.name)
        return x.add_(1)

    def differentiable(self, dtype):
        return lambda x: x + 1


@pytest.fixture(autouse=True)
def _no_runs():
    Counted.runs.clear()


def row(*numbers):
    return Affine(np.array([numbers], float), np.array([0.5]))


def values_of(program, pixels_at_once=1024):
    return LoweredProgram(program, N_FEATURES)(PIXELS, pixels_at_once)


def join(programs, pixels_at_once=1024):
    """Join programs; return the op, which are joined, its values, and those of each of these programs alone."""
    joint, joined = join_programs(programs)
    alone = np.concatenate([values_of(programs[number], pixels_at_once) for number in joined])
    Counted.runs.clear()
    return joint[0], joined, values_of(joint, pixels_at_once), alone


def test_steps_that_two_programs_start_with_run_once_in_each_batch():
    encoder = (*ENCODER, Counted())
    _, joined, values, alone = join([(*encoder, row(1, 2, 3, 4)), (*encoder, row(4, 3, 2, 1))])
    assert joined == [0, 1]
    assert len(Counted.runs) == 5  # batches of 1024 pixels
    np.testing.assert_array_equal(values, alone)


def test_a_step_that_writes_in_place_does_not_change_what_another_program_reads():
    first = ENCODER[:1]
    _, joined, values, alone = join(
        [(*first, Elementwise("relu")), (*first, Elementwise("exp")), (*first, Clip(0.0, 1.0)), first]
    )
    assert joined == [0, 1, 2, 3]
    np.testing.assert_array_equal(values, alone)


@pytest.mark.parametrize("behind", [((), ()), ((row(1, 2, 3, 4),), (row(1, 1, 1, 1),))])
def test_a_sum_does_not_write_into_what_another_program_reads(behind):
    total = Parallel((ENCODER, (Affine(np.ones((4, N_FEATURES)), np.zeros(4)),)), "sum")
    _, joined, values, alone = join([(total, *behind[0]), (*ENCODER, *behind[1])])
    assert joined == [0, 1]
    np.testing.assert_array_equal(values, alone)


def test_work_within_branches_is_shared_where_its_input_is_the_same():
    encoder = (*ENCODER, Counted("encoder"))
    programs = [
        (Parallel(((Select(np.array(chosen)),), (*encoder, row(*weights))), "concat"), row(1, 1, 2))
        for chosen, weights in (([0, 3], (1, 2, 3, 4)), ([2, 5], (4, 3, 2, 1)))
    ]
    joint, joined, values, alone = join(programs, pixels_at_once=8192)
    assert joined == [0, 1]
    assert Counted.runs == ["encoder"]
    np.testing.assert_array_equal(values, alone)
    assert [type(op) for op in joint.shared[0].ops] == [Affine, Elementwise, Counted]


def test_the_same_step_on_another_input_is_not_shared():
    behind = (Elementwise("exp"), Counted())
    programs = [(Affine(np.eye(N_FEATURES) * factor, np.zeros(N_FEATURES)), *behind) for factor in (2.0, 3.0)]
    assert join_programs(programs) == ((), [])
    step = Affine(np.ones((2, 3)), np.zeros(2))
    assert join_programs([(Select(np.array(chosen)), step) for chosen in ([5, 1, 3], [1, 5, 3])]) == ((), [])


def test_features_that_two_programs_select_are_shared_with_what_follows():
    first = (Select(np.array([5, 1, 3])), Affine(np.ones((2, 3)), np.zeros(2)), Counted())
    joint, _, values, alone = join([(*first, row(1, 2)), (*first, row(3, 4))], pixels_at_once=8192)
    assert Counted.runs == [""]
    assert isinstance(joint.shared[0].ops[0], Select)
    np.testing.assert_array_equal(values, alone)


def test_a_selection_alone_is_no_work_in_common():
    assert join_programs([(Select(np.array([5, 1, 3])), row(*weights)) for weights in ((1, 2, 3), (3, 2, 1))]) == (
        (),
        [],
    )


def test_a_program_that_shares_nothing_is_left_out():
    programs = [(*ENCODER, row(1, 2, 3, 4)), (row(*range(6)),), (*ENCODER, row(4, 3, 2, 1))]
    _, joined, values, alone = join(programs)
    assert joined == [0, 2]
    np.testing.assert_array_equal(values, alone)


def test_three_programs_share_their_first_step_and_two_of_them_one_more():
    first, second = (*ENCODER, Counted("all")), Counted("two")
    programs = [(*first, second, row(1, 2, 3, 4)), (*first, second, row(4, 3, 2, 1)), (*first, row(1, 1, 1, 1))]
    joint, _, values, alone = join(programs, pixels_at_once=8192)
    assert Counted.runs == ["all", "two"]
    assert len(joint.shared) == 2
    np.testing.assert_array_equal(values, alone)


def test_numbers_that_differ_in_one_place_are_other_work():
    weight = ENCODER[0].weight.copy()
    weight[3, 2] = np.nextafter(weight[3, 2], 9)
    programs = [(*ENCODER, row(1, 2, 3, 4)), (Affine(weight, ENCODER[0].bias), *ENCODER[1:], row(1, 2, 3, 4))]
    assert join_programs(programs) == ((), [])
    _, joined, values, alone = join([(*ENCODER, Clip(low, 1.0)) for low in (0.0, None)])
    assert joined == [0, 1]
    np.testing.assert_array_equal(values, alone)


def test_a_joint_program_can_be_differentiated_and_counts_its_outputs():
    programs = [(*ENCODER, row(1, 2, 3, 4)), (*ENCODER, row(4, 3, 2, 1))]
    (joint,), _ = join_programs(programs)
    assert isinstance(joint, Joint) and isinstance(joint.branches[0][0], Shared)
    assert joint.n_outputs(N_FEATURES) == 2
    assert joint.shared[0].n_outputs(N_FEATURES) == 4
    assert joint.shared[0].multiply_adds(N_FEATURES) == 4 * N_FEATURES

    import torch

    values = as_torch_function((joint,), torch.float64)(torch.from_numpy(PIXELS[:, :10].T.astype(float)))
    hidden = np.maximum(ENCODER[0].weight @ PIXELS[:, :10] + ENCODER[0].bias[:, None], 0)
    expected = np.array([[1, 2, 3, 4], [4, 3, 2, 1]]) @ hidden + 0.5
    np.testing.assert_allclose(values.numpy().T, expected, rtol=1e-6)


def test_branches_that_are_shared_as_a_whole_are_one_part():
    both = Parallel((ENCODER, (Affine(np.ones((4, N_FEATURES)), np.zeros(4)),)), "sum")
    joint, _, values, alone = join([(both, row(1, 2, 3, 4)), (both, row(4, 3, 2, 1))])
    np.testing.assert_array_equal(values, alone)
    assert [type(op) for op in joint.shared[0].ops] == [Parallel]
    assert len(joint.shared) == 1


def test_arrays_of_another_shape_or_type_are_other_work():
    values = np.zeros((2, 3))
    assert _content(Affine(values, np.zeros(2))) == _content(Affine(values.copy(), np.zeros(2)))
    for other in (values.reshape(3, 2), values.astype(np.int64), values + 1):
        assert _content(Affine(other, np.zeros(2))) != _content(Affine(values, np.zeros(2)))
    assert _content(Elementwise("exp")) != _content(Elementwise("relu"))
