"""Equal-area splines of 2000 profiles x 6 horizons, averaged over the six standard layers.

The peers are R packages and are not run here; as given for the same job, one thread: mpspline2 0.1.9 takes 11.0 s,
ithir 2.0.0 3.9 s.

    python benchmarks/splines.py
"""

from __future__ import annotations

import sys

import numpy as np
from measure import median_seconds, report
from threadpoolctl import threadpool_limits

from geosoil.numerics.depth_spline import layer_means

N_PROFILES, N_HORIZONS = 2000, 6


def horizons() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return top_cm, bottom_cm, value and profile index (horizon,) of profiles that end between 1 and 2.5 m."""
    rng = np.random.default_rng(0)
    share = rng.dirichlet(np.full(N_HORIZONS, 4.0), N_PROFILES)
    bottom = np.cumsum(share * rng.uniform(100, 250, (N_PROFILES, 1)), axis=1).round(1)
    top = np.concatenate([np.zeros((N_PROFILES, 1)), bottom[:, :-1]], axis=1)
    value = 3 * np.exp(-(top + bottom) / 80) * rng.lognormal(sigma=0.3, size=top.shape)
    return top.ravel(), bottom.ravel(), value.ravel(), np.repeat(np.arange(N_PROFILES), N_HORIZONS)


def main() -> int:
    rows = horizons()
    with threadpool_limits(1):
        exact = median_seconds(lambda: layer_means(*rows), 9)
        slices = median_seconds(lambda: layer_means(*rows, slices="top"), 5)
    print(
        f"{N_PROFILES} profiles x {N_HORIZONS} horizons: exact means {exact:.4f} s, slices of mpspline2 {slices:.4f} s"
    )
    print("as given, not measured here: mpspline2 11.0 s, ithir 3.9 s")
    return 0 if report("splines", exact, "s", 0.3) else 1


if __name__ == "__main__":
    sys.exit(main())
