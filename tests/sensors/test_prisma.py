"""PRISMA L2D: both cubes with increasing wavelengths, scaled, at the right place, with their errors as masks."""

import h5py
import numpy as np
import pytest
import rasterio
from sensors.products.damage import assert_refused, attribute, replace, without
from sensors.products.model import save_product_model
from sensors.products.prisma import (
    COUNTS,
    EASTING,
    FIELDS,
    LIMITS,
    NORTHING,
    UNUSED,
    is_outside,
    listed_nm,
    planted,
    write_prisma,
)

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube, open_cube_with_masks

ROWS, COLUMNS = 40, 36
KEEP_ALL = ["background", "invalid", "saturated"]


@pytest.fixture(scope="module")
def product(tmp_path_factory):
    return write_prisma(tmp_path_factory.mktemp("prisma"))


def expected_values():
    """Return the planted reflectance `(band, y, x)`, VNIR then SWIR, each by increasing wavelength."""
    row, column = np.ogrid[:ROWS, :COLUMNS]
    parts = []
    for detector, count in COUNTS.items():
        used = np.setdiff1d(np.arange(count), UNUSED[detector])[::-1]
        parts.append(planted(detector, used[:, None, None], row, column))
    return np.concatenate(parts)


def test_both_cubes_have_increasing_wavelengths_without_unused_bands_and_the_planted_reflectance(product):
    cube = open_cube(product, drop_nm=[], keep=KEEP_ALL)
    assert cube.shape == (63 + 171, ROWS, COLUMNS)
    expected_nm = [np.sort(listed_nm(detector)[listed_nm(detector) > 0]) for detector in COUNTS]
    np.testing.assert_allclose(cube.wavelength_nm, np.concatenate(expected_nm))
    np.testing.assert_allclose(cube.fwhm_nm, 11.5)
    inside = ~is_outside(ROWS, COLUMNS)
    np.testing.assert_allclose(cube.values[:, inside], expected_values()[:, inside], rtol=1e-6)
    assert cube.values[0, 0, 0] == 0  # kept on request: Min + 0
    assert cube.attrs["units"] == "reflectance" and cube.attrs["SolarZenith"] == 58.5
    assert "left out unused bands: 3 of VNIR, 2 of SWIR" in cube.attrs["notes"]


@pytest.mark.parametrize(("overlap", "count"), [("vnir", 63 + 161), ("swir", 53 + 171), ("wavelength", 234)])
def test_the_overlap_of_the_detectors_is_a_choice(product, overlap, count):
    cube = open_cube(product, drop_nm=[], overlap=overlap)
    assert (np.diff(cube.wavelength_nm.values) > 0).all() and cube.sizes["band"] == count


@pytest.mark.parametrize("chunks", [False, (8, 66, 36), (40, 1, 36), (7, 20, 11)])
def test_the_layout_of_the_cubes_does_not_matter(product, tmp_path, chunks):
    other = open_cube(write_prisma(tmp_path, chunks=chunks))
    bands = [0, 62, 63, 150]
    np.testing.assert_array_equal(other[bands, 5:33, 3:30].values, open_cube(product)[bands, 5:33, 3:30].values)


@pytest.mark.parametrize(("edges", "note"), [(False, "are centres of pixels"), (True, "are edges of pixels")])
def test_the_corners_are_centres_of_pixels_unless_they_are_a_whole_number_of_pixels_apart(tmp_path, edges, note):
    cube = open_cube(write_prisma(tmp_path, edges=edges))
    grid = Grid.of(cube)
    assert grid.crs.to_epsg() == 32632
    assert grid.transform[:6] == (30, 0, EASTING - 15, 0, -30, NORTHING + 15)
    assert cube.x.values[0] == EASTING and cube.y.values[0] == NORTHING
    assert any(note in text for text in cube.attrs["notes"])


def test_errors_and_pixels_outside_are_masks_and_negative_values_are_not(product):
    opened = open_cube_with_masks(product)
    excluded = {}
    for layer in opened.masks:
        excluded[layer.name] = layer.excludes(slice(None), slice(None))
    np.testing.assert_array_equal(excluded["background"], is_outside(ROWS, COLUMNS))
    assert np.argwhere(excluded["invalid"]).tolist() == [[20, 5]]
    assert np.argwhere(excluded["saturated"]).tolist() == [[21, 6]]
    gaps = is_outside(ROWS, COLUMNS)
    gaps[20, 5] = gaps[21, 6] = True
    np.testing.assert_array_equal(np.isnan(opened.raster[40].values), gaps)
    assert np.isfinite(open_cube(product, keep=["saturated"])[:, 21, 6].values).all()


def test_errors_in_the_absorption_by_water_leave_out_no_pixel(tmp_path):
    path = write_prisma(tmp_path)
    band = int(np.abs(listed_nm("SWIR") - 1400).argmin())
    with h5py.File(path, "r+") as file:
        file[f"{FIELDS}/SWIR_PIXEL_L2_ERR_MATRIX"][:, band] = 1
    assert np.isfinite(open_cube(path)[3, 15:20].values).all()


def test_a_file_without_error_matrices_is_opened(tmp_path):
    opened = open_cube_with_masks(write_prisma(tmp_path, errors=False))
    assert [layer.name for layer in opened.masks] == ["background"]


def test_a_map_is_the_prediction_of_the_model_whatever_the_blocks(product, tmp_path, geosoil):
    expected_nm = np.concatenate([np.sort(listed_nm(detector)[listed_nm(detector) > 0]) for detector in COUNTS])
    chosen = [20, 45, 100, 150, 210]
    model = save_product_model(tmp_path / "clay", expected_nm[chosen], fwhm_nm=11.5)
    rows = expected_values()[chosen].reshape(len(chosen), -1).T.astype(np.float32)
    expected = model.predict_rows(rows)[:, 0].reshape(ROWS, COLUMNS)
    gaps = is_outside(ROWS, COLUMNS)
    gaps[20, 5] = gaps[21, 6] = True
    expected[gaps] = np.nan
    maps = []
    for block in (16, 512):
        done = geosoil("map", "--cube", product, "--model", tmp_path / "clay", "--block", block,
                       "-o", tmp_path / f"{block}.tif")  # fmt: skip
        assert done.code == 0, done.err
        with rasterio.open(tmp_path / f"{block}.tif") as made:
            maps.append(made.read(1, masked=True).filled(np.nan))
            assert made.transform.c == EASTING - 15 and made.transform.f == NORTHING + 15
    np.testing.assert_allclose(maps[0], expected, rtol=1e-5)
    np.testing.assert_array_equal(*maps)


def listed(change):
    """Return a change of the list of VNIR wavelengths."""
    return attribute("List_Cw_Vnir", change(listed_nm("VNIR").astype(float)))


def with_nan(numbers):
    numbers[5] = np.nan
    return numbers


VNIR, ERRORS = f"{FIELDS}/VNIR_Cube", f"{FIELDS}/SWIR_PIXEL_L2_ERR_MATRIX"
MALFORMED = {
    "no list": (attribute("List_Cw_Vnir"), WavelengthError, "List_Cw_Vnir is missing; expected a number"),
    "NaN": (listed(with_nan), WavelengthError, "nan for band 6 in List_Cw_Vnir; expected nanometres"),
    "micrometres": (listed(lambda nm: nm / 1000), WavelengthError, "1.0106 for band 4 in List_Cw_Vnir"),
    "none used": (listed(lambda nm: nm * 0), WavelengthError, "found no List_Cw_Vnir"),
    "short list": (listed(lambda nm: nm[1:]), RasterError, "VNIR_Cube of shape 40 x 66 x 36; expected 65 bands, as"),
    "no width": (attribute("List_Fwhm_Swir"), WavelengthError, "List_Fwhm_Swir is missing"),
    "wrong axis": (replace(VNIR, lambda old: old.transpose(0, 2, 1)), RasterError, "40 x 36 x 66; expected 66"),
    "two axes": (replace(VNIR, lambda old: old[:, 0]), RasterError, "VNIR_Cube of shape 40 x 36; expected 3 axes"),
    "reflectance": (replace(VNIR, lambda old: old / 65535.0), RasterError, "VNIR_Cube of float64; expected uint16"),
    "no cube": (without(VNIR), RasterError, "VNIR_Cube is missing; expected the whole product"),
    "other size": (replace(f"{FIELDS}/SWIR_Cube", lambda old: old[1:]), GridError, "a SWIR cube of 39 x 36 pixels"),
    "no scale": (attribute("L2ScaleSwirMax"), RasterError, "the attribute L2ScaleSwirMax is missing"),
    "swapped scale": (attribute("L2ScaleVnirMin", 2.0), RasterError, "L2ScaleVnirMin 2 and Max 1.2; expected"),
    "text as scale": (attribute("L2ScaleVnirMin", "low"), RasterError, "'low' as L2ScaleVnirMin; expected a number"),
    "no corner": (attribute("Product_LRcorner_easting"), RasterError, "Product_LRcorner_easting is missing"),
    "swapped bounds": (attribute("Product_LRcorner_northing", NORTHING + 1170), GridError, "1050 m and -1170 m"),
    "not 30 m": (attribute("Product_LRcorner_easting", EASTING + 1080.0 + 4), GridError, "corners that are 1084 m and"),
    "no CRS": (attribute("Epsg_Code", 999_999), GridError, "999999 as Epsg_Code; expected the number of a CRS"),
    "other errors": (replace(ERRORS, lambda old: old[:, 1:]), RasterError, "ERR_MATRIX of shape 40 x 172 x 36; exp"),
    "level 1": (lambda file: file.move("HDFEOS/SWATHS/PRS_L2D_HCO", "HDFEOS/SWATHS/PRS_L1_HCO")
                or file.move("HDFEOS/SWATHS/PRS_L2D_PCO", "HDFEOS/SWATHS/PRS_L1_PCO"), RasterError,
                "level L1, in sensor geometry; expected level L2D"),
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_product_is_one_line(product, tmp_path, name):
    assert_refused(product, tmp_path, *MALFORMED[name])


@pytest.mark.parametrize("kept", [0.02, 0.5, 0.98])
def test_a_truncated_product_is_one_line(product, tmp_path, kept):
    path = tmp_path / product.name
    content = product.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(RasterError, match=r"not a readable HDF5 file .*; expected a complete file"):
        open_cube(path)


def test_the_scale_is_that_of_each_detector():
    assert LIMITS["VNIR"] != LIMITS["SWIR"]
