"""Allow one run at a time to write an output; a run that died does not block others."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from geosoil.errors import OutputError
from geosoil.io.remote.objects import ObjectStore, write_error

if TYPE_CHECKING:
    from collections.abc import Iterator

    from geosoil.io.remote.objects import Store

LOCK = "lock"
BEAT_SECONDS = 30.0  # between heartbeats in an object store
DEAD_SECONDS = 300.0  # without a heartbeat


@contextmanager
def held(place: str, store: Store, output: str) -> Iterator[None]:
    """Hold the lock of a scratch store; raises OutputError if another run holds it.

    In a folder the operating system keeps the lock, and releases it when the process ends. An object store has no
    locks: a heartbeat is written there twice a minute, and a run whose heartbeat is older than five minutes is dead.
    """
    with _held_object(store, output) if isinstance(store, ObjectStore) else _held_folder(Path(place), output):
        yield


@contextmanager
def _held_folder(folder: Path, output: str) -> Iterator[None]:
    path = folder / LOCK
    try:
        if not folder.parent.is_dir():
            raise OutputError(
                output, found="no such folder", expected=f"the folder {folder.parent}", way_out="create it first"
            )
        file = _locked(path)
    except BlockingIOError as error:
        who = ""
        with suppress(OSError):  # the other run may have ended by now
            who = path.read_text(errors="replace")
        raise _taken(output, who) from error
    except OSError as error:
        raise write_error(output, error) from error
    with file:
        try:
            yield
        finally:
            with suppress(OSError):  # the folder is not empty if blocks are kept or others use it
                if [file.name for file in folder.iterdir()] == [LOCK]:
                    path.unlink()
                    folder.rmdir()


def _locked(path: Path) -> FileIO:
    """Create, lock and return the lock file; raises BlockingIOError if another run holds it."""
    while True:
        path.parent.mkdir(exist_ok=True)
        try:  # do not follow links: the file they point to would be emptied
            file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666), "r+")
        except FileNotFoundError:
            continue  # another run ended and removed the folder
        try:
            _lock(file.fileno())
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                with suppress(OSError):  # on a full disk the lock is held all the same
                    file.truncate(0)
                    file.write(_who().encode())
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # another run ended and removed the file just before it was locked


def _lock(number: int) -> None:
    """Lock an open file; raises BlockingIOError if another run holds the lock."""
    if os.name == "nt":
        import msvcrt

        try:
            msvcrt.locking(number, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError as error:
            raise BlockingIOError(*error.args) from error
    else:
        import fcntl

        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def _held_object(store: ObjectStore, output: str) -> Iterator[None]:
    other, mine = _read_heartbeat(store), _heartbeat()
    if _is_alive(other) or not store.swap(LOCK, other, mine):  # if two runs start at the same time, one swap succeeds
        raise _taken(output, _named(_read_heartbeat(store)))
    stop = threading.Event()

    def beat() -> None:
        nonlocal mine
        while not stop.wait(BEAT_SECONDS):
            with suppress(OutputError):  # up to nine heartbeats in a row may fail
                heartbeat = _heartbeat()
                if not store.swap(LOCK, mine, heartbeat):
                    return  # another run considered this one dead and took the lock
                mine = heartbeat

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(OutputError):  # if the store cannot be reached, the lock expires in five minutes
            if _read_heartbeat(store) == mine:
                store.delete(LOCK)


def _read_heartbeat(store: ObjectStore) -> bytes | None:
    try:
        return store.read(LOCK)
    except FileNotFoundError:
        return None


def _is_alive(heartbeat: bytes | None) -> bool:
    """Return whether a heartbeat is recent; clocks may differ by seconds, and one far in the future is wrong."""
    try:
        other = json.loads(heartbeat or b"")
        return abs(time.time() - float(other["seen"])) < DEAD_SECONDS and not _is_dead_here(other)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False


def _named(heartbeat: bytes | None) -> str:
    if not heartbeat or not _is_alive(heartbeat):
        return ""
    other = json.loads(heartbeat)
    return f"process {other.get('process')} on {other['machine']}"


def _is_dead_here(other: dict[str, object]) -> bool:
    """Return whether the other run was on this machine and its process is gone."""
    return other["machine"] == socket.gethostname() and not psutil.pid_exists(int(str(other["process"])))


def _heartbeat() -> bytes:
    return json.dumps({"process": os.getpid(), "machine": socket.gethostname(), "seen": time.time()}).encode()


def _who() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _taken(output: str, who: str) -> OutputError:
    return OutputError(
        output,
        found=f"another run that writes it ({who.strip() or 'unknown'})",
        expected="one run at a time",
        way_out="wait for it, or choose another output",
    )
