"""Gaussian process (100 rows, all good bands and their derivative) over a full GF-5 scene, written as a COG.

The prediction alone, and the prediction with its standard deviation, each against what cannot be avoided: reading the
scene, and the multiply-adds that the lowered program needs at the float32 matrix speed of the same run. `--quick`: a
small scene.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import numpy as np
from map_svr import THREADS, features, good_bands, read_blocks
from map_vae import matrix_speed
from measure import asked_quick, median_seconds, report
from scene import COLUMNS, ROWS, make_scene, scratch_folder, spectra_of

from geosoil.estimators.gaussian_process import GaussianProcess
from geosoil.io.rasters.cog import write_cog
from geosoil.mapping.job import map_model
from geosoil.mapping.match import match_bands
from geosoil.models.contract import Target
from geosoil.models.pixel import PixelModel
from geosoil.sensors.cube import open_cube

if TYPE_CHECKING:
    from pathlib import Path

N_ROWS = 100


def process_model() -> PixelModel:
    """Return the model of the claim."""
    X = spectra_of(N_ROWS, seed=99)[:, good_bands()].astype(np.float32)
    y = 40 + 300 * (X[:, 120] - X[:, 60]) + np.random.default_rng(1).normal(0, 2, N_ROWS)
    bands = list(range(X.shape[1]))
    blocks: list[dict[str, Any]] = [
        {"name": "spectra", "columns": bands},
        {"name": "derivative", "columns": bands, "derivative": True},
    ]
    return PixelModel(GaussianProcess(blocks=blocks).fit(X, y), features(), (Target("as_mg_kg", "mg/kg"),))


def map_scene(model: PixelModel, scene: Path, output: Path, *, spread: bool) -> None:
    """Open, match, map and write, as `geosoil map` does."""
    cube = open_cube(scene, drop_nm=[])
    match = match_bands(model, cube)
    outputs = ("prediction", "spread") if spread else ("prediction",)
    write_cog(map_model(match.model, cube, bands=match.bands, outputs=outputs), output, threads=THREADS)


def main() -> None:
    """Measure and report."""
    shape = (512, 512) if asked_quick(__doc__) else (ROWS, COLUMNS)
    scene = make_scene(*shape)
    output = scratch_folder() / "map_gp.tif"
    model = process_model()
    assert model.lowered is not None
    needed = {False: model.lowered.multiply_adds, True: model._moments.program.multiply_adds}
    read_blocks(scene, None)
    reading = median_seconds(lambda: read_blocks(scene, None), 3)
    held = []
    for spread, name in ((False, "map_gp"), (True, "map_gp_spread")):
        speed = matrix_speed()
        mapping = median_seconds(lambda spread=spread: map_scene(model, scene, output, spread=spread), 3)  # type: ignore[misc]
        speed = max(speed, matrix_speed())
        arithmetic = shape[0] * shape[1] * needed[spread] / speed
        print(
            f"{needed[spread]} multiply-adds a pixel; read {reading:.2f} s, arithmetic {arithmetic:.2f} s at "
            f"{speed / 1e9:.0f} GMAC/s, map {mapping:.2f} s"
        )
        held.append(report(name, mapping / (reading + arithmetic), "x-physical-limit", 1.5))
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
