"""Packages that are imported are declared; the wheel holds what the toolkit needs and runs where it was unpacked."""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import geosoil

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FILES = [*(ROOT / "geosoil").rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
IN_QGIS = ROOT / "geosoil" / "qgis_plugin"  # runs in the Python of QGIS
# Import names that are not the name of the distribution.
DISTRIBUTIONS = {"sklearn": "scikit-learn"}
# Packages that only an extra of geosoil installs.
OF_EXTRAS = {"boto3": "s3", "botocore": "s3"}


def names_of(requirements):
    return {re.match(r"[\w.-]+", requirement).group().lower() for requirement in requirements}


def imported_packages():
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))) if file.parent != IN_QGIS else ():
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            yield from (module.partition(".")[0] for module in modules)


OUTSIDE = sorted(set(imported_packages()) - set(sys.stdlib_module_names) - {"geosoil", "geosoil_cli"})


@pytest.mark.parametrize("package", OUTSIDE)
def test_an_imported_package_is_declared(package):
    project = PYPROJECT["project"]
    extra = OF_EXTRAS.get(package)
    declared = names_of(project["optional-dependencies"][extra] if extra else project["dependencies"])
    assert DISTRIBUTIONS.get(package, package) in declared


def test_a_declared_dependency_is_imported_and_has_a_lower_bound():
    requirements = PYPROJECT["project"]["dependencies"]
    assert names_of(requirements) == {DISTRIBUTIONS.get(name, name) for name in OUTSIDE if name not in OF_EXTRAS}
    assert [requirement for requirement in requirements if ">=" not in requirement] == []


def test_the_plugin_imports_the_standard_library_and_modules_of_qgis_only():
    allowed = set(sys.stdlib_module_names) | {"qgis", "processing"}
    for file in IN_QGIS.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.partition(".")[0] for alias in node.names} <= allowed, file.name
            elif isinstance(node, ast.ImportFrom) and not node.level:
                assert node.module.partition(".")[0] in allowed, file.name


def test_the_version_is_written_in_one_place():
    assert "version" in PYPROJECT["project"]["dynamic"] and "version" not in PYPROJECT["project"]
    assert PYPROJECT["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "geosoil.__version__"}
    sources = "".join(file.read_text("utf-8") for file in FILES)
    assert sources.count(f'"{geosoil.__version__}"') == 1


def run(*command, cwd, **environment):
    done = subprocess.run(
        [sys.executable, *map(str, command)],
        cwd=cwd,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this tree, built from a copy: a build leaves litter where it runs."""
    if int(importlib.metadata.version("setuptools").split(".")[0]) < 77:
        pytest.skip("setuptools 77 or later builds the wheel")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout: which files belong to the project is not known")
    folder = tmp_path_factory.mktemp("wheel")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / "source" / name)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet", "--disable-pip-version-check"]
    run("-m", "pip", "wheel", *options, "-w", folder, ".", cwd=folder / "source")
    [made] = folder.glob("geosoil-*.whl")
    return made


@pytest.fixture(scope="module")
def unpacked(wheel):
    folder = wheel.parent / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "geosoil/py.typed",
        "geosoil/pipeline/recipes/gf5.toml",
        "geosoil_cli/main.py",
        "geosoil_sample_data/gf5/as_svr.toml",
        "geosoil_sample_data/gf5/gf5.tif",
        "geosoil_sample_data/gf5/lab.parquet",
        "geosoil_sample_data/gf5/samples.gpkg",
        "geosoil_sample_data/gf5/truth.tif",
        "geosoil_sample_data/models/as_svr/model.json",
        "geosoil_sample_data/models/as_svr/trust.safetensors",
        "geosoil_sample_data/models/as_svr/weights.safetensors",
    ],
)
def test_the_wheel_holds(unpacked, name):
    assert (unpacked / name).stat().st_size > 0 or name.endswith("py.typed")


def test_every_module_and_table_of_the_tree_is_in_the_wheel(unpacked):
    for folder, package in (("geosoil", "geosoil"), ("cli", "geosoil_cli")):
        files = [path for path in (ROOT / folder).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
        missing = [str(path) for path in files if not (unpacked / package / path.relative_to(ROOT / folder)).exists()]
        assert missing == []


def test_the_wheel_holds_nothing_else_and_is_small(wheel, unpacked):
    tops = {path.name for path in unpacked.iterdir()}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"geosoil", "geosoil_cli", "geosoil_sample_data"}
    names = [path.name for path in unpacked.rglob("*")]
    assert not [name for name in names if name.startswith(("test_", "conftest")) or name.endswith((".pyc", ".aux.xml"))]
    assert wheel.stat().st_size < 20e6


def test_the_wheel_installs_the_command(unpacked):
    [entries] = unpacked.glob("*.dist-info/entry_points.txt")
    assert "geosoil = geosoil_cli.main:main" in entries.read_text()
    assert entries.parent.name == f"geosoil-{geosoil.__version__}.dist-info"
    assert [path.name for path in unpacked.glob("*.dist-info/licenses/*")] == ["LICENSE"]


def test_the_unpacked_wheel_answers_without_the_checkout(unpacked, tmp_path):
    def from_wheel(*command):
        return run("-P", *command, cwd=tmp_path, PYTHONPATH=str(unpacked))

    code = "import geosoil, geosoil_cli, geosoil_sample_data as data; print(geosoil.__file__, *data.__path__)"
    for place in from_wheel("-c", code).split():
        assert Path(place).is_relative_to(unpacked)
    assert "Usage: " in from_wheel("-m", "geosoil_cli.main", "--help")
    assert "as_mg_kg" in from_wheel("-m", "geosoil_cli.main", "info", "as_svr")


def test_the_unpacked_wheel_prints_a_recipe(unpacked, tmp_path):
    recipe = run("-P", "-m", "geosoil_cli.main", "init", "gf5", cwd=tmp_path, PYTHONPATH=str(unpacked))
    assert tomllib.loads(recipe)["name"]
