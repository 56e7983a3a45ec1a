"""A map is what the model predicts, pixel by pixel, and never depends on how it was cut."""

import pickle

import dask
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from small_cube import WAVELENGTH_NM, spectra, trained_model, write_cube
from written_rasters import TRANSFORM, write_raster

from geosoil.errors import GridError, RecipeError, WavelengthError
from geosoil.estimators.forest import Forest
from geosoil.io.rasters.reader import open_raster
from geosoil.mapping.job import map_model, prepare_map
from geosoil.mapping.match import match_bands
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster
from geosoil.sensors.cube import open_cube
from geosoil.spectra.bare_soil import BareSoil


@pytest.fixture(scope="module")
def model():
    return trained_model()


def mapped(model, cube, **options):
    match = match_bands(model, cube)
    return map_model(match.model, cube, bands=match.bands, **options)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_a_map_is_what_predict_gives_for_every_pixel(tmp_path, model, interleave):
    cube = open_cube(write_cube(tmp_path / "c.tif", interleave=interleave))
    values = mapped(model, cube).values[0]
    rows = cube.values[model.used_columns].reshape(len(model.used_columns), -1).T
    expected = np.full(len(rows), np.nan)
    valid = np.isfinite(rows).all(axis=1)
    expected[valid] = model.predict_rows(rows[valid])[:, 0]
    np.testing.assert_allclose(values.ravel(), expected, atol=1e-4 * np.nanstd(expected))
    assert np.isnan(values[0, 0])


def test_a_map_by_a_model_that_cannot_be_lowered_is_what_predict_gives(tmp_path):
    model = trained_model(make_pipeline(Forest(n_trees=5)))
    cube = open_cube(write_cube(tmp_path / "c.tif"))
    values = mapped(model, cube).values[0]
    rows = cube.values.reshape(len(WAVELENGTH_NM), -1).T
    valid = np.isfinite(rows).all(axis=1)
    np.testing.assert_allclose(values.ravel()[valid], model.predict_rows(rows[valid])[:, 0], rtol=1e-6)
    assert np.isnan(values.ravel()[~valid]).all()


@pytest.mark.parametrize("scheduler", ["sync", "threads"])
@pytest.mark.parametrize("block", [1, 7, 16, 50, 4000])
def test_the_map_never_depends_on_the_block_size_or_the_scheduler(tmp_path, model, block, scheduler):
    cube = open_cube(write_cube(tmp_path / "c.tif", shape=(23, 31), tiled=True, blockxsize=16, blockysize=16))
    whole = mapped(model, cube, block=4000).values
    with dask.config.set(scheduler=scheduler):
        np.testing.assert_array_equal(mapped(model, cube, block=block).values, whole)


def test_the_map_never_depends_on_where_a_pixel_stands(tmp_path, model):
    values = np.rint(spectra((6, 8))[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    cube = open_cube(write_cube(tmp_path / "a.tif", values=values, shape=(6, 8)))
    mosaic = np.tile(values, (1, 3, 3))
    bright = mosaic.copy()
    bright[:, :6, :8] = 20_000  # a neighbour that is much brighter changes nothing (no scaling by tile)
    other = open_cube(write_cube(tmp_path / "b.tif", values=bright, shape=(18, 24)))
    # Rows from the fourth on: those before hold the no data of `write_cube`, here and there at other places.
    np.testing.assert_array_equal(mapped(model, other).values[0, 16:, 16:], mapped(model, cube).values[0, 4:])


@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (103, 151)])
def test_the_grid_of_the_map_is_the_grid_of_the_cube(tmp_path, model, shape):
    cube = open_cube(write_cube(tmp_path / "c.tif", shape=shape))
    lazy = mapped(model, cube)
    assert Grid.of(lazy) == Grid.of(cube)
    assert lazy.dtype == lazy.values.dtype == np.float32


def test_a_block_with_no_and_with_one_valid_pixel_is_mapped(tmp_path, model):
    values = np.full((100, 4, 8), -9999, np.int16)
    values[:, 2, 6] = np.rint(spectra((1,))[0][0] * 1e4)
    cube = open_cube(write_cube(tmp_path / "c.tif", values=values, shape=(4, 8)))
    out = mapped(model, cube, block=4).values[0]
    assert np.isfinite(out).sum() == 1
    assert np.isfinite(out[2, 6])


def test_permuted_bands_give_the_same_map(tmp_path, model):
    values = np.rint(spectra((9, 9))[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    straight = open_cube(write_cube(tmp_path / "a.tif", values=values, shape=(9, 9)))
    order = np.random.default_rng(0).permutation(100)
    # The pixel with one bad band in write_cube is another band here: leave its row out.
    mixed = open_cube(
        write_cube(tmp_path / "b.tif", values=values[order], shape=(9, 9), wavelength_nm=WAVELENGTH_NM[order])
    )
    np.testing.assert_array_equal(mapped(model, mixed).values[0][4:], mapped(model, straight).values[0][4:])


def test_a_mask_leaves_out_zero_and_no_data(tmp_path, model):
    cube = open_cube(write_cube(tmp_path / "c.tif", shape=(6, 7)))
    keep = np.ones((1, 6, 7), np.uint8)
    keep[0, 4], keep[0, 5, 0] = 0, 255
    mask = open_raster(write_raster(tmp_path / "m.tif", keep, nodata=255))
    plain, masked = mapped(model, cube).values[0], mapped(model, cube, mask=mask).values[0]
    assert np.isnan(masked[4]).all()
    assert np.isnan(masked[5, 0])
    np.testing.assert_array_equal(masked[:4], plain[:4])
    np.testing.assert_array_equal(masked[5, 1:], plain[5, 1:])


def test_a_mask_on_another_grid_is_refused(tmp_path, model):
    cube = open_cube(write_cube(tmp_path / "c.tif", shape=(6, 7)))
    mask = open_raster(write_raster(tmp_path / "m.tif", np.ones((1, 6, 8), np.uint8)))
    with pytest.raises(GridError, match=r"m\.tif: found shape 6 x 8; expected shape 6 x 7 as in the cube"):
        mapped(model, cube, mask=mask)


def test_bare_soil_leaves_out_plants_residue_and_water_and_keeps_the_values_of_soil(tmp_path, model):
    values = np.rint(spectra((6, 7))[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    plant = np.interp(WAVELENGTH_NM, [420, 550, 680, 760, 1300, 1650, 2200, 2400], [3, 9, 4, 45, 45, 25, 12, 8]) * 100
    straw = (
        np.interp(WAVELENGTH_NM, [420, 550, 680, 760, 1300, 1650, 2200, 2400], [5, 10, 15, 20, 30, 40, 15, 15]) * 100
    )
    values[:, 3], values[:, 4] = straw[:, None], plant[:, None]
    values[:, 5] = 200
    cube = open_cube(write_cube(tmp_path / "c.tif", values=values, shape=(6, 7)))
    plain, bare = mapped(model, cube).values[0], mapped(model, cube, bare_soil=BareSoil()).values[0]
    assert np.isnan(bare[3:]).all()
    np.testing.assert_array_equal(bare[:3], plain[:3])


def test_bare_soil_needs_bands_near_those_it_compares():
    wavelength_nm = [665.0, 865.0, 1610.0, 2240.0]
    cube = make_raster(
        np.ones((4, 1, 1), "float32"), names=list("abcd"), crs=None, transform=TRANSFORM, wavelength_nm=wavelength_nm
    )
    with pytest.raises(WavelengthError, match="no band within 30 nm of 2200 nm"):
        BareSoil().bands(cube)


@pytest.mark.parametrize("threshold", [{"ndvi_max": float("nan")}, {"nbr2_max": 30.0}, {"reflectance_min": 5.0}])
def test_a_threshold_of_bare_soil_that_means_nothing_is_refused(threshold):
    with pytest.raises(RecipeError, match=f"{next(iter(threshold))} .*; expected -1 to 1"):
        BareSoil(**threshold)


def test_predictions_outside_the_valid_range_are_set_to_its_end(tmp_path, model):
    cube = open_cube(write_cube(tmp_path / "c.tif", shape=(9, 9)))
    values = mapped(model, cube).values
    assert np.nanmin(values) >= 0
    assert np.nanmax(values) <= 100


def test_the_model_is_not_shipped_with_every_task(tmp_path, model):
    cube = open_cube(write_cube(tmp_path / "c.tif"))
    graph = dict(mapped(model, cube, block=8).__dask_graph__())
    tasks = [len(pickle.dumps(task)) for key, task in graph.items() if isinstance(key, tuple)]
    assert len(tasks) > 20
    assert max(tasks) < 100_000


def test_three_black_pixels_are_counted_and_a_masked_one_never_reaches_the_model(tmp_path):
    from sklearn.cross_decomposition import PLSRegression

    from geosoil.spectra.scatter import SNV

    values = np.rint(spectra((9, 9))[0] * 1e4).astype(np.int16).transpose(2, 0, 1)
    values[:, [4, 5, 8], [1, 6, 8]] = 0
    model = trained_model(make_pipeline(SNV(), PLSRegression(3)))
    cube = open_cube(write_cube(tmp_path / "c.tif", values=values, shape=(9, 9)))
    match = match_bands(model, cube)
    job = prepare_map(match.model, cube, bands=match.bands)
    clipped = np.zeros((1, 5), np.int64)
    found = job.predict(cube.values.copy(), clipped=clipped)[0]
    black = np.zeros((9, 9), bool)
    black[[4, 5, 8], [1, 6, 8]] = True
    without_data = np.isnan(cube.values).any(axis=0)
    assert without_data.sum() == 2
    np.testing.assert_array_equal(np.isnan(found), black | without_data)
    assert clipped[0, 3] == 3
    rows = cube.values[:, ~(black | without_data)].T.astype(np.float64)
    expected = np.clip(model.estimator.predict(rows), 0, 100)
    np.testing.assert_allclose(found[~(black | without_data)], expected, atol=1e-5 * expected.std())

    seen = []
    pipeline = make_pipeline(SNV(), PLSRegression(3))
    watched = trained_model(pipeline)
    inner = pipeline.predict
    pipeline.predict = lambda X: (seen.append(np.array(X)), inner(X))[1]
    mask = np.ones((1, 9, 9), np.uint8)
    mask[0, 4], mask[0, 5, 6] = 0, 0
    opened = open_raster(write_raster(tmp_path / "m.tif", mask))
    masked = mapped(watched, cube, mask=opened).values[0]
    assert np.isnan(masked[4]).all() and np.isfinite(masked[5, 0])
    left_out = cube.values[:, 4, 3]
    assert not any((np.abs(X - left_out) < 1e-9).all(axis=1).any() for X in seen)
