"""Every command and every example of the README runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from matplotlib import pyplot

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
COMMANDS = [
    line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines() if line.strip()
]
# These install or run everything else: CI runs `make test`, tests/test_packaging.py builds and installs, and
# tests/workflows/test_demo.py runs what `make demo` runs.
ELSEWHERE = {"make demo", "pip install ."}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A working folder from which the README's paths can be reached, and where results may fall."""
    folder = tmp_path_factory.mktemp("readme")
    (folder / "sample_data").symlink_to(ROOT / "sample_data")
    return folder


@pytest.mark.slow
@pytest.mark.usefixtures("without_pictures")
def test_every_command_of_the_readme_runs(checkout, monkeypatch, geosoil):
    monkeypatch.chdir(checkout)
    assert len(COMMANDS) >= 6
    for line in COMMANDS:
        if line in ELSEWHERE:
            continue
        program, *arguments = shlex.split(line.split(">")[0])
        assert program == "geosoil", line
        if "--memory" in arguments:  # a promise counts what the process holds, and this one holds all of the tests
            command = [sys.executable, "-m", "geosoil_cli.main", *arguments]
            subprocess.run(command, check=True, capture_output=True)
            continue
        done = geosoil(*arguments)
        assert done.code == 0, f"{line}\n{done.err}"
        if arguments[0] == "init" and "-o" in arguments:
            _shorten(Path(arguments[arguments.index("-o") + 1]))
    assert {"as.tif", "as.qml", "as.png"} <= {path.name for path in checkout.iterdir()}


def _shorten(recipe):
    """Let a recipe be validated by few folds in this process, since starting others takes longer than the folds."""
    text = re.sub(r"n_folds = \d+", "n_folds = 3", re.sub(r"n_repeats = \d+", "n_repeats = 1", recipe.read_text()))
    recipe.write_text(f"{text}processes = 1\n")


@pytest.mark.parametrize("line", re.findall(r"`(geosoil init \w+ [^`]+)`", TEXT))
def test_every_init_command_of_the_tables_has_options_that_exist(line):
    from geosoil_cli.init import command

    with command.make_context("init", shlex.split(line)[2:]) as context:
        assert context.params["targets"]


def test_every_target_of_make_that_the_readme_names_is_there():
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`?make (\w+)`?", TEXT)) - {"and"} <= targets


@pytest.mark.parametrize("code", re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL))
def test_every_python_example_of_the_readme_runs(code, checkout, monkeypatch, capsys):
    monkeypatch.chdir(checkout)
    exec(compile(code, "README.md", "exec"), {})  # a process of its own would need seconds for its imports
    pyplot.close("all")
    assert float(capsys.readouterr().out) > 0


def test_every_link_of_the_readme_leads_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)", TEXT):
        assert (ROOT / target).exists(), target
