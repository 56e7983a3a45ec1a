"""One run at a time on one output, and none that died in its way."""

import json
import os
import socket
import subprocess
import sys
import threading
import time

import pytest
from s3_server import s3_server

from geosoil.errors import OutputError
from geosoil.io.remote.objects import ObjectStore, open_store
from geosoil.mapping import lock
from geosoil.mapping.lock import LOCK, held

HOLD = "import sys; from geosoil.mapping.lock import *; from geosoil.io.remote.objects import open_store\n" + (
    "with held(sys.argv[1], open_store(sys.argv[1]), 'map.tif'): print('held', flush=True); sys.stdin.read()"
)


def hold(place):
    return held(str(place), open_store(place), "map.tif")


def test_the_second_run_is_refused_and_the_first_is_named(tmp_path):
    place = tmp_path / "map.tif.unfinished"
    with hold(place):
        with (
            pytest.raises(OutputError, match=rf"map.tif: found another run that writes it .process {os.getpid()} on"),
            hold(place),
        ):
            pass
        with hold(tmp_path / "other.unfinished"):
            pass
    with hold(place):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_process_was_killed_holds_no_longer(tmp_path):
    place = tmp_path / "map.tif.unfinished"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(OutputError, match=f"process {other.pid} on"), hold(place):
            pass
        other.kill()
        other.wait()
        assert (place / LOCK).exists()
        with hold(place):
            assert str(os.getpid()) in (place / LOCK).read_text()
    assert not place.exists()


def test_what_a_run_leaves_stays_and_what_is_strange_too(tmp_path):
    place = tmp_path / "map.tif.unfinished"
    place.mkdir()
    (place / "thesis.txt").write_text("of three years")
    with hold(place):
        pass
    assert (place / "thesis.txt").read_text() == "of three years"


def test_a_folder_that_was_removed_meanwhile_hides_no_error(tmp_path):
    place = tmp_path / "map.tif.unfinished"
    with pytest.raises(KeyError), hold(place):
        (place / LOCK).unlink()
        place.rmdir()
        raise KeyError


def test_a_lock_that_is_a_link_empties_no_other_file(tmp_path):
    place, other = tmp_path / "map.tif.unfinished", tmp_path / "other.txt"
    place.mkdir()
    other.write_text("of a neighbour")
    (place / LOCK).symlink_to(other)
    with pytest.raises(OutputError, match="cannot be written"), hold(place):
        pass
    assert other.read_text() == "of a neighbour"


def test_a_lock_that_a_run_removes_while_another_waits_for_it_is_made_anew(tmp_path, monkeypatch):
    place, taken = tmp_path / "map.tif.unfinished", []

    def late(number):
        if not taken:  # just then, the run that held it is done
            (place / LOCK).unlink()
            place.rmdir()
        taken.append(number)

    monkeypatch.setattr(lock, "_lock", late)
    with hold(place):
        assert (place / LOCK).exists()
    assert len(taken) == 2


def test_of_many_that_begin_at_once_one_holds_at_a_time(tmp_path):
    place, inside, most, refused = tmp_path / "map.tif.unfinished", [], [], []

    def often():
        for _ in range(60):
            try:
                with hold(place):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
            except OutputError:
                refused.append(1)

    threads = [threading.Thread(target=often) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert len(most) + len(refused) == 240
    assert not place.exists()


@pytest.mark.parametrize(
    ("place", "said"),
    [("absent/map.tif.unfinished", "found no such folder"), ("file", "cannot be written .File exists")],
)
def test_a_place_that_cannot_be_is_one_line(tmp_path, place, said):
    (tmp_path / "file").write_text("a file where a folder should be")
    with pytest.raises(OutputError, match=said), hold(tmp_path / place):
        pass


class Bucket(ObjectStore):
    """An object store in memory; `failing` names what is refused."""

    where = "s3://bucket/map.tif.unfinished"

    def __init__(self):
        self.content, self.failing, self.writes = {}, False, 0

    def write(self, name, content):
        self.writes += 1
        if self.failing:
            raise OutputError(self.where, found="no network", expected="one", way_out="wait")
        self.content[name] = content

    def swap(self, name, old, new):
        if self.content.get(name) != old:
            return False
        self.write(name, new)
        return True

    def read(self, name):
        if name not in self.content:
            raise FileNotFoundError(name)
        return self.content[name]

    def exists(self, name):
        return name in self.content

    def names(self, under=""):
        yield from [name for name in self.content if name.startswith(under)]

    def delete(self, name):
        self.content.pop(name, None)

    def clear(self):
        self.content.clear()


def hold_object(bucket):
    return held(bucket.where, bucket, "s3://bucket/map.tif")


def sign(**other):
    known = {"process": os.getpid(), "machine": socket.gethostname(), "seen": time.time()}
    return json.dumps(known | other).encode()


def test_in_an_object_store_the_second_run_is_refused_and_the_lock_goes_at_the_end():
    bucket = Bucket()
    with hold_object(bucket):
        assert bucket.exists(LOCK)
        with pytest.raises(OutputError, match=f"another run .*process {os.getpid()} on"), hold_object(bucket):
            pass
        assert bucket.exists(LOCK)
    assert bucket.content == {}


@pytest.mark.parametrize(
    "content",
    [
        sign(machine="elsewhere", seen=time.time() - 301),
        sign(machine="elsewhere", seen=time.time() + 9999),  # its clock was wrong
        sign(process=2**22 + 1),  # more than there can be: gone
        b"",
        b"[1]",
        b"[" * 100_000,
        sign(process="first"),
        sign(process=10**30),
        sign(seen="now"),
        sign(seen=None),
    ],
    # Without time and process: the workers of pytest-xdist have to collect the same names.
    ids=["silent", "future", "no-process", "empty", "no-object", "nested", "named", "huge", "no-time", "no-sign"],
)
def test_in_an_object_store_a_run_that_died_holds_no_longer(content):
    bucket = Bucket()
    bucket.content[LOCK] = content
    with hold_object(bucket):
        assert json.loads(bucket.content[LOCK])["process"] == os.getpid()
    assert bucket.content == {}


@pytest.mark.parametrize("seconds", [0, -250, 60])
def test_in_an_object_store_a_run_elsewhere_that_was_seen_lately_holds(seconds):
    bucket = Bucket()
    bucket.content[LOCK] = sign(machine="elsewhere", seen=time.time() + seconds)
    with pytest.raises(OutputError, match="on elsewhere"), hold_object(bucket):
        pass


def test_signs_of_life_go_on_behind_one_that_failed(monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    bucket = Bucket()
    with hold_object(bucket):
        bucket.failing, before = True, bucket.writes
        wait_for(lambda: bucket.writes > before + 2)
        bucket.failing, sign = False, bucket.content[LOCK]
        wait_for(lambda: bucket.content[LOCK] != sign)
    assert bucket.content == {}
    assert threading.active_count() < 20


def test_a_run_that_was_taken_for_dead_leaves_the_lock_of_the_other(monkeypatch):
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.01)
    bucket, others = Bucket(), sign(machine="elsewhere")
    with hold_object(bucket):
        bucket.content[LOCK], before = others, bucket.writes
        time.sleep(0.1)
        assert bucket.writes == before
    assert bucket.content == {LOCK: others}


def test_a_store_out_of_reach_at_the_end_hides_no_error():
    bucket = Bucket()

    def refuse(_name):
        raise OutputError(bucket.where, found="no network", expected="one", way_out="wait")

    with pytest.raises(KeyError), hold_object(bucket):
        bucket.read = refuse
        raise KeyError


@pytest.mark.slow
@pytest.mark.parametrize("left", [None, sign(machine="elsewhere", seen=time.time() - 301)], ids=["none", "dead"])
def test_of_many_that_begin_in_one_moment_in_an_object_store_one_holds(monkeypatch, left):
    held_by, refused = [], []
    with s3_server(monkeypatch):
        store = open_store("s3://sound/map.tif.unfinished")
        if left is not None:
            store.write(LOCK, left)
        begin, end, own = threading.Barrier(6), threading.Barrier(6), threading.local()

        def together(store, read_heartbeat=lock._read_heartbeat):
            heartbeat = read_heartbeat(store)
            if not hasattr(own, "began"):
                own.began = begin.wait()
            return heartbeat

        monkeypatch.setattr(lock, "_read_heartbeat", together)

        def run():
            try:
                with held("s3://sound/map.tif.unfinished", store, "s3://sound/map.tif"):
                    held_by.append(1)
                    end.wait()
            except OutputError:
                refused.append(1)
                end.wait()

        threads = [threading.Thread(target=run) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not store.exists(LOCK)
    assert (len(held_by), len(refused)) == (1, 5)


def wait_for(condition, seconds=10):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
