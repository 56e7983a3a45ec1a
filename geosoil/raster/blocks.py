"""Run a function over a raster block by block; no other module deals with chunks and halos.

Every block reads its own window of the file, including its halo. Blocks are therefore independent of each other, a run
needs only the memory of the blocks that are being computed, and the result cannot depend on how the raster is cut.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import ceil, isqrt
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import dask.array as da
import numpy as np
import xarray as xr
from dask.highlevelgraph import HighLevelGraph

from geosoil.numerics.threads import one_thread_each, one_thread_here
from geosoil.raster.layout import DIMS, check_raster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Block = np.ndarray  # float32 (band, y, x); NaN = no data
Edge = Literal["nan", "reflect"]

BLOCK_SIDE = 512  # pixels; larger blocks gain nothing and cost memory
BLOCK_BYTES = 64 * 2**20  # of one float32 input block


@dataclass(frozen=True)
class Blocks:
    """A function and the blocks of a raster on which it runs: enough to compute any block on any thread or machine.

    A block is identified by its place `(i, j)`.

    Attributes
    ----------
    function : callable
        Takes and returns a float32 block `(band, y, x)`.
    source : xarray.Variable or None
        The raster; None if the windows are blocks of another lazy raster.
    rows, cols : tuple of int
        Limits of the blocks in pixels, from 0 to the height or width.
    names : tuple of str
        Names of the bands that the function returns.
    units : str
        Units of their values.
    halo : int
        Pixels of context on every side.
    edge : {"nan", "reflect"}
        Content of a halo beyond the raster.
    """

    function: Callable[..., Block]
    source: xr.Variable | None
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    names: tuple[str, ...]
    units: str = ""
    halo: int = 0
    edge: Edge = "nan"

    @property
    def places(self) -> Iterator[tuple[int, int]]:
        """Places of all blocks, row by row in alternating directions, so that a block is next to the one before it.

        Blocks that follow each other then share more of what a file has decoded.
        """
        columns = range(len(self.cols) - 1)
        return ((i, j) for i in range(len(self.rows) - 1) for j in (columns if i % 2 == 0 else reversed(columns)))

    def __len__(self) -> int:
        return (len(self.rows) - 1) * (len(self.cols) - 1)

    def inner(self, i: int, j: int) -> tuple[slice, slice]:
        """Return the rows and columns that block (i, j) fills."""
        return slice(self.rows[i], self.rows[i + 1]), slice(self.cols[j], self.cols[j + 1])

    def shape(self, i: int, j: int) -> tuple[int, int, int]:
        """Return the shape (band, y, x) of what the function returns for block (i, j)."""
        rows, cols = self.inner(i, j)
        return len(self.names), rows.stop - rows.start, cols.stop - cols.start

    def window(self, i: int, j: int) -> tuple[slice, slice, tuple[tuple[int, int], ...]]:
        """Return the rows and columns that block (i, j) reads, and the pixels missing from its halo on every side."""
        slices, missing = [], [(0, 0)]
        for edges, inner in ((self.rows, self.inner(i, j)[0]), (self.cols, self.inner(i, j)[1])):
            start, stop = inner.start - self.halo, inner.stop + self.halo
            slices.append(slice(max(start, 0), min(stop, edges[-1])))
            missing.append((max(-start, 0), max(stop - edges[-1], 0)))
        return slices[0], slices[1], tuple(missing)

    def read(self, i: int, j: int) -> Block:
        """Read the window of block (i, j) from the source; the array may be modified."""
        rows, cols, _ = self.window(i, j)
        assert self.source is not None
        values = np.asarray(self.source[:, rows, cols].values)
        # A window of a file is a new array; a window of a raster in memory is a view of the caller's array.
        return values.copy() if self.source._in_memory else values

    def apply(self, values: Block, i: int, j: int, **options: Any) -> Block:
        """Run the function on the window of block (i, j), which may be modified; options are passed to the function.

        Raises
        ------
        ValueError
            If the function returns an array of another shape.
        """
        values = np.asarray(values, dtype=np.float32)
        _, _, missing = self.window(i, j)
        if np.any(missing):
            padding: dict[str, Any] = {"mode": "symmetric"}
            if self.edge == "nan":
                padding = {"mode": "constant", "constant_values": np.nan}
            values = np.pad(values, missing, **padding)
        result = np.asarray(self.function(values, **options), dtype=np.float32)
        expected = self.shape(i, j)
        if result.shape != expected:
            raise ValueError(
                f"the function returned a block of shape {result.shape} for one of shape {values.shape}; "
                f"expected {expected} (band, y, x), the halo of {self.halo} cut off"
            )
        return result


def cut_blocks(
    function: Callable[[Block], Block],
    raster: xr.DataArray,
    *,
    names: Sequence[str],
    halo: int = 0,
    block: int | tuple[int, int] | None = None,
    units: str = "",
    edge: Edge = "nan",
) -> Blocks:
    """Cut a raster into blocks for a function; the parameters and errors are those of `map_blocks`.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> raster = xr.DataArray(np.ones((2, 3, 4), "float32"), dims=("band", "y", "x"), coords={"band": ["a", "b"]})
    >>> blocks = cut_blocks(lambda block: block.sum(axis=0, keepdims=True), raster, names=["total"], block=2)
    >>> len(blocks), blocks.apply(blocks.read(1, 1), 1, 1).tolist()
    (4, [[[2.0, 2.0]]])
    """
    check_raster(raster)
    if halo < 0:
        raise ValueError(f"halo is {halo}; expected 0 or more pixels")
    if edge not in ("nan", "reflect"):
        raise ValueError(f"edge is {edge!r}; expected 'nan' or 'reflect'")
    rows, cols = _edges(raster, block, halo)
    source = None if raster.chunks else raster.variable
    return Blocks(function, source, rows, cols, tuple(names), units, halo, edge)


def map_blocks(
    function: Callable[[Block], Block],
    raster: xr.DataArray,
    *,
    names: Sequence[str],
    halo: int = 0,
    block: int | tuple[int, int] | None = None,
    units: str = "",
    edge: Edge = "nan",
) -> xr.DataArray:
    """Run a function over a raster block by block, lazily.

    Parameters
    ----------
    function : callable
        Takes a float32 block `(band, y + 2 halo, x + 2 halo)`, where NaN is no data, and returns `(names, y, x)`. It
        may modify the block, and is called from several threads at once.
    raster : DataArray of shape (band, y, x), float32
        An opened raster, one in memory, or a result of `map_blocks`.
    names : sequence of str
        Unique names of the bands of the result.
    halo : int
        Pixels of context on every side.
    block : int or (int, int), optional
        Side of a block in pixels, or rows and columns; by default `choose_block` aligns it to the file.
    units : str
        Units of the result, written to `attrs["units"]`.
    edge : {"nan", "reflect"}
        Content of a halo beyond the raster: NaN, or the mirror image (d c b a | a b c d).

    Returns
    -------
    DataArray of shape (names, y, x), float32
        A lazy raster with the coordinates, CRS and transform of `raster`.

    Raises
    ------
    RasterError
        If `raster` is not a raster.
    ValueError
        If halo, block or edge is not valid.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> raster = xr.DataArray(np.ones((2, 3, 4), "float32"), dims=("band", "y", "x"), coords={"band": ["a", "b"]})
    >>> total = map_blocks(lambda block: block.sum(axis=0, keepdims=True), raster, names=["total"], block=2)
    >>> total.sizes["band"], total.chunks[1:], float(total.max())
    (1, ((2, 1), (2, 2)), 2.0)
    """
    blocks = cut_blocks(function, raster, names=names, halo=halo, block=block, units=units, edge=edge)
    return lazy_raster(blocks, raster)


def lazy_raster(blocks: Blocks, raster: xr.DataArray) -> xr.DataArray:
    """Return the blocks of a raster as a lazy raster `(names, y, x)` on its grid."""
    coords = {name: c for name, c in raster.coords.items() if set(c.dims) <= {"y", "x"}}
    attrs = {"units": blocks.units} | ({"source": raster.attrs["source"]} if "source" in raster.attrs else {})
    result = xr.DataArray(_lazy(blocks, raster), dims=DIMS, coords=coords, attrs=attrs)
    result.name = blocks.names[0] if len(blocks.names) == 1 else None  # not that of the dask array
    return result.assign_coords(band=list(blocks.names))


def _lazy(blocks: Blocks, raster: xr.DataArray) -> da.Array:
    name = f"geosoil-{uuid4().hex}"
    # One key holds the function and the model inside it; the task of a block consists of that key and two numbers.
    graph: dict[Any, Any] = {f"run-{name}": blocks}
    if blocks.source is not None:
        graph |= {(name, 0, i, j): (_block_of_file, f"run-{name}", i, j) for i, j in blocks.places}
        dependencies = []
    else:
        dependencies = [raster.data]
        row_edges, col_edges = ((0, *np.cumsum(chunks).tolist()) for chunks in raster.data.chunks[1:])
        for i, j in blocks.places:
            row_slice, col_slice, _ = blocks.window(i, j)
            rows, cols = _overlapping(row_edges, row_slice), _overlapping(col_edges, col_slice)
            bands = range(raster.data.numblocks[0])
            parts = [[[(raster.data.name, band, r, c) for c in cols] for r in rows] for band in bands]
            offset = (row_edges[rows[0]], col_edges[cols[0]])
            graph[name, 0, i, j] = (_block_of_blocks, f"run-{name}", i, j, offset, parts)
    chunks = ((len(blocks.names),), tuple(np.diff(blocks.rows).tolist()), tuple(np.diff(blocks.cols).tolist()))
    layers = HighLevelGraph.from_collections(name, graph, dependencies=dependencies)
    return da.Array(layers, name, chunks=chunks, meta=np.empty((0, 0, 0), dtype=np.float32))


def _overlapping(edges: tuple[int, ...], within: slice) -> range:
    first, last = np.searchsorted(edges, [within.start, within.stop - 1], side="right") - 1
    return range(int(first), int(last) + 1)


def _block_of_file(blocks: Blocks, i: int, j: int) -> Block:
    return blocks.apply(blocks.read(i, j), i, j)


def _block_of_blocks(blocks: Blocks, i: int, j: int, offset: tuple[int, int], parts: list[list[list[Block]]]) -> Block:
    rows, cols, _ = blocks.window(i, j)
    values = np.block(parts)
    y0, x0 = offset
    return blocks.apply(values[:, rows.start - y0 : rows.stop - y0, cols.start - x0 : cols.stop - x0], i, j)


def choose_block(raster: xr.DataArray, *, halo: int = 0, memory_bytes: int = BLOCK_BYTES) -> tuple[int, int]:
    """Choose the size of a block: whole blocks of the file, about 512 pixels on each side, within a memory target.

    A file of strips is cut into whole strips. A block of the file is divided only if it is more than four times as
    large as the target.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
    halo : int
        Pixels of context on every side.
    memory_bytes : int
        Memory of one float32 input block with its halo.

    Returns
    -------
    rows, columns : int
        Size of a block in pixels.

    Raises
    ------
    RasterError
        If `raster` is not a raster.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> raster = xr.DataArray(np.zeros((3, 3000, 2000), "float32"), dims=("band", "y", "x"), coords={"band": [1, 2, 3]})
    >>> raster.encoding["preferred_chunks"] = {"y": 200, "x": 200}
    >>> choose_block(raster)
    (400, 400)
    """
    check_raster(raster)
    bands, height, width = raster.shape
    if raster.chunks:  # cut by an earlier step, whose blocks are kept
        return raster.chunks[1][0], raster.chunks[2][0]
    preferred = raster.encoding.get("preferred_chunks") or {}
    file_rows = min(max(int(preferred.get("y", 1)), 1), height)
    file_cols = min(max(int(preferred.get("x", 1)), 1), width)
    side = min(BLOCK_SIDE, isqrt(memory_bytes // (4 * bands)))
    target = max(side, 16) ** 2
    side = max(side - 2 * halo, 2 * halo, 16)
    cols = max(side // file_cols, 1) * file_cols
    rows = max(side * side // cols if file_cols == width else side, 1)
    rows = max(rows // file_rows, 1) * file_rows
    while rows > 1 and rows * cols > 4 * target:
        rows = ceil(rows / 2)
    return min(rows, height), min(cols, width)


def _edges(
    raster: xr.DataArray, block: int | tuple[int, int] | None, halo: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    if block is None:
        block = choose_block(raster, halo=halo)
    sides = (block, block) if isinstance(block, int) else block
    if min(sides) < 1:
        raise ValueError(f"block is {block}; expected 1 or more pixels per side")
    edges = []
    for length, side in zip(raster.shape[1:], sides, strict=True):
        starts = list(range(0, length, side))
        if len(starts) > 1 and length - starts[-1] < side / 4:
            starts.pop()  # a narrow rest is added to the last block, because it would need a halo of its own
        edges.append((*starts, length))
    return edges[0], edges[1]


def stream_blocks(
    raster: xr.DataArray,
    store: Callable[[int, int, Block], None],
    *,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Compute a lazy raster block by block on a pool of threads, and pass every finished block to `store`.

    An exception in a block, in `store` or in `progress` stops the run immediately and is raised unchanged; `store` is
    not called again after it.

    Parameters
    ----------
    raster : DataArray of shape (band, y, x)
        A raster, lazy or in memory; about `threads` of its blocks are in memory at a time.
    store : callable
        Called as `store(y0, x0, block)` with the row and column of the first pixel and the float32 block
        `(band, y, x)`, in no fixed order, one call at a time.
    threads : int
        Number of blocks that are computed at once. BLAS and torch are limited to one thread each meanwhile, so that
        the blocks are the only level of parallelism.
    progress : callable, optional
        Called as `progress(done, total)` after every block.

    Raises
    ------
    RasterError
        If a block cannot be read.

    Examples
    --------
    >>> import numpy as np, xarray as xr
    >>> raster = xr.DataArray(np.ones((1, 2, 4), "float32"), dims=("band", "y", "x"), coords={"band": ["a"]})
    >>> lazy = map_blocks(lambda block: block * 2, raster, names=["double"], block=2)
    >>> result = np.zeros((1, 2, 4))
    >>> def store(y0, x0, block):
    ...     result[:, y0 : y0 + block.shape[1], x0 : x0 + block.shape[2]] = block
    >>> stream_blocks(lazy, store, threads=2)
    >>> float(result.sum())
    16.0
    """
    if not raster.chunks:
        raster = map_blocks(lambda block: block, raster, names=[str(name) for name in raster["band"].values])
    data: Any = raster.data.rechunk({0: -1})
    sink: Any = _Sink(store, progress, data.npartitions)
    # Leaving a pool of its own waits for running blocks, so that nothing runs after the function has returned.
    with one_thread_each(), ThreadPoolExecutor(threads, initializer=one_thread_here) as pool:
        try:
            da.store(data, sink, lock=False, scheduler="threads", pool=pool, num_workers=threads)
        finally:
            sink.open = False


class _Sink:
    """An array for `dask.array.store` that passes one block at a time to `store`."""

    def __init__(self, store: Callable[[int, int, Block], None], progress: Any, total: int) -> None:
        self.store, self.progress, self.total = store, progress, total
        self.open, self.done, self.lock = True, 0, Lock()

    def __setitem__(self, index: tuple[slice, slice, slice], block: Block) -> None:
        with self.lock:
            if not self.open:  # another block failed, and the caller may have closed its file
                return
            try:
                self.store(index[1].start, index[2].start, block)
                self.done += 1
                if self.progress is not None:
                    self.progress(self.done, self.total)
            except BaseException:
                self.open = False
                raise
