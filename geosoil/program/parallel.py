"""The op that runs several programs on the same input."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.program.ops import (
    PIXELS_AT_ONCE,
    Affine,
    Op,
    Program,
    Select,
    count_multiply_adds,
    is_diagonal,
    output_size,
)
from geosoil.program.simplify import append_merged, merge_program, prune_program
from geosoil.program.torch_backend import as_torch_function, compile_chain, kept_tensor

if TYPE_CHECKING:
    import torch

    from geosoil.program.torch_backend import Function, Run, Scratch


@dataclass(frozen=True)
class Parallel(Op):
    """Run several programs on the same input and combine their outputs.

    Parameters
    ----------
    branches : tuple of programs
        An empty program passes its input on.
    how : {"concat", "sum"}
        Whether the outputs are concatenated or added.
    """

    branches: tuple[Program, ...]
    how: Literal["concat", "sum"]

    @property
    def pixels_at_once(self) -> int:
        """As many pixels as suit all ops of the branches."""
        return min((op.pixels_at_once for branch in self.branches for op in branch), default=PIXELS_AT_ONCE)

    @property
    def has_kernel(self) -> bool:
        return any(op.has_kernel for branch in self.branches for op in branch)

    def n_outputs(self, n_inputs: int) -> int:
        sizes = [output_size(branch, n_inputs) for branch in self.branches]
        return sum(sizes) if self.how == "concat" else sizes[0]

    def multiply_adds(self, n_inputs: int) -> int:
        return sum(count_multiply_adds(branch, n_inputs) for branch in self.branches)

    def prune(self, outputs: np.ndarray, n_inputs: int) -> tuple[list[Op], np.ndarray]:
        if self.how == "sum":
            parts = [prune_program(branch, outputs, n_inputs) for branch in self.branches]
            order = None
        else:
            edges = np.cumsum([0, *(output_size(branch, n_inputs) for branch in self.branches)])
            parts, positions = [], []
            for branch, low, high in zip(self.branches, edges[:-1], edges[1:], strict=True):
                of_branch = np.flatnonzero((outputs >= low) & (outputs < high))
                if len(of_branch):
                    parts.append(prune_program(branch, outputs[of_branch] - low, n_inputs))
                    positions.append(of_branch)
            order = np.argsort(np.concatenate(positions))
        needed = np.unique(np.concatenate([inputs for _, inputs in parts]))
        branches = tuple(
            branch if len(inputs) == len(needed) else (Select(np.searchsorted(needed, inputs)), *branch)
            for branch, inputs in parts
        )
        ops: list[Op] = [Parallel(branches, self.how)]
        if order is not None and not np.array_equal(order, np.arange(len(order))):
            ops.append(Select(order))
        return ops, needed

    def simplified(self, n_inputs: int) -> Op:
        merged = Parallel(tuple(merge_program(branch, n_inputs) for branch in self.branches), self.how)
        return merged._as_matrix() or merged

    def merge(self, following: Op) -> Op | None:
        """Move a following linear op into the branches, where that is no more work."""
        if not isinstance(following, Affine) or self.how != "concat":
            return None
        if not all(branch and branch[-1].fixed_size for branch in self.branches):
            return None
        edges = np.cumsum([0, *(output_size(branch, 0) for branch in self.branches)])
        diagonal = is_diagonal(following.weight)
        if not diagonal and len(following.weight) > 1:
            return None
        branches = []
        for i, branch in enumerate(self.branches):
            part = slice(edges[i], edges[i + 1])
            if diagonal:
                op = Affine(following.weight[part, part], following.bias[part])
            else:
                op = Affine(following.weight[:, part], following.bias if i == 0 else np.zeros_like(following.bias))
            ops = list(branch)
            append_merged(ops, op)
            branches.append(tuple(ops))
        return Parallel(tuple(branches), "concat" if diagonal else "sum")

    def _as_matrix(self) -> Affine | None:
        """Return the one matrix that branches of a single linear op each make up."""
        parts = []
        for branch in self.branches:
            if len(branch) != 1 or not isinstance(branch[0], Affine):
                return None
            parts.append(branch[0])
        if self.how == "sum":
            return Affine(
                np.sum([part.weight for part in parts], axis=0), np.sum([part.bias for part in parts], axis=0)
            )
        return Affine(np.concatenate([part.weight for part in parts]), np.concatenate([part.bias for part in parts]))

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        branches = [compile_chain(branch) for branch in self.branches]
        key = object()
        owns_total = bool(self.branches[0]) and not self.branches[0][-1].keeps_output

        def concat(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            parts = [branch(x, scratch) for branch in branches]
            return torch.cat(parts, out=kept_tensor(scratch, key, sum(len(part) for part in parts), x))

        def add(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            total = branches[0](x, scratch)
            if not owns_total:
                total = kept_tensor(scratch, key, len(total), x).copy_(total)
            for branch in branches[1:]:
                total.add_(branch(x, scratch))
            return total

        return concat if self.how == "concat" else add

    def differentiable(self, dtype: torch.dtype) -> Function:
        import torch

        branches = [as_torch_function(branch, dtype) for branch in self.branches]
        if self.how == "concat":
            return lambda x: torch.cat([branch(x) for branch in branches], 1)
        return lambda x: torch.stack([branch(x) for branch in branches]).sum(0)
