"""Limit numerical libraries to one thread where several tasks already share the cores."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Limit BLAS, OpenMP and torch (if it is loaded) to one thread each; the previous limits are restored at the end.

    Examples
    --------
    >>> with one_thread_each():
    ...     pass
    """
    torch = sys.modules.get("torch")  # not imported here: that takes seconds, and a run without nets does not need it
    before = torch.get_num_threads() if torch is not None else 0
    with threadpool_limits(limits=1):
        try:
            if torch is not None:
                torch.set_num_threads(1)
            yield
        finally:
            if torch is not None:
                torch.set_num_threads(before)


def one_thread_here() -> None:
    """Limit OpenMP to one thread in the calling thread: a limit set by the main thread does not reach a pool."""
    threadpool_limits(limits=1, user_api="openmp")
