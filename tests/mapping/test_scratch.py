"""The journal of a map: what is damaged is found, what is of something else is refused, nothing strange is trusted."""

import json
import os
from itertools import chain

import numpy as np
import pytest
import rasterio
from small_runs import IDENTITY, SHAPE, BoundedSum, SumModel, blocks_of, make_map, pixels_of, store_of, write_small
from written_rasters import corrupt_block

from geosoil.errors import OutputError, RasterError
from geosoil.io.journal import Identity, seal
from geosoil.io.rasters.reader import open_raster
from geosoil.io.remote.objects import open_store
from geosoil.mapping.job import prepare_map
from geosoil.mapping.scratch import BlockStore, FinishedBlock, open_scratch


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    return write_small(tmp_path_factory.mktemp("source") / "a.tif")


@pytest.fixture(scope="module")
def whole(source):
    made = source.with_name("whole.tif")
    make_map(source, made)
    return pixels_of(made)


@pytest.fixture
def stopped(tmp_path, source):
    """A map that was stopped behind its half: the path of its output."""
    return stop(source, tmp_path / "map.tif")


def stop(source, path, model=None, **options):
    def half(_what, done, total):
        if done > total / 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_map(source, path, model, progress=half, **options)
    return path


def test_a_block_is_read_as_it_was_written(tmp_path):
    values = np.array([[[1.5, np.nan], [-np.inf, 3e38]]], np.float32)
    blocks = BlockStore(open_store(tmp_path), "0123456789")
    written = blocks.write((2, 3), values, "found nothing\nat all", [[4, 0]])
    back, record = blocks.read((2, 3))
    np.testing.assert_array_equal(back, values)
    assert back.dtype == np.float32
    assert record == written == FinishedBlock((2, 3), "found nothing\nat all", [[4, 0]])


def swap(first, second):
    contents = first.read_bytes(), second.read_bytes()
    second.write_bytes(contents[0])
    first.write_bytes(contents[1])


def test_a_map_goes_on_behind_its_finished_blocks(source, whole, stopped):
    n_blocks = len(blocks_of(stopped))
    assert n_blocks > 15
    made = make_map(source, stopped, mode="resume", block=31)  # the division of the first run is kept
    assert (made.resumed, made.damaged) == (n_blocks, 0)
    assert pixels_of(stopped) == whole
    assert [path.name for path in stopped.parent.iterdir()] == ["map.tif"]


def test_the_counts_of_clipped_values_depend_on_neither_the_blocks_nor_a_resumed_run(source, tmp_path):
    with rasterio.open(source) as opened:
        sums = opened.read().sum(axis=0)
    n_below, n_above = int((sums < 4).sum()), int((sums > 5).sum())
    note = f"sum: {n_below} pixels were predicted below 4 and {n_above} pixels were predicted above 5"
    assert min(n_below, n_above) > 100
    for block in (3, 16, 100):
        made = make_map(source, tmp_path / "map.tif", BoundedSum(), block=block)
        assert [line for line in made.notes if "predicted" in line] == [f"{note}, and set to this limit"]
    stopped = stop(source, tmp_path / "stopped.tif", BoundedSum())
    made = make_map(source, stopped, BoundedSum(), mode="resume")
    assert made.resumed > 15
    assert f"{note}, and set to this limit" in made.notes


@pytest.mark.parametrize(
    ("how", "n_damaged"),
    [
        (lambda block, _: block.write_bytes(b""), 1),
        (lambda block, _: block.write_bytes(block.read_bytes()[:-5]), 1),
        (lambda block, _: block.write_bytes(block.read_bytes()[:-1] + b"\xff"), 1),
        (swap, 2),
        (lambda block, other: block.write_bytes(other.read_bytes()), 1),  # in the wrong place
        (
            lambda block, _: block.write_bytes(
                seal(bytes(256), "other", block.name, shape=[1, 8, 8], error=None, clipped=[])
            ),
            1,
        ),
        (lambda block, _: block.unlink(), 0),
    ],
)
def test_damaged_blocks_are_found_and_computed_again(source, whole, stopped, how, n_damaged):
    how(*blocks_of(stopped)[3:5])
    made = make_map(source, stopped, mode="resume")
    assert made.damaged == n_damaged
    assert pixels_of(stopped) == whole


def test_a_block_that_breaks_after_it_was_checked_stops_the_assembly(source, stopped):
    def spoil(_what, done, total):
        if done == total:
            blocks_of(stopped)[0].write_bytes(b"broken by then")

    with pytest.raises(OutputError, match=r"blocks-\w+/000000_000000: found a block that is damaged.*--resume"):
        make_map(source, stopped, mode="resume", progress=spoil)
    assert not stopped.exists()
    make_map(source, stopped, mode="resume")


@pytest.mark.parametrize("mode", ["resume", "restart"])
def test_foreign_files_beside_the_blocks_are_left_alone(source, whole, stopped, mode):
    place = store_of(stopped)
    foreign = [place.parent / "my notes.txt", place.parent / ".hidden"]
    (place / "not a name.txt").write_text("foreign, in the store's own folder")
    (blocks_of(stopped)[0].parent / "README").write_text("as well")
    for path in foreign:
        path.write_text("of mine")
    make_map(source, stopped, mode=mode)
    assert pixels_of(stopped) == whole
    assert [path.read_text() for path in foreign] == ["of mine"] * 2
    assert not place.exists()


def test_an_unfinished_map_is_neither_gone_on_with_nor_begun_anew_unasked(source, stopped):
    n_blocks = len(blocks_of(stopped))
    with pytest.raises(OutputError, match=r"found an unfinished map; .*; continue it with --resume, or discard it"):
        make_map(source, stopped)
    assert len(blocks_of(stopped)) == n_blocks


def test_restart_begins_anew(source, whole, stopped):
    made = make_map(source, stopped, mode="restart", block=16)
    assert made.resumed == 0
    assert pixels_of(stopped) == whole


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ({"model": "other", "version": "1"}, 'an earlier run with model = "sum"; expected model = "other"'),
        ({"model": "sum", "version": "2"}, 'with version = "1"; expected version = "2"'),
        ({"model": "sum"}, 'with version = "1"; expected version = not given'),
        ({**IDENTITY, "scale": "0.1"}, 'with scale = not given; expected scale = "0.1"'),
    ],
)
def test_a_map_of_something_else_is_refused_with_the_difference(source, stopped, identity, said):
    n_blocks = len(blocks_of(stopped))
    with pytest.raises(OutputError, match=said):
        make_map(source, stopped, identity=identity, mode="resume")
    assert len(blocks_of(stopped)) == n_blocks


def test_a_cube_of_another_size_is_refused(tmp_path, stopped):
    other = write_small(tmp_path / "other.tif", shape=(41, 56))
    with pytest.raises(OutputError, match='with size = "40 x 56"; expected size = "41 x 56"'):
        make_map(other, stopped, mode="resume")


def test_a_worker_that_comes_late_cannot_spoil_the_map_begun_since(tmp_path, source, stopped):
    late = {path: path.read_bytes() for path in blocks_of(stopped)}
    other = {"model": "sum around", "version": "1"}

    def write_late(_what, _done, _total):
        for path, content in late.items():
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)

    make_map(source, stopped, SumModel(halo=1), identity=other, mode="restart", progress=write_late)
    make_map(source, tmp_path / "straight.tif", SumModel(halo=1))
    assert pixels_of(stopped) == pixels_of(tmp_path / "straight.tif")


def deep():
    return "[" * 100_000


def write_manifest(path, change):
    """Change a manifest as a stranger would who knows its checksum; the head and the cut are one dictionary here."""
    sealed = path.read_bytes()
    head = json.loads(sealed.splitlines()[0])
    rows, cols = json.loads(sealed.splitlines()[1])
    changed = change({"format": head["format"], "made_of": head["made_of"], "rows": rows, "cols": cols})
    if isinstance(changed, dict):
        cut = json.dumps([changed[key] for key in ("rows", "cols") if key in changed]).encode()
        facts = {key: changed[key] for key in ("format", "made_of")}
        sealed = seal(cut, Identity(facts["made_of"]).sha256 if isinstance(facts["made_of"], dict) else "", **facts)
    path.write_bytes(sealed if isinstance(changed, dict) else changed.encode())


@pytest.mark.parametrize(
    "change",
    [
        lambda _: "",
        lambda _: "\x00" * 50,
        lambda _: deep(),
        lambda _: "[1, 2]",
        lambda known: known | {"format": 99},
        lambda known: known | {"made_of": "sum"},
        lambda known: known | {"made_of": deep()},
        lambda known: known | {"rows": [0, -5, 40]},
        lambda known: known | {"rows": [0, 10**40]},
        lambda known: known | {"rows": [0, 1e400]},
        lambda known: known | {"rows": {"0": 40}},
        lambda known: known | {"rows": list(range(200_000)), "cols": list(range(200_000))},
        lambda known: known | {"cols": [5, 56]},
        lambda known: known | {"cols": 7},
        lambda known: known | {"made_of": known["made_of"] | {"bands": ["../../etc/passwd"]}},
        lambda known: known | {"made_of": {"model": {"__reduce__": "os.system"}, "version": "1"}},
        lambda known: known | {"made_of": {"../../outside": "\x1b]0;title\x07" * 9999, **known["made_of"]}},
        lambda known: {key: value for key, value in known.items() if key != "cols"},
    ],
)
def test_the_manifest_of_a_stranger_is_one_line(source, stopped, whole, change):
    write_manifest(store_of(stopped) / "manifest", change)
    around = set(stopped.parent.iterdir())
    with pytest.raises(OutputError) as refused:
        make_map(source, stopped, mode="resume")
    said = str(refused.value)
    assert said.isprintable()
    assert len(said) < 700
    assert "--restart" in said
    assert set(stopped.parent.iterdir()) == around
    make_map(source, stopped, mode="restart")
    assert pixels_of(stopped) == whole


def test_edges_in_a_manifest_of_a_stranger_change_no_pixel(source, stopped, whole):
    write_manifest(store_of(stopped) / "manifest", lambda known: known | {"rows": [0, 1, 39, 40], "cols": [0, 55, 56]})
    assert make_map(source, stopped, mode="resume").resumed == 0  # blocks of another division are not used
    assert pixels_of(stopped) == whole


def with_fingerprint(path):
    return {**IDENTITY, "a.tif (fingerprint)": f"{path.stat().st_mtime_ns}"}


@pytest.fixture
def broken(tmp_path):
    """A raster with a corrupt tile, whose map was to continue past it, and its sound content."""
    source = write_small(tmp_path / "a.tif")
    sound = source.read_bytes()
    corrupt_block(source, band=2, row=1, column=2)
    return source, sound


def test_a_window_that_cannot_be_read_stops_the_map_and_once_it_can_it_goes_on(tmp_path, broken, whole):
    source, sound = broken
    path = tmp_path / "map.tif"
    with pytest.raises(RasterError, match=r"cannot read the window at row (16|24), column (32|40)"):
        make_map(source, path, threads=1)
    assert not path.exists()
    kept = len(blocks_of(path))
    assert kept
    source.write_bytes(sound)  # with no fingerprint among what it is made of: as a network that is back
    assert make_map(source, path, mode="resume").resumed == kept
    assert pixels_of(path) == whole


def test_windows_that_cannot_be_read_are_no_data_and_named_until_they_can(tmp_path, broken, whole):
    source, sound = broken
    path = tmp_path / "map.tif"
    made = make_map(source, path, on_error="nodata", block=16)
    assert [one.place for one in made.unread] == [(1, 2)]
    with rasterio.open(path) as written:
        values = written.read(1)
        assert written.tags()["GEOSOIL_UNREAD_WINDOWS"] == "row 16, column 32, 16 x 16 pixels"
    assert np.isnan(values[16:32, 32:48]).all()
    assert np.isnan(values).sum() == 16 * 16
    source.write_bytes(sound)
    made = make_map(source, path, mode="resume")
    assert made.unread == ()
    assert pixels_of(path) == whole
    assert not store_of(path).exists()


def test_an_input_that_was_mended_is_another_input(tmp_path, broken):
    source, sound = broken
    path = tmp_path / "map.tif"
    make_map(source, path, identity=with_fingerprint(source), on_error="nodata")
    source.write_bytes(sound)
    with pytest.raises(OutputError, match=r"with a\.tif \(fingerprint\) = .*discard it with --restart"):
        make_map(source, path, identity=with_fingerprint(source), mode="resume")


def test_an_input_that_was_never_broken_and_changed_is_refused_unread(source, tmp_path):
    path = stop(source, tmp_path / "map.tif", identity={**IDENTITY, "a.tif (fingerprint)": "1"})
    with pytest.raises(OutputError, match=r'with a\.tif \(fingerprint\) = "1"; expected .* = "2"'):
        make_map(source, path, identity={**IDENTITY, "a.tif (fingerprint)": "2"}, mode="resume")


def test_a_map_of_nothing_is_not_written(tmp_path):
    source = write_small(tmp_path / "a.tif", shape=(16, 32))
    for column in range(2):
        corrupt_block(source, band=1, column=column)
    with pytest.raises(OutputError, match="no window that could be read"):
        make_map(source, tmp_path / "map.tif", on_error="nodata")
    assert not (tmp_path / "map.tif").exists()


def test_blocks_from_the_future_count_as_others(source, stopped, whole):
    n_blocks = len(blocks_of(stopped))
    for path in chain(store_of(stopped).parent.rglob("*"), [store_of(stopped)]):
        os.utime(path, (4e9, 4e9))
    assert make_map(source, stopped, mode="resume").resumed == n_blocks
    assert pixels_of(stopped) == whole


@pytest.mark.parametrize(
    ("environment", "other"), [({"LC_ALL": "de_DE.UTF-8", "TZ": "Pacific/Auckland"}, {"LC_ALL": "C", "TZ": "UTC"})]
)
def test_another_clock_and_another_locale_give_the_same_map(source, tmp_path, monkeypatch, whole, environment, other):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    path = stop(source, tmp_path / "map.tif")
    for name, value in other.items():
        monkeypatch.setenv(name, value)
    make_map(source, path, mode="resume")
    assert pixels_of(path) == whole


def test_opening_a_scratch_writes_only_below_it(tmp_path, source):
    blocks = prepare_map(SumModel(), open_raster(source)).blocks(8)
    store = open_store(tmp_path / "map.tif.unfinished")
    scratch = open_scratch(store, Identity(IDENTITY), blocks)
    scratch.blocks.write((0, 0), np.zeros((1, 8, 8), np.float32))
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif.unfinished"]
    scratch.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_could_not_be_read_does_not_trouble_the_next(tmp_path, source):
    broken = write_small(tmp_path / "a.tif")
    corrupt_block(broken, band=1)
    with pytest.raises(RasterError, match="row 0, column 0"):
        open_raster(broken)[:, :16, :16].load()
    assert open_raster(source).shape == (3, *SHAPE)  # GDAL's last error was still there, and raised once more


def test_a_map_that_stops_before_its_first_block_leaves_nothing(tmp_path):
    source = write_small(tmp_path / "a.tif", shape=(16, 16))
    corrupt_block(source, band=1)
    with pytest.raises(RasterError, match="row 0, column 0"):
        make_map(source, tmp_path / "map.tif", block=16)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]
