"""The recipes that ship with geosoil: valid, and with comments whose commands can be run."""

import re
import shlex
from pathlib import Path

import click
import pytest

from geosoil.pipeline.recipe import TEMPLATES, read_recipe, recipe_template
from geosoil.pipeline.sources import SOURCES
from geosoil_cli.init import NAMES
from geosoil_cli.main import group

ROOT = Path(__file__).parents[2]
PACKAGED = sorted((ROOT / "geosoil" / "pipeline" / "recipes").glob("*.toml"))
SAMPLES = sorted((ROOT / "sample_data").glob("*/*.toml"))


def commands_in(path):
    """Return the commands of geosoil in the comments of a recipe; a word such as `geosoil depths` names a verb only."""
    comments = "\n".join(line.partition("#")[2] for line in path.read_text().splitlines() if "#" in line)
    return re.findall(r"`(geosoil [^`]+)`", comments)


@pytest.mark.parametrize("path", [*PACKAGED, *SAMPLES], ids=lambda path: path.name)
def test_every_command_in_the_comments_of_a_recipe_is_one_that_the_command_line_takes(path):
    commands = commands_in(path)
    assert commands
    for text in commands:
        _, verb, *arguments = shlex.split(text)
        command = group.get_command(click.Context(group), verb)
        assert command is not None, text
        if arguments:
            command.make_context(verb, arguments)


def test_a_command_that_does_not_exist_is_noticed():
    command = group.get_command(click.Context(group), "map")
    with pytest.raises(click.UsageError):
        command.make_context("map", ["cube.tif", "--model", "site_a"])


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_template_is_a_valid_recipe_of_its_kind_of_data(tmp_path, name):
    path = tmp_path / "recipe.toml"
    path.write_text(recipe_template(name))
    loaded = read_recipe(path)
    published = {"gf5": "cube", "soc": "profiles", "lead": "spectra", "library": "spectra"}
    assert loaded.recipe.data.kind == published.get(name, name)
    assert loaded.recipe.candidate().kind in {candidate.kind for candidate in loaded.recipe.candidates()} | {"auto"}


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_keys_that_are_commented_out_are_known(tmp_path, name):
    lines = []
    for line in recipe_template(name).splitlines():
        key = re.match(r"# (\[[a-z_.]+\]|[a-z_]+ = )", line)
        section = "\n".join(lines).rpartition("\n[")[2]
        is_given = key and f"\n{key[1]}" in section
        lines.append(line[2:] if key and not is_given else line)
    path = tmp_path / "recipe.toml"
    path.write_text("\n".join(lines))
    assert "\n# [" not in path.read_text()
    read_recipe(path)


def test_there_is_a_template_for_each_kind_of_data_and_init_prints_them(geosoil):
    assert set(SOURCES) <= set(TEMPLATES) == set(NAMES)
    assert {path.stem for path in PACKAGED} == set(TEMPLATES)
    for name in NAMES:
        done = geosoil("init", name)
        assert (done.code, done.out) == (0, recipe_template(name))


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_a_sample_recipe_names_files_that_exist(path):
    loaded = read_recipe(path)
    data = loaded.recipe.data
    for key in ("cube", "samples", "spectra", "laboratory", "library", "horizons", "like"):
        relative = getattr(data, key, None)
        assert relative is None or Path(loaded.path(relative)).exists(), relative
