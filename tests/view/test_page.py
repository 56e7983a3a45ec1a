"""The page of a view in a real Chromium: what is painted, read, clicked and typed, and what it asks the network for."""

import io
import os
import re
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import rasterio
from chromium import open_chromium
from matplotlib.image import imread
from small_cube import save_trained_model, write_cube
from small_maps import GRIDS, write_map

from geosoil.models.store import model_sha256
from geosoil.workflows.view import write_view

pytestmark = pytest.mark.slow
SIZE = {"width": 1280, "height": 800}


@contextmanager
def served(*arguments, cwd):
    """Yield the address of `geosoil view` in a process."""
    command = [sys.executable, "-m", "geosoil_cli.main", "view", *map(str, arguments), "--no-browser"]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=cwd, env=environment
    ) as process:
        try:
            text = ""
            for line in process.stdout:
                text += line
                if found := re.search(r"http://\S+", line):
                    yield found.group()
                    break
            else:
                raise AssertionError(text)
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def opened(browser, url, **options):
    """Yield a page that has painted its map, and check that it had no error and asked only for what it may."""
    page = browser.new_page(viewport=options.pop("viewport", SIZE), **options)
    page.set_default_timeout(60_000)
    errors, requests = [], []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type in ("error", "warning") else None)
    page.on("request", lambda request: requests.append(request.url))
    page.goto(url)
    page.wait_for_selector("html[data-painted]")
    yield page
    page.close()
    assert errors == []
    start = url if url.startswith("file:") else "/".join(url.split("/")[:4])
    assert [request for request in requests if not request.startswith((start, "data:", "blob:"))] == []


def wait_until(page, expression, arg=None):
    """Wait for an expression to become true; wait_for_function of playwright needs `eval`, which the page forbids."""
    end = time.monotonic() + 60
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)


def point_at(page, x, y):
    """Move the pointer to a place of the map, and return the answers of the page."""
    before = page.evaluate("document.documentElement.dataset.read")
    left, top = screen_place(page, x, y)
    page.mouse.move(left, top)
    wait_until(page, "before => document.documentElement.dataset.read !== before", arg=before)
    return page.locator("#values dd").first.inner_text().splitlines()


def screen_place(page, x, y):
    """Return where on the screen a place of the map is."""
    box = page.locator("#plot_a").bounding_box()
    left, bottom, right, top = page.evaluate("Geosoil.edges()")
    return box["x"] + (x - left) / (right - left) * box["width"], box["y"] + (top - y) / (top - bottom) * box["height"]


@pytest.fixture(scope="module")
def browser():
    with open_chromium() as made:
        yield made


@pytest.fixture(scope="module")
def case(tmp_path_factory):
    """A map with trust, its cube and its model, and the address of their view."""
    folder = tmp_path_factory.mktemp("case")
    save_trained_model(folder / "models" / "small")
    path = write_map(folder)
    digest = model_sha256(folder / "models" / "small")
    with rasterio.open(path, "r+", IGNORE_COG_LAYOUT_BREAK="YES") as source:
        source.update_tags(GEOSOIL_MODEL_SHA256=digest)
    crs, transform = GRIDS["utm"]
    cube = write_cube(folder / "cube.tif", shape=(90, 120), crs=crs, transform=transform)
    (folder / "points.csv").write_text("id,easting,northing,soil_mg_kg\np1,501500,5198600,40\np2,502500,5198000,90\n")
    with served(path, "--cube", cube, "--samples", folder / "points.csv", "--crs", "EPSG:32632", cwd=folder) as url:
        yield path, url


def colours_on(page, panel="a"):
    """Return how many different colours the map has on the screen."""
    shot = page.locator(f"#plot_{panel}").screenshot()
    return len(np.unique(imread(io.BytesIO(shot))[..., :3].reshape(-1, 3), axis=0))


def test_the_value_under_the_pointer_is_that_of_the_file(browser, case):
    path, url = case
    with rasterio.open(path) as source:
        values = source.read(1)
        places = [(row, column, *source.xy(row, column)) for row, column in [(50, 60), (8, 70), (88, 3), (3, 3)]]
    with opened(browser, url) as page:
        for row, column, x, y in places:
            value, *more = point_at(page, x, y)
            if np.isnan(values[row, column]):
                assert value == "no data" and not more
                continue
            assert value.endswith(" mg/kg") and np.float32(value.split()[0]) == values[row, column]
            assert more[0].startswith("90 % interval") and "the area of applicability" in more[1]
        assert re.match(r"50\d{4}, 51\d{5} m \(4\d\.\d+° N, ", page.locator("#place").inner_text())


def test_a_click_shows_spectrum_training_range_samples_and_all_layers(browser, case):
    with opened(browser, case[1]) as page:
        page.mouse.click(*screen_place(page, 501_510, 5_198_610))
        page.wait_for_selector("html[data-details]")
        spectrum = page.evaluate("Array.from(Geosoil.column(Geosoil.model('spectrum_source'), 'value'))")
        assert len(spectrum) == 100 and max(spectrum) < 0.6
        assert page.evaluate("Geosoil.column(Geosoil.model('training_source'), 'xs').length") >= 1
        assert "training spectra of share" in page.locator("#spectrum_text").inner_text()
        first = page.locator("#samples_table tbody tr").first.inner_text().split()
        assert first[0] == "p1" and float(first[1]) == pytest.approx(14.14, abs=5) and first[2] == "40"
        assert page.locator("#pixel_values tbody tr").count() == 7
        page.keyboard.press("Escape")
        assert page.locator("#details").is_hidden()


def test_the_keyboard_moves_chooses_and_reads(browser, case):
    with opened(browser, case[1]) as page:
        page.locator("#plot_a").focus()
        left = page.evaluate("Geosoil.edges()[0]")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("Geosoil.edges()[0]") > left
        page.keyboard.press("+")
        page.keyboard.press("0")
        assert page.evaluate("Geosoil.edges()[0]") == pytest.approx(left)
        page.keyboard.press("Shift+ArrowUp")
        page.wait_for_selector("#values dd")
        page.keyboard.press("Enter")
        page.wait_for_selector("html[data-details]")
        page.keyboard.press("4")
        wait_until(page, "document.getElementById('legend_title_a').textContent === 'dissimilarity'")
        page.keyboard.press("?")
        assert page.locator("dialog").is_visible()


def test_two_maps_are_compared_with_one_cursor_and_one_scale(browser, case):
    with opened(browser, case[1]) as page:
        page.keyboard.press("c")
        wait_until(page, "document.documentElement.dataset.painted >= 2")
        page.select_option("#layer_b", label="soil_mg_kg upper (mg/kg)")
        wait_until(page, "document.getElementById('legend_title_b').textContent.includes('upper')")
        page.wait_for_timeout(300)
        assert colours_on(page, "a") > 20 and colours_on(page, "b") > 20
        point_at(page, 502_000, 5_198_500)
        both = page.locator("#values dd").all_inner_texts()
        assert np.float32(both[1].split()[0]) == np.float32(both[0].split()[0]) * np.float32(1.75)
        high = "Geosoil.model('colours_{}').high"
        assert page.evaluate(high.format("a")) == page.evaluate(high.format("b"))


def test_colours_opacity_histogram_and_zoom_follow_the_user(browser, case):
    with opened(browser, case[1]) as page:
        page.fill("#high_a", "20")
        page.locator("#high_a").press("Enter")
        assert page.evaluate("Geosoil.model('colours_a').high") == 20
        assert re.search(r"\d+ % above 20", page.locator("#beyond_a").inner_text())
        page.click("#reset_a")
        page.select_option("#palette_a", "cividis")
        assert page.evaluate("Geosoil.model('colours_a').palette[0]") == "#00224e"
        page.select_option("#under_a", "cube in true colours")
        assert page.evaluate("Geosoil.model('drawn_a').glyph.global_alpha.value") == 0.7
        wait_until(page, "Geosoil.column(Geosoil.model('under_a'), 'image')[0].length > 1000")
        before = page.evaluate("Geosoil.edges()")
        page.mouse.move(*screen_place(page, 501_500, 5_198_500))
        page.mouse.wheel(0, -400)
        wait_until(page, "left => Geosoil.edges()[0] > left", arg=before[0])
        wait_until(page, "Geosoil.column(Geosoil.model('over_a'), 'x')[0] > 500000")


def test_the_page_is_dark_where_the_system_is(browser, case):
    with opened(browser, case[1], color_scheme="dark") as page:
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 24, 27)"
        page.click("#dark")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(246, 247, 248)"


def test_a_mailed_file_works_offline_on_a_narrow_screen(browser, case, tmp_path):
    path, _ = case
    made = write_view(
        tmp_path / "soil.html", path, cube=path.with_name("cube.tif"), model=path.parent / "models" / "small"
    )
    with rasterio.open(path) as source:
        values, (x, y) = source.read(1), source.xy(60, 60)
    with opened(browser, made.path.as_uri(), viewport={"width": 390, "height": 844}) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert np.float32(point_at(page, x, y)[0].split()[0]) == values[60, 60]
        page.mouse.click(*screen_place(page, x, y))
        page.wait_for_selector("html[data-details]")
        assert page.locator("#spectrum_part").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
