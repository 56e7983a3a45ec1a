"""`geosoil map --covariates`: several paths up to the next option, one clear line for what does not fit."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from small_cube import save_trained_model, write_cube
from small_stack import read, save_covariate_model, trained_on, write_covariates
from written_rasters import write_raster

from geosoil.errors import GeosoilError, RasterError
from geosoil.estimators.log_target import LogTarget
from geosoil.models.compose import Ensemble
from geosoil_cli.main import group


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli_covariates")
    save_covariate_model(folder / "models" / "soc", trained_on(write_covariates(folder)))
    save_trained_model(folder / "models" / "share")
    other = np.full((1, 60, 80), 2, "uint8")
    other[0, 5, 5] = 7
    (folder / "other").mkdir()
    write_raster(folder / "other" / "landform.tif", other, nodata=0)
    return folder


def run(folder, monkeypatch, *arguments):
    monkeypatch.chdir(folder)
    return CliRunner().invoke(group, ["map", *arguments])


ALL = ("--covariates", "slope.tif", "twi.tif", "landform.tif")


def test_paths_up_to_the_next_option_patterns_and_repeats_are_the_same(folder, monkeypatch):
    done = run(folder, monkeypatch, *ALL, "--model", "soc", "-o", "a.tif")
    assert done.exit_code == 0, done.output
    assert "soc_pct" in done.output
    assert "twi.tif: EPSG:32633, 15 m -> EPSG:32633, 30 m by average" in done.output
    done = run(folder, monkeypatch, "--model", "soc", "-o", "b.tif", "--like=slope.tif", "--covariates", "[lst]*.tif")
    assert done.exit_code == 0, done.output
    options = [word for path in ALL[1:] for word in (f"--covariates={path}",)]
    assert run(folder, monkeypatch, *options, "--model", "soc", "-o", "c.tif").exit_code == 0
    for other in ("b.tif", "c.tif"):
        np.testing.assert_array_equal(read(folder / "a.tif"), read(folder / other))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--covariates", "slope.tif", "--model", "soc"), "no covariate twi, landform="),
        ((*ALL, "--model", "share"), "found a model of reflectance"),
        (("--covariates", "slope.tif", "twi.tif", "other/landform.tif", "--model", "soc"), "found class 7 in the band"),
        (("--covariates", "none*.tif", "--model", "soc"), "none*.tif: found no such file"),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_nothing(folder, monkeypatch, arguments, said):
    before = set(folder.iterdir())
    done = run(folder, monkeypatch, *arguments, "-o", "x.tif")
    assert isinstance(done.exception, GeosoilError)
    assert said in str(done.exception)
    assert "\n" not in str(done.exception)
    assert set(folder.iterdir()) == before


def test_unseen_classes_can_be_left_out(folder, monkeypatch):
    paths = ("--covariates", "slope.tif", "twi.tif", "other/landform.tif")
    done = run(folder, monkeypatch, *paths, "--model", "soc", "-o", "d.tif", "--unseen-classes", "nodata")
    assert done.exit_code == 0, done.output
    assert np.isnan(read(folder / "d.tif")[0, 5, 5])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((*ALL, "--cube", "cube.tif", "--model", "soc"), "give either --cube CUBE or --covariates"),
        (("--model", "soc"), "give either --cube CUBE or --covariates"),
        ((*ALL, "--model", "soc", "--scale", "0.1"), "--scale requires --cube"),
        (
            ("--cube", "c.tif", "--model", "share", "--unseen-classes", "stop"),
            "--unseen-classes requires --covariates",
        ),
        (("--cube", "c.tif", "stray", "--model", "share"), "unexpected extra argument"),
    ],
)
def test_options_that_do_not_go_together_are_said(folder, monkeypatch, arguments, said):
    monkeypatch.setattr("geosoil_cli.verb.check_names", lambda values: None)  # some files do not exist
    done = run(folder, monkeypatch, *arguments)
    assert done.exit_code == 2
    assert said in done.output


def test_several_models_after_one_option_or_repeated_are_bands_of_one_map(folder, monkeypatch):
    save_covariate_model(folder / "models" / "soc_b", trained_on([folder / name for name in ALL[1:]]))
    for name, models in (("e.tif", ["--model", "soc", "soc_b"]), ("f.tif", ["--model", "soc", "--model", "soc_b"])):
        done = run(folder, monkeypatch, *ALL, *models, "-o", name)
        assert done.exit_code == 0, done.output
        with rasterio.open(folder / name) as made:
            assert made.descriptions == ("soc_soc_pct", "soc_b_soc_pct")


def map_of(folder, monkeypatch, name, *arguments):
    """Map a cube whose pixel (7, 8) holds 0 in one band."""
    if not (folder / "zero.tif").exists():
        path = write_cube(folder / "zero.tif")
        with rasterio.open(path, "r+") as cube:
            values = cube.read()
            values[::2, 7, 8] = 0
            cube.write(values)
    done = run(folder, monkeypatch, "--cube", "zero.tif", "--model", "share", "-o", name, *arguments)
    assert done.exit_code == 0, done.output
    with rasterio.open(folder / name) as made:
        return made.read(1), made.tags()


def test_no_data_of_0_is_no_data(folder, monkeypatch):
    plain, _ = map_of(folder, monkeypatch, "plain.tif")
    given, tags = map_of(folder, monkeypatch, "given.tif", "--nodata", "0")
    assert np.isfinite(plain[7, 8]) and np.isnan(given[7, 8])
    assert float(tags["GEOSOIL_NODATA"]) == 0


def test_thresholds_of_0_are_thresholds(folder, monkeypatch):
    options = ("--bare-soil", "--ndvi-max", "0", "--nbr2-max", "0")
    write_cube(folder / "vegetated.tif")
    done = run(folder, monkeypatch, "--cube", "vegetated.tif", "--model", "share", "-o", "bare.tif", *options)
    assert isinstance(done.exception, GeosoilError)
    assert "no pixel that the mask and the test for bare soil keep" in str(done.exception)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--cube", "zero.tif", "--scale", "0"), "scale 0.0; expected one finite number"),
        (("--cube", ""), "found an empty path"),
    ],
)
def test_a_scale_of_0_and_an_empty_path_are_refused(folder, monkeypatch, arguments, said):
    write_cube(folder / "zero.tif")
    done = run(folder, monkeypatch, *arguments, "--model", "share", "-o", "x.tif")
    assert isinstance(done.exception, RasterError)
    assert said in str(done.exception)


def test_an_output_that_the_model_does_not_have_is_one_line_with_those_it_has(tmp_path, geosoil):
    data = Path(__file__).parents[2] / "sample_data"
    arguments = ("map", "--cube", data / "gf5" / "gf5.tif", "--model", data / "models" / "as_svr")
    done = geosoil(*map(str, arguments), "--outputs", "prediction,spread", "-o", str(tmp_path / "as.tif"))
    assert done.code == 2
    assert 'as_svr: found no output "spread"; expected one of prediction' in done.err
    assert len(done.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_the_spread_of_an_ensemble_is_a_second_band_with_its_unit(folder, tmp_path, geosoil):
    model = trained_on([folder / f"{name}.tif" for name in ("slope", "twi", "landform")])
    scaled = replace(model, estimator=LogTarget(model.estimator, retransform="naive").fit(*some_rows(model)))
    save_covariate_model(tmp_path / "both", Ensemble((model, scaled)))
    paths = [folder / name for name in ALL[1:]]
    done = geosoil("map", "--covariates", *paths, "--model", tmp_path / "both", "--outputs", "prediction,spread",
                   "-o", tmp_path / "map.tif")  # fmt: skip
    assert done.code == 0, done.err
    with rasterio.open(tmp_path / "map.tif") as source:
        assert source.descriptions == ("soc_pct", "soc_pct spread")
        assert source.units == ("%", "%")
        assert source.tags()["GEOSOIL_OUTPUTS"] == "prediction,spread"
        assert np.nanmax(source.read(2)) > 0


def some_rows(model):
    rng = np.random.default_rng(1)
    X = rng.uniform(1, 10, (40, len(model.training_columns))).astype("float32")
    return X, X.mean(axis=1)
