"""Sentinel-2 level 2A: offsets of the baseline, three pixel sizes on one grid, and the scene classification."""

import warnings

import numpy as np
import pytest
import rasterio
from sensors.products.landsat import write_landsat
from sensors.products.planted import pixels_of
from sensors.products.sentinel2 import BANDS, GRANULE, SIDE_20, STAMP, stored_values, write_sentinel2

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.mapping.match import nearest_bands
from geosoil.models.contract import Feature
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube
from geosoil.sensors.masks import MASKS
from geosoil.sensors.nominal import nominal_bands

CLASSES = {"background": [0], "saturated": [1], "cloud_shadow": [3], "water": [6], "cloud": [8, 9], "cirrus": [10],
           "snow": [11]}  # fmt: skip
IN_CUBE = [band for band in BANDS if band != "B10"]


def expected_values(band, *, offset, old=False):
    """Return the reflectance of a band at 20 m."""
    if band == "B08":
        numbers = stored_values(band, 10).astype(float)
        numbers[numbers == 0] = np.nan
        numbers = numbers.reshape(SIDE_20, 2, SIDE_20, 2).mean(axis=(1, 3))
    elif band == "B09" or (band == "B01" and old):
        numbers = np.kron(stored_values(band, 60), np.ones((3, 3)))
    else:
        numbers = stored_values(band, 20)
    return np.where(numbers == 0, np.nan, (numbers + offset) / 10000)


@pytest.mark.parametrize(("baseline", "offset"), [("04.00", -1000), ("05.11", -900), ("02.14", None)])
def test_values_have_the_offset_of_their_baseline_and_the_grid_of_20_m(tmp_path, baseline, offset):
    safe = write_sentinel2(tmp_path, baseline=baseline, offset=offset)
    cube = open_cube(safe, keep=list(MASKS), drop_nm=[])
    assert cube.shape == (12, SIDE_20, SIDE_20)
    for band, values in zip(IN_CUBE, cube.values, strict=True):
        expected = expected_values(band, offset=offset or 0, old=offset is None)
        np.testing.assert_allclose(values, expected, atol=1e-7, err_msg=band)
    assert Grid.of(cube).transform == pixels_of(20)
    assert (cube.attrs["units"], cube.attrs["sensor"]) == ("reflectance", "SENTINEL2")
    first = "B08 averaged over 2 x 2 pixels of 10 m; B0"
    assert cube.attrs["notes"][0].startswith(f"grid of 20 m: {first}{'1, B09' if offset is None else '9'} repeated")


def planted_on(pixel_m, band):
    """Return the reflectance of a band on the grid of 10 or 60 m: as delivered there, else from the nearest size."""
    n_pixels = SIDE_20 * 20 // pixel_m
    delivered = {10: ("B02", "B03", "B04", "B08"), 60: [other for other in IN_CUBE if other != "B08"]}[pixel_m]
    size = pixel_m if band in delivered else 10 if band == "B08" else 60 if band == "B09" else 20
    numbers = stored_values(band, size).astype(float)
    numbers[numbers == 0] = np.nan
    if size > pixel_m:
        numbers = np.kron(numbers, np.ones((size // pixel_m,) * 2))
    elif size < pixel_m:
        k = pixel_m // size
        numbers = np.nanmean(numbers.reshape(n_pixels, k, n_pixels, k), axis=(1, 3))
    return (numbers - 1000) / 10000


@pytest.mark.parametrize(("pixel_m", "repeated"), [(10, 8), (60, 0)])
def test_the_grid_of_10_or_60_m_has_the_bands_as_delivered_there_and_the_others_from_whole_pixels(
    tmp_path, pixel_m, repeated
):
    safe = write_sentinel2(tmp_path)
    cube = open_cube(safe, keep=list(MASKS), drop_nm=[], pixel_m=pixel_m)
    assert Grid.of(cube).transform == pixels_of(pixel_m)
    with np.errstate(invalid="ignore"), warnings.catch_warnings(action="ignore"):
        for band, values in zip(IN_CUBE, cube.values, strict=True):
            np.testing.assert_allclose(values, planted_on(pixel_m, band), atol=1e-7, err_msg=band)
    note = cube.attrs["notes"][0]
    assert note.startswith(f"grid of {pixel_m} m: ")
    assert sum(text.count("B") for text in note.split(": ")[1].split("; ") if "repeated" in text) == repeated
    masked = np.isnan(open_cube(safe, pixel_m=pixel_m)[4].values)
    at_20 = np.isnan(open_cube(safe)[4].values)
    if pixel_m == 10:
        np.testing.assert_array_equal(masked, np.kron(at_20, np.ones((2, 2), bool)))
    else:
        assert masked.any() and not masked.all()


def test_a_size_of_pixels_that_a_product_has_not_is_refused(tmp_path):
    with pytest.raises(RasterError, match="found pixels of 30 m; expected one of 10, 20, 60 m; choose one of them"):
        open_cube(write_sentinel2(tmp_path / "s"), pixel_m=30)
    with pytest.raises(RasterError, match="found pixels of 10 m; expected the pixels of the file; leave the size out"):
        open_cube(write_landsat(tmp_path / "l"), pixel_m=10)


def test_wavelengths_are_the_centres_of_the_metadata_and_widths_those_of_the_responses(tmp_path):
    safe = write_sentinel2(tmp_path)
    cube = open_cube(safe)
    bands = [band for band in IN_CUBE if band != "B09"]  # which sees water vapour
    assert cube.wavelength_nm.values.tolist() == [BANDS[band][1] for band in bands]
    np.testing.assert_allclose(cube.fwhm_nm, [BANDS[band][2] for band in bands], atol=0.8)  # responses in steps of 1 nm
    path = safe / "MTD_MSIL2A.xml"
    path.write_text(path.read_text().replace("<VALUES>", "<VALUES>x "))
    assert open_cube(safe).fwhm_nm.values.tolist() == [20, 65, 35, 30, 15, 15, 20, 115, 20, 90, 180]


@pytest.mark.parametrize(
    "centre_nm",
    [
        [442.7, 492.7, 559.8, 664.6, 704.1, 740.5, 782.8, 832.8, 864.7, 1613.7, 2202.4],  # Sentinel-2A
        [442.3, 492.3, 558.9, 664.9, 703.8, 739.1, 779.7, 832.9, 864.0, 1610.4, 2185.7],  # Sentinel-2B
    ],
)
def test_a_model_of_the_nominal_bands_reads_the_bands_of_each_satellite_as_they_are(centre_nm):
    bands = nominal_bands("SENTINEL2")
    features = [Feature("", nm, width) for nm, width in zip(bands.centre_nm, bands.fwhm_nm, strict=True)]
    assert nearest_bands(features, np.array(centre_nm)).tolist() == list(range(11))


def test_classes_of_the_scene_classification_are_masked_by_their_names(tmp_path):
    safe = write_sentinel2(tmp_path)
    missing = np.zeros((SIDE_20, SIDE_20), bool)
    missing[:3, :3] = True
    missing[5, [column for columns in CLASSES.values() for column in columns]] = True
    np.testing.assert_array_equal(np.isnan(open_cube(safe)[4].values), missing)
    for name, columns in CLASSES.items():
        kept = missing.copy()
        kept[5, columns] = False
        np.testing.assert_array_equal(np.isnan(open_cube(safe, keep=[name])[4].values), kept, err_msg=name)


@pytest.mark.parametrize("name", ["", "MTD_MSIL2A.xml"])
def test_the_product_is_named_by_its_folder_the_folder_around_it_or_its_metadata(tmp_path, name):
    safe = write_sentinel2(tmp_path / "download")
    whole = open_cube(safe)
    np.testing.assert_array_equal(open_cube(safe / name if name else tmp_path / "download").values, whole.values)


def test_windows_of_a_band_of_another_size_are_those_of_the_whole_band(tmp_path):
    cube = open_cube(write_sentinel2(tmp_path))
    nm = [f"{BANDS[band][1]} nm" for band in ("B08", "B04")]
    whole = cube.sel(band=nm).values
    for rows, columns in ((slice(5, 6), slice(2, 9)), (slice(4, 12), slice(11, 12))):
        np.testing.assert_array_equal(cube.sel(band=nm)[:, rows, columns].values, whole[:, rows, columns])


def with_text(old, new, count=-1):
    def change(safe):
        path = safe / "MTD_MSIL2A.xml"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new, count))

    return change


def image(band, resolution):
    return f"GRANULE/{GRANULE}/IMG_DATA/R{resolution}m/{STAMP}_{band}_{resolution}m.jp2"


def without_20_m(safe):
    for path in (safe / "GRANULE" / GRANULE / "IMG_DATA" / "R20m").iterdir():
        path.unlink()


def wrong_size(safe):
    (safe / image("B08", 10)).write_bytes((safe / image("B09", 60)).read_bytes())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (with_text('<BOA_ADD_OFFSET band_id="3">-1000</BOA_ADD_OFFSET>', ""), RasterError,
         "no BOA_ADD_OFFSET of B04 in a product of baseline 04.00"),
        (with_text("BOA_ADD_OFFSET", "OTHER"), RasterError, "no BOA_ADD_OFFSET of B01, B02"),
        (with_text(">-1000<", ">a lot<", 1), RasterError, "'a lot' as BOA_ADD_OFFSET"),
        (with_text('unit="none">10000<', 'unit="none">0<'), RasterError, "no BOA_QUANTIFICATION_VALUE above 0"),
        (with_text(">664.6<", ">nan<"), WavelengthError, "'nan' as wavelength of band 4"),
        (with_text('bandId="11"', 'bandId="13"'), WavelengthError, "no Spectral_Information of B11"),
        (with_text("</n1:General_Info>", ""), RasterError, "not valid XML"),
        (without_20_m, RasterError, "no band at 20 m"),
        (lambda safe: (safe / image("B04", 20)).write_bytes(b"\0" * 40), RasterError, "B04_20m.jp2"),
        (wrong_size, GridError, "B08_10m.jp2"),
        (lambda safe: (safe / "MTD_MSIL2A.xml").unlink(), RasterError, "not a known product"),
    ],
)  # fmt: skip
def test_a_product_that_is_not_whole_is_refused_in_one_line(tmp_path, change, error, message):
    safe = write_sentinel2(tmp_path)
    change(safe)
    with pytest.raises(error, match=message) as caught:
        open_cube(safe)
    assert len(str(caught.value).splitlines()) == 1


def test_without_the_scene_classification_nothing_is_masked_and_a_note_says_so(tmp_path):
    safe = write_sentinel2(tmp_path)
    (safe / image("SCL", 20)).unlink()
    cube = open_cube(safe)
    assert np.isfinite(cube[3].values[5]).all()
    assert any("no scene classification (SCL) at 20 m" in note for note in cube.attrs["notes"])
    with rasterio.open(safe / image("B04", 20)) as source:
        assert source.dtypes == ("uint16",)
