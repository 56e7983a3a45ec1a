"""A cube is found by its ENVI header, and a header beside a GeoTIFF gives its wavelengths."""

import numpy as np
import pytest
import rasterio
from written_rasters import write_raster

import geosoil
from geosoil.errors import WavelengthError
from geosoil.io.remote.fingerprint import fingerprint
from geosoil.mapping.inputs import CubeInput
from geosoil.workflows.info import describe_path

VALUES = np.arange(3 * 2 * 4, dtype="int16").reshape(3, 2, 4) * 100
FIELDS = """ENVI
samples = 4
lines = 2
bands = {bands}
header offset = 0
file type = {kind}
data type = 2
interleave = bsq
byte order = 0
map info = {{UTM, 1, 1, 500000, 4000000, 30, 30, 51, North, WGS-84}}
reflectance scale factor = 10000
wavelength units = Micrometers
wavelength = {{0.45, 0.66,
 2.2}}
"""


def write_header(path, bands=3, kind="ENVI Standard"):
    path.write_text(FIELDS.format(bands=bands, kind=kind))


@pytest.mark.parametrize(
    ("data", "header"),
    [
        ("scene.dat", "scene.hdr"),
        ("scene", "scene.hdr"),
        ("scene.IMG", "scene.HDR"),
        ("scene.bsq", "scene.bsq.hdr"),
    ],
)
def test_an_envi_cube_opens_by_the_name_of_its_header(tmp_path, data, header):
    VALUES.astype("<i2").tofile(tmp_path / data)
    write_header(tmp_path / header)
    cube = geosoil.open_cube(tmp_path / header)
    np.testing.assert_allclose(cube.values, VALUES / 1e4, rtol=1e-6)
    np.testing.assert_allclose(cube["wavelength_nm"], [450, 660, 2200])
    source = CubeInput(tmp_path / header)
    assert [fingerprint(path) for path in source.files] == [fingerprint(tmp_path / data)]
    assert source.settings["cube"] == data
    for name in (data, header):
        assert "450.0 to 2200.0 nm" in describe_path(tmp_path / name)


def test_a_header_beside_a_geotiff_gives_its_wavelengths_and_its_scale(tmp_path):
    write_raster(tmp_path / "cube.tif", VALUES, crs="EPSG:32651", transform=rasterio.Affine(30, 0, 0, 0, -30, 0))
    write_header(tmp_path / "cube.hdr", kind="TIFF")
    cube = geosoil.open_cube(tmp_path / "cube.tif")
    np.testing.assert_allclose(cube["wavelength_nm"], [450, 660, 2200])
    np.testing.assert_allclose(cube.values, VALUES / 1e4, rtol=1e-6)
    np.testing.assert_array_equal(geosoil.open_cube(tmp_path / "cube.hdr").values, cube.values)


def test_a_header_of_another_number_of_bands_belongs_to_another_raster(tmp_path):
    write_raster(tmp_path / "cube.tif", VALUES, crs="EPSG:32651", transform=rasterio.Affine(30, 0, 0, 0, -30, 0))
    write_header(tmp_path / "cube.hdr", bands=4)
    with pytest.raises(WavelengthError, match="found no wavelengths"):
        geosoil.open_cube(tmp_path / "cube.tif")
