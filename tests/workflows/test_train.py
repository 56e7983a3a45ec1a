"""Training and comparing from a recipe to a map, for every kind of data."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from small_library_data import N_SITE
from small_profile_data import SIDE
from small_recipes import CovariateRecipe, CubeRecipe, LibraryRecipe, ProfileRecipe, SpectraRecipe, TableRecipe
from written_rasters import TRANSFORM

from geosoil.errors import OutputError, RecipeError
from geosoil.io.rasters.stack import open_stack
from geosoil.models.state import regressor_of
from geosoil.models.store import load_model as load_stored
from geosoil.models.store import read_card
from geosoil.pipeline.sources.covariates import covariate_paths
from geosoil.samples.patches import extract_patches
from geosoil.workflows.compare import compare
from geosoil.workflows.map import map_covariates, map_cube
from geosoil.workflows.train import train

pytestmark = pytest.mark.usefixtures("without_pictures")

SMALL_NETWORK = "filters = [4, 4]\nhidden = [4]\nepochs = 3\n"


def test_a_cube_gives_a_model_whose_map_is_its_own_prediction(tmp_path):
    recipe = CubeRecipe(tmp_path)
    result = train(recipe.recipe(), tmp_path / "model")
    card = read_card(tmp_path / "model")
    assert (card.targets[0].name, card.targets[0].unit, card.quantity) == ("cu_mg_kg", "mg/kg", "reflectance")
    assert set(card.metrics) == {"random"}
    assert card.metrics["random"]["cu_mg_kg"]["test_r2"] == pytest.approx(result.table.test_r2.item())
    assert result.table.test_r2.item() > 0.8
    mapped = map_cube(tmp_path / "cube.tif", tmp_path / "model", tmp_path / "cu.tif")
    with rasterio.open(mapped.path) as source:
        values = source.read(1)
        assert source.descriptions == ("cu_mg_kg",)
    rows = recipe.read()
    model = load_stored(tmp_path / "model")
    expected = model.predict_rows(rows.X[:, model.used_columns])[:, 0]
    np.testing.assert_allclose(values[recipe.rows, recipe.columns], expected, rtol=1e-3)
    page = result.report.read_text()
    assert page.index("Accuracy: random folds") < page.index("Data")
    share = next(line for line in result.trust if "of the scene lies within the area of applicability" in line)
    assert share in page
    (inside,) = mapped.trust.shares_inside.values()  # the cube is small, so that every pixel is tested
    assert share.startswith(f"{100 * inside:.0f} % of the scene")


def test_a_cube_that_does_not_fit_the_model_leaves_the_share_inside_unknown_with_the_reason(tmp_path, monkeypatch):
    from geosoil.errors import WavelengthError
    from geosoil.pipeline import trust

    def refuse(*parts):
        raise WavelengthError("cube.tif", found="no band", expected="bands", way_out="none")

    monkeypatch.setattr(trust, "share_of_scene", refuse)
    result = train(CubeRecipe(tmp_path).recipe(), tmp_path / "model")
    assert any("area of applicability is unknown: cube.tif" in line for line in result.trust)


def test_only_the_model_that_is_asked_for_is_trained(tmp_path, monkeypatch):
    from geosoil.pipeline import validation

    fitted = []
    fit_model = validation.fit_model
    monkeypatch.setattr(validation, "fit_model", lambda task: fitted.append(task.candidate.kind) or fit_model(task))
    train(SpectraRecipe(tmp_path).recipe(("[validation]", '[model]\nkind = "pls"\n[validation]')), tmp_path / "model")
    assert set(fitted) == {"pls"}


def test_the_published_protocol_runs_in_comparisons_that_ask_for_it_and_is_marked(tmp_path):
    recipe = CubeRecipe(tmp_path)
    asked = recipe.recipe(("n_folds = 3", 'n_folds = 3\nsplit = ["random", "published_rank"]\nn_seeds = 0'))
    trained = train(asked, tmp_path / "model")
    assert trained.table.split.tolist() == ["random"]
    assert "leaks" not in trained.report.read_text()
    compared = compare(asked, tmp_path / "table.csv")
    assert compared.table.split.tolist() == ["random", "published_rank"]
    assert "(leaks)" in compared.report.read_text()
    with pytest.raises(RecipeError, match="published_rank"):
        train(recipe.recipe(("n_folds = 3", 'n_folds = 3\nsplit = "published_rank"')), tmp_path / "other")


def test_a_transfer_keeps_its_source_model_and_its_ancestry(tmp_path):
    recipe = SpectraRecipe(tmp_path)
    settings = '[model]\nkind = "transfer_resnet"\n[model.transfer_resnet]\nepochs = 4\npatience = 2\n[validation]'
    result = train(recipe.recipe(("[validation]", settings)), tmp_path / "model")
    card, source = read_card(tmp_path / "model"), read_card(tmp_path / "model" / "source")
    (ancestor,) = card.descent
    assert (ancestor.target, ancestor.n_samples) == ("ph", source.training.n_samples)
    taught, transferred = (
        regressor_of(load_stored(folder).estimator) for folder in (tmp_path / "model" / "source", tmp_path / "model")
    )
    np.testing.assert_array_equal(taught.weights_["convolution.weight"], transferred.weights_["convolution.weight"])
    assert not np.array_equal(taught.weights_["dense_1.weight"], transferred.weights_["dense_1.weight"])
    assert np.isfinite(result.table.test_r2_ln.item())


def test_a_localised_model_lists_its_rows_and_has_a_point_map(tmp_path):
    recipe = LibraryRecipe(tmp_path)
    settings = '[model]\nkind = "rs_local_pls"\nfit_to = "split"\n[model.rs_local_pls]\nk = 20\nb = 5\n[validation]'
    result = train(recipe.recipe(("[validation]", settings)), tmp_path / "model")
    card = read_card(tmp_path / "model")
    (library,) = [note for note in card.training.notes if note.startswith("library rows: ")]
    names = library.removeprefix("library rows: ").split(", ")
    assert len(names) == 20
    assert set(names) <= set(recipe.library.ids)
    assert card.training.n_samples == 20 + 12
    assert set(card.metrics) == {"kennard_stone", "holdout"}
    points = gpd.read_file(tmp_path / "model" / "points.gpkg")
    assert (len(points), points.crs.to_epsg(), points.learned_from.sum()) == (N_SITE, 32633, 12)
    tested = points[~points.learned_from.astype(bool)]
    rmse = np.sqrt(np.mean((tested.predicted - tested.soc_pct) ** 2))
    assert rmse == pytest.approx(result.table.test_rmse.iloc[0], rel=1e-4)


def test_depths_become_bands_and_a_patch_network_maps_what_it_predicts(tmp_path):
    recipe = ProfileRecipe(tmp_path)
    settings = f'[model]\nkind = "multitask_cnn"\n[model.multitask_cnn]\n{SMALL_NETWORK}[validation]'
    result = train(recipe.recipe(("[validation]", settings)), tmp_path / "model")
    names = ("soc_g_kg 0-10 cm", "soc_g_kg 10-30 cm", "soc_g_kg 30-60 cm")
    assert result.table.target.tolist() == [*names, "all depths"]
    assert list(result.table)[-2:] == ["train_r2", "train_rmse"]
    lines = result.summary().splitlines()
    of_all = next(number for number, line in enumerate(lines) if " all depths " in line)
    assert all(name in line for name, line in zip(names, lines[of_all - 3 : of_all], strict=True))
    assert "difference between depths, which is large and easy to predict" in lines[of_all + 1]
    paths = sorted((tmp_path / "covariates").glob("*.tif"))
    mapped = map_covariates(paths, tmp_path / "model", tmp_path / "soc.tif", block=11)
    with rasterio.open(mapped.path) as source:
        values = source.read()
        assert source.descriptions == names
    cells = np.array([(0, 0), (0, 7), (SIDE - 1, SIDE - 1), (14, 15), (29, 3)])
    x, y = rasterio.transform.xy(TRANSFORM, *cells.T)
    points = gpd.GeoDataFrame({"id": list("abcde")}, geometry=gpd.points_from_xy(x, y), crs="EPSG:32633")
    model = load_stored(tmp_path / "model")
    stack = open_stack(paths, classes={"landuse": tmp_path / "landuse_classes.csv"})
    stack = stack.sel(band=[feature.name for feature in model.features])
    patches = extract_patches(stack, points, size=5, sample_id="id").patches
    np.testing.assert_allclose(values[:, cells[:, 0], cells[:, 1]].T, model.predict_rows(patches), rtol=1e-5)


@pytest.mark.parametrize("kind", ["forest", "cascade"])
def test_covariates_give_a_model_whose_map_is_its_own_prediction(kind, tmp_path):
    recipe = CovariateRecipe(tmp_path)
    settings = f'[model]\nkind = "{kind}"\n[model.{kind}]\nn_trees = 20\n[validation]'
    train(recipe.recipe(("[validation]", settings)), tmp_path / "model")
    paths = covariate_paths(recipe.loaded())
    (tmp_path / "maps").mkdir()  # the recipe's covariates are all rasters of its own folder
    mapped = map_covariates(paths, tmp_path / "model", tmp_path / "maps" / "pb.tif")
    with rasterio.open(mapped.path) as source:
        values = source.read(1)
    model, rows = load_stored(tmp_path / "model"), recipe.read()
    expected = model.predict_rows(rows.X[:, model.used_columns])[:, 0]
    with rasterio.open(mapped.path) as source:
        cells = np.array([source.index(x, y) for x, y in rows.xy])
    np.testing.assert_allclose(values[cells[:, 0], cells[:, 1]], expected, rtol=1e-5)


def test_a_table_with_columns_of_its_own_trains_too(tmp_path):
    result = train(TableRecipe(tmp_path).recipe(), tmp_path / "model")
    assert result.table.test_r2.item() > 0.8
    assert read_card(tmp_path / "model").quantity == "covariates"


def test_compare_tests_all_models_on_the_same_rows_and_writes_paired_differences(tmp_path):
    recipe = SpectraRecipe(tmp_path)
    entries = (
        '[model]\ncompare = ["pls", "svr", { kind = "pls", title = "PLSR of SNV", features = { preprocessing = '
        '[{ step = "absorbance" }, { step = "snv" }] } }]\n[model.svr]\nn_candidates = 3\n[validation]'
    )
    result = compare(
        recipe.recipe(("[validation]", entries), ("n_folds = 3", 'n_folds = 3\nsplit = ["random", "groups"]')),
        tmp_path / "table.csv",
    )
    table = pd.read_csv(tmp_path / "table.csv")
    assert table.model.tolist() == ["PLSR", "SVR", "PLSR of SNV"] * 2
    assert table.split.tolist() == ["random"] * 3 + ["groups"] * 3
    assert table.n.tolist() == [48] * 6
    differences = pd.read_csv(tmp_path / "table_differences.csv")
    assert differences.reference.unique().tolist() == ["PLSR"]
    gain = table.test_rmse[1] - table.test_rmse[0]
    assert differences.test_rmse_difference[0] == pytest.approx(gain, rel=1e-3)
    assert (tmp_path / "table" / "report.html").is_file()
    assert "Paired differences" in result.report.read_text()


def test_the_table_of_a_comparison_never_replaces_a_file_of_the_recipe(tmp_path):
    recipe = SpectraRecipe(tmp_path)
    with pytest.raises(OutputError):
        compare(recipe.recipe(), tmp_path / "samples.csv")
    assert (tmp_path / "samples.csv").read_text().startswith("sample_id")


def test_several_targets_become_bands_of_one_map(tmp_path):
    recipe = TableRecipe(tmp_path)
    targets = '[[target]]\ncolumn = "clay_pct"\nunit = "%"\n[[target]]\ncolumn = "sand_pct"\nunit = "%"'
    result = train(recipe.recipe(('[target]\ncolumn = "clay_pct"\nunit = "%"', targets)), tmp_path / "model")
    assert result.table.target.tolist() == ["clay_pct", "sand_pct"]
    assert [target.name for target in load_stored(tmp_path / "model").targets] == ["clay_pct", "sand_pct"]
