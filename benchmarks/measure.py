"""What every benchmark shares: its one option, timings, memory, where the reference material lies, its last lines.

A benchmark file times both sides in one run and ends with one `NAME FIGURE UNIT LIMIT` line per claim:

    held = [report("cars", seconds, "s", 0.6)]
    sys.exit(not all(held))
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# A process that is timed starts as for a user, whose Python has stored the bytecode of all modules.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def asked_quick(description: str | None) -> bool:
    """Read the command line of a benchmark whose only option is `--quick`: a small case, for a trial."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true")
    return bool(parser.parse_args().quick)


def shared(*parts: str, folder: str = "data") -> Path:
    """Return a place in ../shared/data or another folder; without the material, print a message and exit with 0."""
    path = Path(__file__).resolve().parents[2].joinpath("shared", folder, *parts)
    if not path.exists():
        print(f"{Path(sys.argv[0]).stem} skipped: the reference material is not beside this checkout ({path})")
        sys.exit(0)
    return path


def seconds_of(function: Callable[[], object], repeats: int) -> list[float]:
    """Time a call `repeats` times; wall time in seconds. The least is for a machine that has other work."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - start)
    return seconds


def median_seconds(function: Callable[[], object], repeats: int = 5) -> float:
    """Time a call `repeats` times and return the median wall time in seconds."""
    return statistics.median(seconds_of(function, repeats))


def own_peak_mib() -> float:
    """Return the most memory that this process ever held.

    getrusage is not used, because the peak of a child includes that of its parent, which made the data.
    """
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(peak.split()[1]) / 1024


def figures_of_process(script: str, *arguments: object) -> list[float]:
    """Run a script in a process of its own, whose peak is that of its work alone, and return the numbers it prints."""
    command = [sys.executable, script, *map(str, arguments)]
    return [float(word) for word in subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.split()]


def report(name: str, figure: float, unit: str, limit: float, *, at_most: bool = True) -> bool:
    """Print `NAME FIGURE UNIT LIMIT` and return whether the figure keeps to its limit.

    `at_most=True`: smaller is better (seconds, MiB); False: larger is better (times faster, samples per second).
    """
    print(f"{name} {figure:.3g} {unit} {limit:g}")
    return figure <= limit if at_most else figure >= limit
