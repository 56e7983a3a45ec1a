"""Models of the benchmarks as folders, for maps that run as `geosoil map` does, in processes of their own.

Run as a script it makes one: what trains a model must not count among what maps with it.
"""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from scene import scratch_folder

if TYPE_CHECKING:
    from pathlib import Path

    from geosoil.models.store import AnyModel


def save_made(model: AnyModel, name: str, *, quantity: str) -> Path:
    """Write a model that was trained on made-up samples, and return its folder."""
    from geosoil.models.card import TrainingCard
    from geosoil.models.store import save_model

    folder = scratch_folder() / name
    training = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-")
    save_model(model, folder, name=name, study="-", preprocessing=[], training=training, quantity=quantity)
    return folder


def scene_model(kind: str) -> Path:
    """Return the folder of a model for the GF-5 scene, made once: that of `map_svr.py`, `map_vae.py`, or a forest."""
    folder = scratch_folder() / f"scene_{kind}"
    if not folder.exists():
        subprocess.run([sys.executable, __file__, kind], check=True)
    return folder


def main() -> None:
    """Make one."""
    from map_svr import features, svr_model, training_rows
    from map_vae import vae_model

    from geosoil.estimators.forest import Forest
    from geosoil.models.contract import Target
    from geosoil.models.pixel import PixelModel

    def forest_model() -> PixelModel:
        return PixelModel(Forest(n_trees=20).fit(*training_rows()), features(), (Target("as_mg_kg", "mg/kg"),))

    (kind,) = sys.argv[1:]
    make = {"svr": svr_model, "vae": vae_model, "forest": forest_model}[kind]
    save_made(make(), f"scene_{kind}", quantity="reflectance")


if __name__ == "__main__":
    main()
