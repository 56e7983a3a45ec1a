"""Where blocks are computed: on threads of this process. A cluster is the other place (`cluster.py`).

A lane carries one block from reading through computing to writing. There are a few more lanes than blocks computed at
once, so that while some compute, others read or write; and no more, so that memory is that of the lanes.
"""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Protocol

import numpy as np

from geosoil.errors import WindowError
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.numerics.threads import one_thread_each, one_thread_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from geosoil.mapping.scratch import BlockStore, Done, Place
    from geosoil.raster.blocks import Blocks

READ_AHEAD = 1  # lanes more than blocks computed at once, for files
READ_AHEAD_REMOTE = 8  # over a network, where a block waits for answers


@dataclass(frozen=True)
class BlockTask:
    """Compute one block and write it to the scratch store: what every lane does, on whatever machine.

    no_data_on_error: a block whose input cannot be read is written as no data, with the reason.
    """

    blocks: Blocks
    done: BlockStore
    no_data_on_error: bool = False

    def __call__(self, place: Place, gate: AbstractContextManager[object] | None = None) -> Done:
        """Do it; `gate` is held while computing, so that no more blocks compute at once than there are cores."""
        try:
            values = self.blocks.read(*place)
        except WindowError as error:
            if not self.no_data_on_error:
                raise
            return self.done.write(place, np.full(self.blocks.shape(*place), np.nan, np.float32), str(error))
        with gate or nullcontext():
            result = self.blocks.apply(values, *place)
        del values
        return self.done.write(place, result)


class Executor(Protocol):
    """A place where blocks are computed."""

    def run(self, task: BlockTask, places: Iterable[Place]) -> Iterator[Done]:
        """Yield what is done, in any order; an exception in a block stops all and comes out as itself."""


@dataclass(frozen=True)
class ThreadExecutor:
    """Threads of this process: `threads` blocks are computed at once, `lanes` are in memory."""

    threads: int
    lanes: int

    def run(self, task: BlockTask, places: Iterable[Place]) -> Iterator[Done]:
        """Yield what is done; leaving early waits for the blocks in flight and starts no other."""
        gate = BoundedSemaphore(self.threads)
        flying: set[Future[Done]] = set()
        with limit_gdal_cache(), one_thread_each(), ThreadPoolExecutor(self.lanes, initializer=one_thread_here) as pool:
            try:
                for place in places:
                    flying.add(pool.submit(task, place, gate))
                    if len(flying) > self.lanes:  # one waits, so that no lane does
                        finished, flying = wait(flying, return_when=FIRST_COMPLETED)
                        yield from (future.result() for future in finished)
                while flying:
                    finished, flying = wait(flying, return_when=FIRST_COMPLETED)
                    yield from (future.result() for future in finished)
            finally:
                pool.shutdown(cancel_futures=True)
