"""Training the 1D-ResNet on 4000 spectra of 2100 bands, in samples a second, against a plain torch loop.

Same net, same batches, same run; both on one thread and on all, the faster of each counts. `--quick`: 1000 spectra.
"""

from __future__ import annotations

import os
import sys
import time
from typing import Any

import numpy as np
import torch
from measure import asked_quick, report

from geosoil.networks.dense import squared_error
from geosoil.networks.loop import TrainSettings, train
from geosoil.networks.resnet1d import ResidualNet
from geosoil.numerics.threads import one_thread_each

BATCH, L2, RATE, N_BANDS, REPEATS = 32, 4e-4, 1e-3, 2100, 3


def build() -> ResidualNet:
    """Return the paper's net."""
    return ResidualNet(N_BANDS, 10, rectified=True, start=5.0)


def plain_epoch(X: np.ndarray, y: np.ndarray, threads: int) -> None:
    """Train one epoch as anyone would write it."""
    with one_thread_each():
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        net, inputs, target = build(), torch.from_numpy(X), torch.from_numpy(y)
        kernels = [p for p in net.parameters() if p.ndim > 1]
        others = [p for p in net.parameters() if p.ndim <= 1]
        groups: list[dict[str, Any]] = [{"params": kernels, "weight_decay": 2 * L2}, {"params": others}]
        optimiser = torch.optim.Adam(groups, lr=RATE)
        net.train()
        for batch in torch.randperm(len(inputs)).split(BATCH):
            optimiser.zero_grad()
            loss = torch.nn.functional.mse_loss(net(inputs[batch]), target[batch])
            loss.backward()
            optimiser.step()


def our_epoch(X: np.ndarray, y: np.ndarray, threads: int) -> None:
    """Train one epoch by the project's trainer."""
    settings = TrainSettings(seed=0, epochs=1, batch_size=BATCH, learning_rate=RATE, l2=L2, threads=threads)
    train(build, (X, y), squared_error, settings)


def main() -> None:
    """Measure and report."""
    n = 1000 if asked_quick(__doc__) else 4000
    rng = np.random.default_rng(0)
    X = rng.normal(0.4, 0.1, (n, N_BANDS)).astype(np.float32)
    y = rng.normal(6, 1, n).astype(np.float32)
    best: dict[tuple[str, int], float] = {}
    ways = {"plain": plain_epoch, "geosoil": our_epoch}
    for _ in range(REPEATS):  # turn by turn: what else runs on the machine then slows both
        for threads in sorted({1, os.cpu_count() or 1}):
            for name, epoch in ways.items():
                start = time.perf_counter()
                epoch(X, y, threads)
                best[name, threads] = max(best.get((name, threads), 0.0), n / (time.perf_counter() - start))
    for (name, threads), speed in best.items():
        print(f"{name}, {threads} thread(s): {speed:.0f} samples a second")
    fastest = {name: max(speed for (who, _), speed in best.items() if who == name) for name in ways}
    held = report("resnet_training", fastest["geosoil"] / fastest["plain"], "x-plain-torch-loop", 0.95, at_most=False)
    sys.exit(not held)


if __name__ == "__main__":
    main()
