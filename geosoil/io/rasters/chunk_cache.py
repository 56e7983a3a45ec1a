"""Decoded chunks of HDF5 files that several blocks of a map need: kept within a limit, decoded by one thread each."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

CHUNK_CACHE_BYTES = 128 * 2**20  # if a run does not set another limit


class ChunkCache:
    """Decoded chunks, the least recently used of which are dropped beyond a limit; a chunk is decoded by one thread.

    Parameters
    ----------
    limit_bytes : int
        The memory of the chunks that are kept.

    Examples
    --------
    >>> import numpy as np
    >>> cache = ChunkCache(limit_bytes=100)
    >>> cache.get("a", lambda: np.zeros(2)).tolist(), cache.get("a", lambda: np.ones(2)).tolist()
    ([0.0, 0.0], [0.0, 0.0])
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.clear()

    def clear(self) -> None:
        """Forget all chunks; for a forked process, where a lock may be held by a thread that does not exist there."""
        self._lock = threading.Lock()
        self._kept: OrderedDict[Any, np.ndarray] = OrderedDict()
        self._n_bytes = 0
        self._decoding: dict[Any, Future[np.ndarray]] = {}

    def get(self, key: Any, decode: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the chunk with a key; `decode` is called if it is not in memory."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            future = self._decoding.get(key)
            is_mine = future is None
            if future is None:
                future = self._decoding[key] = Future()
        if not is_mine:
            return future.result()
        try:
            chunk = decode()
        except BaseException as error:
            with self._lock:
                del self._decoding[key]
            future.set_exception(error)
            raise
        with self._lock:
            del self._decoding[key]
            self._keep(key, chunk)
        future.set_result(chunk)
        return chunk

    def limit(self, limit_bytes: int) -> None:
        """Change the limit, and drop chunks beyond it."""
        with self._lock:
            self.limit_bytes = limit_bytes
            self._drop()

    def _keep(self, key: Any, chunk: np.ndarray) -> None:
        if chunk.nbytes <= self.limit_bytes:
            self._kept[key] = chunk
            self._n_bytes += chunk.nbytes
            self._drop()

    def _drop(self) -> None:
        while self._n_bytes > self.limit_bytes:
            self._n_bytes -= self._kept.popitem(last=False)[1].nbytes


CACHE = ChunkCache(CHUNK_CACHE_BYTES)
"""The cache of this process."""


@contextmanager
def limit_chunk_cache(limit_bytes: int) -> Iterator[None]:
    """Keep decoded chunks of HDF5 files up to a limit in all threads, until the `with` statement ends and drops them.

    >>> with limit_chunk_cache(2**20):
    ...     pass
    """
    before = CACHE.limit_bytes
    CACHE.limit(limit_bytes)
    try:
        yield
    finally:
        CACHE.limit(0)
        CACHE.limit(before)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=CACHE.clear)
