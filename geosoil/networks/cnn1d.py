"""The 1D-CNN of Shen et al. 2022: convolution blocks, dense blocks and one output, from an architecture."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

from geosoil.networks.architectures import complete, output_lengths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ACTIVATIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "relu": functional.relu,
    "leaky_relu": functional.leaky_relu,  # slope 0.01 below zero; the paper does not state it
    "elu": functional.elu,
    "selu": functional.selu,
    "swish": functional.silu,
}


class Linear(nn.Linear):
    """A linear layer whose result for a row does not depend, to the last bit, on its position in the batch."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return `(sample, out)` for `(sample, in)`."""
        return torch.addmm(self.bias[:, None], self.weight, x.T.contiguous()).T


class Block(nn.Module):
    """A convolution or linear layer, followed by the batch norm, activation, pooling and dropout of its block.

    The paper does not state the order of batch norm and activation; here the batch norm comes first, as in the work
    that it cites (Ioffe & Szegedy 2015).
    """

    def __init__(self, weights: nn.Conv1d | nn.Linear, block: Mapping[str, Any]) -> None:
        super().__init__()
        self.block = dict(block)
        self.weights = weights
        is_convolution = isinstance(weights, nn.Conv1d)
        norm = nn.BatchNorm1d(weights.out_channels if is_convolution else weights.out_features)  # type: ignore[arg-type]
        self.batch_norm = norm if block["batch_norm"] else nn.Identity()
        self.dropout = nn.Dropout(block["dropout"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block on `(sample, channel, position)` or `(sample, feature)`."""
        if self.block.get("padding") == "same":
            kernel, stride, length = self.block["kernel"], self.block["stride"], x.shape[2]
            missing = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            x = functional.pad(x, (missing // 2, missing - missing // 2))
        x = _ACTIVATIONS[self.block["activation"]](self.batch_norm(self.weights(x)))
        if self.block.get("pool") is not None:
            pool = functional.max_pool1d if self.block["pool"] == "max" else functional.avg_pool1d
            x = pool(x, self.block["pool_size"])
        return self.dropout(x)


class CNN1D(nn.Module):
    """The network from spectra `(sample, band)` to predictions `(sample,)`."""

    def __init__(self, n_bands: int, architecture: str | Mapping[str, Any]) -> None:
        super().__init__()
        architecture = complete(architecture)
        self.convolutions, self.dense = nn.ModuleList(), nn.ModuleList()
        channels = 1
        for block in architecture["convolutions"]:
            weights = nn.Conv1d(channels, block["filters"], block["kernel"], stride=block["stride"])
            self.convolutions.append(Block(weights, block))
            channels = block["filters"]
        n_inputs = channels * output_lengths(architecture, n_bands)[-1]
        for block in architecture["dense"]:
            self.dense.append(Block(Linear(n_inputs, block["nodes"]), block))
            n_inputs = block["nodes"]
        self.output = Linear(n_inputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the predictions."""
        x = x[:, None]
        for block in self.convolutions:
            x = block(x)
        x = x.flatten(1)
        for block in self.dense:
            x = block(x)
        return self.output(x)[:, 0]
