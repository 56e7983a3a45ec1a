"""Shared helpers of the tests are importable by name; and the command line, run in this process."""

import os
import signal
import sys
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

sys.path.insert(0, str(Path(__file__).parent))
os.environ.setdefault("MPLBACKEND", "Agg")
# A test process for each core leaves no core for more threads: those of OpenMP and BLAS would wait for each other. The
# test of the limit of threads raises it itself. NumPy and torch read these variables when they are imported.
for library in ("OMP", "OPENBLAS", "MKL"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")

# The tests start hundreds of processes, each of which would compile all modules again if none stored bytecode.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# How long an example takes depends on what else the machine does.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")


LONGEST = ("test_demo", "test_readme")  # begun first, so that no worker is left alone with one at the end


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.stem not in LONGEST)


@pytest.fixture
def without_pictures(monkeypatch):
    """Write pictures of one pixel, because drawing takes longer than the small maps of most tests."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    def print_png(_canvas, file, **_options):
        Image.new("RGB", (1, 1)).save(file, format="png")

    monkeypatch.setattr(FigureCanvasAgg, "print_png", print_png)


class Said(NamedTuple):
    """Exit code of a command, and what it wrote to standard error and to standard output."""

    code: int
    err: str
    out: str


@pytest.fixture
def geosoil(monkeypatch, capsys):
    """Run the command line in this process as in a pipe; a new process would need seconds for its imports."""
    from geosoil_cli.main import main

    before = signal.getsignal(signal.SIGTERM)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["geosoil", *map(str, words)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        streams = capsys.readouterr()
        return Said(code, streams.err, streams.out)

    yield run
    signal.signal(signal.SIGTERM, before)
