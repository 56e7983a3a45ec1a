"""Networks from a square patch of covariates to a soil property at its centre.

Convolutions and pooling are valid (without padding), so that a patch shrinks to 1 x 1 before the dense layers and the
same weights can be applied to a whole block (see `dense_patches`). The order inside a block is that of the SOC-by-depth
paper: convolution, max pooling, Swish, batch norm, dropout.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Sequence

# Side of a patch in cells -> (kernel, pooled by 2) of each convolution; 1 x 1 remains after the last one.
# In patches of 9 and 15 the pooling drops the last row and column of its input.
CONVOLUTIONS: dict[int, tuple[tuple[int, bool], ...]] = {
    3: ((3, False),),
    5: ((2, True), (2, False)),
    7: ((2, True), (3, False)),
    9: ((3, True), (3, False)),
    11: ((2, True), (2, True), (2, False)),
    13: ((2, True), (3, True), (2, False)),
    15: ((3, True), (3, True), (2, False)),
}


class ConvolutionBlock(nn.Module):
    """Convolution, max pooling by 2 (optional), Swish, batch norm and dropout of `(row, channel, y, x)`."""

    def __init__(self, n_in: int, n_filters: int, kernel: int, dropout: float, *, pooled: bool) -> None:
        super().__init__()
        self.linear = nn.Conv2d(n_in, n_filters, kernel)
        self.pool = nn.MaxPool2d(2) if pooled else nn.Identity()
        self.norm = nn.BatchNorm2d(n_filters)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block."""
        return self.dropout(self.norm(nn.functional.silu(self.pool(self.linear(x)))))


class DenseBlock(nn.Module):
    """A dense layer, Swish, batch norm and dropout of `(row, feature)`."""

    def __init__(self, n_in: int, n_out: int, dropout: float) -> None:
        super().__init__()
        self.linear = nn.Linear(n_in, n_out)
        self.norm = nn.BatchNorm1d(n_out)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Run the block."""
        return self.dropout(self.norm(nn.functional.silu(self.linear(x))))


class Head(nn.Module):
    """Dense blocks and one output, from `(row, feature)` to `(row,)`."""

    def __init__(self, n_in: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.dense = nn.ModuleList(DenseBlock(a, b, dropout) for a, b in pairwise([n_in, *hidden]))
        self.output = nn.Linear(hidden[-1], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the predictions."""
        for block in self.dense:
            x = block(x)
        return self.output(x)[:, 0]


def convolutions(size: int, n_channels: int, filters: Sequence[int], dropout: float) -> nn.ModuleList:
    """Return the convolution blocks for a patch of `size`, with the first of `filters`."""
    plan = CONVOLUTIONS[size]
    channels = pairwise([n_channels, *filters[: len(plan)]])
    return nn.ModuleList(
        ConvolutionBlock(a, b, kernel, dropout, pooled=pooled)
        for (a, b), (kernel, pooled) in zip(channels, plan, strict=True)
    )


class PatchCNN(nn.Module):
    """One output for a patch `(row, channel, y, x)`, at a depth given by a code `(row, code)`.

    The code is appended to the flattened features (`code_enters="dense"`; one pass of the convolutions then serves all
    depths) or to the covariates as constant channels (`"channel"`). `layers` names the convolutions and dense layers
    from the input, each with its batch norm, which a transfer can freeze.
    """

    def __init__(
        self,
        size: int,
        n_channels: int,
        filters: Sequence[int],
        hidden: Sequence[int],
        dropout: float,
        *,
        n_codes: int = 0,
        code_enters: str = "dense",
    ) -> None:
        super().__init__()
        self.code_enters = code_enters
        dense_codes, channel_codes = (n_codes, 0) if code_enters == "dense" else (0, n_codes)
        self.convolutions = convolutions(size, n_channels + channel_codes, filters, dropout)
        self.head = Head(filters[len(self.convolutions) - 1] + dense_codes, hidden, dropout)

    @property
    def layers(self) -> list[str]:
        """Names of the layers from the input to the output."""
        dense = [f"head.dense.{i}" for i in range(len(self.head.dense))]
        return [f"convolutions.{i}" for i in range(len(self.convolutions))] + dense + ["head.output"]

    def forward(
        self, x: torch.Tensor, code: torch.Tensor | None = None, patch: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return predictions `(row,)`; `patch` `(row,)` is the index in x of the patch of each row of the code."""
        if code is not None and self.code_enters == "channel":
            x = x if patch is None else x[patch]
            x = torch.cat([x, code[:, :, None, None].expand(-1, -1, *x.shape[2:])], dim=1)
        for block in self.convolutions:
            x = block(x)
        x = x.flatten(1)
        if code is not None and self.code_enters == "dense":
            x = torch.cat([x if patch is None else x[patch], code], dim=1)
        return self.head(x)


class MTCNN(nn.Module):
    """Shared convolutions, followed by one branch of dense layers per depth; predicts `(row, depth)`."""

    def __init__(
        self, size: int, n_channels: int, filters: Sequence[int], hidden: Sequence[int], dropout: float, n_depths: int
    ) -> None:
        super().__init__()
        self.convolutions = convolutions(size, n_channels, filters, dropout)
        n_features = filters[len(self.convolutions) - 1]
        self.branches = nn.ModuleList(Head(n_features, hidden, dropout) for _ in range(n_depths))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the predictions of all depths."""
        for block in self.convolutions:
            x = block(x)
        x = x.flatten(1)
        return torch.stack([branch(x) for branch in self.branches], dim=1)


def masked_squared_error(predicted: torch.Tensor, measured: torch.Tensor) -> torch.Tensor:
    """Return the mean squared error over the known values; NaN in `measured` is ignored.

    >>> nan = float("nan")
    >>> masked_squared_error(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0, nan]])).item()
    4.0
    """
    known = ~torch.isnan(measured)
    # A product with 0 would not do: the gradient of NaN * 0 is NaN.
    squared = (predicted - measured.where(known, predicted.detach())) ** 2
    return squared.sum() / known.sum().clamp(min=1)


def random_symmetry(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Return patches `(row, channel, y, x)` under a random one of the 8 symmetries of a square, the same for all."""
    symmetry = int(torch.randint(8, (1,), generator=generator))
    rotated = torch.rot90(x, symmetry % 4, (2, 3))
    return rotated.flip(3) if symmetry >= 4 else rotated
