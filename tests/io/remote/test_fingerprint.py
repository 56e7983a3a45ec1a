"""A fingerprint is stable, and changes with any file that is read."""

import os
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.shutil import copy
from written_rasters import write_raster

from geosoil.io.remote.fingerprint import fingerprint


def later(path):
    """Move the modification time of a file by one second."""
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))


def envi(folder):
    write_raster(folder / "cube.img", np.ones((3, 4, 5), np.int16), driver="ENVI")
    return folder / "cube.img", folder / "cube.hdr"


def mosaic(folder):
    write_raster(folder / "a.tif", np.ones((1, 4, 5), np.float32))
    copy(folder / "a.tif", folder / "all.vrt", driver="VRT")
    return folder / "all.vrt", folder / "a.tif"


def mosaic_of_a_mosaic(folder):
    inner, source = mosaic(folder)
    (folder / "outer.vrt").write_text(inner.read_text().replace("a.tif", "all.vrt"))
    with rasterio.open(folder / "outer.vrt") as outer:
        assert str(source) not in outer.files
    return folder / "outer.vrt", source


def with_side_file(folder):
    write_raster(folder / "a.tif", np.ones((1, 4, 5), np.float32))
    (folder / "a.tif.aux.xml").write_text("<PAMDataset></PAMDataset>")
    return folder / "a.tif", folder / "a.tif.aux.xml"


@pytest.mark.parametrize("made", [envi, mosaic, mosaic_of_a_mosaic, with_side_file])
def test_a_change_of_a_side_file_changes_the_fingerprint(made, tmp_path):
    named, other = made(tmp_path)
    before = fingerprint(named)
    assert fingerprint(named) == before
    later(other)
    assert fingerprint(named) != before


def test_a_neighbour_that_is_not_read_does_not_count(tmp_path):
    named, _ = mosaic(tmp_path)
    before = fingerprint(named)
    (tmp_path / "b.tif").write_bytes(b"")
    assert fingerprint(named) == before


def test_a_mosaic_that_contains_itself_has_a_fingerprint(tmp_path):
    named, _ = mosaic(tmp_path)
    named.write_text(named.read_text().replace("a.tif", "all.vrt"))
    assert len(fingerprint(named)) == 16


def test_a_change_of_a_table_changes_the_fingerprint(tmp_path):
    table = Path(tmp_path / "bands.csv")
    table.write_text("wavelength_nm\n400\n")
    before = fingerprint(table)
    table.write_text("wavelength_nm\n401\n")
    assert fingerprint(table) != before
