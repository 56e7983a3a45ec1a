"""The documentation site is complete: its pages, its reference, its notebooks, and what the project says of itself."""

import json
import re
import runpy
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import yaml

import geosoil
from geosoil import errors
from geosoil_cli.main import VERBS, group

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def pages_of(navigation):
    """Return the files that a navigation names, at any depth."""
    if isinstance(navigation, str):
        return [navigation]
    parts = navigation.values() if isinstance(navigation, dict) else navigation
    return [page for part in parts for page in pages_of(part)]


def test_the_navigation_has_every_page_and_notebook_once():
    settings = (ROOT / "mkdocs.yml").read_text("utf-8").replace("!ENV ", "")
    pages = pages_of(yaml.safe_load(settings)["nav"])
    files = [
        str(file.relative_to(ROOT / "docs")) for kind in ("md", "ipynb") for file in (ROOT / "docs").rglob(f"*.{kind}")
    ]
    assert sorted(pages) == sorted(files)


def test_the_reference_of_python_has_every_public_name_in_the_order_of_the_table():
    page = (ROOT / "docs" / "reference" / "python.md").read_text("utf-8")
    assert re.findall(r"^::: (\S+)", page, re.MULTILINE) == [f"{home}.{name}" for name, home in geosoil._HOME.items()]
    make_page = runpy.run_path(str(ROOT / "docs" / "make_reference.py"))["make_page"]
    assert page == make_page(), "run `python docs/make_reference.py`"


def test_troubleshooting_explains_every_error():
    page = (ROOT / "docs" / "troubleshooting.md").read_text("utf-8")
    kinds = [
        name for name, value in vars(errors).items() if isinstance(value, type) and value.__module__ == errors.__name__
    ]
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == set(kinds) - {"GeosoilError"}


def test_pages_load_no_script_from_the_network():
    settings = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8").replace("!ENV ", ""))
    scripts = settings["extra"]["polyfills"]
    assert [name for name in scripts if "iframe-worker" in name]  # else the plugin `offline` names one in the network
    assert all((ROOT / "docs" / name).is_file() for name in scripts)


@pytest.mark.parametrize("file", NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs_and_is_stored_without_results(file):
    cells = json.loads(file.read_text("utf-8"))["cells"]
    names = {"__name__": "__main__"}
    for cell in cells:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            exec(compile("".join(cell["source"]), file.name, "exec"), names)
    plt.close("all")


def test_the_version_is_the_same_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    releases = re.findall(
        r"^## \[(\d\S+)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE
    )
    assert citation["version"] == geosoil.__version__ == releases[0][0]
    assert str(citation["date-released"]) == releases[0][1]


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_has_its_name_in_the_reference_of_the_command_line(name):
    assert group.get_command(None, name).name == name
