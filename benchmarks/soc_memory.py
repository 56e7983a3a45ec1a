"""Peak memory of mapping a stack of covariates, and of mapping one four times as tall: pixel model and patch model.

Eight covariates at 25 m, two at 90 m in another projection and one of classes; the patch model writes six depths, more
than GDAL's block cache holds. Each map runs in a process of its own, and the operating system tells its peak; the
resident memory after each eighth of the blocks is reported too, and has to level off. `--quick`: small stacks, for a
trial only (the cache is not full then, so the ratio says nothing).
"""

from __future__ import annotations

import argparse
import resource
import sys
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from measure import figures_of_process, own_peak_mib, report
from rasterio.windows import Window
from saved_models import save_made
from scene import made_once, scratch_folder

ROWS, COLUMNS, TILE = 8192, 512, 256  # tall enough at 1 x for GDAL's cache to fill
N_FINE, N_COARSE, N_CLASSES = 8, 2, 4
PATCH = 9
DEPTHS = ((0, 5), (5, 15), (15, 30), (30, 60), (60, 100), (100, 200))


def make_stack(rows: int, columns: int) -> list[Path]:
    """Return the files of a stack of that size, made if they are not there yet."""
    from rasterio.warp import transform_bounds

    fine = rasterio.Affine(25, 0, 600_000, 0, -25, 5_800_000)
    bounds = (600_000, 5_800_000 - 25 * rows, 600_000 + 25 * columns, 5_800_000)
    left, bottom, right, top = transform_bounds("EPSG:32633", "EPSG:3035", *bounds)
    coarse = rasterio.Affine(90, 0, left - 900, 0, -90, top + 900)
    height, width = int((top - bottom) / 90) + 20, int((right - left) / 90) + 20
    kinds = {
        "fine": (N_FINE, (rows, columns), "EPSG:32633", fine),
        "coarse": (N_COARSE, (height, width), "EPSG:3035", coarse),
        "landform": (1, (rows, columns), "EPSG:32633", fine),
    }
    return [
        made_once(f"soc_{name}_{rows}x{columns}.tif", partial(_write, name, *layout)) for name, layout in kinds.items()
    ]


def _write(name: str, count: int, shape: tuple[int, int], crs: str, transform: rasterio.Affine, path: Path) -> None:
    classes = name == "landform"
    profile = {"driver": "GTiff", "height": shape[0], "width": shape[1], "count": count, "crs": crs}
    profile |= {"transform": transform, "tiled": True, "blockxsize": TILE, "blockysize": TILE}
    profile |= {"dtype": "uint8", "nodata": 0} if classes else {"dtype": "float32", "nodata": -9999}
    rng = np.random.default_rng(3)
    with rasterio.open(path, "w", **profile) as target:
        for row in range(0, shape[0], TILE):
            height = min(TILE, shape[0] - row)
            if classes:
                values = np.repeat(rng.integers(1, N_CLASSES + 1, (1, height, 1)), shape[1], axis=2).astype("uint8")
            else:
                values = rng.normal(0, 1, (count, height, shape[1])).astype("float32")
            target.write(values, window=Window(0, row, shape[1], height))
        for number in range(1, count + 1):
            target.set_band_description(number, name if classes else f"{name}_{number}")


def save_model_of(kind: str) -> Path:
    """Train a model on noise, of pixels or of patches, and return its folder: what it says is of no interest here."""
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from geosoil.estimators.depth_cnn import PlainCNN
    from geosoil.estimators.support_vectors import SupportVectors
    from geosoil.models.contract import Feature, Target
    from geosoil.models.patch import PatchModel
    from geosoil.models.pixel import PixelModel

    names = [f"fine_{k + 1}" for k in range(N_FINE)] + [f"coarse_{k + 1}" for k in range(N_COARSE)]
    inputs = [Feature(name, training_low=-3.0, training_high=3.0) for name in names]
    inputs += [Feature(f"landform={k + 1}", training_low=0.0, training_high=1.0) for k in range(N_CLASSES)]
    rng = np.random.default_rng(0)
    model: PixelModel | PatchModel
    if kind == "pixel":
        X = rng.normal(size=(60, len(inputs))).astype(np.float32)
        svr = make_pipeline(StandardScaler(), SupportVectors(n_candidates=2)).fit(X, X[:, 0])
        model = PixelModel(svr, tuple(inputs), (Target("soc_pct", "%"),))
    else:
        patches = rng.normal(size=(60, len(inputs), PATCH, PATCH)).astype(np.float32)
        y = np.repeat(patches[:, :1, 4, 4], len(DEPTHS), axis=1)
        net = PlainCNN(layers_cm=DEPTHS, filters=(8, 16, 16), hidden=(16,), epochs=2).fit(patches, y)
        targets = tuple(Target(f"SOC {upper}-{lower} cm", "%") for upper, lower in DEPTHS)
        model = PatchModel(net, tuple(inputs), targets)
    return save_made(model, f"soc_memory_{kind}", quantity="covariates")


def map_and_tell(kind: str, paths: list[str]) -> None:
    """Map, and print what was resident in MiB: after each eighth of the blocks, and at the peak of the process."""
    from geosoil.workflows.map import map_covariates

    series = []

    def note(_: str, done: int, total: int) -> None:
        if done % max(total // 8, 1) == 0:
            pages = int(Path("/proc/self/statm").read_text().split()[1])
            series.append(pages * resource.getpagesize() / 2**20)

    model = scratch_folder() / f"soc_memory_{kind}"
    map_covariates(paths, model, scratch_folder() / f"soc_memory_{kind}.tif", threads=2, progress=note)
    print(*(f"{one:.0f}" for one in series), own_peak_mib())


def peak_mib(kind: str, paths: list[Path]) -> float:
    """Map a stack in a fresh process, print its series, and return its peak resident memory in MiB."""
    *series, peak = figures_of_process(__file__, "--map", kind, *paths)
    resident = " ".join(f"{mib:.0f}" for mib in series)
    print(f"{kind} model, {paths[0].stem}: resident {resident} MiB, peak {peak:.0f} MiB", flush=True)
    return peak


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.map:
        map_and_tell(arguments.map[0], arguments.map[1:])
        return
    rows, columns = (512, 512) if arguments.quick else (ROWS, COLUMNS)
    once, tall = make_stack(rows, columns), make_stack(4 * rows, columns)
    ratios = []
    for kind in ("pixel", "patch"):
        save_model_of(kind)
        first, fourth = peak_mib(kind, once), peak_mib(kind, tall)
        ratios.append(fourth / first)
    sys.exit(not report("soc_memory", max(ratios), "x", 1.10))


if __name__ == "__main__":
    main()
