"""Read selected bands of uncompressed pixel- or line-interleaved files directly, faster than GDAL.

For a pixel-interleaved GeoTIFF or ENVI cube (BIP), GDAL unpacks all bands of a tile before it returns a few of them;
selecting them from the bytes of the file takes a third of the time. For a line-interleaved ENVI cube (BIL), only the
requested lines are read, where GDAL reads complete pages. Files with any other property are left to GDAL.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise, product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import Interleaving

from geosoil.io.rasters.dataset_cache import open_file_stamp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from rasterio import DatasetReader
    from rasterio.windows import Window

CHUNK_BYTES = 2**20  # read at once; fits in the cache of a core
SHORT_RUN = 10  # bands; single bands are copied faster where runs of neighbouring bands are shorter on average
_ENVI_BYTE_ORDERS = {"0": "<", "1": ">"}


@dataclass(frozen=True)
class Layout:
    """The order of stored values: byte_order "<" or ">"; interleaved by line, or by pixel.

    `offset` is the number of bytes before the first value; None for a file with a table of tiles (GeoTIFF).
    """

    byte_order: str
    by_line: bool = False
    offset: int | None = None


def plain_layout(path: str, stamp: tuple[int, int] | None, source: DatasetReader) -> Layout | None:
    """Return the layout of a file that `read_pixels` supports, None for any other file.

    `source` is the open dataset of `path`; `stamp` is its `file_stamp`, None for a remote file.

    >>> import tempfile, rasterio
    >>> from geosoil.io.rasters.dataset_cache import file_stamp
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/a.tif"
    ...     with rasterio.open(path, "w", driver="GTiff", width=2, height=1, count=3, dtype="int16", interleave="pixel",
    ...                        transform=rasterio.Affine(2, 0, 0, 0, -2, 0)) as made:
    ...         made.write(np.ones((3, 1, 2), "int16"))
    ...     with rasterio.open(path) as source:
    ...         plain_layout(path, file_stamp(path), source)
    Layout(byte_order='<', by_line=False, offset=None)
    """
    if stamp is None or path.startswith("/vsi"):  # a remote file, or one in an archive
        return None
    if source.count == 1 or source.compression is not None or len(set(source.dtypes)) > 1:
        return None
    if source.driver == "ENVI":
        return _envi_layout(path, source)
    plain = (
        source.driver == "GTiff"
        and source.interleaving == Interleaving.pixel
        and np.dtype(source.dtypes[0]).itemsize > 1  # bytes may be colours that GDAL converts
        and "NBITS" not in source.tags(1, ns="IMAGE_STRUCTURE")  # packed
    )
    if not plain:
        return None
    with Path(path).open("rb") as file:
        order = {b"II": "<", b"MM": ">"}.get(file.read(2))
    return None if order is None else Layout(order)


def _envi_layout(path: str, source: DatasetReader) -> Layout | None:
    """Return the layout that the header states, if the file has the expected size."""
    header = source.tags(ns="ENVI")
    order, offset = _ENVI_BYTE_ORDERS.get(header.get("byte_order", "")), header.get("header_offset", "0")
    compressed = header.get("file_compression", "0") != "0"
    framed = any(name.endswith("frame_offsets") for name in header)
    if source.interleaving not in (Interleaving.line, Interleaving.pixel) or order is None or compressed or framed:
        return None
    if not offset.isdecimal():
        return None
    n_bytes = source.count * source.height * source.width * np.dtype(source.dtypes[0]).itemsize
    with Path(path).open("rb") as file:
        complete = os.fstat(file.fileno()).st_size >= int(offset) + n_bytes
    return Layout(order, source.interleaving == Interleaving.line, int(offset)) if complete else None


def read_pixels(
    source: DatasetReader,
    path: str,
    stamp: tuple[int, int] | None,
    layout: Layout,
    numbers: list[int],
    window: Window,
) -> np.ndarray | None:
    """Return the stored values `(band, y, x)` of a window, as GDAL would; `numbers` are bands starting at 1.

    `layout` is the result of `plain_layout` for the other parameters. Returns None if GDAL must read the window: a tile
    is missing or truncated, or the file was replaced.
    """
    dtype = np.dtype(source.dtypes[0]).newbyteorder(layout.byte_order)
    y0, x0, height, width = (int(n) for n in (window.row_off, window.col_off, window.height, window.width))
    rows, columns = slice(y0, y0 + height), slice(x0, x0 + width)
    result = np.empty((len(numbers), height, width), dtype)
    band_indices = np.array(numbers) - 1
    with Path(path).open("rb", buffering=0) as file:
        if open_file_stamp(file) != stamp:
            return None
        if layout.by_line:
            assert layout.offset is not None
            is_read = _read_lines(
                file, layout.offset, (source.count, source.width), band_indices, (rows, columns), result
            )
        else:
            is_read = all(
                tile is not None and _read_tile(file, tile, source.count, band_indices, (rows, columns), result)
                for tile in _tiles(source, layout, rows, columns)
            )
    return result.astype(dtype.newbyteorder("="), copy=False) if is_read else None


@dataclass(frozen=True)
class _Tile:
    """A rectangle of pixels: its offset in the file in bytes, and its position in the raster."""

    offset: int
    top: int
    left: int
    height: int
    width: int


def _tiles(source: DatasetReader, layout: Layout, rows: slice, columns: slice) -> Iterator[_Tile | None]:
    """Yield the tiles that a window intersects; None for a tile that is missing or truncated."""
    if layout.offset is not None:
        yield _Tile(layout.offset, 0, 0, source.height, source.width)
        return
    tile_rows, tile_columns = source.block_shapes[0]
    row_bytes = tile_columns * source.count * np.dtype(source.dtypes[0]).itemsize
    for y, x in product(
        range(rows.start // tile_rows, (rows.stop - 1) // tile_rows + 1),
        range(columns.start // tile_columns, (columns.stop - 1) // tile_columns + 1),
    ):
        offset = source.get_tag_item(f"BLOCK_OFFSET_{x}_{y}", "TIFF", bidx=1)
        size = source.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1)
        height = min(tile_rows, source.height - y * tile_rows)  # the last strip may be shorter
        exists = offset is not None and size is not None and int(size) >= height * row_bytes
        yield _Tile(int(offset), y * tile_rows, x * tile_columns, height, tile_columns) if exists else None


def _read_tile(
    file: FileIO, tile: _Tile, n_bands: int, band_indices: np.ndarray, window: tuple[slice, slice], result: np.ndarray
) -> bool:
    """Copy bands of the part of a tile that a window covers; return False if the tile is truncated."""
    pixel_bytes = n_bands * result.dtype.itemsize
    top, bottom = max(window[0].start, tile.top), min(window[0].stop, tile.top + tile.height)
    left, right = max(window[1].start, tile.left), min(window[1].stop, tile.left + tile.width)
    across = slice(left - window[1].start, right - window[1].start)
    # A narrow part of wide rows is read row by row, any other part in many complete rows at once.
    narrow = 2 * (right - left) < tile.width
    first, width = (left, right - left) if narrow else (tile.left, tile.width)
    chunk_rows = 1 if narrow else max(CHUNK_BYTES // (tile.width * pixel_bytes), 1)
    chunk = bytearray(min(chunk_rows, bottom - top) * width * pixel_bytes)
    runs = _runs(band_indices)
    for row in range(top, bottom, chunk_rows):
        n_rows = min(chunk_rows, bottom - row)
        n_bytes = n_rows * width * pixel_bytes
        file.seek(tile.offset + ((row - tile.top) * tile.width + first - tile.left) * pixel_bytes)
        if file.readinto(memoryview(chunk)[:n_bytes]) != n_bytes:
            return False
        pixels = np.frombuffer(chunk, result.dtype, n_rows * width * n_bands).reshape(n_rows, width, n_bands)
        pixels = pixels[:, left - first : right - first]
        target = result[:, row - window[0].start : row - window[0].start + n_rows, across]
        for stored, chosen in runs:  # (y, x, band) -> (band, y, x)
            target[chosen] = pixels[:, :, stored].transpose(2, 0, 1)
        if not runs:  # `take` is several times faster than an index here
            target[...] = np.take(pixels, band_indices, axis=2).transpose(2, 0, 1)
    return True


def _runs(band_indices: np.ndarray) -> list[tuple[slice, slice]]:
    """Return the runs of neighbouring bands as slices of the file and of the result; none if they are short.

    >>> _runs(np.array([*range(30, 50), *range(10, 30)]))
    [(slice(30, 50, None), slice(0, 20, None)), (slice(10, 30, None), slice(20, 40, None))]
    >>> _runs(np.arange(0, 100, 2))
    []
    """
    edges = [0, *(np.flatnonzero(np.diff(band_indices) != 1) + 1).tolist(), len(band_indices)]
    if (len(edges) - 1) * SHORT_RUN > len(band_indices):
        return []
    bands = band_indices.tolist()
    return [(slice(bands[a], bands[a] + b - a), slice(a, b)) for a, b in pairwise(edges)]


def _read_lines(
    file: FileIO,
    offset: int,
    shape: tuple[int, int],
    band_indices: np.ndarray,
    window: tuple[slice, slice],
    result: np.ndarray,
) -> bool:
    """Read the part of a line-interleaved file of (bands, columns) that a window covers; False if it is truncated."""
    n_bands, n_columns = shape
    rows, columns = window
    in_file_order = [(int(band), number) for number, band in sorted(enumerate(band_indices), key=lambda pair: pair[1])]
    for row in range(rows.start, rows.stop):
        for band, number in in_file_order:
            line = result[number, row - rows.start]
            file.seek(offset + ((row * n_bands + band) * n_columns + columns.start) * result.dtype.itemsize)
            if file.readinto(line) != line.nbytes:
                return False
    return True
