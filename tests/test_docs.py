"""The pages of docs/ agree with the code: keys of recipes, commands and their options, paths and links."""

import re
import runpy
import tomllib
from pathlib import Path

import click
import pytest
from pydantic import Field

from geosoil.pipeline.part import Part
from geosoil_cli.main import VERBS, group

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
UPDATE = "run `python docs/make_recipes.py`"


@pytest.fixture(scope="module")
def reference():
    return runpy.run_path(str(ROOT / "docs" / "make_recipes.py"))


def test_the_reference_of_recipes_is_up_to_date(reference):
    assert reference["make_page"]() == (ROOT / "docs" / "recipes.md").read_text("utf-8"), UPDATE


def test_the_reference_lists_every_key_of_the_recipes_that_are_supplied():
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    for file in (ROOT / "geosoil" / "pipeline" / "recipes").glob("*.toml"):
        recipe = tomllib.loads(file.read_text("utf-8"))
        for section in ("data", "features", "validation"):
            for key in recipe.get(section, {}):
                assert f"| `{key}` |" in page or f"### `[{section}.{key}]`" in page, f"{file.name}: {section}.{key}"


def test_types_and_defaults_are_written_as_a_recipe_writes_them(reference):
    class Example(Part):
        share: float = Field(1 / 3, gt=0, le=1, description="A share.")
        widths: list[int] | None = Field(None, description="Some widths.")
        ends: tuple[float | None, float | None] = Field((0.0, None), description="Two ends.")
        path: str = Field(description="A|B.")

    assert reference["keys_of"](Example).splitlines()[2:] == [
        "| `share` | number, above 0 and at most 1 | `0.333` | A share. |",
        "| `widths` | list of integers |  | Some widths. |",
        "| `ends` | pair of numbers | `[0.0, inf]` | Two ends. |",
        "| `path` | string | required | A\\|B. |",
    ]


def test_a_key_without_a_description_is_named(reference):
    class Example(Part):
        width: int = 3

    with pytest.raises(ValueError, match=r"Example\.width has no description"):
        reference["keys_of"](Example)


def commands_of(text):
    """Yield the commands of a page: those in code blocks and in code within a sentence."""
    blocks = re.findall(r"```(?:sh)?\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"(?<!`)`([^`]+)`(?!`)", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    for line in [line for block in blocks for line in block.splitlines()] + spans:
        words = line.split("#")[0].split()
        if len(words) > 1 and words[0] == "geosoil":
            yield words[1:]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.stem)
def test_every_command_of_a_page_exists_with_its_options(page):
    for verb, *words in commands_of(page.read_text("utf-8")):
        if verb.startswith("-") or verb.isupper():  # `geosoil --help`, `geosoil VERB`
            continue
        assert verb in VERBS, f"geosoil {verb}"
        command = group.get_command(None, verb)
        while isinstance(command, click.Group) and words:  # `geosoil library import`
            assert words[0] in command.commands, f"geosoil {verb} {words[0]}"
            command, *words = command.commands[words[0]], *words[1:]
        options = {flag for option in command.params for flag in option.opts}
        named = {word.partition("=")[0] for word in words if word.startswith("-")}
        assert named <= options, f"geosoil {verb}: {sorted(named - options)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    text = page.read_text("utf-8")
    for target in re.findall(r"\]\((?!http)([^)#]+)", text):
        assert (page.parent / target).exists(), target
    for path in re.findall(r"\b((?:benchmarks|geosoil|docs|sample_data)/[\w/]+\.\w+)", text):
        assert (ROOT / path).exists(), path


def test_the_examples_of_the_area_of_applicability_and_of_splits_run():
    page = (ROOT / "docs" / "applicability.md").read_text("utf-8")
    names = {}
    for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL):
        exec(compile(block, "applicability.md", "exec"), names)
    assert len(names["splits"]) == 4


def test_the_examples_of_models_of_ones_own_run(tmp_path, monkeypatch, capsys):
    (tmp_path / "sample_data").symlink_to(ROOT / "sample_data")
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own_models.md").read_text("utf-8"), re.DOTALL)
    for block in blocks:
        exec(compile(block, "own_models.md", "exec"), {})
    mean, name, *compared = capsys.readouterr().out.split()
    assert 20 < float(mean) < 30
    assert name == "clay" and "test_rmse" in compared
