"""The memory limit of a run: how a scene is divided into blocks, and how many are in memory at once.

A run needs what the process holds already (libraries, the model), then the blocks in memory, and at the end what
writing the COG needs. The first is measured. The memory of a block is estimated from what its reading, its model and
its result hold at the same time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from itertools import chain, product
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import psutil

from geosoil.errors import MemoryPromiseError, WindowError
from geosoil.io.rasters.chunk_cache import CHUNK_CACHE_BYTES, limit_chunk_cache
from geosoil.io.rasters.dataset_cache import cache_bytes, limit_gdal_cache
from geosoil.io.remote.reading import is_remote
from geosoil.mapping.executors import PREFETCH, PREFETCH_REMOTE
from geosoil.numerics.threads import one_thread_each
from geosoil.raster.blocks import BLOCK_BYTES, choose_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geosoil.mapping.job import MapJob
    from geosoil.mapping.scratch import Edges
    from geosoil.raster.blocks import Blocks

MARGIN = 0.9  # share of the limit that is planned with: allocators keep part of what is freed
SMALL_BLOCK_BYTES = 4 * 2**20  # below, a file's own blocks are read repeatedly: compute fewer at once instead
LEAST_BLOCK_BYTES = 2**20
CLUSTER_BYTES = 32 * 2**20  # of dask in this process, and in each worker
SLACK = 1.05  # what the same process holds differs between runs
SHARE_OF_CHUNKS = 5  # of the limit, at most one part of this many is for decoded chunks that blocks share
PROBE_SIDE = 64
TIMED_SECONDS = 0.5


@dataclass(frozen=True)
class Plan:
    """How a map is computed.

    Parameters
    ----------
    blocks : Blocks
        The division of the map.
    threads : int
        The number of blocks computed at once, over all workers.
    blocks_in_memory : int
        The number of blocks in memory at once.
    memory_bytes, expected_bytes : int
        The memory limit, and the estimated need.
    read_bytes : int
        Size of the values that are read, halos included, as the files store them before compression.
    seconds_per_block : float, optional
        Time of one core, if it was measured.
    workers : int
        The number of worker processes; 0 for threads of this process.
    notes : tuple of str
        Remarks for the user.
    chunk_bytes : int
        The memory of decoded chunks of the files that blocks share.
    """

    blocks: Blocks
    threads: int
    blocks_in_memory: int
    memory_bytes: int
    expected_bytes: int
    read_bytes: int
    seconds_per_block: float | None = None
    workers: int = 0
    notes: tuple[str, ...] = ()
    chunk_bytes: int = 0

    @property
    def seconds(self) -> float | None:
        """The estimated time of the computation; None if nothing was measured."""
        return None if self.seconds_per_block is None else self.seconds_per_block * len(self.blocks) / self.threads

    def summary(self) -> str:
        """Return the plan in a few lines of text."""
        blocks = self.blocks
        height, width = blocks.rows[1], blocks.cols[1]
        bands = f"{len(blocks.names)} band" + ("s" if len(blocks.names) > 1 else "")
        at_once = f"{self.threads} computed, {self.blocks_in_memory} in memory"
        if self.workers:
            at_once = f"{self.threads} computed, one by each of {self.workers} processes"
        lines = [
            f"pixels   {blocks.rows[-1]} x {blocks.cols[-1]}, {bands} out",
            f"blocks   {len(blocks)} of {height} x {width} pixels" + (f", halo {blocks.halo}" if blocks.halo else ""),
            f"at once  {at_once}",
            f"reads    {self.read_bytes / 1e9:.3g} GB of stored values"
            + (", halos included" if blocks.halo else "")
            + "; less where the file is compressed",
            f"memory   {self.expected_bytes / 1e9:.2f} GB at most, the limit is {self.memory_bytes / 1e9:.2f} GB",
        ]
        if self.seconds is not None:
            lines.append(f"time     about {self.seconds:.3g} s for the blocks, measured in the middle")
        return "\n".join([*lines, *self.notes])


def default_memory_limit() -> int:
    """Return half of the free memory in bytes."""
    return psutil.virtual_memory().available // 2


def plan_map(
    job: MapJob,
    *,
    threads: int,
    workers: int = 0,
    memory_bytes: int | None = None,
    block: int | tuple[int, int] | None = None,
    edges: Edges | None = None,
    where: str = "map",
    probe: bool = True,
    timed: bool = False,
) -> Plan:
    """Plan a map within a memory limit.

    Parameters
    ----------
    job : MapJob
        The map.
    threads : int
        The largest number of blocks to compute at once in this process.
    workers : int
        The number of worker processes, which compute one block each; 0 for threads of this process.
    memory_bytes : int, optional
        The limit for all processes together (default: half of the free memory).
    block : int or (int, int), optional
        The side of a block in pixels, or (y, x) (default: the largest that fits, up to 64 MiB of input).
    edges : (tuple of int, tuple of int), optional
        The rows and columns where blocks begin and end, in a run that resumes.
    where : str
        The name of the map in errors.
    probe : bool
        Compute a small window first, which loads what the model needs.
    timed : bool
        Measure the time of a few windows, to estimate that of the map.

    Returns
    -------
    Plan

    Raises
    ------
    MemoryPromiseError
        If not even a small block on one thread fits; the message names the smallest sufficient limit.
    """
    limit = memory_bytes or default_memory_limit()
    with limit_chunk_cache(0):  # chunks that were read to check the cube are not needed
        pass
    if probe:
        _try(job.blocks(PROBE_SIDE))
    held = psutil.Process().memory_info().rss + cache_bytes()
    writing = held + job.writing_bytes
    # Chunks that blocks share are kept if there is memory for them, or for most; else each block decodes its chunks.
    shared_bytes = 0 if workers else min(job.shared_bytes, limit // SHARE_OF_CHUNKS)
    choices = list(_choices(threads, _prefetch(job), workers))
    needed = 0
    for (n_threads, n_prefetch, block_bytes), chunk_bytes in chain(
        product(choices, (shared_bytes, shared_bytes * 3 // 4, shared_bytes // 2)), product(choices, (0,))
    ):
        blocks = job.blocks(block or _chosen_sides(job, block_bytes))
        if edges is not None:
            blocks = replace(blocks, rows=edges[0], cols=edges[1])
        elif block is None and len(blocks) < 2 * n_threads > 2 and block_bytes > SMALL_BLOCK_BYTES:
            continue  # some threads would soon be idle
        n_blocks = n_threads + n_prefetch
        computing = held + chunk_bytes + n_blocks * job.working_bytes(_largest(blocks))
        if workers:
            # Each worker holds the same as this process.
            computing += CLUSTER_BYTES + workers * (held + CLUSTER_BYTES + min(job.shared_bytes, CHUNK_CACHE_BYTES))
        needed = max(computing, writing)
        if needed <= MARGIN * limit:
            break
    else:
        least = ceil(SLACK * needed / MARGIN / 1e7) * 1e7
        instead = " or a smaller --block" if block is not None else " or fewer --workers" if workers else ""
        raise MemoryPromiseError(
            where,
            found=f"a memory limit of {limit / 1e9:.2f} GB",
            expected=f"at least {least / 1e9:.2f} GB for this model and these bands",
            way_out=f"give a larger --memory{instead}",
        )
    n_pixels = sum((rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in _windows(blocks))
    seconds_per_pixel = _seconds_per_pixel(job, blocks) if timed and probe else None
    seconds = None if seconds_per_pixel is None else seconds_per_pixel * blocks.rows[-1] * blocks.cols[-1] / len(blocks)
    return Plan(
        blocks, n_threads, n_blocks, limit, needed, int(job.stored_bytes_per_pixel * n_pixels), seconds, workers,
        chunk_bytes=chunk_bytes,
    )  # fmt: skip


def _choices(threads: int, n_prefetch: int, workers: int) -> Iterator[tuple[int, int, int]]:
    """Yield (n_threads, n_prefetch, block_bytes), best first.

    The prefetch is reduced first, then the size of the blocks, then the threads; the number of workers is fixed.
    """
    if workers:
        threads, n_prefetch = workers, 0
    while n_prefetch > 1:
        yield threads, n_prefetch, BLOCK_BYTES
        n_prefetch //= 2
    for n_threads in [workers] if workers else range(threads, 0, -1):
        block_bytes = BLOCK_BYTES
        while block_bytes >= SMALL_BLOCK_BYTES:
            yield n_threads, n_prefetch, block_bytes
            block_bytes //= 2
        yield n_threads, 0, SMALL_BLOCK_BYTES
    while block_bytes >= LEAST_BLOCK_BYTES:
        yield n_threads, 0, block_bytes
        block_bytes //= 2


def _prefetch(job: MapJob) -> int:
    sources = job.source.attrs.get("source", "").split("; ")
    return PREFETCH_REMOTE if any(is_remote(source.strip()) for source in sources) else PREFETCH


def _chosen_sides(job: MapJob, block_bytes: int) -> tuple[int, int]:
    return choose_block(job.source, halo=job.predict.model.halo, memory_bytes=block_bytes)


def _try(blocks: Blocks) -> tuple[float, int] | None:
    """Compute the middle block on one thread; return its seconds and pixels, None if it cannot be read."""
    place = (len(blocks.rows) - 1) // 2, (len(blocks.cols) - 1) // 2
    with limit_gdal_cache(), limit_chunk_cache(CHUNK_CACHE_BYTES), one_thread_each():
        start = time.perf_counter()
        try:
            values = blocks.read(*place)
        except WindowError:  # the run reports it
            return None
        result = blocks.apply(values, *place)
        return time.perf_counter() - start, result[0].size


def _seconds_per_pixel(job: MapJob, planned: Blocks) -> float | None:
    """Time ever larger windows in the middle, until one takes long enough or is as large as a block."""
    height, width = planned.rows[1], planned.cols[1]
    side = PROBE_SIDE
    while True:
        sides = min(side, height), min(side, width)
        timing = _try(job.blocks(sides))
        if timing is None:
            return None
        seconds, n_pixels = timing
        if seconds >= TIMED_SECONDS or sides == (height, width):
            return seconds / n_pixels
        side *= 2


def _largest(blocks: Blocks) -> tuple[int, int]:
    """Return the largest window that a block reads, halo included."""
    return tuple(int(np.diff(edges).max()) + 2 * blocks.halo for edges in (blocks.rows, blocks.cols))  # type: ignore[return-value]


def _windows(blocks: Blocks) -> list[tuple[slice, slice]]:
    return [blocks.window(i, j)[:2] for i, j in blocks.places]
