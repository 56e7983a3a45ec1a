"""SOC by depth end to end on a small study: what is trained, validated, saved and mapped."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import rasterio
from small_depth_study import SIDE, DepthStudy
from written_rasters import TRANSFORM

from geosoil.errors import RasterError, RecipeError, SamplesError
from geosoil.io.rasters.stack import open_stack
from geosoil.models.store import load_model, read_card
from geosoil.samples.patches import extract_patches
from geosoil.studies.registry import compare
from geosoil.studies.soc_by_depth.candidates import MODELS, Trainer
from geosoil.studies.soc_by_depth.protocols import nested, published, spatial
from geosoil.workflows.map import map_covariates


@pytest.fixture
def study(tmp_path):
    return DepthStudy(tmp_path)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    study = DepthStudy(tmp_path_factory.mktemp("study"))
    return study, study.train()


def test_train_saves_a_model_with_a_band_a_depth_and_the_covariates_it_chose(trained):
    _, result = trained
    model = load_model(result.folder)
    assert [target.name for target in model.targets] == ["SOC 0-10 cm", "SOC 10-30 cm", "SOC 30-60 cm"]
    assert {target.unit for target in model.targets} == {"g/kg"}
    names = [feature.name for feature in model.features]
    assert not {"wet", "dry"} <= set(names)  # one says what the other does
    assert {feature.name for feature in model.training_columns} >= {"wet", "dry", "landuse=1", "landuse=2"}
    card = read_card(result.folder)
    assert (card.study, card.quantity, card.kind) == ("soc_by_depth", "covariates", "patch")
    assert set(card.metrics["nested"]) == {"0-10 cm", "10-30 cm", "30-60 cm", "all"}
    assert result.report.is_file()


def test_the_map_is_what_the_model_predicts_from_the_patch_of_every_cell(trained):
    study, result = trained
    paths = sorted((study.folder / "covariates").glob("*.tif"))
    mapped = map_covariates(paths, result.folder, study.folder / "soc.tif", block=11)
    with rasterio.open(mapped.path) as source:
        values = source.read()
        assert source.descriptions == ("SOC 0-10 cm", "SOC 10-30 cm", "SOC 30-60 cm")
    cells = np.array([(0, 0), (0, 7), (SIDE - 1, SIDE - 1), (14, 15), (29, 3)])
    x, y = rasterio.transform.xy(TRANSFORM, *cells.T)
    import geopandas as gpd

    points = gpd.GeoDataFrame({"id": list("abcde")}, geometry=gpd.points_from_xy(x, y), crs="EPSG:32633")
    model = load_model(result.folder)
    stack = open_stack(paths, classes={"landuse": study.folder / "landuse_classes.csv"})
    stack = stack.sel(band=[feature.name for feature in model.features])
    patches = extract_patches(stack, points, size=5, sample_id="id").patches
    np.testing.assert_allclose(values[:, cells[:, 0], cells[:, 1]].T, model.predict_rows(patches), rtol=1e-5)


def test_a_forest_is_mapped_by_the_same_command(study):
    result = study.train(('kind = "transfer"', 'kind = "forest"'))
    paths = sorted((study.folder / "covariates").glob("*.tif"))
    mapped = map_covariates(paths, result.folder, study.folder / "soc.tif")
    with rasterio.open(mapped.path) as source:
        values = source.read()
    model = load_model(result.folder)
    stack = open_stack(paths, classes={"landuse": study.folder / "landuse_classes.csv"})
    rows = stack.sel(band=[feature.name for feature in model.features]).values.reshape(len(model.features), -1).T
    np.testing.assert_allclose(values.reshape(3, -1).T, model.predict_rows(rows), rtol=1e-6)


def test_the_layers_of_a_profile_are_never_on_both_sides_of_a_split(study):
    recipe, data = study.loaded().recipe, study.data()
    for protocol in (nested, spatial, published):
        outcome = protocol(recipe, data, recipe.target, ["mtcnn"])
        tested = np.isfinite(outcome.predicted["mtcnn"][0])
        # a profile is one row: all of its layers are predicted by one fold, or none
        np.testing.assert_array_equal(tested, np.broadcast_to((outcome.folds[0] >= 0)[:, None], tested.shape))
        assert outcome.n_folds == (1 if protocol is published else 3)


@pytest.mark.parametrize("kind", list(MODELS))
def test_what_is_fitted_does_not_know_the_test_rows(study, kind):
    recipe, data = study.loaded().recipe, study.data()
    train_rows, test = np.arange(40), np.arange(40, len(data.ids))
    first = Trainer(recipe, data, "soc_g_kg", train_rows).fit(kind)
    changed, scrambled = data.patches.copy(), data.values["soc_g_kg"].copy()
    changed[test] += 3
    scrambled[test] = 1e3
    other = replace(data, patches=changed, values={"soc_g_kg": scrambled})
    second = Trainer(recipe, other, "soc_g_kg", train_rows).fit(kind)
    np.testing.assert_array_equal(first.predict(data.patches), second.predict(data.patches))


def test_only_the_published_protocol_lets_test_rows_choose_covariates(study):
    recipe, data = study.loaded().recipe, study.data()
    names = [feature.name for feature in data.features]
    # noise that is the target in the test rows alone: only who sees them takes it
    noise = data.patches[:, names.index("slope")]
    noise[:] = np.random.default_rng(0).normal(size=noise.shape)
    honest = nested(recipe, data, recipe.target, ["forest"]).selections
    leaking = published(recipe, data, recipe.target, ["forest"]).selections
    everything = Trainer(recipe, data, "soc_g_kg", np.arange(len(data.ids)))
    assert sorted(leaking[0].kept) == list(everything.kept)
    assert len(honest) == 3


def test_all_models_are_tested_on_the_same_rows(study):
    recipe, data = study.loaded().recipe, study.data()
    outcome = nested(recipe, data, recipe.target, list(MODELS))
    tested = [np.isfinite(predicted) for predicted in outcome.predicted.values()]
    for one in tested[1:]:
        np.testing.assert_array_equal(one, tested[0])
    assert set(outcome.table.groupby("layer").n.nunique()) == {1}


def test_processes_do_not_change_the_figures(study):
    one = study.data(), study.loaded().recipe
    two = study.loaded(("processes = 1", "processes = 2")).recipe
    first = nested(one[1], one[0], one[1].target, ["mtcnn", "forest"]).table
    pd.testing.assert_frame_equal(first, nested(two, one[0], two.target, ["mtcnn", "forest"]).table)


@pytest.mark.slow
def test_compare_makes_the_table_of_all_models_layers_and_protocols(study):
    recipe = study.recipe(("[network]", '[second]\ncolumn = "clay_pct"\nunit = "%"\ntitle = "Clay"\n[network]'))
    result = compare(recipe, study.folder / "table.csv")
    table = pd.read_csv(result.path)
    assert set(table.model) == set(MODELS.values())
    assert set(table.protocol) == {"nested", "spatial", "published"}
    assert set(table[table.property == "Clay"].layer) == {"0-10 cm", "10-30 cm", "30-60 cm", "all"}
    assert len(table) == 4 * 4 * 4
    assert result.report.is_file()


def test_a_depth_without_data_is_refused_by_name_and_the_others_go_on(study):
    result = study.train(
        ("layers_cm = [0, 10, 30, 60]", "layers_cm = [0, 10, 30, 60, 100]"), ('kind = "transfer"', 'kind = "forest"')
    )
    assert len(load_model(result.folder).targets) == 3
    [said] = result.refused
    assert said.startswith("SOC 60-100 cm: 0 values")


def test_the_exit_code_says_that_a_depth_was_refused(study, monkeypatch, capsys):
    from geosoil_cli.main import main

    recipe = study.recipe(("[0, 10, 30, 60]", "[0, 10, 30, 60, 100]"), ('kind = "transfer"', 'kind = "forest"'))
    monkeypatch.setattr("sys.argv", ["geosoil", "train", str(recipe), "-o", str(study.folder / "model")])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 3
    assert "geosoil: SOC 60-100 cm: 0 values" in capsys.readouterr().err
    assert len(load_model(study.folder / "model").targets) == 3


def test_fewer_profiles_than_folds_are_refused(study):
    assert "61 folds" in study.refusal(SamplesError, ("n_folds = 3", "n_folds = 61"))


@pytest.mark.parametrize(
    ("changes", "kind", "said"),
    [
        (("patch = 5", "patch = 6"), RecipeError, "take 5 or 7"),
        (('"covariates/*.tif"', '"covariate/*.tif"'), RecipeError, "no such file"),
        (("patch = 5", "patches = 5"), RecipeError, "did you mean patch?"),
        (('column = "soc_g_kg"', 'column = "soc_pct"'), SamplesError, 'column "soc_pct" is missing'),
        (("[0, 10, 30, 60]", "[0, 30, 10, 60]"), RecipeError, "does not go down"),
        (('horizons = "horizons.csv"\n', ""), RecipeError, "give horizons or sites"),
    ],
)
def test_a_senseless_recipe_is_refused_in_one_line(study, changes, kind, said):
    assert said in study.refusal(kind, changes)


def test_a_patch_larger_than_the_rasters_is_refused(study):
    study.covariates = {name: values[:4, :4] for name, values in study.covariates.items()}
    study.write_covariates()
    assert "patches of 5 x 5 pixels on a raster of 4 x 4" in study.refusal(SamplesError)


def test_a_table_with_the_depths_swapped_is_refused(study):
    study.horizons = study.horizons.rename(columns={"top_cm": "bottom_cm", "bottom_cm": "top_cm"})
    study.write_horizons()
    assert "swapped" in study.refusal(SamplesError)


def test_a_class_code_that_training_never_saw_stops_the_map(trained):
    study, result = trained
    folder = study.folder / "other"
    folder.mkdir()
    for path in (study.folder / "covariates").glob("*.tif"):
        with rasterio.open(path) as source:
            values, profile = source.read(), source.profile
            names = source.descriptions
        if path.stem == "landuse":
            values[0, 3, 3] = 9
        with rasterio.open(folder / path.name, "w", **profile) as made:
            made.write(values)
            made.descriptions = names
    with pytest.raises(RasterError, match="9"):
        map_covariates(sorted(folder.glob("*.tif")), result.folder, folder / "soc.tif")
    assert not (folder / "soc.tif").exists()


def test_zones_of_polygons_and_of_a_class_raster_are_told_apart(study):
    by_raster = study.data(("layers_cm", 'zones = "covariates/landuse.tif"\nlayers_cm'))
    assert set(by_raster.zones) == {"1", "2"}
    import geopandas as gpd
    from shapely.geometry import box

    left, top = TRANSFORM @ (0, 0)
    middle, bottom = TRANSFORM @ (SIDE / 2 + 0.5, SIDE)
    right, _ = TRANSFORM @ (SIDE, 0)
    halves = gpd.GeoDataFrame(
        {"zone": ["1", "2"]},
        geometry=[box(left, bottom, middle, top), box(middle, bottom, right, top)],
        crs="EPSG:32633",
    )
    halves.to_file(study.folder / "zones.gpkg", engine="pyogrio")
    by_polygons = study.data(("layers_cm", 'zones = "zones.gpkg"\nlayers_cm'))
    np.testing.assert_array_equal(by_polygons.zones, np.where(study.columns > SIDE / 2, "2", "1"))
