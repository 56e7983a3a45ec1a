"""Peak memory of `geosoil map` for both models, on a full GF-5 scene and on one twice as tall (12 GB of disk in all).

Each map runs in a process of its own, and the operating system tells its peak. `--quick`: small scenes.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from measure import figures_of_process, own_peak_mib, report
from scene import COLUMNS, ROWS, make_scene, scratch_folder


def map_and_tell(kind: str, scene: Path) -> None:
    """Map, and print this process's peak."""
    from map_svr import map_scene, svr_model
    from map_vae import vae_model

    model = svr_model() if kind == "svr" else vae_model()
    map_scene(model, scene, scratch_folder() / f"map_memory_{kind}.tif")
    print(own_peak_mib())


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.map:
        map_and_tell(arguments.map[0], Path(arguments.map[1]))
        return
    rows, columns = (512, 512) if arguments.quick else (ROWS, COLUMNS)
    scene, tall = make_scene(rows, columns), make_scene(2 * rows, columns)
    held = []
    for kind in ("svr", "vae"):
        once, twice = (figures_of_process(__file__, "--map", kind, one)[0] for one in (scene, tall))
        held.append(report(f"map_memory_{kind}", once, "MiB", 1536))
        held.append(report(f"map_memory_{kind}_twice_as_tall", twice / once, "x", 1.05))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
