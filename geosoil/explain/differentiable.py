"""A lowered program as a function that torch can take gradients of: preprocessing and net in one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

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

    Function = Callable[[torch.Tensor], torch.Tensor]


def as_torch_function(program: Program, dtype: torch.dtype = torch.float32) -> Function:
    """Return the function `(sample, feature) -> (sample, output)` that a program computes, free of in-place work.

    >>> f = as_torch_function((Affine(np.array([[2.0, 0.0]]), np.array([1.0])), Elementwise("square")))
    >>> x = torch.tensor([[1.0, 5.0]], requires_grad=True)
    >>> torch.autograd.grad(f(x).sum(), x)[0].tolist()
    [[12.0, 0.0]]
    """
    steps = [_function(word, dtype) for word in program]

    def function(x: torch.Tensor) -> torch.Tensor:
        for step in steps:
            x = step(x)
        return x

    return function


def _function(word: Word, dtype: torch.dtype) -> Function:
    def tensor(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.array(values)).to(dtype)

    if isinstance(word, Affine):
        weight, bias = tensor(word.weight), tensor(word.bias)
        return lambda x: functional.linear(x, weight, bias)
    if isinstance(word, Select):
        index = torch.from_numpy(np.array(word.index, np.int64))
        return lambda x: x[:, index]
    if isinstance(word, Elementwise):
        return _elementwise(word.name)
    if isinstance(word, Clip):
        return lambda x: x.clamp(word.low, word.high)
    if isinstance(word, Standardise):
        return lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, correction=1, keepdim=True)
    if isinstance(word, RadialBasis):
        support, gamma = tensor(word.support), float(word.gamma)
        return lambda x: torch.exp(-gamma * torch.cdist(x, support) ** 2)
    if isinstance(word, ScaleChannels):
        scale, shift = tensor(word.scale), tensor(word.shift)
        return lambda x: (x.view(len(x), -1, len(scale)) * scale + shift).flatten(1)
    if isinstance(word, MaxPool):
        return lambda x: _max_pool(x, word.window, word.channels)
    if isinstance(word, Convolve):
        kernel, bias = tensor(word.weight), tensor(word.bias)
        return lambda x: _convolve(x, kernel, bias)
    assert isinstance(word, Parallel)
    branches = [as_torch_function(branch, dtype) for branch in word.branches]
    if word.how == "concat":
        return lambda x: torch.cat([branch(x) for branch in branches], 1)
    return lambda x: torch.stack([branch(x) for branch in branches]).sum(0)


def _elementwise(name: str) -> Function:
    if name == "absorbance":
        return lambda x: -torch.log10(x.masked_fill(x <= 0, torch.nan))
    if name == "leaky_relu":
        return lambda x: functional.leaky_relu(x, LEAKY_SLOPE)
    return {"relu": torch.relu, "exp": torch.exp, "square": torch.square}[name]


def _max_pool(x: torch.Tensor, window: int, channels: int) -> torch.Tensor:
    length = x.shape[1] // channels // window
    return x[:, : length * window * channels].view(len(x), length, window, channels).amax(2).flatten(1)


def _convolve(x: torch.Tensor, kernel: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    _, n_in, width = kernel.shape
    # Position by position is torch's channels-last: nothing is copied, and this is its fast path.
    image = x.view(len(x), 1, -1, n_in).permute(0, 3, 1, 2)
    out = functional.conv2d(image, kernel[:, :, None], bias, padding=(0, width // 2))
    return out.permute(0, 2, 3, 1).reshape(len(x), -1)
