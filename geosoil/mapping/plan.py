"""The memory promise: how a scene is cut, and how many blocks are in memory at once, so that a run stays under it.

What a run takes is what the process holds already (libraries, the model), the blocks in the lanes, and what writing the
COG takes at the end. The first is measured; a block's share is reckoned from what its reading, its model and its result
hold at the same time.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import psutil

from geosoil.errors import MemoryPromiseError
from geosoil.io.handles import CACHE_BYTES, is_remote
from geosoil.mapping.lanes import READ_AHEAD, READ_AHEAD_REMOTE
from geosoil.raster.blocks import BLOCK_BYTES, choose_block

if TYPE_CHECKING:
    from geosoil.mapping.mapper import Mapping
    from geosoil.raster.blocks import Blocks

MARGIN = 0.9  # of the promise is planned with: allocators keep some of what is freed
LEAST_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Plan:
    """How a map is computed.

    threads: blocks computed at once. lanes: blocks in memory at once. memory_bytes: the promise; expected_bytes: what
    is reckoned with. read_bytes: values of the bands that are read, halos included, as float32. seconds_a_block: of one
    core, measured on one; None where none was.
    """

    blocks: Blocks
    threads: int
    lanes: int
    memory_bytes: int
    expected_bytes: int
    read_bytes: int
    seconds_a_block: float | None = None

    @property
    def seconds(self) -> float | None:
        """The time that computing takes, reckoned from one block."""
        return None if self.seconds_a_block is None else self.seconds_a_block * len(self.blocks) / self.threads

    def summary(self) -> str:
        """Say it in a few lines."""
        blocks = self.blocks
        height, width = blocks.rows[1], blocks.cols[1]
        lines = [
            f"pixels   {blocks.rows[-1]} x {blocks.cols[-1]}, {len(blocks.names)} bands out",
            f"blocks   {len(blocks)} of {height} x {width} pixels, halo {blocks.halo}",
            f"at once  {self.threads} computed, {self.lanes} in memory",
            f"reads    {self.read_bytes / 1e6:.4g} MB of values (float32, halos included)",
            f"memory   {self.expected_bytes / 1e9:.2f} GB of {self.memory_bytes / 1e9:.2f} GB promised",
        ]
        if self.seconds is not None:
            lines.append(f"time     about {self.seconds:.3g} s, reckoned from one block")
        return "\n".join(lines)


def default_promise() -> int:
    """Return half of the memory that is free now, in bytes."""
    return psutil.virtual_memory().available // 2


def plan_map(
    mapping: Mapping,
    *,
    threads: int,
    memory_bytes: int | None = None,
    block: int | tuple[int, int] | None = None,
    cut: tuple[tuple[int, ...], tuple[int, ...]] | None = None,
    where: str = "map",
    probe: bool = True,
) -> Plan:
    """Plan a map within a memory promise.

    memory_bytes: for the whole process; default half of what is free. block: the side of a block in pixels, or (y, x),
    where it is given; else the largest that fits, up to 64 MiB of input. cut: where blocks begin and end, rows and
    columns, of a run that goes on. where: named in errors. probe: run the middle block once, which loads what the model
    needs and is timed.

    Raises MemoryPromiseError where even a small block on one thread does not fit.
    """
    promise = memory_bytes or default_promise()
    remote = any(is_remote(part.strip()) for part in mapping.source.attrs.get("source", "").split("; "))
    ahead = READ_AHEAD_REMOTE if remote else READ_AHEAD
    small = mapping.blocks(64)
    seconds_a_pixel = _probe(small) if probe else None
    held = psutil.Process().memory_info().rss
    writing = mapping.writing_bytes
    free = int(MARGIN * promise) - held - CACHE_BYTES - writing
    target = BLOCK_BYTES
    n_threads, n_ahead = threads, ahead
    while True:
        blocks = mapping.blocks(block or choose_block(mapping.source, halo=small.halo, memory_bytes=target))
        if cut is not None:
            blocks = replace(blocks, rows=cut[0], cols=cut[1])
        a_lane = mapping.working_bytes(_largest(blocks))
        lanes = n_threads + n_ahead
        if lanes * a_lane <= free:
            break
        if n_ahead > 1:
            n_ahead //= 2
        elif target > LEAST_BLOCK_BYTES and block is None and cut is None:
            target //= 2
        elif n_threads > 1:
            n_threads -= 1
        elif n_ahead:
            n_ahead = 0
        else:
            least = int((held + CACHE_BYTES + writing + a_lane) / MARGIN)
            raise MemoryPromiseError(
                where,
                found=f"a promise of {promise / 1e9:.2f} GB",
                expected=f"at least {least / 1e9:.2f} GB for this model and these bands",
                way_out="give a larger --memory" + (", or a smaller --block" if block is not None else ""),
            )
    expected = held + CACHE_BYTES + writing + lanes * a_lane
    pixels = sum((rows.stop - rows.start) * (cols.stop - cols.start) for rows, cols in _windows(blocks))
    n_bands = mapping.source.sizes["band"]
    seconds = None if seconds_a_pixel is None else seconds_a_pixel * blocks.rows[-1] * blocks.cols[-1] / len(blocks)
    return Plan(blocks, n_threads, lanes, promise, expected, 4 * n_bands * pixels, seconds)


def _probe(blocks: Blocks) -> float:
    """Run the middle block, twice, and return the seconds a pixel of the second time."""
    i, j = (len(blocks.rows) - 1) // 2, (len(blocks.cols) - 1) // 2
    for _ in range(2):
        start = time.perf_counter()
        result = blocks.apply(blocks.read(i, j), i, j)
    return (time.perf_counter() - start) / result[0].size


def _largest(blocks: Blocks) -> tuple[int, int]:
    """Return the largest window that a block reads, halo included."""
    return tuple(int(np.diff(edges).max()) + 2 * blocks.halo for edges in (blocks.rows, blocks.cols))  # type: ignore[return-value]


def _windows(blocks: Blocks) -> list[tuple[slice, slice]]:
    return [blocks.window(i, j)[:2] for i, j in blocks.places]
