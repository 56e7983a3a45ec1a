"""Help in groups with examples, suggestions for what is misspelt, completion by the shell, and results as JSON."""

import json
import os
import re
import subprocess
import sys

import pytest
from small_cube import save_trained_model, write_cube

from geosoil_cli.main import GROUPS, VERBS, group
from geosoil_cli.printing import as_plain


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    save_trained_model(folder / "models" / "share")
    write_cube(folder / "cube.tif")
    return folder


def test_help_has_every_verb_in_one_group_and_the_line_for_completion(geosoil):
    out = geosoil("--help").out
    lines = [line.strip() for line in out.splitlines()]
    assert [line.removesuffix(":") for line in lines if line.removesuffix(":") in GROUPS] == list(GROUPS)
    assert len(VERBS) == sum(map(len, GROUPS.values()))
    assert "_GEOSOIL_COMPLETE=bash_source geosoil" in out


@pytest.mark.parametrize("verb", list(VERBS))
def test_examples_of_a_verb_are_valid_command_lines(verb, geosoil):
    command, names = group.get_command(None, verb), ["geosoil", verb]
    if hasattr(command, "commands"):  # `geosoil library import`
        ((name, command),) = command.commands.items()
        names.append(name)
    assert command.examples
    out = geosoil(*names[1:], "--help").out
    for line in command.examples:
        assert line in out
        words = re.sub(r"'([^']*)'", r"\1", line).split()
        assert words[: len(names)] == names
        command.make_context(names[-1], words[len(names) :])  # raises UsageError for what is unknown


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (("mpa",), "map"),
        (("predcit",), "predict"),
        (("shap",), "explain"),
        (("map", "--cub", "a.tif"), "--cube"),
        (("map", "--cube", "cube.tif", "--model", "shaer"), "did you mean share?"),
        (("map", "--cube", "cbue.tif", "--model", "share"), "did you mean cube.tif?"),
        (("map", "--cube", "cube.tif", "--model", "share", "--device", "gpu"), "'cuda'"),
    ],
)
def test_what_was_meant_is_suggested(words, meant, folder, geosoil, monkeypatch):
    monkeypatch.chdir(folder)
    said = geosoil(*words)
    assert said.code == 2
    assert meant in said.err


def test_a_verb_that_resembles_none_gets_the_list(geosoil):
    assert "The verbs are demo, info," in geosoil("xyzzy").err


@pytest.mark.parametrize(
    ("typed", "offered"), [("geosoil ter", "terrain"), ("geosoil map --on", "--only-applicable"), ("geosoil q", "qgis")]
)
def test_the_shell_completes_verbs_and_options(typed, offered):
    words = typed.split()
    variables = {"_GEOSOIL_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    code = "from geosoil_cli.main import group; group(prog_name='geosoil')"
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | variables, capture_output=True, text=True,
                          check=False)  # fmt: skip
    assert offered in done.stdout


def test_a_name_that_does_not_exist_is_reported_without_heavy_imports(folder):
    code = (
        "import sys; sys.argv = ['geosoil', 'map', '--cube', 'absent.tif', '--model', 'share']\n"
        "from geosoil_cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'sklearn', 'rasterio', 'xarray', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=folder)
    assert done.returncode == 2
    assert "absent.tif: found no such file" in done.stderr
    assert done.stdout == "[]\n"


def test_a_map_as_json_is_one_object_with_its_files_and_statistics(folder, geosoil, monkeypatch):
    monkeypatch.chdir(folder)
    said = geosoil("map", "--cube", "cube.tif", "--model", "share", "-o", "map.tif", "--json")
    result = json.loads(said.out)
    assert (result["path"], result["style"], result["metadata"]) == ("map.tif", "map.qml", "map.qmd")
    assert result["cog"]["bands"][0]["name"] == "share_pct"
    assert "styled" not in result
    assert said.err == ""


def test_verbose_prints_time_and_memory_and_the_traceback_of_an_error(folder, geosoil, monkeypatch):
    monkeypatch.chdir(folder)
    said = geosoil("info", "cube.tif", "-v")
    assert re.search(r"time [\d.]+ s, at most \d+ MB", said.err)
    said = geosoil("info", "none.tif", "-v")
    assert "Traceback" in said.err and said.err.splitlines()[-1].startswith("geosoil: none.tif: found no such file")


def test_results_become_plain_values():
    assert as_plain({"a": (1, float("inf")), "b": object(), "c": {2: "x"}}) == {"a": [1, None], "c": {"2": "x"}}
