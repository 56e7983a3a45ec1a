"""A table of predictions holds what the model predicts of its rows, and what a map holds at its points."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import rasterio
from small_cube import FWHM_NM, WAVELENGTH_NM, save_trained_model, spectra, write_cube
from small_runs import patch_model, write_small
from small_stack import read, save_covariate_model, trained_on, write_covariates
from written_rasters import TRANSFORM, write_raster

import geosoil
from geosoil.errors import GeosoilError, ModelFileError, SamplesError, UnitsError, WavelengthError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.models.compose import Ensemble
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.workflows.map import map_covariates, map_cube
from geosoil.workflows.predict import predict_table

CRS = "EPSG:32633"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models of a cube (share), of covariates (soc) and of patches of covariates (patch), and their rasters."""
    folder = tmp_path_factory.mktemp("models")
    save_trained_model(folder / "share")
    save_covariate_model(folder / "soc", trained_on(write_covariates(folder)))
    write_cube(folder / "cube.tif")
    return folder


def write_spectra_table(path, X, nm=WAVELENGTH_NM, **columns):
    frame = pd.DataFrame(X, columns=[f"{w:.10g}" for w in nm])
    frame = pd.concat([pd.DataFrame(columns, index=frame.index), frame], axis=1)
    frame.to_csv(path, index=False) if path.suffix == ".csv" else frame.to_parquet(path)
    return path


def own_prediction(folder, X):
    """What the estimator itself predicts of reflectance at the bands of the model."""
    model = geosoil.load_model(folder).model
    return model.predict_rows(np.asarray(X, np.float32)[:, model.used_columns])[:, 0]


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_predictions_of_spectra_are_those_of_the_model(models, tmp_path, ending):
    X, _ = spectra((30,), seed=5)
    table = write_spectra_table(tmp_path / f"s{ending}", X, id=[f"P{i}" for i in range(30)], soc=np.arange(30.0))
    result = predict_table(table, models / "share", tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv")
    assert written.columns.tolist() == ["sample_id", "share_pct"]
    assert written.sample_id.tolist() == [f"P{i}" for i in range(30)]
    np.testing.assert_allclose(written.share_pct, own_prediction(models / "share", X), atol=2e-3)
    assert (result.n_rows, result.columns[0].n_values, result.columns[0].unit) == (30, 30, "%")
    assert result.columns[0].mean == pytest.approx(written.share_pct.mean(), rel=1e-5)


def test_the_result_does_not_depend_on_the_size_of_the_chunks(models, tmp_path, monkeypatch):
    X, _ = spectra((20,), seed=5)
    table = write_spectra_table(tmp_path / "s.parquet", X, note=[None] * 10 + ["a"] * 10)
    whole = geosoil.load_model(models / "share").predict_table(table, keep=["note"])
    monkeypatch.setattr("geosoil.io.spectra.chunks.iter_spectra.__kwdefaults__", {"rows": 7, **dict.fromkeys(
        ("id_column", "quantity", "scale", "wavelength_unit"))})  # fmt: skip
    result = predict_table(table, models / "share", tmp_path / "out.parquet", keep=["note"])
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), whole, check_dtype=False)
    assert result.n_rows == 20
    predict_table(table, models / "share", tmp_path / "out.csv", keep=["note"])
    written = pd.read_csv(tmp_path / "out.csv", dtype={"sample_id": str})
    assert written.sample_id.tolist() == whole.sample_id.tolist()
    np.testing.assert_allclose(written.share_pct, whole.share_pct, rtol=1e-6)


def test_absorbance_and_percent_are_converted_and_absorbance_in_disguise_is_refused(models, tmp_path):
    X, _ = spectra((30,), seed=5)
    predictor = geosoil.load_model(models / "share")
    expected = predictor.predict_table(write_spectra_table(tmp_path / "r.csv", X)).share_pct
    percent = predictor.predict_table(write_spectra_table(tmp_path / "p.csv", 100 * X), scale=0.01)
    np.testing.assert_allclose(percent.share_pct, expected, atol=1e-3)
    path = write_spectra_table(tmp_path / "a.csv", -np.log10(X))
    absorbance = predictor.predict_table(path, quantity="absorbance")
    np.testing.assert_allclose(absorbance.share_pct, expected, atol=1e-3)
    assert "absorbance was converted to reflectance" in absorbance.attrs["notes"]
    with pytest.raises(UnitsError, match=r"a.csv: found apparent absorbance.*--quantity absorbance"):
        predictor.predict_table(path)


def test_fine_spectra_are_averaged_over_the_bands_of_the_model(models, tmp_path):
    nm = np.arange(350.0, 2501)
    line = 0.1 + (nm - 350) / 10000  # the Gaussian mean of a line is its value at the centre
    ripple = 0.02 * np.sin(2 * np.pi * (nm - 350) / 4)  # disappears in bands of 10 nm, and not between two neighbours
    predictor = geosoil.load_model(models / "share")
    fine = predictor.predict_table(write_spectra_table(tmp_path / "f.csv", [line + ripple, line], nm))
    coarse = predictor.predict_table(write_spectra_table(tmp_path / "c.csv", [np.interp(WAVELENGTH_NM, nm, line)]))
    np.testing.assert_allclose(fine.share_pct, coarse.share_pct.iloc[0], atol=0.02)
    assert any("2151 bands averaged with Gaussian weights" in note for note in fine.attrs["notes"])


def test_wavelengths_that_do_not_cover_the_model_are_named(models, tmp_path):
    X, _ = spectra((3,))
    table = write_spectra_table(tmp_path / "s.csv", X[:, :60], WAVELENGTH_NM[:60])
    with pytest.raises(WavelengthError, match=r"s.csv: found bands from 420 to 1600 nm without \d+ that the model nee"):
        predict_table(table, models / "share", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_rows_that_cannot_be_predicted_stay_empty_and_are_counted(models, tmp_path):
    X, _ = spectra((5,), seed=5)
    X[1, :] = np.nan
    X[4, :] *= 3
    frame = geosoil.load_model(models / "share").predict_table(write_spectra_table(tmp_path / "s.csv", X))
    assert frame.share_pct.isna().tolist() == [False, True, False, False, False]
    assert frame.sample_id.tolist() == ["1", "2", "3", "4", "5"]
    notes = "\n".join(frame.attrs["notes"])
    assert "rows without a prediction: 1 of 5 (1 without a value in a feature of the model)" in notes
    assert "rows outside the training range in at least one of" in notes
    assert ": 1 of 4; " in notes


def test_training_rows_are_inside_the_training_range(models, tmp_path):
    X, _ = spectra((60,), seed=2)
    frame = geosoil.load_model(models / "share").predict_table(write_spectra_table(tmp_path / "s.parquet", X))
    assert not [note for note in frame.attrs["notes"] if "outside the training range" in note]


def test_values_outside_the_valid_range_are_set_to_its_ends_and_counted_over_all_chunks(tmp_path, monkeypatch):
    monkeypatch.setattr("geosoil.mapping.tables.CHUNK_ROWS", 2)
    X = np.array([[-5.0], [5.0], [20.0], [30.0], [6.0]])
    model = PixelModel(line(X, X[:, 0]), (Feature("a"),), (Target("ph", "", (0.0, 14.0)),))
    save_covariate_model(tmp_path / "ph", model)
    pd.DataFrame({"id": list("vwxyz"), "a": X[:, 0]}).to_parquet(tmp_path / "t.parquet")
    frame = geosoil.load_model(tmp_path / "ph").predict_table(tmp_path / "t.parquet")
    np.testing.assert_allclose(frame.ph, [0, 5, 14, 14, 6], atol=1e-5)
    notes = "\n".join(frame.attrs["notes"])
    assert "ph: rows predicted outside the valid range and set to 0: 1 of 5" in notes
    assert "ph: rows predicted outside the valid range and set to 14: 2 of 5" in notes


def line(X, y):
    return PartialLeastSquares(max_components=1).fit(X.astype(np.float32), y)


def covariate_table(path, **columns):
    rows = {
        "id": list("abcd"),
        "slope": [2.0, 3, 4, 5],
        "twi": [6.0, 7, 8, 9],
        "landform": [3, 1, 2, 3],
        "x": 1,
        "y": 2,
    }
    pd.DataFrame(rows | columns).to_csv(path, index=False)
    return path


def test_columns_of_covariates_are_found_by_name_and_classes_by_their_codes(models, tmp_path):
    frame = geosoil.load_model(models / "soc").predict_table(covariate_table(tmp_path / "t.csv"))
    assert frame.columns.tolist() == ["sample_id", "x", "y", "soc_pct"]
    np.testing.assert_allclose(frame.soc_pct, [8, 7, 8, 11], atol=1e-3)  # twi + 2 x (landform is 3)
    assert frame.attrs["units"] == {"soc_pct": "%"}


def test_empty_cells_and_unknown_classes_have_no_prediction(models, tmp_path):
    table = covariate_table(tmp_path / "t.csv", landform=[3, 9, 2, 3], twi=[6.0, 7, None, 9])
    frame = geosoil.load_model(models / "soc").predict_table(table)
    assert frame.soc_pct.isna().tolist() == [False, True, True, False]
    assert (
        "rows without a prediction: 2 of 4 (1 of a class without training samples, "
        "1 without a value in a feature of the model)" in frame.attrs["notes"]
    )


def test_a_cell_that_is_no_number_is_named_by_its_row_in_the_whole_table(models, tmp_path, monkeypatch):
    monkeypatch.setattr("geosoil.mapping.tables.CHUNK_ROWS", 2)
    table = pd.read_csv(covariate_table(tmp_path / "t.csv", twi=["6.0", "7", "8", "n.d."]), dtype={"twi": str})
    table.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(SamplesError, match=r"'n\.d\.' in column twi, row 4 \(d\)"):
        predict_table(tmp_path / "t.parquet", models / "soc", tmp_path / "out.csv")


def test_a_missing_column_is_named_with_the_nearest_name(models, tmp_path):
    covariate_table(tmp_path / "t.csv")
    table = pd.read_csv(tmp_path / "t.csv").rename(columns={"twi": "TWI_m", "landform": "landforms"})
    table.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SamplesError, match=r'column "twi" is missing .*did you mean TWI_m\?'):
        predict_table(tmp_path / "t.csv", models / "soc", tmp_path / "out.csv")
    table.rename(columns={"TWI_m": "twi"}).to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(SamplesError, match=r'column "landform" is missing .*did you mean landforms\?'):
        predict_table(tmp_path / "t.csv", models / "soc", tmp_path / "out.csv")


def points_of(rows, columns, crs=CRS):
    """Points a third of a pixel off the centres of pixels."""
    x = TRANSFORM.c + 30 * (np.asarray(columns) + 0.8)
    y = TRANSFORM.f - 30 * (np.asarray(rows) + 0.2)
    points = gpd.GeoDataFrame({"plot": [f"p{i}" for i in range(len(x))]}, geometry=gpd.points_from_xy(x, y), crs=CRS)
    return points.to_crs(crs)


def test_points_on_a_cube_have_the_values_of_the_map_bit_by_bit(models, tmp_path):
    mask = np.ones((1, 37, 53), "uint8")
    mask[0, 5, 7] = 0
    write_raster(tmp_path / "mask.tif", mask)
    rows, columns = [5, 5, 20, 36, 0, -4], [7, 8, 30, 52, 0, 3]  # (5, 7) is masked, (0, 0) has no data
    points_of(rows, columns, "EPSG:4326").to_file(tmp_path / "p.gpkg")
    options = {"mask": tmp_path / "mask.tif"}
    predict_table(tmp_path / "p.gpkg", models / "share", tmp_path / "o.gpkg", cube=models / "cube.tif", keep=["plot"],
                  id_column="plot", **options)  # fmt: skip
    mapped = map_cube(models / "cube.tif", models / "share", tmp_path / "map.tif", **options)
    written = gpd.read_file(tmp_path / "o.gpkg")
    with rasterio.open(mapped.path) as source:
        values = source.read(1)
    expected = [values[r, c] if r >= 0 else np.nan for r, c in zip(rows, columns, strict=True)]
    np.testing.assert_array_equal(written.share_pct.to_numpy(np.float32), np.float32(expected))
    assert np.isnan(expected).tolist() == [True, False, False, False, True, True]
    assert written.crs.to_epsg() == 4326
    frame = geosoil.load_model(models / "share").predict_table(
        tmp_path / "p.gpkg", cube=models / "cube.tif", mask=tmp_path / "mask.tif"
    )
    assert (
        "rows without a prediction: 3 of 6 (1 outside the cube, 1 left out by the mask, "
        "1 on a pixel without data in a band of the model)" in frame.attrs["notes"]
    )


def test_points_on_covariates_have_the_values_of_the_map(models, tmp_path):
    paths = [models / name for name in ("slope.tif", "twi.tif", "landform.tif")]
    points = points_of([10, 59, 7, 0], [20, 79, 7, 0])
    points.assign(x=points.geometry.x, y=points.geometry.y).drop(columns="geometry").to_csv(
        tmp_path / "p.csv", index=False
    )
    mapped = read(map_covariates(paths, models / "soc", tmp_path / "map.tif").path)[0]
    frame = geosoil.load_model(models / "soc").predict_table(
        tmp_path / "p.csv", covariates=paths, x="x", y="y", crs=CRS, id_column="plot"
    )
    assert frame.columns.tolist() == ["plot", "x", "y", "soc_pct"]
    expected = [mapped[10, 20], mapped[59, 79], np.nan, np.nan]
    np.testing.assert_array_equal(frame.soc_pct.to_numpy(np.float32), np.float32(expected))


def test_ids_and_coordinates_of_points_are_recognised_by_their_names(models, tmp_path):
    paths = [models / name for name in ("slope.tif", "twi.tif", "landform.tif")]
    points = points_of([10, 59], [20, 79], "EPSG:4326").drop(columns="plot").assign(**{"Point ID": ["P7", "P8"]})
    table = points.assign(Latitude=points.geometry.y, Longitude=points.geometry.x).drop(columns="geometry")
    table.to_csv(tmp_path / "p.csv", index=False)
    model = geosoil.load_model(models / "soc")
    frame = model.predict_table(tmp_path / "p.csv", covariates=paths)
    assert frame.columns.tolist() == ["Point ID", "Latitude", "Longitude", "soc_pct"]
    assert frame["Point ID"].tolist() == ["P7", "P8"]
    points.to_file(tmp_path / "p.gpkg")
    expected = model.predict_table(tmp_path / "p.gpkg", covariates=paths).soc_pct
    assert expected.notna().all()
    np.testing.assert_array_equal(frame.soc_pct, expected)


def test_points_of_a_model_of_patches_have_the_values_of_the_map(tmp_path):
    save_covariate_model(tmp_path / "patch", patch_model())
    covariates = write_small(tmp_path / "abc.tif")
    with rasterio.open(covariates) as source:
        height, width = source.shape
        x, y = source.xy([0, 9, height - 1], [0, 11, width - 1])
        gpd.GeoDataFrame(geometry=gpd.points_from_xy(x, y), crs=source.crs).to_file(tmp_path / "p.gpkg")
    mapped = read(map_covariates(covariates, tmp_path / "patch", tmp_path / "map.tif").path)
    frame = geosoil.load_model(tmp_path / "patch").predict_table(tmp_path / "p.gpkg", covariates=covariates)
    predicted = frame[[name for name in frame if name.startswith("soc_")]].to_numpy()
    expected = np.array([mapped[:, 0, 0], mapped[:, 9, 11], mapped[:, -1, -1]])
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(predicted, expected, rtol=1e-4)
    covariate_table(tmp_path / "t.csv")
    with pytest.raises(ModelFileError, match=r"found a model of patches of pixels for the rows of t\.csv"):
        predict_table(tmp_path / "t.csv", tmp_path / "patch", tmp_path / "out.csv")


def test_all_outputs_of_several_models_are_columns_with_units(models, tmp_path):
    X, _ = spectra((12,), seed=3)
    features = tuple(Feature(f"{w:.2f} nm", float(w), FWHM_NM) for w in WAVELENGTH_NM)
    lines = [line(X[:, :1], X[:, 0] * slope) for slope in (1.0, 3.0)]
    members = tuple(PixelModel(line, features[:1], (Target("share_pct", "%"),)) for line in lines)
    save_covariate_model(tmp_path / "pair", Ensemble(members))
    card = json.loads((tmp_path / "pair" / "model.json").read_text()) | {"quantity": "reflectance"}
    (tmp_path / "pair" / "model.json").write_text(json.dumps(card))
    table = write_spectra_table(tmp_path / "s.parquet", X, share_pct=1.0)
    out = tmp_path / "out.parquet"
    predict_table(table, [models / "share", tmp_path / "pair"], out, keep=["share_pct"])
    names = ["share_pct", "share_share_pct", "pair_share_pct", "share_pct spread"]
    assert pd.read_parquet(out).columns.tolist() == ["sample_id", *names]
    np.testing.assert_allclose(pd.read_parquet(out)["pair_share_pct"], 2 * X[:, 0], atol=1e-5)
    np.testing.assert_allclose(pd.read_parquet(out)["share_pct spread"], X[:, 0], atol=1e-5)
    schema = pq.read_schema(out)
    assert [schema.field(name).metadata for name in names[1:]] == [{b"unit": b"%"}] * 3
    assert json.loads(pq.read_metadata(out).metadata[b"geosoil"])["GEOSOIL_MODEL"] == "share; pair"
    predict_table(table, tmp_path / "pair", tmp_path / "one.csv", outputs=["prediction"])
    assert pd.read_csv(tmp_path / "one.csv").columns.tolist() == ["sample_id", "share_pct"]
    predict_table(table, tmp_path / "pair", tmp_path / "one.csv", keep=["all"])
    assert pd.read_csv(tmp_path / "one.csv").columns.tolist() == [
        "sample_id", "share_pct", "share_pct predicted", "share_pct spread",
    ]  # fmt: skip


def test_units_and_origin_of_a_csv_file_are_beside_it(models, tmp_path):
    predict_table(covariate_table(tmp_path / "t.csv"), models / "soc", tmp_path / "out.csv", keep=["slope"])
    stated = json.loads((tmp_path / "out.csv-metadata.json").read_text())
    assert stated["url"] == "out.csv"
    assert {"titles": "soc_pct", "schema:unitText": "%"} in stated["tableSchema"]["columns"]
    assert stated["notes"][0]["GEOSOIL_TABLE"] == "t.csv"
    assert len(stated["notes"][0]["GEOSOIL_MODEL_SHA256"]) == 64


def test_a_formula_in_a_kept_column_becomes_text_and_coordinates_keep_their_digits(models, tmp_path):
    table = covariate_table(tmp_path / "t.csv", id=["=1+1", "b", "c", "d"], x=5812345.2512)
    predict_table(table, models / "soc", tmp_path / "out.csv")
    written = pd.read_csv(tmp_path / "out.csv")
    assert written.sample_id[0] == "'=1+1"
    assert written.x[0] == 5812345.2512


def test_the_input_is_never_overwritten(models, tmp_path):
    table = covariate_table(tmp_path / "t.csv")
    before = table.read_bytes()
    with pytest.raises(GeosoilError, match="is also an input"):
        predict_table(table, models / "soc", table)
    assert table.read_bytes() == before


def test_models_and_options_of_another_kind_of_table_are_refused(models, tmp_path):
    table = covariate_table(tmp_path / "t.csv")
    with pytest.raises(ModelFileError, match="models of spectra and of covariates for one table"):
        predict_table(table, [models / "share", models / "soc"])
    with pytest.raises(SamplesError, match="found the option quantity for a table of columns of covariates"):
        predict_table(table, models / "soc", quantity="absorbance")
