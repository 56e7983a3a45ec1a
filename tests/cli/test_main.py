"""The command line: verbs, exit codes, one clear line for an error that the user can correct."""

import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner
from small_cube import save_trained_model, write_cube
from written_rasters import write_raster

from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.writer import write_spectra
from geosoil.models.find import find_model
from geosoil.models.store import read_card
from geosoil.models.trust import load_trust
from geosoil_cli.main import VERBS, group, print_unraisable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cli")
    save_trained_model(folder / "models" / "share")
    write_cube(folder / "cube.tif")
    return folder


def test_python_seldom_looks_for_unreachable_objects_while_the_command_line_runs(tmp_path):
    code = (
        "import gc, sys; sys.argv = ['geosoil', '--version']\n"
        "from geosoil_cli.main import main\n"
        "try: main()\n"
        "finally: print(gc.get_threshold()[0], gc.get_freeze_count() > 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert done.stdout.split()[-2:] == ["300000", "True"]


def test_help_lists_every_verb_and_imports_nothing_heavy(tmp_path):
    code = (
        "import sys; sys.argv = ['geosoil', '--help']\n"
        "from geosoil_cli.main import main\n"
        "try: main()\n"
        "finally: print(sorted({'torch', 'sklearn', 'rasterio', 'xarray', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert all(verb in done.stdout for verb in VERBS)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(verb, geosoil):
    done = geosoil(verb, "--help")
    assert done.code == 0
    assert "Usage: " in done.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("map", "--cube", "a.tif", "--model", "m", "--scale", "1", "--scale=2"), "--scale is given twice"),
        (("map", "--cube", "a.tif", "--cube", "b.tif", "--model", "m"), "--cube is given twice"),
        (("map", "--cube", "a.tif", "--model", "m", "-o", "a", "--output", "b"), "-o is given twice"),
        (("map", "--cube", "a.tif", "--model", "m", "--resume", "--restart"), "--resume and --restart exclude"),
        (("train", "a.toml", "-o", "a", "-o", "b"), "-o is given twice"),
        (("depths", "a.csv", "-o", "a", "-o", "b"), "-o is given twice"),
    ],
)
def test_an_option_of_one_value_that_is_given_twice_is_refused(arguments, message, geosoil):
    done = geosoil(*arguments)
    assert done.code == 2
    assert message in done.err and "Traceback" not in done.err


def test_a_switch_that_is_given_twice_is_the_switch(folder, geosoil, monkeypatch):
    monkeypatch.chdir(folder)
    done = geosoil("map", "--cube", "cube.tif", "--model", "share", "--bare-soil", "--bare-soil", "--plan")
    assert done.code == 0, done.err


def test_map_by_the_name_of_a_model_writes_the_map_and_is_quiet_in_a_pipe(folder):
    command = [sys.executable, "-m", "geosoil_cli.main", "map", "--cube", "cube.tif", "--model", "share"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert (folder / "cube_share.tif").exists()
    assert "cube_share.tif" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("map", "--cube", "none.tif", "--model", "share"), "none.tif: found no such file"),
        (("map", "--cube", "cube.tif", "--model", "none"), "none: found no such model"),
        (("map", "--cube", "plain.tif", "--model", "share"), "plain.tif: found no wavelengths"),
        (("map", "--cube", "cube.tif", "--model", "share", "--scale", "1"), "cube.tif: found values around"),
        (("map", "--cube", "cube.tif", "--model", "share", "-o", "no/where.tif"), "no"),
        (("map", "--cube", "cube.tif", "--model", "share", "--mask", "small.tif"), "small.tif: found"),
        (("train", "none.toml"), "none.toml: found"),
        (("train", "bad.toml"), "bad.toml: unknown key dta"),
        (("info", "none.tif"), "none.tif: found no such file"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_code_2(folder, monkeypatch, geosoil, arguments, said):
    monkeypatch.chdir(folder)
    (folder / "bad.toml").write_text('study = "gf5_inversion"\nname = "x"\n[dta]\n')
    write_raster(folder / "plain.tif", np.ones((3, 4, 4), np.int16))
    write_raster(folder / "small.tif", np.ones((1, 2, 2), np.uint8))
    before = sorted(path.name for path in folder.iterdir())
    done = geosoil(*arguments)
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1
    assert done.err.startswith("geosoil: ")
    assert said in done.err
    assert sorted(path.name for path in folder.iterdir()) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("map", "--cubes", "x"),
        ("localise", "a", "b", "--target", "c", "--seed", "-1"),
        ("localise", "a", "b", "--target", "c", "--device", "tpu"),
        ("explain", "--model", "m", "--samples", "a", "-o", "b", "--seed", "-1"),
    ],
)
def test_an_unknown_option_or_value_is_exit_code_2(arguments):
    assert CliRunner().invoke(group, arguments).exit_code == 2


def test_info_tells_what_a_cube_a_model_and_a_table_of_spectra_hold(folder, monkeypatch, geosoil):
    monkeypatch.chdir(folder)
    assert "100 bands x 37 rows x 53 columns" in geosoil("info", "cube.tif").out
    assert "share_pct" in geosoil("info", "share").out
    (folder / "spectra.csv").write_text("sample_id,400,500,600\na,0.1,0.2,0.3\nb,0.2,0.3,0.4\n")
    assert "2 x 3 bands of reflectance" in geosoil("info", "spectra.csv").out


def test_info_reads_every_ending_of_spectra_and_the_options_of_a_cube(folder, monkeypatch, geosoil):
    monkeypatch.chdir(folder)
    spectra = read_spectra(folder / "spectra.csv") if (folder / "spectra.csv").exists() else None
    if spectra is None:
        (folder / "spectra.csv").write_text("sample_id,400,500,600\na,0.1,0.2,0.3\nb,0.2,0.3,0.4\n")
        spectra = read_spectra(folder / "spectra.csv")
    write_spectra(spectra, folder / "spectra.parquet")
    (folder / "spectra.parquet").rename(folder / "spectra.pq")
    assert "2 x 3 bands of reflectance" in geosoil("info", "spectra.pq").out
    np.array([[0.1, 0.2, 0.3]], "<f4").tofile(folder / "library.sli")
    (folder / "library.hdr").write_text(
        "ENVI\nfile type = ENVI Spectral Library\nsamples = 3\nlines = 1\nbands = 1\ndata type = 4\n"
        "byte order = 0\ninterleave = bsq\nheader offset = 0\nwavelength units = Nanometers\n"
        "wavelength = {400, 500, 600}\n"
    )
    for name in ("library.sli", "library.hdr"):
        assert "1 x 3 bands of reflectance" in geosoil("info", name).out
    write_raster(folder / "plain2.tif", np.full((2, 4, 4), 500, np.int16))
    (folder / "bands.csv").write_text("wavelength_nm\n450\n550\n")
    description = geosoil("info", "plain2.tif", "--bands", "bands.csv", "--scale", "0.001", "--offset", "-0.1").out
    assert "450.0 to 550.0 nm" in description
    assert "median 0.4 in the middle" in description


def test_init_prints_a_recipe_that_is_one(tmp_path, geosoil):
    from geosoil.pipeline.recipe import read_recipe

    (tmp_path / "recipe.toml").write_text(geosoil("init", "gf5").out)
    assert read_recipe(tmp_path / "recipe.toml").recipe.name == "as_svr"


def test_info_of_a_model_has_its_accuracy_on_test_rows_with_the_interval(tmp_path, geosoil):
    of_test_rows = {"r2": 0.71, "r2_low": 0.6, "r2_high": 0.8, "rmse": 9.0}
    figures = {f"test_{name}": value for name, value in of_test_rows.items()} | {"train_r2": 0.99}
    save_trained_model(tmp_path / "share", metrics={"random": {"share_pct": figures}})
    out = geosoil("info", str(tmp_path / "share")).out
    assert "accuracy, random" in out
    assert "share_pct  test_r2 0.71 [0.6 to 0.8], test_rmse 9" in out
    assert "0.99" not in out
    # Cards of earlier versions have no level for the target.
    save_trained_model(tmp_path / "earlier", metrics={"nested": {"test_r2": 0.758, "test_rmse": 33.07}})
    out = geosoil("info", str(tmp_path / "earlier")).out
    assert "accuracy, nested" in out
    assert "test_r2 0.758, test_rmse 33.1" in out


def test_the_models_that_ship_have_a_trust_state(geosoil):
    for name in ("as_svr", "som_svr", "cu_plsr"):
        folder = find_model(name)
        trust = load_trust(folder, read_card(folder))
        assert trust.applicability is not None and len(trust.targets) == 1
        assert "90 % covered" in geosoil("info", name).out


def test_only_what_rasterio_cannot_decode_of_gdal_is_not_printed(monkeypatch):
    undecodable = UnicodeDecodeError("utf-8", b"\x8a", 0, 1, "invalid start byte")
    printed = []
    monkeypatch.setattr(sys, "__unraisablehook__", lambda problem: printed.append(problem.exc_value))
    others = [(undecodable, "a callback of a user"), (ValueError("x"), "rasterio._env.log_error")]
    for value, place in [(undecodable, "rasterio._env.log_error"), *others]:
        print_unraisable(SimpleNamespace(exc_value=value, object=place))
    assert printed == [value for value, _ in others]
