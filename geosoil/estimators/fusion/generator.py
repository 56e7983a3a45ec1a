"""The trained networks of the spectral VAE as plain arrays, and the program that they compute.

A realisation is one dropout mask per hidden layer of the encoder and one noise vector. It is the same for all rows and
pixels, so that a map does not depend on its blocks. Without realisations nothing is dropped, and z = mu.
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
    """A trained network: layers of weights `(out, in)` and biases `(out,)`, and the linear skip `(band, band)`."""

    encoder: list[Layer]
    mu: Layer
    logvar: Layer
    decoder: list[Layer]
    skip: np.ndarray | None


@dataclass(frozen=True)
class Realisations:
    """Random numbers of realisations.

    Parameters
    ----------
    masks : list of ndarray of shape (realisation, member, unit)
        For each hidden layer of the encoder 0 for a dropped unit, and 1 / (1 - dropout) for the others.
    noise : ndarray of shape (realisation, member, latent)
        Standard normal numbers.
    """

    masks: list[np.ndarray]
    noise: np.ndarray


@dataclass(frozen=True)
class Scaling:
    """Mean spectra `(band,)` and spreads of the satellite (x) and laboratory (y) spectra, in their units."""

    x_mean: np.ndarray
    x_scale: float
    y_mean: np.ndarray
    y_scale: float


def members_of(weights: Mapping[str, np.ndarray]) -> list[Member]:
    """Return the networks from their weights by name; raises ModelFileError if arrays are missing or do not match."""
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
        chain: list[Layer] = []
        while f"{prefix}{name}.{len(chain)}.weight" in weights:
            chain.append(layer(f"{name}.{len(chain)}"))
        if not chain:
            raise _misfit(f"no {prefix}{name}", "at least one layer")
        return chain

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
        raise _misfit(
            f"layers of {[weight.shape for weight, _ in chain]}", "as many inputs as the layer before has outputs"
        )
    return member


def _misfit(found: str, expected: str) -> ModelFileError:
    return ModelFileError("weights of SpectralVAE", found=found, expected=expected, way_out="fit the model again")


def draw_realisations(seeds: Sequence[int] | np.ndarray, members: list[Member], dropout: float) -> Realisations:
    """Return the realisation of each seed; it does not depend on the other seeds."""
    widths = [len(weight) for weight, _ in members[0].encoder]
    latent = len(members[0].mu[0])
    masks = [np.empty((len(seeds), len(members), width), np.float32) for width in widths]
    noise = np.empty((len(seeds), len(members), latent), np.float32)
    for i, seed in enumerate(seeds):
        rng = np.random.default_rng([int(seed < 0), abs(int(seed))])  # numpy accepts no negative seed
        for mask in masks:
            mask[i] = (rng.random(mask.shape[1:]) >= dropout) / (1 - dropout)
        noise[i] = rng.standard_normal(noise.shape[1:])
    return Realisations(masks, noise)


def generator_program(
    members: list[Member], scaling: Scaling, realisations: Realisations | None, smoothing: np.ndarray | None = None
) -> Program:
    """Return the program from satellite spectra `(band, pixel)` to generated spectra, both in their units.

    The result is the mean over members and realisations, multiplied by the matrix `smoothing` `(band, band)`. The first
    layer of a member is computed once for all realisations; the masks are multiplied into the weights.
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
            _after_first_layer(
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
    """Return a layer that includes the standardisation of its input."""
    weight, bias = layer
    weight = weight / scaling.x_scale
    return Affine(weight, bias - weight @ scaling.x_mean)


def _after_first_layer(
    member: Member, last: Layer, masks: list[np.ndarray] | None, noise: np.ndarray | None
) -> Program:
    """Return the program of a member after its first hidden layer, with masks multiplied into the weights."""
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
