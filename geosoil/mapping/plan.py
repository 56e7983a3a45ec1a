"""The memory promise: how a scene is cut, and how many blocks are in memory at once, so that a run stays under it.

What a run takes is what the process holds already (libraries, the model), then the blocks in the lanes, and after them
what writing the COG takes. The first is measured; a block's share is reckoned from what its reading, its model and its
result hold at the same time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
import psutil

from geosoil.errors import MemoryPromiseError, WindowError
from geosoil.io.rasters.dataset_cache import cache_bytes, limit_gdal_cache
from geosoil.io.remote.reading import is_remote
from geosoil.mapping.executors import READ_AHEAD, READ_AHEAD_REMOTE
from geosoil.numerics.threads import one_thread_each
from geosoil.raster.blocks import BLOCK_BYTES, choose_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geosoil.mapping.job import MapJob
    from geosoil.raster.blocks import Blocks

MARGIN = 0.9  # of the promise is planned with: allocators keep some of what is freed
SMALL_BLOCK_BYTES = 4 * 2**20  # smaller ones read a file's own blocks again and again: rather fewer at once
LEAST_BLOCK_BYTES = 2**20
CLUSTER_BYTES = 32 * 2**20  # of dask in this process, and in each worker
SLACK = 1.05  # what the same process holds differs from run to run
PROBE_SIDE = 64
TIMED_SECONDS = 0.5


@dataclass(frozen=True)
class Plan:
    """How a map is computed.

    threads: blocks computed at once, over all workers. lanes: blocks in memory at once. memory_bytes: the promise;
    expected_bytes: what is reckoned with. read_bytes: values of the bands that are read, halos included, as the files
    store them, before any compression. seconds_a_block: of one core, measured; None where none was. workers: processes
    that compute; 0: threads of this one. notes: what is to be said of it.
    """

    blocks: Blocks
    threads: int
    lanes: int
    memory_bytes: int
    expected_bytes: int
    read_bytes: int
    seconds_a_block: float | None = None
    workers: int = 0
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float | None:
        """The time that computing takes, reckoned from what was measured."""
        return None if self.seconds_a_block is None else self.seconds_a_block * len(self.blocks) / self.threads

    def summary(self) -> str:
        """Say it in a few lines."""
        blocks = self.blocks
        height, width = blocks.rows[1], blocks.cols[1]
        bands = f"{len(blocks.names)} band" + ("s" if len(blocks.names) > 1 else "")
        at_once = f"{self.threads} computed, {self.lanes} in memory"
        if self.workers:
            at_once = f"{self.threads} computed, one by each of {self.workers} processes"
        lines = [
            f"pixels   {blocks.rows[-1]} x {blocks.cols[-1]}, {bands} out",
            f"blocks   {len(blocks)} of {height} x {width} pixels" + (f", halo {blocks.halo}" if blocks.halo else ""),
            f"at once  {at_once}",
            f"reads    {self.read_bytes / 1e9:.3g} GB of stored values"
            + (", halos included" if blocks.halo else "")
            + "; less where the file is compressed",
            f"memory   {self.expected_bytes / 1e9:.2f} GB at most, {self.memory_bytes / 1e9:.2f} GB promised",
        ]
        if self.seconds is not None:
            lines.append(f"time     about {self.seconds:.3g} s for the blocks, from a trial in the middle")
        return "\n".join([*lines, *self.notes])


def default_promise() -> int:
    """Return half of the memory that is free now, in bytes."""
    return psutil.virtual_memory().available // 2


def plan_map(
    mapping: MapJob,
    *,
    threads: int,
    workers: int = 0,
    memory_bytes: int | None = None,
    block: int | tuple[int, int] | None = None,
    cut: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    where: str = "map",
    probe: bool = True,
    timed: bool = False,
) -> Plan:
    """Plan a map within a memory promise.

    threads: the most blocks to compute at once in this process; workers: or in so many processes beside it, a block at
    a time each. memory_bytes: for all of them; default half of what is free. block: the side of a block in pixels, or
    (y, x), where it is given; else the largest that fits, up to 64 MiB of input. cut: where blocks begin and end, rows
    and columns, of a run that goes on. where: named in errors. probe: run a small window first, which loads what the
    model needs. timed: and larger ones, for half a second or up to a block, to reckon the time.

    Raises MemoryPromiseError where even a small block on one thread does not fit; it names the least promise that does.
    """
    promise = memory_bytes or default_promise()
    if probe:
        _try(mapping.blocks(PROBE_SIDE))
    held = psutil.Process().memory_info().rss + cache_bytes()
    writing = held + mapping.writing_bytes
    needed = 0
    for n_threads, n_ahead, target in _choices(threads, _read_ahead(mapping), workers):
        blocks = mapping.blocks(block or _chosen_sides(mapping, target))
        if cut is not None:
            blocks = replace(blocks, rows=cut[0], cols=cut[1])
        elif block is None and len(blocks) < 2 * n_threads > 2 and target > SMALL_BLOCK_BYTES:
            continue  # some threads would soon have none
        lanes = n_threads + n_ahead
        computing = held + lanes * mapping.working_bytes(_largest(blocks))
        if workers:
            computing += CLUSTER_BYTES + workers * (held + CLUSTER_BYTES)  # what is held here is held in each
        needed = max(computing, writing)
        if needed <= MARGIN * promise:
            break
    else:
        least = ceil(SLACK * needed / MARGIN / 1e7) * 1e7
        instead = " or a smaller --block" if block is not None else " or fewer --workers" if workers else ""
        raise MemoryPromiseError(
            where,
            found=f"a promise of {promise / 1e9:.2f} GB",
            expected=f"at least {least / 1e9:.2f} GB for this model and these bands",
            way_out=f"give a larger --memory{instead}",
        )
    n_pixels = sum((rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in _windows(blocks))
    seconds_a_pixel = _seconds_a_pixel(mapping, blocks) if timed and probe else None
    seconds = None if seconds_a_pixel is None else seconds_a_pixel * blocks.rows[-1] * blocks.cols[-1] / len(blocks)
    return Plan(
        blocks, n_threads, lanes, promise, needed, int(mapping.stored_bytes_a_pixel * n_pixels), seconds, workers
    )


def _choices(threads: int, ahead: int, workers: int) -> Iterator[tuple[int, int, int]]:
    """Yield (blocks computed at once, lanes more, bytes of a block), the best first.

    Fewer lanes that read ahead are given up first, then large blocks, then threads; workers are as many as were asked.
    """
    if workers:
        threads, ahead = workers, 0
    while ahead > 1:
        yield threads, ahead, BLOCK_BYTES
        ahead //= 2
    for n_threads in [workers] if workers else range(threads, 0, -1):
        target = BLOCK_BYTES
        while target >= SMALL_BLOCK_BYTES:
            yield n_threads, ahead, target
            target //= 2
        yield n_threads, 0, SMALL_BLOCK_BYTES
    while target >= LEAST_BLOCK_BYTES:
        yield n_threads, 0, target
        target //= 2


def _read_ahead(mapping: MapJob) -> int:
    sources = mapping.source.attrs.get("source", "").split("; ")
    return READ_AHEAD_REMOTE if any(is_remote(one.strip()) for one in sources) else READ_AHEAD


def _chosen_sides(mapping: MapJob, target: int) -> tuple[int, int]:
    return choose_block(mapping.source, halo=mapping.predict.model.halo, memory_bytes=target)


def _try(blocks: Blocks) -> tuple[float, int] | None:
    """Run the middle block on one thread, as a lane does; return its seconds and pixels, None if unreadable."""
    place = (len(blocks.rows) - 1) // 2, (len(blocks.cols) - 1) // 2
    with limit_gdal_cache(), one_thread_each():
        start = time.perf_counter()
        try:
            values = blocks.read(*place)
        except WindowError:  # what becomes of that window is for the run to say
            return None
        result = blocks.apply(values, *place)
        return time.perf_counter() - start, result[0].size


def _seconds_a_pixel(mapping: MapJob, planned: Blocks) -> float | None:
    """Time windows in the middle, each twice as wide as the one before, until one took long enough or is a block."""
    height, width = planned.rows[1], planned.cols[1]
    side = PROBE_SIDE
    while True:
        sides = min(side, height), min(side, width)
        tried = _try(mapping.blocks(sides))
        if tried is None:
            return None
        seconds, n_pixels = tried
        if seconds >= TIMED_SECONDS or sides == (height, width):
            return seconds / n_pixels
        side *= 2


def _largest(blocks: Blocks) -> tuple[int, int]:
    """Return the largest window that a block reads, halo included."""
    return tuple(int(np.diff(edges).max()) + 2 * blocks.halo for edges in (blocks.rows, blocks.cols))  # type: ignore[return-value]


def _windows(blocks: Blocks) -> list[tuple[slice, slice]]:
    return [blocks.window(i, j)[:2] for i, j in blocks.places]
