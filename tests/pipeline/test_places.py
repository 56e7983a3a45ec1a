"""Place as a feature of training rows: two columns in metres, from samples in any CRS, beside the steps of spectra."""

import numpy as np
import pytest
from pyproj import Geod, Transformer
from small_recipes import CovariateRecipe, SpectraRecipe, TableRecipe

from geosoil.errors import RecipeError, SamplesError
from geosoil.models.store import load_model, save_model
from geosoil.pipeline.fit import fit_pipeline
from geosoil.pipeline.regressors import fit_model, predict_rows, rows_for
from geosoil.pipeline.task import FitTask
from geosoil.program.lower import lower_estimator

LON_LAT = ("[target]", 'x = "lon"\ny = "lat"\ncrs = "EPSG:4326"\n[target]')
PLACE = ("[validation]", "[features]\nplace = true\n[validation]")


@pytest.fixture
def table(tmp_path):
    return TableRecipe(tmp_path)


def in_utm(table, crs="EPSG:32633"):
    """Give the table coordinates in another CRS, and return the recipe's change and the coordinates."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(table.table.lon, table.table.lat)
    table.table["east"], table.table["north"] = x, y
    table.write()
    return ("[target]", f'x = "east"\ny = "north"\ncrs = "{crs}"\n[target]'), np.column_stack([x, y])


def fitted(recipe, *changes):
    """Fit the recipe's model to all its rows; return the task and the model."""
    loaded = recipe.loaded(*changes)
    rows = recipe.read(*changes)
    task = FitTask(loaded.recipe.candidate(), rows, np.arange(len(rows)), loaded.recipe, seed=0)
    return task, fit_model(task)


def test_places_are_metres_from_an_origin_amid_the_samples_in_their_own_crs(table):
    where, xy = in_utm(table)
    rows = table.read(where, PLACE)
    east, north = rows.place.features
    assert (east.name, north.name) == ("place_x_m", "place_y_m")
    assert east.place.crs == "EPSG:32633"
    origin = np.array([east.place.origin_m, north.place.origin_m])
    np.testing.assert_allclose(rows.place.X, xy - origin, atol=5e-4)
    assert abs(xy.min(axis=0) + xy.max(axis=0) - 2 * origin).max() <= 1
    assert (east.training_low, east.training_high) == (rows.place.X[:, 0].min(), rows.place.X[:, 0].max())
    assert any("place is a feature: metres in EPSG:32633" in note for note in rows.notes)
    assert not any("projected" in note for note in rows.notes)
    assert [feature.name for feature in rows.features] == ["depth_cm", "colour"]


def test_coordinates_far_from_zero_keep_centimetres(table):
    where, xy = in_utm(table)
    rows = table.read(where, PLACE)
    assert abs(_first_distance(rows) - np.hypot(*(xy[0] - xy[1]))) < 0.01


def test_samples_in_degrees_are_projected_and_distances_are_true(table):
    rows = table.read(LON_LAT, PLACE)
    assert any("in EPSG:4326 (degrees), are projected to" in note for note in rows.notes)
    a, b = table.table.iloc[0], table.table.iloc[1]
    ground = Geod(ellps="WGS84").inv(a.lon, a.lat, b.lon, b.lat)[2]
    assert _first_distance(rows) == pytest.approx(ground, rel=1e-3)


def test_a_projection_without_true_metres_is_replaced_and_feet_are_converted(table):
    where, _ = in_utm(table, "EPSG:3857")  # web Mercator: 1.6 m in it are 1 m of ground
    mercator = table.read(where, PLACE)
    assert any("EPSG:3857 (no metres there), are projected to azimuthal" in note for note in mercator.notes)
    degrees = table.read(LON_LAT, PLACE)
    assert _first_distance(mercator) == pytest.approx(_first_distance(degrees), rel=2e-3)
    table.table.lon -= 92
    table.table.lat -= 16.5
    where, _ = in_utm(table, "EPSG:2264")  # North Carolina, in US survey feet
    feet = table.read(where, PLACE)
    assert _first_distance(feet) == pytest.approx(_first_distance(table.read(LON_LAT, PLACE)), rel=2e-3)
    assert feet.place.features[0].place.crs == "EPSG:2264"


def test_samples_on_rasters_keep_the_crs_of_their_own_table(tmp_path):
    recipe = CovariateRecipe(tmp_path)
    rows = recipe.read(PLACE)
    assert rows.place.features[0].place.crs == "EPSG:32633"
    recipe.points = recipe.points.to_crs("EPSG:3035")
    recipe.write_points()
    moved = recipe.read(PLACE)
    assert moved.place.features[0].place.crs == "EPSG:3035"
    assert moved.crs.to_epsg() == 32633  # that of the rasters, for splits and figures


def test_place_changes_the_hash_of_the_rows(table):
    assert table.read(LON_LAT).sha256 != table.read(LON_LAT, PLACE).sha256


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ((), "found samples without coordinates; expected a place for each sample"),
        ((LON_LAT, ('columns = ["depth_cm", "colour"]', 'columns = ["place_x_m"]')), "a feature named place_x_m"),
    ],
)
def test_samples_that_cannot_have_places_are_refused(table, change, expected):
    table.table["place_x_m"] = 1.0
    table.write()
    assert expected in table.refusal(SamplesError, *change, PLACE)


def test_all_samples_at_one_place_are_refused_and_shared_places_are_noted(table):
    table.table.loc[:3, ["lon", "lat", "depth_cm", "colour"]] = [13.05, 52.05, 10.0, 5.0]
    table.write()
    notes = table.read(LON_LAT, PLACE).notes
    assert any(note.startswith("4 samples share 1 places with another: 000") for note in notes)
    assert any("rows that are equal in all features, with different clay_pct" in note for note in notes)
    table.table[["lon", "lat"]] = [13.05, 52.05]
    table.write()
    assert "all samples at one place" in table.refusal(SamplesError, LON_LAT, PLACE)


def test_a_regressor_that_cannot_use_place_is_refused_before_files_are_read(tmp_path):
    line = SpectraRecipe(tmp_path).refusal(RecipeError, PLACE, ("[features]", '[model]\nkind = "resnet"\n[features]'))
    assert "cannot use features.place = true" in line


def test_a_model_of_place_alone_recovers_a_plane(table):
    where, xy = in_utm(table)
    table.table["clay_pct"] = 20 + (xy - xy.mean(axis=0)) @ [2e-3, -1e-3]
    table.write()
    alone = ('columns = ["depth_cm", "colour"]', "columns = []")
    ridge = ("[features]", '[model]\nkind = "ridge"\n[features]')
    task, model = fitted(table, where, alone, PLACE, ridge)
    assert [feature.name for feature in model.features] == ["place_x_m", "place_y_m"]
    predicted = predict_rows(model, task.candidate, task.rows, task.train)[:, 0]
    np.testing.assert_allclose(predicted, table.table.clay_pct, atol=1e-2)


@pytest.mark.parametrize("kind", ["pls", "svr", "forest", "ridge", "mlp"])
def test_steps_of_spectra_pass_place_unchanged_and_the_saved_model_predicts_the_same(tmp_path, kind):
    selection = '{ method = "cars", n_runs = 4, n_components = 3 }'
    features = f'preprocessing = [{{ step = "snv" }}]\nselection = {selection}\nplace = true'
    settings = {"svr": "n_candidates = 2", "forest": "n_trees = 5", "mlp": "epochs = 2\nn_members = 1"}.get(kind, "")
    change = (
        "[validation]",
        f'[features]\n{features}\n[model]\nkind = "{kind}"\n[model.{kind}]\n{settings}\n[validation]',
    )
    task, model = fitted(SpectraRecipe(tmp_path), change)
    X = rows_for(task.candidate, task.rows)
    assert X.shape[1] == len(task.rows.features) + 2
    inside = model.estimator.estimator_ if hasattr(model.estimator, "estimator_") else model.estimator
    step = inside.steps[0][1]
    assert type(step).__name__ == "StepsOfBands"
    np.testing.assert_array_equal(step.transform(X)[:, -2:], task.rows.place.X)
    bands = step.transform(X)[:, :-2]
    np.testing.assert_array_equal(bands, step.transform(np.column_stack([X[:, :-2], X[:, -2:] + 7]))[:, :-2])
    assert model.features[-1].place is not None
    assert lower_estimator(step) is not None
    program = model.lowered is not None
    assert program == (kind != "forest")
    options = {"name": "m", "study": "test", "preprocessing": [], "training": _training_card()}
    save_model(model, tmp_path / "m", **options)
    loaded = load_model(tmp_path / "m")
    used = X[:, loaded.used_columns]
    np.testing.assert_array_equal(loaded.predict_rows(used), model.predict_rows(X[:, model.used_columns]))
    block = np.ascontiguousarray(used.T)[:, None]
    np.testing.assert_allclose(loaded.predict(block)[0, 0], loaded.predict_rows(used)[:, 0], rtol=2e-3)


def test_candidates_with_and_without_place_are_compared_on_the_same_rows(table):
    where, _ = in_utm(table)
    compare = 'compare = [{ kind = "ridge" }, { kind = "ridge", title = "with place", features = { place = true } }]'
    changes = (where, ("[validation]", f'[model]\nkind = "ridge"\n{compare}\n[validation]'))
    loaded, rows = table.loaded(*changes), table.read(*changes)
    assert rows.place is not None
    plain, placed = loaded.recipe.candidates()
    assert (rows_for(plain, rows).shape[1], rows_for(placed, rows).shape[1]) == (2, 4)


def test_validation_uses_the_places_of_test_rows(table):
    where, xy = in_utm(table)
    table.table["clay_pct"] = 20 + (xy - xy.mean(axis=0)) @ [2e-3, -1e-3]
    table.write()
    ridge = ("[features]", '[model]\nkind = "ridge"\n[features]')
    outcome = fit_pipeline(table.loaded(where, PLACE, ridge)).outcomes[0]
    assert outcome.table.test_r2.iloc[0] > 0.999


def _first_distance(rows):
    return np.hypot(*(rows.place.X[0].astype(float) - rows.place.X[1]))


def _training_card():
    from geosoil.models.card import TrainingCard

    return TrainingCard(n_samples=40, recipe_sha256="-", table_sha256="-")
