"""Two single-threaded worker processes against one: the blocks of the full scene with the model of `map_vae.py`.

Timed are the blocks alone, read, computed and kept: the cluster runs before, and each worker has computed some blocks.
`--quick`: a small scene.
"""

from __future__ import annotations

import sys
import tempfile
import time

from measure import asked_quick, report
from saved_models import scene_model
from scene import make_scene, scratch_folder

from geosoil.io.remote.objects import open_store
from geosoil.mapping.cluster import ClusterExecutor, local_cluster
from geosoil.mapping.executors import BlockTask
from geosoil.mapping.scratch import BlockStore
from geosoil.workflows.map import prepare_cube

BLOCK, WARMING = 256, 2  # pixels; blocks of each worker


def seconds_of_blocks(task: BlockTask, n_workers: int) -> float:
    """Return the time of all blocks of a task on so many workers."""
    places = list(task.blocks.places)
    with local_cluster(n_workers) as client:
        executor = ClusterExecutor(client)
        client.wait_for_workers(n_workers)
        list(executor.run(task, places[: WARMING * n_workers]))
        start = time.perf_counter()
        done = list(executor.run(task, places))
        seconds = time.perf_counter() - start
    assert len(done) == len(places)
    return seconds


def main() -> None:
    """Measure and report."""
    quick = asked_quick(__doc__)
    prepared = prepare_cube(make_scene(512, 512) if quick else make_scene(), scene_model("vae"), "two_workers.tif")
    with tempfile.TemporaryDirectory(dir=scratch_folder()) as folder:
        task = BlockTask(prepared.job.blocks(BLOCK), BlockStore(open_store(folder), "blocks"))
        times = [(seconds_of_blocks(task, 1), seconds_of_blocks(task, 2)) for _ in range(2)]
    one, two = (min(column) for column in zip(*times, strict=True))
    print(f"{len(task.blocks)} blocks: one worker {one:.1f} s, two {two:.1f} s")
    sys.exit(not report("two_workers", one / two, "x-faster", 1.8, at_most=False))


if __name__ == "__main__":
    main()
