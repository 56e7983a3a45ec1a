"""The 1D-CNN of Shen et al. 2022: convolution blocks, dense blocks and one output, as an architecture says."""

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
    "leaky_relu": functional.leaky_relu,  # slope 0.01 below zero; the paper does not say
    "elu": functional.elu,
    "selu": functional.selu,
    "swish": functional.silu,
}


class Linear(nn.Linear):
    """A matrix whose product has the rows in columns: there a row's place in the batch does not touch its last bit."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Turn `(sample, in)` into `(sample, out)`."""
        return torch.addmm(self.bias[:, None], self.weight, x.T.contiguous()).T


class Block(nn.Module):
    """A convolution or a matrix, then what its block asks for: batch norm, activation, pooling, dropout.

    The tables do not say on which side of the activation the batch norm stands: before it, as in the work that they
    cite (Ioffe & Szegedy 2015).
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
        """Turn `(sample, channel, position)` or `(sample, feature)` into the same of this block's width."""
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
    """Spectra `(sample, band)` -> `(sample,)`."""

    def __init__(self, n_bands: int, architecture: str | Mapping[str, Any]) -> None:
        super().__init__()
        whole = complete(architecture)
        self.convolutions, self.dense = nn.ModuleList(), nn.ModuleList()
        channels = 1
        for block in whole["convolutions"]:
            weights = nn.Conv1d(channels, block["filters"], block["kernel"], stride=block["stride"])
            self.convolutions.append(Block(weights, block))
            channels = block["filters"]
        n_inputs = channels * output_lengths(whole, n_bands)[-1]
        for block in whole["dense"]:
            self.dense.append(Block(Linear(n_inputs, block["nodes"]), block))
            n_inputs = block["nodes"]
        self.output = Linear(n_inputs, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Predict."""
        x = x[:, None]
        for block in self.convolutions:
            x = block(x)
        x = x.flatten(1)
        for block in self.dense:
            x = block(x)
        return self.output(x)[:, 0]
