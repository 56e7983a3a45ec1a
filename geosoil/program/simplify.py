"""Make a program smaller without changing what it computes (up to rounding).

Pruning goes backwards from the outputs: rows of matrices, support columns and whole branches that nobody reads are
dropped. Merging goes forwards: neighbouring matrices are multiplied, parallel ones are added, and a linear op moves
into the branches before it.
"""

from __future__ import annotations

import numpy as np

from geosoil.program.ops import Op, Program, Select, output_size


def simplify(program: Program, n_features: int) -> tuple[Program, np.ndarray]:
    """Merge and prune a program.

    Parameters
    ----------
    program : tuple of Op
    n_features : int
        Number of features that the program is given.

    Returns
    -------
    program : tuple of Op
        An equal program on the features that it needs.
    needed : ndarray of shape (n_needed,), int
        The indices of those features, ascending.

    Examples
    --------
    >>> from geosoil.program.ops import Affine
    >>> swap, scale = Select(np.array([2, 0])), Affine(np.diag([2.0, 3.0]), np.zeros(2))
    >>> program, needed = simplify((swap, scale), 3)
    >>> needed.tolist(), program[0].weight.tolist()
    ([0, 2], [[0.0, 2.0], [3.0, 0.0]])
    """
    program = merge_program(program, n_features)
    program, needed = prune_program(program, np.arange(output_size(program, n_features)), n_features)
    return merge_program(program, len(needed)), needed


def needed_inputs(program: Program, n_features: int) -> np.ndarray:
    """Return the indices `(n_needed,)` of the features on which the outputs of a program depend."""
    return simplify(program, n_features)[1]


def prune_program(program: Program, outputs: np.ndarray, n_features: int) -> tuple[Program, np.ndarray]:
    """Return a program that computes only the outputs of these indices, and the indices of the features it needs.

    The features are needed in ascending order.
    """
    sizes = [n_features]
    for op in program:
        sizes.append(op.n_outputs(sizes[-1]))
    ops: list[Op] = []
    indices = outputs
    for op, n_inputs in zip(reversed(program), reversed(sizes[:-1]), strict=True):
        pruned, indices = op.prune(indices, n_inputs)
        ops[:0] = pruned
    needed, positions = np.unique(indices, return_inverse=True)
    if not np.array_equal(positions, np.arange(len(needed))):
        ops[:1] = ops[0].reading(positions, len(needed)) if ops else [Select(positions)]
    return tuple(ops), needed


def merge_program(program: Program, n_features: int) -> Program:
    """Return an equal program in which every op is merged with the op before it where that saves work."""
    ops: list[Op] = []
    size = n_features
    for op in program:
        op = op.simplified(size)
        append_merged(ops, op)
        size = op.n_outputs(size)
    return tuple(ops)


def append_merged(ops: list[Op], op: Op) -> None:
    """Append an op to a list, merged with the last one where that saves work."""
    merged = ops[-1].merge(op) if ops else None
    if merged is None:
        ops.append(op)
    else:
        ops[-1] = merged
