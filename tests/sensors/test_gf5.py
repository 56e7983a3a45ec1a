import numpy as np
import pytest
from written_rasters import write_gf5

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.sensors import SENSORS
from geosoil.sensors.files import ProductFiles
from geosoil.sensors.gf5 import RADIANCE_UNITS
from geosoil.sensors.gf5 import open_product as open_files


def open_product(folder):
    return open_files(ProductFiles.of(folder)).raster


@pytest.mark.parametrize("generation", ["GF5", "GF5B"])
def test_a_folder_of_either_word_order_becomes_one_cube_of_radiance(tmp_path, generation):
    cube = open_product(write_gf5(tmp_path / "product", generation=generation))
    assert cube.shape == (330, 6, 5)
    np.testing.assert_allclose(cube.wavelength_nm[[0, 149, 150, 329]], [390, 1029, 1009, 2515.571], atol=1e-2)
    np.testing.assert_allclose(cube.fwhm_nm, 8.546)
    stored = np.arange(150 * 30).reshape(150, 6, 5) % 4000 + 1
    np.testing.assert_allclose(cube[10].values[1:], 0.11 * stored[10, 1:], rtol=1e-6)
    stored = np.arange(180 * 30).reshape(180, 6, 5) % 4000 + 1
    np.testing.assert_allclose(cube[152].values[1:], 0.03 * stored[2, 1:] + 0.5, rtol=1e-6)
    # The digital number 0 is no data, though offset 0.5 makes it a radiance.
    assert np.isnan(cube[:, 0, 0].values).all() and np.isfinite(cube[:, 0, 1].values).all()
    assert cube.attrs["units"] == RADIANCE_UNITS
    assert cube.attrs["SolarZenith"] == 52.25
    assert cube.attrs["StartTime"] == "2019-01-22 13:09:10"


def test_both_satellites_are_told_apart_by_their_names(tmp_path):
    gf5 = write_gf5(tmp_path / "gf5", generation="GF5A")
    zy1 = write_gf5(tmp_path / "zy1", generation="ZY1E", counts=(76, 90))
    (tmp_path / "other").mkdir()
    matching = [
        [name for name, sensor in SENSORS.items() if sensor.matches(ProductFiles.of(tmp_path / one))]
        for one in ("gf5", "zy1", "other")
    ]
    assert matching == [["GF5_AHSI"], ["ZY1_AHSI"], []]
    assert open_product(gf5).sizes["band"] == 330
    assert open_product(zy1).sizes["band"] == 166


def test_every_registered_sensor_stands_under_its_own_name():
    assert all(name == sensor.name for name, sensor in SENSORS.items())


def test_images_of_different_shape_are_refused_with_the_line_that_names_them(tmp_path):
    folder = write_gf5(tmp_path / "product", shape=(6, 5), sw_shape=(6, 4))
    with pytest.raises(GridError, match=r"_SW\.geotiff: found shape 6 x 4; expected shape 6 x 5 as in .*_VN\.geotiff"):
        open_product(folder)


def test_without_calibration_values_stay_digital_numbers_and_it_is_said(tmp_path):
    folder = write_gf5(tmp_path / "product")
    for path in folder.glob("*RadCal*"):
        path.unlink()
    cube = open_product(folder)
    assert cube.attrs["units"] == "digital number"
    assert cube[3].values[0, 1] == 92
    assert any("RadCal" in note for note in cube.attrs["notes"])


def test_gains_may_be_alone_in_a_renamed_text_file_between_blank_lines(tmp_path):
    folder = write_gf5(tmp_path / "product")
    old = next(folder.glob("*VNIR_RadCal*"))
    old.with_suffix(".txt").write_text("\n".join(["", *["2.0"] * 150, "", ""]))
    old.unlink()
    assert open_product(folder)[3].values[0, 1] == 2 * 92


@pytest.mark.parametrize(
    ("pattern", "content", "error", "message"),
    [
        ("*VNIR_Spectral*", None, WavelengthError, "no Spectralresponse file of VN"),
        ("*SWIR_Spectral*", "1009,8.5\n1017,8.5\n", WavelengthError, "2 lines; expected one for each of the 180 bands"),
        ("*SWIR_Spectral*", "1009,8.5\nabc,8.5\n", WavelengthError, "'abc,8.5' in line 2"),
        ("*SWIR_Spectral*", "1009\n1017\n", WavelengthError, "'1009' in line 1; expected 2 numbers per line"),
        ("*SWIR_Spectral*", "1.009,0.008\n" * 180, WavelengthError, "expected nanometers"),
        ("*VNIR_RadCal*", "1,0,3\n", RasterError, "'1,0,3' in line 1"),
        ("*VNIR_RadCal*", "1,nan\n", RasterError, "'1,nan' in line 1"),
        ("*_VN.geotiff", None, RasterError, "no files that could be the VN image"),
        ("*.xml", "<a><SolarZenith>steep</SolarZenith></a>", RasterError, "'steep' as SolarZenith"),
        ("*.xml", "<a><b></a>", RasterError, "not valid XML"),
    ],
)
def test_a_product_that_is_not_whole_is_refused(tmp_path, pattern, content, error, message):
    folder = write_gf5(tmp_path / "product")
    path = next(folder.glob(pattern))
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(error, match=message):
        open_product(folder)


def test_an_xml_that_is_too_large_is_not_even_parsed(tmp_path):
    folder = write_gf5(tmp_path / "product")
    with next(folder.glob("*.xml")).open("ab") as file:
        file.truncate(2**24 + 1)
    with pytest.raises(RasterError, match="found more than 16 MiB; expected the metadata of a product"):
        open_product(folder)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_an_xml_with_entities_is_refused_in_any_encoding(tmp_path, encoding):
    folder = write_gf5(tmp_path / "product")
    (tmp_path / "secret").write_text("42")
    text = (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
        "<a><SolarZenith>&e;</SolarZenith></a>"
    )
    next(folder.glob("*.xml")).write_bytes(text.encode(encoding))
    with pytest.raises(RasterError, match="document type"):
        open_product(folder)


def test_an_xml_in_a_chinese_encoding_is_read_and_the_check_report_is_not(tmp_path):
    folder = write_gf5(tmp_path / "product")
    path = next(folder.glob("*.xml"))
    text = (
        '<?xml version="1.0" encoding="GB2312"?>'
        "<ProductMetaData><Place>武汉</Place><SolarZenith>30</SolarZenith></ProductMetaData>"
    )
    path.write_bytes(text.encode("gb2312"))
    (folder / "0_Check.xml").write_text("no XML")
    (folder / ("._" + path.name)).write_text("a Mac was here")
    assert open_product(folder).attrs["SolarZenith"] == 30
    path.unlink()
    assert any("no XML" in note for note in open_product(folder).attrs["notes"])
