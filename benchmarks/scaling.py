"""Seconds for a million pixels of maps of 17, 67 and 268 million: the pixel model and the stacks of `soc_memory.py`.

From reading to the COG, two threads, the least of three rounds. Beside them, not counted, 4 million: a map has about
one second of its own (matching, figures), which a model as fast as this shows there. `--quick`: a sixteenth of all.
"""

from __future__ import annotations

import sys
import time

from measure import asked_quick, report
from scene import scratch_folder
from soc_memory import make_stack, save_model_of

from geosoil.report.maps import map_covariates

ROWS, COLUMNS = 8192, 2048


def main() -> None:
    """Measure and report."""
    rows = ROWS // 16 if asked_quick(__doc__) else ROWS
    model, output = save_model_of("pixel"), scratch_folder() / "scaling.tif"
    map_covariates(make_stack(rows // 4, COLUMNS), model, output, threads=2, mode="restart")  # libraries, first run
    heights = {times: int(times * rows) for times in (0.25, 1, 4, 16)}
    seconds = dict.fromkeys(heights, float("inf"))
    for _ in range(3):  # by turns, so that a machine's slow minute meets all sizes
        for times, height in heights.items():
            stack, start = make_stack(height, COLUMNS), time.perf_counter()
            map_covariates(stack, model, output, threads=2, mode="restart")
            seconds[times] = min(seconds[times], time.perf_counter() - start)
    rates = {times: seconds[times] / (height * COLUMNS / 1e6) for times, height in heights.items()}
    for times, height in heights.items():
        print(f"{height} x {COLUMNS} pixels: {seconds[times]:.1f} s, {rates[times]:.3f} s a million")
    counted = [rate for times, rate in rates.items() if times >= 1]
    sys.exit(not report("scaling", max(counted) / min(counted), "x", 1.10))


if __name__ == "__main__":
    main()
