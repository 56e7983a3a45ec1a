"""The layout of data sets in HDF5 and netCDF-4 files: what is needed to read any part of one, checked once."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

from geosoil.errors import RasterError
from geosoil.io.rasters.dataset_cache import MAX_BANDS, MAX_PIXELS_PER_SIDE
from geosoil.io.rasters.hdf5_files import hdf5_file, member, require_plain

if TYPE_CHECKING:
    from geosoil.io.rasters.hdf5_files import Hdf5Source

MAX_CHUNK_BYTES = 512 * 2**20  # of a decoded chunk: it is in memory as a whole
TILE = 256  # pixels per side of the parts that are read at once of a data set without chunks
TILE_BYTES = 64 * 2**20  # of such a part
FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}  # those of the HDF5 library itself that products use


@dataclass(frozen=True)
class Hdf5Variable:
    """A data set of two or three axes in an HDF5 file: what is needed to read any part of it; small and picklable.

    Parameters
    ----------
    source : Hdf5Source
        The file.
    name : str
        The path of the data set inside the file.
    axes : str
        The axes in the stored order, by the letters b (band), y (row) and x (column): `yxb` has bands last.
    shape : tuple of int
        Lengths of the stored axes.
    dtype : str
        The stored type, with its byte order.
    chunks : tuple of int
        The parts that are read at once, in the stored order.
    filters : tuple of int or None
        Numbers of the filters of the chunks, in the order of writing; None for a data set without chunks.
    """

    source: Hdf5Source
    name: str
    axes: str
    shape: tuple[int, ...]
    dtype: str
    chunks: tuple[int, ...]
    filters: tuple[int, ...] | None

    def length(self, axis: str) -> int:
        """Return the number of bands (b), rows (y) or columns (x)."""
        return self.shape[self.axes.index(axis)] if axis in self.axes else 1

    def chunk(self, axis: str) -> int:
        """Return the length of a chunk along an axis, at most that of the axis."""
        return min(self.chunks[self.axes.index(axis)], self.length(axis)) if axis in self.axes else 1

    @property
    def preferred_chunks(self) -> dict[str, int]:
        """The chunks in pixels, as `make_raster` takes them."""
        return {"y": self.chunk("y"), "x": self.chunk("x")}


def find_variable(source: Hdf5Source, name: str, axes: str) -> Hdf5Variable:
    """Find a data set and check that it can be read safely.

    Parameters
    ----------
    source : Hdf5Source
        The file.
    name : str
        The path of the data set inside the file.
    axes : str
        Its axes in the stored order: some of b, y and x.

    Returns
    -------
    Hdf5Variable

    Raises
    ------
    RasterError
        If it is absent, has other axes, a type or filter that is not read, or lies in another file.

    Examples
    --------
    >>> import h5py, tempfile
    >>> from geosoil.io.rasters.hdf5_files import Hdf5Source
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with h5py.File(folder + "/a.h5", "w") as made:
    ...         made.create_dataset("cube", (40, 30, 5), "int16", chunks=(20, 30, 5), compression="gzip")
    ...     find_variable(Hdf5Source(folder + "/a.h5"), "cube", "yxb").preferred_chunks
    <HDF5 dataset "cube": shape (40, 30, 5), type "<i2">
    {'y': 20, 'x': 30}
    """
    with hdf5_file(source) as file:
        found = member(file, name, source.name)
        if found is None:
            raise RasterError(
                source.name,
                problem=f"{name} is missing",
                expected="the whole product",
                way_out="use the file as delivered",
            )
        require_plain(found, name, source.name)
        filters = _filters(found, name, source.name)
        shape, dtype = tuple(int(side) for side in found.shape), found.dtype
        if len(shape) != len(axes) or 0 in shape:
            raise RasterError(
                source.name,
                found=f"{name} of shape {' x '.join(map(str, shape)) or 'one value'}",
                expected=f"{len(axes)} axes with at least one value each",
                way_out="use the file as delivered",
            )
        sizes = dict(zip(axes, shape, strict=True))
        if max(sizes.get("y", 1), sizes.get("x", 1)) > MAX_PIXELS_PER_SIDE or sizes.get("b", 1) > MAX_BANDS:
            raise RasterError(
                source.name,
                found=f"{name} of shape {' x '.join(map(str, shape))}",
                expected=f"at most {MAX_PIXELS_PER_SIDE} pixels per side and {MAX_BANDS} bands",
                way_out="check the file",
            )
        if dtype.kind not in "fiu" or dtype.itemsize > 8:
            raise RasterError(
                source.name,
                found=f"{name} of type {dtype}",
                expected="whole or floating-point numbers",
                way_out="use the file as delivered",
            )
        chunks = found.chunks
        if chunks is None:
            chunks = tuple(side if axis == "b" else min(side, TILE) for axis, side in sizes.items())
            while prod(chunks) * dtype.itemsize > TILE_BYTES:  # at most 20 000 bands of one pixel
                chunks = tuple(side if axis == "b" else -(-side // 2) for axis, side in zip(axes, chunks, strict=True))
        chunks = tuple(int(side) for side in chunks)
        if prod(chunks) * dtype.itemsize > MAX_CHUNK_BYTES:
            raise RasterError(
                source.name,
                found=f"{name} in chunks of {prod(chunks) * dtype.itemsize / 2**20:.0f} MiB",
                expected=f"at most {MAX_CHUNK_BYTES >> 20} MiB, because a chunk is read as a whole",
                way_out=f"write it again with h5repack -l {name}:CHUNK="
                + "x".join(str(side if axis == "b" else min(side, TILE)) for axis, side in sizes.items()),
            )
        return Hdf5Variable(source, name, axes, shape, dtype.str, chunks, filters if found.chunks else None)


def _filters(found: Any, name: str, where: str) -> tuple[int, ...]:
    settings = found.id.get_create_plist()
    filters = tuple(int(settings.get_filter(i)[0]) for i in range(settings.get_nfilters()))
    for number in filters:
        if number not in FILTERS:  # HDF5 would load a program for it
            raise RasterError(
                where,
                found=f"{name} compressed by filter {number}",
                expected=f"one of {', '.join(FILTERS.values())}",
                way_out="write it again with h5repack -f SHUF -f GZIP=4",
            )
    return filters
