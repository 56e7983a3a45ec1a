"""A plan stays within its promise: blocks shrink before threads are given up, and what is too small is refused."""

import re
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import rasterio
from affine import Affine
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression
from small_cube import save_trained_model, trained_model, write_cube
from small_stack import write_covariates
from xarray.core import indexing

from geosoil.errors import MemoryPromiseError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import open_stack
from geosoil.io.rasters.windows import WindowArray
from geosoil.mapping import plan as plan_module
from geosoil.mapping.job import prepare_map
from geosoil.mapping.match import match_bands
from geosoil.mapping.plan import MARGIN, plan_map
from geosoil.models import pixel as base
from geosoil.models.contract import Feature, Target
from geosoil.models.pixel import PixelModel
from geosoil.program.step import Stateful
from geosoil.raster.layout import SHARED_BYTES, STORED_BYTES, make_raster
from geosoil.sensors.cube import open_cube
from geosoil_cli.main import group

HELD = 400 * 2**20  # memory that the process reports
N_BANDS = 20


class Nothing(WindowArray):
    """A large raster that takes no memory."""

    def read(self, bands, rows, columns):
        """Return zeros."""
        return np.zeros((bands.size, rows.stop - rows.start, columns.stop - columns.start), np.float32)


def mapping_of(height=4096, width=4096, source="a.tif", shared_bytes=0):
    features = tuple(Feature(f"b{i}") for i in range(N_BANDS))
    line = LinearRegression().fit(np.eye(N_BANDS), np.arange(N_BANDS))
    raster = make_raster(
        indexing.LazilyIndexedArray(Nothing((N_BANDS, height, width))),
        names=[feature.name for feature in features],
        crs="EPSG:32633",
        transform=Affine(30, 0, 0, 0, -30, 0),
        source=source,
        preferred_chunks={"y": 256, "x": 256},
    )
    raster.encoding[SHARED_BYTES] = shared_bytes
    return prepare_map(PixelModel(line, features, (Target("t", "%"),)), raster)


@pytest.fixture(autouse=True)
def held(monkeypatch):
    """A process that holds 400 MiB, cache included."""
    process = SimpleNamespace(memory_info=lambda: SimpleNamespace(rss=HELD - 32 * 2**20))
    monkeypatch.setattr(plan_module.psutil, "Process", lambda: process)
    monkeypatch.delenv("GDAL_CACHEMAX", raising=False)


def planned(mapping, promise, threads=4, **options):
    return plan_map(mapping, threads=threads, memory_bytes=round(promise), probe=False, **options)


def least_of(error):
    """Return the promise that a refusal names, in GB."""
    (least,) = re.findall(r"at least ([\d.]+) GB", str(error))
    return float(least)


def side_of(plan):
    return plan.blocks.rows[1]


def test_with_much_memory_blocks_are_large_and_all_threads_compute():
    plan = planned(mapping_of(), 64e9)
    assert (plan.threads, plan.blocks_in_memory, side_of(plan)) == (4, 5, 512)


def test_blocks_shrink_first_then_threads_are_given_up_then_all_is_refused():
    mapping = mapping_of()
    promises = np.geomspace(64e9, 0.5e9, 60)
    plans = []
    for promise in promises:
        try:
            plans.append(planned(mapping, promise, threads=16))
        except MemoryPromiseError:
            break
    threads, sides = [plan.threads for plan in plans], [side_of(plan) for plan in plans]
    assert threads == sorted(threads, reverse=True) and len(plans) < len(promises)
    small = min(side for side, n in zip(sides, threads, strict=True) if n == 16)
    assert small < max(sides)  # with all threads, blocks had shrunk
    assert threads[-1] < 16


def test_decoded_chunks_that_blocks_share_are_part_of_the_promise_and_given_up_last():
    mapping = mapping_of(shared_bytes=20e6)  # 720 MB for 20 bands and the layers of masks
    assert mapping.shared_bytes == 36 * 20_000_000
    plan = planned(mapping, 64e9)
    assert plan.chunk_bytes == mapping.shared_bytes
    assert plan.expected_bytes == planned(mapping_of(), 64e9).expected_bytes + plan.chunk_bytes
    plans = [planned(mapping, promise) for promise in np.geomspace(64e9, 0.9e9, 40)]
    assert all(plan.expected_bytes <= MARGIN * plan.memory_bytes for plan in plans)
    shares = [min(mapping.shared_bytes, plan.memory_bytes // 5) for plan in plans]
    assert all(
        plan.chunk_bytes in (0, share // 2, share * 3 // 4, share) for plan, share in zip(plans, shares, strict=True)
    )
    assert planned(mapping, 64e9, workers=2).chunk_bytes == 0  # the processes have their caches
    with pytest.raises(MemoryPromiseError) as refused:
        planned(mapping, 0.2e9)
    planned(mapping, least_of(refused.value) * 1e9)


def test_what_a_refusal_names_is_enough():
    mapping = mapping_of()
    with pytest.raises(MemoryPromiseError, match=r"found a memory limit of 0\.20 GB") as refused:
        planned(mapping, 0.2e9, where="soc.tif")
    text = str(refused.value)
    assert text.startswith("soc.tif: ") and "\n" not in text and "give a larger --memory" in text
    least = least_of(text) * 1e9
    plan = planned(mapping, least)
    assert plan.expected_bytes <= MARGIN * least
    with pytest.raises(MemoryPromiseError):
        planned(mapping, 0.9 * least)


def test_a_refusal_says_what_else_could_be_given():
    with pytest.raises(MemoryPromiseError, match=r"or a smaller --block"):
        planned(mapping_of(), 1e9, block=4000)
    with pytest.raises(MemoryPromiseError, match=r"or fewer --workers"):
        planned(mapping_of(), 1e9, workers=4)


def test_workers_hold_what_this_process_holds_each():
    mapping = mapping_of()
    one, three = (planned(mapping, 64e9, workers=n) for n in (1, 3))
    a_lane = mapping.working_bytes((512, 512))
    assert (one.threads, three.threads, three.blocks_in_memory) == (1, 3, 3)
    assert three.expected_bytes - one.expected_bytes == 2 * (HELD + plan_module.CLUSTER_BYTES + a_lane)


@settings(deadline=None, max_examples=60)
@given(
    promise=st.floats(0.1e9, 8e9),
    threads=st.integers(1, 32),
    workers=st.integers(0, 6),
    height=st.integers(1, 9000),
    width=st.integers(1, 9000),
    remote=st.booleans(),
)
def test_a_plan_keeps_its_promise_or_is_refused(promise, threads, workers, height, width, remote):
    mapping = mapping_of(height, width, "https://example.org/a.tif" if remote else "a.tif")
    try:
        plan = planned(mapping, promise, threads=threads, workers=workers)
    except MemoryPromiseError as error:
        least = least_of(error) * 1e9
        assert least > MARGIN * promise
        plan = planned(mapping, least, threads=threads, workers=workers)
    rows, cols = plan.blocks.rows, plan.blocks.cols
    assert (rows[0], rows[-1], cols[0], cols[-1]) == (0, height, 0, width)
    assert plan.blocks_in_memory >= plan.threads >= 1 and plan.threads <= max(threads, workers)
    a_block = mapping.working_bytes((max(np.diff(rows)), max(np.diff(cols))))
    assert HELD + plan.blocks_in_memory * a_block <= plan.expected_bytes <= MARGIN * plan.memory_bytes


def test_the_height_of_a_scene_does_not_change_the_plan():
    plans = [planned(mapping_of(height), 1.5e9) for height in (4096, 4 * 4096, 64 * 4096)]
    assert len({(plan.threads, plan.blocks_in_memory, side_of(plan), plan.expected_bytes) for plan in plans}) == 1


def test_a_cut_that_was_begun_is_kept():
    plan = planned(mapping_of(100, 100), 4e9, edges=((0, 30, 100), (0, 100)))
    assert plan.blocks.rows == (0, 30, 100) and len(plan.blocks) == 2


def test_blocks_are_cut_smaller_where_threads_would_have_none():
    assert len(planned(mapping_of(1024, 1024), 64e9, threads=4).blocks) >= 8


def test_the_time_is_that_of_all_blocks_over_the_threads(monkeypatch):
    monkeypatch.setattr(plan_module, "_try", lambda blocks: (2.0, 1000))
    plan = plan_map(mapping_of(1000, 1000), threads=2, memory_bytes=10**10, timed=True)
    assert plan.seconds == pytest.approx(1e6 / 1000 * 2.0 / 2)
    assert "about 1e+03 s" in plan.summary()


def test_what_is_read_is_process_as_it_is_stored(tmp_path):
    cube = open_cube(write_cube(tmp_path / "c.tif", shape=(40, 30)))
    match = match_bands(trained_model(), cube)
    mapping = prepare_map(match.model, cube, bands=match.bands)
    plan = planned(mapping, 4e9)
    assert plan.read_bytes == 2 * len(match.bands) * 40 * 30  # int16
    assert f"{plan.read_bytes / 1e9:.3g} GB of stored values" in plan.summary()


def test_stored_bytes_count_a_band_of_classes_once_and_a_coarse_file_by_its_share(tmp_path):
    write_covariates(tmp_path)
    stack = open_stack(sorted(tmp_path.glob("*.tif")))
    expected = 0.0
    cells = stack.sizes["y"] * stack.sizes["x"]
    for path in sorted(tmp_path.glob("*.tif")):
        with rasterio.open(path) as source:
            size = sum(np.dtype(dtype).itemsize for dtype in source.dtypes)
            own = open_raster(path)
            scale = abs(float(stack.x[1] - stack.x[0]) / float(own.x[1] - own.x[0])) ** 2
            expected += size * scale * cells
    assert stack.encoding[STORED_BYTES] * stack.sizes["band"] * cells == pytest.approx(expected, rel=1e-3)


def test_an_estimator_predicts_a_block_in_parts_with_the_same_values(monkeypatch):
    class Sum(Stateful):
        fitted = ()
        most = 0

        def predict(self, rows):
            Sum.most = max(Sum.most, len(rows))
            return np.asarray(rows, np.float64).sum(axis=1)

    model = PixelModel(Sum(), (Feature("a"), Feature("b")), (Target("t", ""),))
    block = np.random.default_rng(0).normal(size=(2, 60, 70)).astype(np.float32)
    block[0, 5, 5] = np.nan
    whole = model.predict(block)
    assert Sum.most == 60 * 70 - 1
    Sum.most = 0
    monkeypatch.setattr(base, "ROWS_BYTES", 0)
    np.testing.assert_array_equal(model.predict(block), whole)
    assert Sum.most == 1024


def test_the_verb_refuses_a_promise_in_one_line_and_keeps_one_that_is_named(tmp_path, monkeypatch):
    monkeypatch.undo()  # the process as it is
    monkeypatch.chdir(tmp_path)
    write_cube(tmp_path / "c.tif")
    save_trained_model(tmp_path / "m")
    words = ["map", "--cube", "c.tif", "--model", "./m", "-o", "o.tif"]
    refused = CliRunner().invoke(group, [*words, "--memory", "50MB"])
    assert refused.exit_code != 0 and not (tmp_path / "o.tif").exists()
    error = refused.exception if isinstance(refused.exception, MemoryPromiseError) else refused.output
    least = least_of(error)
    done = CliRunner().invoke(group, [*words, "--memory", f"{least}GB", "--restart"])
    assert done.exit_code == 0, done.output
    assert psutil.Process().memory_info().rss <= least * 1e9
