"""`geosoil map --memory`: the most that a run ever held against what it promised to stay under.

The models of `map_svr.py` and `map_vae.py` and a forest on a GF-5 scene, and that of `soc_memory.py` on patches of a
stack, each with promises of 1, 2 and 4 GB, on threads and on two processes, whose memory is added up; then with the
least promise that a refusal names. A run that is refused holds nothing, and is reported. `--quick`: small rasters, 1 GB
alone.
"""

from __future__ import annotations

import argparse
import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from measure import own_peak_mib, report
from saved_models import scene_model
from scene import COLUMNS, ROWS, make_scene, scratch_folder
from soc_memory import make_stack, save_model_of

PROMISES_GB = (1, 2, 4)
PATCH = "patch"


def map_and_tell(model: str, memory_bytes: int, workers: int, paths: list[str]) -> None:
    """Map, and print this process's peak in bytes; leaves with 2 and one line where the promise is refused."""
    from geosoil.errors import MemoryPromiseError
    from geosoil.workflows.map import map_covariates, map_cube

    running: dict[str, Any] = {"memory_bytes": memory_bytes, "mode": "restart"} | (
        {"workers": workers} if workers else {"threads": 2}
    )
    output = scratch_folder() / "memory_promise.tif"
    try:
        if Path(model).name == f"soc_memory_{PATCH}":
            map_covariates(paths, model, output, **running)
        else:
            map_cube(paths[0], model, output, **running)
    except MemoryPromiseError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print(int(own_peak_mib() * 2**20))


def peak_bytes(model: Path, memory_bytes: int, workers: int, paths: list[Path]) -> tuple[int, str]:
    """Map in a fresh process; return the peak of all its processes together, or 0 and what it refused with."""
    arguments = [model, memory_bytes, workers, *paths]
    command = [sys.executable, __file__, "--map", *map(str, arguments)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        root, most = psutil.Process(process.pid), 0
        while process.poll() is None:
            if workers:
                most = max(most, sum(map(_resident, [root, *_children(root)])))
            time.sleep(0.02)
        output, errors = process.communicate()
    if process.returncode not in (0, 2):
        sys.exit(errors)
    if process.returncode == 2:
        return 0, errors.strip().splitlines()[-1]
    return max(most, int(output.split()[-1])), ""


def _children(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def _resident(process: psutil.Process) -> int:
    with contextlib.suppress(psutil.NoSuchProcess):
        return int(process.memory_info().rss)
    return 0


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--map", nargs="+", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.map:
        model, memory_bytes, workers, *paths = arguments.map
        map_and_tell(model, int(memory_bytes), int(workers), paths)
        return
    quick = arguments.quick
    scene = make_scene(512, 512) if quick else make_scene(ROWS, COLUMNS)
    stack = make_stack(1024, 512) if quick else make_stack(8192, 512)
    cases = {kind: (scene_model(kind), [scene]) for kind in ("svr", "vae", "forest")}
    cases[PATCH] = (save_model_of(PATCH), stack)
    shares = []
    for kind, (model, paths) in cases.items():
        for workers in (0, 2):
            where = f"{workers} processes" if workers else "2 threads"
            for promise in [round(gb * 1e9) for gb in (PROMISES_GB[:1] if quick else PROMISES_GB)]:
                peak, refusal = peak_bytes(model, promise, workers, paths)
                if refusal:  # then what it names has to do
                    print(f"{kind}, {where}: {refusal}", flush=True)
                    promise = round(float(re.findall(r"at least ([\d.]+) GB", refusal)[0]) * 1e9)
                    peak, refusal = peak_bytes(model, promise, workers, paths)
                if refusal:
                    sys.exit(f"{kind}, {where}: {promise} bytes were named, and refused")
                shares.append(peak / promise)
                print(f"{kind}, {where}: {peak / 1e9:.2f} of {promise / 1e9:.2f} GB, {shares[-1]:.2f}", flush=True)
    sys.exit(not report("memory_promise", max(shares), "x-of-the-promise", 1.0))


if __name__ == "__main__":
    main()
