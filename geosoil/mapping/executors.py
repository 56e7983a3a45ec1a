"""Where blocks are computed: on threads of this process, or on a cluster (`cluster.py`).

Each thread reads a block, computes it and writes it. A few more threads run than blocks are computed at once, so that
some read or write while others compute; their number limits the memory of a run.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geosoil.errors import WindowError
from geosoil.io.rasters.chunk_cache import limit_chunk_cache
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.numerics.threads import one_thread_each, one_thread_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geosoil.mapping.scratch import BlockStore, FinishedBlock, Place
    from geosoil.raster.blocks import Blocks

PREFETCH = 1  # more blocks in memory than are computed at once, for local files
PREFETCH_REMOTE = 8  # for remote files, whose blocks wait for answers


@dataclass(frozen=True)
class BlockTask:
    """Compute one block and write it to the scratch store.

    Parameters
    ----------
    blocks : Blocks
        The division of the map, with its input and model.
    store : BlockStore
        Where finished blocks are written.
    no_data_on_error : bool
        Write no data, with the reason, for a block whose input cannot be read.
    """

    blocks: Blocks
    store: BlockStore
    no_data_on_error: bool = False

    def __call__(self, place: Place, gate: AbstractContextManager[object] | None = None) -> FinishedBlock:
        """Compute the block at a place; `gate` is held during the computation and limits how many run at once."""
        try:
            values = self.blocks.read(*place)
        except WindowError as error:
            if not self.no_data_on_error:
                raise
            return self.store.write(place, np.full(self.blocks.shape(*place), np.nan, np.float32), str(error))
        with gate or nullcontext():
            clipped = np.zeros((len(self.blocks.names), 5), np.int64)
            result = self.blocks.apply(values, *place, clipped=clipped)
        del values
        return self.store.write(place, result, clipped=clipped.tolist())


class Executor(Protocol):
    """A way of computing blocks: on threads, in processes or on a cluster."""

    def run(self, task: BlockTask, places: Iterable[Place]) -> Iterator[FinishedBlock]:
        """Yield finished blocks in any order; an exception in one block stops all and is raised unchanged."""


@dataclass(frozen=True)
class ThreadExecutor:
    """Threads of this process.

    Parameters
    ----------
    threads : int
        The number of blocks computed at once.
    blocks_in_memory : int
        The number of blocks that are read, computed or written at once.
    chunk_bytes : int
        The memory of decoded chunks that blocks share.
    """

    threads: int
    blocks_in_memory: int
    chunk_bytes: int = 0

    def run(self, task: BlockTask, places: Iterable[Place]) -> Iterator[FinishedBlock]:
        """Yield finished blocks; closing the iterator waits for the running blocks and starts no others."""
        gate = BoundedSemaphore(self.threads)
        n_most = self.blocks_in_memory
        running: set[Future[FinishedBlock]] = set()
        with (
            limit_gdal_cache(),
            limit_chunk_cache(self.chunk_bytes),
            one_thread_each(),
            ThreadPoolExecutor(n_most, initializer=one_thread_here) as pool,
        ):
            try:
                for place in places:
                    running.add(pool.submit(task, place, gate))
                    if len(running) > n_most:  # keep one task queued so no worker is idle
                        finished, running = wait(running, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in finished)
                while running:
                    finished, running = wait(running, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            finally:
                pool.shutdown(cancel_futures=True)
