"""A random forest (500 trees, fitted to 800 rows) over 1000 x 1000 cells x 24 covariates, written as a COG.

Against sklearn-raster with the same fitted scikit-learn forest, file, threads and output; the maps must be equal.
The peak is that of a process of its own. `--quick`: 200 x 200 cells, 50 trees.
"""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from measure import figures_of_process, median_seconds, own_peak_mib, report
from rasterio.transform import from_origin
from scene import made_once, scratch_folder
from scipy.ndimage import gaussian_filter

from geosoil.estimators.forest import Forest
from geosoil.io.rasters.cog import write_cog
from geosoil.io.rasters.reader import open_raster
from geosoil.mapping.job import map_model
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel

if TYPE_CHECKING:
    from pathlib import Path

THREADS, N_COVARIATES, N_ROWS, TILE = 2, 24, 800, 256


def make_stack(side: int) -> Path:
    """Return a stack of smooth covariates with some noise, as terrain and climate are; made if it is not there yet."""
    return made_once(f"covariates_{side}x{side}.tif", lambda path: _write_stack(path, side))


def _write_stack(path: Path, side: int) -> None:
    rng = np.random.default_rng(3)
    profile = {"driver": "GTiff", "height": side, "width": side, "count": N_COVARIATES, "dtype": "float32",
               "crs": "EPSG:32652", "transform": from_origin(450_000, 4_800_000, 90, 90), "nodata": -9999.0,
               "tiled": True, "blockxsize": TILE, "blockysize": TILE}  # fmt: skip
    with rasterio.open(path, "w", **profile) as target:
        for band in range(1, N_COVARIATES + 1):
            smooth = gaussian_filter(rng.normal(size=(side, side)), 3 * rng.uniform(1, 5))
            covariate = smooth / smooth.std() + rng.normal(0, 0.1, smooth.shape)
            target.write(covariate.astype(np.float32), band)
            target.set_band_description(band, f"covariate_{band:02d}")


def training_rows() -> tuple[np.ndarray, np.ndarray]:
    """Return covariates `(800, 24)` and a content that some of them carry."""
    rng = np.random.default_rng(4)
    X = rng.normal(size=(N_ROWS, N_COVARIATES)).astype(np.float32)
    y = np.exp(0.5 + 0.4 * X[:, 0] + 0.3 * np.sin(2 * X[:, 1]) - 0.2 * X[:, 2] * X[:, 3] + rng.normal(0, 0.3, N_ROWS))
    return X, y


def forest_model(n_trees: int) -> PixelModel:
    """Return the model of the claim."""
    X, y = training_rows()
    features = tuple(Feature(f"covariate_{band:02d}") for band in range(1, N_COVARIATES + 1))
    return PixelModel(Forest(n_trees=n_trees).fit(X, y), features, (Target("soc_pct", "%"),))


def map_stack(model: PixelModel, stack: Path, output: Path) -> None:
    """Open, map and write, as `geosoil map` does."""
    write_cog(map_model(model, open_raster(stack)), output, threads=THREADS)


def peer_seconds(model: PixelModel, stack: Path, output: Path) -> float:
    """Return the time of sklearn-raster with the same forest (same rows, same seed), chunks and threads; once."""
    import dask
    import rioxarray
    from sklearn.base import clone
    from sklearn_raster import FeatureArrayEstimator

    wrapped = FeatureArrayEstimator(clone(model.estimator.forest_)).fit(*training_rows())
    start = time.perf_counter()
    chunks = {"band": -1, "y": TILE, "x": TILE}
    cube = rioxarray.open_rasterio(stack, chunks=chunks, lock=False, mask_and_scale=True)  # no global read lock
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        wrapped.predict(cube).rio.to_raster(output, driver="COG", compress="deflate")
    return time.perf_counter() - start


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    stack = make_stack(200 if arguments.quick else 1000)
    model = forest_model(50 if arguments.quick else 500)
    output, peer_output = (scratch_folder() / f"map_forest{of}.tif" for of in ("", "_peer"))
    map_stack(model, stack, output)
    if arguments.map:
        print(own_peak_mib())
        return
    ours = median_seconds(lambda: map_stack(model, stack, output), 3)
    peer = peer_seconds(model, stack, peer_output)
    with rasterio.open(output) as first, rasterio.open(peer_output) as second:
        equal = np.array_equal(first.read(1), second.read(1).astype(np.float32), equal_nan=True)
    (peak,) = figures_of_process(__file__, "--map", *(["--quick"] if arguments.quick else []))
    print(f"map {ours:.2f} s, sklearn-raster {peer:.2f} s, {THREADS} threads, maps {'equal' if equal else 'DIFFER'}")
    held = [report("map_forest_memory", peak, "MiB", 1536)]
    held.append(report("map_forest", peer / ours, "x-faster", 1.0, at_most=False))
    sys.exit(not (equal and all(held)))


if __name__ == "__main__":
    main()
