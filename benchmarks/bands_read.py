"""Bytes that a map reads of a band-interleaved cube against those of the bands that its model uses: 51 of 330.

Every block of the map is read as planned; what the process asked the operating system for is in /proc/self/io. A tiled
GeoTIFF by bands, and ENVI by bands and by lines. `--quick`: the same, it is small.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import rasterio
from measure import asked_quick, report
from saved_models import scene_model
from scene import FWHM_NM, WAVELENGTH_NM, made_once, make_scene

from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.mapping.run import RunOptions
from geosoil.workflows.map import prepare_cube

SIDE = 1024
KINDS: dict[str, dict[str, Any]] = {
    "tif": {"driver": "GTiff", "tiled": True, "blockxsize": 256, "blockysize": 256, "interleave": "band"},
    "bsq": {"driver": "ENVI", "interleave": "bsq"},
    "bil": {"driver": "ENVI", "interleave": "bil"},
}


def _write(kind: str, path: Path) -> None:
    with rasterio.open(make_scene(SIDE, SIDE)) as source:
        profile = {name: source.profile[name] for name in ("width", "height", "count", "dtype", "crs", "transform")}
        with rasterio.open(path, "w", **profile, nodata=source.nodata, **KINDS[kind]) as target:
            for _, window in source.block_windows(1):
                target.write(source.read(window=window), window=window)
    if KINDS[kind]["driver"] == "ENVI":
        path.with_suffix(".hdr").rename(path.with_name(f"bands_read_{kind}.hdr"))


def _write_bands(path: Path) -> None:
    rows = zip(WAVELENGTH_NM, FWHM_NM, strict=True)
    path.write_text("wavelength_nm,fwhm_nm\n" + "".join(f"{centre},{fwhm}\n" for centre, fwhm in rows))


def bytes_read() -> int:
    """Return what this process has read so far."""
    counters = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counters["rchar"])


def main() -> None:
    """Measure and report."""
    asked_quick(__doc__)
    ratios = []
    for kind in KINDS:
        cube = made_once(f"bands_read_{kind}.{'tif' if kind == 'tif' else 'img'}", partial(_write, kind))
        bands = made_once("bands_read.csv", _write_bands)
        prepared = prepare_cube(cube, scene_model("svr"), "bands_read.tif", band_table=bands, scale=1e-4)
        blocks = prepared.plan(RunOptions(threads=2, memory_bytes=4 * 10**9)).blocks
        needed = 2 * len(prepared.job.predict.model.features) * SIDE * SIDE
        with limit_gdal_cache():
            before = bytes_read()
            for place in blocks.places:
                blocks.read(*place)
        ratios.append((bytes_read() - before) / needed)
        print(f"{kind}: {len(blocks)} blocks of {blocks.rows[1]} x {blocks.cols[1]}, {ratios[-1]:.3f} x", flush=True)
    sys.exit(not report("bands_read", max(ratios), "x-the-bytes-of-the-bands", 1.1))


if __name__ == "__main__":
    main()
