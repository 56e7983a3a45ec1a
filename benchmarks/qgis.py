"""The plugin and the outputs in a real QGIS without a window: algorithms, cancel, styles, groups, metadata, projects.

`tests/qgis_check.py` has the checks. Without QGIS (Debian: apt install qgis python3-qgis) nothing is measured.
"""

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from measure import report
from qgis_check import checks, run_session, why_no_qgis


def main() -> None:
    """Run the session, and count the checks that fail."""
    if why_no_qgis():
        print(f"qgis skipped: {why_no_qgis()}")
        return
    with tempfile.TemporaryDirectory() as folder:
        results = list(checks(run_session(Path(folder)), folder))
    failed = [name for name, holds in results if not holds]
    for name in failed:
        print(f"failed: {name}")
    print(f"{len(results)} checks")
    sys.exit(not report("qgis", len(failed), "failures", 0))


if __name__ == "__main__":
    main()
