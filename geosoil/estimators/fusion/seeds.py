"""The search over seeds (Ou et al. 2025, section 3.1.3), beside what it finds where there is nothing to find.

The paper keeps dropout on after training and tries seeds from -9999 to 9999 for the generated spectra that
correlate best with the content. The best of 19,999 tries is high on any target: so the same search runs on
shuffled targets too, and its best |r| is the yardstick.
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
    """The best seeds `(n_best,)` with their |r|, best first, and the best |r| on each shuffled target `(n_null,)`."""

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

    x `(sample, band)`: standardised satellite spectra of the TRAINING samples, one row each; target `(sample,)`.
    A seed's score is the largest |Pearson r| over the bands of its generated spectra, smoothed by `smoothing`
    `(band, band)` if given. The shuffled targets, drawn by `random_state`, meet the same generated spectra.
    The paper does not say how bands are scored: this is the reading by which its own Fig. 5 quotes a seed.
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
    """Give the largest |r| over bands: `(seed, sample, band)`, y `(sample, k)` centred, of length 1 -> `(seed, k)`."""
    import torch

    centred = generated - generated.mean(dim=1, keepdim=True)
    length = torch.linalg.vector_norm(centred, dim=1)  # (seed, band)
    covariance = torch.matmul(y.T, centred)  # (seed, k, band)
    # A band that is the same in every row correlates with nothing.
    flat = length <= 1e-6 * torch.linalg.vector_norm(generated, dim=1)
    r = covariance.abs() / length.masked_fill(flat, torch.inf)[:, None, :]
    return r.amax(dim=2).numpy().astype(np.float64)


class _Network:
    """One member on fixed rows: what no seed changes is computed once."""

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
        """Generate `(seed, sample, band)` for masks `(seed, member, unit)` and noise `(seed, member, latent)`."""
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
