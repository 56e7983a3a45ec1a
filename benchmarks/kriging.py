"""A Gaussian process of place alone against gstat, PyKrige and a direct computation in float64.

First the golden values of gstat at points. Then a map of 2048 x 2048 pixels from 500 samples, written as a COG, by
`geosoil map` of a template; its peak is that of a process of its own. PyKrige computes the same ordinary kriging, with
its fastest way, on a strip of the map, and its time is multiplied by the number of strips: its matrices for the whole
map would need 50 GB. `--quick`: 256 x 256 pixels.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rasterio
from measure import figures_of_process, own_peak_mib, report, shared
from rasterio.transform import from_origin
from scene import made_once, scratch_folder

from geosoil.estimators.gaussian_process import GaussianProcess
from geosoil.models.contract import Target, place_features
from geosoil.models.pixel import PixelModel
from geosoil.workflows.predictor import Predictor

if TYPE_CHECKING:
    from pathlib import Path

SILL, RANGE_M, NOISE = 1.2, 900.0, 0.3  # of Matern 3/2 as gstat writes it, without sqrt(3)
N_SAMPLES, PIXEL_M, STRIP, THREADS = 500, 10.0, 16, 2
WEST, NORTH, CRS = 400_000.0, 5_720_480.0, "EPSG:32633"
EVERY = 4  # pixel and row of the map is compared with the direct computation


def process(**more: object) -> GaussianProcess:
    """Return ordinary kriging with a known variogram and measurement error."""
    fixed = {"noise": NOISE, "place": {"variance": SILL, "length": RANGE_M * np.sqrt(3)}}
    blocks = [{"name": "place", "columns": [0, 1], "kernel": "matern32", "linear": False, "place": True}]
    return GaussianProcess(blocks=blocks, trend=more.get("trend", []), fixed=fixed)  # type: ignore[arg-type]


def golden_difference() -> float:
    """Return the largest difference from gstat's predictions and variances with measurement error ("mat_err")."""
    folder = shared("kriging", folder="golden").parent
    golden = json.loads((folder / "kriging" / "gstat.json").read_text())["mat_err"]
    observed, new = (pd.read_csv(folder / "inputs" / f"krige_{name}.csv") for name in ("obs", "new"))
    worst = 0.0
    for case, trend in (("ordinary", []), ("universal_cov", [2])):
        fitted = process(trend=trend).fit(observed[["x", "y", "cov"]].to_numpy(), observed["z"].to_numpy())
        for key, values in zip(("pred", "var"), fitted.latent(new[["x", "y", "cov"]].to_numpy()), strict=True):
            worst = max(worst, float(np.abs(values - golden[case][key]).max()))
    return worst


def samples(side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return places `(500, 2)` in metres, to a centimetre, and a property that varies smoothly, with noise."""
    rng = np.random.default_rng(5)
    extent = side * PIXEL_M
    xy = np.column_stack([WEST + rng.uniform(0, extent, N_SAMPLES), NORTH - rng.uniform(0, extent, N_SAMPLES)]).round(2)
    waves = rng.normal(size=(40, 2)) / RANGE_M
    field = np.cos((xy - [WEST, NORTH]) @ waves.T + rng.uniform(0, 2 * np.pi, 40)).sum(axis=1)
    return xy, 13 + field * np.sqrt(2 * SILL / 40) + rng.normal(0, np.sqrt(NOISE), N_SAMPLES)


def template(side: int) -> Path:
    """Return a raster that gives the grid of the map; made if it is not there yet."""

    def write(path: Path) -> None:
        transform = from_origin(WEST, NORTH, PIXEL_M, PIXEL_M)
        profile = {"driver": "GTiff", "height": side, "width": side, "count": 1, "dtype": "uint8", "crs": CRS}
        with rasterio.open(path, "w", transform=transform, compress="deflate", tiled=True, **profile) as made:
            made.write(np.zeros((1, side, side), "uint8"))

    return made_once(f"kriging_{side}x{side}.tif", write)


def predictor(side: int) -> Predictor:
    """Fit the process to the samples, as a model of place alone."""
    xy, z = samples(side)
    origin = WEST + side * PIXEL_M / 2, NORTH - side * PIXEL_M / 2
    fitted = process().fit(xy - origin, z)
    return Predictor(PixelModel(fitted, place_features(CRS, origin), (Target("z", ""),)))


def map_seconds(side: int, output: Path) -> float:
    """Map the template, and return the seconds, writing included."""
    model = predictor(side)
    start = time.perf_counter()
    model.map(template(side), output, threads=THREADS, mode="restart")
    return time.perf_counter() - start


def covariance(h: np.ndarray) -> np.ndarray:
    """Return Matern 3/2 of distances in metres."""
    return SILL * (1 + h / RANGE_M) * np.exp(-h / RANGE_M)


def direct(side: int) -> np.ndarray:
    """Return ordinary kriging of every few pixels by its equations, in float64."""
    xy, z = samples(side)
    n = len(z)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = covariance(np.hypot(*(xy[:, None] - xy[None]).transpose(2, 0, 1))) + NOISE * np.eye(n)
    system[n, n] = 0
    weights = np.linalg.solve(system, np.append(z, 0))
    steps = np.arange(0, side, EVERY) + 0.5
    result = np.empty((len(steps), len(steps)))
    x = WEST + PIXEL_M * steps
    for values, row in zip(result, steps, strict=True):
        h = np.hypot(x[:, None] - xy[:, 0], NORTH - PIXEL_M * row - xy[:, 1])
        values[:] = covariance(h) @ weights[:n] + weights[n]
    return result


def peer(side: int) -> tuple[float, np.ndarray]:
    """Return the seconds of PyKrige for the whole map, by one strip, and the strip."""
    from pykrige.ok import OrdinaryKriging

    xy, z = samples(side)
    start = time.perf_counter()
    kriging = OrdinaryKriging(
        *(xy - [WEST, NORTH]).T, z, variogram_model="custom", variogram_parameters=[],
        variogram_function=lambda _, h: NOISE + SILL - covariance(h), exact_values=False,
    )  # fmt: skip
    prepared = time.perf_counter() - start
    steps = PIXEL_M * (np.arange(side) + 0.5)
    start = time.perf_counter()
    strip = np.asarray(kriging.execute("grid", steps, -steps[:STRIP], backend="vectorized")[0])
    return prepared + (time.perf_counter() - start) * side / STRIP, strip


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    side, output = 256 if arguments.quick else 2048, scratch_folder() / "kriging.tif"
    if arguments.map:
        print(map_seconds(side, output), own_peak_mib())
        return
    golden = golden_difference()
    template(side)
    runs = [figures_of_process(__file__, "--map", *(["--quick"] if arguments.quick else [])) for _ in range(3)]
    seconds, peak = min(run[0] for run in runs), max(run[1] for run in runs)
    peer_seconds, strip = peer(side)
    with rasterio.open(output) as source:
        mapped = source.read(1).astype(np.float64)
    difference = np.abs(mapped[::EVERY, ::EVERY] - direct(side)).max()
    between = np.abs(mapped[:STRIP] - strip).max()
    print(f"map {seconds:.2f} s, PyKrige {peer_seconds:.1f} s; the maps differ by {between:.1e} at most")
    held = [
        report("kriging_golden", golden, "difference", 1e-9),
        report("kriging_map", difference, "difference", 1e-6),
        report("kriging_memory", peak, "MiB", 1024),
        report("kriging", peer_seconds / seconds, "x-faster", 20.0, at_most=False),
    ]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
