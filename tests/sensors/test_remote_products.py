"""Products on a web server are opened by their metadata, which name the other files, and read in place."""

import numpy as np
import pytest
from range_server import serving
from sensors.products.desis import write_desis
from sensors.products.enmap import write_enmap
from sensors.products.landsat import write_landsat
from sensors.products.sentinel2 import write_sentinel2

from geosoil.errors import RasterError
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
