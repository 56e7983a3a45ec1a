"""The trust map of a full GF-5 scene: what intervals and the area of applicability add to the time and memory of a map.

The model of `map_svr.py` (51 bands, 60 support vectors) maps the scene with its five trust bands and without, as
`geosoil map` does, alternately in one process. The memory of each is the peak of a process of its own. `--quick`: a
small scene.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import TYPE_CHECKING

from measure import figures_of_process, own_peak_mib, report
from saved_models import scene_model
from scene import make_scene, scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

THREADS = 2


def map_once(scene: Path, *, trust: bool) -> float:
    """Map the scene, and return the wall time in seconds."""
    from geosoil.workflows.map import map_cube

    output = scratch_folder() / "map_trust.tif"
    start = time.perf_counter()
    map_cube(scene, scene_model("trusted_svr"), output, trust=trust, threads=THREADS, mode="restart")
    return time.perf_counter() - start


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", choices=("trust", "plain"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    scene = make_scene(512, 512) if arguments.quick else make_scene()
    if arguments.map:
        map_once(scene, trust=arguments.map == "trust")
        print(own_peak_mib())
        return
    for trust in (True, False):  # compiles, and brings the scene into the page cache
        map_once(scene, trust=trust)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(5):
        for trust, measured in seconds.items():
            measured.append(map_once(scene, trust=trust))
    with_trust, without = (statistics.median(seconds[trust]) for trust in (True, False))
    print(f"with trust {with_trust:.2f} s, without {without:.2f} s, {THREADS} threads, medians of 5 alternating runs")
    quick = ["--quick"] if arguments.quick else []
    peaks = [figures_of_process(__file__, "--map", kind, *quick)[0] for kind in ("trust", "plain")]
    held = [
        report("map_trust", with_trust / without, "x", 1.3),
        report("map_trust_memory", peaks[0] / peaks[1], "x", 1.1),
    ]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
