"""Products on a web server are opened by their metadata, which name the other files, and read in place."""

import numpy as np
import pytest
from range_server import serving
from s3_server import s3_server
from sensors.products.desis import write_desis
from sensors.products.emit import write_emit
from sensors.products.enmap import write_enmap
from sensors.products.landsat import write_landsat
from sensors.products.packing import packed
from sensors.products.prisma import write_prisma
from sensors.products.sentinel2 import write_sentinel2
from sensors.products.tanager import write_tanager

from geosoil.errors import RasterError
from geosoil.io.archives import reader as archive_reader
from geosoil.sensors import files as product_files
from geosoil.sensors.cube import open_cube


@pytest.mark.parametrize(
    ("write", "ending"),
    [
        (lambda folder: write_desis(folder, count=12), "METADATA.xml"),
        (lambda folder: write_desis(folder, count=12), "SPECTRAL_IMAGE.tif"),
        (lambda folder: write_enmap(folder, count=5), "SPECTRAL_IMAGE.TIF"),
        (lambda folder: write_enmap(folder, count=5, cog=True), "SPECTRAL_IMAGE_COG.tiff"),
        (write_landsat, "MTL.txt"),
        (write_sentinel2, "MTD_MSIL2A.xml"),
        (lambda folder: write_emit(folder, count=12).parent, "_RFL_001_20220815T042838_2222703_003.nc"),
        (lambda folder: write_emit(folder, count=12, mask=False).parent, ".nc"),
        (lambda folder: write_prisma(folder).parent, ".he5"),
        (lambda folder: write_tanager(folder).parent, ".h5"),
    ],
)
def test_a_product_at_an_address_is_that_of_its_folder(tmp_path, write, ending):
    folder = write(tmp_path / "product")
    expected = open_cube(folder).load()
    flat = tmp_path / "flat"  # the server looks for the last part of a name only
    flat.mkdir()
    for path in folder.rglob("*"):
        if path.is_file():
            path.rename(flat / path.name)
    name = next(path.name for path in flat.iterdir() if path.name.endswith(ending))
    with serving(flat) as (address, _):
        cube = open_cube(f"{address}/{name}")
        np.testing.assert_array_equal(cube.values, expected.values)
    np.testing.assert_array_equal(cube.wavelength_nm, expected.wavelength_nm)


@pytest.mark.parametrize("kind", ["zip", "stored", "tar"])
@pytest.mark.parametrize(
    "write", [lambda folder: write_enmap(folder, count=5), lambda folder: write_prisma(folder).parent]
)
def test_a_product_in_an_archive_at_an_address_is_that_of_its_folder(tmp_path, monkeypatch, write, kind):
    folder = write(tmp_path / "product")
    expected = open_cube(folder).load()
    path = packed(folder, kind)
    monkeypatch.setattr(archive_reader, "SMALL_BYTES", 1000)  # so that a packed member is not unpacked as a whole
    with serving(tmp_path) as (address, _):
        cube = open_cube(f"{address}/{path.name}?signature=c2VjcmV0")
        np.testing.assert_array_equal(cube.values, expected.values)
    assert cube.attrs["source"].endswith("?signature=***")


def test_an_archive_in_a_bucket_is_read_there(tmp_path, monkeypatch):
    with s3_server(monkeypatch) as client:
        for name, folder in (
            ("a.zip", write_enmap(tmp_path / "a", count=5)),
            ("b.nc", write_emit(tmp_path / "b", mask=False)),
        ):
            expected = open_cube(folder).load()
            client.upload_file(str(packed(folder, "zip") if name == "a.zip" else folder), "sound", name)
            np.testing.assert_array_equal(open_cube(f"s3://sound/{name}").values, expected.values)
        with pytest.raises(RasterError, match=r"s3://sound/c.nc: found no such object"):
            open_cube("s3://sound/c.nc")


def test_metadata_at_an_address_that_are_missing_or_too_large_are_refused(tmp_path, monkeypatch):
    folder = write_landsat(tmp_path / "product")
    name = next(folder.glob("*MTL.txt")).name
    with serving(folder) as (address, _):
        with pytest.raises(RasterError, match=r"cannot be requested .*404"):
            open_cube(f"{address}/{name.replace('2022', '2021')}")
        monkeypatch.setattr(product_files.ProductFiles.read, "__defaults__", (100,))
        with pytest.raises(RasterError, match="more than 0 MiB"):
            open_cube(f"{address}/{name}")
    with pytest.raises(RasterError, match="metadata at an address of another kind"):
        open_cube(f"gs://bucket/{name}")


def test_names_in_metadata_that_leave_the_folder_are_not_requested():
    files = product_files.ProductFiles.of("https://example.org/a/x_MTL.txt").with_names(
        ["../secret.tif", "/etc/passwd", "b/../../c.tif", "", "x_SR_B1.TIF"]
    )
    assert files.names == ("x_MTL.txt", "x_SR_B1.TIF")
