"""51 of the 285 bands of a whole EMIT granule, orthorectified by its lookup table, and mapped by an SVR to a COG.

The granule is generated: 1280 x 1242 pixels, 285 bands float32, in the chunks that the netCDF library chooses, shuffled
and compressed by gzip, with a MASK file beside it; 1 GB on disk. `geosoil map` with its masks, its COG and its picture
is timed, with two threads and a limit of 1.25 GB, of which a plan uses 90 % at most, against h5py, which reads and
decodes the chunks of these bands once in the geometry of the sensor. Both are run in turns; the memory is the peak of
the process of the map. `--quick`: a small granule.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from itertools import product
from pathlib import Path

import h5py
import numpy as np
from measure import figures_of_process, own_peak_mib, report, seconds_of
from scene import scratch_folder
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from geosoil.estimators.support_vectors import SupportVectors
from geosoil.models.card import TrainingCard
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import save_model
from geosoil.workflows.map import map_cube

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from sensors.products.emit import WATER_NM, emit_nm, planted, write_emit

N_BANDS, N_SUPPORT, THREADS, LIMIT_BYTES = 51, 60, 2, 1_250_000_000
SIZES = {"full": (1280, 1242), "quick": (320, 310)}
ANGLE_DEG = 35.0
REPEATS = 3


def granule(size: str) -> Path:
    """Return the granule, written if it is not there yet; a folder that is there is whole."""
    folder = scratch_folder() / f"emit_{size}"
    if not folder.exists():
        rows, columns = SIZES[size]
        unfinished = folder.with_name(f"{folder.name}.part")
        write_emit(unfinished, rows=rows, columns=columns, angle_deg=ANGLE_DEG, chunks=(256, 249, 57))
        unfinished.rename(folder)
    return next(folder.glob("EMIT_L2A_RFL_*.nc"))


def chosen_bands() -> np.ndarray:
    """Return 51 of the bands that are good, `(51,)`, as CARS scatters them."""
    nm = emit_nm()
    good = ~np.any([(nm >= low) & (nm <= high) for low, high in WATER_NM], axis=0)
    return np.sort(np.random.default_rng(4).choice(np.flatnonzero(good), N_BANDS, replace=False))


def svr_folder() -> Path:
    """Return the folder of an SVR of these bands with 60 support vectors."""
    folder = scratch_folder() / "emit_svr"
    if not (folder / "model.json").exists():
        bands, rng = chosen_bands(), np.random.default_rng(5)
        X = planted(bands, *rng.integers(0, 1200, (2, N_SUPPORT, 1)))
        y = 5 + 30 * X[:, 20] - 10 * X[:, 45] + rng.normal(0, 0.3, N_SUPPORT)
        machine = SupportVectors(C=10.0, gamma=1 / N_BANDS, epsilon=1e-6)
        features = tuple(
            Feature(f"{emit_nm()[band]:.2f} nm", float(emit_nm()[band]), 8.5, float(column.min()), float(column.max()))
            for band, column in zip(bands, X.T, strict=True)
        )
        estimator = make_pipeline(StandardScaler(), machine).fit(X, y)
        model = PixelModel(estimator, features, (Target("clay_pct", "%", (0.0, None)),))
        training = TrainingCard(n_samples=N_SUPPORT, recipe_sha256="-", table_sha256="-")
        save_model(
            model, folder, training=training, name="clay", study="generated", preprocessing=["svr"], metrics=None
        )
    return folder


def map_granule(path: Path) -> None:
    """Map as `geosoil map --memory` does."""
    output = scratch_folder() / "emit_map.tif"
    map_cube(path, svr_folder(), output, threads=THREADS, memory_bytes=LIMIT_BYTES, trust=False, mode="restart")


def read_chunks(path: Path) -> int:
    """Read every chunk that has one of the bands by h5py, and return their number."""
    bands, count = chosen_bands(), 0
    with h5py.File(path) as file:
        cube = file["reflectance"]
        height, width, depth = cube.chunks
        starts = [range(0, cube.shape[0], height), range(0, cube.shape[1], width), np.unique(bands // depth) * depth]
        for row, column, band in product(*starts):
            cube[row : row + height, column : column + width, band : band + depth]
            count += 1
    return count


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.map:
        print(seconds_of(lambda: map_granule(arguments.map), 1)[0], own_peak_mib())
        return
    path = granule("quick" if arguments.quick else "full")
    svr_folder()
    print(f"{read_chunks(path)} chunks, {path.stat().st_size / 1e9:.2f} GB on disk")  # it is in the page cache now
    reading, mapping, peaks = [], [], []
    for _ in range(REPEATS):
        reading += seconds_of(lambda: read_chunks(path), 1)
        seconds, peak = figures_of_process(__file__, "--map", path)
        mapping.append(seconds)
        peaks.append(peak)
    for title, numbers in (("h5py", reading), ("map", mapping)):
        print(f"{title}: {', '.join(f'{value:.1f}' for value in numbers)} s")
    held = [report("emit_map", statistics.median(mapping) / statistics.median(reading), "x", 1.5)]
    held.append(report("emit_map_memory", max(peaks), "MiB", 1024))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
