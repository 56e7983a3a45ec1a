"""EnMAP level 2A: planted values, wavelengths and masks of every delivery, and products that are not whole."""

import shutil

import numpy as np
import pytest
import rasterio
from sensors.products.enmap import (
    CRS,
    DEAD,
    NAME,
    NODATA,
    PLACES,
    TRANSFORM,
    bands_nm,
    codes,
    outside,
    planted,
    write_enmap,
    xml,
)
from sensors.products.packing import packed
from shared_material import shared

from geosoil.errors import GridError, RasterError, WavelengthError, WindowError
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import lacks_scale, open_cube, open_cube_with_masks
from geosoil.sensors.masks import MASKS, count_masked

SHAPE = (20, 30)
OF_MASK = {
    "cloud": ("QUALITY_CLOUD", (1,)),
    "cloud_shadow": ("QUALITY_CLOUDSHADOW", (1,)),
    "cirrus": ("QUALITY_CIRRUS", (1, 3)),
    "haze": ("QUALITY_HAZE", (1,)),
    "snow": ("QUALITY_SNOW", (1,)),
    "water": ("QUALITY_CLASSES", (2,)),
    "background": ("QUALITY_CLASSES", (3,)),
}


def excluded(*names, shape=SHAPE):
    """The pixels of some masks, from the codes that the generator planted."""
    return np.logical_or.reduce([np.isin(codes(*[OF_MASK[n][0]], shape), OF_MASK[n][1]) for n in names])


def expected(names, *, shape=SHAPE, count=224, dead=True):
    """Reflectance of the good bands, NaN where the masks exclude a pixel and outside the scene."""
    bands = np.arange(count)
    if dead:
        bands = np.setdiff1d(bands, np.array(DEAD) - 1)
    stored = planted(bands[:, None, None], np.arange(shape[0])[:, None], np.arange(shape[1]), count)
    gone = outside(*np.ogrid[: shape[0], : shape[1]], shape) | excluded(*names, shape=shape)
    return np.where(gone, np.nan, (stored * np.float32(1e-4)).astype(np.float32))


@pytest.mark.parametrize(
    "delivery",
    [{}, {"upper": False}, {"cog": True}, {"interleave": "pixel"}, {"compress": "lzw", "interleave": "band"}],
)
def test_every_pixel_of_every_delivery_is_the_planted_one(tmp_path, delivery):
    cube = open_cube(write_enmap(tmp_path / "product", **delivery), drop_nm=[])
    np.testing.assert_allclose(cube.values, expected(OF_MASK), rtol=1e-6)
    centre_nm, width_nm, _ = bands_nm()
    good = np.setdiff1d(np.arange(224), np.array(DEAD) - 1)
    np.testing.assert_allclose(cube.wavelength_nm, centre_nm[good], atol=1e-9)
    np.testing.assert_allclose(cube.fwhm_nm, width_nm[good], atol=1e-9)
    assert Grid.of(cube) == Grid(rasterio.CRS.from_string(CRS), TRANSFORM, *SHAPE)
    assert cube.attrs["sensor"] == "ENMAP" and cube.attrs["units"] == "reflectance"
    assert cube.attrs["SolarZenith"] == 35.5 and cube.attrs["StartTime"].startswith("2022-07-24T10:45")
    assert f"left out {len(DEAD)} bands marked bad" in " ".join(cube.attrs["notes"])


def test_the_product_is_named_by_its_image_and_its_files_lie_beside_it(tmp_path):
    folder = write_enmap(tmp_path / "product")
    write_enmap(tmp_path / "other", upper=False)
    for file in (tmp_path / "other").iterdir():  # another product in the same folder
        shutil.copy(file, folder / file.name.replace("DT0000001867", "DT0000009999"))
    image = folder / f"{NAME}-SPECTRAL_IMAGE.TIF"
    opened = open_cube_with_masks(image, drop_nm=[])
    np.testing.assert_allclose(opened.raster.values, expected(OF_MASK), rtol=1e-6)
    assert len(opened.files) == 7 and all(str(folder / NAME) in file for file in opened.files)
    assert not lacks_scale(image) and not lacks_scale(folder)
    with pytest.raises(RasterError, match="found 2 files that could be the spectral image of both detectors"):
        open_cube(folder)


def test_an_image_with_a_given_scale_is_opened_as_it_is(tmp_path):
    folder = write_enmap(tmp_path / "product", count=4)
    (tmp_path / "bands.csv").write_text("centre_nm\n450\n650\n850\n2200\n")
    cube = open_cube(folder / f"{NAME}-SPECTRAL_IMAGE.TIF", scale=1e-4, band_table=tmp_path / "bands.csv")
    assert cube.wavelength_nm.values.tolist() == [450, 650, 850, 2200]
    assert np.isfinite(cube.values[:, excluded("cloud")]).all()


@pytest.mark.parametrize("keep", [(), ("water",), ("cloud", "cloud_shadow", "haze"), tuple(MASKS)])
def test_masks_leave_out_their_pixels_unless_they_are_kept(tmp_path, keep):
    opened = open_cube_with_masks(write_enmap(tmp_path / "product", count=5), keep=keep)
    left = [name for name in OF_MASK if name not in keep]
    gone = excluded(*left) if left else np.zeros(SHAPE, bool)
    gone |= outside(*np.ogrid[: SHAPE[0], : SHAPE[1]], SHAPE)
    np.testing.assert_array_equal(np.isnan(opened.raster.values), np.broadcast_to(gone, (5, *SHAPE)))
    assert count_masked(opened.masks) == {name: int(excluded(name).sum()) for name in left}
    with pytest.raises(RasterError, match="found keep clouds; expected names of masks: cloud, cloud_shadow"):
        open_cube(tmp_path / "product", keep=["clouds"])


def test_any_window_and_any_bands_are_those_of_the_whole_cube(tmp_path):
    cube = open_cube(write_enmap(tmp_path / "product", count=12, interleave="pixel"), drop_nm=[])
    whole = cube.values
    rng = np.random.default_rng(3)
    for _ in range(20):
        (top, bottom), (left, right) = (np.sort(rng.choice(size + 1, 2, replace=False)) for size in SHAPE)
        bands = rng.permutation(12)[: rng.integers(1, 12)]
        np.testing.assert_array_equal(cube[bands, top:bottom, left:right].values, whole[bands, top:bottom, left:right])


@pytest.mark.parametrize("overlap", ["detector", "wavelength", "vnir", "swir"])
def test_the_overlap_is_given_to_one_detector_although_the_bands_are_sorted_together(tmp_path, overlap):
    cube = open_cube(write_enmap(tmp_path / "product", layers=False), overlap=overlap, drop_nm=[])
    centre_nm, _, detector = bands_nm()
    good = np.isin(np.arange(224), np.array(DEAD) - 1, invert=True)
    if overlap == "vnir":
        good &= (detector == "vnir") | (centre_nm > centre_nm[detector == "vnir"].max())
    elif overlap == "swir":
        good &= (detector == "swir") | (centre_nm < centre_nm[detector == "swir"].min())
    np.testing.assert_allclose(cube.wavelength_nm, centre_nm[good])
    bands = np.flatnonzero(good)
    stored = planted(bands, 15, 25).astype(np.float32) * np.float32(1e-4)
    np.testing.assert_allclose(cube.values[:, 15, 25], stored, rtol=1e-6)


def test_gains_and_offsets_of_the_xml_are_applied_and_missing_layers_are_reported(tmp_path):
    folder = write_enmap(tmp_path / "product", count=4, layers=False, text=xml(4, gain=2e-4, offset=0.01))
    cube = open_cube(folder)
    np.testing.assert_allclose(cube.values[:, 9, 9], planted(np.arange(4), 9, 9, 4) * 2e-4 + 0.01, rtol=1e-5)
    assert any("no layer QUALITY_CLOUD, QUALITY_CLOUDSHADOW" in note for note in cube.attrs["notes"])


def test_no_data_is_that_of_the_file_of_the_user_or_of_the_producer(tmp_path):
    folder = write_enmap(tmp_path / "product", count=3, layers=False)
    with rasterio.open(folder / f"{NAME}-SPECTRAL_IMAGE.TIF", "r+") as made:
        made.nodata = None
    assert np.isnan(open_cube(folder).values[:, 0, 0]).all()
    value = int(planted(1, 9, 9, 3))
    assert np.isnan(open_cube(folder, nodata=value).values[1, 9, 9])
    np.testing.assert_allclose(open_cube(folder, nodata=value).values[:, 0, 0], NODATA * 1e-4)


def rename(old, new):
    def change(folder):
        path = folder / f"{NAME}-{old}"
        path.rename(folder / f"{NAME}-{new}") if new else path.unlink()

    return change


def replaced(*changes):
    return lambda folder: (folder / f"{NAME}-METADATA.XML").write_text(xml(4, changes=changes))


def cut(folder):
    path = folder / f"{NAME}-SPECTRAL_IMAGE.TIF"
    path.write_bytes(path.read_bytes()[:-900])


def other_grid(folder):
    shutil.rmtree(folder)
    write_enmap(folder.parent / "b", shape=(20, 31), count=4)
    write_enmap(folder, count=4)
    name = f"{NAME}-QL_QUALITY_CLOUD.TIF"
    shutil.copy(folder.parent / "b" / name, folder / name)


CENTRE = "<wavelengthCenterOfBand>418.24</wavelengthCenterOfBand>"


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (rename("METADATA.XML", ""), RasterError, "no METADATA.XML beside it; .* give the whole product, or the image"),
        (rename("SPECTRAL_IMAGE.TIF", ""), RasterError, "a folder that is not a known product"),
        (
            rename("SPECTRAL_IMAGE.TIF", "SPECTRAL_IMAGE_VNIR.TIF"),
            RasterError,
            "an image of one detector, as in level L1B",
        ),
        (replaced(("<level>L2A", "<level>L1C")), RasterError, "found a product of level L1C; expected surface reflect"),
        (
            replaced((CENTRE, CENTRE.replace("418.24", "NaN"))),
            WavelengthError,
            "'NaN' as wavelengthCenterOfBand of band 1",
        ),
        (replaced((CENTRE, "")), WavelengthError, "found '' as wavelengthCenterOfBand of band 1"),
        (
            replaced((CENTRE, CENTRE.replace("418.24", "0.41824"))),
            WavelengthError,
            "centres of 0.41.*; expected nanomet",
        ),
        (replaced(('<bandID number="2">', '<bandID number="1">')), WavelengthError, "'1' as the number of a band"),
        (
            replaced(('<bandID number="4">', '<bandID number="9">')),
            WavelengthError,
            "4 described bands; expected bands 1",
        ),
        (replaced(("<GainOfBand>0.0001", "<GainOfBand>0")), RasterError, "found a gain of 0; expected positive gains"),
        (replaced(("<level_X", "<!DOCTYPE a [<!ENTITY e 'x'>]><level_X")), RasterError, "a document type declaration"),
        (replaced(("</level_X>", "")), RasterError, "not valid XML"),
        (
            lambda folder: (folder / f"{NAME}-METADATA.XML").write_text(xml(5)),
            WavelengthError,
            "5 described bands; exp",
        ),
        (other_grid, GridError, r"QL_QUALITY_CLOUD.TIF: found shape 20 x 31; expected shape 20 x 30"),
        (cut, WindowError, r"SPECTRAL_IMAGE.TIF: cannot read the window"),
    ],
)
def test_a_product_that_is_not_whole_is_refused_in_one_line(tmp_path, change, error, message):
    folder = write_enmap(tmp_path / "product", count=4)
    change(folder)
    with pytest.raises(error, match=message) as caught:
        open_cube(folder).values  # noqa: B018 - a cut image is seen when it is read
    assert "\n" not in str(caught.value)


def test_every_layer_of_the_generator_is_a_mask():
    assert {name for name, _ in PLACES} == {name for name, _ in OF_MASK.values()}


@pytest.mark.parametrize("name", ["enmap_potsdam_mosaic.tif", "enmap_potsdam_crop_64x128.tif"])
def test_the_real_cubes_are_opened_as_rasters(name):
    path = shared(f"data/rasters/enmap_potsdam/{name}")
    opened = open_cube_with_masks(path, scale=1e-4)
    assert opened.raster.sizes["band"] == 224 and not opened.masks
    assert lacks_scale(path)


@pytest.mark.parametrize("kind", ["zip", "stored", "tar.gz", "nested"])
def test_a_delivered_archive_is_read_in_place(tmp_path, kind):
    folder = write_enmap(tmp_path / NAME, count=6, cog=kind == "stored")
    cube = open_cube(packed(folder, kind), drop_nm=[])
    np.testing.assert_allclose(cube.values, expected(OF_MASK, count=6, dead=False), rtol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == [NAME]
