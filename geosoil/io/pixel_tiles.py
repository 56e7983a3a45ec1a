"""Chosen bands of an uncompressed, pixel-interleaved GeoTIFF, straight from the file.

Such a file holds all bands of a pixel beside each other. GDAL unpacks a whole tile, band by band, before it hands out a
few of them; picking them from the file's own bytes takes a third of the time. Where anything about a tile is not as
plain as it has to be, nothing is read and GDAL does it.
"""

from __future__ import annotations

from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rasterio.enums import Interleaving

from geosoil.io.handles import stamp_of_open

if TYPE_CHECKING:
    from rasterio import DatasetReader
    from rasterio.windows import Window

CHUNK_BYTES = 2**20  # read at once: stays near a core's cache until its bands are picked


def byte_order(path: str, stamp: tuple[int, int] | None, source: DatasetReader) -> str | None:
    """Return "<" or ">" where `read_pixels` may try the file, None where it is of another kind.

    path, source: the same dataset. stamp: of a local file, None for any other.

    >>> import tempfile, rasterio
    >>> from geosoil.io.handles import stamp_of
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/a.tif"
    ...     with rasterio.open(path, "w", driver="GTiff", width=2, height=1, count=3, dtype="int16", interleave="pixel",
    ...                        transform=rasterio.Affine(2, 0, 0, 0, -2, 0)) as made:
    ...         made.write(np.ones((3, 1, 2), "int16"))
    ...     with rasterio.open(path) as source:
    ...         byte_order(path, stamp_of(path), source)
    '<'
    """
    plain = (
        stamp is not None
        and source.driver == "GTiff"
        and source.count > 1
        and source.interleaving == Interleaving.pixel
        and source.compression is None
        and np.dtype(source.dtypes[0]).itemsize > 1  # bytes may be colours that GDAL converts
        and "NBITS" not in source.tags(1, ns="IMAGE_STRUCTURE")  # packed
    )
    if not plain:
        return None
    with Path(path).open("rb") as file:
        return {b"II": "<", b"MM": ">"}.get(file.read(2))


def read_pixels(
    source: DatasetReader,
    path: str,
    stamp: tuple[int, int] | None,
    order: str,
    numbers: list[int],
    window: Window,
) -> np.ndarray | None:
    """Return the stored values `(band, y, x)` of the bands `numbers` (1 is the first) in a window, as GDAL would.

    source, path, stamp, order: as for `byte_order`, and what it returned. None where the file must be read by GDAL:
    a tile is not on the disk, is shorter than it should be, or the file was replaced.
    """
    tile_rows, tile_columns = source.block_shapes[0]
    dtype = np.dtype(source.dtypes[0]).newbyteorder(order)
    pixel_bytes = source.count * dtype.itemsize
    row_bytes = tile_columns * pixel_bytes
    picked = np.array(numbers) - 1
    y0, x0, height, width = (int(n) for n in (window.row_off, window.col_off, window.height, window.width))
    result = np.empty((len(numbers), height, width), dtype.newbyteorder("="))
    chunk_rows = max(CHUNK_BYTES // row_bytes, 1)
    chunk = bytearray(min(chunk_rows, tile_rows) * row_bytes)
    tiles = product(
        range(y0 // tile_rows, (y0 + height - 1) // tile_rows + 1),
        range(x0 // tile_columns, (x0 + width - 1) // tile_columns + 1),
    )
    with Path(path).open("rb", buffering=0) as file:
        if stamp_of_open(file) != stamp:
            return None
        for tile_y, tile_x in tiles:
            offset = source.get_tag_item(f"BLOCK_OFFSET_{tile_x}_{tile_y}", "TIFF", bidx=1)
            size = source.get_tag_item(f"BLOCK_SIZE_{tile_x}_{tile_y}", "TIFF", bidx=1)
            first = tile_y * tile_rows  # in the raster, of the tile
            inside = slice(max(y0 - first, 0), min(y0 + height - first, tile_rows))
            whole = min(tile_rows, source.height - first) * row_bytes  # the last strip may be shorter
            if offset is None or size is None or int(size) < whole:
                return None
            left = tile_x * tile_columns
            columns = slice(max(x0 - left, 0), min(x0 + width - left, tile_columns))
            across = slice(left + columns.start - x0, left + columns.stop - x0)
            for row in range(inside.start, inside.stop, chunk_rows):
                rows = min(chunk_rows, inside.stop - row)
                file.seek(int(offset) + row * row_bytes)
                if file.readinto(memoryview(chunk)[: rows * row_bytes]) != rows * row_bytes:
                    return None
                pixels = np.frombuffer(chunk, dtype, rows * tile_columns * source.count)
                pixels = pixels.reshape(rows, tile_columns, source.count)[:, columns]
                down = first + row - y0
                # (y, x, band) -> (band, y, x); `take` is several times faster than an index here
                result[:, down : down + rows, across] = np.take(pixels, picked, axis=2).transpose(2, 0, 1)
    return result
