"""A map by the code of a GPU is that of the processor. No GPU is needed: processors replace it, with its batches."""

import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import numpy as np
import pytest
import torch
from affine import Affine as Transform
from click.testing import CliRunner
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from small_cube import save_trained_model, write_cube
from small_patches import LAYERS_CM, random_block, random_net
from small_stack import read

from geosoil.errors import DeviceError
from geosoil.estimators.forest import Forest
from geosoil.estimators.resnet import ResNet1D
from geosoil.estimators.support_vectors import SupportVectors
from geosoil.mapping.job import prepare_map
from geosoil.mapping.run import RunOptions
from geosoil.models.compose import Cascade, Ensemble
from geosoil.models.contract import Feature, Target
from geosoil.models.patch import PatchModel
from geosoil.models.pixel import PixelModel
from geosoil.networks import dense_patches
from geosoil.program import device as gpu
from geosoil.program import lower as lowering
from geosoil.program.convolution import Convolve, MaxPool, ScaleChannels
from geosoil.program.kernels import Covariance
from geosoil.program.lower import LoweredProgram, compile_program
from geosoil.program.ops import Affine, Clip, Elementwise, Select, Standardise
from geosoil.program.parallel import Parallel
from geosoil.program.torch_backend import compile_chain
from geosoil.raster.layout import make_raster
from geosoil.workflows.map import map_cube
from geosoil_cli.main import group

RNG = np.random.default_rng(0)
N_BANDS = 12
X = RNG.normal(size=(60, N_BANDS)).astype(np.float32)
Y = X[:, 0] - 0.5 * X[:, 3] + 0.1 * RNG.normal(size=60)
BLOCK = RNG.normal(size=(N_BANDS, 30, 41)).astype(np.float32)


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that replaces the GPUs by so many processors."""

    def replace_gpus(count):
        monkeypatch.setattr(gpu, "gpu_names", lambda: ["cpu"] * count)
        monkeypatch.setattr("geosoil.mapping.run.gpu_names", lambda: ["cpu"] * count)
        monkeypatch.setattr(gpu, "_free_gpus", None)

    replace_gpus(1)
    return replace_gpus


def pixel_model(estimator, name="soc", unit="%", inputs=None):
    names = inputs or [f"b{i}" for i in range(N_BANDS)]
    return PixelModel(
        estimator.fit(X[:, : len(names)], Y), tuple(map(Feature, names)), (Target(name, unit, (-1.5, None)),)
    )


def support_vectors():
    return make_pipeline(StandardScaler(), SupportVectors(C=10.0, gamma=0.1, epsilon=0.01))


def models():
    net = pixel_model(ResNet1D(epochs=1, output="linear"))
    machine, line = pixel_model(support_vectors()), pixel_model(LinearRegression())
    second = pixel_model(LinearRegression(), "clay", inputs=["soc", "b1"])
    return {"machine": machine, "net": net, "mean": Ensemble((machine, line)), "cascade": Cascade(machine, second)}


def out_of_memory_above(monkeypatch, most):
    """Let batches of more than `most` pixels fail as a GPU fails; return the sizes that were tried."""
    tried, run = [], LoweredProgram._run_on

    def failing(self, place, features, size, mask_gaps):
        tried.append(size)
        if size > most:
            raise torch.OutOfMemoryError(
                "CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has\n a total of 1 GiB"
            )
        return run(self, place, features, size, mask_gaps)

    monkeypatch.setattr(LoweredProgram, "_run_on", failing)
    return tried


@pytest.mark.parametrize("kind", ["machine", "net", "mean", "cascade"])
def test_a_map_by_a_gpus_path_is_that_of_the_processor(kind, gpus):
    model = models()[kind]
    block = BLOCK.copy()
    block[2, 3, 4] = np.nan
    expected, found = model.predict(block.copy()), model.on("cuda").predict(block.copy())
    assert np.isnan(found[0, 3, 4]) and np.isfinite(found).sum() == expected.size - len(expected)
    assert np.nanmax(np.abs(found - expected)) <= 1e-4 * Y.std()
    np.testing.assert_array_equal(model.on("cuda").on("cpu").predict(block.copy()), expected)


@pytest.mark.parametrize("kind", ["plain", "multi", "transfer"])
def test_patches_by_a_gpus_path_are_those_of_the_processor_also_in_smaller_strips(kind, gpus, monkeypatch):
    estimator = random_net(kind, size=9)
    features = tuple(Feature(f"c{i}") for i in range(estimator.n_channels_))
    model = PatchModel(estimator, features, tuple(Target(f"soc_{top}", "%") for top, _ in LAYERS_CM))
    block = random_block(3, 60, 50, share_of_gaps=0.02)
    expected = model.predict(block.copy())
    tried, run = [], dense_patches._run_strips

    def failing(networks, block, size, wanted, strip_bytes):
        tried.append(strip_bytes)
        if strip_bytes > 2 * dense_patches.LEAST_STRIP_BYTES:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return run(networks, block, size, wanted, strip_bytes)

    monkeypatch.setattr(dense_patches, "_run_strips", failing)
    np.testing.assert_array_equal(model.on("cuda").predict(block.copy()), expected)
    assert len(tried) >= 4


def test_every_number_of_a_program_lies_where_it_computes():
    inner = (Convolve(RNG.normal(size=(4, 4, 3)), RNG.normal(size=4)), Elementwise("leaky_relu"))
    program = (
        Elementwise("absorbance"),
        Standardise(),
        Affine(RNG.normal(size=(20, 6)), RNG.normal(size=20)),
        Clip(0.0, 1.0),
        Parallel(((), inner), "sum"),
        ScaleChannels(RNG.normal(size=4), RNG.normal(size=4)),
        MaxPool(2, 4),
        Select(np.array([5, 2])),
        Affine(np.diag([2.0, 3.0]), np.ones(2)),
        Parallel(((), ()), "concat"),
        Covariance(RNG.normal(size=(7, 4)), 0.5),
    )
    with torch.device("meta"):
        run = compile_chain(program)
    found = run(torch.empty(6, 10, device="meta"), {})  # a number left on the processor would be refused here
    assert found.shape == (7, 10) and found.device.type == "meta"


def test_a_batch_without_room_is_halved_for_good_and_the_values_stay(gpus, monkeypatch):
    model = pixel_model(support_vectors())
    expected = model.predict(BLOCK.copy())
    tried = out_of_memory_above(monkeypatch, 5000)
    placed = model.on("cuda")
    found = placed.predict(BLOCK.copy())
    assert np.abs(found - expected).max() <= 1e-4 * Y.std()
    most = lowering.GPU_FACTOR * lowering.PIXELS_AT_ONCE
    assert tried == [most, most // 2, most // 4, most // 8, most // 16]
    np.testing.assert_array_equal(placed.predict(BLOCK.copy()), found)
    assert tried[5:] == [most // 16]


def test_a_gpu_without_room_for_anything_is_one_clear_line(gpus, monkeypatch):
    tried = out_of_memory_above(monkeypatch, 0)
    with pytest.raises(DeviceError, match="no memory for 256 pixels at once") as error:
        pixel_model(support_vectors()).on("cuda").predict(BLOCK.copy())
    assert tried[-1] == lowering.SMALLEST_GPU_BATCH and "\n" not in str(error.value)


@pytest.mark.parametrize("count", [1, 2])
def test_one_block_at_a_time_computes_on_a_gpu_whatever_asks(count, gpus):
    gpus(count)
    lock, now, most = threading.Lock(), 0, 0

    def compute(_):
        nonlocal now, most
        with gpu.acquire_device("cuda"):
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.01)
            with lock:
                now -= 1

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(compute, range(12)))
    assert most == count


def test_an_error_in_a_turn_gives_the_gpu_back(gpus):
    with pytest.raises(KeyError), gpu.acquire_device("cuda"):
        raise KeyError
    with gpu.acquire_device("cuda") as place:
        assert place == "cpu"


def test_a_gpu_multiplies_in_float32_even_where_tf32_was_turned_on(gpus):
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        with gpu.acquire_device("cuda"):
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)


def plan_of(model, **running):
    names = [feature.name for feature in model.features]
    raster = make_raster(BLOCK, names=[f"b{i}" for i in range(N_BANDS)], crs=None, transform=Transform.identity())
    plan = RunOptions(threads=1, **running).plan(prepare_map(model, raster, bands=names), "map.tif")
    return plan.blocks.function.model, plan.notes


def test_auto_takes_a_gpu_for_what_it_can_run(gpus):
    machine = pixel_model(support_vectors())
    model, notes = plan_of(machine, device="auto")
    assert model.device == "cuda" and notes == ()
    gpus(0)
    model, notes = plan_of(machine, device="auto")
    assert model.device == "cpu" and notes == ()


def test_what_no_gpu_can_run_stays_on_the_cpu_and_that_is_said(gpus):
    forest = pixel_model(Forest(n_trees=3))
    assert plan_of(forest, device="auto")[0].device == "cpu"
    model, notes = plan_of(forest, device="cuda")
    assert notes == ("computed on the CPU, as the GPU does not support it: Forest",)
    np.testing.assert_array_equal(model.predict(BLOCK.copy()), forest.predict(BLOCK.copy()))
    both, notes = plan_of(Ensemble((forest, pixel_model(support_vectors()))), device="auto")
    assert [member.device for member in both.members] == ["cuda", "cuda"] and "Forest" in notes[0]


def test_a_gpu_that_is_not_there_is_one_clear_line(gpus):
    gpus(0)
    machine = pixel_model(support_vectors())
    with pytest.raises(DeviceError, match="found no GPU that torch can use; expected one for the device cuda"):
        plan_of(machine, device="cuda")
    with pytest.raises(DeviceError, match="no GPU"):
        machine.on("cuda").predict(BLOCK.copy())
    # A cluster's workers may have what is not here.
    assert plan_of(machine, device="cuda", cluster="tcp://elsewhere:1")[0].device == "cuda"


def test_processes_do_not_share_a_gpu(gpus):
    machine = pixel_model(support_vectors())
    assert plan_of(machine, device="auto", workers=2)[0].device == "cpu"
    with pytest.raises(DeviceError, match="2 processes"):
        plan_of(machine, device="cuda", workers=2)


@pytest.mark.parametrize("how", [pickle, cloudpickle])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_a_model_travels_before_and_after_its_first_block_alike(how, device, gpus):
    model = pixel_model(support_vectors()).on(device)
    before = how.dumps(model)
    expected = model.predict(BLOCK.copy())
    assert how.dumps(model) == before
    np.testing.assert_array_equal(how.loads(before).predict(BLOCK.copy()), expected)


def test_a_compiled_program_travels_as_its_ops():
    program = compile_program((Affine(np.array([[2.0, 1.0]]), np.array([0.5])),), 2)
    arrived = pickle.loads(pickle.dumps(program))
    assert arrived(np.ones((2, 3), np.float32)).tolist() == program(np.ones((2, 3), np.float32)).tolist() == [[3.5] * 3]


def test_a_model_that_no_gpu_can_run_is_planned_for_auto_without_torch():
    code = """if True:
    import sys
    import numpy as np
    from affine import Affine as Transform
    from geosoil.estimators.forest import Forest
    from geosoil.mapping.job import prepare_map
    from geosoil.mapping.run import RunOptions
    from geosoil.models.contract import Feature, Target
    from geosoil.models.pixel import PixelModel
    from geosoil.raster.layout import make_raster
    forest = Forest(n_trees=2).fit(np.arange(20.0)[:, None], np.arange(20.0))
    model = PixelModel(forest, (Feature("a"),), (Target("soc", "%"),))
    raster = make_raster(np.ones((1, 9, 9), "float32"), names=["a"], crs=None, transform=Transform.identity())
    RunOptions(device="auto").plan(prepare_map(model, raster), "map.tif")
    sys.exit("torch" in sys.modules)"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_whole_map_by_a_gpus_path_is_that_of_the_processor(gpus, tmp_path):
    save_trained_model(tmp_path / "share")
    cube = write_cube(tmp_path / "cube.tif")
    maps = []
    for device in ("cpu", "auto", "cuda"):
        map_cube(cube, tmp_path / "share", tmp_path / f"{device}.tif", device=device, block=16, threads=2)
        maps.append(read(tmp_path / f"{device}.tif"))
    np.testing.assert_array_equal(maps[1], maps[2])
    assert np.isfinite(maps[0]).any()
    np.testing.assert_array_equal(np.isnan(maps[0]), np.isnan(maps[1]))
    assert np.nanmax(np.abs(maps[1] - maps[0])) <= 1e-4 * np.nanstd(maps[0])
    gpus(0)
    arguments = ("map", "--cube", cube, "--model", tmp_path / "share", "-o", tmp_path / "x.tif", "--device", "cuda")
    done = CliRunner().invoke(group, [str(argument) for argument in arguments])
    assert isinstance(done.exception, DeviceError) and "no GPU" in str(done.exception)
    assert not (tmp_path / "x.tif").exists()
