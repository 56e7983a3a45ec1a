"""What the plan, the journal and its checks cost: `run_map` against the same blocks straight into a COG.

The model of `map_svr.py` on a full GF-5 scene, two threads, the same blocks; in turns, and the least time of each.
Opening the scene and the model is timed on both sides, style and quicklook on neither. `--quick`: a small scene.
"""

from __future__ import annotations

import sys

from map_svr import THREADS
from measure import asked_quick, report, seconds_of
from saved_models import scene_model
from scene import COLUMNS, ROWS, make_scene, scratch_folder

from geosoil.io.journal import Identity
from geosoil.io.rasters.cog import write_cog
from geosoil.mapping.run import RunOptions, run_map
from geosoil.raster.blocks import lazy_raster
from geosoil.workflows.map import prepare_cube


def main() -> None:
    """Measure and report."""
    quick = asked_quick(__doc__)
    scene = make_scene(512, 512) if quick else make_scene(ROWS, COLUMNS)
    output = scratch_folder() / "overhead.tif"
    running = RunOptions(threads=THREADS, mode="restart")
    sides = prepare_cube(scene, scene_model("svr"), output).plan(running).blocks

    def with_journal() -> None:
        job = prepare_cube(scene, scene_model("svr"), output).job
        identity = Identity.of({}, files={"cube": scene})
        with run_map(job, output, output=str(output), identity=identity, tags={}, run_options=running):
            pass

    def without() -> None:
        job = prepare_cube(scene, scene_model("svr"), output).job
        blocks = job.blocks((sides.rows[1], sides.cols[1]))
        write_cog(lazy_raster(blocks, job.source), output, threads=THREADS)

    with_journal()
    without()
    times = [(*seconds_of(with_journal, 1), *seconds_of(without, 1)) for _ in range(5)]
    journal, plain = (min(column) for column in zip(*times, strict=True))
    print(f"with a journal {journal:.2f} s, without {plain:.2f} s, {THREADS} threads, {len(sides)} blocks")
    sys.exit(not report("overhead", journal / plain, "x", 1.10))


if __name__ == "__main__":
    main()
