"""Compute blocks on a dask.distributed cluster: processes of this machine, or machines that share the files.

The task, with the model in it, is sent to every worker once, named by the hash of its content; a worker plugin also
brings it to workers that join later. A block is then sent as that hash and two numbers. The worker writes the values to
the scratch store, and only reports that the block is finished. Few tasks are submitted at a time, so the memory of the
scheduler does not grow with the scene.
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
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from distributed import Client, LocalCluster, WorkerPlugin, wait
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker

from geosoil import __version__
from geosoil.errors import ClusterError, GeosoilError
from geosoil.io.rasters.dataset_cache import limit_gdal_cache
from geosoil.numerics.threads import one_thread_each, one_thread_here

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from distributed import Future

    from geosoil.mapping.executors import BlockTask
    from geosoil.mapping.scratch import FinishedBlock, Place

TASKS_PER_THREAD = 4  # submitted at a time, so that no worker waits for the scheduler
MOST_BLOCKS_PER_TASK = 64
PATIENCE_SECONDS = 120.0  # to wait for a scheduler or for workers that disappeared
ASK_SECONDS = 10.0  # between two counts of the workers
MOST_LOSSES = 5  # of the scheduler, without a finished block in between
_LOST = (CommClosedError, CancelledError, AsyncCancelledError, TimeoutError, OSError)

_tasks: dict[str, BlockTask] = {}  # in a worker, by hash


class _TaskPlugin(WorkerPlugin):
    """Brings the task to every worker, and limits its numerical libraries to one thread per block."""

    def __init__(self, key: str, task: BlockTask) -> None:
        self.name, self.key, self.task = f"geosoil-{key}", key, task
        self.idempotent = True

    def setup(self, worker: Any) -> None:
        """Keep the task."""
        _tasks[self.key] = self.task
        self.limit = one_thread_each()
        self.limit.__enter__()

    def teardown(self, worker: Any) -> None:
        """Forget the task."""
        _tasks.pop(self.key, None)
        self.limit.__exit__(None, None, None)


def _run(key: str, places: list[Place], versions: dict[str, str]) -> list[FinishedBlock]:
    """Compute blocks in a worker; raises ClusterError if it has other software than the process that asks."""
    here = software_versions()
    if here != versions:
        names = [name for name in versions if here.get(name) != versions[name]]
        raise ClusterError(
            "cluster",
            found="a worker with " + ", ".join(f"{name} {here.get(name, 'missing')}" for name in names),
            expected=", ".join(f"{name} {versions[name]}" for name in names) + ", as in this process",
            way_out="install the same versions for the workers, and restart them",
        )
    one_thread_here()
    task = _tasks[key]
    try:
        with limit_gdal_cache():
            return [task(place) for place in places]
    except GeosoilError as error:
        error.__cause__ = error.__context__ = None  # errors of rasterio cannot be pickled
        raise


class _FailedError(Exception):
    """Carries the exception of a task, so that it is not mistaken for the loss of the scheduler."""


@dataclass(frozen=True)
class ClusterExecutor:
    """The workers of a dask client.

    Parameters
    ----------
    client : Client
    where : str
        The address or file of the scheduler, to find it again (default: the address of the client).
    """

    client: Client
    where: str = ""

    def run(self, task: BlockTask, places: Iterable[Place]) -> Iterator[FinishedBlock]:
        """Yield finished blocks; the blocks of a worker that died are computed by another.

        Raises ClusterError if there is no worker, the scheduler does not come back, or a block kills every worker.
        """
        waiting = list(places)[::-1]  # tasks are taken from the end
        key, client, losses = _content_hash(task), self.client, 0
        where = self.where or _address(client)
        with ExitStack() as opened:
            while waiting:
                submitted: dict[Future, list[Place]] = {}
                try:
                    with _task_on_workers(client, key, task), _release_at_end(submitted):
                        for blocks in _finished(client, key, waiting, submitted):
                            losses = 0
                            yield from blocks
                except _FailedError as failed:
                    raise _cause(failed) from None
                except _LOST as error:
                    waiting += [place for batch in submitted.values() for place in batch]
                    losses += 1
                    if losses > MOST_LOSSES:
                        raise _no_scheduler(
                            where, f"a scheduler that was lost {losses} times ({type(error).__name__})"
                        ) from error
                    client = _reconnect(where, opened)


@contextmanager
def _task_on_workers(client: Client, key: str, task: BlockTask) -> Iterator[None]:
    """Keep the task on every worker inside the `with`."""
    client.register_plugin(_TaskPlugin(key, task))
    try:
        yield
    finally:
        if client.status == "running":  # otherwise the plugin is gone with the scheduler
            with suppress(*_LOST, ValueError):
                client.unregister_worker_plugin(f"geosoil-{key}")


@contextmanager
def _release_at_end(submitted: Iterable[Future]) -> Iterator[None]:
    """Release unfinished tasks at the end, so that no worker starts them."""
    try:
        yield
    finally:
        for future in submitted:
            future.release()


def _finished(
    client: Client, key: str, waiting: list[Place], submitted: dict[Future, list[Place]]
) -> Iterator[list[FinishedBlock]]:
    """Yield the finished blocks of each task; raises one of _LOST if the scheduler disappears."""
    threads, counted, n_places = _threads_of(client), time.monotonic(), len(waiting)
    while waiting or submitted:
        if time.monotonic() - counted > ASK_SECONDS:  # workers join and leave
            threads, counted = max(sum(client.nthreads().values()), 1), time.monotonic()
        batch_size = min(max(n_places // (50 * threads), 1), MOST_BLOCKS_PER_TASK)
        while waiting and len(submitted) < TASKS_PER_THREAD * threads:
            batch = [waiting.pop() for _ in range(min(batch_size, len(waiting)))]
            submitted[client.submit(_run, key, batch, software_versions(), pure=False)] = batch
        try:
            finished = wait(list(submitted), timeout=ASK_SECONDS, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            if not client.nthreads():
                _threads_of(client)
            continue
        for future in finished:
            if future.status == "error":
                raise _FailedError(future.exception())
            blocks = future.result()
            del submitted[future]
            future.release()
            yield blocks


def _threads_of(client: Client) -> int:
    """Wait for a worker and return the number of threads of all; raises ClusterError if none appears."""
    try:
        client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
    except TimeoutError as error:
        raise ClusterError(
            _address(client),
            found="no worker",
            expected="one or more",
            way_out="start `dask worker ADDRESS`, then run again with --resume",
        ) from error
    return max(sum(client.nthreads().values()), 1)


def _cause(failed: _FailedError) -> BaseException:
    """Return the exception of a task; for a killed worker, one for the user."""
    cause: BaseException = failed.args[0]
    if not isinstance(cause, KilledWorker):
        return cause
    return ClusterError(
        "cluster",
        found="that every worker that computed this block died",
        expected="workers with enough memory for a block",
        way_out="give the workers more memory or use a smaller --block, then run again with --resume",
    )


def _reconnect(where: str, opened: ExitStack) -> Client:
    """Connect again to a scheduler, which may have been restarted with new workers."""
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

    Parameters
    ----------
    n_workers : int
    memory_bytes : int, optional
        The memory limit of each worker (default: none). A worker above it is restarted, and its block computed again.
    """
    with ExitStack() as opened:
        with _without_garbage_collector():
            cluster = LocalCluster(
                n_workers=n_workers,
                threads_per_worker=1,
                processes=True,
                memory_limit=memory_bytes or 0,
                dashboard_address="127.0.0.1:0",  # with None a second run warns that port 8787 is in use
                scheduler_kwargs={"dashboard": False},  # nobody sees its pages, and importing them takes a second
                silence_logs=50,
                preload=[__name__],
            )
            client = opened.enter_context(Client(opened.enter_context(cluster)))
        try:
            yield client
        finally:
            with _without_garbage_collector():
                opened.close()


def dask_setup(_worker: Any) -> None:
    """Let a worker of `local_cluster` ignore Ctrl-C, which the main process handles; dask calls this function."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def remote_cluster(where: str, *, timeout: float = 20) -> Iterator[Client]:
    """Connect to a dask scheduler, which keeps running afterwards.

    Parameters
    ----------
    where : str
        Its address (tcp://HOST:PORT), or the file it wrote.
    timeout : float
        Time to wait for an answer in seconds.

    Raises
    ------
    ClusterError
        If the scheduler does not answer.
    """
    failed = ""
    try:
        with _without_garbage_collector():
            client = Client(_address_in(where), timeout=timeout)
    except (OSError, ValueError) as error:
        failed = " ".join(str(error).split()) or type(error).__name__
    if failed:
        gc.collect()  # collect the failed client
        raise _no_scheduler(where, f"no answer ({failed})")
    try:
        yield client
    finally:
        with suppress(*_LOST), _without_garbage_collector():  # it is closed because it cannot be reached
            client.close(timeout=2)


@contextmanager
def _without_garbage_collector() -> Iterator[None]:
    """Turn the garbage collector off while a client starts or closes.

    distributed holds a lock meanwhile. A client that never found its scheduler closes itself when it is collected, and
    in the same thread it would wait for that lock without end.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _address_in(where: str) -> str:
    """Return the address of a scheduler; if `where` is a file, the address in it."""
    file = Path(where)
    if "://" in where or not file.is_file():
        return where
    try:
        return str(json.loads(file.read_bytes())["address"])
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError("not a file that a scheduler wrote") from error


@cache
def software_versions() -> dict[str, str]:
    """Return the versions that decide the values of a map, with a hash of geosoil's own code.

    >>> sorted(software_versions())
    ['GDAL', 'geosoil', 'numpy', 'scikit-learn', 'torch']
    """
    import rasterio

    digest = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for file in sorted(package.rglob("*.py")):
        digest.update(file.relative_to(package).as_posix().encode() + file.read_bytes())
    packages = {name: version(name) for name in ("numpy", "scikit-learn", "torch")}
    code = f"{__version__} (code {digest.hexdigest()[:8]})"
    return {"geosoil": code, "GDAL": rasterio.__gdal_version__, **packages}


def _content_hash(task: BlockTask) -> str:
    import cloudpickle

    return hashlib.sha256(cloudpickle.dumps(task)).hexdigest()[:16]


def _address(client: Client) -> str:
    """Return the last known address of the scheduler."""
    return str(client.cluster.scheduler_address if client.cluster is not None else client._start_arg)


def _no_scheduler(where: str, found: str) -> ClusterError:
    return ClusterError(
        where, found=found, expected="a dask scheduler", way_out="start `dask scheduler`, then run again with --resume"
    )
