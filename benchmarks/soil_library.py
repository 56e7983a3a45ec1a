"""A seeded spectral library of any size and a farm of one of its soils, for the benchmarks of choosing rows."""

from __future__ import annotations

import numpy as np

from geosoil.spectra.scatter import SNV

N_SOILS = 12


def soil_library(n: int, n_bands: int, *, n_site: int = 30) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return X_library (n, band) and y (n,), X_site (n_site, band) and y: SNV of absorbance, 400 to 2500 nm.

    Twelve kinds of soil, each with its own mean, its own relation of content to spectrum and its own instrument noise.
    """
    rng = np.random.default_rng(0)
    at = np.linspace(400, 2500, n_bands)
    centre, width = rng.uniform(400, 2500, (25, 1)), rng.uniform(40, 600, (25, 1))
    absorbers = np.exp(-(((at - centre) / width) ** 2))
    mean = rng.lognormal(sigma=0.6, size=(N_SOILS, 25))
    relation = rng.normal(size=(N_SOILS, 25)) / 5

    def draw(soil: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        amount = mean[soil] * rng.lognormal(sigma=0.35, size=(len(soil), 25))
        absorbance = amount @ absorbers + (0.8 - 2e-4 * (at - 400)) + 0.01 * rng.normal(size=(len(soil), n_bands))
        content = np.sum((amount - mean[soil]) * relation[soil], axis=1) + amount[:, 0]
        return SNV().fit_transform(absorbance), content + 0.05 * rng.normal(size=len(soil))

    return (*draw(rng.integers(0, N_SOILS, n)), *draw(np.zeros(n_site, dtype=int)))
