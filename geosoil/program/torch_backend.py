"""Programs as torch functions: a fast one that writes in place, and one that can be differentiated.

Each op provides both forms (see `geosoil.program.ops.Op`); the functions here chain them. In the fast form every op
writes into a tensor that is kept from batch to batch, because allocating memory for each batch would cost more than
the arithmetic (page faults). Ops that work element by element (ReLU, exp, clip) overwrite the output of the op before
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    from geosoil.program.ops import Program

    Scratch = dict[int, torch.Tensor]
    Run = Callable[[torch.Tensor, Scratch], torch.Tensor]
    Function = Callable[[torch.Tensor], torch.Tensor]


def compile_chain(program: Program) -> Run:
    """Compile a program for inference.

    Parameters
    ----------
    program : tuple of Op
        The ops, in the order in which they run. Their weights are placed on torch's current default device
        (`with torch.device("cuda:0")`).

    Returns
    -------
    callable
        `run(x, scratch) -> y` on float32 tensors `(feature, pixel)`. `x` is not modified; `y` is a tensor of
        `scratch`, a dict in which the ops keep their output between calls.
    """
    owned = [False, *(not op.keeps_output for op in program)]  # the input, then the output of each op
    steps = [op.compile(owns_input=owns_input) for op, owns_input in zip(program, owned, strict=False)]

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        for step in steps:
            x = step(x, scratch)
        return x

    return run


def as_torch_function(program: Program, dtype: torch.dtype | None = None) -> Function:
    """Return a program as a function that torch can differentiate.

    Parameters
    ----------
    program : tuple of Op
        The ops, in the order in which they run.
    dtype : torch.dtype, optional
        Type of the weights and of the input, float32 by default.

    Returns
    -------
    callable
        The function from a tensor `(sample, feature)` to a tensor `(sample, output)`. It modifies nothing in place.

    Examples
    --------
    >>> import torch
    >>> from geosoil.program.ops import Affine, Elementwise
    >>> f = as_torch_function((Affine(np.array([[2.0, 0.0]]), np.array([1.0])), Elementwise("square")))
    >>> x = torch.tensor([[1.0, 5.0]], requires_grad=True)
    >>> torch.autograd.grad(f(x).sum(), x)[0].tolist()
    [[12.0, 0.0]]
    """
    import torch

    steps = [op.differentiable(dtype or torch.float32) for op in program]

    def function(x: torch.Tensor) -> torch.Tensor:
        for step in steps:
            x = step(x)
        return x

    return function


def kept_tensor(scratch: Scratch, key: object, n_rows: int, like: torch.Tensor) -> torch.Tensor:
    """Return the tensor `(n_rows, pixel)` that is kept under a key; it is allocated at its first use."""
    number = id(key)
    if number not in scratch:
        scratch[number] = like.new_empty((n_rows, like.shape[1]))
    return scratch[number]


def float32_tensor(values: np.ndarray) -> torch.Tensor:
    """Return a float32 copy of an array on torch's current default device."""
    import torch

    return torch.as_tensor(np.array(values, np.float32))


def cpu_tensor(values: np.ndarray, dtype: torch.dtype) -> torch.Tensor:
    """Return a copy of an array as a tensor of a type on the CPU."""
    import torch

    return torch.from_numpy(np.array(values)).to(dtype)
