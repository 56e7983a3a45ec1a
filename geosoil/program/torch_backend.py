"""The words of a program as torch functions on `(feature, pixel)` float32 tensors.

Every word writes into a tensor of its own that is kept from batch to batch: fresh memory for each batch would cost
more than the arithmetic (page faults). Functions without a state of their own (ReLU, exp, clip) work in place on what
the word before them wrote.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.program.ops import (
    LEAKY_SLOPE,
    Affine,
    Clip,
    Convolve,
    Elementwise,
    MaxPool,
    Parallel,
    Program,
    RadialBasis,
    ScaleChannels,
    Select,
    Standardise,
    Word,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch

    Scratch = dict[int, torch.Tensor]
    Run = Callable[[torch.Tensor, Scratch], torch.Tensor]


def compile_chain(program: Program) -> Run:
    """Return the function of a program: `(x, scratch) -> y`; x is left untouched, y stands in the scratch.

    Its weights lie on torch's device of the moment: `with torch.device("cuda:0")`.
    """
    steps = [_compile_word(word, owns_input=i > 0) for i, word in enumerate(program)]

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        for step in steps:
            x = step(x, scratch)
        return x

    return run


def _compile_word(word: Word, *, owns_input: bool) -> Run:
    import torch

    if isinstance(word, Affine):
        return _affine(word)
    if isinstance(word, RadialBasis):
        return _radial_basis(word)
    if isinstance(word, Parallel):
        return _parallel(word)
    if isinstance(word, Convolve):
        return _convolve(word)
    if isinstance(word, MaxPool):
        return _max_pool(word)
    if isinstance(word, Select):
        index = torch.as_tensor(np.array(word.index, np.int64))
        own: object = object()
        return lambda x, s: torch.index_select(x, 0, index, out=_kept(s, own, len(index), x))
    if isinstance(word, ScaleChannels):
        return _scale_channels(word)
    own = object()

    def elementwise(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        if not owns_input:
            x = _kept(scratch, own, len(x), x).copy_(x)
        return _in_place(word, x)

    return elementwise


def _in_place(word: Word, x: torch.Tensor) -> torch.Tensor:
    import torch

    if isinstance(word, Clip):
        return x.clamp_(word.low, word.high)
    if isinstance(word, Standardise):
        return x.sub_(x.mean(0)).div_(x.std(0, correction=1))
    if not isinstance(word, Elementwise):
        msg = f"unknown word {word!r}"
        raise TypeError(msg)
    if word.name == "absorbance":
        return x.masked_fill_(x <= 0, torch.nan).log10_().neg_()
    if word.name == "leaky_relu":
        return torch.nn.functional.leaky_relu_(x, LEAKY_SLOPE)
    return {"relu": x.relu_, "exp": x.exp_, "square": x.square_}[word.name]()


def _kept(scratch: Scratch, own: object, rows: int, like: torch.Tensor) -> torch.Tensor:
    """Return the tensor `(rows, pixels)` that belongs to a word, made at its first use."""
    key = id(own)
    if key not in scratch:
        scratch[key] = like.new_empty((rows, like.shape[1]))
    return scratch[key]


def _affine(word: Affine) -> Run:
    import torch

    bias = _tensor(word.bias[:, None])
    diagonal = _diagonal(word.weight)
    own = object()
    if diagonal is not None:
        scale = _tensor(diagonal[:, None])
        return lambda x, s: torch.mul(x, scale, out=_kept(s, own, len(bias), x)).add_(bias)
    weight = _tensor(word.weight)
    return lambda x, s: torch.mm(weight, x, out=_kept(s, own, len(bias), x)).add_(bias)


def _radial_basis(word: RadialBasis) -> Run:
    import torch

    # |x - s|^2 = |x|^2 - 2 s.x + |s|^2: one matrix product instead of a difference per support vector.
    cross = _tensor(2 * word.gamma * word.support)
    support_norm = _tensor(-word.gamma * np.sum(word.support**2, axis=1)[:, None])
    gamma = float(word.gamma)
    own, squares = object(), object()

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        norm = torch.square(x, out=_kept(scratch, squares, len(x), x)).sum(0)
        exponent = torch.mm(cross, x, out=_kept(scratch, own, len(cross), x))
        return exponent.sub_(norm, alpha=gamma).add_(support_norm).clamp_(max=0).exp_()

    return run


def _convolve(word: Convolve) -> Run:
    """One matrix product for each position: its channels and its neighbours' stand below each other already.

    No copy is made, and the products run at nine tenths of the speed of a large one (torch's conv1d: at a third).
    """
    import torch

    n_out, n_in, width = word.weight.shape
    reach = width // 2
    weight = _tensor(word.weight.transpose(0, 2, 1).reshape(n_out, width * n_in))
    bias = _tensor(word.bias)
    own = object()

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        length, pixels = len(x) // n_in, x.shape[1]
        out = _kept(scratch, own, length * n_out, x)
        by_position = out.view(length, n_out, pixels)
        inner = length - 2 * reach
        if inner > 0:
            windows = x.as_strided((inner, width * n_in, pixels), (n_in * pixels, pixels, 1), x.storage_offset())
            torch.bmm(weight.expand(inner, -1, -1), windows, out=by_position[reach : length - reach])
        for i in [*range(min(reach, length)), *range(max(length - reach, reach), length)]:
            first, last = max(i - reach, 0), min(i + reach + 1, length)
            seen = weight[:, (first - i + reach) * n_in : (last - i + reach) * n_in]
            torch.mm(seen, x[first * n_in : last * n_in], out=by_position[i])
        by_position.add_(bias[:, None])
        return out

    return run


def _max_pool(word: MaxPool) -> Run:
    import torch

    own = object()

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        length, pixels = len(x) // word.channels // word.window, x.shape[1]
        out = _kept(scratch, own, length * word.channels, x)
        windows = x[: length * word.window * word.channels].view(length, word.window, word.channels, pixels)
        torch.amax(windows, 1, out=out.view(length, word.channels, pixels))
        return out

    return run


def _scale_channels(word: ScaleChannels) -> Run:
    import torch

    scale, shift = _tensor(word.scale[:, None]), _tensor(word.shift[:, None])
    own = object()

    def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        out = _kept(scratch, own, len(x), x)
        torch.addcmul(shift, x.view(-1, len(scale), x.shape[1]), scale, out=out.view(-1, len(scale), x.shape[1]))
        return out

    return run


def _parallel(word: Parallel) -> Run:
    import torch

    branches = [compile_chain(branch) for branch in word.branches]
    own = object()

    def concat(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        parts = [branch(x, scratch) for branch in branches]
        return torch.cat(parts, out=_kept(scratch, own, sum(len(part) for part in parts), x))

    def add(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
        first = branches[0](x, scratch)
        total = _kept(scratch, own, len(first), x).copy_(first)
        for branch in branches[1:]:
            total.add_(branch(x, scratch))
        return total

    return concat if word.how == "concat" else add


def _tensor(values: np.ndarray) -> torch.Tensor:
    import torch

    return torch.as_tensor(np.array(values, np.float32))  # a copy that torch owns


def _diagonal(weight: np.ndarray) -> np.ndarray | None:
    """Return the diagonal of a square matrix that holds nothing else."""
    if weight.shape[0] != weight.shape[1] or np.count_nonzero(weight - np.diag(np.diag(weight))):
        return None
    return np.diag(weight)
