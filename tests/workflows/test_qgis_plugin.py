"""The QGIS plugin: its zip, its process, and all of it in a real QGIS where one is installed."""

import importlib.util
import json
import os
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest
from qgis_check import checks, run_session, why_no_qgis

import geosoil
from geosoil.errors import OutputError
from geosoil.workflows.qgis_plugin import FOLDER, write_plugin

SOURCE = Path(geosoil.__file__).parent / "qgis_plugin"


@pytest.fixture(scope="module")
def process():
    """The module of the plugin that runs the program, which needs no QGIS."""
    described = importlib.util.spec_from_file_location("plugin_process", SOURCE / "process.py")
    module = importlib.util.module_from_spec(described)
    described.loader.exec_module(module)
    return module


def test_the_plugin_is_small_complete_and_the_same_to_the_byte(tmp_path):
    first, second = write_plugin(tmp_path / "a.zip"), write_plugin(tmp_path / "b.zip")
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.size_bytes < 300_000
    with zipfile.ZipFile(first.path) as archive:
        names, metadata = set(archive.namelist()), archive.read(f"{FOLDER}/metadata.txt").decode()
    sources = {path.name for path in SOURCE.iterdir() if path.suffix in (".py", ".txt", ".svg")}
    assert names == {f"{FOLDER}/{name}" for name in sources}
    assert f"version={geosoil.__version__}\n" in metadata
    assert "qgisMinimumVersion=3.22" in metadata and "hasProcessingProvider=yes" in metadata


def test_the_plugin_is_a_zip_in_a_folder_that_exists(tmp_path):
    with pytest.raises(OutputError, match=r"\.zip"):
        write_plugin(tmp_path / "plugin.tar")
    with pytest.raises(OutputError, match="does not exist"):
        write_plugin(tmp_path / "absent" / "plugin.zip")


def test_events_output_and_exit_code_of_a_process_are_passed_on(process):
    code = (
        "import json, sys\n"
        "print(json.dumps({'event': 'progress', 'done': 1, 'total': 4}), file=sys.stderr)\n"
        "print('not JSON', file=sys.stderr)\n"
        "print('42', file=sys.stderr)\n"
        "print('the result')\n"
        "sys.exit(3)"
    )
    events = []
    done = process.run_program([sys.executable, "-c", code], events.append, lambda: False)
    assert done == (3, "the result\n")
    assert events == [
        {"event": "progress", "done": 1, "total": 4},
        {"event": "message", "text": "not JSON"},
        {"event": "message", "text": "42"},
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="signals as on Linux")
def test_a_cancelled_process_and_its_children_end_within_two_seconds(process, tmp_path):
    child = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    code = (
        "import pathlib, subprocess, sys, signal, time\n"
        "signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        f"child = subprocess.Popen([sys.executable, '-c', {child!r}])\n"
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid))\n"
        "print('ready', file=sys.stderr, flush=True)\n"
        "time.sleep(600)"
    )
    cancelled = threading.Event()
    since = []

    def on_event(event):
        since.append(time.monotonic())
        cancelled.set()

    done = process.run_program([sys.executable, "-c", code], on_event, cancelled.is_set)
    assert done[0] is None
    assert time.monotonic() - since[0] < 2 + 3  # on a machine that has other work
    pid = int((tmp_path / "pid").read_text())
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and time.monotonic() < deadline:
        if (Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0]) == "Z":
            break
        time.sleep(0.05)
    else:
        assert not Path(f"/proc/{pid}").exists()
    assert process.GRACE_SECONDS + 2 * process.POLL_SECONDS < 2


def test_the_program_is_that_of_the_setting_or_of_the_path(process, tmp_path, monkeypatch):
    program = tmp_path / "geosoil"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.delenv("GEOSOIL", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert process.find_program() == str(program)
    assert process.find_program(str(program)) == str(program)
    with pytest.raises(process.GeosoilNotFoundError, match="absent"):
        process.find_program(str(tmp_path / "absent"))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(process.GeosoilNotFoundError, match="pip install geosoil"):
        process.find_program()


def test_the_environment_of_qgis_is_not_that_of_the_program(process):
    variables = {"PYTHONHOME": "/qgis", "PYTHONPATH": "/qgis/python", "GDAL_DATA": "/qgis/gdal", "HOME": "/home/me"}
    kept = process.environment_of(variables)
    assert kept["HOME"] == "/home/me"
    assert not {"PYTHONHOME", "PYTHONPATH", "GDAL_DATA"} & kept.keys()


def test_every_verb_reports_json_lines_with_its_start_and_its_error(geosoil, tmp_path):
    said = geosoil("terrain", tmp_path / "absent.tif", "-o", tmp_path / "t.tif", "--progress", "json")
    assert (said.code, said.out) == (2, "")
    first, last = map(json.loads, said.err.splitlines())
    assert (first["event"], first["verb"], last["event"]) == ("started", "terrain", "error")
    assert "absent.tif: found no such file" in last["text"]


@pytest.mark.slow
@pytest.mark.skipif(bool(why_no_qgis()), reason=why_no_qgis() or "QGIS is here")
def test_qgis_runs_the_algorithms_cancels_them_and_shows_their_results(tmp_path):
    answers = run_session(tmp_path)
    assert [name for name, holds in checks(answers, tmp_path) if not holds] == []
    assert os.path.getsize(tmp_path / "as.qgis.png") > 10_000  # noqa: PTH202 - drawn, not blank
