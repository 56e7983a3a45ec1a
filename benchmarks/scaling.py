"""Seconds for a million pixels of maps of 4, 17 and 67 million: the patch model and the stacks of `soc_memory.py`.

From reading to the COG and its figures, two threads; the two smaller ones are the lesser of two. `--pixel`: the pixel
model, fourteen times as fast, of 17, 67 and 268 million; a map's own second or so (matching, figures) is more of it.
`--quick`: a sixteenth of all.
"""

from __future__ import annotations

import argparse
import sys

from measure import report, seconds_of
from scene import scratch_folder
from soc_memory import make_stack, save_model_of

from geosoil.workflows.map import map_covariates

ROWS, COLUMNS = 2048, 2048


def main() -> None:
    """Measure and report."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixel", action="store_true")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    rows = (4 if asked.pixel else 1) * ROWS // (16 if asked.quick else 1)
    model, output = save_model_of("pixel" if asked.pixel else "patch"), scratch_folder() / "scaling.tif"
    map_covariates(make_stack(rows // 8, COLUMNS), model, output, threads=2, mode="restart")  # libraries, first run
    rates = []
    for times in (1, 4, 16):
        stack = make_stack(times * rows, COLUMNS)

        def mapped(stack: list = stack) -> None:
            map_covariates(stack, model, output, threads=2, mode="restart")

        seconds = min(seconds_of(mapped, 1 if times == 16 else 2))
        rates.append(seconds / (times * rows * COLUMNS / 1e6))
        print(f"{times * rows} x {COLUMNS} pixels: {seconds:.1f} s, {rates[-1]:.3f} s a million", flush=True)
    sys.exit(not report("scaling_pixel" if asked.pixel else "scaling", max(rates) / min(rates), "x", 1.10))


if __name__ == "__main__":
    main()
