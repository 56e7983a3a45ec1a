"""Maps by a model that needs no training and no torch: its value is known, its pace and its mishaps are chosen."""

import hashlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import rasterio
from written_rasters import write_raster

from geosoil.io.journal import Identity
from geosoil.io.rasters.reader import open_raster
from geosoil.mapping.job import prepare_map
from geosoil.mapping.run import RunOptions, run_map
from geosoil.models.contract import Feature, Target, predictions_of

SHAPE = (40, 56)
IDENTITY = {"model": "sum", "version": "1"}


@dataclass(frozen=True)
class SumModel:
    """The sum of three bands; with a halo, that of all pixels around.

    seconds: a block takes. mishap: what happens in the (small) block of pixel (0, 0): "kill" ends the process, where
    the file `mark` is named and there only, and removes it; an exception is raised.
    """

    halo: int = 0
    seconds: float = 0.0
    mishap: str | BaseException = ""
    mark: str = ""
    names: tuple[str, ...] = ("a", "b", "c")
    bytes_per_pixel: int = 64
    targets = (Target("sum", "%"),)
    outputs = predictions_of(targets)
    gpu_support: ClassVar = {}

    @property
    def features(self):
        return tuple(Feature(name) for name in self.names)

    def predict(self, block, outputs=None):
        time.sleep(self.seconds)
        if self.mishap and block.shape[1] < 32 and np.nanmin(block[0]) == 0:
            if isinstance(self.mishap, BaseException):
                raise self.mishap
            if not self.mark or Path(self.mark).exists():
                if self.mark:
                    Path(self.mark).unlink()
                os.kill(os.getpid(), signal.SIGKILL)
        side = 2 * self.halo + 1
        windows = np.lib.stride_tricks.sliding_window_view(block.sum(axis=0), (side, side))
        return windows.sum(axis=(2, 3), dtype=np.float32)[None]


class BoundedSum(SumModel):
    """The sum of three bands, of which values from 4 to 5 are valid."""

    targets = (Target("sum", "%", (4.0, 5.0)),)
    outputs = predictions_of(targets)


def patch_model():
    """A network of random weights that reads 15 x 15 pixels, of three depths."""
    from small_patches import random_net  # torch takes seconds

    from geosoil.models.patch import PatchModel

    net = random_net("multi")
    targets = tuple(Target(f"soc_{top}_{bottom}", "%") for top, bottom in net.layers_cm)
    return PatchModel(net, tuple(Feature(name) for name in "abc"), targets)


def write_small(path, shape=SHAPE, **profile):
    """Write three bands whose least value is 0, at pixel (0, 0), in tiles of 16; every band holds other values."""
    values = np.random.default_rng(0).uniform(1, 2, (3, *shape)).astype("float32")
    values[:, 0, 0] = 0
    tiles = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "interleave": "band"}
    return write_raster(path, values, descriptions=("a", "b", "c"), **tiles | profile)


def make_map(source, path, model=None, *, identity=IDENTITY, progress=None, **running):
    """Map it; return what run_map yields."""
    mapping = prepare_map(model or SumModel(), open_raster(source))
    options = {"block": 8, "threads": 2} | running
    with run_map(
        mapping,
        Path(path),
        output=str(path),
        identity=Identity(identity),
        tags={},
        run_options=RunOptions(**options),
        progress=progress,
    ) as made:
        return made


def make_slowly(source, path):
    """Start or resume a map slowly, in a process that the test kills."""
    make_map(source, path, SumModel(seconds=0.004), mode="resume")


def pixels_of(path):
    """Return a hash of a map's values."""
    with rasterio.open(path) as source:
        return hashlib.sha256(source.read().tobytes()).hexdigest()


def store_of(path):
    """Return the folder of a map's finished blocks."""
    return Path(f"{path}.unfinished") / "geosoil-store"


def blocks_of(path):
    """Return the files of a map's finished blocks."""
    return sorted(file for file in store_of(path).glob("blocks-*/*") if not file.name.startswith("."))
