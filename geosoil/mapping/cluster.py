"""Blocks on a dask.distributed cluster: processes of this machine, or machines that share the files.

The task, and the model in it, goes to every worker once, under the hash of its content (a worker plugin: workers that
join later, or come back, get it too). What travels with a block is that hash and two numbers; what comes back is that
it is done: its values went from the worker to the scratch store. Few tasks are handed to the scheduler at a time, so
its memory does not grow with the scene.
"""

from __future__ import annotations

import hashlib
import time
from asyncio import CancelledError as AsyncCancelledError
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client, LocalCluster, WorkerPlugin, wait
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from geosoil.errors import ClusterError
from geosoil.raster.blocks import one_thread_each, one_thread_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from distributed import Future

    from geosoil.mapping.lanes import BlockTask
    from geosoil.mapping.scratch import Done, Place

TASKS_A_THREAD = 4  # in flight, so that no worker waits for the scheduler
MOST_BLOCKS_A_TASK = 64
PATIENCE_SECONDS = 120.0  # for a scheduler or for workers that went away
_LOST = (CommClosedError, CancelledError, AsyncCancelledError, TimeoutError, OSError)

_tasks: dict[str, BlockTask] = {}  # in a worker: by hash


class _Carry(WorkerPlugin):
    """Brings the task to every worker, and holds its threads to one level."""

    def __init__(self, key: str, task: BlockTask) -> None:
        self.name, self.key, self.task = f"geosoil-{key}", key, task
        self.idempotent = True

    def setup(self, worker: Any) -> None:
        """Keep the task; each of the worker's threads computes one block, and starts no more."""
        _tasks[self.key] = self.task
        self.limit = one_thread_each()
        self.limit.__enter__()

    def teardown(self, worker: Any) -> None:
        """Forget the task."""
        _tasks.pop(self.key, None)
        self.limit.__exit__(None, None, None)


def _run(key: str, places: list[Place]) -> list[Done]:
    """Compute blocks in a worker."""
    one_thread_here()
    return [_tasks[key](place) for place in places]


@dataclass
class ClusterLanes:
    """The workers of a client; given again by its address where the scheduler went away and came back."""

    client: Client

    def run(self, task: BlockTask, places: Iterable[Place]) -> Iterator[Done]:
        """Yield what is done; the blocks of a worker that died are computed by another.

        Raises ClusterError where no worker comes, the scheduler stays away, or a block kills every worker it is given.
        """
        waiting = list(places)[::-1]  # taken from the end
        key = _content_hash(task)
        while waiting:
            self._require_workers()
            self.client.register_plugin(_Carry(key, task))
            flying: dict[Future, list[Place]] = {}
            try:
                yield from self._until_lost(key, waiting, flying)
            except KilledWorker as error:
                raise ClusterError(
                    "cluster",
                    found="a block that ended every worker it was given to",
                    expected="workers with room for a block",
                    way_out="give workers more memory, or a smaller --block",
                ) from error
            except _LOST as error:
                for places_of_task in flying.values():
                    waiting += places_of_task
                self._reconnect(error)
            finally:
                for future in flying:
                    future.release()
        self.client.unregister_worker_plugin(f"geosoil-{key}")

    def _until_lost(self, key: str, waiting: list[Place], flying: dict[Future, list[Place]]) -> Iterator[Done]:
        n_threads = sum(self.client.nthreads().values())
        batch = min(max(len(waiting) // (50 * n_threads), 1), MOST_BLOCKS_A_TASK)
        while waiting or flying:
            while waiting and len(flying) < TASKS_A_THREAD * n_threads:
                own = [waiting.pop() for _ in range(min(batch, len(waiting)))]
                flying[self.client.submit(_run, key, own, pure=False)] = own
            finished = wait(list(flying), return_when="FIRST_COMPLETED").done
            for future in finished:
                done = future.result()
                del flying[future]
                future.release()
                yield from done

    def _require_workers(self) -> None:
        try:
            self.client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
        except TimeoutError as error:
            raise ClusterError(
                _address(self.client), found="no worker", expected="one or more", way_out="start `dask worker ADDRESS`"
            ) from error

    def _reconnect(self, error: BaseException) -> None:
        """Find the scheduler again at its address: it was restarted, perhaps, with new workers."""
        address, deadline = _address(self.client), time.monotonic() + PATIENCE_SECONDS
        _close_quietly(self.client)
        while time.monotonic() < deadline:
            try:
                self.client = Client(address, timeout=5)
            except OSError:
                time.sleep(1)
                continue
            return
        raise _no_scheduler(address, f"gone since ({type(error).__name__})") from error


@contextmanager
def local_cluster(n_workers: int, *, memory_bytes: int | None = None) -> Iterator[Client]:
    """Start single-threaded worker processes on this machine, and stop them at the end.

    memory_bytes: of each; a worker that takes more is restarted, and its block computed again. None: no limit.
    """
    with (
        LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=memory_bytes or 0,
            dashboard_address=None,
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


@contextmanager
def remote_cluster(where: str) -> Iterator[Client]:
    """Connect to a scheduler by its address (tcp://HOST:PORT) or by the file it wrote; it is left running.

    Raises ClusterError where none answers.
    """
    try:
        client = Client(scheduler_file=where, timeout=20) if Path(where).is_file() else Client(where, timeout=20)
    except (OSError, ValueError) as error:
        raise _no_scheduler(where, f"no answer ({str(error).splitlines()[0]})") from error
    try:
        yield client
    finally:
        _close_quietly(client)


def _content_hash(task: BlockTask) -> str:
    import cloudpickle

    return hashlib.sha256(cloudpickle.dumps(task)).hexdigest()[:16]


def _address(client: Client) -> str:
    """Return where the scheduler is, or was."""
    return str(client.cluster.scheduler_address if client.cluster is not None else client._start_arg)


def _close_quietly(client: Client) -> None:
    with suppress(*_LOST):  # that it cannot be reached is why it is closed
        client.close(timeout=2)


def _no_scheduler(where: str, found: str) -> ClusterError:
    return ClusterError(
        where, found=found, expected="a dask scheduler", way_out="start `dask scheduler`, then run again with --resume"
    )
