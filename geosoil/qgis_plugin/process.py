"""Run the program geosoil as a process, read its events, and stop it; without any module of QGIS."""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from typing import Any

POLL_SECONDS = 0.1  # between two looks whether the user cancels
GRACE_SECONDS = 1.0  # for the program to stop by itself after an interruption; then it is killed
INSTALL = (
    "geosoil was not found: install it (pip install geosoil), and name the program in "
    "Settings > Options > Processing > Providers > geosoil"
)


class GeosoilNotFoundError(Exception):
    """The program geosoil is neither in the setting nor on the PATH."""


def find_program(setting=""):
    """Return the path of the program: that of the setting, of the variable GEOSOIL, or on the PATH."""
    for name in (setting, os.environ.get("GEOSOIL", ""), "geosoil"):
        path = shutil.which(os.path.expanduser(name)) if name else None  # noqa: PTH111 - Path("") would be "."
        if path:
            return path
        if name == setting and setting:
            raise GeosoilNotFoundError(f"{setting}: not a program that can be run; {INSTALL}")
    raise GeosoilNotFoundError(INSTALL)


def environment_of(variables):
    """Return the environment of the program: without the Python and GDAL of QGIS, which another Python cannot use."""
    of_qgis = ("PYTHONHOME", "PYTHONPATH", "GDAL_DATA", "GDAL_DRIVER_PATH", "PROJ_LIB", "PROJ_DATA")
    kept = {name: value for name, value in variables.items() if name not in of_qgis}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}


def run_program(command, on_event, is_cancelled, environment=None):
    """Run a command that writes events as JSON lines to standard error, and return its exit code and its output.

    Parameters
    ----------
    command : list of str
        The program and its arguments.
    on_event : callable
        Called in the calling thread with each event, a dict; a line that is not JSON is an event with the key `text`.
    is_cancelled : callable
        Asked all the time; when it returns True, the process and its children are stopped within two seconds.
    environment : dict, optional
        The environment of the process.

    Returns
    -------
    (int or None, str)
        The exit code, None if it was cancelled, and what it wrote to standard output.
    """
    own_group: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        own_group = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        encoding="utf-8", errors="replace", env=environment, **own_group,
    )  # fmt: skip
    lines: queue.Queue[str] = queue.Queue()
    output: list[str] = []
    readers = [
        threading.Thread(target=_read, args=(process.stderr, lines.put), daemon=True),
        threading.Thread(target=_read, args=(process.stdout, output.append), daemon=True),
    ]
    for reader in readers:
        reader.start()
    try:
        while process.poll() is None or readers[0].is_alive() or not lines.empty():
            if is_cancelled():
                stop(process)
                return None, "".join(output)
            try:
                on_event(_event(lines.get(timeout=POLL_SECONDS)))
            except queue.Empty:
                continue
    finally:
        if process.poll() is None:
            stop(process)
    readers[1].join(GRACE_SECONDS)
    return process.returncode, "".join(output)


def stop(process):
    """Interrupt a process and all its children, and kill them if they do not stop soon."""
    begun = time.monotonic()
    _signal_all(process, interrupt=True)
    while process.poll() is None and time.monotonic() - begun < GRACE_SECONDS:
        time.sleep(POLL_SECONDS / 2)
    _signal_all(process, interrupt=False)
    process.wait(GRACE_SECONDS)


def _signal_all(process, *, interrupt):
    try:
        if sys.platform == "win32":
            if interrupt:
                process.send_signal(signal.CTRL_BREAK_EVENT)
            elif process.poll() is None:
                tree = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
                subprocess.run(tree, check=False, capture_output=True)
        else:
            os.killpg(process.pid, signal.SIGINT if interrupt else signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # it has ended
        pass


def _read(stream, put):
    for line in stream:
        put(line)
    stream.close()


def _event(line):
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"event": "message", "text": line.rstrip()}
