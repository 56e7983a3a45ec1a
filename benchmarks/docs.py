"""The documentation: the strict build with its notebooks, links of the built pages, and the examples in docstrings.

docs   warnings of mkdocs, links of a page to a page or a heading that does not exist, files that a page would load
       from the network, and examples in docstrings that do not give what they show

mkdocs runs the four notebooks while it builds. It needs the packages of `pip install -e '.[docs]'`; without them the
benchmark is skipped.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit

from measure import report

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("mkdocs", "material", "mkdocstrings", "mkdocs_jupyter", "mkdocs_click")
WARNING = re.compile(r"^(?:WARNING|ERROR|Aborted)\b.*", re.MULTILINE)
LOADED = {"script": "src", "img": "src", "iframe": "src", "link": "href"}
FAILED = re.compile(r"^(?:FAILED|ERROR) .*", re.MULTILINE)


class Page(HTMLParser):
    """The links, the headings and the loaded files of a page.

    Parameters
    ----------
    text : str
        The page as HTML.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.names: set[str] = set()
        self.loaded: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect what a tag refers to, and the name by which others can refer to it."""
        values = {name: value for name, value in attrs if value}
        self.names.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.add(values["href"])
        if tag in LOADED and LOADED[tag] in values and values.get("rel") not in ("canonical", "edit"):
            self.loaded.add(values[LOADED[tag]])


def build(site: Path) -> list[str]:
    """Build the site strictly, and return the warnings."""
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    warnings = WARNING.findall(done.stderr + done.stdout)
    if done.returncode and not warnings:
        warnings.append(f"mkdocs ended with exit code {done.returncode}")
    return warnings


def wrong_links(site: Path) -> list[str]:
    """Return the links inside a site that lead nowhere, and what its pages would load from the network."""
    pages = {file.resolve(): Page(file.read_text("utf-8")) for file in site.rglob("*.html")}
    wrong = []
    for file, page in pages.items():
        where = file.relative_to(site.resolve())
        wrong += [
            f"{where} loads {source}" for source in sorted(page.loaded) if urlsplit(source).scheme in ("http", "https")
        ]
        for link in sorted(page.links):
            address, heading = urldefrag(link)
            if urlsplit(address).scheme or address.startswith("//") or where.name == "404.html":
                continue
            target = (file.parent / unquote(address)).resolve() if address else file
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                wrong.append(f"{where}: {link} does not exist")
            elif heading and target in pages and unquote(heading) not in pages[target].names:
                wrong.append(f"{where}: {link} has no such heading")
    return wrong


def failed_examples() -> list[str]:
    """Run the examples in docstrings and in the README, and return those that do not give what they show."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--no-header",
        "-p",
        "no:cacheprovider",
        "geosoil",
        "tests/test_readme.py",
    ]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    failed = FAILED.findall(done.stdout)
    print(done.stdout.strip().splitlines()[-1] if done.stdout.strip() else done.stderr)
    return failed or ([f"pytest ended with exit code {done.returncode}"] if done.returncode else [])


def main() -> None:
    """Count and report."""
    lacking = [package for package in PACKAGES if find_spec(package) is None]
    if lacking:
        print(f"docs skipped: {', '.join(lacking)} not installed (pip install -e '.[docs]')")
        return
    with tempfile.TemporaryDirectory() as folder:
        site = Path(folder) / "site"
        problems = build(site)
        print(f"{len(list(site.rglob('*.html')))} pages, {len(problems)} warnings of the build")
        problems += wrong_links(site)
    problems += failed_examples()
    print("\n".join(problems))
    sys.exit(not report("docs", len(problems), "warnings", 0))


if __name__ == "__main__":
    main()
