"""Sample points on a cube: what becomes a training row, and what is refused in one line."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
from small_cube_data import N_SAMPLES, NODATA, WAVELENGTH_NM
from small_recipes import CubeRecipe
from written_rasters import UTM

from geosoil.errors import RasterError, SamplesError, UnitsError, WavelengthError

DROP = ("[target]", 'on_missing = "drop"\n[target]')


@pytest.fixture
def case(tmp_path):
    return CubeRecipe(tmp_path)


def test_every_row_is_the_pixel_of_its_sample_with_its_laboratory_spectrum_and_target(case):
    rows = case.read()
    assert rows.ids.tolist() == [f"S{i:02d}" for i in range(N_SAMPLES)]
    assert (rows.quantity, rows.X.dtype) == ("reflectance", np.float32)
    np.testing.assert_allclose(rows.X, case.reflectance[case.rows, case.columns], atol=1e-4)
    np.testing.assert_allclose(rows.laboratory, case.laboratory, rtol=1e-5)
    np.testing.assert_allclose(rows.wavelength_nm, WAVELENGTH_NM, atol=0.01)
    np.testing.assert_array_equal(rows.y[:, 0], case.points.cu_mg_kg)
    np.testing.assert_allclose(rows.xy_m, np.column_stack([case.points.geometry.x, case.points.geometry.y]))
    assert [f.training_low for f in rows.features] == rows.X.min(axis=0).tolist()
    assert [f.training_high for f in rows.features] == rows.X.max(axis=0).tolist()


def test_neighbours_are_the_pixels_above_below_left_and_right(case):
    rows = case.read()
    for step, (down, right) in enumerate([(-1, 0), (1, 0), (0, -1), (0, 1)]):
        for i in range(N_SAMPLES):
            row, column = case.rows[i] + down, case.columns[i] + right
            is_inside = 0 <= row < 20 and 0 <= column < 20 and (row, column) != (0, 0)
            expected = case.reflectance[row, column] if is_inside else np.full(40, np.nan)
            np.testing.assert_allclose(rows.neighbours[i, step], expected, atol=1e-4)


def test_labels_targets_and_further_columns_are_read_with_the_samples(case):
    case.points["zinc"] = np.arange(N_SAMPLES) * 1.0
    case.points.loc[3, "zinc"] = np.nan
    case.points["ph"] = 5 + np.arange(N_SAMPLES) / 10
    case.points["site"] = np.repeat(["a", "b", "c"], 10)
    case.points["fold"] = np.tile([1, 2], 15)
    case.write_points()
    keys = 'group = "site"\nfolds = "fold"\ndescribe = ["ph"]\nauxiliary = { column = "ph" }\n'
    rows = case.read(
        ("[target]", f"{keys}[[target]]"), ("[features]", '[[target]]\ncolumn = "zinc"\nunit = "mg/kg"\n[features]')
    )
    assert rows.groups.tolist() == ["a"] * 10 + ["b"] * 10 + ["c"] * 10
    assert rows.folds.tolist() == ["1", "2"] * 15
    assert list(rows.table) == ["cu_mg_kg", "zinc", "ph"]
    assert [target.column for target in rows.targets] == ["cu_mg_kg", "zinc"]
    np.testing.assert_array_equal(rows.y[:, 1], case.points.zinc)
    np.testing.assert_array_equal(rows.auxiliary, case.points.ph)
    assert "1 of 30 samples have no value of zinc" in rows.notes


def test_the_hash_is_that_of_the_values_and_not_of_the_file(case):
    first = case.read().sha256
    case.points["remark"] = "none"
    case.write_points()
    assert case.read().sha256 == first
    case.points.loc[3, "cu_mg_kg"] += 1
    case.write_points()
    assert case.read().sha256 != first


# The cube


def test_a_cube_without_wavelengths_is_refused(case):
    case.write_cube(wavelengths=False)
    assert "cube.tif: found no wavelengths" in case.refusal(WavelengthError)


def test_an_absent_cube_is_refused_by_its_name(case):
    assert "cub.tif" in case.refusal(RasterError, ('"cube.tif"', '"cub.tif"'))


def test_digital_numbers_for_reflectance_are_refused(case):
    case.write_cube(scales=None)
    line = case.refusal(UnitsError)
    assert "cube.tif" in line
    assert "scale" in line


def test_a_cube_in_radiance_is_refused(case):
    with rasterio.open(case.folder / "cube.tif", "r+") as cube:
        cube.units = ["W m-2 sr-1 um-1"] * 40
    assert "cube.tif: found values in W m-2 sr-1 um-1; expected surface reflectance" in case.refusal(UnitsError)


def test_constant_bands_are_left_out_and_noted(case):
    case.cube[[7, 8]] = 1234
    case.cube[:, 0, 0] = NODATA
    case.write_cube()
    rows = case.read()
    assert any("2 bands left out, constant" in note for note in rows.notes)
    assert len(rows.features) == rows.X.shape[1] == rows.laboratory.shape[1] == rows.neighbours.shape[2] == 38
    assert not {7, 8} & set(np.searchsorted(WAVELENGTH_NM, rows.wavelength_nm - 0.01).tolist())


def test_a_cube_of_constant_bands_only_is_refused(case):
    case.cube[:] = 1234
    case.write_cube()
    assert "0 usable bands of 40" in case.refusal(SamplesError)


def test_a_cube_without_a_crs_is_refused(case):
    case.write_cube(crs=None)
    assert "cube.tif: " in (line := case.refusal(SamplesError))
    assert "CRS" in line


# The points


def test_points_outside_the_cube_are_refused_by_name(case):
    case.points.geometry = case.points.geometry.where(case.points.index > 1, case.points.translate(1e6, 0))
    case.write_points()
    assert "2 of 30 points outside the cube: S00, S01" in case.refusal(SamplesError)


def test_points_whose_x_and_y_are_exchanged_are_refused_with_that_cause(case):
    case.points.geometry = gpd.points_from_xy(case.points.geometry.y, case.points.geometry.x)
    case.write_points()
    line = case.refusal(SamplesError)
    assert "30 points outside the cube, which are inside with x and y exchanged; " in line


def test_points_on_nodata_are_refused_by_name(case):
    case.cube[:, case.rows[4], case.columns[4]] = NODATA
    case.write_cube()
    assert "1 of 30 points on no data: S04" in case.refusal(SamplesError)


def test_points_outside_and_on_nodata_are_dropped_on_request_and_every_row_keeps_its_sample(case):
    case.points["site"] = [f"site {i}" for i in range(N_SAMPLES)]
    case.points.geometry = case.points.geometry.where(case.points.index != 6, case.points.translate(1e6, 0))
    case.write_points()
    case.cube[:, case.rows[4], case.columns[4]] = NODATA
    case.write_cube()
    rows = case.read(DROP, ("[target]", 'group = "site"\n[target]'))
    assert any("dropped 1 of 30 points outside the cube: S06; 1 of 30 points on no data: S04" in n for n in rows.notes)
    kept = np.delete(np.arange(N_SAMPLES), [4, 6])
    assert rows.ids.tolist() == [f"S{i:02d}" for i in kept]
    assert rows.groups.tolist() == [f"site {i}" for i in kept]
    np.testing.assert_array_equal(rows.y[:, 0], case.points.cu_mg_kg[kept])
    np.testing.assert_array_equal(rows.table.cu_mg_kg, case.points.cu_mg_kg[kept])
    np.testing.assert_allclose(rows.X, case.reflectance[case.rows[kept], case.columns[kept]], atol=1e-4)
    np.testing.assert_allclose(rows.laboratory, case.laboratory[kept], rtol=1e-5)
    np.testing.assert_allclose(rows.xy[:, 0], case.points.geometry.x[kept])


def test_points_in_another_crs_give_the_same_rows_and_a_note(case):
    expected = case.read()
    case.points = case.points.to_crs("EPSG:4326")
    case.write_points()
    rows = case.read()
    assert any("reprojected" in note for note in rows.notes)
    np.testing.assert_array_equal(rows.X, expected.X)
    np.testing.assert_allclose(rows.xy_m, expected.xy_m, atol=0.01)


def test_points_without_a_crs_are_refused(case):
    case.points = case.points.set_crs(None, allow_override=True)
    with pytest.warns(UserWarning, match="crs"):
        case.write_points()
    assert "samples.gpkg: " in (line := case.refusal(SamplesError))
    assert "CRS" in line


def test_a_table_without_coordinates_is_refused_and_works_with_their_names(case):
    points = case.points
    table = pd.DataFrame(points.drop(columns="geometry")).assign(east=points.geometry.x, north=points.geometry.y)
    table.to_csv(case.folder / "samples.csv", index=False)
    expected, csv = case.read(), ("samples.gpkg", "samples.csv")
    assert "samples.csv: found a table without geometry" in case.refusal(SamplesError, csv)
    names = ("[target]", f'x = "east"\ny = "north"\ncrs = "{UTM}"\n[target]')
    np.testing.assert_array_equal(case.read(csv, names).X, expected.X)


def test_ids_that_repeat_are_refused_by_name(case):
    case.points.loc[3, "sample_id"] = "S02"
    case.write_points()
    assert "samples.gpkg: sample_id is not unique: S02" in case.refusal(SamplesError)


def test_an_empty_id_is_refused_by_its_row(case):
    case.points.loc[3, "sample_id"] = None
    case.write_points()
    assert "row 4" in case.refusal(SamplesError)


def test_text_in_the_target_is_refused_by_its_cell(case):
    case.points["cu_mg_kg"] = case.points.cu_mg_kg.astype(object)
    case.points.loc[5, "cu_mg_kg"] = "< 5"
    case.points["cu_mg_kg"] = case.points.cu_mg_kg.astype(str)
    case.write_points()
    assert "samples.gpkg: found '< 5' in column cu_mg_kg, row 6 (S05)" in case.refusal(SamplesError)


def test_an_empty_cell_of_the_target_is_refused_or_dropped_on_request(case):
    case.points.loc[5, "cu_mg_kg"] = np.nan
    case.write_points()
    assert "samples.gpkg: found no cu_mg_kg for S05" in case.refusal(SamplesError)
    rows = case.read(DROP)
    assert any("dropped 1 samples without cu_mg_kg" in note for note in rows.notes)
    assert "S05" not in rows.ids


def test_an_empty_group_is_refused_by_its_key(case):
    case.points["site"] = ["a", None] * 15
    case.write_points()
    line = case.refusal(SamplesError, ("[target]", 'group = "site"\n[target]'))
    assert "column site is empty in 15 rows" in line
    assert "remove data.group" in line


@pytest.mark.parametrize("key", ['"cu_mg_kg"', "describe"])
def test_a_misspelt_column_is_refused_with_the_nearest_name(case, key):
    change = (key, '"cu_mgkg"') if key != "describe" else ("[target]", 'describe = ["cu_mgkg"]\n[target]')
    line = case.refusal(SamplesError, change)
    assert "samples.gpkg: " in line
    assert "cu_mgkg" in line
    assert "cu_mg_kg?" in line


@pytest.mark.parametrize(("n_samples", "folds", "least"), [(2, 3, 10), (9, 3, 10), (12, 15, 15), (9, 15, 15)])
def test_fewer_samples_than_the_folds_need_are_refused(case, n_samples, folds, least):
    case.points = case.points.head(n_samples)
    case.write_points()
    line = case.refusal(SamplesError, ("n_folds = 3", f"n_folds = {folds}"))
    assert f"found {n_samples} samples with a value of cu_mg_kg; expected at least {least} " in line


def test_ten_samples_are_enough_and_few_are_noted(case):
    case.points = case.points.head(10)
    case.write_points()
    assert any(note.startswith("10 values of cu_mg_kg: with fewer than 20") for note in case.read().notes)
    case.points = CubeRecipe(case.folder).points.head(20)
    case.write_points()
    assert not any("fewer than 20" in note for note in case.read().notes)


def test_a_constant_target_is_refused(case):
    case.points["cu_mg_kg"] = 7.0
    case.write_points()
    assert "samples.gpkg: found the same cu_mg_kg in all 30 samples, 7" in case.refusal(SamplesError)


def test_values_outside_the_valid_range_are_refused_by_name_and_its_ends_are_inside(case):
    limits = ('unit = "mg/kg"', 'unit = "mg/kg"\nvalid_range = [20.0, 80.0]')
    case.points["cu_mg_kg"] = np.linspace(20, 80, N_SAMPLES)
    case.write_points()
    assert len(case.read(limits)) == N_SAMPLES
    case.points.loc[[3, 4], "cu_mg_kg"] = 19.9, 80.1
    case.write_points()
    line = case.refusal(SamplesError, limits)
    assert "samples.gpkg: found cu_mg_kg outside the valid range for S03, S04; expected 20 to 80 mg/kg" in line


def test_a_logarithm_of_zero_is_refused_by_the_samples(case):
    case.points.loc[[3, 4], "cu_mg_kg"] = 0.0
    case.write_points()
    line = case.refusal(SamplesError, ('unit = "mg/kg"', 'unit = "mg/kg"\nlog = "smearing"'))
    assert "samples.gpkg: found cu_mg_kg of zero or less for S03, S04" in line


# The laboratory


def test_samples_without_a_laboratory_spectrum_are_refused_by_name(case):
    case.laboratory = case.laboratory[:-2]
    case.write_laboratory()
    assert "lab.parquet: found no laboratory spectrum for S28, S29" in case.refusal(SamplesError)


def test_a_laboratory_in_percent_is_refused_and_works_with_its_scale(case):
    expected = case.read()
    case.laboratory = 100 * case.laboratory
    case.write_laboratory()
    line = case.refusal(UnitsError)
    assert "lab.parquet" in line
    assert "laboratory_scale = 0.01" in line
    scaled = case.read(("[target]", "laboratory_scale = 0.01\n[target]"))
    np.testing.assert_allclose(scaled.laboratory, expected.laboratory, rtol=1e-5)


def test_an_empty_cell_of_the_laboratory_is_refused_by_its_sample(case):
    case.laboratory[3, 9] = np.nan
    case.write_laboratory()
    line = case.refusal(SamplesError)
    assert "lab.parquet" in line
    assert "S03" in line


def test_an_absent_laboratory_is_refused_by_its_name(case):
    assert "labs.parquet: found no such file" in case.refusal(SamplesError, ("lab.parquet", "labs.parquet"))


def test_scale_and_offset_of_the_recipe_are_applied_to_a_cube_that_states_none(tmp_path):
    case = CubeRecipe(tmp_path)
    expected = case.read()
    case.cube = np.where(case.cube == NODATA, NODATA, case.cube + 1000).astype(np.int16)
    case.write_cube(scales=None)
    shifted = case.read(('cube = "cube.tif"', 'cube = "cube.tif"\nscale = 0.0001\noffset = -0.1'))
    np.testing.assert_allclose(shifted.X, expected.X, atol=1e-6)


def test_laboratory_absorbance_is_converted_to_reflectance(case):
    expected = case.read().laboratory
    case.laboratory = -np.log10(case.laboratory)
    case.write_laboratory("absorbance")
    rows = case.read()
    np.testing.assert_allclose(rows.laboratory, expected, rtol=1e-5)
    assert "laboratory absorbance converted to reflectance by R = 10^-A" in rows.notes


def test_bands_outside_the_range_of_the_laboratory_are_left_out_and_named(case):
    case.laboratory = case.laboratory[:, 5:]
    case.write_laboratory(wavelength_nm=WAVELENGTH_NM[5:])
    rows = case.read()
    assert rows.X.shape == rows.laboratory.shape == (N_SAMPLES, 35)
    (note,) = [note for note in rows.notes if "outside the laboratory's range" in note]
    names = [f"{round(nm, 2)} nm" for nm in (WAVELENGTH_NM[0], WAVELENGTH_NM[4])]
    assert note == f"5 bands left out, outside the laboratory's range: {names[0]} .. {names[1]}"
    assert rows.features[0].wavelength_nm == pytest.approx(WAVELENGTH_NM[5], abs=0.01)


def test_cells_of_the_laboratory_that_no_band_uses_may_be_empty(case):
    wide = np.concatenate([WAVELENGTH_NM, [2600.0, 2700.0]])
    case.laboratory = np.concatenate([case.laboratory, np.full((N_SAMPLES, 2), 0.5)], axis=1)
    case.laboratory[3, -1] = np.nan
    case.write_laboratory(wavelength_nm=wide)
    assert np.isfinite(case.read().laboratory).all()


def test_without_a_laboratory_all_bands_are_kept(case):
    rows = case.read(('laboratory = "lab.parquet"\n', ""), ('use = "mix"', 'use = "satellite"'))
    assert rows.laboratory is None
    assert rows.X.shape == (N_SAMPLES, 40)
