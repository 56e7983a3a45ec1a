"""How soon a map of a full GF-5 scene with six layers is painted in a real Chromium, and how soon a zoom step is.

The server and the browser run before the clock starts. Each first paint is that of a new browser context without a
cache; it counts when the map is on the screen. A zoom step counts from the key to the picture in the new resolution.
"""

from __future__ import annotations

import statistics
import sys
import time
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.image import imread
from measure import asked_quick, report
from scene import made_once
from viewer import WINDOW, open_chromium, served, wait_until, write_map

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (2000, 2000)
PAINTED = "n => Number(document.documentElement.dataset.painted) >= n"


def first_paint_s(browser: Any, url: str) -> float:
    """Return the seconds until a new page has painted its map, and check that it has colours."""
    context = browser.new_context(viewport=WINDOW)
    page = context.new_page()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("html[data-painted]")
    # Since the start of the navigation, by the clock of the page: playwright would see it some frames later.
    seconds = page.evaluate("performance.getEntriesByName('painted 0')[0].startTime") / 1000
    picture = imread(BytesIO(page.locator("#plot_a").screenshot()))[..., :3]
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 100, "no map on the screen"
    context.close()
    time.sleep(4)  # the server makes the figures of the next page
    return seconds


def zoom_steps_s(browser: Any, url: str, n_steps: int) -> list[float]:
    """Return the seconds of steps into and out of the map, each with a new picture."""
    page = browser.new_page(viewport=WINDOW)
    page.goto(url)
    page.wait_for_selector("html[data-painted]")
    wait_until(page, PAINTED, 1)
    time.sleep(1)
    page.locator("#plot_a").focus()
    seconds = []
    for step in range(n_steps):
        painted = int(page.evaluate("document.documentElement.dataset.painted"))
        start = time.perf_counter()
        page.keyboard.press("+" if step % 8 < 5 else "-")
        wait_until(page, PAINTED, painted + 1)
        seconds.append(time.perf_counter() - start)
        time.sleep(0.2)
    page.close()
    return seconds


def main() -> bool:
    quick = asked_quick(__doc__)
    path = made_once("view_scene.tif", _write)
    with served(path) as url, open_chromium() as browser:
        paints = [first_paint_s(browser, url) for _ in range(2 if quick else 7)]
        steps = zoom_steps_s(browser, url, 6 if quick else 24)
    print("first paints (s):", ", ".join(f"{seconds:.2f}" for seconds in paints))
    print("zoom steps (s):", ", ".join(f"{seconds:.2f}" for seconds in steps))
    held = [
        report("view_paint", statistics.median(paints), "s", 1.5),
        report("view_zoom", statistics.median(steps), "s", 0.5),
    ]
    return all(held)


def _write(path: Path) -> None:
    write_map(path, "UTM", SHAPE)
    # The trust map is written beside the unfinished file; it belongs beside the finished one.
    trust = path.with_name(f"{path.stem}_trust.tif")
    trust.replace(path.with_name("view_scene_trust.tif"))


if __name__ == "__main__":
    sys.exit(not main())
