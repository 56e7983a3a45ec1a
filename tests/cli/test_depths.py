"""`geosoil depths`: the options become a GeoPackage, or one line and nothing written."""

import geopandas as gpd
import pytest
from click.testing import CliRunner

from geosoil.errors import GeosoilError
from geosoil_cli.depths import command

HEADER = "profile_id,lon,lat,top_cm,bottom_cm,soc_pct,bulk_density_g_cm3\n"
GOOD = "a,13.0,52.0,0,10,2.5,1.2\na,13.0,52.0,10,30,1.0,1.3\nb,13.1,52.1,0,20,2.0,1.1\n"
PLACE = ("--x", "lon", "--y", "lat", "--crs", "EPSG:4326")


def depths(folder, text, *arguments):
    (folder / "h.csv").write_text(text)
    return CliRunner().invoke(command, [str(folder / "h.csv"), "-o", str(folder / "sites.gpkg"), *PLACE, *arguments])


def test_a_table_becomes_a_geopackage_with_a_table_and_the_notes_printed(tmp_path):
    options = ("--property", "soc_pct", "--layers", "0,10,20", "--lambda", "0", "--density")
    done = depths(tmp_path, HEADER + GOOD, *options)
    assert done.exit_code == 0, done.output
    sites = gpd.read_file(tmp_path / "sites.gpkg")
    assert sites["profile_id"].tolist() == ["a", "b"]
    assert sites["soc_pct_0_10"].tolist() == pytest.approx([2.5, 2.0])
    assert sites["soc_kg_m3_0_10"].tolist() == pytest.approx([30.0, 22.0])
    lines = done.output.splitlines()
    assert lines[0].split()[:2] == ["property", "layer"]
    assert "soc_kg_m3 was computed from soc_pct, bulk_density_g_cm3 and no coarse fragments" in lines
    assert lines[-1].endswith("sites.gpkg: 2 profiles")


def test_bad_profiles_stop_or_are_dropped(tmp_path):
    bad = HEADER + GOOD + "c,13.2,52.2,0,10,1,1\nc,13.2,52.2,5,20,1,1\n"
    stopped = depths(tmp_path, bad)
    assert isinstance(stopped.exception, GeosoilError) and "horizons that overlap: c" in str(stopped.exception)
    assert not (tmp_path / "sites.gpkg").exists()
    dropped = depths(tmp_path, bad, "--on-error", "drop")
    assert dropped.exit_code == 0 and "dropped 1 of 3 profiles with faults" in dropped.output
    assert gpd.read_file(tmp_path / "sites.gpkg")["profile_id"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--property", "soc"), 'column "soc" is missing (columns: '),
        (("--top", "bottom_cm", "--bottom", "top_cm"), "the two columns are swapped"),
        (("--layers", "5,0"), "with 0 <= top < bottom"),
        (("--layers", "5"), "with 0 <= top < bottom"),
        (("--min-coverage", "50"), "min_coverage 50"),
        (("--lambda", "-1"), "smoothing -1"),
        (("--clip", "10", "0"), "clip 10 to 0; expected the lower end first"),
        (("--clip", "nan", "1"), "clip nan to 1"),
    ],
)
def test_an_error_of_the_user_is_reported_and_nothing_is_written(tmp_path, arguments, message):
    done = depths(tmp_path, HEADER + GOOD, *arguments)
    assert isinstance(done.exception, GeosoilError) and message in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["h.csv"]


def test_density_without_a_measured_bulk_density_is_refused(tmp_path):
    text = HEADER.replace("bulk_density_g_cm3", "bulk_density") + GOOD
    named = depths(tmp_path, text, "--property", "soc_pct", "--density")
    assert 'column "bulk_density_g_cm3" is missing' in str(named.exception)
    assert "did you mean bulk_density?" in str(named.exception)
    unnamed = depths(tmp_path, text, "--density")
    assert "expected measured carbon and measured bulk density: geosoil guesses none" in str(unnamed.exception)
    assert not (tmp_path / "sites.gpkg").exists()


@pytest.mark.parametrize("arguments", [("--layers", "0-5"), ("--coarse-fragments", "stones")])
def test_options_that_do_not_fit_are_usage_errors(tmp_path, arguments):
    assert depths(tmp_path, HEADER + GOOD, *arguments).exit_code == 2


def test_the_output_is_checked_before_the_horizons_are_read(tmp_path):
    for output, message in (
        ("h.gpkg", "is also an input"),
        ("nodir/s.gpkg", "does not exist"),
        ("s.csv", "ending .csv"),
    ):
        (tmp_path / "h.gpkg").write_text("horizons")
        done = CliRunner().invoke(command, [str(tmp_path / "h.gpkg"), "-o", str(tmp_path / output)])
        assert message in str(done.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["h.gpkg"]
