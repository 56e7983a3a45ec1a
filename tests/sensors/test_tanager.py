"""Tanager-1: each of the four variants has its planted values, unit, place and masks; what does not fit is one line."""

import re
import shutil

import h5py
import numpy as np
import pytest
import rasterio
from sensors.products.damage import assert_refused, attribute, replace, without
from sensors.products.model import save_product_model
from sensors.products.tanager import LEFT, PIXEL_M, TOP, planted, tanager_nm, write_tanager

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube, open_cube_with_masks

ROWS, COLUMNS = 36, 44
KEEP_ALL = ["background", "cloud", "cirrus"]
FIELDS = "HDFEOS/GRIDS/HYP/Data Fields"
CUBE = f"{FIELDS}/surface_reflectance"
STRUCTURE = "HDFEOS INFORMATION/StructMetadata.0"


def expected_values(bands, factor=1):
    row, column = np.ogrid[:ROWS, :COLUMNS]
    values = planted(np.asarray(bands)[:, None, None], row, column) * np.float32(factor)
    values[:, 0] = np.nan
    return values


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return write_tanager(tmp_path_factory.mktemp("tanager"))


@pytest.mark.parametrize("reflectance", [True, False])
@pytest.mark.parametrize("ortho", [True, False])
def test_each_variant_has_its_values_unit_and_place(tmp_path, ortho, reflectance):
    cube = open_cube(write_tanager(tmp_path, ortho=ortho, reflectance=reflectance), drop_nm=[], keep=KEEP_ALL)
    assert cube.shape == (426, ROWS, COLUMNS)
    bands = [0, 100, 425]
    np.testing.assert_allclose(cube[bands].values, expected_values(bands, 1 if reflectance else 100), rtol=1e-6)
    np.testing.assert_allclose(cube.wavelength_nm, tanager_nm())
    np.testing.assert_allclose(cube.fwhm_nm, 5.5)
    assert cube.attrs["units"] == ("reflectance" if reflectance else "W/(m^2 sr um)")
    if ortho:
        grid = Grid.of(cube)
        assert grid.crs.to_epsg() == 32611 and grid.transform[:6] == (PIXEL_M, 0, LEFT, 0, -PIXEL_M, TOP)
    else:
        assert cube.rio.crs is None
        assert any("in sensor geometry, without CRS" in note for note in cube.attrs["notes"])


def test_the_masks_are_applied_by_name(product):
    opened = open_cube_with_masks(product)
    assert {layer.name: int(layer.raster.values.sum()) for layer in opened.masks} == {
        "background": COLUMNS, "cloud": 28, "cirrus": 20
    }  # fmt: skip
    gaps = np.zeros((ROWS, COLUMNS), bool)
    gaps[0] = gaps[5:9, 3:10] = gaps[20:22, 30:40] = True
    np.testing.assert_array_equal(np.isnan(opened.raster[7].values), gaps)
    assert np.isfinite(open_cube(product, keep=["cloud"])[7, 5:9, 3:10].values).all()


def test_fields_that_vary_between_versions_are_looked_up(tmp_path):
    path = write_tanager(tmp_path, lists="data sets", epsg=None, masks=False, chunks=(50, 10, 10))
    with h5py.File(path, "r+") as file:  # as stored numbers, wavelengths in micrometres and descending
        cube = file[CUBE][:]
        del file[CUBE]
        made = file.create_dataset(CUBE, data=np.where(cube == -9999, -1, np.rint(cube * 1e4 + 50)).astype("i2")[::-1])
        made.attrs.update({"scale_factor": 1e-4, "add_offset": -0.005, "_FillValue": np.int16(-1)})
        file[f"{FIELDS}/Wavelength"][:] = tanager_nm()[::-1] / 1000
    cube = open_cube(path, drop_nm=[])
    np.testing.assert_allclose(cube.wavelength_nm, tanager_nm())
    np.testing.assert_allclose(cube[[3, 400]].values, expected_values([3, 400]), atol=6e-5)
    assert cube.rio.crs.to_epsg() == 32611  # by the UTM zone
    assert "wavelengths are stored in micrometres" in cube.attrs["notes"]
    assert "the file has no mask of background, cloud, cirrus" in cube.attrs["notes"]


def test_a_negative_zone_is_in_the_south(tmp_path):
    assert open_cube(write_tanager(tmp_path, zone=-19, epsg=None)).rio.crs.to_epsg() == 32719


def test_a_folder_with_one_cube_is_opened_and_two_are_refused(product, tmp_path):
    shutil.copy(product, tmp_path)
    assert open_cube(tmp_path).attrs["sensor"] == "TANAGER"
    shutil.copy(product, tmp_path / "other_sr_hdf5.h5")
    with pytest.raises(RasterError, match="2 files that could be the cube of Tanager; expected one"):
        open_cube(tmp_path)


def test_a_map_is_the_prediction_of_the_model_whatever_the_blocks(product, tmp_path, geosoil):
    chosen = [40, 120, 250, 370]
    model = save_product_model(tmp_path / "clay", tanager_nm()[chosen], fwhm_nm=5.5)
    rows = expected_values(chosen).reshape(len(chosen), -1).T
    expected = np.full(len(rows), np.nan, np.float32)
    valid = np.isfinite(rows).all(1)
    expected[valid] = model.predict_rows(rows[valid])[:, 0]
    expected = expected.reshape(ROWS, COLUMNS)
    expected[5:9, 3:10] = expected[20:22, 30:40] = np.nan
    maps = []
    for block in (16, 512):
        done = geosoil("map", "--cube", product, "--model", tmp_path / "clay", "--block", block,
                       "-o", tmp_path / f"{block}.tif")  # fmt: skip
        assert done.code == 0, done.err
        with rasterio.open(tmp_path / f"{block}.tif") as made:
            maps.append(made.read(1, masked=True).filled(np.nan))
    np.testing.assert_allclose(maps[0], expected, rtol=1e-5)
    np.testing.assert_array_equal(*maps)


def structure(pattern, text):
    """Return a change of the text of HDF-EOS."""
    return replace(STRUCTURE, lambda old: np.bytes_(re.sub(pattern, text, old.decode())))


def nm_with(value):
    numbers = tanager_nm()
    numbers[9] = value
    return numbers


MALFORMED = {
    "no list": (attribute("wavelengths", node=CUBE), WavelengthError, "wavelengths is missing; expected"),
    "NaN": (attribute("wavelengths", nm_with(np.nan), CUBE), WavelengthError, "nan for band 10 in wavelengths"),
    "text": (attribute("wavelengths", np.array([b"blue"] * 3), CUBE), WavelengthError, "0 values of wavelengths"),
    "short": (attribute("wavelengths", tanager_nm()[2:], CUBE), WavelengthError, "424 values of wavelengths"),
    "zero width": (attribute("fwhm", np.zeros(426), CUBE), WavelengthError, "0 for band 1 in fwhm"),
    "wrong axis": (replace(CUBE, lambda old: old.transpose(1, 2, 0)), WavelengthError, "426 values .* 36 bands"),
    "two axes": (replace(CUBE, lambda old: old[0]), RasterError, "of shape 36 x 44; expected 3 axes"),
    "no cube": (without(CUBE), RasterError, "no cube of Tanager; expected one of surface_reflectance, toa_radiance"),
    "no place": (without(STRUCTURE), GridError, r"StructMetadata.0 is missing; expected the place"),
    "no corner": (structure("UpperLeft", "Upper"), GridError, "UpperLeftPointMtrs is missing"),
    "swapped bounds": (structure(r"LowerRightMtrs=\(\d+", "LowerRightMtrs=(1"), GridError, "the upper left and"),
    "other size": (structure("XDim=44", "XDim=45"), GridError, "XDim 45 in .*; expected 44, as the cube has"),
    "unknown code": (attribute("epsg_code", 999_999, "HDFEOS/GRIDS/HYP"), GridError, "'999999' as epsg_code"),
    "no CRS": (lambda file: attribute("epsg_code", node="HDFEOS/GRIDS/HYP")(file) or structure("ZoneCode=11", "")(file),
               GridError, "no epsg_code and no UTM zone"),
    "other mask": (replace(f"{FIELDS}/beta_cloud_mask", lambda old: old[1:]), GridError, "beta_cloud_mask of 35 x 44"),
    "scale": (attribute("scale_factor", "ten", CUBE), RasterError, "'ten' as scale_factor; expected a number"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_product_is_one_line(product, tmp_path, name):
    assert_refused(product, tmp_path, *MALFORMED[name])


def test_a_truncated_product_is_one_line(product, tmp_path):
    path = tmp_path / product.name
    path.write_bytes(product.read_bytes()[:50_000])
    with pytest.raises(RasterError, match=r"not a readable HDF5 file|not a raster"):
        open_cube(path)
