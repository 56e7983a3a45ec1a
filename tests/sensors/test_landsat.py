"""Landsat Collection 2 level 2: scale and offset of level 2, nominal bands, and the bits of the quality layers."""

import numpy as np
import pytest
import rasterio
from sensors.products.landsat import ADD, BANDS, BITS, MULTIPLY, mtl_groups, mtl_text, scene_name, write_landsat
from sensors.products.planted import pixels_of, planted

from geosoil.errors import GridError, RasterError
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube
from geosoil.sensors.masks import MASKS
from geosoil.sensors.nominal import nominal_bands

SENSOR = {"LC08": "LANDSAT_OLI", "LC09": "LANDSAT_OLI", "LE07": "LANDSAT_ETM", "LT05": "LANDSAT_TM"}


@pytest.mark.parametrize("satellite", BANDS)
def test_values_bands_and_place_are_those_of_the_product(tmp_path, satellite):
    cube = open_cube(write_landsat(tmp_path / "product", satellite=satellite), keep=list(MASKS))
    n = len(BANDS[satellite])
    assert cube.shape == (n, 12, 10)
    expected = MULTIPLY * planted(n, 12, 10, low=9000) + ADD
    assert np.isnan(cube[:, 0, 0].values).all()
    np.testing.assert_allclose(cube.values[:, 1:], expected[:, 1:], atol=1e-7)
    np.testing.assert_array_equal(cube.wavelength_nm, nominal_bands(SENSOR[satellite]).centre_nm)
    np.testing.assert_array_equal(cube.fwhm_nm, nominal_bands(SENSOR[satellite]).fwhm_nm)
    assert Grid.of(cube).transform == pixels_of(30)
    assert (cube.attrs["units"], cube.attrs["sensor"]) == ("reflectance", SENSOR[satellite])
    assert cube.attrs["DATE_ACQUIRED"] == "2022-07-24"


@pytest.mark.parametrize("satellite", ["LC08", "LT05"])
def test_every_bit_of_the_quality_layers_is_masked_by_its_name(tmp_path, satellite):
    folder = write_landsat(tmp_path / "product", satellite=satellite)
    missing = np.zeros((12, 10), bool)
    missing[0, 0] = missing[2, 0] = True
    missing[1, : len(BITS)] = True
    if satellite == "LT05":
        missing[1, 2] = False  # Landsat 5 has no band of cirrus, and its bit has no meaning
    np.testing.assert_array_equal(np.isnan(open_cube(folder)[2].values), missing)
    for name in {*BITS.values(), "saturated"}:
        kept = missing.copy()
        kept[1, [column for column, meaning in enumerate(BITS.values()) if meaning == name]] = False
        if name == "saturated":
            kept[2, 0] = False
        np.testing.assert_array_equal(np.isnan(open_cube(folder, keep=[name])[2].values), kept, err_msg=name)


def test_saturation_of_a_band_that_is_not_in_the_cube_masks_nothing(tmp_path):
    folder = write_landsat(tmp_path / "product", satellite="LT05")
    path = folder / f"{scene_name('LT05')}_QA_RADSAT.TIF"
    with rasterio.open(path, "r+") as made:
        codes = made.read()
        codes[0, 5, :4] = [1 << 5, 1 << 6, 1 << 9, 0]  # thermal band 6, band 7, dropped pixel
        made.write(codes)
    assert np.isnan(open_cube(folder)[0].values[5, :4]).tolist() == [False, True, True, False]


@pytest.mark.parametrize("form", ["xml", "json"])
def test_the_mtl_file_may_be_xml_or_json(tmp_path, form):
    folder = write_landsat(tmp_path / "product", mtl=form, multiply=3e-05, add=-0.15)
    expected = open_cube(write_landsat(tmp_path / "text", multiply=3e-05, add=-0.15))
    np.testing.assert_array_equal(open_cube(folder).values, expected.values)
    assert open_cube(folder / f"{scene_name('LC08')}_MTL.{form}").attrs["SPACECRAFT_ID"] == "LANDSAT_8"


def test_without_quality_layers_nothing_is_masked_and_notes_say_so(tmp_path):
    folder = write_landsat(tmp_path / "product")
    for path in folder.glob("*_QA_*"):
        path.unlink()
    cube = open_cube(folder)
    assert np.isnan(cube.values).sum() == 7
    assert "no file QA_PIXEL: clouds, shadows, snow and water are not masked" in cube.attrs["notes"]
    assert "no file QA_RADSAT: saturated pixels are not masked" in cube.attrs["notes"]


def with_text(old, new):
    def change(folder):
        path = folder / f"{scene_name('LC08')}_MTL.txt"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return change


def without_level_2(folder):
    groups = mtl_groups("LC08")
    del groups["LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"]
    (folder / f"{scene_name('LC08')}_MTL.txt").write_text(mtl_text(groups))


def band_of(change):
    def write(folder):
        change(folder / f"{scene_name('LC08')}_SR_B4.TIF")

    return write


def moved(path):
    with rasterio.open(path, "r+") as made:
        made.transform = pixels_of(15)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (with_text('"L2SP"', '"L1TP"'), RasterError, "collection 02, level L1TP; expected collection 02, level L2SP"),
        (with_text("COLLECTION_NUMBER = 02", "COLLECTION_NUMBER = 01"), RasterError, "found collection 01"),
        (without_level_2, RasterError, "no REFLECTANCE_MULT_BAND_1 in LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"),
        (with_text("REFLECTANCE_ADD_BAND_3 = -0.2", "REFLECTANCE_ADD_BAND_3 = minus"), RasterError, "'minus' as REFL"),
        (with_text("END_GROUP = LANDSAT_METADATA_FILE\nEND", ""), RasterError, "groups are not closed"),
        (band_of(lambda path: path.unlink()), RasterError, "no files that could be .*SR_B4.TIF"),
        (band_of(lambda path: path.write_bytes(b"II*\0")), RasterError, "SR_B4.TIF"),
        (band_of(moved), GridError, "SR_B4.TIF"),
        (lambda folder: (folder / f"{scene_name('LC08')}_MTL.txt").unlink(), RasterError, "not a known product"),
        (lambda folder: (folder / f"{scene_name('LC08')}_MTL.txt").write_text("{"), RasterError, "not valid JSON"),
    ],
)
def test_a_product_that_is_not_whole_is_refused_in_one_line(tmp_path, change, error, message):
    folder = write_landsat(tmp_path / "product")
    change(folder)
    with pytest.raises(error, match=message) as caught:
        open_cube(folder)
    assert len(str(caught.value).splitlines()) == 1


def test_an_mtl_file_that_names_a_file_elsewhere_does_not_open_it(tmp_path):
    folder = write_landsat(tmp_path / "product")
    name = f"{scene_name('LC08')}_SR_B1.TIF"
    (tmp_path / "secret.tif").write_bytes((folder / name).read_bytes())
    with_text(f'FILE_NAME_BAND_1 = "{name}"', 'FILE_NAME_BAND_1 = "../secret.tif"')(folder)
    (folder / name).unlink()
    with pytest.raises(RasterError, match=r"no files that could be secret\.tif"):
        open_cube(folder)
