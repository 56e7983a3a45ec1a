"""A file from a stranger cannot name other files or addresses, unless its ending says that it does."""

import shutil
import zipfile

import h5py
import numpy as np
import pytest
from written_rasters import write_raster

from geosoil.errors import RasterError
from geosoil.io.rasters.reader import open_raster

VALUES = np.arange(12, dtype=np.float32).reshape(1, 3, 4)
VRT = (
    '<VRTDataset rasterXSize="4" rasterYSize="3"><SRS>EPSG:32633</SRS><GeoTransform>0, 30, 0, 0, 0, -30</GeoTransform>'
    '<VRTRasterBand dataType="Float32" band="1"><SimpleSource><SourceFilename>{}</SourceFilename>'
    "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
)
WMS = (
    '<GDAL_WMS><Service name="TMS"><ServerUrl>http://127.0.0.1:9/${z}/${x}/${y}.png</ServerUrl></Service><DataWindow>'
    "<UpperLeftX>0</UpperLeftX><UpperLeftY>10</UpperLeftY><LowerRightX>10</LowerRightX><LowerRightY>0</LowerRightY>"
    "<SizeX>8</SizeX><SizeY>8</SizeY></DataWindow><BandsCount>1</BandsCount></GDAL_WMS>"
)
ERS = 'DatasetHeader Begin\n Version = "6.0"\n DataFile = "{}"\nDatasetHeader End\n'
TILES = (
    '{{"stac_version": "1.0.0", "type": "FeatureCollection", "features": [{{"assets": {{"a": {{"href": "{}"}}}}}}]}}'
)


@pytest.fixture
def secret(tmp_path):
    return write_raster(tmp_path / "secret.tif", VALUES)


@pytest.mark.parametrize("name", ["dem.tif", "dem.img", "dem.dat", "dem.xml", "dem", "dem.vrt.tif"])
@pytest.mark.parametrize("text", [VRT, "\n" + VRT])
def test_a_vrt_under_another_ending_is_refused(tmp_path, secret, name, text):
    (tmp_path / name).write_text(text.format(secret))
    with pytest.raises(RasterError, match=r"not a raster .*a description of other files, such as a VRT, needs one of"):
        open_raster(tmp_path / name)


@pytest.mark.parametrize("text", [WMS, ERS, TILES])
def test_other_descriptions_under_another_ending_are_refused(tmp_path, secret, text):
    (tmp_path / "dem.tif").write_text(text.format(secret) if "{}" in text else text)
    with pytest.raises(RasterError, match="not a raster"):
        open_raster(tmp_path / "dem.tif")


def test_a_vrt_inside_an_archive_is_refused_under_another_ending(tmp_path, secret):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("dem.tif", VRT.format(secret))
    with pytest.raises(RasterError, match=r"not recognized as being in a supported file format"):
        open_raster(f"/vsizip/{tmp_path}/a.zip/dem.tif")


@pytest.mark.parametrize("name", ["dem.vrt", "DEM.VRT"])
def test_a_vrt_under_its_ending_is_opened(tmp_path, secret, name):
    (tmp_path / name).write_text(VRT.format(secret))
    np.testing.assert_array_equal(open_raster(tmp_path / name).values, VALUES)


@pytest.mark.parametrize("name", ["a.tiff", "a.TIF", "a.dat", "a", "a.xml", "a.vrt"])
def test_a_raster_of_its_own_values_is_opened_under_any_ending(tmp_path, secret, name):
    shutil.copy(secret, tmp_path / name)
    np.testing.assert_array_equal(open_raster(tmp_path / name).values, VALUES)


def test_a_vrt_that_the_user_names_by_its_prefix_is_opened(secret):
    raster = open_raster(f"vrt://{secret}?bands=1,1")
    np.testing.assert_array_equal(raster.values, np.concatenate([VALUES, VALUES]))


@pytest.mark.parametrize("ending", ["nc", "h5", "tif"])
def test_a_truncated_hdf5_file_is_one_line_of_ours_and_none_of_the_library(tmp_path, capfd, ending):
    with h5py.File(tmp_path / "a.h5", "w") as made:
        made["cube"] = np.zeros((9, 9))
    (tmp_path / f"b.{ending}").write_bytes((tmp_path / "a.h5").read_bytes()[:-100])
    with pytest.raises(RasterError, match=rf"b\.{ending}: not a readable HDF5 file .*truncated file"):
        open_raster(tmp_path / f"b.{ending}")
    assert capfd.readouterr() == ("", "")
