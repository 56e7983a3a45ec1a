"""Recipes: what is refused by its key before any file is read, and what a comparison is made of."""

import os

import pytest
from small_recipes import CovariateRecipe, CubeRecipe, LibraryRecipe, ProfileRecipe, SpectraRecipe, TableRecipe

from geosoil.errors import RecipeError
from geosoil.pipeline.recipe import Recipe, files_named_in, read_recipe

BY_NAME = {
    "cube": CubeRecipe,
    "spectra": SpectraRecipe,
    "library": LibraryRecipe,
    "profiles": ProfileRecipe,
    "covariates": CovariateRecipe,
    "table": TableRecipe,
}
AUXILIARY = 'auxiliary = { column = "ph", title = "pH" }'


def model(kind):
    """Return the change of a recipe that trains a kind of model."""
    return "[validation]", f'[model]\nkind = "{kind}"\n[validation]'


def refusal(path):
    with pytest.raises(RecipeError) as caught:
        read_recipe(path)
    line = str(caught.value)
    assert len(line.splitlines()) == 1
    return line


def changed(tmp_path, kind, *changes):
    """Write a recipe of a kind of data with changes, without its files."""
    text = BY_NAME[kind].text
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("kind", BY_NAME)
def test_a_valid_recipe_of_each_kind_of_data_is_read(tmp_path, kind):
    loaded = read_recipe(changed(tmp_path, kind))
    assert loaded.recipe.data.kind == {"library": "spectra"}.get(kind, kind)
    assert loaded.folder == tmp_path
    assert loaded.notes == ()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (("cube =", "cubes ="), "unknown key data.cubes; "),
        (("cube =", "cubes ="), "did you mean cube?"),
        (("n_runs = 5", "n_run = 5"), "did you mean n_runs?"),
        (("[features]", "[feature]"), "did you mean features?"),
        (("epochs = 2", 'epochs = "two"'), "features.fusion.epochs: "),
        (("n_folds = 3", "n_folds = 1"), "validation.n_folds: "),
        (("n_folds = 3", "n_folds = 100000"), "validation.n_folds: "),
        (("latent = 2", "latent = 0"), "features.fusion.latent: "),
        (("hidden = [8, 4]", "hidden = []"), "features.fusion.hidden: "),
        (("hidden = [8, 4]", "hidden = [0]"), "features.fusion.hidden.0: "),
        (("hidden = [8, 4]", "hidden = [2147483648]"), "features.fusion.hidden.0: "),
        (('kind = "cube"\n', ""), "data.kind is missing; expected one of cube, spectra, covariates, profiles, table"),
        (('kind = "cube"', 'kind = "cubes"'), "data: kind = 'cubes' is not one of cube, spectra"),
        (('samples = "samples.gpkg"\n', ""), "data.samples: this key is required"),
        (('name = "cu"', 'name = "../cu"'), "name: "),
        (('unit = "mg/kg"', 'unit = "mg/kg"\nvalid_range = [10.0, 1.0]'), "target.valid_range: "),
        (('unit = "mg/kg"', 'unit = "mg/kg"\nvalid_range = [nan, 1.0]'), "target.valid_range"),
        (('unit = "mg/kg"', 'unit = "mg\\u001b[31m"'), "target.unit: "),
        (('laboratory = "lab.parquet"', ""), "features.use = 'mix' needs data.laboratory; without it use 'satellite'"),
        (('use = "mix"', 'use = "laboratory"'), "features.use = 'laboratory' gives a model that no cube can be mapped"),
        (('use = "mix"', "use = mix"), "recipe.toml: not valid TOML"),
        (('cube = "cube.tif"', 'cube = "cube.tif"\ndrop_nm = [[1400, 1300]]'), "data.drop_nm"),
        (("[features]", '[features]\npreprocessing = [{ step = "snf" }]'), "features.preprocessing.0.step = "),
        (
            ("[features]", '[features]\npreprocessing = [{ step = "savitzky_golay", window_bands = 10 }]'),
            "window_bands must be odd",
        ),
        (("[data]", "seed = -1\n[data]"), "seed: "),
        (("[validation]", "[validation]\nn_seeds = 20000"), "validation.n_seeds: "),
        (("[validation]", "[validation]\nblock_m = inf"), "validation.block_m: "),
        (("[validation]", '[validation]\nsplit = "groups"'), "validation.split = 'groups' needs data.group"),
        (("[validation]", '[validation]\nsplit = "site_out"'), "validation.split = 'site_out' needs data.group"),
        (("[validation]", '[validation]\nsplit = "folds"'), "validation.split = 'folds' needs data.folds"),
        (("[validation]", '[validation]\nsplit = "published_rank"'), "leaks: name an honest split before it"),
        (("[validation]", '[validation]\nsplit = ["random", "random"]'), "validation.split names a split twice"),
        (("[validation]", '[validation]\nsplit = "kfold"'), "'kfold' is not one of random, rank"),
        (("[validation]", '[model]\ncompare = ["pls", "plsr"]\n[validation]'), "model.compare.1.kind = "),
        (("[validation]", '[model]\ncompare = ["pls", "pls"]\n[validation]'), "two models of compare have the name"),
        (
            ("[validation]", '[[model.compare]]\nkind = "pls"\nsettings = { n_folds = 1 }\n[validation]'),
            "model.compare: settings of pls: n_folds: ",
        ),
        (
            ("[validation]", '[[model.compare]]\nkind = "pls"\nsettings = { folds = 3 }\n[validation]'),
            "model.compare: settings of pls: folds: ",
        ),
        (('samples = "samples.gpkg"', 'samples = "samples.gpkg"\nx = "lon"'), "data.x and data.y are given together"),
    ],
)
def test_an_invalid_recipe_of_a_cube_is_refused_by_its_key(tmp_path, changes, message):
    assert message in refusal(changed(tmp_path, "cube", changes))


@pytest.mark.parametrize(
    ("kind", "changes", "message"),
    [
        ("spectra", [('crs = "EPSG:32648"\n', "")], "data.x and data.y need data.crs"),
        ("spectra", [('column = "ph"', 'column = "pb_mg_kg"')], "data.auxiliary and target are both Pb"),
        ("spectra", [('title = "pH"', 'title = "Pb"')], "data.auxiliary and target are both Pb"),
        ("spectra", [("[validation]", "[validation]\nn_labels = 5")], "validation.n_labels: "),
        ("spectra", [("[validation]", '[validation]\nsplit = "knndm"')], "needs a map: data.covariates or data.cube"),
        ("spectra", [("[validation]", '[features]\nuse = "mix"\n[validation]')], "needs data.kind = 'cube'"),
        ("library", [('library = "library.parquet"\n', "")], "data.country needs data.library"),
        (
            "library",
            [
                ('x = "x_m"\ny = "y_m"\ncrs = "EPSG:32633"\n', ""),
                ('["kennard_stone", "holdout"]', '"spatial"'),
            ],
            "validation.split = 'spatial' needs places",
        ),
        ("profiles", [("patch = 5", "patch = 6")], "data.patch: a patch of 6 cells has no centre: use 5 or 7"),
        ("profiles", [("patch = 5", "patches = 5")], "did you mean patch?"),
        ("profiles", [("[0, 10, 30, 60]", "[0, 30, 10, 60]")], "data.layers_cm: "),
        ("profiles", [("[0, 10, 30, 60]", "[-5, 10]")], "data.layers_cm.0: "),
        ("profiles", [('horizons = "horizons.csv"\n', "")], "give either horizons or sites"),
        ("profiles", [("patch = 5", f"patch = 5\n{AUXILIARY}")], "data.auxiliary cannot be used"),
        (
            "covariates",
            [("[validation]", '[features]\npreprocessing = [{ step = "snv" }]\n[validation]')],
            "features.preprocessing is for spectra",
        ),
        ("table", [('columns = ["depth_cm", "colour"]', "columns = []")], "data.columns names no feature: "),
        ("table", [model("cnn")], "model.kind = 'cnn' needs data.patch"),
        ("table", [model("transfer_mlp")], "model.kind = 'transfer_mlp' needs data.auxiliary"),
        ("table", [model("rs_local_pls")], "model.kind = 'rs_local_pls' needs data.library"),
        ("library", [model("country_cnn"), ('country = "here"\n', "")], "'country_cnn' needs data.country"),
        ("library", [model("transfer_resnet")], "model.kind = 'transfer_resnet' needs data.auxiliary"),
        (
            "library",
            [("[validation]", '[model]\nkind = "auto"\nauto = { candidates = ["pls", "plsr"] }\n[validation]')],
            "model.auto.candidates names 'plsr', which is not one of pls, ",
        ),
        (
            "library",
            [("[validation]", '[model]\nkind = "auto"\nauto = { candidates = ["pls", "cnn"] }\n[validation]')],
            "model.auto.candidates = 'cnn' needs data.patch",
        ),
        ("cube", [model("spectral_cnn")], "model.kind = 'spectral_cnn' cannot use features.use = 'mix'"),
        (
            "cube",
            [("[validation]", '[model]\ncompare = ["pls", "spectral_cnn"]\n[validation]')],
            "model.compare.1 = 'spectral_cnn' cannot use features.use = 'mix'",
        ),
        ("table", [("[target]", "[[target]]"), ("[validation]", '[[target]]\ncolumn = "clay_pct"\n[validation]')],
         "two targets have the column clay_pct"),
    ],
)  # fmt: skip
def test_sections_that_do_not_fit_together_are_refused(tmp_path, kind, changes, message):
    assert message in refusal(changed(tmp_path, kind, *changes))


@pytest.mark.parametrize("limits", ["[0.0, inf]", "[-inf, inf]", "[-inf, 100.0]"])
def test_an_infinite_end_of_the_valid_range_is_no_limit(tmp_path, limits):
    path = changed(tmp_path, "cube", ('unit = "mg/kg"', f'unit = "mg/kg"\nvalid_range = {limits}'))
    ends = read_recipe(path).recipe.target[0].valid_range
    assert ends == tuple(None if "inf" in end else float(end) for end in limits.strip("[]").split(", "))


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, ".".join("a" * 5000) + " = 1", "x = " + "[" * 30 + "]" * 30])
def test_a_recipe_nested_deeply_is_refused_in_one_line(tmp_path, text):
    path = tmp_path / "recipe.toml"
    path.write_text(text)
    assert "recipe.toml: " in refusal(path)
    with pytest.raises(RecipeError):
        files_named_in(path)


def test_a_recipe_that_is_absent_or_no_file_is_refused(tmp_path):
    assert "absent.toml: found No such file or directory" in refusal(tmp_path / "absent.toml")
    assert "found no regular file" in refusal(tmp_path)
    os.mkfifo(tmp_path / "pipe.toml")
    assert "found no regular file" in refusal(tmp_path / "pipe.toml")


def test_the_files_that_a_recipe_names_are_found_wherever_they_are_named(tmp_path):
    case = CubeRecipe(tmp_path)
    paths = files_named_in(case.recipe())
    assert {path.name for path in paths} == {"cube.tif", "samples.gpkg", "lab.parquet"}


def test_one_target_and_several_are_both_lists(tmp_path):
    path = changed(
        tmp_path, "table", ("[target]", "[[target]]"), ("[validation]", '[[target]]\ncolumn = "sand"\n[validation]')
    )
    assert [target.column for target in read_recipe(path).recipe.target] == ["clay_pct", "sand"]


def test_candidates_take_the_recipes_settings_and_change_them_by_entry():
    recipe = Recipe.model_validate(
        {
            "name": "a",
            "data": {"kind": "table", "table": "t.csv", "columns": ["a"]},
            "target": {"column": "b"},
            "features": {"selection": {"method": "cars"}, "fusion": {"latent": 3}},
            "model": {
                "pls": {"max_components": 7},
                "compare": [
                    "pls",
                    {"kind": "pls", "title": "PLSR, all", "features": {"selection": {}}, "settings": {"n_folds": 3}},
                ],
            },
        }
    )
    plain, own = recipe.candidates()
    assert (plain.name, plain.settings.max_components, plain.settings.n_folds) == ("PLSR", 7, 5)
    assert (own.name, own.settings.max_components, own.settings.n_folds) == ("PLSR, all", 7, 3)
    assert (plain.features.selection.method, own.features.selection.method) == ("cars", "none")
    assert plain.features.fusion == own.features.fusion == recipe.features.fusion
    assert recipe.candidate().kind == "pls"


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('kind = "table"', 'kind = "table"', None),
        (
            "[validation]",
            '[model]\nkind = "plz"\n[validation]',
            "model.kind = 'plz' is not known; expected one of pls, ",
        ),
        ("[validation]", '[model]\nkind = "plz"\n[validation]', "did you mean pls?"),
        ('name = "clay"', 'name = "../x"', "only letters, digits and the characters _ . - are allowed"),
    ],
)
def test_a_misspelt_choice_is_answered_with_the_nearest_one(old, new, line, tmp_path):
    case = TableRecipe(tmp_path)
    if line is None:
        assert case.loaded((old, new)).recipe.name == "clay"
    else:
        assert line in case.refusal(RecipeError, (old, new))
