"""Several programs of the same input as one, which computes only once what they have in common.

Models of several properties often start with the same steps: one network turns satellite spectra into laboratory-like
ones, and each property has its own regressor after it. Two ops do the same work if they are of the same kind, hold
equal arrays and read the same input. Such ops run once for each batch of pixels.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.program.ops import Op, Select, count_multiply_adds, output_size
from geosoil.program.parallel import Parallel
from geosoil.program.torch_backend import as_torch_function, compile_chain

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import torch

    from geosoil.program.ops import Program
    from geosoil.program.torch_backend import Function, Run, Scratch


@dataclass(frozen=True, eq=False)
class Shared(Op):
    """Ops whose output several branches of a `Joint` read; it is computed by the first of them in each batch.

    Parameters
    ----------
    ops : tuple of Op
    """

    ops: Program

    keeps_output = True

    def n_outputs(self, n_inputs: int) -> int:
        return output_size(self.ops, n_inputs)

    def multiply_adds(self, n_inputs: int) -> int:
        return count_multiply_adds(self.ops, n_inputs)

    def compile(self, *, owns_input: bool) -> Run:
        chain = compile_chain(self.ops)

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            if id(self) not in scratch:
                scratch[id(self)] = chain(x, scratch)
            return scratch[id(self)]

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        return as_torch_function(self.ops, dtype)


@dataclass(frozen=True)
class Joint(Parallel):
    """Programs of the same input, side by side, with parts in common.

    Parameters
    ----------
    branches : tuple of programs
    how : {"concat"}
    shared : tuple of Shared
        The parts in common.
    """

    shared: tuple[Shared, ...] = ()

    def compile(self, *, owns_input: bool) -> Run:
        concatenate = super().compile(owns_input=owns_input)

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            for part in self.shared:
                scratch.pop(id(part), None)  # what the batch before computed
            return concatenate(x, scratch)

        return run


def join_programs(programs: Sequence[Program]) -> tuple[Program, list[int]]:
    """Join those of several programs of the same input that have work in common.

    Parameters
    ----------
    programs : sequence of programs
        They are simplified already, see `simplify`.

    Returns
    -------
    program : tuple of Op
        It computes the outputs of the joined programs in turn; empty if there are none.
    joined : list of int
        The numbers of these programs: each has an op, other than a selection of features, that another one has, too.

    Examples
    --------
    >>> from geosoil.program.ops import Affine, Elementwise
    >>> first = Affine(np.array([[1.0, 2.0], [3.0, 4.0]]), np.zeros(2))
    >>> programs = [(first, Elementwise("relu"), Affine(np.array([[slope, 1.0]]), np.zeros(1))) for slope in (5.0, 6.0)]
    >>> (joint,), joined = join_programs([*programs, (Elementwise("exp"),)])
    >>> joined, [[type(op).__name__ for op in part] for part in (joint.branches[0], joint.shared[0].ops)]
    ([0, 1], [['Shared', 'Affine'], ['Affine', 'Elementwise']])
    """
    work = _Work()
    for program in programs:
        work.count(program)
    joined = [number for number, program in enumerate(programs) if work.is_repeated(program)]
    if not joined:
        return (), []
    branches = tuple(work.share(programs[number]) for number in joined)
    return (Joint(branches, "concat", tuple(work.shared.values())),), joined


class _Work:
    """Gives a number to each op on a certain input, and counts how often it occurs; the input of all programs is 0."""

    def __init__(self) -> None:
        self.shared: dict[int, Shared] = {}  # by the number of the last op
        self._numbers: dict[Hashable, int] = {}
        self._counts: Counter[int] = Counter()

    def count(self, program: Program, source: int = 0) -> None:
        """Count every op of a program, those of its branches included."""
        for op, number in self._numbered(program, source):
            self._counts[number] += 1
            for branch in _branches(op):
                self.count(branch, source)
            source = number

    def is_repeated(self, program: Program, source: int = 0) -> bool:
        """Return whether an op of a program, other than a selection, occurs more than once."""
        for op, number in self._numbered(program, source):
            if self._counts[number] > 1 and not isinstance(op, Select):
                return True
            if any(self.is_repeated(branch, source) for branch in _branches(op)):
                return True
            source = number
        return False

    def share(self, program: Program, source: int = 0, n_around: int = 1) -> Program:
        """Return a program whose ops are `Shared` where they occur more often than what is around them."""
        numbered = self._numbered(program, source)
        counts = [*(self._counts[number] for _, number in numbered), n_around]
        ops: list[Op] = []
        for place, (op, number) in enumerate(numbered):
            if isinstance(op, Parallel):
                branches = tuple(self.share(branch, source, counts[place]) for branch in op.branches)
                op = replace(op, branches=branches)
            ops.append(op)
            if counts[place] > counts[place + 1]:
                ops = [self.shared.setdefault(number, Shared(tuple(ops)))]
            source = number
        return tuple(ops)

    def _numbered(self, program: Program, source: int) -> list[tuple[Op, int]]:
        """Return the ops of a program with their numbers."""
        numbered = []
        for op in program:
            source = self._numbers.setdefault((_content(op), source), len(self._numbers) + 1)
            numbered.append((op, source))
        return numbered


def _branches(op: Op) -> tuple[Program, ...]:
    return op.branches if isinstance(op, Parallel) else ()


def _content(value: Any) -> Hashable:
    """Return a key that is equal for ops of the same kind that hold equal values, and for no others."""
    if isinstance(value, Op):
        return type(value), tuple(_content(getattr(value, field.name)) for field in fields(value))  # type: ignore[arg-type]
    if isinstance(value, np.ndarray):
        return value.shape, value.dtype.str, hashlib.sha256(value.tobytes()).digest()
    return tuple(map(_content, value)) if isinstance(value, tuple) else value
