"""A hundred thousand blocks of 8 x 8 pixels on a local cluster of two processes: the scheduler's memory, and its time.

The model is trivial, and raster and finished blocks are kept in memory (/dev/shm), so that what is left is the cluster,
one small read and one small write per block. The scheduler runs in this process, whose peak is reported. `--quick`:
10 000 blocks.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from measure import asked_quick, own_peak_mib, report

from geosoil.io.rasters.reader import open_raster
from geosoil.io.remote.objects import open_store
from geosoil.mapping.cluster import ClusterExecutor, local_cluster
from geosoil.mapping.executors import BlockTask
from geosoil.mapping.scratch import BlockStore
from geosoil.raster.blocks import cut_blocks

BLOCK, ACROSS = 8, 250  # pixels; blocks in a row
SHARED_MEMORY = Path("/dev/shm")


def main() -> None:
    """Measure and report."""
    down = 40 if asked_quick(__doc__) else 400
    shape = (down * BLOCK, ACROSS * BLOCK)
    with tempfile.TemporaryDirectory(dir=SHARED_MEMORY if SHARED_MEMORY.is_dir() else None) as folder:
        path = f"{folder}/raster.tif"
        profile = {"driver": "GTiff", "height": shape[0], "width": shape[1], "count": 1, "dtype": "float32"}
        profile |= {"crs": "EPSG:32633", "transform": rasterio.Affine(30, 0, 0, 0, -30, 0), "tiled": True}
        with rasterio.open(path, "w", **profile) as made:
            made.write(np.ones((1, *shape), np.float32))
        blocks = cut_blocks(np.negative, open_raster(path), names=["negative"], block=BLOCK)
        task = BlockTask(blocks, BlockStore(open_store(f"{folder}/map"), "blocks"))
        with local_cluster(2) as client:
            client.wait_for_workers(2)
            start = time.perf_counter()
            n_done = sum(1 for _ in ClusterExecutor(client).run(task, blocks.places))
            seconds = time.perf_counter() - start
    assert n_done == len(blocks)
    held = [report("many_tasks_memory", own_peak_mib(), "MiB", 2048)]
    held.append(report("many_tasks", 1000 * seconds / n_done, "ms-a-block", 2.0))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
