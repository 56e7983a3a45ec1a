"""Run a function over a raster block by block: the only place that knows chunks and halos.

Every block reads its own window of the file, halo included: blocks are independent of each other, the memory of a
run is that of the blocks in flight, and the result cannot depend on how the raster was cut.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import product
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
    """A function over the blocks of a raster: all that computing any one of them takes, on any thread or machine.

    rows, cols: where blocks begin and end in pixels, the first 0, the last the height or width. A block is named by its
    place `(i, j)`. `names` and `units` are those of the bands that the function writes.
    """

    function: Callable[[Block], Block]
    source: xr.Variable | None  # None: the windows are blocks of another lazy raster
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    names: tuple[str, ...]
    units: str = ""
    halo: int = 0
    edge: Edge = "nan"

    @property
    def places(self) -> Iterator[tuple[int, int]]:
        """The place of every block, row by row."""
        return product(range(len(self.rows) - 1), range(len(self.cols) - 1))

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
        """Return the rows and columns that block (i, j) reads, and what is missing of its halo on every side."""
        slices, missing = [], [(0, 0)]
        for edges, own in ((self.rows, self.inner(i, j)[0]), (self.cols, self.inner(i, j)[1])):
            start, stop = own.start - self.halo, own.stop + self.halo
            slices.append(slice(max(start, 0), min(stop, edges[-1])))
            missing.append((max(-start, 0), max(stop - edges[-1], 0)))
        return slices[0], slices[1], tuple(missing)

    def read(self, i: int, j: int) -> Block:
        """Read what block (i, j) needs of the source, to be worked on in place."""
        rows, cols, _ = self.window(i, j)
        assert self.source is not None
        values = np.asarray(self.source[:, rows, cols].values)
        # What was read of a file is ours; of a raster in memory it is a view, and the caller's.
        return values.copy() if self.source._in_memory else values

    def apply(self, values: Block, i: int, j: int) -> Block:
        """Run the function on what was read for block (i, j), perhaps in place.

        Raises ValueError where it returns another shape.
        """
        values = np.asarray(values, dtype=np.float32)
        _, _, missing = self.window(i, j)
        if np.any(missing):
            how: dict[str, Any] = {"mode": "symmetric"}
            if self.edge == "nan":
                how = {"mode": "constant", "constant_values": np.nan}
            values = np.pad(values, missing, **how)
        result = np.asarray(self.function(values), dtype=np.float32)
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
    """Cut a raster into blocks for a function; all arguments, and what is raised, as for `map_blocks`.

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

    function: takes a float32 block `(band, y + 2 halo, x + 2 halo)`, NaN = no data, and returns `(names, y, x)`. It may
        work in place, and is called from several threads at once.
    raster: `(band, y, x)` float32, as `open_raster` gives it, in memory, or itself a result of `map_blocks`.
    names: one unique name a band of the result. units: of its values, kept in `attrs["units"]`.
    halo: pixels of context on every side.
    block: side of a block in pixels, or (y, x); None lets `choose_block` align it to the file.
    edge: what a halo holds beyond the raster: "nan", or "reflect", the mirror image (d c b a | a b c d).

    Returns a lazy float32 raster `(names, y, x)` on the same grid: y, x, CRS and transform are those of `raster`.
    Raises RasterError for what is not a raster, ValueError for a halo, block or edge that makes no sense.

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
    return result.assign_coords(band=list(blocks.names))


def _lazy(blocks: Blocks, raster: xr.DataArray) -> da.Array:
    name = f"geosoil-{uuid4().hex}"
    # One key holds the function, and the model inside it; the task of a block is that key and two numbers.
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
    """Choose a block (rows, columns) of whole blocks of the file, about 512 pixels a side, within a memory target.

    raster: `(band, y, x)`. memory_bytes: of one float32 input block with its halo. A file of strips is cut into whole
    strips. Only where one block of the file is more than four times the target is it cut itself.

    Raises RasterError for what is not a raster.

    >>> import numpy as np, xarray as xr
    >>> raster = xr.DataArray(np.zeros((3, 3000, 2000), "float32"), dims=("band", "y", "x"), coords={"band": [1, 2, 3]})
    >>> raster.encoding["preferred_chunks"] = {"y": 200, "x": 200}
    >>> choose_block(raster)
    (400, 400)
    """
    check_raster(raster)
    bands, height, width = raster.shape
    if raster.chunks:  # already cut by an earlier step: stay with it
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
        raise ValueError(f"block is {block}; expected 1 or more pixels a side")
    edges = []
    for length, side in zip(raster.shape[1:], sides, strict=True):
        starts = list(range(0, length, side))
        if len(starts) > 1 and length - starts[-1] < side / 4:
            starts.pop()  # a sliver at the end would cost a halo of its own: the block before it takes it
        edges.append((*starts, length))
    return edges[0], edges[1]


def stream_blocks(
    raster: xr.DataArray,
    store: Callable[[int, int, Block], None],
    *,
    threads: int,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Compute a lazy raster block by block on a pool of threads, and hand every finished block to `store`.

    raster: `(band, y, x)`, lazy or not; about `threads` of its blocks are in memory at a time.
    store: called as `store(y0, x0, block)` with the row and column of the block's first pixel and the float32 block
        `(band, y, x)`; in no fixed order, one call at a time.
    threads: blocks computed at once. BLAS and torch are held to one thread each meanwhile: blocks are the one level
        of parallelism.
    progress: called as `progress(done, total)` after every block.

    An exception in a block, in `store` or in `progress` stops the run at once and comes out as itself (RasterError for
    a block that cannot be read); `store` is not called again after it.

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
    # A pool of our own: leaving it waits for blocks in flight, so nothing runs on behind the caller's back.
    with one_thread_each(), ThreadPoolExecutor(threads, initializer=one_thread_here) as pool:
        try:
            da.store(data, sink, lock=False, scheduler="threads", pool=pool, num_workers=threads)
        finally:
            sink.open = False


class _Sink:
    """What `dask.array.store` takes for an array: one block at a time goes on to `store`."""

    def __init__(self, store: Callable[[int, int, Block], None], progress: Any, total: int) -> None:
        self.store, self.progress, self.total = store, progress, total
        self.open, self.done, self.lock = True, 0, Lock()

    def __setitem__(self, index: tuple[slice, slice, slice], block: Block) -> None:
        with self.lock:
            if not self.open:  # another block failed: the caller may have closed its file already
                return
            try:
                self.store(index[1].start, index[2].start, block)
                self.done += 1
                if self.progress is not None:
                    self.progress(self.done, self.total)
            except BaseException:
                self.open = False
                raise
