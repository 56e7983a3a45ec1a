"""`geosoil init`: recipes on standard output or in a file, and one line for what is missing."""

import numpy as np
import pandas as pd
import pytest

from geosoil.pipeline.recipe import TEMPLATES, read_recipe, recipe_template


@pytest.fixture
def table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"name": [f"R{i}" for i in range(40)], "ndvi": rng.uniform(0, 1, 40)})
    rows.assign(clay=20 * rows["ndvi"] + rng.uniform(0, 1, 40)).to_csv("table.csv", index=False)
    return tmp_path


@pytest.mark.parametrize("name", TEMPLATES)
def test_without_files_every_name_prints_its_template(geosoil, name):
    done = geosoil("init", name)
    assert (done.code, done.out) == (0, recipe_template(name))


def test_a_recipe_goes_to_standard_output_or_to_a_file_that_training_reads(geosoil, table):
    printed = geosoil("init", "table", "table.csv", "--target", "clay", "--unit", "%", "--models", "rf,svm")
    assert printed.code == 0
    written = geosoil("init", "table", "table.csv", "--target", "clay", "--unit", "%", "-o", "clay.toml")
    assert written.out.startswith("clay.toml: a recipe for 40 samples")
    recipe = read_recipe(table / "clay.toml").recipe
    assert recipe.data.columns == ["ndvi"]
    assert recipe.data.sample_id == "name"
    (table / "printed.toml").write_text(printed.out)
    assert read_recipe(table / "printed.toml").recipe.model.kind == "forest"
    again = geosoil("init", "table", "table.csv", "--target", "clay", "-o", "clay.toml")
    assert (again.code, again.out) == (2, "")
    assert "--force" in again.err


@pytest.mark.parametrize(
    ("words", "reported"),
    [
        (("table", "table.csv"), "no target is given; expected one of the columns of numbers: ndvi, clay"),
        (("table", "table.csv", "--target", "clya"), "did you mean clay?"),
        (("table", "none.csv", "--target", "clay"), "none.csv: found no such file"),
        (("table", "table.csv", "--target", "clay", "--models", "plz"), "did you mean pls?"),
        (("cube", "--samples", "table.csv", "--target", "clay"), "cube needs --cube CUBE"),
        (("table", "table.csv", "--cube", "c.tif", "--target", "clay"), "table takes no --cube"),
        (("gf5", "--cube", "c.tif"), "gf5 is the recipe of a published method"),
        (("table", "table.csv", "--target", "clay", "-o", "table.csv"), "table.csv"),
    ],
)
def test_what_is_missing_is_named_in_one_line_and_nothing_is_written(geosoil, table, words, reported):
    (table / "c.tif").touch()
    before = sorted(path.name for path in table.iterdir())
    done = geosoil("init", *words)
    assert (done.code, done.out) == (2, "")
    assert reported in done.err
    assert sorted(path.name for path in table.iterdir()) == before
