"""Read windows and scattered pixels of data sets in HDF5 and netCDF-4 files, only the chunks and bands that are needed.

The HDF5 library reads one chunk at a time in the whole process. Here it only locates chunks; they are decompressed by
the thread that needs them, and only the requested bands of a decoded chunk are kept, in a cache that threads share. The
blocks of a map that share a chunk thus decode it once.
"""

from __future__ import annotations

import mmap
from functools import partial
from itertools import pairwise, product
from math import prod
from typing import TYPE_CHECKING, Any

import deflate
import numpy as np

from geosoil.errors import GeosoilError, WindowError
from geosoil.io.rasters.chunk_cache import CACHE
from geosoil.io.rasters.hdf5_files import HDF5_ERRORS, kept_open, member
from geosoil.io.rasters.reader import stored_nodata
from geosoil.io.rasters.windows import WindowArray
from geosoil.io.remote.ranges import RemoteFile
from geosoil.io.remote.reading import is_remote
from geosoil.raster.layout import DECODING_BYTES, SHARED_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

    from geosoil.io.rasters.hdf5_variables import Hdf5Variable

COMPARED = 1000  # values of a chunk that are compared first
MAPPED_BYTES = 2**18  # from this size on, memory is a multiple of pages
_DEFLATE, _SHUFFLE = 1, 2


def read_window(variable: Hdf5Variable, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
    """Read some bands of a window as stored.

    Parameters
    ----------
    variable : Hdf5Variable
        The data set.
    bands : ndarray of int, shape (n,)
        Indices of the bands, in any order; `[0]` for a data set without bands.
    rows, columns : slice
        The window, within the data set.

    Returns
    -------
    ndarray of shape (n, rows, columns)
        The values, in the stored type.

    Raises
    ------
    WindowError
        If the values cannot be read.
    """
    out = np.empty((bands.size, rows.stop - rows.start, columns.stop - columns.start), np.dtype(variable.dtype))
    height, width = variable.chunk("y"), variable.chunk("x")
    with kept_open(variable.source):
        for i, j in product(_overlapping(rows, height), _overlapping(columns, width)):
            top, left = max(rows.start, i * height), max(columns.start, j * width)
            bottom, right = min(rows.stop, (i + 1) * height), min(columns.stop, (j + 1) * width)
            inside = (slice(top - i * height, bottom - i * height), slice(left - j * width, right - j * width))
            target = out[:, top - rows.start : bottom - rows.start, left - columns.start : right - columns.start]
            for positions, chunk in _chunks(variable, bands, i, j):
                target[positions] = chunk[(slice(None), *inside)]
    return out


def read_pixels(
    variable: Hdf5Variable, bands: np.ndarray, rows: np.ndarray, columns: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Read some bands of scattered pixels as stored, chunk by chunk.

    Parameters
    ----------
    variable : Hdf5Variable
        The data set.
    bands : ndarray of int, shape (n_bands,)
        Indices of the bands, in any order.
    rows, columns : ndarray of int, shape (n,)
        The pixels, within the data set.

    Yields
    ------
    positions, pixels, values : ndarray of shape (k,), (m,), (k, m)
        Values of the stored type, of the bands at `positions` of `bands` and the pixels at `pixels` of `rows`.

    Raises
    ------
    WindowError
        If the values cannot be read.
    """
    height, width = variable.chunk("y"), variable.chunk("x")
    n_across = -(-variable.length("x") // width)
    numbers = (rows // height) * n_across + columns // width
    order = np.argsort(numbers, kind="stable")
    limits = np.flatnonzero(np.diff(numbers[order], prepend=-1, append=-1))
    with kept_open(variable.source):
        for start, stop in pairwise(limits):
            pixels = order[start:stop]
            i, j = divmod(int(numbers[pixels[0]]), n_across)
            inside = (rows[pixels] - i * height, columns[pixels] - j * width)
            for positions, chunk in _chunks(variable, bands, i, j):
                yield positions, pixels, chunk[(slice(None), *inside)]


def reading_costs(variable: Hdf5Variable) -> dict[str, float]:
    """Return what reading a data set costs, for the `encoding` of its raster: see `COSTS` of raster/layout.py."""
    itemsize = np.dtype(variable.dtype).itemsize
    return {
        SHARED_BYTES: float(variable.length("y") * variable.length("x") * itemsize),
        DECODING_BYTES: float(2 * prod(variable.chunks) * itemsize),  # as stored and some bands, and decompressed
    }


def _overlapping(span: slice, side: int) -> range:
    return range(span.start // side, -(-span.stop // side))


def _chunks(variable: Hdf5Variable, bands: np.ndarray, i: int, j: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the positions of bands in `bands`, and these bands `(band, y, x)` of the chunks at row i and column j."""
    depth = variable.chunk("b")
    for k in np.unique(bands // depth):
        positions = np.flatnonzero(bands // depth == k)
        unique, inverse = np.unique(bands[positions] - k * depth, return_inverse=True)
        key = (variable.source, variable.name, int(k), i, j, unique.tobytes())
        chunk = CACHE.get(key, partial(_decode, variable, {"b": int(k), "y": i, "x": j}, unique))
        yield positions, chunk if np.array_equal(inverse, np.arange(unique.size)) else chunk[inverse]


def _decode(variable: Hdf5Variable, place: dict[str, int], bands: np.ndarray) -> np.ndarray:
    """Read and decode one chunk; return the bands `(band, y, x)`, a view of an array in the stored order of axes."""
    sides = {axis: variable.chunk(axis) for axis in variable.axes}
    start = tuple(place[axis] * side for axis, side in sides.items())
    try:
        with kept_open(variable.source) as file:
            dataset = member(file, variable.name, variable.source.name)
            values = None
            if variable.filters is not None and set(variable.filters) <= {_DEFLATE, _SHUFFLE}:
                values = _decode_chunk(variable, dataset, start, bands)
            if values is None:
                values = _read_part(variable, dataset, start, bands)
    except (GeosoilError, *HDF5_ERRORS) as error:
        raise WindowError(
            variable.source.name,
            problem=f"cannot read the chunk of {variable.name} at {' x '.join(map(str, start))} ({error})",
            expected="a complete file",
            way_out="copy or download the file again",
        ) from error
    values = _compact(values)
    if "b" not in variable.axes:
        return values[None] if variable.axes == "yx" else values.T[None]
    return values.transpose([variable.axes.index(axis) for axis in "byx"])


def _compact(values: np.ndarray) -> np.ndarray:
    """Return whole numbers of a wide type as int16 if all fit, as those of lookup tables and flags do, to keep more.

    >>> _compact(np.array([1.0, -9999.0, 0.0], "f4")).dtype, _compact(np.array([0.5], "f4")).dtype
    (dtype('int16'), dtype('float32'))
    """
    if values.dtype.itemsize <= 2 or not _fits_int16(values.reshape(-1)[:COMPARED]) or not _fits_int16(values):
        return values
    return values.astype(np.int16)


def _fits_int16(values: np.ndarray) -> bool:
    with np.errstate(invalid="ignore"):
        return bool((values == values.astype(np.int16)).all())


def _decode_chunk(variable: Hdf5Variable, dataset: Any, start: tuple[int, ...], bands: np.ndarray) -> np.ndarray | None:
    """Decompress one chunk in this thread; None for a chunk that was never written.

    The bytes of numbers are stored apart by the shuffle filter: first the first bytes of all numbers, then the second
    ones. They are put together again for the requested bands alone.
    """
    assert variable.filters is not None
    info = dataset.id.get_chunk_info_by_coord(start)
    if info is None or info.byte_offset is None:
        return None
    kind, shape = np.dtype(variable.dtype), variable.chunks
    n_bytes = prod(shape) * kind.itemsize
    if info.size > 2 * n_bytes + 1024:
        raise ValueError(f"it has {info.size} bytes for {n_bytes} bytes of values")
    content: bytes | bytearray
    skipped, content = _stored_chunk(variable, dataset, start, info)
    is_shuffled = False
    for position in reversed(range(len(variable.filters))):
        if skipped >> position & 1:
            continue
        if variable.filters[position] == _DEFLATE:
            if is_shuffled:
                return None  # shuffled after compression: HDF5 itself reads what nobody writes
            content = _inflate(content, n_bytes)
        elif is_shuffled:
            return None
        else:
            is_shuffled = True
    if len(content) != n_bytes:
        raise ValueError(f"it has {len(content)} bytes of values instead of {n_bytes}")
    axis = variable.axes.find("b")
    if not is_shuffled:
        stored = np.frombuffer(content, kind).reshape(shape)
        return stored.copy() if axis < 0 else stored.take(bands, axis=axis)
    planes = np.frombuffer(content, np.uint8).reshape(kind.itemsize, *shape)
    if axis >= 0:
        planes = planes.take(bands, axis=axis + 1)
    out = _allocated((*planes.shape[1:], kind.itemsize))
    for number, plane in enumerate(planes):
        out[..., number] = plane
    return out.view(kind)[..., 0]


def _stored_chunk(variable: Hdf5Variable, dataset: Any, start: tuple[int, ...], info: Any) -> tuple[int, bytes]:
    """Return which filters were left out for a chunk, and its bytes; several threads request them at once."""
    source = variable.source
    if not (isinstance(source.file, str) and is_remote(source.file)) or dataset.file.userblock_size:
        skipped, content = dataset.id.read_direct_chunk(start)
        return skipped, content
    file = RemoteFile(source.file, source.stamp)
    file.seek(info.byte_offset)
    return info.filter_mask, file.read(info.size)


def _inflate(content: bytes | bytearray, n_bytes: int) -> bytearray:
    """Decompress at most the bytes that a chunk has, so that a small file cannot fill the memory.

    libdeflate takes less than half of the time of zlib, because it decompresses a chunk as a whole.
    """
    try:
        return deflate.zlib_decompress(content, n_bytes)
    except deflate.DeflateError:
        raise ValueError(f"it is damaged, or decompresses to more than {n_bytes} bytes") from None


def _allocated(shape: tuple[int, ...]) -> np.ndarray:
    """Return an array of uint8, a large one in memory that is given back to the system as soon as it is dropped.

    The allocator of C would keep it, in pieces between smaller objects, and a plan would count it as needed.
    """
    if prod(shape) < MAPPED_BYTES:
        return np.empty(shape, np.uint8)
    return np.frombuffer(mmap.mmap(-1, prod(shape)), np.uint8).reshape(shape)


def _read_part(variable: Hdf5Variable, dataset: Any, start: tuple[int, ...], bands: np.ndarray) -> np.ndarray:
    """Read a part by HDF5 itself, padded to a whole chunk."""
    sides = [variable.chunk(axis) for axis in variable.axes]
    window = [slice(first, min(first + side, n)) for first, side, n in zip(start, sides, variable.shape, strict=True)]
    axis = variable.axes.find("b")
    if axis < 0:
        stored = dataset[tuple(window)]
    elif axis == len(sides) - 1:  # neighbouring bands are neighbours in the file
        window[axis] = slice(start[axis] + int(bands[0]), start[axis] + int(bands[-1]) + 1)
        stored = dataset[tuple(window)].take(bands - bands[0], axis=axis)
    else:
        runs = np.split(bands, np.flatnonzero(np.diff(bands) != 1) + 1)
        parts = []
        for run in runs:
            window[axis] = slice(start[axis] + int(run[0]), start[axis] + int(run[-1]) + 1)
            parts.append(dataset[tuple(window)])
        stored = np.concatenate(parts, axis=axis)
    full = [bands.size if i == axis else side for i, side in enumerate(sides)]
    if list(stored.shape) == full:
        return stored
    padded = np.zeros(full, stored.dtype)
    padded[tuple(slice(side) for side in stored.shape)] = stored
    return padded


def to_float32(
    stored: np.ndarray, nodata: float | None, scale: npt.ArrayLike = 1.0, offset: npt.ArrayLike = 0.0
) -> np.ndarray:
    """Convert stored values to float32 with NaN as no data.

    Parameters
    ----------
    stored : ndarray of shape (band, ...)
        Values as stored.
    nodata : float, optional
        The stored value of no data, which is compared before scaling; infinity and NaN are always no data.
    scale, offset : float or ndarray of shape (band,)
        value = scale * stored + offset.

    Returns
    -------
    ndarray of shape (band, ...), float32

    Examples
    --------
    >>> to_float32(np.array([[0, 50]], "uint16"), 0, scale=0.5).tolist()
    [[nan, 25.0]]
    """
    sides = (-1,) + (1,) * (stored.ndim - 1)
    with np.errstate(over="ignore", invalid="ignore"):  # values beyond float32 become infinite, which is no data
        out = stored.astype(np.float32)
        for operation, neutral, number in ((np.multiply, 1.0, scale), (np.add, 0.0, offset)):
            factors = np.asarray(number, np.float32)
            if (factors != neutral).any():
                operation(out, factors.reshape(sides) if factors.ndim else factors, out=out)
    sentinel = stored_nodata(nodata, stored.dtype.str)
    if sentinel is not None:
        np.copyto(out, np.nan, where=stored == sentinel)
    if stored.dtype.kind == "f":
        np.copyto(out, np.nan, where=np.isinf(out))
    return out


class Hdf5Array(WindowArray):
    """Bands of a data set as float32 `(band, y, x)`; small and picklable, because it holds paths and not open files.

    Parameters
    ----------
    variable : Hdf5Variable
        The data set.
    bands : array-like of int, optional
        Indices of its bands, in the order of the array (default: all).
    nodata, scale, offset
        As `to_float32` takes them; scale and offset for each band of the array, or for all.
    """

    def __init__(
        self,
        variable: Hdf5Variable,
        bands: npt.ArrayLike | None = None,
        *,
        nodata: float | None = None,
        scale: npt.ArrayLike = 1.0,
        offset: npt.ArrayLike = 0.0,
    ) -> None:
        self.bands = np.arange(variable.length("b")) if bands is None else np.asarray(bands, np.intp)
        super().__init__((self.bands.size, variable.length("y"), variable.length("x")))
        self.variable, self.nodata = variable, nodata
        self.scale, self.offset = (np.asarray(number, np.float64) for number in (scale, offset))

    def read(self, bands: np.ndarray, rows: slice, columns: slice) -> np.ndarray:
        """Read the requested bands of one window."""
        stored = read_window(self.variable, self.bands[bands], rows, columns)
        scale, offset = (number[bands] if number.ndim else number for number in (self.scale, self.offset))
        return to_float32(stored, self.nodata, scale, offset)
