"""The trained networks as plain arrays, and what they compute in the ops of a lowered program.

A realisation is one dropout mask for each hidden layer of the encoder and one noise vector, the same for every
row and pixel: so a map never depends on how it is cut. Without one, nothing is dropped and z = mu.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import ModelFileError
from geosoil.program.ops import Affine, Elementwise, Op, Program
from geosoil.program.parallel import Parallel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Layer = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Member:
    """One trained network: layers of weight `(out, in)` and bias `(out,)`, and the skip `(band, band)` or None."""

    encoder: list[Layer]
    mu: Layer
    logvar: Layer
    decoder: list[Layer]
    skip: np.ndarray | None


@dataclass(frozen=True)
class Realisations:
    """Masks `(realisation, member, unit)` per hidden layer of the encoder, noise `(realisation, member, latent)`.

    A mask holds 0 for a dropped unit and 1 / (1 - dropout) for the others.
    """

    masks: list[np.ndarray]
    noise: np.ndarray


@dataclass(frozen=True)
class Scaling:
    """Mean spectra `(band,)` and one spread each of the satellite (x) and the laboratory (y), in their units."""

    x_mean: np.ndarray
    x_scale: float
    y_mean: np.ndarray
    y_scale: float


def members_of(weights: Mapping[str, np.ndarray]) -> list[Member]:
    """Read the networks from their weights by name; sizes come from the arrays alone.

    Raises ModelFileError where arrays are missing or do not fit one another.
    """
    members: list[Member] = []
    while f"{len(members)}.mu.weight" in weights:
        members.append(_member(weights, f"{len(members)}."))
    if not members:
        raise _misfit("no network", "at least one")
    return members


def _member(weights: Mapping[str, np.ndarray], prefix: str) -> Member:
    def layer(name: str) -> Layer:
        try:
            weight, bias = weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"]
        except KeyError as missing:
            raise _misfit(f"no {missing}", "the weights of every layer") from missing
        if weight.ndim != 2 or bias.shape != weight.shape[:1]:
            raise _misfit(f"{prefix}{name} of {weight.shape} and {bias.shape}", "(out, in) and (out,)")
        return weight.astype(np.float64), bias.astype(np.float64)

    def layers(name: str) -> list[Layer]:
        found: list[Layer] = []
        while f"{prefix}{name}.{len(found)}.weight" in weights:
            found.append(layer(f"{name}.{len(found)}"))
        if not found:
            raise _misfit(f"no {prefix}{name}", "at least one layer")
        return found

    skip = weights.get(f"{prefix}skip.weight")
    member = Member(
        layers("encoder"),
        layer("mu"),
        layer("logvar"),
        layers("decoder"),
        None if skip is None else skip.astype(np.float64),
    )
    chain = [*member.encoder, member.mu, *member.decoder]
    n_bands = chain[0][0].shape[1]
    fits = all(after[0].shape[1] == len(before[0]) for before, after in pairwise(chain))
    fits = fits and len(chain[-1][0]) == n_bands and member.logvar[0].shape == member.mu[0].shape
    if not fits or (member.skip is not None and member.skip.shape != (n_bands, n_bands)):
        raise _misfit(f"layers of {[weight.shape for weight, _ in chain]}", "each as wide as the one before gives")
    return member


def _misfit(found: str, expected: str) -> ModelFileError:
    return ModelFileError("weights of SpectralVAE", found=found, expected=expected, way_out="fit the model again")


def draw_realisations(seeds: Sequence[int] | np.ndarray, members: list[Member], dropout: float) -> Realisations:
    """Draw what each seed stands for: a seed always gives the same, whatever stands beside it."""
    widths = [len(weight) for weight, _ in members[0].encoder]
    latent = len(members[0].mu[0])
    masks = [np.empty((len(seeds), len(members), width), np.float32) for width in widths]
    noise = np.empty((len(seeds), len(members), latent), np.float32)
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng([int(seed < 0), abs(int(seed))])  # a generator takes no negative seed
        for mask in masks:
            mask[i] = (rng.random(mask.shape[1:]) >= dropout) / (1 - dropout)
        noise[i] = rng.standard_normal(noise.shape[1:])
    return Realisations(masks, noise)


def generator_program(
    members: list[Member], scaling: Scaling, realisations: Realisations | None, smoothing: np.ndarray | None = None
) -> Program:
    """Say how satellite spectra become generated ones, `(band, pixel)` -> `(band, pixel)` in their own units.

    The mean over members and realisations, each spectrum multiplied by `smoothing` `(band, band)` if given.
    Each member's first layer is computed once for all realisations; the masks are folded into the weights.
    """
    n_bands = len(scaling.x_mean)
    smooth = np.eye(n_bands) if smoothing is None else smoothing
    n_realisations = 1 if realisations is None else len(realisations.noise)
    n_parts = len(members) * n_realisations
    branches: list[Program] = []
    for m, member in enumerate(members):
        weight, bias = member.decoder[-1]
        last = (
            smooth @ weight * (scaling.y_scale / n_parts),
            smooth @ (bias * scaling.y_scale + scaling.y_mean) / n_parts,
        )
        parts = tuple(
            _behind_first_layer(
                member,
                last,
                None if realisations is None else [mask[r, m].astype(np.float64) for mask in realisations.masks],
                None if realisations is None else realisations.noise[r, m].astype(np.float64),
            )
            for r in range(n_realisations)
        )
        branches.append((_standardised(member.encoder[0], scaling), Elementwise("relu"), Parallel(parts, "sum")))
        if member.skip is not None:
            skip = smooth @ member.skip * (scaling.y_scale / len(members))
            branches.append((_standardised((skip, np.zeros(n_bands)), scaling),))
    return (Parallel(tuple(branches), "sum"),)


def _standardised(layer: Layer, scaling: Scaling) -> Affine:
    """Fold the standardisation of its input into a layer."""
    weight, bias = layer
    weight = weight / scaling.x_scale
    return Affine(weight, bias - weight @ scaling.x_mean)


def _behind_first_layer(
    member: Member, last: Layer, masks: list[np.ndarray] | None, noise: np.ndarray | None
) -> Program:
    """Say what a member computes from its first hidden layer on: a mask multiplies the columns that read a unit."""
    drop = [np.ones(len(weight)) for weight, _ in member.encoder] if masks is None else masks
    ops: list[Op] = []
    for (weight, bias), mask in zip(member.encoder[1:], drop[:-1], strict=True):
        ops += [Affine(weight * mask, bias), Elementwise("relu")]
    mu = Affine(member.mu[0] * drop[-1], member.mu[1])
    if noise is None:
        ops.append(mu)
    else:
        half_logvar = Affine(member.logvar[0] * drop[-1] / 2, member.logvar[1] / 2)
        spread: Program = (half_logvar, Elementwise("exp"), Affine(np.diag(noise), np.zeros(len(noise))))
        ops.append(Parallel(((mu,), spread), "sum"))
    for weight, bias in member.decoder[:-1]:
        ops += [Affine(weight, bias), Elementwise("relu")]
    return (*ops, Affine(*last))
