"""Blocks on a dask cluster: the same map from any worker, also if workers die; nothing left behind."""

import gc
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import cloudpickle
import dask
import psutil
import pytest
from distributed import Client, LocalCluster
from distributed.utils import LoopRunner
from small_runs import BoundedSum, SumModel, blocks_of, make_map, patch_model, pixels_of, write_small
from written_rasters import corrupt_block

from geosoil.errors import ClusterError, OutputError, RasterError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.remote.objects import open_store
from geosoil.mapping import cluster
from geosoil.mapping import run as map_run
from geosoil.mapping.cluster import ClusterExecutor, _content_hash, _run, _TaskPlugin, remote_cluster
from geosoil.mapping.executors import BlockTask
from geosoil.mapping.job import prepare_map
from geosoil.mapping.scratch import BlockStore
from geosoil.mapping.scratch import FinishedBlock as Finished

pytestmark = pytest.mark.usefixtures("without_pictures")

TESTS = str(Path(__file__).parents[1])


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("source") / "a.tif")


@pytest.fixture(scope="module")
def whole(source):
    make_map(source, source.with_name("whole.tif"))
    return pixels_of(source.with_name("whole.tif"))


@pytest.fixture(scope="module")
def here():
    """A client of a cluster in this process, of two threads."""
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address="127.0.0.1:0") as cluster,
        Client(cluster) as client,
    ):
        yield client


def plugins_of(client):
    """Return the names of our plugins on the workers and the scheduler."""
    on_workers = client.run(lambda dask_worker: list(dask_worker.plugins))
    on_scheduler = client.run_on_scheduler(lambda dask_scheduler: list(dask_scheduler.worker_plugins))
    return [name for names in (*on_workers.values(), on_scheduler) for name in names if "geosoil" in name]


def test_a_client_given_from_python_maps_and_stays_as_it_was(tmp_path, source, whole, here):
    make_map(source, tmp_path / "map.tif", cluster=here)
    assert pixels_of(tmp_path / "map.tif") == whole
    assert here.status == "running"
    assert plugins_of(here) == []
    assert cluster._tasks == {}


@pytest.mark.slow
def test_the_map_depends_on_neither_processes_nor_threads(tmp_path, source, whole, here):
    make_map(source, tmp_path / "patches.tif", patch_model(), block=40)
    patches = pixels_of(tmp_path / "patches.tif")
    for block, where in [(9, {"cluster": here}), (16, {"workers": 2})]:
        make_map(source, tmp_path / "map.tif", patch_model(), block=block, **where)
        assert pixels_of(tmp_path / "map.tif") == patches
    make_map(source, tmp_path / "map.tif", block=5, cluster=here)
    assert pixels_of(tmp_path / "map.tif") == whole
    by_threads = make_map(source, tmp_path / "map.tif", BoundedSum()).notes
    assert "predicted below 4" in by_threads[-1]
    assert make_map(source, tmp_path / "map.tif", BoundedSum(), block=9, cluster=here).notes[-1] == by_threads[-1]


def task_of(source, folder, model):
    blocks = prepare_map(model, open_raster(source)).blocks(8)
    return BlockTask(blocks, BlockStore(open_store(folder), "blocks")), list(blocks.places)


class Counted(_TaskPlugin):
    """Counts on how many workers it was set up."""

    workers: list = []  # noqa: RUF012

    def setup(self, worker):
        Counted.workers.append(worker.address)
        super().setup(worker)


def test_the_model_reaches_each_worker_once_and_no_task(tmp_path, source, here, monkeypatch):
    task, places = task_of(source, tmp_path, SumModel(names=("a", "b", "c"), mark="x" * 10**6))
    monkeypatch.setattr(cluster, "_TaskPlugin", Counted)
    assert len(list(ClusterExecutor(here).run(task, places))) == 35
    assert len(Counted.workers) == len(set(Counted.workers)) == 2
    sent = cloudpickle.dumps((_run, _content_hash(task), places[:64], cluster.software_versions()))
    assert len(sent) < 3000 < 10**6 < len(pickle.dumps(task))


@pytest.mark.parametrize(
    "error",
    [
        OutputError("map.tif", found="a full disk", expected="room", way_out="make some"),
        OSError(5, "a fault of the model"),  # not taken for the loss of the scheduler
        TimeoutError("a fault of the model"),
        ZeroDivisionError("a fault of the model"),
    ],
)
def test_what_a_block_raises_comes_back_as_itself(tmp_path, source, here, error):
    with pytest.raises(type(error)) as raised:
        make_map(source, tmp_path / "map.tif", SumModel(mishap=error), cluster=here)
    assert str(raised.value) == str(error)
    assert plugins_of(here) == []
    assert not (tmp_path / "map.tif").exists()


@pytest.mark.parametrize("package", ["geosoil", "GDAL", "numpy", "scikit-learn", "torch"])
def test_a_worker_with_other_software_is_refused_and_both_versions_are_named(
    tmp_path, source, here, monkeypatch, package
):
    own = cluster.software_versions()

    def versions():  # those of the client differ from those of the workers' threads
        return own | {package: "0.0.1"} if threading.current_thread() is threading.main_thread() else own

    monkeypatch.setattr(cluster, "software_versions", versions)
    with pytest.raises(ClusterError) as raised:
        make_map(source, tmp_path / "map.tif", cluster=here)
    assert f"found a worker with {package} {own[package]}; expected {package} 0.0.1, as in" in str(raised.value)
    assert not (tmp_path / "map.tif").exists()


def test_workers_that_write_to_another_disk_are_reported_after_their_first_block(tmp_path, source, here, monkeypatch):
    written = []

    def write(self, place, values, error=None, clipped=()):
        written.append(place)  # nothing reaches the folder of this process
        return Finished(place)

    monkeypatch.setattr(BlockStore, "write", write)
    monkeypatch.setattr(map_run, "SHARED_SECONDS", 0.6)
    with pytest.raises(ClusterError, match="found no such file, although a worker has written it; expected a folder"):
        make_map(source, tmp_path / "map.tif", cluster=here)
    assert 0 < len(written) < 35


def test_a_file_that_appears_late_on_a_network_disk_is_no_error(tmp_path, monkeypatch):
    store = open_store(str(tmp_path / "map.tif.unfinished"))
    blocks, seen = BlockStore(store, "0" * 8), []
    monkeypatch.setattr(type(store), "exists", lambda self, name: seen.append(name) or len(seen) > 2)
    map_run._require_shared(blocks, (1, 2))
    assert seen == [blocks.name((1, 2))] * 3


def test_changed_code_of_the_same_version_has_another_hash(tmp_path, monkeypatch):
    import shutil

    copied = Path(shutil.copytree(Path(cluster.__file__).parents[1], tmp_path / "geosoil"))
    monkeypatch.setattr(cluster, "__file__", str(copied / "mapping" / "cluster.py"))
    read = cluster.software_versions.__wrapped__
    before = read()
    assert before == cluster.software_versions()
    with (copied / "errors.py").open("a") as file:
        file.write("# another line\n")
    assert {name for name, text in read().items() if text != before[name]} == {"geosoil"}


def test_the_corrupt_window_is_named_by_the_worker_that_read_it(tmp_path, here):
    source = write_small(tmp_path / "a.tif")
    corrupt_block(source, band=3, row=1, column=1)
    with pytest.raises(RasterError, match=r"a\.tif: cannot read the window at row (16|24)") as raised:
        make_map(source, tmp_path / "map.tif", cluster=here)
    assert "\n" not in str(raised.value)
    made = make_map(source, tmp_path / "map.tif", cluster=here, mode="resume", on_error="nodata")
    assert len(made.unread) == 4


def test_a_stop_by_the_user_leaves_no_plugin_and_goes_on(tmp_path, source, whole, here):
    def stop(_what, done, _total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_map(source, tmp_path / "map.tif", SumModel(seconds=0.01), cluster=here, progress=stop)
    assert plugins_of(here) == []
    make_map(source, tmp_path / "map.tif", cluster=here, mode="resume")
    assert pixels_of(tmp_path / "map.tif") == whole


def test_no_worker_is_one_line(tmp_path, source, monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 0.2)
    with (
        LocalCluster(n_workers=0, processes=False, dashboard_address="127.0.0.1:0") as empty,
        Client(empty) as client,
        pytest.raises(ClusterError, match="found no worker; expected one or more; start `dask worker"),
    ):
        make_map(source, tmp_path / "map.tif", cluster=client)


@pytest.mark.parametrize("where", ["tcp://127.0.0.1:1", "what://is.this:1", "tcp://", "a b c", "scheduler.json"])
def test_a_scheduler_that_is_not_there_is_one_line(tmp_path, monkeypatch, where):
    monkeypatch.chdir(tmp_path)
    for content in ("{}", "no json", '{"address": 7}', "[" * 100_000, '{"address": "tcp://127.0.0.1:1"}'):
        if where == "scheduler.json":
            Path(where).write_text(content)
        with pytest.raises(ClusterError, match="expected a dask scheduler") as raised, remote_cluster(where, timeout=1):
            pass
        assert "\n" not in str(raised.value)
        if where != "scheduler.json":
            break


def test_a_client_left_behind_is_not_collected_while_another_starts(monkeypatch):
    """A collected client closes itself and waits for the lock that its own thread holds, so that a run never ends."""
    start, found_free = LoopRunner._start_unlocked, []

    class LeftBehind:
        def __init__(self):
            self.itself = self

        def __del__(self):
            free = LoopRunner._lock.acquire(timeout=1)
            found_free.append(free)
            if free:
                LoopRunner._lock.release()

    def start_when_the_collector_comes(self):
        if gc.isenabled():
            gc.collect()
        start(self)

    monkeypatch.setattr(LoopRunner, "_start_unlocked", start_when_the_collector_comes)
    LeftBehind()
    with pytest.raises(ClusterError, match="expected a dask scheduler"), remote_cluster("tcp://127.0.0.1:1", timeout=1):
        pass
    assert found_free == [True]


def children():
    return {child for child in psutil.Process().children(recursive=True) if child.status() != psutil.STATUS_ZOMBIE}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_while_it_computes_changes_nothing_and_no_process_stays(tmp_path, source, whole, workers):
    (tmp_path / "mark").touch()
    before = children()
    model = SumModel(mishap="kill", mark=str(tmp_path / "mark"))
    make_map(source, tmp_path / "map.tif", model, workers=workers)
    assert not (tmp_path / "mark").exists()
    assert pixels_of(tmp_path / "map.tif") == whole
    assert [child for child in children() - before if "resource_tracker" not in " ".join(child.cmdline())] == []


@pytest.mark.slow
def test_a_block_that_kills_every_worker_is_one_line(tmp_path, source, whole):
    few = dask.config.set({"distributed.scheduler.allowed-failures": 1})
    with (
        few,
        pytest.raises(
            ClusterError, match=r"cluster: found that every worker that computed this block died.*--resume"
        ) as raised,
    ):
        make_map(source, tmp_path / "map.tif", SumModel(mishap="kill"), workers=2)
    assert "\n" not in str(raised.value)
    assert blocks_of(tmp_path / "map.tif")
    make_map(source, tmp_path / "map.tif", mode="resume")
    assert pixels_of(tmp_path / "map.tif") == whole


@contextmanager
def machine(port, n_workers=1):
    """A scheduler and workers as others start them, on a port; yield the processes."""
    environment = os.environ | {"PYTHONPATH": TESTS}
    dask = [sys.executable, "-m", "dask"]
    address = f"tcp://127.0.0.1:{port}"
    words = [[*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]]
    words += [[*dask, "worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard"]] * n_workers
    started = [subprocess.Popen(one, env=environment, stderr=subprocess.DEVNULL) for one in words]
    try:
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.slow
def test_a_scheduler_and_workers_that_were_restarted_go_on(tmp_path, source, whole):
    port, path, made = free_port(), tmp_path / "map.tif", []

    def go():
        made.append(make_map(source, path, SumModel(seconds=0.1), cluster=f"tcp://127.0.0.1:{port}"))

    with machine(port) as started:
        run = threading.Thread(target=go)
        run.start()
        until(lambda: len(blocks_of(path)) > 4)
        for process in started:
            process.send_signal(signal.SIGKILL)
    assert not path.exists()
    with machine(port):
        run.join(60)
    assert made
    assert pixels_of(path) == whole


@pytest.mark.slow
def test_a_scheduler_that_stays_away_ends_with_one_line_and_the_map_goes_on_elsewhere(
    tmp_path, source, whole, monkeypatch
):
    monkeypatch.setattr(cluster, "PATIENCE_SECONDS", 1.0)
    port, path = free_port(), tmp_path / "map.tif"
    with machine(port) as started:

        def kill(_what, done, _total):
            if done:
                for process in started:
                    process.kill()

        client = Client(f"tcp://127.0.0.1:{port}", timeout=30)
        client.wait_for_workers(1)
        client.close()
        with pytest.raises(ClusterError, match=r"dask scheduler.*--resume") as raised:
            make_map(source, path, SumModel(seconds=0.02), cluster=f"tcp://127.0.0.1:{port}", progress=kill)
    assert "\n" not in str(raised.value)
    make_map(source, path, mode="resume")
    assert pixels_of(path) == whole


def until(condition, seconds=40):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)
