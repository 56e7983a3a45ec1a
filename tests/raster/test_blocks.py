"""The block engine: what comes out never depends on how the raster was cut."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import cloudpickle
import dask
import numpy as np
import pytest
import xarray as xr
from affine import Affine
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from threadpoolctl import threadpool_info, threadpool_limits

from geosoil.errors import RasterError
from geosoil.raster.blocks import choose_block, cut_blocks, map_blocks, stream_blocks
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster

TRANSFORM = Affine(30, 0, 500_000, 0, -30, 4_000_000)


def a_raster(bands, height, width, seed=0, holes=True):
    rng = np.random.default_rng(seed)
    data = rng.normal(10, 3, (bands, height, width)).astype("float32")
    if holes:
        data[rng.random(data.shape) < 0.05] = np.nan
    return make_raster(data, names=[f"b{k}" for k in range(bands)], crs="EPSG:32633", transform=TRANSFORM)


def window_sum(halo):
    """Sum each pixel's window in a fixed order, so that equal windows give equal bits."""

    def function(block):
        side = 2 * halo + 1
        height, width = block.shape[1] - 2 * halo, block.shape[2] - 2 * halo
        total = np.zeros((block.shape[0], height, width), "float32")
        for dy in range(side):
            for dx in range(side):
                total += block[:, dy : dy + height, dx : dx + width]
        return total

    return function


@pytest.mark.parametrize("scheduler", ["threads", "sync"])
@pytest.mark.parametrize("block", [7, 16, (5, 60), (60, 5), 64, None])
@pytest.mark.parametrize("edge", ["nan", "reflect"])
def test_the_map_never_depends_on_the_block_size_or_the_scheduler(block, scheduler, edge):
    raster = a_raster(2, 41, 53)
    lazy = map_blocks(window_sum(3), raster, names=raster.band.values, halo=3, block=block, edge=edge)
    pad = {"mode": "symmetric"} if edge == "reflect" else {"constant_values": np.nan}
    whole = window_sum(3)(np.pad(raster.values, ((0, 0), (3, 3), (3, 3)), **pad))
    np.testing.assert_array_equal(lazy.compute(scheduler=scheduler).values, whole)


@pytest.mark.parametrize("block", [4, 9, 25, 100])
def test_a_3x3_mean_is_that_of_scipy_on_the_whole_raster(block):
    raster = a_raster(1, 33, 29, holes=False)
    mean = map_blocks(lambda b: window_sum(1)(b) / 9, raster, names=["mean"], halo=1, block=block, edge="reflect")
    expected = ndimage.uniform_filter(raster.values[0].astype("float64"), 3, mode="reflect")
    np.testing.assert_allclose(mean.values[0], expected, rtol=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 14),
    width=st.integers(1, 14),
    block=st.tuples(st.integers(1, 15), st.integers(1, 15)),
    halo=st.integers(0, 9),
    edge=st.sampled_from(["nan", "reflect"]),
    first_block=st.integers(1, 15),
)
def test_any_size_block_and_halo_equal_the_whole_also_over_a_lazy_raster(height, width, block, halo, edge, first_block):
    raster = a_raster(2, height, width, holes=False)
    pad = {"mode": "symmetric"} if edge == "reflect" else {"constant_values": np.nan}
    whole = window_sum(halo)(np.pad(raster.values, ((0, 0), (halo, halo), (halo, halo)), **pad))
    with dask.config.set(scheduler="sync"):
        for source in (raster, map_blocks(np.copy, raster, names=["a", "b"], block=first_block)):
            lazy = map_blocks(window_sum(halo), source, names=["a", "b"], halo=halo, block=block, edge=edge)
            np.testing.assert_array_equal(lazy.values, whole)


def test_steps_in_a_row_equal_the_same_steps_on_the_whole():
    raster = a_raster(1, 50, 40)
    once = map_blocks(window_sum(2), raster, names=["a"], halo=2, block=16, edge="reflect")
    twice = map_blocks(window_sum(4), once, names=["a"], halo=4, block=11, edge="reflect")
    whole = raster.values
    for halo in (2, 4):
        whole = window_sum(halo)(np.pad(whole, ((0, 0), (halo, halo), (halo, halo)), mode="symmetric"))
    np.testing.assert_array_equal(twice.values, whole)


def test_a_dask_raster_of_any_chunks_will_do():
    raster = a_raster(3, 20, 31)
    chunked = raster.chunk({"band": 2, "y": 6, "x": 13})
    for block in (None, 5, 64):
        lazy = map_blocks(window_sum(1), chunked, names=["a", "b", "c"], halo=1, block=block)
        np.testing.assert_array_equal(
            lazy.values, map_blocks(window_sum(1), raster, names=["a", "b", "c"], halo=1).values
        )


def test_the_grid_of_the_result_is_that_of_the_source_for_odd_sizes():
    raster = a_raster(2, 1003, 1501)
    lazy = map_blocks(lambda b: b[:1], raster, names=["first"], units="%", block=256)
    assert lazy.shape == (1, 1003, 1501)
    assert Grid.of(lazy) == Grid.of(raster) == Grid(raster.rio.crs, TRANSFORM, 1003, 1501)
    window = (slice(None), slice(700, 800), slice(1400, 1501))
    assert Grid.of(map_blocks(lambda b: b, raster[window], names=["a", "b"])) == Grid.of(raster[window])
    for axis in ("x", "y"):
        np.testing.assert_array_equal(lazy[axis], raster[axis])
    assert list(lazy.band.values) == ["first"]
    assert lazy.attrs["units"] == "%"


@pytest.mark.parametrize("returned", ["float32", "float64", "int16", "bool"])
def test_the_promised_dtype_is_the_computed_one(returned):
    lazy = map_blocks(lambda b: np.nan_to_num(b[:1]).astype(returned), a_raster(2, 9, 9), names=["a"], block=4)
    assert lazy.dtype == np.float32 == lazy.compute().dtype == lazy.data.blocks[0, 0, 0].compute().dtype


def test_nothing_is_computed_before_it_is_asked_for_and_then_only_that():
    seen = []
    lazy = map_blocks(lambda b: seen.append(b.shape) or b, a_raster(1, 40, 40), names=["a"], block=10)
    assert seen == []
    assert lazy.isel(x=slice(0, 5), y=slice(0, 5)).values.shape == (1, 5, 5)
    assert seen == [(1, 10, 10)]


def test_a_function_that_works_in_place_does_not_reach_the_source():
    raster = a_raster(1, 12, 12)
    before = raster.values.copy()
    lazy = map_blocks(lambda b: np.multiply(b, 0, out=b), raster, names=["a"], block=12)
    assert np.nansum(lazy.values) == 0
    np.testing.assert_array_equal(raster.values, before)


def test_the_model_is_not_shipped_with_every_task():
    weights = np.zeros(1_000_000, "float32")
    lazy = map_blocks(lambda b: b + weights[0], a_raster(1, 64, 64), names=["a"], block=8)
    (lazy,) = dask.optimize(lazy)
    sizes = sorted(len(cloudpickle.dumps(task)) for task in dict(lazy.__dask_graph__()).values())
    assert len(sizes) == 65
    assert sizes[-1] > weights.nbytes  # the function, once
    assert sizes[-2] < 3_000


def test_a_block_of_the_wrong_shape_is_refused_with_both_shapes():
    lazy = map_blocks(lambda b: b, a_raster(1, 8, 8), names=["a"], halo=1)
    with pytest.raises(ValueError, match=r"\(1, 10, 10\).*expected \(1, 8, 8\)"):
        lazy.compute(scheduler="sync")


@pytest.mark.parametrize("wrong", [{"halo": -1}, {"block": 0}, {"block": (4, -1)}, {"edge": "wrap"}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        map_blocks(lambda b: b, a_raster(1, 8, 8), names=["a"], **wrong)


def test_an_array_that_is_no_raster_is_refused():
    with pytest.raises(RasterError, match="dimensions"):
        map_blocks(lambda b: b, xr.DataArray(np.zeros((2, 2), "float32"), dims=("y", "x")), names=["a"])


@pytest.mark.parametrize(
    ("bands", "file", "expected"),
    [
        (1, {"y": 256, "x": 256}, (512, 512)),  # tiles: whole ones
        (330, {"y": 64, "x": 64}, (192, 192)),  # many bands: the memory target
        (330, {"y": 512, "x": 512}, (256, 512)),  # one tile is 5 times the target: halved
        (1, {"y": 1, "x": 2008}, (130, 2008)),  # lines: whole ones, as many pixels as 512 x 512
        (1, {"y": 8, "x": 2008}, (128, 2008)),  # strips: a multiple of 8
        (1, {"y": 2083, "x": 2008}, (521, 2008)),  # the whole file is one strip
        (1, None, (512, 512)),
    ],
)
def test_blocks_are_whole_blocks_of_the_file_within_the_memory_target(bands, file, expected):
    data = np.broadcast_to(np.float32(0), (bands, 2083, 2008))
    raster = make_raster(
        data, names=[str(k) for k in range(bands)], crs=None, transform=TRANSFORM, preferred_chunks=file
    )
    assert choose_block(raster) == expected


def test_blocks_shrink_with_the_memory_target_and_never_exceed_the_raster():
    raster = a_raster(100, 40, 50)
    assert choose_block(raster) == (40, 50)
    rows, cols = choose_block(raster, memory_bytes=100 * 4 * 20 * 20)
    assert rows * cols <= 20 * 20


def test_a_sliver_at_the_edge_joins_the_block_before_it():
    raster = a_raster(1, 17, 39)
    assert map_blocks(lambda b: b, raster, names=["a"], block=8).chunks[1:] == ((8, 9), (8, 8, 8, 8, 7))


def stored(raster, **options):
    result = np.full(raster.shape, -1, "float32")

    def store(y0, x0, block):
        result[:, y0 : y0 + block.shape[1], x0 : x0 + block.shape[2]] = block

    stream_blocks(raster, store, **options)
    return result


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_streamed_blocks_make_up_the_raster(threads):
    raster, counts = a_raster(2, 45, 33), []
    lazy = map_blocks(window_sum(2), raster, names=["a", "b"], halo=2, block=10)
    result = stored(lazy, threads=threads, progress=lambda done, total: counts.append((done, total)))
    np.testing.assert_array_equal(result, lazy.values)
    assert counts == [(k, 20) for k in range(1, 21)]


def test_a_raster_in_memory_streams_too():
    raster = a_raster(2, 45, 33)
    np.testing.assert_array_equal(stored(raster, threads=2), raster.values)


def test_no_more_blocks_live_than_there_are_threads():
    alive, most, lock = 0, 0, threading.Lock()

    def function(block):
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        time.sleep(0.002)
        return block

    def store(y0, x0, block):
        nonlocal alive
        with lock:
            alive -= 1

    stream_blocks(map_blocks(function, a_raster(1, 60, 60), names=["a"], block=6), store, threads=2)
    assert alive == 0
    assert most <= 3  # two computed, and one that waits for its turn to be stored


@pytest.mark.parametrize("where", ["block", "store", "progress"])
def test_an_exception_stops_the_run_at_once_and_comes_out_as_itself(where):
    ran, kept = [], []

    def fail(here):
        if here == where and len(ran) >= 5:
            raise RasterError("cube.tif", found="a corrupt tile at row 0", expected="data", way_out="copy it again")

    def function(block):
        ran.append(1)
        time.sleep(0.001)
        fail("block")
        return block

    def store(y0, x0, block):
        fail("store")
        kept.append(y0)

    lazy = map_blocks(function, a_raster(1, 100, 100), names=["a"], block=5)
    with pytest.raises(RasterError, match="corrupt tile at row 0"):
        stream_blocks(lazy, store, threads=2, progress=lambda done, total: fail("progress"))
    after = len(ran), len(kept)
    assert after[0] < 20
    time.sleep(0.02)
    assert (len(ran), len(kept)) == after  # nothing runs on behind the caller's back


def test_a_block_that_ends_after_the_failure_of_another_is_not_stored():
    failed, kept = threading.Event(), []

    def function(block):
        if block[0, 0, 0] == 0:
            failed.set()
            raise RuntimeError("first")
        failed.wait(5)
        time.sleep(0.1)
        return block

    data = np.array([[[0, 1]]], "float32")
    raster = make_raster(data, names=["a"], crs=None, transform=TRANSFORM)
    lazy = map_blocks(function, raster, names=["a"], block=1)
    with pytest.raises(RuntimeError, match="first"):
        stream_blocks(lazy, lambda y0, x0, block: kept.append(x0), threads=2)
    assert kept == []


def test_blas_and_torch_are_held_to_one_thread_in_a_run_and_restored_after_it():
    torch = pytest.importorskip("torch")
    seen, after = set(), []
    before = torch.get_num_threads()
    torch.set_num_threads(2)

    def function(block):
        seen.add(torch.get_num_threads())
        seen.update(lib["num_threads"] for lib in threadpool_info())
        return block

    try:
        with threadpool_limits(2):
            outside = [lib["num_threads"] for lib in threadpool_info()]
            assert 2 in outside
            stream_blocks(map_blocks(function, a_raster(1, 9, 9), names=["a"], block=3), lambda *_: None, threads=2)
            assert seen == {1}
            assert [lib["num_threads"] for lib in threadpool_info()] == outside
        new = threading.Thread(target=lambda: after.append(torch.get_num_threads()))
        new.start()
        new.join()
        assert [torch.get_num_threads(), *after] == [2, 2]
    finally:
        torch.set_num_threads(before)


@pytest.mark.slow
def test_openmp_is_held_to_one_thread_in_the_threads_of_the_pool_too():
    # A process of its own: OpenMP reads its environment once.
    script = textwrap.dedent(
        """
        import numpy as np, xarray as xr
        from sklearn.utils._openmp_helpers import _openmp_effective_n_threads
        from geosoil.raster.blocks import map_blocks, stream_blocks

        seen = []
        raster = xr.DataArray(np.ones((1, 4, 4), "float32"), dims=("band", "y", "x"), coords={"band": ["a"]})
        lazy = map_blocks(lambda b: seen.append(_openmp_effective_n_threads()) or b, raster, names=["a"], block=2)
        stream_blocks(lazy, lambda y0, x0, block: None, threads=2)
        print(*seen, _openmp_effective_n_threads())
        """
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert run.stdout.split() == ["1", "1", "1", "1", "3"]


@pytest.mark.parametrize("shape", [(40, 50), (10, 50), (45, 10)])
def test_blocks_are_visited_once_and_each_is_next_to_the_one_before_it(shape):
    raster = make_raster(np.zeros((1, *shape), "float32"), names=["a"], crs=None, transform=Affine.identity())
    blocks = cut_blocks(lambda block: block, raster, names=["a"], block=10)
    places = list(blocks.places)
    assert sorted(set(places)) == sorted(places) and len(places) == len(blocks)
    assert (np.abs(np.diff(places, axis=0)).sum(axis=1) == 1).all()
