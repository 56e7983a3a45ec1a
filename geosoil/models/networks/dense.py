"""A dense network: layers of `hidden` units with ReLU and dropout, and one output."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


class Dense(nn.Module):
    """`(sample, feature)` -> `(sample,)`."""

    def __init__(self, n_features: int, hidden: list[int], dropout: float) -> None:
        super().__init__()
        sizes = [n_features, *hidden, 1]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers[:-1]:
            x = self.dropout(torch.relu(layer(x)))
        return self.layers[-1](x)[:, 0]
