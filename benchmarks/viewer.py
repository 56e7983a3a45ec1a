"""What the benchmarks of the viewer share: maps with trust maps, a running `geosoil view`, and a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from affine import Affine
from scipy.ndimage import gaussian_filter

from geosoil.io.rasters.cog import write_cog
from geosoil.raster.layout import make_raster

if TYPE_CHECKING:
    from collections.abc import Iterator

TURN = 0.4  # radians
GRIDS = {
    "UTM": ("EPSG:32651", Affine(30, 0, 703020, 0, -30, 4787010)),
    "rotated": (
        "EPSG:32651",
        Affine(30 * np.cos(TURN), 30 * np.sin(TURN), 703020, 30 * np.sin(TURN), -30 * np.cos(TURN), 4787010),
    ),
    "geographic": ("EPSG:4326", Affine(3e-4, 0, 125.5, 0, -3e-4, 43.2)),
}
WINDOW = {"width": 1280, "height": 800}
TAGS = {"GEOSOIL_IDENTITY": "made for a benchmark", "GEOSOIL_LEVEL": "0.9", "GEOSOIL_MODEL": "none"}
NAMES = ("chromium", "chromium-browser", "google-chrome")


def write_map(path: Path, grid: str, shape: tuple[int, int], *, noise: float = 0.2) -> Path:
    """Write a map and its trust map: six layers besides the width."""
    crs, transform = GRIDS[grid]
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=shape), 12)
    values = (100 * np.exp(smooth / smooth.std() + noise * rng.normal(size=shape))).astype(np.float32)
    values[rng.uniform(size=shape) < 0.01] = np.nan
    far = np.where(np.isnan(values), np.nan, np.abs(smooth) / smooth.std()).astype(np.float32)
    trust = {
        "soil lower": values * np.float32(0.6),
        "soil upper": values * np.float32(1.7),
        "dissimilarity": far,
        "density": np.float32(30) - far,
        "inside": np.where(np.isnan(far), np.nan, far < 1).astype(np.float32),
    }
    for file, bands, units in (
        (path, {"soil": values}, ["mg/kg"]),
        (path.with_name(f"{path.stem}_trust.tif"), trust, ["mg/kg", "mg/kg", "", "samples", ""]),
    ):
        raster = make_raster(np.stack(list(bands.values())), names=list(bands), crs=crs, transform=transform)
        write_cog(raster, file, tags=TAGS, band_units=units)
    return path


@contextmanager
def served(*arguments: object) -> Iterator[str]:
    """Yield the address of `geosoil view` in a process of its own."""
    command = [sys.executable, "-m", "geosoil_cli.main", "view", *map(str, arguments), "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        try:
            yield next(found.group() for line in process.stdout if (found := re.search(r"http://\S+", line)))
        finally:
            process.terminate()


@contextmanager
def open_chromium(*arguments: str) -> Iterator[Any]:
    """Yield a headless Chromium; without one, print a message and exit with 0."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        print(f"{Path(sys.argv[0]).stem} skipped: Chromium is not installed")
        sys.exit(0)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", *arguments])
        yield browser
        browser.close()


def wait_until(page: Any, expression: str, argument: object = None, seconds: float = 60) -> None:
    """Wait for an expression to become true; playwright's own wait needs `eval`, which the page forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(expression, argument):
        if time.monotonic() > end:
            raise TimeoutError(expression)
        time.sleep(0.002)
