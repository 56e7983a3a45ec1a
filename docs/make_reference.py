"""Write docs/reference/python.md from the table of public names: `python docs/make_reference.py`."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = """# Python

All names of this page are attributes of `geosoil`, such as `geosoil.open_cube`. Each is imported when it is first used.
"""


def make_page() -> str:
    """Return the page: a section for each comment of the table in geosoil/__init__.py, with its names."""
    text = (ROOT / "geosoil" / "__init__.py").read_text("utf-8")
    table = text[text.index("_HOME = {") : text.index("\n}\n")]
    parts = [HEAD]
    for comment, name, home in re.findall(r'^    (?:# (.+)|"(\w+)": "([\w.]+)",)$', table, re.MULTILINE):
        parts.append(f"## {comment[0].upper()}{comment[1:]}\n" if comment else f"::: {home}.{name}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "docs" / "reference" / "python.md").write_text(make_page(), "utf-8")
