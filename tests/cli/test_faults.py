"""What a map of a large scene must survive: kills, full disks, corrupt tiles, a second run, Ctrl-C, another clock."""

import json
import multiprocessing
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import rasterio
from s3_server import s3_server
from small_cube import save_trained_model, write_cube
from small_runs import blocks_of, make_map, make_slowly, pixels_of, store_of, write_small
from small_stack import save_covariate_model, trained_on, write_covariates
from written_rasters import corrupt_block, write_raster

from geosoil.errors import OutputError
from geosoil.io import output_paths
from geosoil.io.remote.objects import open_store
from geosoil.mapping import run as map_run
from geosoil.mapping.lock import held
from geosoil.workflows import prepared_map
from geosoil.workflows.map import map_cube
from geosoil_cli import progress

pytestmark = pytest.mark.usefixtures("without_pictures")

TILES = {"tiled": True, "blockxsize": 16, "blockysize": 16, "compress": "deflate", "interleave": "band"}
MAP = ("map", "--cube", "cube.tif", "--model", "share", "--threads", "2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults")
    model = save_trained_model(folder / "models" / "share")
    write_cube(folder / "cube.tif", **TILES)
    corrupt_block(write_cube(folder / "corrupt.tif", **TILES), band=int(model.used_columns[0]) + 1, row=1, column=2)
    map_cube(folder / "cube.tif", folder / "models" / "share", folder / "whole.tif")
    return folder


@pytest.fixture
def scene(folder, tmp_path, monkeypatch):
    """A working folder of one's own with the cube and the model."""
    (tmp_path / "models").symlink_to(folder / "models")
    (tmp_path / "cube.tif").write_bytes((folder / "cube.tif").read_bytes())
    (tmp_path / "corrupt.tif").write_bytes((folder / "corrupt.tif").read_bytes())
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def geosoil(geosoil):
    """Run the command line; return its exit code and what it said on standard error."""
    return lambda *words: geosoil(*words)[:2]


def values_of(path):
    with rasterio.open(path) as source:
        return source.read()


def in_one_line(said):
    return said.startswith("geosoil: ") and said.count("\n") == 1


def stop(geosoil, *words, at=0.5):
    """Stop a map by Ctrl-C once a part of its pixels is done."""
    with pytest.MonkeyPatch.context() as patch:

        def half(_reports, what, done, total):
            if what == "map" and done > at * total:
                raise KeyboardInterrupt

        patch.setattr(progress.Reporter, "__call__", half)
        return geosoil(*words)


def test_ctrl_c_says_the_line_that_goes_on_and_it_does(scene, folder, geosoil):
    code, said = stop(geosoil, *MAP, "-o", "my map.tif", "--block", "8")
    assert code == 130
    line = said.splitlines()[-1]
    assert line == f"geosoil {' '.join(MAP)} -o 'my map.tif' --block 8 --resume"
    assert blocks_of("my map.tif")
    code, said = geosoil(*shlex.split(line)[1:])
    assert (code, said) == (0, "")
    assert pixels_of("my map.tif") == pixels_of(folder / "whole.tif")
    assert not Path("my map.tif.unfinished").exists()


def test_a_line_that_goes_on_is_said_once_however_often_it_is_stopped(scene, geosoil):
    line = ["geosoil", *MAP, "-o", "map.tif", "--block", "8", "--restart"]
    for part in (0.2, 0.4, 0.6):
        code, said = stop(geosoil, *line[1:], at=part)
        assert code == 130
        line = shlex.split(said.splitlines()[-1])
        assert line.count("--resume") == 1
        assert "--restart" not in line


def replace_and_restart(sound, folder, geosoil):
    """A corrected cube is another input: it is refused on resume, and mapped from the start on request."""
    Path("cube.tif").write_bytes(sound)
    code, said = geosoil(*MAP, "-o", "map.tif", "--resume")
    assert code == 2
    assert "another input 1, cube.tif" in said
    assert geosoil(*MAP, "-o", "map.tif", "--restart") == (0, "")
    assert pixels_of("map.tif") == pixels_of(folder / "whole.tif")


def test_a_corrupt_tile_stops_the_map_with_its_window_and_a_corrected_cube_is_mapped_from_the_start(
    scene, folder, geosoil
):
    sound = Path("cube.tif").read_bytes()
    Path("corrupt.tif").replace("cube.tif")
    code, said = geosoil(*MAP, "-o", "map.tif", "--block", "8")
    assert code == 2
    assert in_one_line(said)
    assert "cube.tif: cannot read the window at row " in said
    assert blocks_of("map.tif")
    assert not Path("map.tif").exists()
    replace_and_restart(sound, folder, geosoil)


def test_a_corrupt_tile_can_be_no_data_until_it_is_mended(scene, folder, geosoil):
    sound = Path("cube.tif").read_bytes()
    Path("corrupt.tif").replace("cube.tif")
    code, said = geosoil(*MAP, "-o", "map.tif", "--block", "16", "--on-error", "nodata")
    assert code == 3
    assert in_one_line(said)
    assert "cube.tif: cannot read the window at row 16, column 32" in said
    window = "row 16, column 32, 16 x 16 pixels"
    manifests = [file for file in Path("map.tif.unfinished").rglob("*") if file.is_file()]
    assert window in "".join(file.read_bytes().decode("utf-8", "replace") for file in manifests)
    made, whole = values_of("map.tif"), values_of(folder / "whole.tif")
    assert np.isnan(made[0, 16:32, 32:48]).all()
    whole[0, 16:32, 32:48] = np.nan
    np.testing.assert_array_equal(made, whole)
    replace_and_restart(sound, folder, geosoil)
    assert not store_of("map.tif").exists()


def test_covariates_with_a_corrupt_tile_are_mapped_and_a_class_never_seen_is_none(tmp_path, geosoil, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_covariate_model(tmp_path / "models" / "soc", trained_on(write_covariates(tmp_path)))
    words = ("map", "--covariates", "slope.tif", "twi.tif", "landform.tif", "--model", "soc", "--block", "16")
    slope, landform = values_of("slope.tif"), values_of("landform.tif")
    corrupt_block(write_raster(Path("slope.tif"), slope, nodata=-9999, **TILES), band=1, row=1, column=1)
    code, said = geosoil(*words, "-o", "map.tif", "--on-error", "nodata")
    assert code == 3
    assert "slope.tif: cannot read the window at row 16, column 16" in said
    landform[0, 50, 50] = 7
    write_raster(Path("landform.tif"), landform, nodata=0)
    code, said = geosoil(*words, "-o", "other.tif", "--on-error", "nodata")
    assert code == 2
    assert "found class 7 in the band landform" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--scale", "0.0002"), 'earlier run with scale = not given; expected scale = "0.0002"'),
        (("--bare-soil",), "earlier run with bare_soil = not given"),
        (("--model", "other"), "earlier run with model_sha256 = "),
        (("--cube", "other.tif"), 'earlier run with cube = "cube.tif"'),
    ],
)
def test_a_map_of_something_else_does_not_go_on(scene, geosoil, words, said):
    stop(geosoil, *MAP, "-o", "map.tif", "--block", "8")
    write_cube(scene / "other.tif", seed=5)
    save_trained_model(scene / "models" / "other", valid_range=(0.0, 50.0))
    command = list(MAP)
    if words[0] in command:  # an option of one value is not given twice, and a second model is mapped beside the first
        command[command.index(words[0]) + 1] = words[1]
    else:
        command += words
    code, line = geosoil(*command, "-o", "map.tif", "--resume")
    assert code == 2
    assert in_one_line(line)
    assert said in line
    assert "--restart" in line


def test_a_map_by_another_version_of_geosoil_or_of_a_cube_that_changed_does_not_go_on(scene, geosoil, monkeypatch):
    stop(geosoil, *MAP, "-o", "map.tif", "--block", "8")
    monkeypatch.setattr(prepared_map, "__version__", "99.0")
    code, said = geosoil(*MAP, "-o", "map.tif", "--resume")
    assert code == 2
    assert "earlier run with version = " in said
    assert 'expected version = "99.0"' in said
    monkeypatch.undo()
    monkeypatch.chdir(scene)
    with rasterio.open("cube.tif", "r+") as source:
        source.write(np.full((1, 1), 7, "int16"), 1, window=((20, 21), (20, 21)))
    code, said = geosoil(*MAP, "-o", "map.tif", "--resume")
    assert code == 2
    assert "earlier run with another input 1, cube.tif" in said


def test_two_inputs_of_one_name_are_reports_apart(scene, geosoil):
    (scene / "mask").mkdir()
    mask = scene / "mask" / "cube.tif"
    write_raster(mask, np.ones((1, 37, 53), "uint8"))
    stop(geosoil, *MAP, "--mask", "mask/cube.tif", "-o", "map.tif", "--block", "8")
    write_cube(scene / "cube.tif", seed=5, **TILES)
    code, said = geosoil(*MAP, "--mask", "mask/cube.tif", "-o", "map.tif", "--resume")
    assert code == 2
    assert "earlier run with another input 1, cube.tif" in said


def test_the_second_run_on_an_output_is_refused_before_it_computes(scene, geosoil, monkeypatch):
    monkeypatch.setattr(map_run, "plan_map", None)
    place = str(scene / "map.tif.unfinished")
    with held(place, open_store(place), "map.tif"):
        code, said = geosoil(*MAP, "-o", "map.tif")
    assert code == 2
    assert in_one_line(said)
    assert f"map.tif: found another run that writes it (process {os.getpid()} on " in said


@pytest.fixture
def small_disk(scene):
    """A disk of 400 kB; a call of the fixture mounts it again with other options."""
    disk = scene / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", str(disk)], check=True)
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_one_line_and_once_there_is_room_the_map_goes_on(scene, folder, geosoil, small_disk):
    code, said = geosoil(*MAP, "-o", "disk/map.tif", "--block", "4")
    assert code == 2
    assert in_one_line(said)
    assert "cannot be written (No space left on device" in said
    assert len(blocks_of("disk/map.tif")) > 50
    small_disk("size=9m")
    code, said = geosoil(*MAP, "-o", "disk/map.tif", "--resume")
    assert (code, said) == (0, "")
    assert pixels_of("disk/map.tif") == pixels_of(folder / "whole.tif")


@pytest.mark.parametrize("left", [8_000, 60_000, 200_000])  # not for the map; not for its tiles
def test_a_disk_that_fills_up_while_assembling_is_one_line_and_the_map_goes_on(
    scene, folder, geosoil, small_disk, left
):
    stop(geosoil, *MAP, "-o", "disk/map.tif", "--block", "64", at=0)  # one block, done
    assert len(blocks_of("disk/map.tif")) == 1
    free = os.statvfs("disk").f_bavail * os.statvfs("disk").f_bsize
    Path("disk/ballast").write_bytes(b"x" * (free - left))
    code, said = geosoil(*MAP, "-o", "disk/map.tif", "--resume")
    assert code == 2
    assert in_one_line(said)
    assert "disk" in said
    assert sorted(path.name for path in Path("disk").iterdir()) == ["ballast", "map.tif.unfinished"]
    small_disk("size=9m")
    code, said = geosoil(*MAP, "-o", "disk/map.tif", "--resume")
    assert (code, said) == (0, "")
    assert pixels_of("disk/map.tif") == pixels_of(folder / "whole.tif")


def test_a_disk_without_any_room_is_one_line(scene, geosoil, small_disk):
    free = os.statvfs("disk").f_bavail * os.statvfs("disk").f_bsize
    Path("disk/ballast").write_bytes(b"x" * free)
    code, said = geosoil(*MAP, "-o", "disk/map.tif")
    assert code == 2
    assert in_one_line(said)
    assert [path.name for path in Path("disk").iterdir()] == ["ballast"]


def test_a_read_only_folder_is_one_line_before_anything_is_computed(scene, geosoil, small_disk, monkeypatch):
    small_disk("ro")
    monkeypatch.setattr(map_run, "plan_map", None)
    code, said = geosoil(*MAP, "-o", "disk/map.tif")
    assert code == 2
    assert in_one_line(said)
    assert "Read-only file system" in said


def test_an_output_that_is_a_folder_is_one_line_before_anything_is_computed(scene, geosoil, monkeypatch):
    Path("map.tif").mkdir()
    monkeypatch.setattr(map_run, "plan_map", None)
    code, said = geosoil(*MAP, "-o", "map.tif")
    assert code == 2
    assert "map.tif: found a folder" in said
    assert not Path("map.tif.unfinished").exists()


def test_progress_in_json_is_one_object_a_line(scene, geosoil):
    code, said = geosoil(*MAP, "-o", "map.tif", "--block", "8", "--progress", "json")
    events = [json.loads(line) for line in said.splitlines()]
    assert code == 0
    reports = [event for event in events if event["event"] == "progress"]
    keys = {"time", "event", "what", "unit", "done", "total", "per_second", "seconds_left"}
    assert all(set(event) == keys for event in reports)
    assert [event["done"] for event in reports] == sorted(event["done"] for event in reports)
    assert (reports[0]["done"], reports[-1]["done"], reports[-1]["total"]) == (0, 37 * 53, 37 * 53)
    assert {event["unit"] for event in reports} == {"pixels"}
    assert (events[0]["event"], events[0]["verb"]) == ("started", "map")
    others = [event for event in events[1:] if event["event"] != "progress"]
    assert others
    assert all(set(event) == {"time", "event", "text"} for event in others)


def test_in_json_a_refusal_and_a_stop_are_events_too(scene, geosoil):
    words = (*MAP, "--progress", "json", "-o")
    code, said = geosoil(*words, "absent/map.tif")
    assert code == 2
    assert [json.loads(line)["event"] for line in said.splitlines()] == ["started", "error"]
    Path("corrupt.tif").replace("cube.tif")
    code, said = geosoil(*words, "map.tif", "--on-error", "nodata", "--block", "16")
    assert code == 3
    assert json.loads(said.splitlines()[-1])["event"] == "error"


def test_a_pipe_is_reports_nothing_and_a_terminal_draws_bars(scene, geosoil, monkeypatch):
    code, said = geosoil(*MAP, "-o", "map.tif")
    assert (code, said) == (0, "")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    code, said = geosoil(*MAP, "-o", "map.tif", "--progress", "bar", "--block", "8")
    assert code == 0
    assert "map" in said
    assert "100%" in said


@pytest.mark.parametrize(
    ("before", "after"), [({"LC_ALL": "de_DE.UTF-8", "TZ": "Pacific/Auckland"}, {"LC_ALL": "C", "TZ": "UTC"})]
)
def test_another_clock_and_another_locale_go_on_with_the_same_map(scene, folder, geosoil, monkeypatch, before, after):
    for name, value in before.items():
        monkeypatch.setenv(name, value)
    stop(geosoil, *MAP, "-o", "map.tif", "--block", "8")
    for path in Path("map.tif.unfinished").rglob("*"):
        os.utime(path, (4e9, 4e9))
    for name, value in after.items():
        monkeypatch.setenv(name, value)
    code, said = geosoil(*MAP, "-o", "map.tif", "--resume")
    assert (code, said) == (0, "")
    assert pixels_of("map.tif") == pixels_of(folder / "whole.tif")


def test_what_is_left_of_a_kill_beside_the_output_is_removed_and_nothing_else(scene, geosoil):
    kept = [".map.tif", ".map.notes.tif", ".other.0123abcd.tif", "map.0123abcd.tif", ".map.0123abcg.tif"]
    left = [".map.0123abcd.tif", ".map.0123abcd.tif.blocks.tif", ".map.89abcdef.tif.blocks.tif.aux.xml"]
    for name in (*kept, *left):
        Path(name).write_text("x")
    assert geosoil(*MAP, "-o", "map.tif")[0] == 0
    assert [name for name in (*kept, *left) if Path(name).exists()] == kept


@pytest.fixture(scope="module")
def forks():
    """Processes that begin at once: what they need is loaded once, in the process they are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", "small_runs", "rioxarray", "pyarrow"])
    return context


def begin(forks, source, path):
    process = forks.Process(target=make_slowly, args=(str(source), str(path)))
    process.start()
    return process


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_pixel(tmp_path, forks):
    source = write_small(tmp_path / "a.tif")
    begin(forks, source, tmp_path / "whole.tif").join()
    start = time.monotonic()
    begin(forks, source, tmp_path / "again.tif").join()
    seconds = time.monotonic() - start
    whole, random_moment, n_killed = pixels_of(tmp_path / "whole.tif"), random.Random(0), 0
    for trial in range(100):
        path = tmp_path / f"{trial}.tif"
        process = begin(forks, source, path)
        time.sleep(random_moment.uniform(0, seconds))
        process.kill()
        process.join()
        n_killed += process.exitcode == -signal.SIGKILL
        make_map(source, path, mode="resume")
        assert pixels_of(path) == whole
        if n_killed == 20:
            break
    assert n_killed == 20
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".") or "unfinished" in path.name]


@pytest.mark.slow
def test_a_kill_while_assembling_changes_no_pixel(tmp_path, forks):
    source = write_small(tmp_path / "a.tif")
    make_map(source, tmp_path / "whole.tif")
    path, n_killed = tmp_path / "map.tif", 0
    while not n_killed:
        process = begin(forks, source, path)
        while process.is_alive() and not list(tmp_path.glob(".map.*")):
            pass
        process.kill()
        process.join()
        n_killed += bool(list(tmp_path.glob(".map.*.tif*")))
    make_map(source, path, mode="resume")
    assert pixels_of(path) == pixels_of(tmp_path / "whole.tif")
    assert not list(tmp_path.glob(".map*"))


def begin_cli(scene, *words):
    command = [sys.executable, "-m", "geosoil_cli.main", *MAP, "-o", "map.tif", "--block", "4", *words]
    started = subprocess.Popen(
        command, cwd=scene, stderr=subprocess.PIPE, text=True, start_new_session=True, preexec_fn=_hear_interrupts
    )
    while len(blocks_of("map.tif")) < 3:
        assert started.poll() is None
        time.sleep(0.01)
    return started


def _hear_interrupts():
    # A shell that puts the tests into the background has them ignore SIGINT, and they would hand that on.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.slow
def test_a_killed_geosoil_map_goes_on(scene, folder, geosoil):
    with begin_cli(scene) as started:
        started.kill()
    assert not Path("map.tif").exists()
    code, said = geosoil(*MAP, "-o", "map.tif")
    assert code == 2
    assert "found an unfinished map" in said
    assert geosoil(*MAP, "-o", "map.tif", "--resume") == (0, "")
    assert pixels_of("map.tif") == pixels_of(folder / "whole.tif")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGINT, ()), (signal.SIGTERM, ()), (signal.SIGINT, ("--workers", "1"))]
)
def test_a_stopped_geosoil_map_says_how_to_go_on(scene, folder, geosoil, number, words):
    with begin_cli(scene, *words) as started:
        os.killpg(started.pid, number)  # as a terminal does
        _, said = started.communicate(timeout=60)
    assert started.returncode == 130, said
    lines = said.splitlines()
    assert lines[0] == "stopped; the finished blocks are kept. Resume with:"
    assert len(lines) == 2, said
    assert geosoil(*[word for word in shlex.split(lines[1])[1:] if word not in ("--workers", "1")]) == (0, "")
    assert pixels_of("map.tif") == pixels_of(folder / "whole.tif")


@pytest.mark.slow
def test_what_a_worker_process_raises_is_one_line(scene, geosoil):
    Path("corrupt.tif").replace("cube.tif")
    code, said = geosoil(*MAP, "--workers", "1", "-o", "map.tif", "--block", "16")
    assert code == 2
    assert in_one_line(said), said
    assert "cube.tif: cannot read the window at row 16, column 32" in said


@pytest.mark.slow
def test_the_workers_of_a_killed_geosoil_map_end_too(scene, folder, geosoil):
    with begin_cli(scene, "--workers", "1") as started:
        workers = psutil.Process(started.pid).children(recursive=True)
        started.kill()
    assert workers
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert alive == []
    assert geosoil(*MAP, "-o", "map.tif", "--resume") == (0, "")
    assert pixels_of("map.tif") == pixels_of(folder / "whole.tif")


@pytest.mark.slow
def test_a_map_in_a_bucket_keeps_its_blocks_until_it_is_there(scene, folder, geosoil, monkeypatch):
    def refuse(_file, url):
        raise OutputError(url, found="no network", expected="one", way_out="wait")

    with s3_server(monkeypatch) as client:
        with monkeypatch.context() as patch:
            patch.setattr(output_paths, "upload", refuse)
            code, said = geosoil(*MAP, "-o", "s3://sound/maps/map.tif", "--block", "16")
        assert code == 2
        assert in_one_line(said)
        kept = [one["Key"] for one in client.list_objects_v2(Bucket="sound")["Contents"]]
        assert len(kept) == 13  # the manifest and 3 x 4 blocks; no lock
        assert geosoil(*MAP, "-o", "s3://sound/maps/map.tif", "--resume") == (0, "")
        names = [one["Key"] for one in client.list_objects_v2(Bucket="sound")["Contents"]]
        assert sorted(names) == ["maps/map.png", "maps/map.qmd", "maps/map.qml", "maps/map.tif"]
        client.download_file("sound", "maps/map.tif", "map.tif")
    assert pixels_of("map.tif") == pixels_of(folder / "whole.tif")
