"""CARS (51 bands) + SVR (60 support vectors) over a full GF-5 scene, written as a COG.

Against the time to read all blocks of the same file with the same threads, and against sklearn-raster with the same
scikit-learn pipeline. `--quick`: a small scene and no peer.
"""

from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
import xarray as xr
from measure import asked_quick, median_seconds, report
from scene import BAD_NM, WAVELENGTH_NM, make_scene, scratch_folder, spectra_of
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR

from geosoil.estimators.support_vectors import SupportVectors
from geosoil.io.rasters.cog import write_cog
from geosoil.mapping.job import map_model
from geosoil.mapping.match import match_bands
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.sensors.cube import open_cube
from geosoil.spectra.cars import CARS

if TYPE_CHECKING:
    from pathlib import Path

THREADS, N_BANDS, N_SUPPORT = 2, 51, 60
SETTINGS: dict[str, Any] = {"C": 10.0, "gamma": 1 / N_BANDS, "epsilon": 1e-6}


def good_bands() -> np.ndarray:
    """Return the indices of the bands outside the water windows."""
    bad = np.zeros(len(WAVELENGTH_NM), bool)
    for low, high in BAD_NM:
        bad |= (low <= WAVELENGTH_NM) & (high >= WAVELENGTH_NM)
    return np.flatnonzero(~bad)


def training_rows() -> tuple[np.ndarray, np.ndarray]:
    """Return spectra `(60, p)` of the good bands and a content; with epsilon near 0 each row supports."""
    X = spectra_of(N_SUPPORT, seed=99)[:, good_bands()].astype(np.float32)
    rng = np.random.default_rng(1)
    return X, 40 + 300 * (X[:, 120] - X[:, 60]) + rng.normal(0, 2, len(X))


def chosen_bands(n: int, p: int) -> CARS:
    """Return a selector that CARS could have fitted, of exactly n of p bands."""
    selector = CARS()
    selector.n_features_in_ = p
    selector.support_ = np.zeros(p, bool)
    selector.support_[np.random.default_rng(2).choice(p, n, replace=False)] = True
    selector.selection_frequency_ = selector.support_.astype(float)
    selector.rmsecv_, selector.n_bands_ = np.ones(1), np.array([n])
    selector.coefficient_path_ = np.zeros((1, p), np.float32)
    selector.best_run_, selector.n_components_ = 0, 1
    return selector


def features() -> tuple[Feature, ...]:
    """Return the model's inputs."""
    X, _ = training_rows()
    return tuple(
        Feature(f"{WAVELENGTH_NM[band]:.2f}", float(WAVELENGTH_NM[band]), None, float(low), float(high))
        for band, low, high in zip(good_bands(), X.min(0), X.max(0), strict=True)
    )


def svr_model() -> PixelModel:
    """Return the model of the claim."""
    X, y = training_rows()
    selector = chosen_bands(N_BANDS, X.shape[1])
    scaler = StandardScaler().fit(selector.transform(X))
    machine = SupportVectors(**SETTINGS).fit(scaler.transform(selector.transform(X)), y)
    pipeline = Pipeline([("cars", selector), ("scale", scaler), ("svr", machine)])
    return PixelModel(pipeline, features(), (Target("as_mg_kg", "mg/kg", (0.0, None)),))


def map_scene(model: PixelModel, scene: Path, output: Path, threads: int = THREADS) -> None:
    """Open, match, map and write, as `geosoil map` does."""
    cube = open_cube(scene, drop_nm=[])
    match = match_bands(model, cube)
    write_cog(map_model(match.model, cube, bands=match.bands), output, threads=threads)


def read_blocks(scene: Path, bands: list[int] | None, threads: int = THREADS) -> None:
    """Read every block of the file once, with rasterio alone."""
    handles = threading.local()

    def read(window: rasterio.windows.Window) -> None:
        if not hasattr(handles, "source"):
            handles.source = rasterio.open(scene)
        handles.source.read(bands, window=window)

    with rasterio.open(scene) as source:
        windows = [window for _, window in source.block_windows(1)]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(read, windows))


def peer_seconds(model: PixelModel, scene: Path, output: Path) -> float:
    """Return the time of sklearn-raster with the same scikit-learn pipeline, chunks and threads; once, it is slow."""
    import dask
    import rioxarray
    from sklearn_raster import FeatureArrayEstimator

    X, y = training_rows()
    bands = [int(good_bands()[i]) + 1 for i in model.used_columns]
    pipeline = Pipeline([("scale", StandardScaler()), ("svr", SVR(**SETTINGS))])
    wrapped = FeatureArrayEstimator(pipeline).fit(X[:, model.used_columns], y)
    start = time.perf_counter()
    # The same job: no data becomes NaN, stored integers become reflectance; and no global read lock.
    chunks = {"band": -1, "y": 256, "x": 256}
    cube = rioxarray.open_rasterio(scene, chunks=chunks, lock=False, mask_and_scale=True)
    assert isinstance(cube, xr.DataArray)
    cube = cube.sel(band=bands)
    with dask.config.set(scheduler="threads", num_workers=THREADS):
        wrapped.predict(cube).rio.to_raster(output, driver="COG", compress="deflate")
    return time.perf_counter() - start


def main() -> None:
    """Measure and report."""
    quick = asked_quick(__doc__)
    scene = make_scene(512, 512) if quick else make_scene()
    output = scratch_folder() / "map_svr.tif"
    model = svr_model()
    repeats = 3 if quick else 5
    bands = [int(good_bands()[i]) + 1 for i in model.used_columns]
    read_blocks(scene, None)  # once, so that all that follows finds the file in the page cache
    map_scene(model, scene, output)
    reading = median_seconds(lambda: read_blocks(scene, None), repeats)
    reading_few = median_seconds(lambda: read_blocks(scene, bands), repeats)
    mapping = median_seconds(lambda: map_scene(model, scene, output), repeats)
    print(f"read 330 bands {reading:.2f} s, read 51 bands {reading_few:.2f} s, map {mapping:.2f} s, {THREADS} threads")
    held = [report("map_svr", mapping / reading, "x-read-time", 1.0)]
    if not quick:
        peer = peer_seconds(model, scene, output)
        print(f"sklearn-raster {peer:.1f} s")
        held.append(report("map_svr_peer", peer / mapping, "x-faster", 8.0, at_most=False))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
