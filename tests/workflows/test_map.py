"""A map on disk: the grid of the cube, statistics, unit, provenance, style and quicklook, or nothing at all."""

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_cube import WAVELENGTH_NM, save_trained_model, spectra, trained_model, write_cube
from written_rasters import corrupt_block, write_raster

from geosoil.errors import GeosoilError, ModelFileError, OutputError, RasterError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.mapping import inputs
from geosoil.mapping.run import RunOptions
from geosoil.models.card import TrainingCard
from geosoil.models.compose import Cascade, Ensemble
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.models.store import load_model, model_sha256, save_model
from geosoil.sensors.cube import open_cube
from geosoil.spectra.bare_soil import BareSoil
from geosoil.workflows.map import map_cube, prepare_cube

pytestmark = pytest.mark.usefixtures("without_pictures")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("maps")
    save_trained_model(folder / "share")
    write_cube(folder / "cube.tif", shape=(103, 151), tiled=True, blockxsize=64, blockysize=64)
    return folder


@pytest.fixture(scope="module")
def result(folder):
    return map_cube(folder / "cube.tif", folder / "share", folder / "map.tif", threads=2)


def test_a_map_on_disk_is_what_predict_gives_for_every_pixel(folder, result):
    model = load_model(folder / "share")
    rows = open_cube(folder / "cube.tif").values[model.used_columns].reshape(len(model.used_columns), -1).T
    valid = np.isfinite(rows).all(axis=1)
    expected = np.full(len(rows), np.nan)
    expected[valid] = model.predict_rows(rows[valid])[:, 0]
    with rasterio.open(result.path) as source:
        np.testing.assert_allclose(source.read(1).ravel(), expected, atol=1e-4 * np.nanstd(expected))


def test_the_grid_of_the_file_is_the_grid_of_the_cube(folder, result):
    with rasterio.open(folder / "cube.tif") as cube, rasterio.open(result.path) as source:
        assert (source.shape, source.transform, source.crs) == (cube.shape, cube.transform, cube.crs)


def test_the_file_is_a_valid_cog_with_name_unit_nodata_and_exact_statistics(result):
    assert cog_validate(str(result.path), strict=True, quiet=True)[0]
    with rasterio.open(result.path) as source:
        values = source.read(1)
        assert source.descriptions == ("share_pct",)
        assert source.units == ("%",)
        assert np.isnan(source.nodata)
        tags = source.tags(1)
    valid = np.float64(values[np.isfinite(values)])
    assert float(tags["STATISTICS_MINIMUM"]) == valid.min()
    assert float(tags["STATISTICS_MEAN"]) == pytest.approx(valid.mean(), rel=1e-12)
    assert float(tags["STATISTICS_STDDEV"]) == pytest.approx(valid.std(), rel=1e-9)


def test_the_file_tells_where_it_comes_from(folder, result):
    with rasterio.open(result.path) as source:
        tags = source.tags()
    assert tags["GEOSOIL_MODEL"] == "share"
    assert tags["GEOSOIL_MODEL_SHA256"] == model_sha256(folder / "share")
    assert tags["GEOSOIL_CUBE"] == "cube.tif"
    assert not any(str(folder) in value for value in tags.values())


def test_style_and_quicklook_stand_beside_the_map_and_no_other_file(result):
    assert result.style.name == "map.qml"
    assert result.quicklook.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    beside = {path.name for path in result.path.parent.iterdir() if path.stem.startswith("map") or path.name[0] == "."}
    assert beside == {"map.tif", "map.qml", "map.qmd", "map.png"}


def test_thresholds_of_bare_soil_are_stated_in_the_file(folder):
    result = map_cube(folder / "cube.tif", folder / "share", folder / "bare.tif", bare_soil=BareSoil(ndvi_max=0.3))
    with rasterio.open(result.path) as source:
        assert source.tags()["GEOSOIL_BARE_SOIL"].startswith("NDVI <= 0.3, NBR2 <= ")


def test_pixels_set_to_the_end_of_the_valid_range_are_counted(folder, tmp_path):
    save_trained_model(tmp_path / "narrow", valid_range=(30.0, 60.0))
    result = map_cube(folder / "cube.tif", tmp_path / "narrow", tmp_path / "m.tif")
    with rasterio.open(result.path) as source:
        at_low, at_high = (int((source.read(1) == end).sum()) for end in (30, 60))
        tags = source.tags()
    assert at_low + at_high > 1000
    text = f"{at_low} pixels were predicted below 30 and {at_high} pixels were predicted above 60"
    assert text in result.notes[-1]
    assert text in tags["GEOSOIL_CLIPPED"]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("block", [13, 64, 1000])
def test_the_pixels_never_depend_on_block_or_threads(folder, result, tmp_path, block, threads):
    other = map_cube(folder / "cube.tif", folder / "share", tmp_path / "m.tif", block=block, threads=threads)
    with rasterio.open(other.path) as a, rasterio.open(result.path) as b:
        np.testing.assert_array_equal(a.read(), b.read())


def test_an_additive_offset_beside_the_scale_gives_the_same_map(folder, result, tmp_path):
    with rasterio.open(folder / "cube.tif") as cube:
        values, valid = cube.read(), cube.read() != -9999
    shifted = np.where(valid, values + 1000, -9999).astype(np.int16)
    write_cube(tmp_path / "c.tif", values=shifted, shape=(103, 151), scales=(1.0,) * 100)
    made = map_cube(tmp_path / "c.tif", folder / "share", tmp_path / "m.tif", scale=1e-4, offset=-0.1)
    with rasterio.open(made.path) as a, rasterio.open(result.path) as b:
        np.testing.assert_allclose(a.read(), b.read(), atol=1e-3)
        assert (a.tags()["GEOSOIL_SCALE"], a.tags()["GEOSOIL_OFFSET"]) == ("0.0001", "-0.1")


def test_the_model_folder_and_the_cube_are_opened_once(folder, tmp_path, monkeypatch):
    calls = []
    for name in ("open_cube_with_masks", "read_card", "find_model"):
        work = getattr(inputs, name)
        monkeypatch.setattr(inputs, name, lambda *a, work=work, name=name, **k: (calls.append(name), work(*a, **k))[1])
    map_cube(folder / "cube.tif", folder / "share", tmp_path / "m.tif", threads=1)
    assert sorted(calls) == ["find_model", "open_cube_with_masks", "read_card"]


def test_the_device_is_the_same_in_python_and_on_the_command_line():
    assert RunOptions().device == "auto"


def left_behind(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_corrupt_tile_names_its_window_and_leaves_nothing(folder, tmp_path):
    write_cube(tmp_path / "c.tif", shape=(128, 128), tiled=True, blockxsize=64, blockysize=64, compress="deflate",
               interleave="pixel")  # fmt: skip
    corrupt_block(tmp_path / "c.tif", band=1, row=1, column=0)
    (tmp_path / "out").mkdir()
    with pytest.raises(RasterError, match=r"c\.tif.*row"):
        map_cube(tmp_path / "c.tif", folder / "share", tmp_path / "out" / "m.tif")
    assert left_behind(tmp_path / "out") == []


def test_a_map_of_nothing_is_an_error_and_leaves_nothing(folder, tmp_path):
    write_cube(tmp_path / "c.tif", values=np.full((100, 4, 4), -9999, np.int16), shape=(4, 4))
    (tmp_path / "out").mkdir()
    with pytest.raises(RasterError, match=r"c\.tif: found no pixel with data in all bands .*--nodata"):
        map_cube(tmp_path / "c.tif", folder / "share", tmp_path / "out" / "m.tif")
    assert left_behind(tmp_path / "out") == []


def test_undeclared_background_is_no_data_and_a_warning_in_the_result_and_the_tags(folder, tmp_path):
    with rasterio.open(folder / "cube.tif") as cube:
        values = cube.read()[:, :20, :30]
    values[:, 8:12] = 0
    write_cube(tmp_path / "c.tif", values=values, shape=(20, 30))
    result = map_cube(tmp_path / "c.tif", folder / "share", tmp_path / "m.tif", block=7)
    [warning] = [warning for warning in result.warnings if "--nodata" in warning]
    assert warning.startswith("120 pixels have one and the same value in all bands")
    with rasterio.open(result.path) as source:
        assert np.isnan(source.read(1)[8:12]).all()
        assert warning in source.tags()["GEOSOIL_WARNINGS"]


def test_many_values_at_a_limit_are_a_warning_with_advice(folder, tmp_path):
    save_trained_model(tmp_path / "narrow", valid_range=(30.0, 60.0))
    result = map_cube(folder / "cube.tif", tmp_path / "narrow", tmp_path / "m.tif")
    assert any("set to a limit of the valid range" in line and "logarithm" in line for line in result.warnings)
    plain = map_cube(folder / "cube.tif", folder / "share", tmp_path / "p.tif")
    assert not any("set to a limit" in line for line in plain.warnings)


def test_a_model_of_laboratory_spectra_on_a_cube_is_a_warning(folder, tmp_path):
    training = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-", laboratory=True)
    save_model(trained_model(), tmp_path / "lab", name="lab", study="test", preprocessing=[], training=training)
    prepared = prepare_cube(folder / "cube.tif", tmp_path / "lab", tmp_path / "m.tif")
    assert prepared.warnings[0].startswith("lab was trained on spectra of a table, as of a laboratory")
    assert not any("laboratory" in line for line in prepare_cube(folder / "cube.tif", folder / "share").warnings)


@pytest.mark.parametrize(
    ("output", "error"),
    [("nowhere/m.tif", OutputError), ("file/m.tif", OutputError), ("m.jpg", OutputError)],
)
def test_an_output_that_cannot_be_written_is_refused(folder, tmp_path, output, error):
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(error):
        map_cube(folder / "cube.tif", folder / "share", tmp_path / output)
    assert left_behind(tmp_path) == ["file"]


def test_a_folder_that_is_no_model_and_a_file_that_is_no_raster_are_refused(folder, tmp_path):
    with pytest.raises(ModelFileError):
        map_cube(folder / "cube.tif", tmp_path, tmp_path / "m.tif")
    (tmp_path / "c.tif").write_text("not a raster")
    with pytest.raises(GeosoilError, match=r"c\.tif"):
        map_cube(tmp_path / "c.tif", folder / "share", tmp_path / "m.tif")


def test_a_mask_of_another_grid_is_refused(folder, tmp_path):
    write_raster(tmp_path / "mask.tif", np.ones((1, 5, 5), np.uint8))
    with pytest.raises(GeosoilError, match=r"mask\.tif"):
        map_cube(folder / "cube.tif", folder / "share", tmp_path / "m.tif", mask=tmp_path / "mask.tif")


def test_a_map_and_its_quicklook_overwrite_no_input(folder, tmp_path):
    cube = write_cube(tmp_path / "soil.png", driver="GTiff")
    before = cube.read_bytes()
    for name in ("soil.png.tif", "soil.tif"):
        (tmp_path / "soil.png.tif").unlink(missing_ok=True)
        (tmp_path / "soil.png.tif").symlink_to("soil.png")
        with pytest.raises(OutputError, match="is also an input"):
            map_cube(cube, folder / "share", tmp_path / name)
    assert cube.read_bytes() == before


def test_the_default_outputs_are_the_predictions(folder, result):
    asked = map_cube(folder / "cube.tif", folder / "share", folder / "asked.tif", outputs=["prediction"])
    with rasterio.open(result.path) as default, rasterio.open(asked.path) as source:
        np.testing.assert_array_equal(source.read(), default.read())
        assert source.tags()["GEOSOIL_IDENTITY"] == default.tags()["GEOSOIL_IDENTITY"]


def ensemble_of_spectra():
    net = trained_model(make_pipeline(StandardScaler(), PartialLeastSquares(max_components=2)))
    return Ensemble((trained_model(), net))


def cascade_of_spectra():
    first = trained_model()
    X, share = spectra((60,), seed=2)
    names = (*first.training_columns[40:45], Feature("share_pct", training_low=0.0, training_high=100.0))
    columns = np.column_stack([X[:, 40:45], 100 * share]).astype(np.float32)
    second = PixelModel(
        make_pipeline(StandardScaler(), PartialLeastSquares(max_components=2)).fit(columns, 2 + share),
        names,
        (Target("ph", "1"),),
    )
    return Cascade(first, second)


@pytest.mark.parametrize("make", [ensemble_of_spectra, cascade_of_spectra])
@pytest.mark.parametrize("shift_nm", [0.0, 7.0])
def test_a_cube_is_mapped_by_a_model_of_spectral_models(tmp_path, make, shift_nm):
    model = make()
    training = TrainingCard(n_samples=60, recipe_sha256="-", table_sha256="-")
    save_model(model, tmp_path / "m", name="m", study="test", preprocessing=[], training=training)
    waves = np.append(WAVELENGTH_NM - shift_nm, 2405.0)
    values = np.rint(spectra((9, 12))[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    write_cube(tmp_path / "cube.tif", wavelength_nm=waves, values=np.concatenate([values, values[-1:]]))
    result = map_cube(tmp_path / "cube.tif", tmp_path / "m", tmp_path / "map.tif", block=5)
    cube = open_cube(tmp_path / "cube.tif")
    rows = cube.values.reshape(len(waves), -1).T
    valid = np.isfinite(rows).all(axis=1)
    bands = [[np.interp(f.wavelength_nm, waves, row) for f in model.features] for row in rows[valid]]
    expected = model.predict_rows(np.array(bands, np.float32))[:, 0]
    with rasterio.open(result.path) as source:
        assert source.descriptions == (model.targets[0].name,)
        np.testing.assert_allclose(source.read(1).ravel()[valid], expected, atol=1e-3 * expected.std())
