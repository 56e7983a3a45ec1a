"""Bands that are read directly equal those that GDAL reads; any other file is left to GDAL."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.windows import Window

from geosoil.errors import RasterError
from geosoil.io.rasters import pixel_tiles
from geosoil.io.rasters import reader as rasters
from geosoil.io.rasters.dataset_cache import file_stamp
from geosoil.io.rasters.pixel_tiles import Layout, plain_layout, read_pixels
from geosoil.io.rasters.reader import open_raster

SHAPE = (5, 70, 83)


def written(path, dtype="int16", **profile):
    data = np.random.default_rng(0).integers(0, 1000, SHAPE).astype(dtype)
    plain = {"driver": "GTiff", "interleave": "pixel", "crs": "EPSG:32633", "transform": Affine(30, 0, 0, 0, -30, 0)}
    bands, height, width = SHAPE
    with rasterio.open(path, "w", count=bands, height=height, width=width, dtype=dtype, **plain | profile) as target:
        target.write(data)
    return path, data


def tried(path):
    """Return the layout that a file is read with by hand; None: GDAL reads it."""
    with rasterio.open(path) as source:
        return plain_layout(str(path), file_stamp(str(path)), source)


WINDOWS = (
    ([1, 2, 3, 4, 5], Window(0, 0, 83, 70)),
    ([4, 2, 2], Window(31, 15, 2, 2)),
    ([5], Window(82, 69, 1, 1)),
    ([3, 1], Window(10, 33, 60, 20)),
)


def assert_reads_as_gdal(path, layout, dtype):
    for numbers, window in WINDOWS:
        with rasterio.open(path) as source:
            read = read_pixels(source, str(path), file_stamp(str(path)), layout, numbers, window)
            expected = source.read(numbers, window=window)
        assert read is not None
        assert read.dtype == expected.dtype == np.dtype(dtype)
        assert read.tobytes() == expected.tobytes()


TILED = {"tiled": True, "blockxsize": 32, "blockysize": 16}


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32", "float64"])
@pytest.mark.parametrize(
    "profile", [TILED, TILED | {"endianness": "big"}, {"blockysize": 1}, {"blockysize": 16}, {"bigtiff": "yes"}]
)
@pytest.mark.parametrize("short_run", [1, 100])  # bands are copied in runs, and one by one
def test_any_bands_of_any_window_are_those_of_gdal(tmp_path, dtype, profile, short_run, monkeypatch):
    monkeypatch.setattr(pixel_tiles, "SHORT_RUN", short_run)
    monkeypatch.setattr(pixel_tiles, "CHUNK_BYTES", 3000)  # several chunks per tile
    path, _ = written(tmp_path / "a.tif", dtype, **profile)
    layout = tried(path)
    assert layout == Layout(">" if "endianness" in profile else "<")
    assert_reads_as_gdal(path, layout, dtype)


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


def test_a_tile_with_a_stored_size_below_its_pixels_is_left_to_gdal(tmp_path):
    path, _ = written(tmp_path / "a.tif", **TILED)
    with rasterio.open(path) as source:
        size = int(source.get_tag_item("BLOCK_SIZE_0_0", "TIFF", bidx=1))
    counts = struct.pack("<H", size) * 15  # one for each tile
    assert counts in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(counts, struct.pack("<H", size - 2) + counts[2:]))
    with rasterio.open(path) as source:
        for window, is_read in ((Window(0, 0, 5, 5), False), (Window(40, 0, 5, 5), True)):
            read = read_pixels(source, str(path), file_stamp(str(path)), Layout("<"), [1], window)
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
        stamp = file_stamp(str(path))
        os.utime(path, ns=(1, 1))
        assert read_pixels(source, str(path), stamp, Layout("<"), [1], Window(0, 0, 5, 5)) is None


def test_a_complete_raster_is_the_same_read_directly_and_by_gdal(tmp_path, monkeypatch):
    path, _ = written(tmp_path / "a.tif", nodata=7, **TILED)
    by_hand = open_raster(path, scale=1e-4, offset=0.1)[[3, 0], 5:60, 20:70].values
    monkeypatch.setattr(rasters, "plain_layout", lambda *_: None)
    by_gdal = open_raster(path, scale=1e-4, offset=0.1)[[3, 0], 5:60, 20:70].values
    np.testing.assert_array_equal(by_hand, by_gdal)
    assert np.isnan(by_hand).any()


ENVI_TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
AXES = {"bil": (1, 0, 2), "bip": (1, 2, 0), "bsq": (0, 1, 2)}


def envi(folder, interleave="bip", number=2, order="<", header_offset=0, **header):
    """Write an ENVI cube of SHAPE by hand; return its path and what it holds."""
    dtype = np.dtype(order + ENVI_TYPES[number])
    data = np.random.default_rng(0).integers(0, 256, (*SHAPE, dtype.itemsize), np.uint8).view(dtype)[..., 0]
    if dtype.kind == "f":
        data[np.isnan(data)] = 1
    bands, height, width = SHAPE
    header = {
        "samples": width,
        "lines": height,
        "bands": bands,
        "header offset": header_offset,
        "file type": "ENVI Standard",
        "data type": number,
        "interleave": interleave,
        "byte order": int(order == ">"),
        "map info": "{UTM, 1, 1, 450000, 4800000, 30, 30, 52, North, WGS-84}",
    } | {name.replace("_", " "): value for name, value in header.items()}
    path = folder / "cube.dat"
    path.write_bytes(b"\x07" * header_offset + data.transpose(AXES[interleave]).tobytes())
    lines = [f"{name} = {value}\n" for name, value in header.items() if value is not None]
    path.with_suffix(".hdr").write_text("ENVI\n" + "".join(lines))
    return path, data


@pytest.mark.parametrize("interleave", ["bil", "bip"])
@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("number", ENVI_TYPES)
def test_an_envi_cube_of_any_type_and_byte_order_is_read_as_gdal_reads_it(
    tmp_path, interleave, order, number, monkeypatch
):
    monkeypatch.setattr(pixel_tiles, "CHUNK_BYTES", 3000)
    for header_offset in (0, 1, 512):
        path, data = envi(tmp_path, interleave, number, order, header_offset)
        layout = tried(path)
        assert layout == Layout(order, interleave == "bil", header_offset)
        assert_reads_as_gdal(path, layout, ENVI_TYPES[number])
        raster = open_raster(path)[[3, 0], 5:60, 20:70]
        with np.errstate(over="ignore"):
            expected = data[[3, 0], 5:60, 20:70].astype("f4")
        np.testing.assert_array_equal(raster.values, np.where(np.isinf(expected), np.nan, expected))


@pytest.mark.parametrize(
    "header",
    [
        {"interleave": "bsq"},
        {"byte_order": None},
        {"major_frame_offsets": "{0, 4}"},
        {"file_compression": 1},
    ],
)
def test_an_envi_cube_that_is_not_plain_is_left_to_gdal(tmp_path, header):
    path, _ = envi(tmp_path, **header)
    if "file_compression" in header:
        path.write_bytes(gzip.compress(path.read_bytes()))
    assert tried(path) is None
    with rasterio.open(path) as source:
        np.testing.assert_array_equal(open_raster(path)[:, :9, :9].values, source.read()[:, :9, :9])


@pytest.mark.parametrize("interleave", ["bil", "bip"])
def test_an_envi_cube_shorter_than_its_header_says_is_left_to_gdal(tmp_path, interleave):
    path, data = envi(tmp_path, interleave)
    layout = tried(path)
    os.truncate(path, data.nbytes - 1)
    assert tried(path) is None
    with rasterio.open(path) as source:  # cut while it was open
        for window, is_read in ((Window(0, 60, 83, 10), False), (Window(0, 0, 83, 10), True)):
            read = read_pixels(source, str(path), file_stamp(str(path)), layout, [1, 5], window)
            assert (read is not None) == is_read


def test_only_the_requested_lines_of_a_line_interleaved_cube_are_read(tmp_path):
    counters = Path("/proc/self/io")
    if not counters.exists():
        pytest.skip("only Linux counts what a process reads")
    bands, height, width = 60, 200, 400
    path = tmp_path / "cube.dat"
    profile = {"driver": "ENVI", "interleave": "BIL", "crs": "EPSG:32633", "transform": Affine(30, 0, 0, 0, -30, 0)}
    with rasterio.open(path, "w", count=bands, height=height, width=width, dtype="int16", **profile) as target:
        target.write(np.ones((bands, height, width), "int16"))
    raster = open_raster(path)[::6]
    raster[:1, :1, :1].values  # noqa: B018  # what opening costs

    def bytes_read():
        return int(counters.read_text().split()[1])

    before = bytes_read()
    values = raster.values
    assert (bytes_read() - before) / (values.size * 2) < 1.1
