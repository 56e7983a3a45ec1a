"""What a user of the command line once misread: replaced models, stray words, control characters, silence."""

import json
import shutil
import tomllib

import numpy as np
import pandas as pd
import pytest
from small_cube import save_trained_model
from small_recipes import SpectraRecipe

from geosoil.errors import ModelFileError, OutputError
from geosoil.models import store
from geosoil.models.store import find_model, load_model
from geosoil.workflows.train import train

pytestmark = pytest.mark.usefixtures("without_pictures")


def test_a_model_of_another_property_is_not_replaced_and_one_of_the_same_is(tmp_path):
    case = SpectraRecipe(tmp_path)
    quick = ("[validation]", '[model]\nkind = "pls"\n[validation]\nn_repeats = 1')
    train(case.recipe(quick), tmp_path / "model")
    train(case.recipe(quick, ('title = "Pb"', 'title = "Lead"')), tmp_path / "model")
    before = (tmp_path / "model" / "model.json").read_bytes()
    case.samples["zn_mg_kg"] = case.samples.pb_mg_kg * np.linspace(1, 2, len(case.samples))
    case.write()
    with pytest.raises(OutputError, match=r"found a model of pb_mg_kg .* expected a new folder.* name another folder"):
        train(case.recipe(quick, ("pb_mg_kg", "zn_mg_kg")), tmp_path / "model")
    assert (tmp_path / "model" / "model.json").read_bytes() == before


def test_a_stray_word_behind_model_is_named_and_explained(geosoil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "cube.tif").touch()
    done = geosoil("map", "--cube", "cube.tif", "--model", "as_svr", "stray", "-o", "out.tif")
    assert done.code == 2
    assert "stray: found no model, although every word behind --model up to the next option is the name" in done.err
    assert len(done.err.splitlines()) == 1


def test_control_characters_of_a_strangers_card_do_not_reach_the_terminal(geosoil, tmp_path):
    shutil.copytree(find_model("as_svr"), tmp_path / "strange")
    card = json.loads((tmp_path / "strange" / "model.json").read_text())
    card["preprocessing"] = ["\x1b]0;hijacked\x07\x9b2J"]
    (tmp_path / "strange" / "model.json").write_text(json.dumps(card))
    done = geosoil("info", tmp_path / "strange")
    assert done.code == 0
    assert "\x1b" not in done.out and "\x9b" not in done.out and "\\x1b]0;hijacked" in done.out
    as_json = geosoil("info", tmp_path / "strange", "--json").out
    assert as_json.isascii() and json.loads(as_json)["steps"] == card["preprocessing"][0]


def test_control_characters_in_the_name_of_a_file_do_not_reach_the_terminal_from_init(geosoil, tmp_path):
    name = "strange \x1b]0;h\x07\x9b2J\u202e\x7f.csv"
    pd.DataFrame({"depth_cm": np.arange(40) % 7, "clay": np.linspace(5, 40, 40)}).to_csv(tmp_path / name, index=False)
    done = geosoil("init", "table", tmp_path / name, "--target", "clay")
    assert done.code == 0
    assert all(letter.isprintable() or letter == "\n" for letter in done.out)
    assert tomllib.loads(done.out)["data"]["table"].endswith(name)


def test_weights_of_an_implausible_size_are_refused_before_they_are_read(tmp_path, monkeypatch):
    save_trained_model(tmp_path / "m")
    monkeypatch.setattr(store, "MOST_WEIGHTS_BYTES", 100)
    with pytest.raises(ModelFileError, match=r"weights.safetensors: found a file of 0.0 GiB; expected arrays"):
        load_model(tmp_path / "m")


def test_the_demo_prints_lines_of_progress(geosoil, monkeypatch, tmp_path):
    class Result:
        def summary(self):
            return "done"

    def run_demo(name, output, *, progress):
        progress("validation", 1, 2)
        return Result()

    monkeypatch.setattr("geosoil.workflows.demo.run_demo", run_demo)
    done = geosoil("demo", "gf5", "-o", tmp_path)
    assert (done.code, done.out, done.err) == (0, "done\n", "validation: 1 of 2 done\n")
