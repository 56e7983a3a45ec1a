import numpy as np
import pytest
from shared_material import shared
from written_rasters import write_raster

from geosoil.errors import WavelengthError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.wavelengths import find_bands, read_band_table

THREE = np.ones((3, 2, 2), "int16")
NM = {"wavelength_units": "Nanometers"}


def write_envi(path, lines):
    write_raster(path, THREE, driver="ENVI")
    header = path.with_suffix(".hdr")
    header.write_text(header.read_text() + "\n".join(lines) + "\n")
    return path


def test_tags_of_the_bands_are_read_with_their_unit(tmp_path):
    tags = [
        {"wavelength": w, "wavelength_units": "Micrometers", "fwhm": 0.01, "bbl": b}
        for w, b in ((0.45, 1), (0.9, 0), (2.2, 1))
    ]
    found = find_bands(write_raster(tmp_path / "a.tif", THREE, band_tags=tags))
    assert found.centre_nm.tolist() == [450, 900, 2200]
    assert found.fwhm_nm.tolist() == [10, 10, 10]
    assert found.good.tolist() == [True, False, True]


def test_names_of_tags_may_be_in_any_case(tmp_path):
    tags = [{"Wavelength": w, "Wavelength_Units": "nm", "FWHM": 20} for w in (503, 510, 519)]
    bands = find_bands(write_raster(tmp_path / "a.tif", THREE, band_tags=tags))
    assert bands.centre_nm.tolist() == [503, 510, 519]
    assert bands.fwhm_nm.tolist() == [20, 20, 20]


@pytest.mark.parametrize("text", ["0.45, 0.9, 2.2", "{0.45,0.9,2.2}", "[0.45 0.9 2.2]"])
def test_tags_of_the_file_that_list_all_bands_are_read_if_they_state_their_unit(tmp_path, text):
    tags = {"Wavelengths": text, "fwhm": "0.01 0.01 0.02", "wavelength_units": "um"}
    bands = find_bands(write_raster(tmp_path / "a.tif", THREE, tags=tags))
    assert bands.centre_nm.tolist() == [450, 900, 2200]
    assert bands.fwhm_nm.tolist() == [10, 10, 20]
    del tags["wavelength_units"]
    assert find_bands(write_raster(tmp_path / "b.tif", THREE, tags=tags)) is None
    assert find_bands(write_raster(tmp_path / "c.tif", THREE, tags={"wavelength": "from 0.4 to 2.5 um"})) is None


def test_an_envi_header_is_read_in_full_precision_over_several_lines(tmp_path):
    path = write_envi(tmp_path / "a.img", ["wavelength units = Nanometers", "wavelength = {500.125,\n 600.25, 700}",
                                           "fwhm = {5, 6, 7}", "bbl = {1, 0, 1}"])  # fmt: skip
    found = find_bands(path)
    assert found.centre_nm.tolist() == [500.125, 600.25, 700]
    assert found.fwhm_nm.tolist() == [5, 6, 7]
    assert found.good.tolist() == [True, False, True]


def test_the_imagery_tags_of_gdal_are_read_last(tmp_path):
    path = write_raster(tmp_path / "a.tif", THREE)
    import rasterio

    with rasterio.open(path, "r+") as made:
        for number, centre in enumerate((0.45, 0.9, 2.2), start=1):
            made.update_tags(number, ns="IMAGERY", CENTRAL_WAVELENGTH_UM=centre, FWHM_UM=0.008)
    np.testing.assert_allclose(find_bands(path).centre_nm, [450, 900, 2200])
    np.testing.assert_allclose(find_bands(path).fwhm_nm, [8, 8, 8])


@pytest.mark.parametrize("ending", [".bands.csv", "_bands.csv"])
def test_a_table_in_the_same_folder_is_found_but_tags_of_the_file_come_first(tmp_path, ending):
    path = write_raster(tmp_path / "a.tif", THREE)
    assert find_bands(path) is None
    (tmp_path / f"a{ending}").write_text("wavelength_nm\n450\n900\n2200\n")
    assert find_bands(path).centre_nm.tolist() == [450, 900, 2200]
    tagged = write_raster(tmp_path / "a.tif", THREE, band_tags=[{"wavelength": w, **NM} for w in (451, 901, 2201)])
    assert find_bands(tagged).centre_nm.tolist() == [451, 901, 2201]
    assert find_bands(tagged, table=tmp_path / f"a{ending}").centre_nm.tolist() == [450, 900, 2200]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([{"wavelength": w, "wavelength_units": "Wavenumber"} for w in (1, 2, 3)], "wavelengths in Wavenumber"),
        ([{"wavelength": w} for w in (450, 900, 2200)], "wavelengths without unit"),
        ([{"wavelength": w, **NM} for w in (0.45, 0.9, 2.2)], "a centre of 0.45 nm"),
        ([{"wavelength": w, **NM} for w in (450, 900)], "no tag wavelength for 1 of 3 bands, the first of them band 3"),
        ([{"wavelength": w, **NM} for w in (450, "blue", 900)], "'blue' as wavelength of band 2"),
        (
            [{"wavelength": 450, **NM}, {"wavelength": 0.9, "wavelength_units": "um"}, {"wavelength": 900, **NM}],
            "several",
        ),
        ([{"wavelength": w, **NM, "fwhm": 0} for w in (450, 900, 2200)], "not positive"),
    ],
)
def test_invalid_wavelengths_are_refused(tmp_path, tags, message):
    with pytest.raises(WavelengthError, match=message):
        find_bands(write_raster(tmp_path / "a.tif", THREE, band_tags=tags))


def test_an_envi_list_of_another_length_is_refused(tmp_path):
    # GDAL silently drops or misaligns such lists.
    path = write_envi(tmp_path / "a.img", ["wavelength units = nm", "wavelength = {500, 600}"])
    with pytest.raises(WavelengthError, match="2 values of wavelength"):
        find_bands(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("centre_nm\n450\n900\n", "2 rows; expected one for each of 3 bands"),
        ("nm\n450\n900\n2200\n", "columns nm"),
        ("band,centre_nm\n0,450\n1,900\n2,2200\n", "invalid numbers in the column band"),
        ("centre_nm\n450\nx\n2200\n", "'x' as centre_nm of band 2"),
        ("wavelength\n0.45\n0.9\n2.2\n", "a centre of 0.45 nm"),
        ("", "not a readable table of bands"),
    ],
)
def test_an_invalid_table_of_bands_is_refused(tmp_path, text, message):
    (tmp_path / "bands.csv").write_text(text)
    with pytest.raises(WavelengthError, match=message):
        read_band_table(tmp_path / "bands.csv", count=3)


def test_a_table_in_micrometres_is_recognised_by_its_column(tmp_path):
    (tmp_path / "bands.csv").write_text("Band, Wavelength_um, FWHM_um, good\n1,0.45,0.01,1\n2,2.2,0.02,0\n")
    found = read_band_table(tmp_path / "bands.csv")
    np.testing.assert_allclose(found.centre_nm, [450, 2200])
    np.testing.assert_allclose(found.fwhm_nm, [10, 20])
    assert found.good.tolist() == [True, False]


def test_the_real_enmap_tags_agree_with_the_table_made_from_the_scene():
    folder = shared("data/rasters/enmap_potsdam")
    tags = find_bands(folder / "enmap_potsdam_mosaic.tif")
    table = find_bands(folder / "enmap_potsdam_mosaic.tif", table=folder / "enmap_potsdam_bands.csv")
    np.testing.assert_allclose(tags.centre_nm, table.centre_nm)
    np.testing.assert_allclose(tags.fwhm_nm, table.fwhm_nm)
    assert tags.centre_nm.size == open_raster(folder / "enmap_potsdam_mosaic.tif").sizes["band"] == 224


def test_the_ahsi_tables_are_read():
    for name, count, last in (("gf5_ahsi_bands.csv", 330, 2515.577), ("zy1_ahsi_bands.csv", 166, 2509.044)):
        found = read_band_table(shared(f"data/rasters/{name}"), count=count)
        assert found.centre_nm[-1] == pytest.approx(last, abs=1e-3)
