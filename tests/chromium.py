"""A real Chromium for tests and benchmarks: that of the system, driven by playwright."""

import shutil
from contextlib import contextmanager

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_path():
    """Return the path of the browser, or None where none is installed."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def open_chromium(*arguments):
    """Yield a headless browser; skip the test with the reason where there is none."""
    path = chromium_path()
    if path is None:
        pytest.skip("needs Chromium (apt-get install chromium), which is absent")
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, which is absent")
    with playwright.sync_playwright() as driver:
        # Without its sandbox, because tests may run as root, where Chromium refuses to start with it.
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", *arguments])
        try:
            yield browser
        finally:
            browser.close()
