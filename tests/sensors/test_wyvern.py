"""Wyvern Dragonette: values by the scale of the STAC item, wavelengths of the tags, and the mask of usable data."""

import json

import numpy as np
import pytest
import rasterio
from sensors.products.planted import pixels_of, planted
from sensors.products.wyvern import NAME, STANDARD_NM, stac_item, write_wyvern

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube
from geosoil.sensors.masks import MASKS

IMAGE, ITEM, MASK = (f"{NAME}_l2a{ending}" for ending in (".tiff", ".json", "_data_mask.tiff"))


def test_values_wavelengths_and_place_are_those_of_the_product(tmp_path):
    cube = open_cube(write_wyvern(tmp_path / "product"), keep=list(MASKS))
    assert cube.shape == (23, 12, 10)
    assert np.isnan(cube[:, 0, 0].values).all()
    np.testing.assert_allclose(cube.values[:, 1:], planted(23, 12, 10)[:, 1:] * 1e-4, atol=1e-7)
    assert cube.wavelength_nm.values.tolist() == list(STANDARD_NM)
    np.testing.assert_allclose(cube.fwhm_nm, np.array(STANDARD_NM) * 0.04)
    assert Grid.of(cube).transform == pixels_of(5)
    assert (cube.attrs["units"], cube.attrs["sensor"], cube.attrs["level"]) == ("reflectance", "WYVERN", "L2A")


def test_clouds_haze_and_shadows_of_the_mask_are_left_out_though_its_fourth_band_looks_like_alpha(tmp_path):
    folder = write_wyvern(tmp_path / "product")
    missing = np.zeros((12, 10), bool)
    missing[0, 0] = missing[1, :3] = True
    np.testing.assert_array_equal(np.isnan(open_cube(folder)[5].values), missing)
    for column, name in enumerate(("cloud", "haze", "cloud_shadow")):
        kept = missing.copy()
        kept[1, column] = False
        np.testing.assert_array_equal(np.isnan(open_cube(folder, keep=[name])[5].values), kept)


def test_radiance_of_level_1b_stays_radiance_and_its_mask_has_clouds_only(tmp_path):
    cube = open_cube(write_wyvern(tmp_path / "product", level="L1B", version=1))
    assert cube.attrs["units"] == "W m-2 sr-1 um-1"
    np.testing.assert_allclose(cube[2].values[1, 1:4], planted(23, 12, 10)[2, 1, 1:4] / 100, rtol=1e-6)
    assert np.isnan(cube[2].values).sum() == 2
    assert "the data mask has clouds only: haze and shadows are not masked" in cube.attrs["notes"]


@pytest.mark.parametrize("scale", [1e-4, 2e-5])
def test_the_scale_is_that_of_the_stac_item(tmp_path, scale):
    folder = write_wyvern(tmp_path / "product")
    (folder / ITEM).write_text(json.dumps(stac_item(f"{NAME}_l2a", IMAGE, STANDARD_NM, scale=scale)))
    np.testing.assert_allclose(open_cube(folder)[0].values[5], planted(1, 12, 10)[0, 5] * scale, rtol=1e-6)


def test_without_a_stac_item_the_documented_scale_is_used_and_noted(tmp_path):
    cube = open_cube(write_wyvern(tmp_path / "product", stac=False))
    np.testing.assert_allclose(cube[0].values[5], planted(1, 12, 10)[0, 5] * 1e-4, rtol=1e-6)
    assert "no STAC item with a scale: stored x 0.0001, as documented for level 2A" in cube.attrs["notes"]


def test_without_tags_the_wavelengths_are_those_of_the_stac_item_in_micrometres(tmp_path):
    folder = write_wyvern(tmp_path / "product")
    without_tags(folder)
    np.testing.assert_allclose(open_cube(folder).wavelength_nm, STANDARD_NM, atol=1e-6)


def test_the_image_names_the_product_and_its_mask_does_not(tmp_path):
    folder = write_wyvern(tmp_path / "product")
    assert open_cube(folder / IMAGE).attrs["sensor"] == "WYVERN"
    with pytest.raises(WavelengthError, match="no wavelengths"):
        open_cube(folder / MASK)


def without_tags(folder):
    with rasterio.open(folder / IMAGE) as source:
        profile, values = source.profile, source.read()
    with rasterio.open(folder / IMAGE, "w", **profile) as made:
        made.write(values)


def without_any_wavelengths(folder):
    without_tags(folder)
    (folder / ITEM).unlink()


def tagged(band, **tags):
    def change(folder):
        with rasterio.open(folder / IMAGE, "r+") as made:
            made.update_tags(band, **tags)

    return change


def with_item(change):
    def write(folder):
        item = json.loads((folder / ITEM).read_text())
        change(item)
        (folder / ITEM).write_text(json.dumps(item))

    return write


def bad_scale(item):
    item["assets"]["Cloud optimized GeoTiff"]["raster:bands"][3]["scale"] = "small"


def shifted_mask(folder):
    with rasterio.open(folder / MASK, "r+") as made:
        made.transform = pixels_of(10)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (tagged(4, Wavelength="nan"), WavelengthError, "'nan' as wavelength of band 4"),
        (tagged(2, Wavelength_Units="furlongs"), WavelengthError, "several units of wavelength"),
        (tagged(1, FWHM="-3"), WavelengthError, "width .* not positive"),
        (without_any_wavelengths, WavelengthError, "no wavelengths in the tags of the image, nor in a STAC item"),
        (lambda folder: (folder / ITEM).write_text("[1, 2"), RasterError, r"json: not a STAC item"),
        (lambda folder: (folder / ITEM).write_text("[1, 2]"), RasterError, r"json: not a STAC item"),
        (with_item(bad_scale), RasterError, "'small' as scale"),
        (shifted_mask, GridError, "data_mask"),
        (lambda folder: (folder / IMAGE).write_bytes(b"II*\0"), RasterError, "l2a.tiff"),
        (lambda folder: (folder / IMAGE).unlink(), RasterError, "not a known product"),
    ],
)
def test_a_product_that_is_not_whole_is_refused_in_one_line(tmp_path, change, error, message):
    folder = write_wyvern(tmp_path / "product")
    change(folder)
    with pytest.raises(error, match=message) as caught:
        open_cube(folder)
    assert len(str(caught.value).splitlines()) == 1
