"""The judges of benchmarks/cases.py pass the right outcome of a case, and no other."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from written_rasters import write_raster

BENCHMARK = Path(__file__).parents[1] / "benchmarks" / "cases.py"
NOTE = "heights of ft became metres (x 0.3048)\n"
SLOPES = NOTE * 4 + "".join(f"{name}: slope {{}} (truth 10.00) | sinks\n" for name in "abcde")
SWATH = "geosoil: NETCDF:f.nc:reflectance: found {} and no geotransform; warp it with `gdalwarp -geoloc`\n"
MAPS = "mapped 100.0% of the cells; rmse against truth 0.6, truth sd 3.2, r 0.98\n"
POINTS = "['a.tif', 'b.tif'] RasterError b.tif: found 4 ground control points (GCPs); warp it with `gdalwarp -tps`\n"


@pytest.fixture(scope="module")
def cases():
    spec = importlib.util.spec_from_file_location("cases", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("b01", MAPS * 6, MAPS * 5),
        ("b01", MAPS * 6, MAPS * 5 + MAPS.replace("0.98", "0.12")),
        ("b01", MAPS * 6, MAPS * 6 + "bio1.tif: covers about 80 % of the grid; no data beyond\n"),
        ("b14", SWATH.format("a geolocation array") * 3, SWATH.format("no CRS") * 3),
        ("b14", SWATH.format("a geolocation array") * 3, SWATH.format("a geolocation array") * 2),
        ("b19", "slope in the middle 9.98 truth 10\n", "slope in the middle 5.04 truth 10\n"),
        ("b21", SLOPES.format(*["10.00"] * 5), SLOPES.format(*["10.00"] * 4, "30.07")),
        ("b22", "a.gpkg: 3 profiles\n" * 3, "a.gpkg: 3 profiles\n" * 2 + "a.gpkg: 1 profile\n"),
        ("b27", "spectra     5 x 2151 bands of reflectance\n" * 2, "spectra     2151 x 5 bands of reflectance\n" * 2),
        ("b32", POINTS * 2, POINTS + "['b.tif'] GridError b.tif: found no CRS; assign it (gdal_edit.py)\n"),
        ("b33", "base: 30 US survey ft\n" * 2, "base: 30 m\n" * 2),
    ],
)
def test_a_judge_passes_the_right_outcome_and_no_other(cases, tmp_path, name, right, wrong):
    assert cases.judge(f"{name}_case", right, tmp_path) == ""
    assert cases.judge(f"{name}_case", wrong, tmp_path)
    assert "a traceback: ValueError" in cases.judge(
        name, right + "Traceback (most recent call last):\nValueError", tmp_path
    )


def test_a_map_is_compared_with_its_truth(cases, tmp_path):
    truth = np.arange(12.0).reshape(3, 4)
    np.save(tmp_path / "truth.npy", truth)
    output = MAPS + "model   models/a\n" * 3
    assert "missing" in cases.judge("b03_longitudes", output, tmp_path)
    for values, right in ((truth, True), (-truth, False), (np.where(truth == 5, np.nan, truth), False)):
        write_raster(tmp_path / "map.tif", values.astype(np.float32)[None])
        assert (cases.judge("b03_longitudes", output, tmp_path) == "") == right


def test_a_case_without_a_known_outcome_is_not_right(cases, tmp_path):
    assert cases.judge("b99_new", "", tmp_path) == "no outcome is known for this case"


def test_an_absent_folder_was_not_measured(cases, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["cases.py", "--cases", str(tmp_path / "none")])
    with pytest.raises(SystemExit) as end:
        cases.main()
    assert end.value.code == 1
    assert "cases were not measured" in capsys.readouterr().out


def test_cases_are_run_judged_and_counted(cases, tmp_path, monkeypatch, capsys):
    for name, profiles in (("b22_good", 3), ("b22_wrong", 2)):
        (tmp_path / name).mkdir()
        lines = "echo 'a.gpkg: 3 profiles'\n" * profiles
        (tmp_path / name / "run.sh").write_text(f'cd "$(dirname "$0")"; [ -n "$GEOSOIL" ] || exit\n{lines}')
    monkeypatch.setattr("sys.argv", ["cases.py", "--cases", str(tmp_path)])
    with pytest.raises(SystemExit) as end:
        cases.main()
    assert end.value.code == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "b22_good: right"
    assert lines[1].startswith("b22_wrong: 2 of 3 times")
    assert lines[-1] == "cases 1 cases 2"
