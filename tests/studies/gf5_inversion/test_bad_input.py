"""A broken study: `train` says in one line where, what was found, what was expected and the way out."""

import numpy as np
import pandas as pd
import pytest
import rasterio
from small_study import N_SAMPLES, NODATA, WAVELENGTH_NM, Study
from written_rasters import UTM

from geosoil.errors import (
    OutputError,
    RasterError,
    RecipeError,
    SamplesError,
    UnitsError,
    WavelengthError,
)
from geosoil.models.store import load_model
from geosoil.studies.registry import compare

# Two epochs make no good spectra; here only that they are made matters.
pytestmark = pytest.mark.filterwarnings("ignore:The generated spectra have collapsed:UserWarning")

DROP = ("[target]", 'on_missing = "drop"\n[target]')


@pytest.fixture
def study(tmp_path):
    return Study(tmp_path)


def test_the_sound_study_trains_and_its_model_answers(study):
    result = study.train()
    model = load_model(study.folder / "out" / "model")
    block = study.reflectance.transpose(2, 0, 1)[model.used_columns[model.used_columns < 40]].astype(np.float32)
    predicted = model.predict(block)[0, study.rows, study.columns]
    assert np.corrcoef(predicted, study.points.cu_mg_kg)[0, 1] > 0.9
    assert list(result.table.protocol) == ["nested", "published"]


# The cube


def test_a_cube_without_wavelengths_is_refused(study):
    study.write_cube(wavelengths=False)
    line = study.refusal(WavelengthError)
    assert "cube.tif: found no wavelengths" in line
    assert "table of bands" in line


def test_an_absent_cube_is_refused_by_its_name(study):
    line = study.refusal(RasterError, ('"cube.tif"', '"cub.tif"'))
    assert "cub.tif" in line


def test_digital_numbers_for_reflectance_are_refused(study):
    study.write_cube(scales=None)
    line = study.refusal(UnitsError)
    assert "cube.tif" in line
    assert "scale" in line


def test_a_cube_in_radiance_is_refused(study):
    with rasterio.open(study.folder / "cube.tif", "r+") as cube:
        cube.units = ["W m-2 sr-1 um-1"] * 40
    line = study.refusal(UnitsError)
    assert "cube.tif: found values in W m-2 sr-1 um-1; expected surface reflectance" in line


def test_constant_bands_are_left_out_and_said(study):
    study.cube[[7, 8]] = 1234
    study.cube[:, 0, 0] = NODATA
    study.write_cube()
    data = study.data()
    assert any("2 bands left out, constant" in note for note in data.notes)
    assert len(data.features) == data.satellite.shape[1] == data.laboratory.shape[1] == 38
    assert not {7, 8} & set(np.searchsorted(WAVELENGTH_NM, data.wavelength_nm - 0.01).tolist())


def test_a_cube_of_constant_bands_only_is_refused(study):
    study.cube[:] = 1234
    study.write_cube()
    assert "0 usable bands of 40" in study.refusal(SamplesError)


# The points


def test_points_outside_the_cube_are_refused_by_name(study):
    study.points.geometry = study.points.geometry.where(study.points.index > 1, study.points.translate(1e6, 0))
    study.write_points()
    line = study.refusal(SamplesError)
    assert "cube.tif: found 2 of 30 points outside the cube: S00, S01" in line


def test_points_on_nodata_are_refused_by_name(study):
    study.cube[:, study.rows[4], study.columns[4]] = NODATA
    study.write_cube()
    assert "cube.tif: found 1 of 30 points on no data: S04" in study.refusal(SamplesError)


def test_points_outside_and_on_nodata_are_dropped_on_request_and_every_row_stays_with_its_sample(study):
    study.points.geometry = study.points.geometry.where(study.points.index != 6, study.points.translate(1e6, 0))
    study.write_points()
    study.cube[:, study.rows[4], study.columns[4]] = NODATA
    study.write_cube()
    data = study.data(DROP)
    assert any("dropped 1 of 30 points outside the cube: S06; 1 of 30 points on no data: S04" in x for x in data.notes)
    kept = np.delete(np.arange(N_SAMPLES), [4, 6])
    assert data.ids == [f"S{i:02d}" for i in kept]
    np.testing.assert_array_equal(data.target, study.points.cu_mg_kg[kept])
    np.testing.assert_allclose(data.satellite, study.reflectance[study.rows[kept], study.columns[kept]], atol=1e-4)
    np.testing.assert_allclose(data.laboratory, study.laboratory[kept], rtol=1e-5)


def test_points_in_another_crs_give_the_same_rows_and_it_is_said(study):
    own = study.data()
    study.points = study.points.to_crs("EPSG:4326")
    study.write_points()
    data = study.data()
    assert any("reprojected" in note for note in data.notes)
    np.testing.assert_array_equal(data.satellite, own.satellite)
    np.testing.assert_allclose(data.xy_m, own.xy_m, atol=0.01)


def test_points_without_a_crs_are_refused(study):
    study.points = study.points.set_crs(None, allow_override=True)
    with pytest.warns(UserWarning, match="crs"):
        study.write_points()
    assert "samples.gpkg: found no CRS" in study.refusal(SamplesError)


def test_a_cube_without_a_crs_is_refused(study):
    study.write_cube(crs=None)
    assert "cube.tif: found no CRS of the cube" in study.refusal(SamplesError)


def test_a_table_without_coordinates_is_refused_and_works_with_their_names(study):
    points = study.points
    table = pd.DataFrame(points.drop(columns="geometry")).assign(east=points.geometry.x, north=points.geometry.y)
    table.to_csv(study.folder / "samples.csv", index=False)
    own, csv = study.data(), ("samples.gpkg", "samples.csv")
    assert "samples.csv: found a table without geometry" in study.refusal(SamplesError, csv)
    named = ("[target]", f'x = "east"\ny = "north"\ncrs = "{UTM}"\n[target]')
    np.testing.assert_array_equal(study.data(csv, named).satellite, own.satellite)


def test_doubled_ids_are_refused_by_name(study):
    study.points.loc[3, "sample_id"] = "S02"
    study.write_points()
    assert "samples.gpkg: sample_id is not unique: S02" in study.refusal(SamplesError)


def test_an_empty_id_is_refused_by_its_row(study):
    study.points.loc[3, "sample_id"] = None
    study.write_points()
    assert "samples.gpkg: found no sample_id in row 4" in study.refusal(SamplesError)


def test_text_in_the_target_is_refused_by_its_cell(study):
    study.points["cu_mg_kg"] = study.points.cu_mg_kg.astype(object)
    study.points.loc[5, "cu_mg_kg"] = "< 5"
    study.points["cu_mg_kg"] = study.points.cu_mg_kg.astype(str)
    study.write_points()
    line = study.refusal(SamplesError)
    assert "samples.gpkg: found '< 5' in column cu_mg_kg, row 6 (S05)" in line


def test_an_empty_cell_of_the_target_is_refused_or_dropped_on_request(study):
    study.points.loc[5, "cu_mg_kg"] = np.nan
    study.write_points()
    assert "samples.gpkg: found no cu_mg_kg for S05" in study.refusal(SamplesError)
    data = study.data(DROP)
    assert any("dropped 1 samples without cu_mg_kg" in note for note in data.notes)
    assert "S05" not in data.ids


def test_a_misspelt_target_column_is_refused_with_the_nearest_name(study):
    line = study.refusal(SamplesError, ('"cu_mg_kg"', '"cu_mgkg"'))
    assert 'samples.gpkg: column "cu_mgkg" is missing' in line
    assert "did you mean cu_mg_kg?" in line


@pytest.mark.parametrize(("n_samples", "folds", "least"), [(2, 3, 10), (9, 3, 10), (12, 15, 15), (9, 15, 15)])
def test_fewer_samples_than_the_folds_need_are_refused(study, n_samples, folds, least):
    study.points = study.points.head(n_samples)
    study.write_points()
    line = study.refusal(SamplesError, ("n_folds = 3", f"n_folds = {folds}"))
    assert f"samples.gpkg: found {n_samples} samples; expected at least {least} " in line


@pytest.mark.parametrize(("use", "folds"), [("satellite", 2), ("mix", 2), ("mix", 10)])
def test_the_fewest_samples_that_are_let_in_do_train(study, use, folds):
    study.points = study.points.head(10)
    study.write_points()
    changes = ("n_folds = 3", f"n_folds = {folds}"), ("n_components = 3", "n_components = 10")
    table = study.train(*changes, ('"mix"', f'"{use}"')).table
    assert np.isfinite(table.test_rmse).all()


def test_a_constant_target_is_refused(study):
    study.points["cu_mg_kg"] = 7.0
    study.write_points()
    line = study.refusal(SamplesError)
    assert "samples.gpkg: found the same cu_mg_kg" in line


def test_contents_beyond_the_valid_range_are_refused_by_name(study):
    study.points.loc[3, "cu_mg_kg"] = -1.0
    study.write_points()
    line = study.refusal(SamplesError)
    assert "samples.gpkg: found cu_mg_kg outside the valid range for S03; expected 0 to inf mg/kg" in line


def test_a_log_of_zero_is_refused_by_the_column(study):
    study.points.loc[[3, 4], "cu_mg_kg"] = 0.0
    study.write_points()
    line = study.refusal(SamplesError, ('unit = "mg/kg"', 'unit = "mg/kg"\nlog = "smearing"'))
    assert "samples.gpkg: found cu_mg_kg of zero or less for S03, S04" in line


# The laboratory


def test_samples_without_a_laboratory_spectrum_are_refused_by_name(study):
    study.laboratory = study.laboratory[:-2]
    study.write_laboratory()
    assert "lab.parquet: found no laboratory spectrum for S28, S29" in study.refusal(SamplesError)


def test_a_laboratory_in_percent_is_refused_and_works_with_its_scale(study):
    own = study.data()
    study.laboratory = 100 * study.laboratory
    study.write_laboratory()
    line = study.refusal(UnitsError)
    assert "lab.parquet" in line
    assert "laboratory_scale = 0.01" in line
    scaled = study.data(("[target]", "laboratory_scale = 0.01\n[target]"))
    np.testing.assert_allclose(scaled.laboratory, own.laboratory, rtol=1e-5)


def test_an_empty_cell_of_the_laboratory_is_refused_by_its_sample(study):
    study.laboratory[3, 9] = np.nan
    study.write_laboratory()
    line = study.refusal(SamplesError)
    assert "lab.parquet" in line
    assert "S03" in line


def test_an_absent_laboratory_is_refused_by_its_name(study):
    assert "labs.parquet: found no such file" in study.refusal(SamplesError, ("lab.parquet", "labs.parquet"))


# The recipe


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (("cube =", "cubes ="), "recipe.toml: found unknown key data.cubes"),
        (("n_runs = 5", "n_run = 5"), "did you mean n_runs?"),
        (("[fusion]", "[fusions]"), "did you mean fusion?"),
        (("epochs = 2", 'epochs = "two"'), "found fusion.epochs: "),
        (("n_folds = 3", "n_folds = 1"), "found validation.n_folds: "),
        (("latent = 2", "latent = 0"), "found fusion.latent: "),
        (("hidden = [8, 4]", "hidden = []"), "found fusion.hidden: "),
        (("hidden = [8, 4]", "hidden = [0]"), "found fusion.hidden"),
        (('kind = "plsr"', 'kind = "pls"'), "found regression.kind: "),
        (('study = "gf5_inversion"', 'study = "depth"'), "found study = 'depth'"),
        (('name = "cu"', 'name = "../cu"'), "found name: "),
        (('unit = "mg/kg"', 'unit = "mg/kg"\nvalid_range = [10.0, 1.0]'), "found target.valid_range: "),
        (('laboratory = "lab.parquet"', ""), "needs data.laboratory; without it use 'satellite'"),
        (('use = "mix"', 'use = "indoor"'), "found features.use = 'indoor'"),
        (('use = "mix"', "use = mix"), "recipe.toml: found no TOML"),
        (('cube = "cube.tif"', 'cube = "cube.tif"\ndrop_nm = [[1400, 1300]]'), "found data.drop_nm"),
        (("[fusion]", 'preprocessing = [{ step = "snf" }]\n[fusion]'), "found features.preprocessing.0.step: "),
        (
            ("[fusion]", 'preprocessing = [{ step = "savitzky_golay", window_bands = 10 }]\n[fusion]'),
            "window_bands",
        ),
        (
            ("[fusion]", 'preprocessing = [{ step = "savitzky_golay", window_bands = 91 }]\n[fusion]'),
            "window_bands",
        ),
        (("[data]", "seed = -1\n[data]"), "found seed: "),
        (("published_seeds = 0", "published_seeds = 20000"), "found validation.published_seeds: "),
    ],
)
def test_a_senseless_recipe_is_refused_by_its_key(study, changes, said):
    assert said in study.refusal(RecipeError, changes)


# The output


@pytest.mark.parametrize("place", ["out", "out/model"])
def test_an_output_folder_that_is_a_file_is_refused_before_anything_is_read(study, place):
    (study.folder / "cube.tif").unlink()
    path = study.folder / place
    path.parent.mkdir(exist_ok=True)
    path.write_text("in its place")
    line = study.refusal(OutputError)
    assert f"{path}: found a file" in line
    assert path.read_text() == "in its place"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("table", "table: found ending none; expected .csv"),
        ("table.txt", "table.txt: found ending .txt; expected .csv"),
        ("folder.csv", "folder.csv: found a folder; expected a file name"),
        ("file/table.csv", "file: found a file; expected a writable folder; choose another with -o"),
        ("file.csv", "file: found a file; expected a writable folder"),  # where the report goes
        ("samples.csv", "samples.csv: is also an input"),
    ],
)
def test_a_comparison_that_could_not_be_written_is_refused_before_anything_is_read(study, name, said):
    (study.folder / "cube.tif").unlink()
    (study.folder / "folder.csv").mkdir()
    for there in ("file", "samples.csv"):
        (study.folder / there).write_text("in its place")
    path = study.recipe(('samples = "samples.gpkg"', 'samples = "samples.csv"'))
    before = study.everything()
    with pytest.raises(OutputError, match=said):
        compare(path, study.folder / name)
    assert study.everything() == before
