"""The value under the pointer, as a real Chromium shows it, against rasterio: 1000 points each on three grids."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from measure import asked_quick, report
from viewer import GRIDS, WINDOW, open_chromium, served, wait_until, write_map

READ = """() => [
  document.documentElement.dataset.read ?? null, document.querySelector("#values dd")?.firstChild.textContent
]"""


def differences_on(browser: object, path: Path, n_points: int) -> int:
    """Move the pointer to points of a map, and count those whose text is not the float of the file."""
    rng = np.random.default_rng(1)
    with rasterio.open(path) as source:
        values, inverse = source.read(1), ~source.transform
    wrong = empty = 0
    with served(path) as url:
        page = browser.new_page(viewport=WINDOW)  # type: ignore[attr-defined]
        page.goto(url)
        page.wait_for_selector("html[data-painted]")
        wait_until(page, "() => Number(document.documentElement.dataset.painted) >= 1")
        box = page.locator("#plot_a").bounding_box()
        left, bottom, right, top = page.evaluate("Geosoil.edges()")
        for _ in range(n_points):
            x_screen, y_screen = (
                box["x"] + rng.uniform(5, box["width"] - 5),
                box["y"] + rng.uniform(5, box["height"] - 5),
            )
            before = page.evaluate(READ)[0]
            page.mouse.move(x_screen, y_screen)
            wait_until(page, "before => (document.documentElement.dataset.read ?? null) !== before", before)
            place, text = page.evaluate(READ)
            x, y = (float(word) for word in place.split())
            # The page must mean the place at which the pointer is, to a pixel of the screen.
            aimed = (
                left + (x_screen - box["x"]) / box["width"] * (right - left),
                top - (y_screen - box["y"]) / box["height"] * (top - bottom),
            )
            misplaced = max(
                abs(x - aimed[0]) / (right - left) * box["width"], abs(y - aimed[1]) / (top - bottom) * box["height"]
            )
            column = int(np.floor(inverse.a * x + inverse.b * y + inverse.c))
            row = int(np.floor(inverse.d * x + inverse.e * y + inverse.f))
            inside = 0 <= row < values.shape[0] and 0 <= column < values.shape[1]
            expected = values[row, column] if inside else np.float32(np.nan)
            shown = np.float32("nan") if text == "no data" else np.float32(text.split()[0])
            empty += bool(np.isnan(expected))
            wrong += not (np.array_equal(shown, expected, equal_nan=True) and misplaced < 1)
        page.close()
    print(f"{path.stem:12s} {n_points} points, {n_points - empty} with a value: {wrong} differ")
    return wrong


def main() -> bool:
    n_points = 50 if asked_quick(__doc__) else 1000
    with tempfile.TemporaryDirectory() as folder, open_chromium() as browser:
        paths = [write_map(Path(folder) / f"{grid}.tif", grid, (300, 400)) for grid in GRIDS]
        wrong = sum(differences_on(browser, path, n_points) for path in paths)
    return report("view_values", wrong, "differences", 0)


if __name__ == "__main__":
    sys.exit(not main())
