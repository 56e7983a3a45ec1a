"""Three properties of one scene in one pass, against the map of one of them: arsenic, copper and organic matter.

The models of the sample data (fusion with SVR of 290 bands, with PLS of 290 bands, and SVR of 32 bands) on a full GF-5
scene of 330 bands, two threads, as `geosoil map --no-trust` maps it. The scene is read from the disk: before each map
its pages are dropped from the cache of the system. In turns, and the least time of each. The figure is the time of all
three divided by that of the one that takes longest, which is printed with the others. `--quick`: a small scene.
`--trust`: with the trust maps, which are computed for each model.
"""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from measure import report, seconds_of
from scene import COLUMNS, ROWS, make_scene, scratch_folder

from geosoil.mapping.run import RunOptions
from geosoil.workflows.map import prepare_cube

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

THREADS = 2
MODELS = ("as_svr", "cu_plsr", "som_svr")


def drop_from_cache(path: Path) -> None:
    """Drop the pages of a file from the cache of the system, so that it is read from the disk again."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small scene")
    parser.add_argument("--trust", action="store_true", help="with trust maps")
    options = parser.parse_args()
    scene = make_scene(512, 512) if options.quick else make_scene(ROWS, COLUMNS)
    running = RunOptions(threads=THREADS, mode="restart")

    def seconds(models: Sequence[str]) -> float:
        drop_from_cache(scene)
        output = scratch_folder() / "three_targets.tif"
        (once,) = seconds_of(lambda: prepare_cube(scene, models, output, trust=options.trust).write(running), 1)
        return once

    times: dict[tuple[str, ...], list[float]] = {models: [] for models in (MODELS, *((name,) for name in MODELS))}
    for _ in range(2):
        for models, of_models in times.items():
            of_models.append(seconds(models))
    least = {models: min(of_models) for models, of_models in times.items()}
    print("; ".join(f"{' + '.join(models)} {least[models]:.1f} s" for models in times) + f"; {THREADS} threads")
    slowest = max(least[name,] for name in MODELS)
    sys.exit(not report("three_targets", least[MODELS] / slowest, "x", 1.3))


if __name__ == "__main__":
    main()
