"""What every benchmark shares: a repeated timing, and the last lines a reader (and `make bench`) looks at.

A benchmark file times both sides in one run and ends with one `NAME FIGURE UNIT LIMIT` line per claim:

    held = [report("cars", seconds, "s", 0.6)]
    sys.exit(not all(held))
"""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def median_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Time a call `repeats` times and return the median wall time in seconds."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds)


def report(name: str, figure: float, unit: str, limit: float, *, at_most: bool = True) -> bool:
    """Print `NAME FIGURE UNIT LIMIT` and return whether the figure keeps to its limit.

    `at_most=True`: smaller is better (seconds, MiB); False: larger is better (times faster, samples per second).
    """
    print(f"{name} {figure:.3g} {unit} {limit:g}")
    return figure <= limit if at_most else figure >= limit
