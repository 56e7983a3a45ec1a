"""Points and profiles on covariate rasters, and tables: what becomes a row, and what is refused in one line."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from shapely.geometry import box
from small_profile_data import N_PROFILES
from small_profile_data import SIDE as PROFILE_SIDE
from small_recipes import N_POINTS, CovariateRecipe, ProfileRecipe, TableRecipe
from written_rasters import TRANSFORM

from geosoil.errors import RecipeError, SamplesError
from geosoil.pipeline.sources.covariates import covariate_paths

DROP = ("[target]", 'on_missing = "drop"\n[target]')


@pytest.fixture
def points(tmp_path):
    return CovariateRecipe(tmp_path)


@pytest.fixture
def profiles(tmp_path):
    return ProfileRecipe(tmp_path)


@pytest.fixture
def table(tmp_path):
    return TableRecipe(tmp_path)


# Points on covariates


def test_rows_are_the_cells_of_the_points_with_classes_as_columns_of_0_and_1(points):
    rows = points.read()
    assert [feature.name for feature in rows.features] == ["landuse=1", "landuse=2", "landuse=3", "slope", "wet"]
    np.testing.assert_allclose(rows.X[:, 4], points.wet, rtol=1e-6)
    np.testing.assert_array_equal(rows.X[:, 1], points.columns / 24 > 0.5)
    assert (rows.features[4].training_low, rows.features[4].training_high) == (rows.X[:, 4].min(), rows.X[:, 4].max())
    assert rows.quantity == "covariates"
    assert rows.grid.width == 24


def test_the_places_of_the_map_are_cells_with_data_of_the_covariates(points):
    rows = points.read()
    left, bottom, right, top = rows.grid.bounds
    x, y = rows.map_places.T
    assert 50 < len(x) <= rows.grid.width * rows.grid.height
    assert ((x > left) & (x < right) & (y > bottom) & (y < top)).all()
    np.testing.assert_array_equal(rows.map_places_m, rows.map_places)


def test_a_raster_without_data_at_places_stops_only_a_split_that_needs_them(points, monkeypatch):
    def refuse(raster, n_places):
        raise SamplesError("raster", found="no data", way_out="crop it")

    monkeypatch.setattr("geosoil.pipeline.sources.samples.regular_places", refuse)
    assert points.read().map_places is None
    with pytest.raises(SamplesError, match="no data"):
        points.read(("[validation]", '[validation]\nsplit = "knndm"'))


def test_places_of_a_large_raster_are_read_only_for_a_split_that_needs_them(points, monkeypatch):
    monkeypatch.setattr("geosoil.pipeline.sources.samples.MOST_VALUES_FOR_REPORT", 100)
    assert points.read().map_places is None
    assert points.read(("[validation]", '[validation]\nsplit = "knndm"')).map_places is not None


def test_points_without_the_target_are_kept_with_their_auxiliary_property(points):
    rows = points.read()
    assert len(rows) == N_POINTS
    np.testing.assert_array_equal(rows.y[:, 0], points.points.pb_mg_kg)
    np.testing.assert_array_equal(rows.auxiliary, points.points.ph)
    assert "35 of 70 samples have no value of pb_mg_kg" in rows.notes


def test_several_targets_are_columns_of_y_and_one_can_be_taken_alone(points):
    points.points["clay_pct"] = np.arange(N_POINTS) * 1.0
    points.write_points()
    rows = points.read(
        ("[target]", "[[target]]"), ("[validation]", '[[target]]\ncolumn = "clay_pct"\nunit = "%"\n[validation]')
    )
    assert rows.y.shape == (N_POINTS, 2)
    alone = rows.for_target(1)
    np.testing.assert_array_equal(alone.y[:, 0], points.points.clay_pct)
    assert [target.column for target in alone.targets] == ["clay_pct"]


def test_patches_have_the_cell_of_the_point_in_the_middle(points):
    pixels, rows = points.read(), points.read(("[target]", "patch = 3\n[target]"))
    assert rows.X.shape == (N_POINTS, 5, 3, 3)
    assert rows.is_patched
    np.testing.assert_array_equal(rows.centres, pixels.X)
    assert rows.features == pixels.features


def test_a_point_in_a_gap_stops_or_is_dropped(points):
    points.points.loc[0, "geometry"] = gpd.points_from_xy(*rasterio.transform.xy(TRANSFORM, [0], [0]))[0]
    points.write_points()
    assert "p0" in points.refusal(SamplesError)
    rows = points.read(DROP)
    assert rows.ids.tolist() == [f"p{i}" for i in range(1, N_POINTS)]
    np.testing.assert_array_equal(rows.auxiliary, points.points.ph[1:])
    assert any("dropped 1 of 70 points" in note for note in rows.notes)


@pytest.mark.parametrize("patch", ["", "patch = 3"])
def test_a_code_of_voids_that_a_covariate_does_not_declare_is_noted(points, patch):
    with rasterio.open(points.folder / "slope.tif", "r+") as made:
        values = made.read()
        values[0, points.rows[0], points.columns[0]] = -9999
        made.write(values)
    notes = points.read(("[target]", f"{patch}\n[target]")).notes
    assert any("of band slope are exactly -9999, which the file does not declare as nodata" in note for note in notes)


def test_fewer_than_ten_known_values_are_refused_and_fewer_than_twenty_noted(points):
    known = np.flatnonzero(points.points.pb_mg_kg.notna())
    points.points.loc[known[15:], "pb_mg_kg"] = np.nan
    points.write_points()
    assert any(note.startswith("15 values of pb_mg_kg: with fewer than 20") for note in points.read().notes)
    points.points.loc[known[9:], "pb_mg_kg"] = np.nan
    points.write_points()
    assert "found 9 samples with a value of pb_mg_kg; expected at least 10" in points.refusal(SamplesError)


def test_what_the_points_lack_is_refused_in_one_line(points):
    line = points.refusal(SamplesError, ("pb_mg_kg", "pb_mgkg"))
    assert "did you mean pb_mg_kg" in line
    assert "different names" in points.refusal(SamplesError, ('title = "pH"', 'title = "wet"'))
    points.points.loc[3, "pb_mg_kg"] = 0.0
    points.write_points()
    assert "points.gpkg: found pb_mg_kg of zero or less for p3" in points.refusal(SamplesError)
    points.points.loc[3, "pb_mg_kg"] = 50.0
    points.points.loc[4, "ph"] = -1.0
    points.write_points()
    assert "points.gpkg: found ph outside the valid range for p4" in points.refusal(SamplesError)


def test_only_an_asterisk_in_a_local_path_matches_many_files(points):
    def paths(*covariates):
        changes = ('["*.tif"]', str(list(covariates)).replace("'", '"'))
        return [path.removeprefix(f"{points.folder}/") for path in covariate_paths(points.loaded(changes))]

    assert paths("*.tif") == ["landuse.tif", "slope.tif", "wet.tif"]
    assert paths("wet.tif", "*e.tif") == ["wet.tif", "landuse.tif", "slope.tif"]
    for address in (
        "https://example.org/wet.tif?sig=a*b",
        "/vsicurl/https://example.org/[a]*.tif",
        "we?.tif",
        "[w].tif",
    ):
        assert paths(address) == [address]
    assert "*.img: found no such file" in points.refusal(RecipeError, ('["*.tif"]', '["*.img"]'))


def test_a_folder_with_brackets_in_its_name_is_searched_as_it_is_written(tmp_path):
    folder = tmp_path / "a [1]"
    folder.mkdir()
    assert len(covariate_paths(CovariateRecipe(folder).loaded())) == 3


# Profiles


def test_each_property_at_each_layer_is_a_target_named_by_its_column(profiles):
    rows = profiles.read(
        ("[target]", "[[target]]"), ("[validation]", '[[target]]\ncolumn = "clay_pct"\nunit = "%"\n[validation]')
    )
    layers = ["0-10 cm", "10-30 cm", "30-60 cm"]
    assert [target.column for target in rows.targets] == [f"{p} {d}" for p in ("soc_g_kg", "clay_pct") for d in layers]
    assert [target.name for target in rows.targets][:2] == ["SOC 0-10 cm", "SOC 10-30 cm"]
    assert [target.unit for target in rows.targets] == ["g/kg"] * 3 + ["%"] * 3
    assert rows.layers_cm == ((0, 10), (10, 30), (30, 60)) * 2
    # half of the profiles end at 35 cm, which covers too little of the last layer
    assert np.isfinite(rows.y).sum(axis=0).tolist() == [60, 60, 30] * 2
    assert (rows.y[:, 3] > rows.y[:, 0]).all()


def test_a_profile_is_one_row_with_the_patch_around_its_place(profiles):
    rows = profiles.read()
    assert rows.X.shape == (N_PROFILES, 5, 5, 5)
    names = [feature.name for feature in rows.features]
    wet = rows.centres[:, names.index("wet")]
    np.testing.assert_allclose(wet, profiles.covariates["wet"][profiles.rows, profiles.columns], rtol=1e-6)
    assert rows.ids.tolist() == [f"P{i:02d}" for i in range(N_PROFILES)]
    x, y = rasterio.transform.xy(TRANSFORM, profiles.rows, profiles.columns)
    np.testing.assert_allclose(rows.xy_m, np.column_stack([x, y]))


def test_without_a_patch_rows_are_the_cells_of_the_profiles(profiles):
    rows = profiles.read(("patch = 5\n", ""))
    assert not rows.is_patched
    np.testing.assert_array_equal(rows.X, profiles.read().centres)


def test_groups_and_further_columns_of_a_profile_are_those_of_its_first_horizon(profiles):
    number = profiles.horizons.profile_id.str[1:].astype(int)
    profiles.horizons = profiles.horizons.assign(site=np.where(number < 20, "a", "b"), height_m=100.0 + number)
    profiles.write_horizons()
    rows = profiles.read(("patch = 5", 'patch = 5\ngroup = "site"\ndescribe = ["height_m"]'))
    assert rows.groups.tolist() == ["a"] * 20 + ["b"] * 40
    np.testing.assert_array_equal(rows.table.height_m, 100 + np.arange(N_PROFILES))


def test_a_layer_without_enough_values_is_named_and_the_others_remain(profiles):
    rows = profiles.read(("[0, 10, 30, 60]", "[0, 10, 30, 60, 100]"))
    assert [target.column for target in rows.targets] == [f"soc_g_kg {d} cm" for d in ("0-10", "10-30", "30-60")]
    [sentence] = rows.refused
    assert sentence.startswith("SOC 60-100 cm: 0 values")
    line = profiles.refusal(SamplesError, ("[0, 10, 30, 60]", "[100, 150, 200]"))
    assert "no value" in line


def test_twenty_values_of_a_layer_are_enough_and_nineteen_are_not(profiles):
    deep = profiles.horizons.bottom_cm > 60
    ids = profiles.horizons[deep].profile_id.tolist()
    horizons = profiles.horizons
    profiles.horizons = horizons[~deep | horizons.profile_id.isin(ids[:20])]
    profiles.write_horizons()
    assert len(profiles.read().targets) == 3
    profiles.horizons = horizons[~deep | horizons.profile_id.isin(ids[:19])]
    profiles.write_horizons()
    assert profiles.read().refused == ["SOC 30-60 cm: 19 values, 20 are needed; the map has no band for it"]


def test_sites_at_layers_give_the_rows_of_the_horizons_they_were_made_of(profiles):
    from geosoil.samples.depths import harmonise, read_horizons, write_sites

    expected = profiles.read()
    horizons = read_horizons(
        profiles.folder / "horizons.csv", x="x_m", y="y_m", crs="EPSG:32633", properties=["soc_g_kg"]
    )
    write_sites(harmonise(horizons, layers_cm=[(0, 10), (10, 30), (30, 60)]), profiles.folder / "sites.gpkg")
    sites = ('horizons = "horizons.csv"\nx = "x_m"\ny = "y_m"\ncrs = "EPSG:32633"', 'sites = "sites.gpkg"')
    rows = profiles.read(sites)
    np.testing.assert_array_equal(rows.X, expected.X)
    np.testing.assert_allclose(rows.y, expected.y)
    line = profiles.refusal(SamplesError, sites, ("[0, 10, 30, 60]", "[0, 20, 40]"))
    assert "soc_g_kg at 0-10 cm, 10-30 cm, 30-60 cm; expected 0-20 cm, 20-40 cm" in line


def test_zones_of_polygons_and_of_a_class_raster_are_the_same(profiles):
    by_raster = profiles.read(("layers_cm", 'zones = "covariates/landuse.tif"\nlayers_cm'))
    assert set(by_raster.zones) == {"1", "2"}
    left, top = TRANSFORM @ (0, 0)
    middle, bottom = TRANSFORM @ (PROFILE_SIDE / 2 + 0.5, PROFILE_SIDE)
    right, _ = TRANSFORM @ (PROFILE_SIDE, 0)
    halves = [box(left, bottom, middle, top), box(middle, bottom, right, top)]
    zones = gpd.GeoDataFrame({"zone": ["1", "2"]}, geometry=halves, crs="EPSG:32633")
    zones.to_file(profiles.folder / "zones.gpkg", engine="pyogrio")
    by_polygons = profiles.read(("layers_cm", 'zones = "zones.gpkg"\nlayers_cm'))
    np.testing.assert_array_equal(by_polygons.zones, np.where(profiles.columns > PROFILE_SIDE / 2, "2", "1"))
    line = profiles.refusal(SamplesError, ("layers_cm", 'zones = "zones.gpkg"\nzone_column = "name"\nlayers_cm'))
    assert "zones.gpkg: found no column name" in line
    line = profiles.refusal(SamplesError, ("layers_cm", 'zones = "zone.gpkg"\nlayers_cm'))
    assert "zone.gpkg: found no such file" in line


def test_what_the_profiles_lack_is_refused_in_one_line(profiles):
    assert "soc_pct" in profiles.refusal(SamplesError, ('column = "soc_g_kg"', 'column = "soc_pct"'))
    assert "no such file" in profiles.refusal(RecipeError, ('"covariates/*.tif"', '"covariate/*.tif"'))
    profiles.horizons = profiles.horizons.rename(columns={"top_cm": "bottom_cm", "bottom_cm": "top_cm"})
    profiles.write_horizons()
    assert "swapped" in profiles.refusal(SamplesError)


def test_a_patch_larger_than_the_rasters_is_refused(profiles):
    profiles.covariates = {name: values[:4, :4] for name, values in profiles.covariates.items()}
    profiles.write_covariates()
    assert "patches of 5 x 5 pixels on a raster of 4 x 4" in profiles.refusal(SamplesError)


# Tables


def test_columns_of_a_table_are_the_features_and_ids_are_text(table):
    rows = table.read(("[target]", 'group = "site"\nfolds = "fold"\ndescribe = ["sand_pct"]\n[target]'))
    assert rows.ids[7] == "007"
    np.testing.assert_allclose(rows.X, table.table[["depth_cm", "colour"]], rtol=1e-6)
    np.testing.assert_array_equal(rows.y[:, 0], table.table.clay_pct)
    assert [feature.name for feature in rows.features] == ["depth_cm", "colour"]
    assert rows.features[0].training_high == rows.X[:, 0].max()
    assert (rows.quantity, rows.xy, rows.grid) == ("covariates", None, None)
    assert rows.groups.tolist() == table.table.site.tolist()
    assert rows.folds.tolist() == ["1", "2"] * 20
    assert list(rows.table) == ["clay_pct", "sand_pct"]


def test_places_of_a_table_in_degrees_are_brought_to_metres(table):
    rows = table.read(("[target]", 'x = "lon"\ny = "lat"\ncrs = "EPSG:4326"\n[target]'))
    assert rows.crs.to_epsg() == 32633
    assert np.isclose(np.ptp(rows.xy_m[:, 1]), np.ptp(table.table.lat) * 111_300, rtol=0.01)


def test_empty_cells_of_features_stop_or_are_dropped(table):
    table.table["colour"] = table.table.colour.astype(object)
    table.table.loc[4, "colour"] = None
    table.write()
    assert "found empty cells in colour for 004" in table.refusal(SamplesError)
    rows = table.read(DROP)
    assert rows.ids.tolist() == [f"{i:03d}" for i in range(40) if i != 4]
    np.testing.assert_allclose(rows.X[:, 0], table.table.depth_cm.drop(4), rtol=1e-6)
    table.table.loc[4, "colour"] = "red"
    table.write()
    assert "'red' in column colour" in table.refusal(SamplesError)


def test_an_absent_feature_column_is_refused_by_its_name(table):
    assert "colours" in table.refusal(SamplesError, ('"colour"', '"colours"'))


def test_a_geopackage_has_places_without_columns_of_coordinates(table):
    data = table.table
    geometry = gpd.points_from_xy(data.lon, data.lat)
    frame = gpd.GeoDataFrame(pd.DataFrame(data), geometry=geometry, crs="EPSG:4326").to_crs("EPSG:32633")
    frame.to_file(table.folder / "table.gpkg", engine="pyogrio")
    rows = table.read(("table.csv", "table.gpkg"))
    np.testing.assert_allclose(rows.xy_m, np.column_stack([frame.geometry.x, frame.geometry.y]))
