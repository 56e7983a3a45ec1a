"""`geosoil --help` answers before one asks again."""

import subprocess
import sys

from measure import median_seconds, report


def main() -> None:
    """Measure a whole process."""
    command = [sys.executable, "-m", "geosoil_cli.main", "--help"]
    seconds = median_seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL), 5)
    sys.exit(not report("cli_help", seconds, "s", 0.5))


if __name__ == "__main__":
    main()
