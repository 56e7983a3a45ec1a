"""`geosoil predict`: several models and rasters up to the next option, and options of the other kind of input."""

import pandas as pd
import pytest
from click.testing import CliRunner
from small_stack import save_covariate_model, trained_on, write_covariates

from geosoil.errors import SamplesError
from geosoil_cli.main import group


@pytest.fixture
def folder(tmp_path, monkeypatch):
    save_covariate_model(tmp_path / "soc", trained_on(write_covariates(tmp_path)))
    (tmp_path / "t.csv").write_text("id,slope,twi,landform,E,N\na,2,6,3,600015,5799985\nb,3,7,,600045,5799985\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments):
    return CliRunner().invoke(group, ["predict", *arguments])


def test_the_default_output_has_the_names_of_table_and_model(folder):
    result = run("t.csv", "--model", "soc", "--keep", "slope,E")
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "rows without a prediction: 1 of 2 (1 without a value in a feature of the model)"
    assert lines[1:] == ["table      t_soc.csv", "soc_pct    8 .. 8, mean 8 %; 1 of 2 rows"]
    written = pd.read_csv("t_soc.csv")
    assert written.columns.tolist() == ["sample_id", "slope", "E", "soc_pct"]
    assert written.soc_pct.round(3).tolist()[0] == 8
    assert written.soc_pct.isna().tolist() == [False, True]


def test_points_on_several_rasters(folder):
    rasters = ["--covariates", "slope.tif", "twi.tif", "landform.tif"]
    places = ["--x", "E", "--y", "N", "--crs", "EPSG:32633"]
    result = run("t.csv", *rasters, "--model", "soc", *places, "-o", "out.parquet")
    assert result.exit_code == 0, result.output
    assert pd.read_parquet("out.parquet").columns.tolist() == ["sample_id", "E", "N", "soc_pct"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--mask", "slope.tif"], "--mask requires --cube or --covariates"),
        (["--cube", "c.tif", "--covariates", "slope.tif"], "give either --cube CUBE or --covariates"),
        (["--covariates", "slope.tif", "--quantity", "absorbance"], "--quantity requires a table of spectra"),
        (["--covariates", "slope.tif", "--scale", "0.1"], "--scale requires --cube or a table of spectra"),
    ],
)
def test_an_option_of_another_kind_of_input_is_refused(folder, monkeypatch, arguments, message):
    monkeypatch.setattr("geosoil_cli.verb.check_names", lambda values: None)  # some files do not exist
    result = run("t.csv", "--model", "soc", *arguments)
    assert result.exit_code == 2
    assert message in result.output
    assert not list(folder.glob("*_soc.csv"))


def test_coordinates_of_a_table_are_refused_for_a_model_that_does_not_read_places(folder):
    result = run("t.csv", "--model", "soc", "--x", "E", "--y", "N", "--crs", "EPSG:4326")
    assert isinstance(result.exception, SamplesError)
    assert "found the option x for a table of columns of covariates" in str(result.exception)
    assert not list(folder.glob("*_soc.csv"))
