"""CARS in seconds: 50 runs with cross-validation of each, against a loop of scikit-learn fits over the same subsets.

The limit for 61 x 420, 10 components is the 0.6 s that libPLS 1.98 takes in Octave 7.3 (measured elsewhere, one
thread). The scikit-learn side is timed here in full and at its best: one `PLSRegression` per run and one per fold,
the errors for fewer components read from its rotations instead of fitting again for each number of components.

    python benchmarks/cars.py [--quick]    (the smaller case only)
"""

from __future__ import annotations

import sys

import numpy as np
from measure import asked_quick, median_seconds, report
from sklearn.cross_decomposition import PLSRegression
from threadpoolctl import threadpool_limits

from geosoil.spectra.cars import CARS, MonteCarlo, folds_by_rank, shrinking_subsets

N_RUNS, N_SAMPLES, N_FOLDS = 50, 61, 5


def spectra(n_bands: int) -> tuple[np.ndarray, np.ndarray]:
    """Return smooth spectra (61, n_bands) with noise, and a content that shapes them."""
    rng = np.random.default_rng(0)
    at = np.linspace(0, 1, n_bands)
    centres, widths = rng.uniform(0, 1, (12, 1)), rng.uniform(0.03, 0.3, (12, 1))
    amounts = rng.lognormal(size=(N_SAMPLES, 12))
    X = amounts @ np.exp(-(((at - centres) / widths) ** 2)) + 0.01 * rng.normal(size=(N_SAMPLES, n_bands))
    return X, amounts[:, 0] + 0.3 * amounts[:, 1] + 0.1 * rng.normal(size=N_SAMPLES)


def scikit_learn_loop(X: np.ndarray, y: np.ndarray, subsets: np.ndarray, n_components: int) -> np.ndarray:
    """Fit and cross-validate every run's subset, one PLSRegression after the other: RMSECV (run,)."""
    folds, rmsecv = folds_by_rank(y, N_FOLDS), []
    for subset in subsets:
        bands = X[:, subset]
        a = min(n_components, bands.shape[1])
        PLSRegression(a, scale=False).fit(bands[: int(0.9 * len(y))], y[: int(0.9 * len(y))])
        predicted = np.empty((a, len(y)))
        for fold in range(N_FOLDS):
            out = folds == fold
            model = PLSRegression(a, scale=False).fit(bands[~out], y[~out])
            scores = (bands[out] - bands[~out].mean(axis=0)) @ model.x_rotations_
            predicted[:, out] = np.cumsum(scores * model.y_loadings_[0], axis=1).T + y[~out].mean()
        rmsecv.append(np.sqrt(np.mean((predicted - y) ** 2, axis=1)).min())
    return np.array(rmsecv)


def main() -> int:
    quick = asked_quick(__doc__)
    held = []
    with threadpool_limits(1):
        for n_bands, n_components, limit in [(420, 10, 0.6), (570, 15, 1.2)][: 1 if quick else 2]:
            X, y = spectra(n_bands)
            cars = CARS(N_RUNS, n_components, N_FOLDS)
            ours = median_seconds(lambda: cars.fit(X, y), 2 if quick else 7)  # noqa: B023
            draws = MonteCarlo(np.random.default_rng(0), 0.9)
            subsets, _ = shrinking_subsets(X, y, draws, n_runs=N_RUNS, n_components=n_components, scale=False)
            peer = median_seconds(lambda: scikit_learn_loop(X, y, subsets, n_components), 1 if quick else 3)  # noqa: B023
            print(f"{N_SAMPLES} x {n_bands}, {n_components} components: {ours:.3f} s, scikit-learn {peer:.3f} s")
            held.append(report(f"cars_{n_bands}", ours, "s", limit))
            held.append(report(f"cars_{n_bands}_sklearn_over_ours", peer / ours, "x", 1, at_most=False))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
