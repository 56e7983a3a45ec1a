"""Pixels per second of spectral VAE (three seeds) + CARS + SVR on one GPU, against two threads of the processor.

Where torch finds no GPU, nothing is measured, and a message states it. `--quick`: smaller blocks.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch
from map_svr import THREADS, training_rows
from map_vae import vae_model
from measure import asked_quick, median_seconds, report

from geosoil.numerics.threads import one_thread_each

if TYPE_CHECKING:
    from geosoil.models.pixel import PixelModel

BLOCKS = 8
AGREES = 1e-4  # of the target's standard deviation


def pixels_a_second(model: PixelModel, blocks: np.ndarray) -> float:
    """Return how many pixels a second `(block, band, y, x)` threads predict that share the device of the model."""

    def run() -> None:
        with one_thread_each(), ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(model.predict, blocks))

    run()
    return len(blocks) * blocks[0, 0].size / median_seconds(run, 3)


def main() -> None:
    """Measure and report."""
    quick = asked_quick(__doc__)
    if not torch.cuda.is_available():
        print("gpu was not run: torch finds no GPU on this machine")
        return
    side = 128 if quick else 512
    model = vae_model()
    X, y = training_rows()
    rows = np.random.default_rng(0).integers(0, len(X), BLOCKS * side * side)
    pixels = X[:, model.used_columns][rows].astype(np.float32)
    blocks = np.ascontiguousarray(pixels.reshape(BLOCKS, side, side, -1).transpose(0, 3, 1, 2))
    on_gpu = model.on("cuda")
    difference = float(np.abs(on_gpu.predict(blocks[0]) - model.predict(blocks[0])).max() / np.std(y))
    gpu, processor = pixels_a_second(on_gpu, blocks), pixels_a_second(model, blocks)
    print(
        f"{torch.cuda.get_device_name()}: {gpu / 1e6:.3g} million pixels/s; {THREADS} threads: {processor / 1e6:.3g}; "
        f"torch {torch.__version__}"
    )
    held = [
        report("gpu_agreement", difference, "of-the-std", AGREES),
        report("gpu", gpu / processor, "x-two-threads", 5, at_most=False),
    ]
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
