"""A dense network: layers of `hidden` units with ReLU and dropout, and one output."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class Dense(nn.Module):
    """The network from rows `(sample, feature)` to predictions `(sample,)`."""

    def __init__(self, n_features: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        sizes = [n_features, *hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the predictions."""
        for layer in list(self.layers)[:-1]:
            x = self.dropout(torch.relu(layer(x)))
        return self.layers[-1](x)[:, 0]


def squared_error(net: nn.Module, batch: tuple[torch.Tensor, ...], _: torch.Generator) -> torch.Tensor:
    """Return the mean squared error of a batch `(X, y)`."""
    return ((net(batch[0]) - batch[1]) ** 2).mean()
