"""Kennard-Stone: 5000 x 210, k = 1000 (R prospectr 3.9 s, measured elsewhere), and 50,422 x 211, k = 30.

prospectr keeps an n x n matrix: 200 MB for the first, 20 GB for the second; what is needed here is measured beside.

    python benchmarks/kennard_stone.py
"""

from __future__ import annotations

import sys
import tracemalloc

from measure import report, seconds_of
from soil_library import soil_library

from geosoil.samples.kennard_stone import kennard_stone


def main() -> bool:
    """Take the least of several runs, since the machine may have other work."""
    held = []
    for name, n, n_bands, k, limit in (
        ("kennard_stone", 5000, 210, 1000, 0.4),
        ("kennard_stone_large", 50_422, 211, 30, 3),
    ):
        X = soil_library(n, n_bands)[0]
        seconds = seconds_of(lambda: kennard_stone(X, k), 5)  # noqa: B023
        tracemalloc.start()
        kennard_stone(X, k)
        held.append(report(f"{name}_memory_over_X", tracemalloc.get_traced_memory()[1] / X.nbytes, "x", 4))
        tracemalloc.stop()
        held.append(report(name, min(seconds), "s", limit))
    return all(held)


if __name__ == "__main__":
    sys.exit(not main())
