"""GeoTIFFs of HySIS: two detectors as one cube, wavelengths in tags of the bands or of the file."""

import numpy as np
import pytest
import rasterio
from sensors.products.hysis import SWIR_NM, VNIR_NM, write_hysis
from sensors.products.planted import pixels_of, planted

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube

NM = np.concatenate([VNIR_NM, SWIR_NM])


@pytest.mark.parametrize("tags", ["bands", "file"])
def test_both_detectors_become_one_cube_in_the_order_vnir_swir(tmp_path, tags):
    cube = open_cube(write_hysis(tmp_path / "product", tags=tags), drop_nm=[])
    assert cube.shape == (len(NM), 12, 10)
    np.testing.assert_allclose(cube.wavelength_nm, NM)
    np.testing.assert_allclose(cube.values[:, 1:], planted(len(NM), 12, 10)[:, 1:] * 1e-4, atol=1e-7)
    assert np.isnan(cube[:, 0, 0].values).all()
    assert Grid.of(cube).transform == pixels_of(30)
    assert ("fwhm_nm" in cube.coords) == (tags == "bands")
    assert (cube.attrs["units"], cube.attrs["sensor"]) == ("reflectance", "HYSIS")


def test_bands_of_water_vapour_are_left_out_and_the_overlap_can_be_chosen(tmp_path):
    folder = write_hysis(tmp_path / "product")
    nm = open_cube(folder).wavelength_nm.values
    assert not ((nm > 1340) & (nm < 1460)).any()
    assert (np.diff(nm) < 0).sum() == 1
    assert (np.diff(open_cube(folder, overlap="swir").wavelength_nm.values) > 0).all()


def test_one_image_is_a_cube_of_its_own(tmp_path):
    folder = write_hysis(tmp_path / "product")
    cube = open_cube(folder / "HySIS_20210311_L2_SWIR.tif", drop_nm=[])
    np.testing.assert_allclose(cube.wavelength_nm, SWIR_NM)
    assert cube.attrs["sensor"] == "HYSIS"


def test_whole_numbers_without_a_scale_are_digital_numbers_until_the_scale_is_given(tmp_path):
    folder = write_hysis(tmp_path / "product")
    path = folder / "HySIS_20210311_L2_VNIR.tif"
    with rasterio.open(path, "r+") as made:
        made.scales = [1.0] * len(VNIR_NM)
    assert open_cube(path).attrs["units"] == "digital number"
    np.testing.assert_allclose(open_cube(path, scale=1e-4)[0].values[3], planted(1, 12, 10)[0, 3] * 1e-4, rtol=1e-6)


def retagged(**tags):
    def change(folder):
        with rasterio.open(folder / "HySIS_20210311_L2_SWIR.tif", "r+") as made:
            made.update_tags(7, **tags)

    return change


def without_tags(folder):
    path = folder / "HySIS_20210311_L2_SWIR.tif"
    with rasterio.open(path) as source:
        profile, values = source.profile, source.read()
    with rasterio.open(path, "w", **profile) as made:
        made.write(values)


def moved(folder):
    with rasterio.open(folder / "HySIS_20210311_L2_SWIR.tif", "r+") as made:
        made.transform = pixels_of(60)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (retagged(wavelength="nan"), WavelengthError, "'nan' as wavelength of band 7"),
        (retagged(wavelength="0.94"), WavelengthError, "a centre of 0.94 nm"),
        (retagged(fwhm="0"), WavelengthError, "not positive"),
        (without_tags, WavelengthError, "SWIR.tif: found no wavelengths in its tags"),
        (moved, GridError, "SWIR.tif"),
        (lambda folder: (folder / "hysis_pan.tif").write_bytes(b""), RasterError, "3 images; expected one image, or"),
        (lambda folder: (folder / "HySIS_20210311_L2_SWIR.tif").write_bytes(b"x"), RasterError, "SWIR.tif"),
    ],
)
def test_a_product_that_is_not_whole_is_refused_in_one_line(tmp_path, change, error, message):
    folder = write_hysis(tmp_path / "product")
    change(folder)
    with pytest.raises(error, match=message) as caught:
        open_cube(folder)
    assert len(str(caught.value).splitlines()) == 1


def test_an_image_without_wavelengths_is_opened_with_a_table_of_bands(tmp_path):
    folder = write_hysis(tmp_path / "product")
    without_tags(folder)
    table = tmp_path / "bands.csv"
    table.write_text("centre_nm\n" + "\n".join(map(str, SWIR_NM)))
    np.testing.assert_allclose(
        open_cube(folder / "HySIS_20210311_L2_SWIR.tif", band_table=table, scale=1e-4).wavelength_nm, SWIR_NM
    )
