"""Bands picked from a pixel-interleaved file by hand are those that GDAL reads, or GDAL reads them."""

import os
import struct

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.windows import Window

from geosoil.errors import RasterError
from geosoil.io import pixel_tiles, rasters
from geosoil.io.handles import stamp_of
from geosoil.io.pixel_tiles import byte_order, read_pixels
from geosoil.io.rasters import open_raster

SHAPE = (5, 70, 83)


def written(path, dtype="int16", **profile):
    data = np.random.default_rng(0).integers(0, 1000, SHAPE).astype(dtype)
    plain = {"driver": "GTiff", "interleave": "pixel", "crs": "EPSG:32633", "transform": Affine(30, 0, 0, 0, -30, 0)}
    bands, height, width = SHAPE
    with rasterio.open(path, "w", count=bands, height=height, width=width, dtype=dtype, **plain | profile) as target:
        target.write(data)
    return path, data


def tried(path):
    """Return the byte order that a file is read with by hand; None: GDAL reads it."""
    with rasterio.open(path) as source:
        return byte_order(str(path), stamp_of(str(path)), source)


TILED = {"tiled": True, "blockxsize": 32, "blockysize": 16}


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    "profile", [TILED, TILED | {"endianness": "big"}, {"blockysize": 1}, {"blockysize": 16}, {"bigtiff": "yes"}]
)
def test_any_bands_of_any_window_are_those_of_gdal(tmp_path, dtype, profile, monkeypatch):
    monkeypatch.setattr(pixel_tiles, "CHUNK_BYTES", 3000)  # several chunks a tile
    path, _ = written(tmp_path / "a.tif", dtype, **profile)
    order = tried(path)
    assert order == (">" if "endianness" in profile else "<")
    for numbers, window in (
        ([1, 2, 3, 4, 5], Window(0, 0, 83, 70)),
        ([4, 2, 2], Window(31, 15, 2, 2)),
        ([5], Window(82, 69, 1, 1)),
        ([3, 1], Window(10, 33, 60, 20)),
    ):
        with rasterio.open(path) as source:
            read = read_pixels(source, str(path), stamp_of(str(path)), order, numbers, window)
            assert read is not None
            assert read.dtype == np.dtype(dtype)
            np.testing.assert_array_equal(read, source.read(numbers, window=window))


@pytest.mark.parametrize(
    ("dtype", "profile"),
    [
        ("int16", {"compress": "deflate"}),
        ("int16", {"interleave": "band"}),
        ("uint8", {}),
        ("uint16", {"nbits": 12}),
        ("float32", {"nbits": 16}),
    ],
)
def test_a_file_of_another_kind_is_left_to_gdal(tmp_path, dtype, profile):
    path, data = written(tmp_path / "a.tif", dtype, **TILED | profile)
    assert tried(path) is None
    assert open_raster(path).values.shape == data.shape


def test_a_tile_that_was_never_written_is_left_to_gdal(tmp_path):
    path, data = written(tmp_path / "a.tif", **TILED)
    profile = rasterio.open(path).profile | {"sparse_ok": True, "nodata": -1}
    with rasterio.open(path, "w", **profile) as target:
        target.write(data[:, :16, :32], window=Window(0, 0, 32, 16))
    values = open_raster(path).values
    np.testing.assert_array_equal(values[:, :16, :32], data[:, :16, :32])
    assert np.isnan(values[:, 16:]).all()


def test_a_tile_said_to_be_shorter_than_its_pixels_is_left_to_gdal(tmp_path):
    path, _ = written(tmp_path / "a.tif", **TILED)
    with rasterio.open(path) as source:
        size = int(source.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=1))
    counts = struct.pack("<H", size) * 15  # one for each tile
    assert counts in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(counts, struct.pack("<H", size - 2) + counts[2:]))
    with rasterio.open(path) as source:
        for window, is_read in ((Window(0, 0, 5, 5), False), (Window(40, 0, 5, 5), True)):
            read = read_pixels(source, str(path), stamp_of(str(path)), "<", [1], window)
            assert (read is not None) == is_read


def test_a_file_that_was_cut_off_names_its_window(tmp_path):
    path, data = written(tmp_path / "a.tif", **TILED)
    raster = open_raster(path)
    with rasterio.open(path) as source:
        offset = int(source.get_tag_item("BLOCK_OFFSET_2_4", "TIFF", bidx=1))
    os.truncate(path, offset + 100)
    raster = open_raster(path)
    np.testing.assert_array_equal(raster[:, :16, :32].values, data[:, :16, :32])
    with pytest.raises(RasterError, match="row 64, column 64"):
        raster[:, 64:, 64:].values  # noqa: B018


def test_a_file_that_was_replaced_while_it_is_open_is_left_to_gdal(tmp_path):
    path, _ = written(tmp_path / "a.tif", **TILED)
    with rasterio.open(path) as source:
        stamp = stamp_of(str(path))
        os.utime(path, ns=(1, 1))
        assert read_pixels(source, str(path), stamp, "<", [1], Window(0, 0, 5, 5)) is None


def test_a_whole_raster_is_the_same_by_hand_and_by_gdal(tmp_path, monkeypatch):
    path, _ = written(tmp_path / "a.tif", nodata=7, **TILED)
    by_hand = open_raster(path, scale=1e-4, offset=0.1)[[3, 0], 5:60, 20:70].values
    monkeypatch.setattr(rasters, "byte_order", lambda *_: None)
    by_gdal = open_raster(path, scale=1e-4, offset=0.1)[[3, 0], 5:60, 20:70].values
    np.testing.assert_array_equal(by_hand, by_gdal)
    assert np.isnan(by_hand).any()
