"""Requests of the viewer to anything but itself, by the network log of Chromium: the server, and a mailed file.

A page with a picture of another host shows that the log would tell.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from measure import asked_quick, report
from viewer import WINDOW, open_chromium, served, write_map

from geosoil.workflows.view import write_view

HERE = re.compile(r"(http|ws)://127\.0\.0\.1[:/]|data:|blob:|file:|chrome")


def use(page: Any) -> None:
    """Do what a user does: point, click, compare, zoom, darken."""
    page.wait_for_selector("html[data-painted]")
    box = page.locator("#plot_a").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.click(x, y)
    page.wait_for_selector("html[data-details]")
    for key in ("c", "+", "d", "n", "?"):
        page.keyboard.press(key)
        page.wait_for_timeout(200)


def contacted(log: Path) -> tuple[list[str], int]:
    """Return what a page named outside of this computer, by a network log, and how many requests the log holds.

    Chromium itself asks for updates and accounts. Such requests have no page as their initiator; their hosts are left
    out.
    """
    content = json.loads(log.read_text("utf-8", "replace"))
    types = {number: name for name, number in content["constants"]["logEventTypes"].items()}
    events = [(types[event["type"]], event.get("params", {})) for event in content["events"]]
    requests = [params for name, params in events if name == "URL_REQUEST_START_JOB" and "url" in params]
    outside = [params for params in requests if not HERE.match(params["url"])]
    of_browser = {urlsplit(params["url"]).hostname for params in outside if params.get("initiator") == "not an origin"}
    named = [params["url"] for params in outside if params.get("initiator") != "not an origin"]
    for name, params in events:
        host = str(params.get("host", "")) if name == "HOST_RESOLVER_MANAGER_REQUEST" else ""
        host = urlsplit(host if "//" in host else f"//{host}").hostname or ""
        if host not in ("", "127.0.0.1", "localhost", *of_browser):
            named.append(host)
    return named, len(requests)


def logged(address: str, log: Path, *, used: bool) -> list[str]:
    """Open an address in a new Chromium, and return what it named outside of this computer."""
    with open_chromium(f"--log-net-log={log}", "--net-log-capture-mode=Everything") as browser:
        page = browser.new_page(viewport=WINDOW)
        page.goto(address)
        if used:
            use(page)
        page.wait_for_timeout(500)
        page.close()
    named, count = contacted(log)
    print(f"{log.stem}: {count} requests, {len(named)} outside of this computer {named[:3]}")
    return named


def main() -> bool:
    asked_quick(__doc__)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        control = folder / "control.html"
        control.write_text('<img src="http://example.invalid/a.png">')
        if not logged(control.as_uri(), folder / "a page with a foreign picture.json", used=False):
            raise RuntimeError("the network log does not show a request that was made")
        path = write_map(folder / "soil.tif", "UTM", (300, 400))
        mailed = write_view(folder / "soil.html", path).path
        outside = logged(mailed.as_uri(), folder / "mailed file.json", used=True)
        with served(path) as url:
            outside += logged(url, folder / "server.json", used=True)
    return report("view_offline", len(outside), "requests", 0)


if __name__ == "__main__":
    sys.exit(not main())
