import numpy as np
import pytest
import rasterio
from shared_material import shared
from written_rasters import write_gf5, write_raster

from geosoil.errors import RasterError, WavelengthError
from geosoil.raster.grid import Grid
from geosoil.raster.layout import check_raster
from geosoil.sensors.cube import open_cube

CENTRES = [450.0, 900.0, 1000.0, 980.0, 1400.0, 2200.0]  # two detectors: the fourth band steps back


def write_cube(path, *, centres=CENTRES, **options):
    stored = np.arange(1, 1 + 4 * len(centres), dtype="int16").reshape(len(centres), 2, 2)
    return write_raster(
        path, stored, band_tags=[{"wavelength": w, "wavelength_units": "nm"} for w in centres], **options
    )


def test_the_water_bands_of_a_product_are_left_out_by_wavelength_and_kept_on_request(tmp_path):
    folder = write_gf5(tmp_path / "product")
    every = open_cube(folder, drop_nm=[])
    cube = open_cube(folder)
    centres = every.wavelength_nm.values
    water = ((centres >= 1342) & (centres <= 1451)) | ((centres >= 1771) & (centres <= 1977))
    assert every.sizes["band"] == 330
    np.testing.assert_array_equal(cube.wavelength_nm, centres[~water])
    np.testing.assert_array_equal(cube.values, every.values[~water])
    assert any(
        note.startswith(f"left out {water.sum()} bands of water vapour (GF5_AHSI)") for note in cube.attrs["notes"]
    )
    assert cube.attrs["sensor"] == "GF5_AHSI"
    check_raster(cube)


@pytest.mark.parametrize(
    ("overlap", "expected"),
    [
        ("detector", CENTRES),
        ("wavelength", sorted(CENTRES)),
        ("vnir", [450.0, 900.0, 1000.0, 1400.0, 2200.0]),
        ("swir", [450.0, 900.0, 980.0, 1400.0, 2200.0]),
    ],
)
def test_the_overlap_of_two_detectors_is_kept_sorted_or_given_to_one(tmp_path, overlap, expected):
    cube = open_cube(write_cube(tmp_path / "a.tif"), overlap=overlap)
    assert cube.wavelength_nm.values.tolist() == expected
    # Values go with their wavelengths.
    assert cube.values[:, 0, 0].tolist() == [1 + 4 * CENTRES.index(centre) for centre in expected]
    assert cube.band.values.tolist() == [f"{centre} nm" for centre in expected]


def test_the_overlap_of_a_product_goes_to_the_detector_that_is_asked_for(tmp_path):
    folder = write_gf5(tmp_path / "product")
    vnir, swir = (open_cube(folder, overlap=one, drop_nm=[]) for one in ("vnir", "swir"))
    # SW bands at 1009, 1017.4 and 1025.8 nm lie below the last VN band, 1029 nm; five VN bands lie above 1009 nm.
    assert (vnir.sizes["band"], swir.sizes["band"]) == (327, 325)
    assert all((np.diff(cube.wavelength_nm) > 0).all() for cube in (vnir, swir))
    with pytest.raises(RasterError, match="overlap='both'"):
        open_cube(folder, overlap="both")


def test_a_stack_with_a_sensor_tag_loses_its_water_bands_and_a_generic_cube_only_on_request(tmp_path):
    tagged = open_cube(write_cube(tmp_path / "a.tif", tags={"SENSOR": "GF5_AHSI"}))
    generic = write_cube(tmp_path / "b.tif")
    assert tagged.wavelength_nm.values.tolist() == [450, 900, 1000, 980, 2200]
    assert open_cube(generic).wavelength_nm.values.tolist() == CENTRES
    assert open_cube(generic, drop_nm=[(400, 950), (2200, 2300)]).wavelength_nm.values.tolist() == [1000, 980, 1400]
    with pytest.raises(WavelengthError, match="all bands were left out"):
        open_cube(generic, drop_nm=[(0, 9999)])


def test_bands_marked_bad_are_left_out_and_said(tmp_path):
    path = write_cube(tmp_path / "a.tif")
    with rasterio.open(path, "r+") as made:
        for number in range(1, 7):
            made.update_tags(number, bbl=int(number != 5))
    cube = open_cube(path)
    assert 1400 not in cube.wavelength_nm
    assert cube.attrs["notes"] == ["left out 1 bands marked bad: 1400.0 to 1400.0 nm"]


def test_the_scale_factor_of_an_envi_header_makes_reflectance(tmp_path):
    path = write_raster(tmp_path / "a.img", np.array([[[5000, -1]], [[2500, -1]]], "int16"), driver="ENVI")
    header = path.with_suffix(".hdr")
    header.write_text(
        header.read_text() + "wavelength units = Micrometers\nwavelength = {0.45, 2.2}\n"
        "reflectance scale factor = 10000\ndata ignore value = -1\n"
    )
    cube = open_cube(path)
    np.testing.assert_allclose(cube.values[:, 0], [[0.5, np.nan], [0.25, np.nan]])
    assert cube.attrs["units"] == "reflectance"
    np.testing.assert_array_equal(open_cube(path, scale=1).values[:, 0, 0], [5000, 2500])


def test_a_cube_without_wavelengths_is_refused_and_a_table_supplies_them(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.ones((2, 2, 2), "uint8"))
    with pytest.raises(WavelengthError, match=r"no wavelengths.*--bands"):
        open_cube(path)
    (tmp_path / "table.csv").write_text("centre_nm,fwhm_nm,good\n450,5,1\n900,6,0\n")
    cube = open_cube(path, band_table=tmp_path / "table.csv")
    assert cube.wavelength_nm.values.tolist() == [450] and cube.fwhm_nm.values.tolist() == [5]


def test_a_table_goes_before_the_response_files_of_a_product(tmp_path):
    folder = write_gf5(tmp_path / "product", counts=(2, 2))
    (tmp_path / "table.csv").write_text("centre_nm\n450\n900\n1000\n2200\n")
    cube = open_cube(folder, band_table=tmp_path / "table.csv")
    assert cube.wavelength_nm.values.tolist() == [450, 900, 1000, 2200]
    assert "fwhm_nm" not in cube.coords  # that of the response files belongs to other centres


def test_bands_at_one_wavelength_get_names_of_their_own(tmp_path):
    cube = open_cube(write_cube(tmp_path / "a.tif", centres=[450.0, 993.08, 993.08, 2200.0]))
    assert cube.band.values.tolist() == ["450.0 nm", "993.08 nm (band 2)", "993.08 nm (band 3)", "2200.0 nm"]


def test_a_folder_that_is_not_a_product_and_a_scale_for_a_product_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(RasterError, match="not a known product"):
        open_cube(tmp_path / "empty")
    with pytest.raises(RasterError, match="scale or offset for a product"):
        open_cube(write_gf5(tmp_path / "product"), scale=1e-4)


def test_the_value_of_no_data_applies_to_a_product_too(tmp_path):
    folder = write_gf5(tmp_path / "product")
    by_default, with_nodata = open_cube(folder, drop_nm=[]), open_cube(folder, drop_nm=[], nodata=92)
    assert np.isfinite(by_default[3].values[0, 1]) and np.isnan(with_nodata[3].values[0, 1])


def test_the_real_enmap_cube_opens_with_its_seam_and_its_empty_bands():
    path = shared("data/rasters/enmap_potsdam/enmap_potsdam_mosaic.tif")
    cube = open_cube(path, scale=1e-4)
    with rasterio.open(path) as source:
        stored, grid = source.read(), (source.crs, source.transform, source.height, source.width)
    steps = np.flatnonzero(np.diff(cube.wavelength_nm) < 0)
    assert cube.wavelength_nm.values[[steps[0], steps[0] + 1]].round(2).tolist() == [993.08, 902.26] and steps.size == 1
    np.testing.assert_array_equal(np.isnan(cube.values), stored == -32768)
    np.testing.assert_allclose(np.nan_to_num(cube.values), np.where(stored == -32768, 0, stored * 1e-4), rtol=1e-6)
    assert np.isnan(cube.values).all(axis=(1, 2)).sum() == 6
    assert Grid.of(cube) == Grid(*grid)
    assert (np.diff(open_cube(path, overlap="swir").wavelength_nm) > 0).all()
    assert open_cube(path, overlap="swir").sizes["band"] == 224 - 12
    assert len(set(cube.band.values)) == 224


def test_an_empty_path_is_not_the_working_folder():
    with pytest.raises(RasterError, match="found an empty path"):
        open_cube("")
