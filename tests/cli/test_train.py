"""`geosoil train` and `geosoil compare`: the automatic choice, its time budget, and boosted trees, up to the map."""

import json

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from small_recipes import CovariateRecipe

from geosoil.errors import RecipeError
from geosoil.models.compose import Ensemble
from geosoil.models.store import load_model, read_card
from geosoil.models.trust import load_trust
from geosoil.pipeline.recipe import read_recipe
from geosoil.pipeline.regressors import predict_rows
from geosoil.pipeline.sources import read_rows
from geosoil_cli.main import group

pytestmark = pytest.mark.usefixtures("without_pictures")

AUTO = """[model]
kind = "auto"
auto = { candidates = ["forest", "ridge", "pls"] }
forest = { n_trees = 60 }
[validation]"""


def run(*arguments):
    return CliRunner().invoke(group, [str(argument) for argument in arguments])


def write_recipe(folder, model=AUTO):
    return CovariateRecipe(folder).recipe(("[validation]", model))


def assert_mapped_as_predicted(folder):
    """Map the covariates of a recipe by the command line, and compare the places of all samples with the model."""
    result = run("map", "--covariates", folder / "*.tif", "--model", folder / "model", "-o", folder / "pb_map.tiff",
                 "--block", 16)  # fmt: skip
    assert result.exit_code == 0, result.output
    with rasterio.open(folder / "pb_map.tiff") as source:
        mapped = source.read(1)
    loaded = read_recipe(folder / "recipe.toml")
    rows, points = read_rows(loaded), CovariateRecipe(folder)
    model, everything = load_model(folder / "model"), np.arange(len(rows))
    expected = predict_rows(model, loaded.recipe.candidate(), rows, everything)[:, 0]
    np.testing.assert_allclose(mapped[points.rows, points.columns], expected, rtol=1e-5)


def test_the_automatic_choice_is_in_the_card_and_the_report_and_maps_as_it_predicts(tmp_path):
    recipe = write_recipe(tmp_path, f"[features]\nplace = true\n{AUTO}")
    result = run("train", recipe, "-o", tmp_path / "model", "--budget", "10m")
    assert result.exit_code == 0, result.output
    card, model = read_card(tmp_path / "model"), load_model(tmp_path / "model")
    assert isinstance(model, Ensemble)
    assert json.loads((tmp_path / "model" / "model.json").read_text())["weights"] == list(model.weights)
    words = card.origin.method
    assert words.startswith("Automatic choice (weighted mean of 0.")
    assert "RMSE in mg/kg inside the training rows: " in words
    assert "(out-of-bag)" in words
    assert "(leave-one-out)" in words
    assert any(note.startswith("time budget: ") for note in card.training.notes)
    page = (tmp_path / "model" / "report" / "report.html").read_text()
    assert "Candidates, their errors inside the training rows, and their weights" in page
    assert page.index("<h2>Trust</h2>") < page.index("<h2>Accuracy")
    assert "90 % intervals covered" in result.output
    trust = load_trust(tmp_path / "model", card)
    assert set(trust.targets) == {target.name for target in card.targets}
    assert trust.applicability is not None
    assert_mapped_as_predicted(tmp_path)


@pytest.mark.parametrize("budget", ["10", "0m", "ten minutes", "-5m", "1e9h", "nanm"])
def test_a_budget_that_is_no_time_is_refused(tmp_path, budget):
    result = run("train", write_recipe(tmp_path), "--budget", budget)
    assert result.exit_code == 2
    assert "expected a time such as 90s, 10m or 1.5h" in result.output


@pytest.mark.parametrize("verb", ["train", "compare"])
def test_a_budget_without_an_automatic_choice_is_refused(tmp_path, verb):
    recipe = write_recipe(tmp_path, '[model]\nkind = "ridge"\n[validation]')
    result = run(verb, recipe, "--budget", "90s")
    assert isinstance(result.exception, RecipeError)
    assert 'found a time budget for models of kind ridge; expected model.kind = "auto"' in str(result.exception)


def test_a_budget_that_is_over_leaves_candidates_out_and_says_so(tmp_path):
    model = AUTO.replace('"forest", "ridge", "pls"', '"ridge", "svr"')
    result = run("train", write_recipe(tmp_path, model), "-o", tmp_path / "model", "--budget", "0.01s")
    assert result.exit_code == 0, result.output
    assert "SVR: left out: no time was left" in result.output
    assert not isinstance(load_model(tmp_path / "model"), Ensemble)


def test_boosted_trees_are_trained_and_mapped(tmp_path):
    recipe = write_recipe(tmp_path, '[model]\nkind = "boosted_trees"\nboosted_trees = { n_trees = 20 }\n[validation]')
    result = run("train", recipe, "-o", tmp_path / "model", "-q")
    assert result.exit_code == 0, result.output
    assert_mapped_as_predicted(tmp_path)
