"""DESIS level 2A: planted values, wavelengths, masks by name, and products that are not whole."""

import numpy as np
import pytest
from sensors.products.desis import NAME, desis_nm, desis_xml, write_desis
from sensors.products.planted import pixels_of, planted

from geosoil.errors import GeosoilError, RasterError, WavelengthError
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube
from geosoil.sensors.masks import MASKS

# Columns of the second row, which the generator flags in the bands of the quality file.
FLAGGED = {"cloud_shadow": [0], "snow": [2], "haze": [3, 4], "cloud": [5, 6], "water": [7]}


def test_values_wavelengths_and_place_are_those_of_the_product(tmp_path):
    cube = open_cube(write_desis(tmp_path / "product", gain=2e-4, offset=0.01), keep=list(MASKS))
    assert cube.shape == (235, 12, 10) and cube.dtype == np.float32
    expected = 2e-4 * planted(235, 12, 10) + 0.01
    assert np.isnan(cube[:, 0, 0].values).all()
    np.testing.assert_allclose(cube.values[:, 1:], expected[:, 1:], atol=2e-7)
    np.testing.assert_array_equal(cube.wavelength_nm, desis_nm(235))
    np.testing.assert_allclose(cube.fwhm_nm[[0, 234]], [3.501, 3.735])
    assert Grid.of(cube).transform == pixels_of(30)
    assert (cube.attrs["units"], cube.attrs["sensor"]) == ("reflectance", "DESIS")
    assert (cube.attrs["StartTime"], cube.attrs["SunZenith"]) == ("2019-12-03T02:11:28.0Z", "38.5")


def test_flagged_pixels_are_left_out_and_each_mask_can_be_kept_by_its_name(tmp_path):
    folder = write_desis(tmp_path / "product", count=12)
    missing = np.zeros((12, 10), bool)
    missing[0, 0] = True
    missing[1, [column for columns in FLAGGED.values() for column in columns]] = True
    np.testing.assert_array_equal(np.isnan(open_cube(folder).values), np.broadcast_to(missing, (12, 12, 10)))
    for name, columns in FLAGGED.items():
        kept = missing.copy()
        kept[1, columns] = False
        np.testing.assert_array_equal(np.isnan(open_cube(folder, keep=[name])[3].values), kept)


@pytest.mark.parametrize("ending", ["METADATA.xml", "SPECTRAL_IMAGE.TIF"])
def test_the_product_can_be_named_by_its_metadata_or_its_image(tmp_path, ending):
    folder = write_desis(tmp_path / "product", count=12, ending="TIF")
    cube = open_cube(folder / f"{NAME}-{ending}")
    np.testing.assert_array_equal(cube.values, open_cube(folder).values)
    assert cube.attrs["sensor"] == "DESIS"


def test_the_background_value_is_that_of_the_metadata(tmp_path):
    folder = write_desis(tmp_path / "product", count=12)
    (folder / f"{NAME}-METADATA.xml").write_text(desis_xml(12, background=1011))  # band 1, second row, first column
    cube = open_cube(folder, keep=list(MASKS))
    assert np.isnan(cube[0, 1, 0].values) and cube[0, 0, 0].values == pytest.approx(-3.2768)


def test_without_a_background_value_in_the_metadata_it_is_that_of_all_readers(tmp_path):
    folder = write_desis(tmp_path / "product", count=12)
    path = folder / f"{NAME}-METADATA.xml"
    path.write_text(path.read_text().replace("backgroundValue", "otherValue"))
    assert np.isnan(open_cube(folder)[:, 0, 0].values).all()
    assert open_cube(folder, nodata=1000)[0, 0, 0].values == pytest.approx(-3.2768)


def test_without_the_quality_file_nothing_is_masked_and_a_note_says_so(tmp_path):
    folder = write_desis(tmp_path / "product", count=12)
    (folder / f"{NAME}-QL_QUALITY-2.tif").unlink()
    cube = open_cube(folder)
    assert np.isnan(cube.values).sum() == 12
    assert "no file QL_QUALITY-2: clouds, shadows, snow and water are not masked" in cube.attrs["notes"]


def with_text(old, new):
    def change(folder):
        path = folder / f"{NAME}-METADATA.xml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, 1))

    return change


def level_1(folder):
    for path in folder.iterdir():
        path.rename(folder / path.name.replace("-L2A-", "-L1C-"))


def cut_image(folder):
    path = folder / f"{NAME}-SPECTRAL_IMAGE.tif"
    path.write_bytes(path.read_bytes()[:200])


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (with_text("<hsi_doc", "<!DOCTYPE x><hsi_doc"), RasterError, "a document type"),
        (with_text("</hsi_doc>", ""), RasterError, "not valid XML"),
        (with_text(f"<wavelengthCenterOfBand>{desis_nm(12)[3]}<", "<wavelengthCenterOfBand>nan<"), WavelengthError,
         "'nan' as wavelength of band 4"),
        (with_text("<wavelengthWidthOfBand>3.501<", "<wavelengthWidthOfBand>-1<"), WavelengthError, "not positive"),
        (with_text("<gainOfBand>0.0001<", "<gainOfBand>one<"), RasterError, "'one' as gainOfBand of band 1"),
        (with_text("<offsetOfBand>0.0<", "<offsetOfBand><"), RasterError, "'' as offsetOfBand of band 1"),
        (with_text("bandCharacterisation", "bandGeometry"), GeosoilError, "not valid XML"),
        (lambda folder: (folder / f"{NAME}-METADATA.xml").write_text(desis_xml(11)), WavelengthError,
         "11 bands in bandCharacterisation; expected one for each of the 12"),
        (level_1, RasterError, "found level L1C; expected level L2A"),
        (cut_image, RasterError, "SPECTRAL_IMAGE.tif"),
        (lambda folder: (folder / f"{NAME}-METADATA.xml").unlink(), RasterError, "not a known product"),
    ],
)  # fmt: skip
def test_a_product_that_is_not_whole_is_refused_in_one_line(tmp_path, change, error, message):
    folder = write_desis(tmp_path / "product", count=12)
    change(folder)
    with pytest.raises(error, match=message) as caught:
        open_cube(folder)
    assert len(str(caught.value).splitlines()) == 1
