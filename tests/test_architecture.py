"""The architecture is that of docs/architecture.md: imports point down, files are short, names are unique."""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Lowest first; folders on one line never import each other.
LAYERS = [
    {"errors"},
    {"numerics"},
    {"program", "raster"},
    {"evaluate", "io", "spectra", "terrain"},
    {"sensors", "samples", "networks"},
    {"estimators", "trust"},
    {"models"},
    {"training"},
    {"mapping", "explain"},
    {"pipeline"},
    {"report"},
    {"view"},
    {"workflows"},
    {"cli"},
]
LEVEL = {room: level for level, rooms in enumerate(LAYERS) for room in rooms}
FILES = sorted([*(ROOT / "geosoil").rglob("*.py"), *(ROOT / "cli").glob("*.py")])


def room_of(path):
    parts = path.relative_to(ROOT).parts
    return parts[0] if parts[0] == "cli" else parts[1].removesuffix(".py")


def modules_of(code):
    """Yield the modules that code imports or names inside a string that is not a docstring."""
    tree = ast.parse(code)
    described = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    docstrings = {id(node.body[0].value) for node in ast.walk(tree) if isinstance(node, described)
                  and node.body and isinstance(node.body[0], ast.Expr)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield from re.findall(r"\bgeosoil(?:_cli)?(?:\.\w+)+", node.value)


def upward_references(room, code):
    """Return the modules of other rooms, not lower than `room`, that code imports or names inside strings."""
    found = []
    for module in modules_of(code):
        package, _, rest = module.partition(".")
        other = "cli" if package == "geosoil_cli" else rest.partition(".")[0] if package == "geosoil" else room
        if other in LEVEL and other != room and LEVEL[other] >= LEVEL[room]:
            found.append(module)
    return found


# geosoil/__init__.py is the one table of all rooms.
@pytest.mark.parametrize(
    "path", [path for path in FILES if room_of(path) != "__init__"], ids=lambda path: str(path.relative_to(ROOT))
)
def test_imports_and_names_in_strings_point_to_lower_layers_only(path):
    assert not upward_references(room_of(path), path.read_text())


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("models", "from geosoil.workflows.map import map_cube"),
        ("models", "from geosoil import workflows"),
        ("models", "def f():\n    import geosoil.mapping.job"),
        ("models", "TYPES = {'Predictor': 'geosoil.workflows.predictor:Predictor'}"),
        ("models", "import_module('geosoil.workflows.map')"),
        ("models", "import_module(f'geosoil.report.{name}')"),
        ("workflows", "run([python, '-m', 'geosoil_cli.main'])"),
        ("samples", "HERE = 'geosoil.networks.loop'"),  # on one line
    ],
)
def test_a_reference_to_a_higher_room_is_found(room, code):
    assert len(upward_references(room, code)) == 1


@pytest.mark.parametrize(
    ("room", "code"),
    [
        ("models", "TYPES = {'Forest': 'geosoil.estimators.forest:Forest'}"),
        ("models", '"""What geosoil.workflows.map reads."""'),
        ("raster", "way_out = 'open it with geosoil.open_raster'"),
        ("cli", "from geosoil.workflows.map import map_cube"),
    ],
)
def test_a_reference_to_a_lower_room_and_a_text_are_accepted(room, code):
    assert not upward_references(room, code)


def test_no_import_cycle_inside_a_room():
    graph = {}
    for path in FILES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(("geosoil_cli", *parts[1:]) if parts[0] == "cli" else parts).removesuffix(".__init__")
        # Imports inside functions are made on use: they cannot close a cycle at import.
        top = [n for n in ast.parse(path.read_text()).body if isinstance(n, ast.ImportFrom) and n.module]
        graph[name] = {n.module for n in top}
    done, stack = set(), []

    def visit(name):
        assert name not in stack, " -> ".join([*stack, name])
        if name in done or name not in graph:
            return
        stack.append(name)
        for other in graph[name]:
            visit(other)
        stack.pop()
        done.add(name)

    for name in graph:
        visit(name)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_has_at_most_400_lines(path):
    assert path.read_text().count("\n") <= 400


def test_no_public_function_has_the_name_of_a_folder():
    rooms = set(LEVEL) | {"geosoil"}
    for path in FILES:
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef):
                assert node.name not in rooms, f"{path}: {node.name}"


@pytest.mark.parametrize("module", ["geosoil", "geosoil_cli.main", "geosoil.sensors.cube", "geosoil.raster.blocks"])
def test_importing_does_not_import_torch(module):
    code = f"import {module}, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_folder_of_the_package_is_installed():
    import tomllib

    packages = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    folders = {".".join(path.parent.relative_to(ROOT).parts) for path in FILES if path.name == "__init__.py"}
    assert {name.replace("cli", "geosoil_cli") if name == "cli" else name for name in folders} <= packages


def test_make_bench_runs_every_benchmark_and_nothing_else():
    if shutil.which("make") is None:
        pytest.skip("no make here")
    commands = subprocess.run(["make", "-n", "bench"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    ran = set(re.findall(r"benchmarks/\w+\.py", commands))
    texts = {str(path.relative_to(ROOT)): path.read_text() for path in (ROOT / "benchmarks").glob("*.py")}
    assert ran >= {path for path, text in texts.items() if re.search(r"^from measure import .*\breport\b", text, re.M)}
    assert not {path for path in ran if "__main__" not in texts[path]}
