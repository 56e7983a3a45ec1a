"""A trust map does not depend on how it was computed: one hash of all bands over block sizes, threads and processes.

The values of the map and of its trust map are hashed as they are, to the last bit. `--quick`: fewer blocks, and no
processes but two.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import rasterio
from measure import asked_quick, report
from saved_models import scene_model
from scene import make_scene, scratch_folder

BLOCKS = (64, 100, 171, 256, 512)
PLACES: tuple[dict[str, Any], ...] = ({"threads": 1}, {"threads": 2}, {"workers": 1}, {"workers": 2})


def main() -> None:
    """Map, hash and report."""
    from geosoil.mapping.map_files import trust_path_of
    from geosoil.workflows.map import map_cube

    quick = asked_quick(__doc__)
    scene, output = make_scene(512, 512), scratch_folder() / "map_trust_invariance.tif"
    hashes: dict[str, int] = {}
    for block in BLOCKS[::2] if quick else BLOCKS:
        places = PLACES[:2] if quick and block != BLOCKS[0] else PLACES[1::2] if quick else PLACES
        for place in places:
            map_cube(scene, scene_model("trusted_svr"), output, block=block, mode="restart", **place)
            digest = hashlib.sha256()
            for path in (output, trust_path_of(output)):
                with rasterio.open(path) as source:
                    digest.update(source.read().tobytes())
            name = digest.hexdigest()[:16]
            hashes[name] = hashes.get(name, 0) + 1
    print(", ".join(f"{name} of {count} maps with their trust maps" for name, count in hashes.items()))
    sys.exit(not report("map_trust_invariance", len(hashes), "hash", 1))


if __name__ == "__main__":
    main()
