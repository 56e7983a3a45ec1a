"""The 1D-ResNet of He et al. 2025 (2.2.1), for any number of bands."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from geosoil.program.ops import LEAKY_SLOPE

CHANNELS, LAST_CHANNELS, DENSE = 48, 32, (16, 10)
LAYERS = (
    "convolution",
    "batch_norm",
    "residual_1",
    "residual_2",
    "last_convolution",
    "dense_1",
    "dense_2",
    "output",
)
LEAST_WINDOWS = 50


def choose_pool_bands(n_bands: int, *, widest: int = 10, least_windows: int = LEAST_WINDOWS) -> int:
    """Return the number of bands averaged into one window: 10 as in the paper, or fewer so that 50 windows remain.

    >>> choose_pool_bands(2100), choose_pool_bands(285), choose_pool_bands(60)
    (10, 5, 1)
    """
    return next((window for window in range(widest, 1, -1) if -(-n_bands // window) >= least_windows), 1)


class Residual(nn.Module):
    """A residual block of two convolutions with batch norm, for `(sample, channel, position)`.

    The paper states the ReLU and the skip connection; the two convolutions are those of He et al. 2016.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convolution_1 = nn.Conv1d(channels, channels, 3, padding=1)
        self.batch_norm_1 = nn.BatchNorm1d(channels)
        self.convolution_2 = nn.Conv1d(channels, channels, 3, padding=1)
        self.batch_norm_2 = nn.BatchNorm1d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the sum of the input and its convolutions."""
        inner = torch.relu(self.batch_norm_1(self.convolution_1(x)))
        return torch.relu(x + self.batch_norm_2(self.convolution_2(inner)))


class ResidualNet(nn.Module):
    """The network from spectra `(sample, band)` to predictions `(sample,)`.

    Parameters
    ----------
    n_bands : int
        Number of bands.
    pool_bands : int
        Bands averaged into one window; the last window may hold fewer.
    rectified : bool
        Apply ReLU to the output, as in the paper.
    start : float
        Initial bias of the output. The first predictions are near this value, so that a ReLU output is not 0
        from the first step.
    """

    def __init__(self, n_bands: int, pool_bands: int, *, rectified: bool, start: float) -> None:
        super().__init__()
        self.pool_bands, self.rectified = pool_bands, rectified
        length = -(-n_bands // pool_bands) // 2
        self.convolution = nn.Conv1d(1, CHANNELS, 3, padding=1)
        self.batch_norm = nn.BatchNorm1d(CHANNELS)
        self.residual_1 = Residual(CHANNELS)
        self.residual_2 = Residual(CHANNELS)
        self.last_convolution = nn.Conv1d(CHANNELS, LAST_CHANNELS, 3, padding=1)
        self.dense_1 = nn.Linear(LAST_CHANNELS * length, DENSE[0])
        self.dense_2 = nn.Linear(DENSE[0], DENSE[1])
        self.output = nn.Linear(DENSE[1], 1)
        nn.init.constant_(self.output.bias, start)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the predictions."""
        x = functional.avg_pool1d(x[:, None], self.pool_bands, ceil_mode=True)
        x = self.batch_norm(functional.leaky_relu(self.convolution(x), LEAKY_SLOPE))
        x = self.residual_2(self.residual_1(functional.max_pool1d(x, 2)))
        x = functional.leaky_relu(self.last_convolution(x), LEAKY_SLOPE).flatten(1)
        x = functional.leaky_relu(self.dense_2(functional.leaky_relu(self.dense_1(x), LEAKY_SLOPE)), LEAKY_SLOPE)
        x = self.output(x)[:, 0]
        return torch.relu(x) if self.rectified else x
