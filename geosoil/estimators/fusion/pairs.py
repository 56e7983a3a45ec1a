"""What a fusion is trained on: spectra of the same samples from satellite and laboratory, and the pixels around."""

from __future__ import annotations

from typing import Any

import numpy as np

from geosoil.errors import SamplesError
from geosoil.numerics.angles import spectral_angle_rad

MIN_SAMPLES = 4


def checked_pairs(satellite: Any, laboratory: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both `(sample, band)` as float64.

    Raises SamplesError for spectra that are absent, too few, not numbers, or do not belong together.
    """
    if laboratory is None:
        raise _unusable("no laboratory spectra", "laboratory (n, p)", "give fit(..., laboratory=...)")
    satellite, laboratory = np.asarray(satellite, np.float64), np.asarray(laboratory, np.float64)
    if satellite.ndim != 2 or satellite.shape != laboratory.shape:
        raise _unusable(
            f"satellite {satellite.shape} and laboratory {laboratory.shape}",
            "both (n, p)",
            "resample the laboratory spectra to the satellite's bands, one row for each sample",
        )
    if len(satellite) < MIN_SAMPLES:
        raise _unusable(f"{len(satellite)} pairs", f"at least {MIN_SAMPLES}", "give more samples")
    for name, spectra in (("satellite", satellite), ("laboratory", laboratory)):
        wrong = np.flatnonzero(~np.isfinite(spectra).all(axis=1))
        if len(wrong):
            raise _unusable(
                f"NaN or infinity in the {name} spectrum of row {wrong[0]}", "numbers", "leave such samples out"
            )
    return satellite, laboratory


def checked_target(y: Any, n_samples: int) -> np.ndarray:
    """Return the target `(n_samples,)` that seeds are searched for; raises SamplesError where it cannot serve."""
    target = np.empty(0) if y is None else np.asarray(y, np.float64)
    if target.shape != (n_samples,) or not np.isfinite(target).all() or np.ptp(target) == 0:
        raise _unusable(
            f"a target of shape {target.shape}", f"{n_samples} differing numbers to search seeds for", "give y"
        )
    return target


def with_neighbours(satellite: np.ndarray, neighbours: Any, largest_angle_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """Add the pixels around a sample that are like its own (Ou et al. 2025, section 3.1.3).

    satellite `(sample, band)`; neighbours `(sample, k, band)`, NaN where missing, or None. Returns the spectra
    `(row, band)`, the samples' own first, and the sample `(row,)` that each belongs to.

    >>> own = np.array([[1.0, 1.0], [1.0, 2.0]])
    >>> around = np.array([[[2.0, 2.0], [0.0, 1.0]], [[np.nan, 2.0], [1.0, 2.05]]])
    >>> spectra, sample = with_neighbours(own, around, 0.08)
    >>> spectra[2:].tolist(), sample.tolist()
    ([[2.0, 2.0], [1.0, 2.05]], [0, 1, 0, 1])
    """
    own = np.arange(len(satellite))
    if neighbours is None:
        return satellite, own
    neighbours = np.asarray(neighbours, np.float64)
    if neighbours.ndim != 3 or neighbours.shape[::2] != satellite.shape:
        raise _unusable(
            f"neighbours {neighbours.shape}",
            f"({len(satellite)}, k, {satellite.shape[1]})",
            "give the pixels around each sample",
        )
    sample = np.repeat(own, neighbours.shape[1])
    pixels = neighbours.reshape(len(sample), satellite.shape[1])
    near = spectral_angle_rad(pixels, satellite[sample]) < largest_angle_rad  # NaN is near to nothing
    return np.concatenate([satellite, pixels[near]]), np.concatenate([own, sample[near]])


def one_spread(spectra: np.ndarray, name: str) -> float:
    """Return one spread for all bands, the root of their mean variance; raises SamplesError where it is 0."""
    spread = float(np.sqrt(spectra.var(axis=0).mean()))
    if spread == 0:
        raise _unusable(f"{name} spectra that are all the same", "spectra that differ", "give those of several soils")
    return spread


def _unusable(found: str, expected: str, way_out: str) -> SamplesError:
    return SamplesError("SpectralVAE", found=found, expected=expected, way_out=way_out)
