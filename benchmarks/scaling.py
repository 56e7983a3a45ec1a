"""Seconds for a million pixels of maps of 4, 17 and 67 million: the pixel model and the stacks of `soc_memory.py`.

From reading to the COG, two threads, the least of three. `--quick`: 1, 4 and 17 million, for a trial.
"""

from __future__ import annotations

import sys

from measure import asked_quick, report, seconds_of
from scene import scratch_folder
from soc_memory import COLUMNS, make_stack, save_model_of

from geosoil.report.maps import map_covariates

ROWS = 8192


def main() -> None:
    """Measure and report."""
    rows = ROWS // 4 if asked_quick(__doc__) else ROWS
    model, output = save_model_of("pixel"), scratch_folder() / "scaling.tif"
    rates = []
    for times in (1, 4, 16):
        stack = make_stack(times * rows, COLUMNS)

        def mapped(stack: list = stack) -> None:
            map_covariates(stack, model, output, threads=2, mode="restart")

        if times == 1:
            mapped()  # libraries, and the model's first run
        seconds = min(seconds_of(mapped, 3))
        rates.append(seconds / (times * rows * COLUMNS / 1e6))
        print(f"{times * rows} x {COLUMNS} pixels: {seconds:.1f} s, {rates[-1]:.3f} s a million", flush=True)
    sys.exit(not report("scaling", max(rates) / min(rates), "x", 1.10))


if __name__ == "__main__":
    main()
