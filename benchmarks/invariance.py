"""A map does not depend on how it was computed: one hash over block sizes, threads and processes, pixels and patches.

A map is rounded to 1e-5 of the spread of its values before it is hashed. `--quick`: fewer blocks, no processes but two.
"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from measure import asked_quick, report
from saved_models import scene_model
from scene import make_scene, scratch_folder
from soc_memory import make_stack, save_model_of

if TYPE_CHECKING:
    from pathlib import Path

BLOCKS = (64, 100, 171, 256, 512)
PLACES: tuple[dict[str, Any], ...] = ({"threads": 2}, {"workers": 1}, {"workers": 2})
STEP = 1e-5  # of the spread


def rounded(path: Path, spreads: list[float]) -> str:
    """Return the hash of a map; spreads: of each band, from the first map on."""
    with rasterio.open(path) as source:
        values = source.read().astype(np.float64)
    if not spreads:
        spreads += np.nanstd(values, axis=(1, 2)).tolist()
    # A value on the edge of a step would fall to either side by its last bit: steps begin at the middle of nothing.
    steps = np.rint(values / (STEP * np.array(spreads)[:, None, None]))
    return hashlib.sha256(np.nan_to_num(steps, nan=-(2.0**62)).tobytes()).hexdigest()[:16]


def main() -> None:
    """Map, hash and report."""
    from geosoil.workflows.map import map_covariates, map_cube

    quick = asked_quick(__doc__)
    scene, stack = make_scene(512, 512), make_stack(512, 512)
    output = scratch_folder() / "invariance.tif"
    most = 0
    for kind in ("pixel", "patch"):
        spreads: list[float] = []
        hashes: dict[str, int] = {}
        for block in BLOCKS[::2] if quick else BLOCKS:
            for place in PLACES[::2] if quick else PLACES:
                running = {"block": block, "mode": "restart", **place}
                if kind == "pixel":
                    map_cube(scene, scene_model("vae"), output, **running)
                else:
                    map_covariates(stack, save_model_of("patch"), output, **running)
                found = rounded(output, spreads)
                hashes[found] = hashes.get(found, 0) + 1
        print(f"{kind}: " + ", ".join(f"{name} of {count} maps" for name, count in hashes.items()), flush=True)
        most = max(most, len(hashes))
    sys.exit(not report("invariance", most, "hashes", 1))


if __name__ == "__main__":
    main()
