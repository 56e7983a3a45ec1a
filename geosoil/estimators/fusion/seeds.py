"""The search of random seeds for generated spectra that correlate with a target, and the same search by chance.

The paper (Ou et al. 2025, 3.1.3) keeps dropout active after training and tries the seeds from -9999 to 9999. The
best of 19,999 correlations is high for any target, so the same search is also run on shuffled targets for comparison.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.estimators.fusion.generator import Member, draw_realisations

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


@dataclass(frozen=True)
class SeedSearch:
    """The result of a search of seeds.

    Parameters
    ----------
    seeds, correlation : ndarray of shape (n_best,)
        Best seeds and their |r|, best first.
    null_correlation : ndarray of shape (n_null,)
        Best |r| for each shuffled target.
    """

    seeds: np.ndarray
    correlation: np.ndarray
    null_correlation: np.ndarray


def search_seeds(
    members: list[Member],
    x: np.ndarray,
    target: np.ndarray,
    *,
    seeds: Sequence[int] | np.ndarray,
    dropout: float,
    n_best: int = 3,
    smoothing: np.ndarray | None = None,
    n_null: int = 100,
    random_state: int = 0,
    batch_seeds: int = 32,
) -> SeedSearch:
    """Find the seeds whose generated spectra correlate best with the target.

    The score of a seed is the largest |Pearson r| over the bands of its generated spectra. The paper does not state how
    bands are combined; this reading agrees with the seed in its Fig. 5.

    Parameters
    ----------
    members : list of Member
        Trained networks.
    x : ndarray of shape (sample, band)
        Standardised satellite spectra of the training samples.
    target : ndarray of shape (sample,)
        Target.
    seeds : sequence of int
        Seeds to try.
    dropout : float
        Share of units dropped.
    n_best : int
        Number of seeds returned.
    smoothing : ndarray of shape (band, band), optional
        Matrix that smooths the generated spectra.
    n_null : int
        Number of shuffled targets; they are compared with the same generated spectra.
    random_state : int
        Seed of the shuffling.
    batch_seeds : int
        Seeds computed at once.
    """
    import torch

    rng = np.random.default_rng(random_state)
    targets = np.stack([target, *(rng.permutation(target) for _ in range(n_null))], axis=1).astype(np.float64)
    targets -= targets.mean(axis=0)
    targets /= np.linalg.norm(targets, axis=0)
    y = torch.from_numpy(targets.astype(np.float32))
    networks = [_Network(member, x, smoothing) for member in members]
    best = []
    with torch.inference_mode():
        for start in range(0, len(seeds), batch_seeds):
            drawn = draw_realisations(seeds[start : start + batch_seeds], members, dropout)
            noise = torch.from_numpy(drawn.noise)
            masks = [torch.from_numpy(mask) for mask in drawn.masks]
            generated = networks[0](masks, noise, 0)
            for m, network in enumerate(networks[1:], start=1):
                generated += network(masks, noise, m)
            best.append(_best_correlation(generated, y))
    scores = np.concatenate(best)
    order = np.argsort(-scores[:, 0], kind="stable")[:n_best]
    return SeedSearch(np.asarray(seeds)[order], scores[order, 0], scores[:, 1:].max(axis=0, initial=0))


def _best_correlation(generated: torch.Tensor, y: torch.Tensor) -> np.ndarray:
    """Return the largest |r| over bands `(seed, k)` of `(seed, sample, band)` with y `(sample, k)` of unit length."""
    import torch

    centred = generated - generated.mean(dim=1, keepdim=True)
    length = torch.linalg.vector_norm(centred, dim=1)  # (seed, band)
    covariance = torch.matmul(y.T, centred)  # (seed, k, band)
    # A constant band has no correlation.
    flat = length <= 1e-6 * torch.linalg.vector_norm(generated, dim=1)
    r = covariance.abs() / length.masked_fill(flat, torch.inf)[:, None, :]
    return r.amax(dim=2).numpy().astype(np.float64)


class _Network:
    """A member on fixed rows; computes once what does not depend on the seed."""

    def __init__(self, member: Member, x: np.ndarray, smoothing: np.ndarray | None) -> None:
        import torch

        def tensors(layer: tuple[np.ndarray, np.ndarray]) -> tuple[torch.Tensor, torch.Tensor]:
            weight, bias = layer
            return torch.from_numpy(weight.T.astype(np.float32)), torch.from_numpy(bias.astype(np.float32))

        rows = torch.from_numpy(np.asarray(x, np.float32))
        smooth = np.eye(x.shape[1]) if smoothing is None else smoothing
        weight, bias = tensors(member.encoder[0])
        self.first = torch.relu(rows @ weight + bias)
        self.encoder = [tensors(layer) for layer in member.encoder[1:]]
        self.mu, self.logvar = tensors(member.mu), tensors(member.logvar)
        self.decoder = [tensors(layer) for layer in member.decoder[:-1]]
        last_weight, last_bias = member.decoder[-1]
        self.last = tensors((smooth @ last_weight, smooth @ last_bias))
        self.skipped = None
        if member.skip is not None:
            self.skipped = rows @ torch.from_numpy((smooth @ member.skip).T.astype(np.float32))

    def __call__(self, masks: list[torch.Tensor], noise: torch.Tensor, m: int) -> torch.Tensor:
        """Return `(seed, sample, band)` for masks `(seed, member, unit)` and noise `(seed, member, latent)`."""
        import torch

        hidden = self.first * masks[0][:, m, None]
        for (weight, bias), mask in zip(self.encoder, masks[1:], strict=True):
            hidden = torch.relu_(hidden @ weight + bias) * mask[:, m, None]
        mu, logvar = (hidden @ weight + bias for weight, bias in (self.mu, self.logvar))
        z = mu + torch.exp(logvar / 2) * noise[:, m, None]
        for weight, bias in self.decoder:
            z = torch.relu_(z @ weight + bias)
        generated = z @ self.last[0] + self.last[1]
        return generated if self.skipped is None else generated.add_(self.skipped)
