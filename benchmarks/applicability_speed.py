"""Dissimilarity index and density of 4 million pixels, 1000 samples, 50 features, against brute force in NumPy.

Brute force is timed on a sample of the pixels, spread over the run, and scaled up. Pixels come in blocks of float32, as
a map reads them; results of all pixels are kept. Both sides compute on one thread.

    python benchmarks/applicability_speed.py [--quick]
"""

from __future__ import annotations

import sys
import time

import numpy as np
from measure import asked_quick, own_peak_mib, report

from geosoil.numerics.threads import one_thread_each
from geosoil.trust.applicability import Applicability, fit_applicability

N_SAMPLES, N_FEATURES, N_BLOCK, N_BRUTE = 1000, 50, 100_000, 200


def brute_force(area: Applicability, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return index and density by the definition: every distance, in blocks that fit in memory."""
    samples = (area.samples - area.centre) / area.scale
    index, density = [], []
    for part in np.array_split((rows - area.centre) / area.scale, max(1, len(rows) // 50)):
        relative = np.sqrt(((part[:, None] - samples) ** 2).sum(axis=2)) / area.mean_distance
        index.append(relative.min(axis=1))
        density.append((relative < area.threshold).sum(axis=1))
    return np.concatenate(index), np.concatenate(density)


def main() -> bool:
    """Alternate the two, so that both meet the same load of the machine."""
    n_pixels = 200_000 if asked_quick(__doc__) else 4_000_000
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(N_FEATURES, N_FEATURES)) / np.sqrt(N_FEATURES)
    area = fit_applicability((rng.normal(size=(N_SAMPLES, N_FEATURES)) @ mixing).astype(np.float32))
    index, density = np.empty(n_pixels, np.float32), np.empty(n_pixels, np.int32)
    seconds, brute_seconds, n_brute = 0.0, 0.0, 0
    with one_thread_each():
        area.assess(area.samples[:10])  # compiles
        for start in range(0, n_pixels, N_BLOCK):
            block = (rng.normal(size=(N_BLOCK, N_FEATURES)) @ mixing).astype(np.float32)
            begun = time.perf_counter()
            assessed = area.assess(block)
            index[start : start + N_BLOCK], density[start : start + N_BLOCK] = assessed[:2]
            seconds += time.perf_counter() - begun
            begun = time.perf_counter()
            expected = brute_force(area, block[:N_BRUTE])
            brute_seconds += time.perf_counter() - begun
            n_brute += N_BRUTE
            np.testing.assert_allclose(assessed.dissimilarity[:N_BRUTE], expected[0], rtol=1e-10)
            np.testing.assert_array_equal(assessed.density[:N_BRUTE], expected[1])
    brute_seconds *= n_pixels / n_brute
    print(f"{n_pixels} pixels: {seconds:.0f} s; brute force, of {n_brute} pixels scaled up: {brute_seconds:.0f} s")
    print(f"mean density {density.mean():.2f}, {np.mean(index <= area.threshold):.0%} inside the area")
    return all([
        report("applicability_speed", brute_seconds / seconds, "x", 20, at_most=False),
        report("applicability_memory", own_peak_mib(), "MiB", 1024),
    ])  # fmt: skip


if __name__ == "__main__":
    sys.exit(not main())
