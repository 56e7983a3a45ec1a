"""Blocks on a dask.distributed cluster: processes of this machine, or machines that share the files.

The task, and the model in it, goes to every worker once, under the hash of its content (a worker plugin: workers that
join later, or come back, get it too). What travels with a block is that hash and two numbers; what comes back is that
it is done: its values went from the worker to the scratch store. Few tasks are handed to the scheduler at a time, so
its memory does not grow with the scene.
"""

from __future__ import annotations

import gc
import hashlib
import json
import signal
import time
from asyncio import CancelledError as AsyncCancelledError
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client, LocalCluster, WorkerPlugin, wait
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from geosoil.errors import ClusterError, GeosoilError
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.numerics.threads import one_thread_each, one_thread_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from distributed import Future

    from geosoil.mapping.executors import BlockTask
    from geosoil.mapping.scratch import Done, Place

TASKS_A_THREAD = 4  # in flight, so that no worker waits for the scheduler
MOST_BLOCKS_A_TASK = 64
PATIENCE_SECONDS = 120.0  # for a scheduler or for workers that went away
ASK_SECONDS = 10.0  # between two questions who works
MOST_LOSSES = 5  # of the scheduler in turn, with nothing done in between
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
    task = _tasks[key]
    try:
        with limit_gdal_cache():
            return [task(place) for place in places]
    except GeosoilError as error:
        error.__cause__ = error.__context__ = None  # an error of rasterio's behind it would not survive the journey
        raise


class _FailedError(Exception):
    """Carries what a task raised, so that it is not taken for the loss of the scheduler."""


@dataclass(frozen=True)
class ClusterExecutor:
    """The workers of a client. where: the scheduler's address or file, to find it again by; default the client's."""

    client: Client
    where: str = ""

    def run(self, task: BlockTask, places: Iterable[Place]) -> Iterator[Done]:
        """Yield what is done; the blocks of a worker that died are computed by another.

        Raises ClusterError where no worker comes, the scheduler stays away, or a block kills every worker it is given.
        """
        waiting = list(places)[::-1]  # taken from the end
        key, client, losses = _content_hash(task), self.client, 0
        where = self.where or _address(client)
        with ExitStack() as opened:
            while waiting:
                flying: dict[Future, list[Place]] = {}
                try:
                    with _carried(client, key, task), _released(flying):
                        for done in _finished(client, key, waiting, flying):
                            losses = 0
                            yield from done
                except _FailedError as failed:
                    raise _cause(failed) from None
                except _LOST as error:
                    waiting += [place for own in flying.values() for place in own]
                    losses += 1
                    if losses > MOST_LOSSES:
                        raise _no_scheduler(where, f"lost {losses} times in turn ({type(error).__name__})") from error
                    client = _again(where, opened)


@contextmanager
def _carried(client: Client, key: str, task: BlockTask) -> Iterator[None]:
    """Have the task on every worker for as long as anything runs inside."""
    client.register_plugin(_Carry(key, task))
    try:
        yield
    finally:
        if client.status == "running":  # else it is gone with the scheduler
            with suppress(*_LOST, ValueError):
                client.unregister_worker_plugin(f"geosoil-{key}")


@contextmanager
def _released(flying: Iterable[Future]) -> Iterator[None]:
    """Let go of what is not done at the end, so that no worker begins with it."""
    try:
        yield
    finally:
        for future in flying:
            future.release()


def _finished(
    client: Client, key: str, waiting: list[Place], flying: dict[Future, list[Place]]
) -> Iterator[list[Done]]:
    """Yield what is done, task by task; raises what _LOST names where the scheduler went away."""
    threads, asked, n_places = _threads_of(client), time.monotonic(), len(waiting)
    while waiting or flying:
        if time.monotonic() - asked > ASK_SECONDS:  # workers come and go
            threads, asked = max(sum(client.nthreads().values()), 1), time.monotonic()
        batch = min(max(n_places // (50 * threads), 1), MOST_BLOCKS_A_TASK)
        while waiting and len(flying) < TASKS_A_THREAD * threads:
            own = [waiting.pop() for _ in range(min(batch, len(waiting)))]
            flying[client.submit(_run, key, own, pure=False)] = own
        try:
            finished = wait(list(flying), timeout=ASK_SECONDS, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            if not client.nthreads():
                _threads_of(client)
            continue
        for future in finished:
            if future.status == "error":
                raise _FailedError(future.exception())
            done = future.result()
            del flying[future]
            future.release()
            yield done


def _threads_of(client: Client) -> int:
    """Return how many threads the workers have, once there is one; raises ClusterError where none comes."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
    except TimeoutError as error:
        raise ClusterError(
            _address(client), found="no worker", expected="one or more", way_out="start `dask worker ADDRESS`"
        ) from error
    return max(sum(client.nthreads().values()), 1)


def _cause(failed: _FailedError) -> BaseException:
    """Return what a task raised, as it may be shown."""
    cause: BaseException = failed.args[0]
    if not isinstance(cause, KilledWorker):
        return cause
    return ClusterError(
        "cluster",
        found="a block that ended every worker it was given to",
        expected="workers with room for a block",
        way_out="give workers more memory, or a smaller --block, then run again with --resume",
    )


def _again(where: str, opened: ExitStack) -> Client:
    """Find the scheduler again: it was restarted, perhaps, with new workers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return opened.enter_context(remote_cluster(where, timeout=min(5.0, PATIENCE_SECONDS)))
        except ClusterError:
            if time.monotonic() > deadline:
                raise
            time.sleep(1)


@contextmanager
def local_cluster(n_workers: int, *, memory_bytes: int | None = None) -> Iterator[Client]:
    """Start single-threaded worker processes on this machine, and stop them at the end.

    memory_bytes: of each; a worker that takes more is restarted, and its block computed again. None: no limit.
    """
    with ExitStack() as opened:
        with _uncollected():
            cluster = LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=memory_bytes or 0,
                dashboard_address="127.0.0.1:0",  # None is port 8787, and the second run complains
                silence_logs=50,
                preload=[__name__],
            )
            client = opened.enter_context(Client(opened.enter_context(cluster)))
        try:
            yield client
        finally:
            with _uncollected():
                opened.close()


def dask_setup(_worker: Any) -> None:
    """Begin a process of `local_cluster`; dask calls it. Ctrl-C reaches all of a terminal's, and is for the first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def remote_cluster(where: str, *, timeout: float = 20) -> Iterator[Client]:
    """Connect to a scheduler by its address (tcp://HOST:PORT) or by the file it wrote; it is left running.

    timeout: to wait for an answer, in seconds. Raises ClusterError where none comes.
    """
    failed = ""
    try:
        with _uncollected():
            client = Client(_address_in(where), timeout=timeout)
    except (OSError, ValueError) as error:
        failed = " ".join(str(error).split()) or type(error).__name__
    if failed:
        gc.collect()  # what is left of that client
        raise _no_scheduler(where, f"no answer ({failed})")
    try:
        yield client
    finally:
        with suppress(*_LOST), _uncollected():  # that it cannot be reached is why it is closed
            client.close(timeout=2)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the garbage collector away while a client is started or closed.

    distributed holds a lock then, and a client that never found its scheduler closes itself when it is collected: in
    the same thread it would wait for that lock for ever.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _address_in(where: str) -> str:
    """Return an address; that in the file, where it is one."""
    file = Path(where)
    if "://" in where or not file.is_file():
        return where
    try:
        return str(json.loads(file.read_bytes())["address"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not the file of a scheduler") from error


def _content_hash(task: BlockTask) -> str:
    import cloudpickle

    return hashlib.sha256(cloudpickle.dumps(task)).hexdigest()[:16]


def _address(client: Client) -> str:
    """Return where the scheduler is, or was."""
    return str(client.cluster.scheduler_address if client.cluster is not None else client._start_arg)


def _no_scheduler(where: str, found: str) -> ClusterError:
    return ClusterError(
        where, found=found, expected="a dask scheduler", way_out="start `dask scheduler`, then run again with --resume"
    )
