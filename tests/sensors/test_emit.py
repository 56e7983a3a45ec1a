"""EMIT granules: every cell of the map has the planted value of its pixel in the swath, or none."""

import re
import shutil
import zipfile

import h5py
import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from sensors.products.damage import assert_refused, attribute, first_is, replace, without
from sensors.products.emit import (
    FLAGS,
    STEP,
    emit_nm,
    lookup_table,
    planted,
    planted_flags,
    write_emit,
    write_mask,
)
from sensors.products.model import save_product_model
from shared_material import shared

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.io.rasters.chunk_cache import limit_chunk_cache
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube, open_cube_with_masks
from geosoil.sensors.emit import WATER_NM, open_product
from geosoil.sensors.files import ProductFiles

ROWS, COLUMNS = 40, 32
ALL = slice(None)
REAL_MASK = "data/rasters/emit/EMIT_L2A_MASK_001_20220827T060753_9999999_999.nc"
REAL_OBS = "data/rasters/emit/EMIT_L1B_OBS_001_20220827T060753_9999999_999.nc"


def whole_map(path, name="reflectance"):
    """Orthorectify a granule at once, by h5py and numpy alone: `(band, y, x)`."""
    with h5py.File(path) as file:
        cube = file[name][:]
        columns, rows = (np.abs(file[f"location/glt_{axis}"][:]) for axis in "xy")
    inside = (columns != 0) & (rows != 0) & (rows != 2147483647)
    out = np.full((*inside.shape, cube.shape[2]), np.nan, np.float32)
    out[inside] = cube[rows[inside] - 1, columns[inside] - 1]
    out[out == -9999] = np.nan
    return out.transpose(2, 0, 1)


@pytest.fixture(scope="module")
def granule(tmp_path_factory):
    return write_emit(tmp_path_factory.mktemp("emit"), chunks=(16, 10, 57))


def test_every_cell_has_the_planted_value_of_its_pixel(granule):
    cube = open_cube(granule, drop_nm=[], keep=["cloud", "cirrus", "water", "invalid"])
    columns, rows = lookup_table(ROWS, COLUMNS, 25.0)
    good = np.flatnonzero(
        ~np.any([(emit_nm() >= low) & (emit_nm() <= high) for low, high in ((1320, 1440), (1770, 1970))], 0)
    )
    assert cube.shape == (good.size, *rows.shape)
    expected = planted(good[:, None, None], rows - 1, columns - 1)
    expected[:, rows == 0] = np.nan
    np.testing.assert_array_equal(cube.values, expected)
    np.testing.assert_allclose(cube.wavelength_nm, emit_nm()[good])
    assert cube.attrs["units"] == "reflectance" and cube.attrs["sensor"] == "EMIT"
    assert cube.attrs["product_version"] == "V001"
    assert "left out 43 bands marked bad: 1325.4 to 1964.9 nm" in cube.attrs["notes"]


def test_the_place_is_that_of_the_lookup_table_not_of_the_bounds(granule):
    grid = Grid.of(open_cube(granule))
    assert grid.crs.to_epsg() == 4326
    np.testing.assert_allclose(grid.transform[:6], (STEP, 0, 61.64, 0, -STEP, 36.39))


def test_gaps_of_the_swath_and_interpolated_cells_are_understood(tmp_path):
    path = write_emit(tmp_path, mask=False)
    with h5py.File(path, "r+") as file:
        file["reflectance"][10, 10] = -9999
        for axis in "xy":  # as where cells are filled from their neighbours
            table = file[f"location/glt_{axis}"]
            table[20] = -np.abs(table[20])
            table[21, :5] = -2147483647  # never written
    cube = open_cube(path, drop_nm=[])
    expected = whole_map(path)
    assert np.isfinite(expected[:, 20]).any() and np.isnan(expected).sum() > 285
    np.testing.assert_array_equal(cube.sel(band=["381.006 nm"]).values, expected[:1])


@pytest.fixture(scope="module")
def whole(granule):
    return open_product(ProductFiles.of(granule)).raster, whole_map(granule)


@settings(max_examples=40)
@given(st.data())
def test_random_windows_are_those_of_the_whole_array(whole, data):
    raster, expected = whole
    height, width = raster.shape[1:]
    rows = sorted(data.draw(st.lists(st.integers(0, height), min_size=2, max_size=2, unique=True)))
    columns = sorted(data.draw(st.lists(st.integers(0, width), min_size=2, max_size=2, unique=True)))
    bands = data.draw(st.lists(st.integers(0, 284), min_size=1, max_size=6))
    window = raster[bands, slice(*rows), slice(*columns)]
    with limit_chunk_cache(data.draw(st.sampled_from([0, 20_000, 10**8]))):
        np.testing.assert_array_equal(window.values, expected[bands, slice(*rows), slice(*columns)])


def test_a_window_reads_only_the_chunks_of_its_bands_and_pixels(tmp_path, monkeypatch):
    from geosoil.io.rasters import hdf5

    path = write_emit(tmp_path, rows=64, columns=64, angle_deg=0, chunks=(16, 16, 57), mask=False)
    decoded = []
    inner = hdf5._decode
    monkeypatch.setattr(hdf5, "_decode", lambda *call: decoded.append((call[0].name, call[1])) or inner(*call))
    raster = open_product(ProductFiles.of(path)).raster
    assert not decoded
    raster[[60, 100, 280], 18:30, 33:47].load()
    places = [(place["y"], place["x"], place["b"]) for name, place in decoded if name == "reflectance"]
    assert sorted(places) == [(1, 2, 1), (1, 2, 4)]


def test_the_masks_beside_it_leave_out_pixels_by_name(granule):
    opened = open_cube_with_masks(granule)
    columns, rows = lookup_table(ROWS, COLUMNS, 25.0)
    flags = planted_flags(ROWS, COLUMNS)[rows - 1, columns - 1]
    flags[rows == 0] = 0
    expected = {
        "cloud": flags[..., [0, 4]].any(-1),
        "cirrus": flags[..., 1] > 0,
        "water": flags[..., 2] > 0,
        "invalid": (flags[..., 3] > 0) | ((flags[..., 7] > 0) & ~flags[..., [0, 2, 4]].any(-1)),
    }
    assert {layer.name for layer in opened.masks} == set(expected)
    for layer in opened.masks:
        np.testing.assert_array_equal(layer.excludes(ALL, ALL), expected[layer.name], err_msg=layer.name)
        assert expected[layer.name].any()
    left_out = np.logical_or.reduce(list(expected.values()))
    np.testing.assert_array_equal(np.isnan(opened.raster[5].values), left_out | (rows == 0))
    watery = open_cube(granule, keep=["water"])[5].values
    np.testing.assert_array_equal(np.isnan(watery), (left_out & ~expected["water"]) | (rows == 0))


def test_the_mask_of_another_scene_is_not_taken_and_its_absence_is_stated(tmp_path):
    path = write_emit(tmp_path, mask=False)
    write_mask(tmp_path, name="EMIT_L2A_MASK_001_20230101T000000_2300101_007.nc")
    opened = open_cube_with_masks(path)
    assert not opened.masks
    assert "no MASK file beside it: clouds and water are not left out" in opened.raster.attrs["notes"]


def test_a_folder_and_a_stored_zip_are_the_same_granule(granule, tmp_path):
    expected = open_cube(granule)
    with zipfile.ZipFile(tmp_path / "granule.zip", "w", zipfile.ZIP_STORED) as archive:
        for path in granule.parent.iterdir():
            archive.write(path, f"granule/{path.name}")
    for place in (granule.parent, tmp_path / "granule.zip"):
        cube = open_cube(place)
        np.testing.assert_array_equal(cube[:3].values, expected[:3].values)


def test_radiance_has_its_unit_and_needs_no_good_wavelengths(tmp_path):
    path = write_emit(tmp_path, name="EMIT_L1B_RAD_001_20220815T042838_2222703_003.nc", mask=False)
    with h5py.File(path, "r+") as file:
        file.move("reflectance", "radiance")
        del file["sensor_band_parameters/good_wavelengths"]
    cube = open_cube(path, drop_nm=[])
    assert cube.sizes["band"] == 285 and cube.attrs["units"] == "uW cm-2 sr-1 nm-1"


def test_a_map_is_the_prediction_of_the_model_whatever_the_blocks(granule, tmp_path, geosoil):
    chosen = np.array([20, 60, 110, 180, 260])
    model = save_product_model(tmp_path / "clay", emit_nm()[chosen])
    cube = open_cube(granule, drop_nm=[])
    bands = [int(np.abs(cube.wavelength_nm.values - nm).argmin()) for nm in emit_nm()[chosen]]
    rows = cube[bands].values.reshape(len(bands), -1).T
    expected = np.full(len(rows), np.nan, np.float32)
    valid = np.isfinite(rows).all(1)
    expected[valid] = model.predict_rows(rows[valid])[:, 0]
    maps = []
    for block in (16, 37, 512):
        done = geosoil(
            "map", "--cube", granule, "--model", tmp_path / "clay", "--block", block, "-o", tmp_path / f"{block}.tif"
        )
        assert done.code == 0, done.err
        with rasterio.open(tmp_path / f"{block}.tif") as made:
            maps.append(made.read(1, masked=True).filled(np.nan))
            assert made.crs.to_epsg() == 4326
    np.testing.assert_allclose(maps[0].ravel(), expected, rtol=1e-5)
    assert 0.3 < valid.mean() < 0.9
    assert all(np.array_equal(other, maps[0], equal_nan=True) for other in maps[1:])


BANDS = "sensor_band_parameters"
MALFORMED = {
    "no wavelengths": (without(f"{BANDS}/wavelengths"), WavelengthError, "wavelengths is missing; expected"),
    "NaN wavelength": (replace(f"{BANDS}/wavelengths", first_is(np.nan)), WavelengthError, "nan for band 1 in wave"),
    "micrometres": (replace(f"{BANDS}/wavelengths", lambda old: old / 1000), WavelengthError, "0.381006 for band 1"),
    "too few": (replace(f"{BANDS}/wavelengths", lambda old: old[1:]), WavelengthError, "284 values of wavelengths"),
    "negative width": (replace(f"{BANDS}/fwhm", first_is(-3)), WavelengthError, "-3 for band 1 in fwhm"),
    "good of 3": (replace(f"{BANDS}/good_wavelengths", first_is(3)), WavelengthError, "expected 1 or 0 for each"),
    "none good": (replace(f"{BANDS}/good_wavelengths", lambda old: old * 0), WavelengthError, "bands that are good"),
    "no table": (without("location/glt_y"), RasterError, "location/glt_y is missing; expected the whole product"),
    "two shapes": (replace("location/glt_y", lambda old: old[1:]), GridError, "a lookup table of .* one shape"),
    "table of text": (replace("location/glt_y", np.array([[b"a"]])), RasterError, "glt_y of type .*; expected whole"),
    "no geotransform": (attribute("geotransform"), GridError, "no geotransform; expected six finite numbers"),
    "swapped bounds": (attribute("geotransform", np.array([61.0, 0, 0, 36.0, 0, 0])), GridError, "geotransform .61"),
    "no CRS": (attribute("spatial_ref"), GridError, "no spatial_ref; expected the WKT"),
    "bad CRS": (attribute("spatial_ref", "GEOGCS[nothing"), GridError, "as spatial_ref; expected the WKT"),
    "two axes": (replace("reflectance", lambda old: old[0]), RasterError, "of shape 32 x 285; expected 3 axes"),
    "bands first": (replace("reflectance", lambda old: old.transpose(2, 0, 1)), WavelengthError, "285 val.* 32 bands"),
    "no cube": (without("reflectance"), RasterError, "no cube; expected reflectance; give the file EMIT_L2A_RFL"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_granule_is_one_line(granule, tmp_path, name):
    assert_refused(granule, tmp_path, *MALFORMED[name])


def test_a_truncated_granule_is_one_line(granule, tmp_path):
    path = tmp_path / granule.name
    path.write_bytes(granule.read_bytes()[:100_000])
    with pytest.raises(RasterError, match=r"not a readable HDF5 file .*; expected a complete file"):
        open_cube(path)


def test_a_table_that_points_outside_the_swath_is_one_line(granule, tmp_path, geosoil):
    path = shutil.copy(granule, tmp_path)
    with h5py.File(path, "r+") as file:
        file["location/glt_y"][30, 20] = 41
    save_product_model(tmp_path / "clay", emit_nm()[[20, 60, 110]])
    done = geosoil("map", "--cube", path, "--model", tmp_path / "clay", "-o", tmp_path / "map.tif")
    assert done.code == 2 and "found row 41, column" in done.err and not (tmp_path / "map.tif").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("mask"), "mask is missing; expected the whole product"),
        (without(f"{BANDS}/mask_bands"), "0 names of mask bands; expected one for each of 8"),
        (replace("mask", lambda old: old[:-1]), "a swath of 39 x 32 pixels; expected 40 x 32, as the reflectance"),
        (replace("mask", lambda old: old[..., 0]), "mask of shape 40 x 32; expected 3 axes"),
        (
            replace(f"{BANDS}/mask_bands", np.array([b"a"] * 7)),
            "7 names of mask bands; expected one for each of 8",
        ),
    ],
)
def test_a_malformed_mask_file_is_one_line_and_never_ignored(granule, tmp_path, change, message):
    path = shutil.copy(granule, tmp_path)
    mask = write_mask(tmp_path)
    with h5py.File(mask, "r+") as file:
        change(file)
    with pytest.raises((RasterError, GridError), match=rf"{re.escape(str(mask))}: .*{message}"):
        open_cube(path)


def test_a_mask_file_without_a_flag_still_has_the_others(granule, tmp_path):
    path = shutil.copy(granule, tmp_path)
    with h5py.File(write_mask(tmp_path), "r+") as file:
        names = [name if name != FLAGS[2] else "Something new" for name in file[f"{BANDS}/mask_bands"].asstr()[:]]
        replace(f"{BANDS}/mask_bands", np.array(names, "S"))(file)
    opened = open_cube_with_masks(path)
    assert {layer.name for layer in opened.masks} == {"cloud", "cirrus", "invalid"}
    assert "the MASK file has no water flag" in opened.raster.attrs["notes"]


@pytest.mark.parametrize(
    ("file", "what"),
    [(REAL_MASK, "found the masks of a granule"), (REAL_OBS, "found the observation geometry of a granule")],
)
def test_a_real_file_that_is_not_a_cube_is_named(file, what):
    with pytest.raises(RasterError, match=f"{what}; expected reflectance; give the file EMIT_L2A_RFL"):
        open_cube(shared(file))


def test_the_masks_of_a_real_file_are_those_of_its_whole_arrays(tmp_path):
    """The reflectance beside the real MASK file is generated; swath and lookup table are the real ones."""
    real = shared(REAL_MASK)
    shutil.copy(real, tmp_path)
    path = write_emit(tmp_path, rows=200, columns=200, count=5, mask=False,
                      name=real.name.replace("MASK", "RFL"))  # fmt: skip
    with h5py.File(real) as source, h5py.File(path, "r+") as file:
        for axis in "xy":
            del file[f"location/glt_{axis}"]
            source.copy(f"location/glt_{axis}", file["location"])
        for name in ("geotransform", "spatial_ref"):
            file.attrs[name] = source.attrs[name]
        del file[f"{BANDS}/good_wavelengths"]
    opened = open_cube_with_masks(path, drop_nm=[])
    flags = whole_map(real, "mask")
    counts = {layer.name: int(layer.excludes(ALL, ALL).sum()) for layer in opened.masks}
    assert counts == {"cloud": 0, "cirrus": 0, "water": 0, "invalid": int(np.nansum(flags[7] > 0))}
    assert counts["invalid"] > 0
    np.testing.assert_array_equal(np.isnan(opened.raster[2].values), np.isnan(flags[0]) | (flags[7] > 0))
    np.testing.assert_array_equal(open_cube(path, drop_nm=[], keep=["invalid"]).values, whole_map(path))
    assert "the file does not mark good wavelengths" in opened.raster.attrs["notes"]


def test_the_windows_of_water_cover_the_bands_that_the_products_mark(granule):
    marked = emit_nm()[~open_product(ProductFiles.of(granule)).good]
    assert all(any(low <= nm <= high for low, high in WATER_NM) for nm in marked)
