"""`geosoil terrain` on 4000 x 4000 cells, from the DEM to the COG: all nine bands, streams and quicklook.

In a process of its own, so that the operating system tells its peak memory. Against SAGA (Debian package `saga`), where
it is installed: filling, MFD area, slope, specific area, TWI and LS, each a file of its own. `--quick`: 1000 x 1000 and
no peer.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import rasterio
import rasterio.shutil
from measure import figures_of_process, own_peak_mib, report
from scene import made_once

SIDE, CELL_M, THREADS = 4000, 25.0, 2


def make_dem(side: int) -> Path:
    """Write a seeded DEM, spectral noise of a fractal surface with many sinks, and return its path."""
    return made_once(f"terrain_{side}.tif", lambda path: _write_dem(path, side))


def _write_dem(path: Path, side: int) -> None:
    rng = np.random.default_rng(4)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    noise = (rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)) / frequency**1.9
    heights = np.fft.irfft2(noise, s=(side, side))
    heights = (100 + 400 * (heights - heights.min()) / np.ptp(heights)).astype(np.float32)
    profile = {"driver": "GTiff", "width": side, "height": side, "count": 1, "dtype": "float32", "nodata": -9999}
    place = {"crs": "EPSG:32650", "transform": rasterio.Affine(CELL_M, 0, 5e5, 0, -CELL_M, 4.7e6), "tiled": True}
    with rasterio.open(path, "w", **profile, **place) as made:
        made.write(heights, 1)


def run_here(dem: Path) -> None:
    """Run `geosoil terrain`, and print its seconds and this process's peak in MiB."""
    from geosoil.workflows.terrain import map_terrain

    start = time.perf_counter()
    map_terrain(dem, dem.with_name("terrain_out.tif"), slope_method="zevenbergen_thorne", threads=THREADS)
    print(time.perf_counter() - start, own_peak_mib())


def saga_seconds(dem: Path) -> float:
    """Return the time of SAGA's tools for the same covariates, on as many threads."""
    folder = dem.parent / "terrain_saga"
    folder.mkdir(exist_ok=True)
    rasterio.shutil.copy(dem, folder / "dem.sdat", driver="SAGA")
    tools = [
        "ta_preprocessor 4 -ELEV dem.sgrd -FILLED filled.sgrd -FDIR fdir.sgrd -WSHED wshed.sgrd -MINSLOPE 0.01",
        "ta_hydrology 0 -ELEVATION filled.sgrd -FLOW area.sgrd -METHOD 4 -CONVERGENCE 1.1",
        "ta_morphometry 0 -ELEVATION filled.sgrd -SLOPE slope.sgrd -METHOD 6",
        "ta_hydrology 19 -DEM filled.sgrd -TCA area.sgrd -SCA sca.sgrd -WIDTH width.sgrd -METHOD 2",
        "ta_hydrology 20 -SLOPE slope.sgrd -AREA sca.sgrd -TWI twi.sgrd",
        "ta_hydrology 22 -SLOPE slope.sgrd -AREA sca.sgrd -LS ls.sgrd -METHOD 1",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS)}
    start = time.perf_counter()
    for tool in tools:
        subprocess.run(["saga_cmd", *tool.split()], cwd=folder, env=environment, check=True, capture_output=True)
    seconds = time.perf_counter() - start
    shutil.rmtree(folder)
    return seconds


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--here", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.here:
        run_here(arguments.here)
        return
    figures_of_process(__file__, "--here", make_dem(200))  # numba compiles once and keeps the result
    dem = make_dem(1000 if arguments.quick else SIDE)
    peer = shutil.which("saga_cmd") is not None and not arguments.quick
    own, saga = [], []
    for _ in range(3):  # in turns, so that both meet the same machine
        own.append(figures_of_process(__file__, "--here", dem))
        if peer:
            saga.append(saga_seconds(dem))
    seconds, mib = min(seconds for seconds, _ in own), max(mib for _, mib in own)
    held = [report("terrain", seconds, "s", 60), report("terrain_memory", mib, "MiB", 3072)]
    if peer:
        print(f"SAGA {min(saga):.1f} s")
        held.append(report("terrain_peer", min(saga) / seconds, "x-faster", 1.0, at_most=False))
    else:
        print("SAGA was not compared: saga_cmd is not installed, or --quick")
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
