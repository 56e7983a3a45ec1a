"""Six-depth map of the transfer CNN, 1000 x 1000 cells x 24 covariates, patch 15: dense against patch by patch.

Both run the same network on the same threads, in memory. Patch by patch means what it says: patches of a random sample
of cells are cut out and predicted in batches of 256 by torch, and the time is scaled up to all cells. The last figure
but the claims tells the same for a patch by patch that shares the frozen convolutions between the depths.
`--quick`: a map of 250 x 250 cells.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from affine import Affine
from measure import asked_quick, median_seconds, report
from scipy.ndimage import gaussian_filter

from geosoil.estimators.depth_cnn import TransferCNN
from geosoil.mapping.job import map_model
from geosoil.models.contract import Feature, Target
from geosoil.models.patch import PatchModel
from geosoil.numerics.depth_spline import STANDARD_LAYERS_CM
from geosoil.numerics.threads import one_thread_each
from geosoil.raster.blocks import stream_blocks
from geosoil.raster.layout import make_raster

if TYPE_CHECKING:
    from collections.abc import Callable

THREADS = 2
N_COVARIATES, SIZE, BATCH = 24, 15, 256
HALF = SIZE // 2


def covariates(side: int) -> np.ndarray:
    """Return smooth fields `(covariate, y, x)` float32 with scattered gaps and a corner without data."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(N_COVARIATES, side, side)).astype(np.float32)
    for number, field in enumerate(values):
        field[:] = gaussian_filter(field, 1 + number % 6)
        field /= field.std()
    values[:, rng.random((side, side)) < 1e-3] = np.nan
    values[:, : side // 10, : side // 10] = np.nan
    return values


def trained_model(values: np.ndarray) -> PatchModel:
    """Return a transfer CNN of the default widths, trained briefly: its arithmetic is what counts."""
    rng = np.random.default_rng(1)
    top, left = rng.integers(0, values.shape[1] - SIZE, (2, 200))
    X = np.stack([values[:, y : y + SIZE, x : x + SIZE] for y, x in zip(top, left, strict=True)])
    centre = np.nan_to_num(X[:, :3, HALF, HALF])
    y = centre[:, [0]] + np.arange(6) / 6 * centre[:, [1]] + 0.3 * centre[:, [2]] ** 2
    estimator = TransferCNN(epochs=10, fine_tuning_epochs=2, learning_rate=3e-3).fit(X, y)
    features = tuple(Feature(f"c{i}") for i in range(N_COVARIATES))
    return PatchModel(estimator, features, tuple(Target(f"SOC {a}-{b} cm", "%") for a, b in STANDARD_LAYERS_CM))


def on_all_threads(work: Callable[[int], object], n: int) -> None:
    """Run batches on as many threads as the map has, one BLAS and torch thread each."""
    with one_thread_each(), ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(0, n, BATCH)))


def main() -> None:
    """Measure and report."""
    quick = asked_quick(__doc__)
    side, n_sampled = (250, 2048) if quick else (1000, 20_000)
    values = covariates(side)
    model = trained_model(values)
    estimator = model.estimator
    transform = Affine(30, 0, 0, 0, -30, 30 * side)
    names = [feature.name for feature in model.features]
    raster = make_raster(values, names=names, crs="EPSG:32633", transform=transform)

    mapped = np.empty((len(model.targets), side, side), np.float32)

    def dense() -> None:
        def store(y: int, x: int, block: np.ndarray) -> None:
            mapped[:, y : y + block.shape[1], x : x + block.shape[2]] = block

        stream_blocks(map_model(model, raster), store, threads=THREADS)

    mirrored = np.pad(values, ((0, 0), (HALF, HALF), (HALF, HALF)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(mirrored, (SIZE, SIZE), axis=(1, 2))
    seen = np.flatnonzero(np.isfinite(values).all(axis=0))
    sampled = np.random.default_rng(2).choice(seen, n_sampled, replace=False)
    sampled[:4] = (side // 2, side * side - 1, side - 1, side * (side - 1))  # an edge and three corners
    sampled = sampled[np.isfinite(values[:, sampled // side, sampled % side]).all(axis=0)]
    predicted = np.empty((len(sampled), len(model.targets)))

    def cut(start: int) -> np.ndarray:
        cells = sampled[start : start + BATCH]
        return np.ascontiguousarray(windows[:, cells // side, cells % side].swapaxes(0, 1))

    def by_patch(start: int) -> None:
        predicted[start : start + BATCH] = model.predict_rows(cut(start))

    networks = estimator._modules(0)
    codes = torch.from_numpy(estimator._codes())

    def by_patch_sharing(start: int) -> None:
        with torch.inference_mode():
            x = torch.from_numpy(estimator._scaled(cut(start)))
            for block in networks[0].convolutions[: estimator.n_frozen]:
                x = block(x)
            for net, code in zip(networks, codes, strict=True):
                y = x
                for block in net.convolutions[estimator.n_frozen :]:
                    y = block(y)
                net.head(torch.cat([y.flatten(1), code.expand(len(y), -1)], 1))

    scale = len(seen) / len(sampled)
    dense_seconds = median_seconds(dense, 3)
    patch_seconds = scale * median_seconds(lambda: on_all_threads(by_patch, len(sampled)), 3)
    sharing_seconds = scale * median_seconds(lambda: on_all_threads(by_patch_sharing, len(sampled)), 1)
    spread = estimator.target_spread_  # of the training values: what the network's numbers are multiplied by
    differences = np.abs(mapped[:, sampled // side, sampled % side].T - predicted)
    print(
        f"{len(seen)} cells with data: dense {dense_seconds:.1f} s; patch by patch {patch_seconds:.0f} s, measured on "
        f"{len(sampled)} cells and scaled up; with the frozen convolutions shared by the depths {sharing_seconds:.0f} s"
    )
    print(f"largest difference {differences.max():.2g} %, standard deviation of the map {np.nanstd(mapped):.2g} %")
    held = [
        report("dense_patches_difference", float((differences / spread).max()), "spreads", 1e-5),
        report("dense_patches", patch_seconds / dense_seconds, "x-faster", 25, at_most=False),
    ]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
