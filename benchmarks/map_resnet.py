"""The 1D-ResNet over a full GF-5 scene (2083 x 2008 pixels, 285 bands read), written as a COG: time and memory.

Against the multiply-adds that its layers need at the float32 matrix speed of the same run. `--quick`: a small scene.
"""

from __future__ import annotations

import argparse
import sys
import time

from map_svr import features, map_scene, training_rows
from map_vae import matrix_speed
from measure import figures_of_process, own_peak_mib, report
from scene import COLUMNS, ROWS, make_scene, scratch_folder

from geosoil.estimators.resnet import ResNet1D
from geosoil.models.contract import Target
from geosoil.models.pixel import PixelModel

LIMIT, LIMIT_MIB = 2.5, 2048


def resnet_model() -> PixelModel:
    """Return the net on the scene's good bands; trained briefly, for the arithmetic is what counts."""
    X, y = training_rows()
    net = ResNet1D(epochs=2, patience=2, output="linear").fit(X, y)
    return PixelModel(net, features(), (Target("ph", "pH"),))


def needed_multiply_adds(n_bands: int, pool_bands: int) -> int:
    """Return the multiply-adds of the convolutions and dense layers for one pixel."""
    windows = -(-n_bands // pool_bands)
    length = windows // 2
    convolutions = windows * 48 * 3 + 4 * length * 48 * 48 * 3 + length * 32 * 48 * 3
    return convolutions + length * 32 * 16 + 16 * 10 + 10


def map_and_tell(rows: int, columns: int) -> None:
    """Map in this process, and print seconds and its peak memory in MiB."""
    scene, model = make_scene(rows, columns), resnet_model()
    start = time.perf_counter()
    map_scene(model, scene, scratch_folder() / "map_resnet.tif")
    seconds = time.perf_counter() - start
    print(seconds, own_peak_mib())


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", nargs=2, type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.map:
        map_and_tell(*arguments.map)
        return
    rows, columns = (512, 512) if arguments.quick else (ROWS, COLUMNS)
    make_scene(rows, columns)
    model = resnet_model()
    needed = needed_multiply_adds(len(model.features), model.estimator.pool_bands_)
    speed = matrix_speed()
    seconds, mib = figures_of_process(__file__, "--map", rows, columns)
    speed = max(speed, matrix_speed())  # the machine's speed drifts: take it before and after, and the harder one
    arithmetic = rows * columns * needed / speed
    print(
        f"{len(model.features)} bands, {needed} multiply-adds a pixel: {arithmetic:.1f} s at {speed / 1e9:.0f} GMAC/s; "
        f"map {seconds:.1f} s, reading and writing included"
    )
    held = [report("map_resnet", seconds / arithmetic, "x-arithmetic", LIMIT)]
    held.append(report("map_resnet_memory", mib, "MiB", LIMIT_MIB))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
