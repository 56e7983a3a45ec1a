"""Blocks on threads: the values depend on nothing, no more compute at once than were asked for, an error stops all."""

import errno
import threading
import time
from contextlib import contextmanager

import pytest
from small_runs import SumModel, blocks_of, make_map, patch_model, pixels_of, store_of, write_small

from geosoil.errors import GeosoilError, OutputError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.remote.objects import open_store, write_error
from geosoil.mapping.executors import BlockTask, ThreadExecutor
from geosoil.mapping.job import prepare_map
from geosoil.mapping.scratch import BlockStore


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("source") / "a.tif")


@pytest.mark.parametrize("kind", ["pixel", "halo", "patch"])
def test_the_map_depends_on_neither_threads_nor_blocks(tmp_path, source, kind):
    model = {"pixel": SumModel, "halo": lambda: SumModel(halo=2), "patch": patch_model}[kind]()
    ways = [(1, 64), (2, 16), (5, 9)] if kind == "patch" else [(1, 64), (1, 7), (2, 16), (5, 9), (3, 1000)]
    hashes = set()
    for threads, block in ways:
        make_map(source, tmp_path / "map.tif", model, threads=threads, block=block)
        hashes.add(pixels_of(tmp_path / "map.tif"))
    assert len(hashes) == 1


class Watched(SumModel):
    """Counts how many compute at once."""

    now, most, lock = 0, 0, threading.Lock()

    def predict(self, block, outputs=None):
        with Watched.lock:
            Watched.now += 1
            Watched.most = max(Watched.most, Watched.now)
        time.sleep(0.002)
        with Watched.lock:
            Watched.now -= 1
        return super().predict(block)


@pytest.mark.parametrize("threads", [1, 3])
def test_no_more_blocks_compute_at_once_than_were_asked_for(tmp_path, source, threads):
    Watched.most = 0
    make_map(source, tmp_path / "map.tif", Watched(), threads=threads)
    assert Watched.most == threads


@pytest.mark.parametrize(
    "error",
    [
        OSError(5, "a fault of the model"),
        ZeroDivisionError("a fault of the model"),
        OutputError("a", found="b", expected="c", way_out="d"),
    ],
)
def test_what_a_block_raises_stops_the_map_and_comes_out_as_itself(tmp_path, source, error):
    with pytest.raises(type(error)) as raised:
        make_map(source, tmp_path / "map.tif", SumModel(mishap=error), threads=1)
    assert raised.value is error
    assert len(blocks_of(tmp_path / "map.tif")) < 6
    assert not (tmp_path / "map.tif").exists()


def task_of(source, folder, model=None):
    blocks = prepare_map(model or SumModel(), open_raster(source)).blocks(8)
    return BlockTask(blocks, BlockStore(open_store(folder), "blocks")), list(blocks.places)


def test_leaving_early_waits_for_the_blocks_in_flight_and_starts_no_other(tmp_path, source):
    task, places = task_of(source, tmp_path, SumModel(seconds=0.01))
    running = ThreadExecutor(2, 3).run(task, places)
    next(running)
    running.close()
    written = set(tmp_path.rglob("*"))
    assert len(written) < 12
    time.sleep(0.05)
    assert set(tmp_path.rglob("*")) == written


def test_nothing_to_do_is_nothing_done(tmp_path, source):
    task, _ = task_of(source, tmp_path)
    assert list(ThreadExecutor(2, 3).run(task, [])) == []
    assert not any(tmp_path.iterdir())


def test_the_gate_is_held_for_computing_alone(tmp_path, source):
    task, places = task_of(source, tmp_path)
    inside = []

    @contextmanager
    def gate():
        inside.append(sum(1 for _ in tmp_path.rglob("*")))  # nothing is written yet
        yield
        assert not list(tmp_path.rglob("000*"))

    task(places[0], gate())
    assert inside == [0]
    assert len(list(tmp_path.rglob("000*"))) == 1


def test_a_full_disk_is_one_line_and_once_there_is_room_the_map_goes_on(tmp_path, source, monkeypatch):
    written = []
    write = BlockStore.write

    def full(self, place, values, error=None, **_facts):
        written.append(place)
        if len(written) > 7:
            raise write_error(self.store.where, OSError(errno.ENOSPC, "No space left on device"))
        return write(self, place, values, error)

    path = tmp_path / "map.tif"
    with monkeypatch.context() as patch:
        patch.setattr(BlockStore, "write", full)
        with pytest.raises(GeosoilError, match=r"No space left on device; .* GB free"):
            make_map(source, path)
    assert len(blocks_of(path)) == 7
    assert make_map(source, path, mode="resume").resumed == 7
    assert not store_of(path).exists()
