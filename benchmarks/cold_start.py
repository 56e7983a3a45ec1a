"""`geosoil map` of the sample cube: the whole process against the same work inside a process that is warm.

The difference is what imports and the start of Python take. `first_answer` is the time until a mistyped name is
reported, which needs none of these imports. The libraries that take longest to import are listed with their own times.
"""

import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from measure import median_seconds, report

from geosoil.workflows.demo import sample_data
from geosoil.workflows.map import map_cube

RUNS = 5
LIBRARIES = 10
IMPORT = re.compile(r"import time: +(\d+) \| +\d+ \| +([a-z_0-9]+)")


def main() -> None:
    """Measure both in turn on this machine."""
    cube, model = sample_data("gf5") / "gf5.tif", "as_svr"
    with tempfile.TemporaryDirectory() as folder:
        warm_tif, cold_tif = Path(folder) / "warm.tif", Path(folder) / "cold.tif"
        command = [sys.executable, "-m", "geosoil_cli.main", "map", "--model", model]
        whole = [*command, "--cube", str(cube), "-o", str(cold_tif)]
        map_cube(cube, model, warm_tif)  # imports everything, and fills the cache of the file system
        subprocess.run(whole, check=True, stdout=subprocess.DEVNULL)
        warm = median_seconds(lambda: map_cube(cube, model, warm_tif), RUNS)
        cold = median_seconds(lambda: subprocess.run(whole, check=True, stdout=subprocess.DEVNULL), RUNS)
        wrong = [*command, "--cube", str(Path(folder) / "absent.tif")]
        answer = median_seconds(lambda: subprocess.run(wrong, check=False, stderr=subprocess.DEVNULL), RUNS)
        timed = subprocess.run(
            [sys.executable, "-X", "importtime", *whole[1:]], check=True, capture_output=True, text=True
        )
    microseconds: Counter[str] = Counter()
    for of_module, library in IMPORT.findall(timed.stderr):
        microseconds[library] += int(of_module)
    longest = ", ".join(f"{library} {took / 1e6:.2f}" for library, took in microseconds.most_common(LIBRARIES))
    print(f"seconds of imports, {microseconds.total() / 1e6:.2f} in all, slowed by their being measured: {longest}")
    print(f"whole process {cold:.2f} s, warm {warm:.2f} s")
    sys.exit(not all([report("first_answer", answer, "s", 1.0), report("cold_start", cold - warm, "s", 3.0)]))


if __name__ == "__main__":
    main()
