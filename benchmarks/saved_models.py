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
    """Return the folder of the model of `map_svr.py` or `map_vae.py` ("svr", "vae") for the GF-5 scene, made once."""
    folder = scratch_folder() / f"scene_{kind}"
    if not folder.exists():
        subprocess.run([sys.executable, __file__, kind], check=True)
    return folder


def main() -> None:
    """Make one."""
    from map_svr import svr_model
    from map_vae import vae_model

    (kind,) = sys.argv[1:]
    save_made(svr_model() if kind == "svr" else vae_model(), f"scene_{kind}", quantity="reflectance")


if __name__ == "__main__":
    main()
