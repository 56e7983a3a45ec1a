"""One run at a time on one output; a run that died does not keep it."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.errors import OutputError
from geosoil.io.objects import is_object, unwritable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from geosoil.io.objects import Store

LOCK = "lock"
BEAT_SECONDS = 30.0  # between signs of life in an object store
DEAD_SECONDS = 300.0  # without one


@contextmanager
def held(place: str, store: Store, output: str) -> Iterator[None]:
    """Hold the place of a scratch store, for an output; raises OutputError where another run holds it.

    In a folder the operating system holds the lock, and lets go when the process ends, however it ends. An object store
    knows no locks: there a sign of life is written twice a minute, and one older than five minutes is dead.
    """
    with _held_object(store, output) if is_object(place) else _held_folder(Path(place), output):
        yield


@contextmanager
def _held_folder(folder: Path, output: str) -> Iterator[None]:
    path = folder / LOCK
    try:
        if not folder.parent.is_dir():
            raise OutputError(
                output, found="no such folder", expected=f"the folder {folder.parent}", way_out="make it first"
            )
        folder.mkdir(exist_ok=True)
        file = path.open("a+")
    except OSError as error:
        raise unwritable(output, error) from error
    with file:
        if not _lock(file):
            file.seek(0)
            raise _taken(output, file.read())
        file.truncate(0)
        file.write(_who())
        file.flush()
        try:
            yield
        finally:
            if [one.name for one in folder.iterdir()] == [LOCK]:  # all that was kept here is gone
                path.unlink()
                folder.rmdir()


def _lock(file: IO[str]) -> bool:
    """Take the lock if nobody has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _held_object(store: Store, output: str) -> Iterator[None]:
    try:
        other = json.loads(store.read(LOCK))
        alive = time.time() - float(other["seen"]) < DEAD_SECONDS and not _is_dead_here(other)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        alive = False
    if alive:
        raise _taken(output, f"process {other['process']} on {other['machine']}")
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT_SECONDS):
            store.write(LOCK, _sign_of_life())

    store.write(LOCK, _sign_of_life())
    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        store.delete(LOCK)


def _is_dead_here(other: dict[str, object]) -> bool:
    """Tell whether the other run was on this machine, and its process is gone."""
    if other["machine"] != socket.gethostname():
        return False
    try:
        os.kill(int(str(other["process"])), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


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
