"""An explanation on a raster shares with a map: the lock, object stores, blocks, the options, and whole outputs."""

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from s3_server import s3_server
from small_cube import save_trained_model, trained_model, write_cube

from geosoil.errors import OutputError
from geosoil.estimators.pls import PartialLeastSquares
from geosoil.mapping.scratch import held_store
from geosoil.raster.blocks import Blocks
from geosoil.workflows import explain_map as workflow
from geosoil.workflows.explain_map import explain_map
from geosoil_cli.explain import command
from geosoil_cli.options import BARE_SOIL_OPTIONS, COVARIATE_OPTIONS, CUBE_OPTIONS, MASK_OPTIONS

PLS = PartialLeastSquares(n_components=2)  # explained by its matrix, at once


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("explain_map")
    save_trained_model(folder / "share", estimator=PLS)
    write_cube(folder / "cube.tif")
    return folder


def read(path):
    with rasterio.open(path) as source:
        return source.read()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_an_output_that_another_run_writes_is_refused_and_nothing_is_left_beside_a_finished_one(place, tmp_path):
    output = tmp_path / "shap.tif"
    with held_store(str(output)), pytest.raises(OutputError, match=r"shap.tif: found another run that writes it"):
        explain_map(place / "share", place / "cube.tif", output, n_pixels=50)
    explain_map(place / "share", place / "cube.tif", output, n_pixels=50)
    assert names(tmp_path) == ["shap.html", "shap.png", "shap.qmd", "shap.qml", "shap.tif"]


@pytest.mark.parametrize("failing", ["save_figure", "write_cog", "explain_rows"])
def test_a_run_that_stops_leaves_neither_the_map_nor_its_picture(place, tmp_path, monkeypatch, failing):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, failing, stop)
    (tmp_path / ".shap.0123abcd.tif").touch()  # of a run that was killed
    with pytest.raises(KeyboardInterrupt):
        explain_map(place / "share", place / "cube.tif", tmp_path / "shap.tif", n_pixels=50)
    assert names(tmp_path) == []


@pytest.mark.slow
def test_an_explanation_in_a_bucket_is_the_one_on_disk(place, tmp_path, monkeypatch):
    pytest.importorskip("boto3")
    pytest.importorskip("moto")
    explain_map(place / "share", place / "cube.tif", tmp_path / "shap.tif", n_pixels=50)
    with s3_server(monkeypatch) as client:
        words = [
            "--model",
            place / "share",
            "--cube",
            place / "cube.tif",
            "--pixels",
            50,
            "-o",
            "s3://sound/a/shap.tif",
        ]
        done = CliRunner().invoke(command, list(map(str, words)), catch_exceptions=False)
        assert "wrote      s3://sound/a/shap.tif" in done.output
        found = client.list_objects_v2(Bucket="sound")["Contents"]
        assert sorted(item["Key"] for item in found) == [
            "a/shap.html",
            "a/shap.png",
            "a/shap.qmd",
            "a/shap.qml",
            "a/shap.tif",
        ]
        client.download_file("sound", "a/shap.tif", str(tmp_path / "fetched.tif"))
    np.testing.assert_array_equal(read(tmp_path / "fetched.tif"), read(tmp_path / "shap.tif"))


def test_a_cube_is_read_block_by_block_and_values_do_not_depend_on_the_blocks(place, tmp_path, monkeypatch):
    pixels, whole = [], Blocks.read

    def measured(blocks, i, j):
        block = whole(blocks, i, j)
        pixels.append(block[0].size)
        return block

    explain_map(place / "share", place / "cube.tif", tmp_path / "whole.tif", n_pixels=150)
    monkeypatch.setattr(Blocks, "read", measured)
    monkeypatch.setattr("geosoil.raster.blocks.BLOCK_SIDE", 16)
    explain_map(place / "share", place / "cube.tif", tmp_path / "cut.tif", n_pixels=150)
    assert max(pixels) <= 16 * 16 < sum(pixels) <= 37 * 53
    values = read(tmp_path / "cut.tif")
    np.testing.assert_array_equal(values, read(tmp_path / "whole.tif"))
    middle = read(place / "cube.tif")[:, 2::5, 2::5] * np.float32(1e-4)  # of cells of 5 x 5 pixels
    np.testing.assert_allclose(values[-1], trained_model(PLS).predict(middle)[0], rtol=1e-4)


OPTIONS = {
    "band_table": ("--bands", "b.csv", "b.csv"),
    "scale": ("--scale", "0.5", 0.5),
    "offset": ("--offset", "0.1", 0.1),
    "nodata": ("--nodata", "-9", -9.0),
    "bare_soil": ("--bare-soil", None, True),
    "like": ("--like", "g.tif", "g.tif"),
    "unseen": ("--unseen-classes", "stop", "stop"),
    "mask": ("--mask", "m.tif", "m.tif"),
}


@pytest.mark.parametrize(
    ("flag", "function", "options"),
    [
        ("--cube", "explain_map", {*CUBE_OPTIONS, *BARE_SOIL_OPTIONS, *MASK_OPTIONS}),
        ("--covariates", "explain_covariates_map", {*COVARIATE_OPTIONS, *MASK_OPTIONS}),
    ],
)
def test_the_command_line_passes_every_option_of_its_input(monkeypatch, flag, function, options):
    calls = []

    def record(*_, **given):
        calls.append(given)
        raise OutputError("o.tif", found="a test", expected="its options", way_out="none")

    monkeypatch.setattr(workflow, function, record)
    monkeypatch.setattr("geosoil_cli.verb.check_names", lambda values: None)  # the files do not exist
    for name in OPTIONS:
        option, text, value = OPTIONS[name]
        words = [flag, "a.tif", "--model", "m", "-o", "o.tif", option, *([] if text is None else [text])]
        done = CliRunner().invoke(command, words)
        if name in options:
            assert calls.pop()[name] == value
        else:
            assert (done.exit_code, f"{option} requires" in done.output) == (2, True)
    assert options - {"ndvi_max", "nbr2_max"} <= set(OPTIONS)


def test_samples_are_not_explained_to_an_address(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.csv").touch()
    words = ["--model", str(place / "share"), "--samples", "s.csv", "-o", "s3://sound/a"]
    error = CliRunner().invoke(command, words).exception
    assert str(error) == "s3://sound/a: found an address; expected a folder of this machine; give its path"
    assert names(tmp_path) == ["s.csv"]
