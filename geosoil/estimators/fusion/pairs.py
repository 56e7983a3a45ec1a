"""Training data of a fusion: satellite and laboratory spectra of the same samples, and neighbouring pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from geosoil.errors import SamplesError
from geosoil.numerics.angles import spectral_angle_rad

MIN_SAMPLES = 4


def checked_pairs(satellite: Any, laboratory: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return both `(sample, band)` as float64.

    Raises SamplesError if spectra are missing, too few, not finite or of different shapes.
    """
    if laboratory is None:
        raise _unusable("no laboratory spectra", "spectra of shape (sample, band)", "pass laboratory to fit")
    satellite, laboratory = np.asarray(satellite, np.float64), np.asarray(laboratory, np.float64)
    if satellite.ndim != 2 or satellite.shape != laboratory.shape:
        raise _unusable(
            f"satellite {satellite.shape} and laboratory {laboratory.shape}",
            "both of shape (sample, band)",
            "resample the laboratory spectra to the bands of the satellite, one row per sample",
        )
    if len(satellite) < MIN_SAMPLES:
        raise _unusable(f"{len(satellite)} pairs", f"at least {MIN_SAMPLES}", "give more samples")
    for name, spectra in (("satellite", satellite), ("laboratory", laboratory)):
        incomplete = np.flatnonzero(~np.isfinite(spectra).all(axis=1))
        if len(incomplete):
            raise _unusable(
                f"NaN or infinity in the {name} spectrum at index {incomplete[0]}",
                "finite numbers",
                "remove such samples",
            )
    return satellite, laboratory


def checked_target(y: Any, n_samples: int) -> np.ndarray:
    """Return the target `(n_samples,)` of a search of seeds; raises SamplesError if it is missing or constant."""
    target = np.empty(0) if y is None else np.asarray(y, np.float64)
    if target.shape != (n_samples,) or not np.isfinite(target).all() or np.ptp(target) == 0:
        raise _unusable(
            f"a target of shape {target.shape}",
            f"{n_samples} finite numbers that are not all equal",
            "pass y to fit, or set n_seeds to 0",
        )
    return target


def with_neighbours(satellite: np.ndarray, neighbours: Any, largest_angle_rad: float) -> tuple[np.ndarray, np.ndarray]:
    """Add neighbouring pixels whose spectra are similar to that of the sample (Ou et al. 2025, section 3.1.3).

    Parameters
    ----------
    satellite : ndarray of shape (sample, band)
        Spectra of the samples.
    neighbours : ndarray of shape (sample, neighbour, band), optional
        Spectra around each sample; NaN where missing.
    largest_angle_rad : float
        Neighbours with a smaller spectral angle to the sample are added.

    Returns
    -------
    spectra : ndarray of shape (row, band)
        Spectra of the samples, followed by the neighbours added.
    sample : ndarray of int of shape (row,)
        Sample to which each row belongs.

    Examples
    --------
    >>> satellite = np.array([[1.0, 1.0], [1.0, 2.0]])
    >>> neighbours = np.array([[[2.0, 2.0], [0.0, 1.0]], [[np.nan, 2.0], [1.0, 2.05]]])
    >>> spectra, sample = with_neighbours(satellite, neighbours, 0.08)
    >>> spectra[2:].tolist(), sample.tolist()
    ([[2.0, 2.0], [1.0, 2.05]], [0, 1, 0, 1])
    """
    samples = np.arange(len(satellite))
    if neighbours is None:
        return satellite, samples
    neighbours = np.asarray(neighbours, np.float64)
    if neighbours.ndim != 3 or neighbours.shape[::2] != satellite.shape:
        raise _unusable(
            f"neighbours {neighbours.shape}",
            f"shape ({len(satellite)}, neighbour, {satellite.shape[1]})",
            "pass the pixels around each sample",
        )
    sample = np.repeat(samples, neighbours.shape[1])
    pixels = neighbours.reshape(len(sample), satellite.shape[1])
    near = spectral_angle_rad(pixels, satellite[sample]) < largest_angle_rad  # False for NaN
    return np.concatenate([satellite, pixels[near]]), np.concatenate([samples, sample[near]])


def common_spread(spectra: np.ndarray, name: str) -> float:
    """Return the root of the mean variance of the bands of `(row, band)`; raises SamplesError if it is 0."""
    spread = float(np.sqrt(spectra.var(axis=0).mean()))
    if spread == 0:
        raise _unusable(f"{name} spectra that are all equal", "different spectra", "use samples of several soils")
    return spread


def _unusable(found: str, expected: str, way_out: str) -> SamplesError:
    return SamplesError("SpectralVAE", found=found, expected=expected, way_out=way_out)
