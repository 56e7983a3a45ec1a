"""The secrets of a signed address never reach a file, standard output or standard error."""

import threading

import numpy as np
import pytest
import rasterio
from range_server import serving
from small_cube import save_trained_model, write_cube
from small_stack import save_covariate_model, trained_on, write_covariates
from written_rasters import write_raster

from geosoil.workflows.scenes import map_scenes

pytestmark = pytest.mark.usefixtures("without_pictures")

SECRET = "c2VjcmV0c2lnbmF0dXJl"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secrets")
    save_trained_model(folder / "models" / "share")
    write_cube(folder / "cube.tif")
    save_covariate_model(folder / "models" / "soc", trained_on(write_covariates(folder)))
    write_raster(folder / "dem.tif", np.random.default_rng(0).uniform(0, 9, (1, 30, 30)).astype("float32"))
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as (address, process):
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield address


def signed(server, name):
    return f"{server}/{name}?x-oss-signature={SECRET}"


@pytest.mark.parametrize(
    ("words", "names", "tag", "shown"),
    [
        (("map", "--model", "share"), ("--cube", "cube.tif"), "GEOSOIL_CUBE", "cube.tif"),
        (("explain", "--model", "share", "--pixels", "9", "--background", "4"), ("--cube", "cube.tif"), "GEOSOIL_CUBE",
         "cube.tif"),
        (("map", "--model", "soc"), ("--covariates", "slope.tif", "twi.tif", "landform.tif"), "GEOSOIL_COVARIATES",
         "slope.tif; twi.tif; landform.tif"),
        (("terrain",), ("", "dem.tif"), "GEOSOIL_DEM", "dem.tif"),
    ],
)  # fmt: skip
def test_a_signed_input_is_named_without_its_query(
    folder, server, tmp_path, monkeypatch, geosoil, words, names, tag, shown
):
    monkeypatch.chdir(folder)
    option, *files = names
    inputs = [*filter(None, [option]), *(signed(server, name) for name in files)]
    done = geosoil(*words, *inputs, "-o", tmp_path / "out.tif")
    assert done.code == 0, done.err
    with rasterio.open(tmp_path / "out.tif") as written:
        tags = written.tags()
    assert tags[tag] == shown
    assert SECRET not in f"{tags}{done.out}{done.err}"


def test_a_finished_map_of_a_signed_scene_is_recognised(folder, server, tmp_path):
    (tmp_path / "scenes.txt").write_text(signed(server, "cube.tif") + "\n")
    options = {"threads": 1, "mode": "resume"}
    first, second = (
        map_scenes(tmp_path / "scenes.txt", folder / "models" / "share", tmp_path / "out", **options) for _ in range(2)
    )
    assert [first.maps[0].result is None, second.maps[0].result is None] == [False, True]
    other = map_scenes(
        tmp_path / "scenes.txt", folder / "models" / "share", tmp_path / "out", offset=0.0, scale=1.01e-4, **options
    )
    assert other.maps[0].result is not None
