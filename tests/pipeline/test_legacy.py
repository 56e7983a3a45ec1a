"""Recipes of the former studies are translated to the sections of the pipeline, with one note per replaced word."""

from pathlib import Path

import pytest

from geosoil.errors import RecipeError
from geosoil.pipeline.recipe import read_recipe, recipe_template

FOLDER = Path(__file__).parent / "legacy_recipes"
SAMPLE_DATA = Path(__file__).parents[2] / "sample_data"
SAMPLES = {
    "as_svr": "gf5/as_svr.toml",
    "cu_plsr": "gf5/cu_plsr.toml",
    "som_svr": "gf5/som_svr.toml",
    "pb_resnet": "lead/pb_resnet.toml",
    "site_a": "library/site_a.toml",
    "soc_transfer": "soc/soc_transfer.toml",
}


def meaning(loaded):
    """Return what a recipe decides, without the settings of models that it neither trains nor compares."""
    recipe = loaded.recipe.model_dump()
    kinds = {loaded.recipe.model.kind, *(entry.kind for entry in loaded.recipe.model.compare), "auto"}
    recipe["model"] = {k: v for k, v in recipe["model"].items() if k in kinds or k in ("kind", "fit_to", "compare")}
    return recipe


@pytest.mark.parametrize("name", SAMPLES)
def test_an_old_sample_recipe_means_what_the_new_one_means(name):
    old, new = read_recipe(FOLDER / f"{name}.toml"), read_recipe(SAMPLE_DATA / SAMPLES[name])
    expected = meaning(new)
    if name == "soc_transfer":  # it is validated by kNNDM for the sake of its intervals
        expected["validation"]["split"] = ["random", "spatial", "published_holdout"]
    assert meaning(old) == expected
    assert new.notes == ()


@pytest.mark.parametrize("name", ["gf5", "soc", "lead", "library"])
def test_an_old_template_means_what_the_new_one_means(tmp_path, name):
    (tmp_path / "new.toml").write_text(recipe_template(name))
    assert meaning(read_recipe(FOLDER / f"{name}.toml")) == meaning(read_recipe(tmp_path / "new.toml"))


def test_every_word_that_is_replaced_is_noted_with_the_new_one():
    assert list(read_recipe(FOLDER / "cu_plsr.toml").notes) == [
        "study = 'gf5_inversion' is now [data] kind = 'cube'",
        "[fusion] is now [features.fusion]",
        "regression.kind = 'plsr' is now model.kind = 'pls'",
        "the published protocol is now named: validation.split = [..., 'published_rank']",
    ]
    notes = read_recipe(FOLDER / "lead.toml").notes
    assert "[source] is now [data.auxiliary]" in notes
    assert "model.kind = 'transfer' is now model.kind = 'transfer_resnet'" in notes
    assert "validation.split = 'random' is now validation.split = 'holdout'" in notes
    assert "validation.n_rounds is now validation.n_repeats" in notes
    notes = read_recipe(FOLDER / "library.toml").notes
    assert "local.n is now validation.n_train" in notes
    assert "data.site is now data.spectra" in notes
    notes = read_recipe(FOLDER / "soc.toml").notes
    assert "data.profile_id is now data.sample_id" in notes
    assert "network.patch is now data.patch" in notes


def test_a_recipe_of_a_soil_property_keeps_its_settings(tmp_path):
    text = (FOLDER / "covariates.toml").read_text()
    text = text.replace("# [source]", '[source]\ncolumn = "ph"\nunit = "1"\ntitle = "pH"').replace(
        'kind = "forest"', 'kind = "cascade"'
    )
    path = tmp_path / "old.toml"
    path.write_text(text.replace("n_trees = 500", "n_trees = 77").replace("n_members = 3", "n_members = 4"))
    recipe = read_recipe(path).recipe
    assert recipe.model.kind == "cascade"
    assert [entry.kind for entry in recipe.model.compare] == ["forest", "mlp", "transfer_mlp", "cascade"]
    assert (recipe.model.forest.n_trees, recipe.model.cascade.n_trees) == (77, 77)
    assert (recipe.model.mlp.n_members, recipe.model.transfer_mlp.n_members) == (4, 4)
    assert (recipe.data.kind, recipe.data.auxiliary.column) == ("covariates", "ph")
    assert recipe.validation.block_m == 1000.0


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('study = "gf5_inversion"', 'study = "depth"', "study = 'depth'; expected one of gf5_inversion, "),
        ('study = "gf5_inversion"', "study = [1]", "study = [1]"),
        ("[fusion]", "[fusions]", "unknown key fusions"),
        ("n_runs = 50", "n_run = 50", "features.selection.n_run"),
        ('kind = "svr"', 'kind = "svm2"', "model.kind = "),
        ('kind = "svr"', "kind = [1]", "model.kind = "),
        ('split = "kfold"', "split = [[1]]", "validation.split"),
    ],
)
def test_an_invalid_old_recipe_is_refused_in_one_line(tmp_path, old, new, message):
    text = (FOLDER / "gf5.toml").read_text()
    assert old in text
    path = tmp_path / "old.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    assert message in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_section_that_is_no_table_is_refused(tmp_path):
    path = tmp_path / "old.toml"
    path.write_text('study = "lead_transfer"\nname = "a"\nvalidation = 3\n')
    with pytest.raises(RecipeError, match="validation is not a table"):
        read_recipe(path)
