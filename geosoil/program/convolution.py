"""The ops of a convolutional net.

Features are ordered position by position, with all channels of a position side by side: feature = position *
n_channels + channel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from geosoil.program.ops import Op
from geosoil.program.torch_backend import cpu_tensor, float32_tensor, kept_tensor

if TYPE_CHECKING:
    import numpy as np
    import torch

    from geosoil.program.torch_backend import Function, Run, Scratch


@dataclass(frozen=True)
class Convolve(Op):
    """Convolve along the positions, with zeros beyond both ends.

    Parameters
    ----------
    weight : ndarray of shape (out, in, width)
        The kernel of every pair of channels; the width is odd.
    bias : ndarray of shape (out,)
    """

    weight: np.ndarray
    bias: np.ndarray

    @property
    def pixels_at_once(self) -> int:
        """Fewer pixels than elsewhere: every position of every channel is kept, and must fit into the cache."""
        return 256

    def n_outputs(self, n_inputs: int) -> int:
        return n_inputs // self.weight.shape[1] * len(self.weight)

    def multiply_adds(self, n_inputs: int) -> int:
        return int(n_inputs // self.weight.shape[1] * self.weight.size)

    def compile(self, *, owns_input: bool) -> Run:
        """Compute one matrix product per position: its channels and those of its neighbours are consecutive rows.

        No copy is made, and the products run at nine tenths of the speed of a large one (torch's conv1d: at a third).
        """
        import torch

        n_out, n_in, width = self.weight.shape
        reach = width // 2
        weight = float32_tensor(self.weight.transpose(0, 2, 1).reshape(n_out, width * n_in))
        bias = float32_tensor(self.bias)
        key = object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            length, pixels = len(x) // n_in, x.shape[1]
            out = kept_tensor(scratch, key, length * n_out, x)
            by_position = out.view(length, n_out, pixels)
            inner = length - 2 * reach
            if inner > 0:
                windows = x.as_strided((inner, width * n_in, pixels), (n_in * pixels, pixels, 1), x.storage_offset())
                torch.bmm(weight.expand(inner, -1, -1), windows, out=by_position[reach : length - reach])
            for i in [*range(min(reach, length)), *range(max(length - reach, reach), length)]:
                first, last = max(i - reach, 0), min(i + reach + 1, length)
                inside = weight[:, (first - i + reach) * n_in : (last - i + reach) * n_in]
                torch.mm(inside, x[first * n_in : last * n_in], out=by_position[i])
            by_position.add_(bias[:, None])
            return out

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        from torch.nn import functional

        kernel, bias = cpu_tensor(self.weight, dtype), cpu_tensor(self.bias, dtype)
        _, n_in, width = kernel.shape

        def function(x: torch.Tensor) -> torch.Tensor:
            # Position by position is torch's channels-last layout: nothing is copied, and this is its fast path.
            image = x.view(len(x), 1, -1, n_in).permute(0, 3, 1, 2)
            out = functional.conv2d(image, kernel[:, :, None], bias, padding=(0, width // 2))
            return out.permute(0, 2, 3, 1).reshape(len(x), -1)

        return function


@dataclass(frozen=True)
class MaxPool(Op):
    """Keep the largest value of every window of neighbouring positions, channel by channel.

    Parameters
    ----------
    window : int
        Number of positions per window; an incomplete window at the end is dropped.
    channels : int
        Number of channels per position.
    """

    window: int
    channels: int

    def n_outputs(self, n_inputs: int) -> int:
        return n_inputs // self.channels // self.window * self.channels

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        window, channels = self.window, self.channels
        key = object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            length, pixels = len(x) // channels // window, x.shape[1]
            out = kept_tensor(scratch, key, length * channels, x)
            windows = x[: length * window * channels].view(length, window, channels, pixels)
            torch.amax(windows, 1, out=out.view(length, channels, pixels))
            return out

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        def function(x: torch.Tensor) -> torch.Tensor:
            length = x.shape[1] // self.channels // self.window
            windows = x[:, : length * self.window * self.channels].view(len(x), length, self.window, self.channels)
            return windows.amax(2).flatten(1)

        return function


@dataclass(frozen=True)
class ScaleChannels(Op):
    """Scale and shift every channel, the same at all positions: a trained batch normalisation.

    Parameters
    ----------
    scale, shift : ndarray of shape (channels,)
    """

    scale: np.ndarray
    shift: np.ndarray

    def n_outputs(self, n_inputs: int) -> int:
        return n_inputs

    def compile(self, *, owns_input: bool) -> Run:
        import torch

        scale, shift = float32_tensor(self.scale[:, None]), float32_tensor(self.shift[:, None])
        key = object()

        def run(x: torch.Tensor, scratch: Scratch) -> torch.Tensor:
            out = kept_tensor(scratch, key, len(x), x)
            torch.addcmul(shift, x.view(-1, len(scale), x.shape[1]), scale, out=out.view(-1, len(scale), x.shape[1]))
            return out

        return run

    def differentiable(self, dtype: torch.dtype) -> Function:
        scale, shift = cpu_tensor(self.scale, dtype), cpu_tensor(self.shift, dtype)
        return lambda x: (x.view(len(x), -1, len(scale)) * scale + shift).flatten(1)
