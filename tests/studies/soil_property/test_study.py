"""One property from points and covariates on a small landscape: trained, validated, saved, mapped, explained."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from study_on_disk import StudyOnDisk
from written_rasters import TRANSFORM, UTM, write_raster

from geosoil.errors import RasterError, RecipeError, SamplesError
from geosoil.io.rasters.stack import open_stack
from geosoil.models.compose import Cascade, Ensemble
from geosoil.models.store import load_model, read_card
from geosoil.studies.registry import compare, recipe_template
from geosoil.studies.soil_property.candidates import MODELS, fit_model
from geosoil.studies.soil_property.protocols import validate
from geosoil.studies.soil_property.recipe import read_recipe
from geosoil.workflows.explain_map import explain_covariates_map
from geosoil.workflows.map import map_covariates

SIDE, N_POINTS = 24, 70
RECIPE = """
study = "soil_property"
name = "lead"
[data]
samples = "points.gpkg"
sample_id = "id"
covariates = ["*.tif"]
classes = { landuse = [1, 2, 3] }
[target]
column = "pb_mg_kg"
unit = "mg/kg"
title = "Pb"
log = "naive"
[source]
column = "ph"
unit = "1"
title = "pH"
[forest]
n_trees = 5
[network]
hidden = [4, 4]
epochs = 2
n_members = 2
[model]
kind = "forest"
[validation]
n_folds = 3
block_m = 150.0
processes = 1
"""


class Landscape(StudyOnDisk):
    """PH follows `wet` and land use, Pb follows pH; half of the points have no Pb; `wet` has a gap without a point."""

    package, text = "soil_property", RECIPE

    def __init__(self, folder):
        super().__init__(folder)
        rng = np.random.default_rng(0)
        rows, columns = np.mgrid[:SIDE, :SIDE] / SIDE
        wet = np.sin(6 * rows) + np.cos(5 * columns) + rng.normal(0, 0.1, rows.shape)
        slope, landuse = rng.uniform(1, 9, rows.shape), 1 + (columns > 0.5)
        place = 1 + rng.permutation(SIDE * SIDE - 1)[:N_POINTS]
        self.rows, self.columns = np.divmod(place, SIDE)
        ph = (6 + wet + (landuse == 2))[self.rows, self.columns] + rng.normal(0, 0.1, N_POINTS)
        pb = np.exp(7 - 0.4 * ph + rng.normal(0, 0.1, N_POINTS))
        pb[::2] = np.nan
        wet[0, 0] = np.nan
        write_raster(folder / "wet.tif", wet[None].astype("float32"), nodata=np.nan)
        write_raster(folder / "slope.tif", slope[None].astype("float32"))
        write_raster(folder / "landuse.tif", landuse[None].astype("uint8"))
        x, y = rasterio.transform.xy(TRANSFORM, self.rows, self.columns)
        ids = [f"p{i}" for i in range(N_POINTS)]
        self.points = gpd.GeoDataFrame(
            {"id": ids, "ph": ph, "pb_mg_kg": pb}, geometry=gpd.points_from_xy(x, y), crs=UTM
        )
        self.write_points()

    def write_points(self):
        self.points.to_file(self.folder / "points.gpkg", engine="pyogrio")

    @property
    def covariates(self):
        return sorted(self.folder.glob("*.tif"))

    def train(self, kind="forest", *changes):
        return super().train(('kind = "forest"', f'kind = "{kind}"'), *changes)


@pytest.fixture
def landscape(tmp_path):
    return Landscape(tmp_path)


@pytest.mark.parametrize("kind", MODELS)
def test_the_map_is_what_the_trained_model_predicts_in_every_cell(landscape, kind):
    result = landscape.train(kind)
    model, card = load_model(result.folder), read_card(result.folder)
    assert isinstance(model, {"mlp": Ensemble, "transfer": Ensemble, "cascade": Cascade}.get(kind, object))
    assert (card.study, card.quantity, card.training.n_samples) == ("soil_property", "covariates", N_POINTS // 2)
    assert card.metrics["random"]["n"] == N_POINTS // 2
    assert result.report.is_file()
    out = landscape.folder / "map"
    out.mkdir()
    mapped = map_covariates(landscape.covariates, result.folder, out / "pb.tif", block=16)
    stack = open_stack(landscape.covariates, classes={"landuse": [1, 2, 3]})
    values = stack.sel(band=[feature.name for feature in model.features]).values
    with rasterio.open(mapped.path) as source:
        assert source.descriptions == ("Pb",)
        assert source.units == ("mg/kg",)
        found = source.read(1)
    whole = np.isfinite(values).all(axis=0)
    assert (~whole).sum() == 1
    np.testing.assert_array_equal(np.isfinite(found), whole)
    np.testing.assert_array_equal(found[whole], model.predict_rows(values[:, whole].T)[:, 0].astype(np.float32))


def test_classes_without_training_samples_are_refused(landscape):
    result = landscape.train("cascade")
    landuse = np.full((1, SIDE, SIDE), 3, "uint8")
    write_raster(landscape.folder / "landuse.tif", landuse)
    with pytest.raises(RasterError, match=r"landuse.*3"):
        map_covariates(landscape.covariates, result.folder, landscape.folder / "pb_map.tif")


@pytest.mark.parametrize("kind", ["transfer", "cascade"])
def test_nothing_measured_at_a_test_point_reaches_its_prediction(landscape, kind):
    loaded, data = landscape.loaded(), landscape.data()
    train_rows, test = np.arange(0, 60), np.arange(60, N_POINTS)

    def predicted(known):
        model = fit_model(kind, loaded.recipe, known, train_rows)
        return model.predict_rows(known.X[test][:, model.used_columns])

    source, target = data.source.copy(), data.target.copy()
    source[test], target[test] = 14.0, 1e5
    np.testing.assert_array_equal(predicted(data), predicted(replace(data, source=source, target=target)))


def test_points_without_the_target_teach_the_source(landscape):
    loaded, data = landscape.loaded(), landscape.data()
    rows = np.arange(N_POINTS)
    cascade = fit_model("cascade", loaded.recipe, data, rows)
    assert cascade.first.training_columns[0].training_low == data.X[:, 0].min()
    known = np.isfinite(data.target)
    assert cascade.second.training_columns[0].training_low == data.X[known, 0].min()
    tuned = fit_model("transfer", loaded.recipe, data, rows)
    descent = tuned.models[0].estimator.estimator_.steps[-1][1].ancestry_
    assert [source["target"] for source in descent] == ["pH"]


def test_every_known_point_is_tested_once_a_repeat(landscape):
    loaded, data = landscape.loaded(("n_folds = 3", "n_folds = 3\nn_repeats = 2")), landscape.data()
    for protocol in ("random", "spatial"):
        outcome = validate(protocol, loaded.recipe, data, ["forest"])
        assert outcome.predicted["forest"].shape == (2, N_POINTS)
        assert np.isfinite(outcome.predicted["forest"]).all()
        assert sorted(np.unique(outcome.folds)) == list(range(6))
        row = outcome.table.iloc[0]
        known = np.isfinite(data.target)
        error = np.log(outcome.predicted["forest"][:, known] / data.target[known])
        total = ((np.log(data.target[known]) - np.log(data.target[known]).mean()) ** 2).sum()
        assert row.r2_ln == pytest.approx(np.mean(1 - (error**2).sum(axis=1) / total))


def test_compare_shows_all_kinds_on_both_protocols(landscape):
    result = compare(landscape.recipe(), landscape.folder / "table.csv")
    assert list(result.table.groupby("protocol", sort=False).size()) == [4, 4]
    assert list(result.table.model[:4]) == list(MODELS.values())
    assert result.report.is_file()
    without = landscape.recipe(('[source]\ncolumn = "ph"\nunit = "1"\ntitle = "pH"\n', ""))
    assert list(compare(without, landscape.folder / "table.csv").table.model[:2]) == ["Forest", "MLP"]


def test_covariates_are_chosen_inside_the_training_rows(landscape):
    result = landscape.train("forest", ("[forest]", '[selection]\nmethod = "screen"\nleast_r = 0.3\n[forest]'))
    model = load_model(result.folder)
    names = {feature.name for feature in model.features}
    assert "wet" in names
    assert "slope" not in names
    columns = {feature.name for feature in model.training_columns}
    assert columns >= {"wet", "slope", "landuse=1", "landuse=2", "landuse=3"}


@pytest.mark.parametrize("kind", ["forest", "cascade"])
def test_a_map_of_attributions_sums_to_the_prediction(landscape, kind):
    result = landscape.train(kind)
    out = landscape.folder / "map"
    out.mkdir()
    told = explain_covariates_map(result.folder, landscape.covariates, out / "shap.tif", n_pixels=70, n_background=5)
    with rasterio.open(told.paths[0]) as source:
        assert set(source.descriptions) == {"landuse", "slope", "wet", "prediction"}
        values, tags = source.read(), source.tags()
    seen = np.isfinite(values).all(axis=0)
    assert seen.sum() == 64
    total = values[:-1].sum(axis=0)[seen] + float(tags["GEOSOIL_BASELINE"])
    np.testing.assert_allclose(total, values[-1][seen], rtol=1e-4)
    assert "holds" in told.summary()
    assert tags["GEOSOIL_COVARIATES"] == "landuse.tif; slope.tif; wet.tif"


def test_bad_input_gets_one_line(landscape):
    no_source = ('[source]\ncolumn = "ph"\nunit = "1"\ntitle = "pH"\n', "")
    assert "needs a table [source]" in landscape.refusal(
        RecipeError, no_source, ('kind = "forest"', 'kind = "cascade"')
    )
    assert "did you mean n_trees?" in landscape.refusal(RecipeError, ("n_trees", "n_tree"))
    assert "did you mean pb_mg_kg" in landscape.refusal(SamplesError, ("pb_mg_kg", "pb_mgkg"))
    assert "names that differ" in landscape.refusal(SamplesError, ('title = "pH"', 'title = "wet"'))
    assert "no such file" in landscape.refusal(RecipeError, ('["*.tif"]', '["*.img"]'))
    landscape.points.loc[3, "pb_mg_kg"] = 0.0
    landscape.write_points()
    line = landscape.refusal(SamplesError)
    assert "points.gpkg: found pb_mg_kg of zero or less for p3" in line


def test_few_samples_are_told_and_fewer_refused(landscape):
    known = np.flatnonzero(landscape.points.pb_mg_kg.notna())
    landscape.points.loc[known[15:], "pb_mg_kg"] = np.nan
    landscape.write_points()
    notes = landscape.data().notes
    assert any(note.startswith("15 values of pb_mg_kg: with fewer than 20") for note in notes)
    landscape.points.loc[known[9:], "pb_mg_kg"] = np.nan
    landscape.write_points()
    assert "found 9 values of pb_mg_kg on the covariates; expected at least 10" in landscape.refusal(SamplesError)


def test_a_point_in_a_gap_stops_or_is_dropped(landscape):
    x, y = rasterio.transform.xy(TRANSFORM, [0], [0])
    landscape.points.loc[0, "geometry"] = gpd.points_from_xy(x, y)[0]
    landscape.write_points()
    assert "p0" in landscape.refusal(SamplesError)
    data = landscape.data(('"*.tif"]', '"*.tif"]\non_missing = "drop"'))
    assert len(data.ids) == N_POINTS - 1
    assert any("dropped 1 of 70 points" in note for note in data.notes)


def test_the_template_is_a_sound_recipe_and_there_is_no_demo(tmp_path):
    from geosoil_cli.demo import command

    (tmp_path / "r.toml").write_text(recipe_template("property"))
    assert read_recipe(tmp_path / "r.toml").recipe.target.name == "Pb"
    assert "invalid value" in CliRunner().invoke(command, ["property"]).output.lower()
