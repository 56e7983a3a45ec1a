"""The network of the spectral VAE: an encoder to a few latent variables, and a mirrored decoder."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn


class VariationalAutoencoder(nn.Module):
    """Encoder to the mean and log variance of the latent variables, and a mirrored decoder (Ou et al. 2025, 3.1.1).

    ReLU between layers, dropout after each hidden layer of the encoder, linear output. The paper states three hidden
    layers each and the dropout; their widths are choices of this project. `linear_skip` adds a linear layer from input
    to output, zero at first, so that linear relations do not pass through the latent variables.
    """

    def __init__(self, n_bands: int, hidden: list[int], latent: int, dropout: float, *, linear_skip: bool) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([n_bands, *hidden]))
        self.mu = nn.Linear(hidden[-1], latent)
        self.logvar = nn.Linear(hidden[-1], latent)
        self.decoder = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise([latent, *hidden[::-1], n_bands]))
        self.dropout = nn.Dropout(dropout)
        self.skip = nn.Linear(n_bands, n_bands, bias=False) if linear_skip else None
        if self.skip is not None:
            nn.init.zeros_(self.skip.weight)

    def forward(
        self, x: torch.Tensor, generator: torch.Generator | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the generated spectra `(sample, band)`, and mu and logvar `(sample, latent)`.

        x `(sample, band)` is standardised. In training z = mu + exp(logvar / 2) e with e from `generator`, else z = mu.
        """
        hidden = x
        for layer in self.encoder:
            hidden = self.dropout(torch.relu(layer(hidden)))
        mu, logvar = self.mu(hidden), self.logvar(hidden)
        z = mu
        if self.training:
            z = mu + torch.exp(logvar / 2) * torch.randn(mu.shape, generator=generator)
        for layer in self.decoder[:-1]:
            z = torch.relu(layer(z))
        generated = self.decoder[-1](z)
        return (generated if self.skip is None else generated + self.skip(x)), mu, logvar
