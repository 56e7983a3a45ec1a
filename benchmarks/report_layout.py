"""The reports of all verbs that write one, in Chromium, at 390, 768 and 1280 pixels, light and dark.

report_layout   elements that are wider than the page, images without a description, and texts with a contrast below 4.5

An element inside a box that scrolls by itself is not wider than the page.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from measure import asked_quick, report
from playwright.sync_api import sync_playwright

from geosoil import assess_map, compare, correlate_map, explain_map, explain_samples, map_terrain, train
from geosoil.workflows.demo import sample_data
from geosoil.workflows.init import init_recipe

WIDTHS = (390, 768, 1280)
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
FAULTS = """() => {
  const faults = [], limit = document.documentElement.clientWidth + 1;
  const scrolls = node => { for (let n = node.parentElement; n; n = n.parentElement)
    if (getComputedStyle(n).overflowX !== 'visible') return true; return false; };
  const light = text => { const c = text.match(/[\\d.]+/g).slice(0, 3).map(v => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); });
    return 0.2126 * c[0] + 0.7152 * c[1] + 0.0722 * c[2]; };
  const ground = node => { for (let n = node; n; n = n.parentElement) { const c = getComputedStyle(n).backgroundColor;
    if (!/, 0\\)$/.test(c)) return c; } return 'rgb(255, 255, 255)'; };
  for (const node of document.querySelectorAll('body *')) {
    if (node.getBoundingClientRect().right > limit && !scrolls(node)) faults.push('wide ' + node.tagName);
    if (node.tagName === 'IMG' && !node.alt) faults.push('image without description');
    if ([...node.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) {
      const [a, b] = [light(getComputedStyle(node).color), light(ground(node))].sort((x, y) => y - x);
      if ((a + 0.05) / (b + 0.05) < 4.5) faults.push('contrast of ' + node.tagName);
    }
  }
  if (document.documentElement.scrollWidth > limit) faults.push('page scrolls sideways');
  return faults;
}"""


def write_reports(folder: Path) -> list[Path]:
    """Train, compare, explain and assess on the sample scene, compute terrain and correlate; return all reports."""
    gf5 = sample_data("gf5")
    recipe = folder / "som.toml"
    made = init_recipe(
        "cube", cube=gf5 / "gf5.tif", samples=gf5 / "samples.gpkg", targets=["som_g_kg"], units=["g/kg"],
        models=["pls", "ridge"], output=recipe,
    )  # fmt: skip
    recipe.write_text(made.text.replace("n_repeats = 5", "n_repeats = 1"), "utf-8")
    trained = train(recipe, folder / "model")
    compared = compare(recipe, folder / "compared.csv")
    of_samples = explain_samples("cu_plsr", gf5 / "lab.parquet", folder / "samples")
    of_pixels = explain_map("cu_plsr", gf5 / "gf5.tif", folder / "pixels.tif", n_pixels=200)
    terrain = map_terrain(sample_data("soc") / "dem.tif", folder / "terrain.tif")
    correlated = correlate_map(terrain.path, terrain.path, folder / "correlated.csv", band="twi", zones="halves")
    assessed = assess_map(
        gf5 / "truth.tif", gf5 / "samples.gpkg", folder / "assessed.csv", target="som_g_kg", band="som_g_kg"
    )
    pages = [trained.report, compared.report, of_samples.paths[0], of_pixels.paths[1], terrain.report]
    return [Path(str(page)) for page in (*pages, correlated.report, assessed.paths[1])]


def main() -> None:
    """Measure and report."""
    asked_quick(__doc__)
    program = next((path for path in CHROMIUM if Path(path).exists()), None)
    if program is None:
        sys.exit("report_layout needs Chromium: install the package chromium")
    count = 0
    with TemporaryDirectory() as scratch, sync_playwright() as driver:
        pages = write_reports(Path(scratch))
        browser = driver.chromium.launch(executable_path=program, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            for width in WIDTHS:
                view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
                for path in pages:
                    view.goto(path.resolve().as_uri())
                    faults = view.evaluate(FAULTS)
                    count += len(faults)
                    name = f"{path.parent.name}/{path.name}"
                    print(f"{name} at {width} pixels, {scheme}: {', '.join(faults) or 'nothing wrong'}")
                view.close()
        browser.close()
    sys.exit(not report("report_layout", count, "elements", 0))


if __name__ == "__main__":
    main()
