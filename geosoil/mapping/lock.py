"""One run at a time on one output; a run that died does not keep it."""

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
BEAT_SECONDS = 30.0  # between signs of life in an object store
DEAD_SECONDS = 300.0  # without one


@contextmanager
def held(place: str, store: Store, output: str) -> Iterator[None]:
    """Hold the place of a scratch store, for an output; raises OutputError where another run holds it.

    In a folder the operating system holds the lock, and lets go when the process ends, however it ends. An object store
    knows no locks: there a sign of life is written twice a minute, and one older than five minutes is dead.
    """
    with _held_object(store, output) if isinstance(store, ObjectStore) else _held_folder(Path(place), output):
        yield


@contextmanager
def _held_folder(folder: Path, output: str) -> Iterator[None]:
    path = folder / LOCK
    try:
        if not folder.parent.is_dir():
            raise OutputError(
                output, found="no such folder", expected=f"the folder {folder.parent}", way_out="make it first"
            )
        file = _locked(path)
    except BlockingIOError as error:
        who = ""
        with suppress(OSError):  # it may be done by now
            who = path.read_text(errors="replace")
        raise _taken(output, who) from error
    except OSError as error:
        raise write_error(output, error) from error
    with file:
        try:
            yield
        finally:
            with suppress(OSError):  # not empty: blocks are kept, or it is not ours alone
                if [one.name for one in folder.iterdir()] == [LOCK]:
                    path.unlink()
                    folder.rmdir()


def _locked(path: Path) -> FileIO:
    """Return the lock file, made and locked; raises BlockingIOError where another run has it."""
    while True:
        path.parent.mkdir(exist_ok=True)
        try:  # not through a link: a stranger's must not empty the file it points to
            file = FileIO(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666), "r+")
        except FileNotFoundError:
            continue  # the folder went with a run that was done
        try:
            _lock(file.fileno())
            if path.exists() and os.path.samestat(path.stat(), os.fstat(file.fileno())):
                with suppress(OSError):  # it is held all the same, on a disk that is full
                    file.truncate(0)
                    file.write(_who().encode())
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # of a run that was done, and removed it, just before we got it


def _lock(number: int) -> None:
    """Take the lock of an open file; raises BlockingIOError where another run has it."""
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
    other, mine = _sign_in(store), _sign_of_life()
    if _is_alive(other) or not store.swap(LOCK, other, mine):  # of two that begin in one moment, one swaps
        raise _taken(output, _named(_sign_in(store)))
    stop = threading.Event()

    def beat() -> None:
        nonlocal mine
        while not stop.wait(BEAT_SECONDS):
            with suppress(OutputError):  # the next one may arrive: there is time for nine to fail
                sign = _sign_of_life()
                if not store.swap(LOCK, mine, sign):
                    return  # another run took us for dead, and it is theirs
                mine = sign

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        with suppress(OutputError):  # out of reach: it is dead in five minutes
            if _sign_in(store) == mine:
                store.delete(LOCK)


def _sign_in(store: ObjectStore) -> bytes | None:
    try:
        return store.read(LOCK)
    except FileNotFoundError:
        return None


def _is_alive(sign: bytes | None) -> bool:
    """Tell whether a sign of life is of a run that still is; clocks differ by seconds, one far ahead was wrong."""
    try:
        other = json.loads(sign or b"")
        return abs(time.time() - float(other["seen"])) < DEAD_SECONDS and not _is_dead_here(other)
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return False


def _named(sign: bytes | None) -> str:
    if not sign or not _is_alive(sign):
        return ""
    other = json.loads(sign)
    return f"process {other.get('process')} on {other['machine']}"


def _is_dead_here(other: dict[str, object]) -> bool:
    """Tell whether the other run was on this machine, and its process is gone."""
    return other["machine"] == socket.gethostname() and not psutil.pid_exists(int(str(other["process"])))


def _sign_of_life() -> bytes:
    return json.dumps({"process": os.getpid(), "machine": socket.gethostname(), "seen": time.time()}).encode()


def _who() -> str:
    return f"process {os.getpid()} on {socket.gethostname()}"


def _taken(output: str, who: str) -> OutputError:
    return OutputError(
        output,
        found=f"another run that is writing it ({who.strip() or 'unknown'})",
        expected="one run at a time",
        way_out="wait for it, or choose another output",
    )
