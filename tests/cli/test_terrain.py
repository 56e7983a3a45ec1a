"""`geosoil terrain`: covariates of a DEM, or one line and nothing written."""

import sqlite3
import zipfile
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from click.testing import CliRunner
from dems import dem_of, rough
from written_rasters import write_raster

from geosoil.errors import OutputError, RasterError
from geosoil.mapping.scratch import held_store
from geosoil.raster.grid import Grid
from geosoil.terrain.flow import drain
from geosoil.terrain.stack import UNITS
from geosoil_cli.terrain import command

pytestmark = pytest.mark.usefixtures("without_pictures")

NAMES = ["dem.tif"]


def run(*arguments):
    """Run the verb in this process, so that its exceptions reach the test."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path):
    write_raster(tmp_path / "dem.tif", rough(hole=np.s_[10:14, 20:30]).values)
    return tmp_path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a DEM, its terrain and its streams."""
    folder = tmp_path_factory.mktemp("terrain")
    write_raster(folder / "dem.tif", rough(hole=np.s_[10:14, 20:30]).values)
    done = run(
        folder / "dem.tif", "-o", folder / "terrain.tif", "--streams", folder / "streams.gpkg",
        "--stream-area-m2", 30_000,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    return folder


def test_terrain_writes_bands_with_units_lines_and_a_quicklook(written):
    with rasterio.open(written / "terrain.tif") as source:
        assert source.descriptions == tuple(UNITS)
        assert source.units == tuple(unit or None for unit in UNITS.values())
        assert source.tags()["GEOSOIL_SLOPE"] == "horn"
        assert "sinks" in source.tags()["GEOSOIL_NOTES"]
        assert np.isnan(source.read(1)[10:14, 20:30]).all()
    lines = gpd.read_file(written / "streams.gpkg", engine="pyogrio")
    assert set(lines.geom_type) == {"LineString"}
    assert lines["strahler_order"].max() >= 2
    assert (written / "terrain.png").stat().st_size > 20_000
    page = (written / "terrain.html").read_text("utf-8")
    assert "<h1>Terrain of dem.tif</h1>" in page and f"Streams: {len(lines)} lines" in page


def test_terrain_reports_its_sinks_and_streams(folder):
    done = run(folder / "dem.tif", "-o", folder / "t.tif")
    assert "sinks: " in done.output
    assert "streams begin at a catchment area of" in done.output
    assert "twi" in done.output


def test_a_dem_without_streams_gives_an_empty_layer(folder):
    done = run(folder / "dem.tif", "-o", folder / "t.tif", "--streams", folder / "s.gpkg", "--stream-area-m2", 1e9)
    assert "which no cell reaches" in done.output
    assert len(gpd.read_file(folder / "s.gpkg", engine="pyogrio")) == 0


def test_streams_of_single_outlets_differ_from_no_streams(tmp_path):
    plane = dem_of(-np.arange(9.0)[:, None] - np.abs(np.arange(-2.0, 3)), cell_m=1.0)
    largest = float(drain(plane).areas("d8")[0].max())
    write_raster(tmp_path / "dem.tif", plane.values, transform=Grid.of(plane).transform)
    for area_m2, message in (
        (largest, "which only outlets at the edge reach: no line"),
        (2e9, "which no cell reaches"),
    ):
        done = run(tmp_path / "dem.tif", "-o", tmp_path / "t.tif", "--stream-area-m2", area_m2)
        assert message in done.output


def test_a_dem_in_degrees_is_refused_by_one_line_and_scaled_on_request(tmp_path, monkeypatch, geosoil):
    monkeypatch.chdir(tmp_path)
    dem = write_raster(
        tmp_path / "dem.tif", rough().values, crs="EPSG:4326", transform=rasterio.Affine(0.001, 0, 10, 0, -0.001, 50)
    )
    code, line, _ = geosoil("terrain", dem, "-o", "t.tif", "--streams", "s.gpkg")
    assert code == 2
    assert line.count("\n") == 1
    assert "dem.tif: found a grid in degrees" in line
    assert "--degrees scale" in line
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    scaled = run(dem, "-o", tmp_path / "t.tif", "--degrees", "scale")
    assert "cells scaled by latitude" in scaled.output


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("dem.tif", "-o", "t.png"), OutputError, "ending .png"),
        (("dem.tif", "-o", "t.tif", "--streams", "s.shp"), OutputError, "ending .shp"),
        (("dem.tif", "-o", "t.tif", "--streams", "none/s.gpkg"), OutputError, "does not exist"),
        (("dem.tif", "-o", "none/t.tif"), OutputError, "none/t.tif: the folder"),
        (("dem.tif", "-o", "dem.tif"), OutputError, "dem.tif: is also an input"),
        (("dem.tif", "-o", "./dem.tif"), OutputError, "is also an input"),
        (("dem.tif", "-o", "t.tif", "--band", "height"), RasterError, "no band height"),
        (("none.tif", "-o", "t.tif"), RasterError, "no such file"),
    ],
)
def test_an_error_of_the_user_leaves_no_files(folder, monkeypatch, arguments, error, message):
    monkeypatch.chdir(folder)
    with pytest.raises(error, match=message):
        run(*arguments)
    assert sorted(path.name for path in folder.iterdir()) == NAMES


def test_the_band_of_heights_is_chosen_by_name(folder):
    heights = rough().values
    write_raster(folder / "two.tif", np.concatenate([heights * 0, heights]), descriptions=["ndvi", "elevation_m"])
    with pytest.raises(RasterError, match=r"2 bands; expected one of ndvi, elevation_m; .*--band"):
        run(folder / "two.tif", "-o", folder / "t.tif")
    run(folder / "two.tif", "-o", folder / "t.tif", "--band", "elevation_m")
    with rasterio.open(folder / "t.tif") as source:
        assert source.read(1).max() > 0


VOID = np.s_[:, 10:14, 20:30]


def terrain_with(value, path, *options):
    """Return what the verb says of a DEM with a value in a void, and the bands that it writes."""
    heights = rough().values.copy()
    heights[VOID] = value
    write_raster(path, heights)
    done = run(path, "-o", path.with_suffix(".terrain.tif"), *options)
    with rasterio.open(path.with_suffix(".terrain.tif")) as source:
        return done.output, source.read()


@pytest.fixture(scope="module")
def declared(tmp_path_factory):
    return terrain_with(np.nan, tmp_path_factory.mktemp("declared") / "dem.tif")


@pytest.mark.parametrize("code", [-32768, -9999])
def test_voids_that_no_header_states_are_left_out_and_named(tmp_path, code, declared):
    message = f"40 cells of exactly {code} were taken for voids"
    said, bands = terrain_with(code, tmp_path / "hidden.tif")
    assert message in said
    np.testing.assert_array_equal(bands, declared[1])
    said, bands = terrain_with(code, tmp_path / "named.tif", "--nodata", code)
    assert message not in said + declared[0]
    np.testing.assert_array_equal(bands, declared[1])


@pytest.mark.parametrize(("code", "is_far"), [(0, True), (9999, True), (-1, True), (0, False)])
def test_a_height_that_is_a_void_elsewhere_is_named_only_if_it_is_far_from_all_others(tmp_path, code, is_far):
    heights = rough().values.copy() + (500 if is_far else -float(rough().min()))
    heights[VOID] = code
    write_raster(tmp_path / "dem.tif", heights)
    said = run(tmp_path / "dem.tif", "-o", tmp_path / "t.tif").output
    assert (f"cells of exactly {code}, far from all other heights" in said) == is_far


def test_the_project_has_the_streams_above_all_bands_and_heights_first(folder):
    run(folder / "dem.tif", "-o", folder / "t.tif", "--streams", folder / "s.gpkg", "--qgz")
    with zipfile.ZipFile(folder / "t.qgz") as archive:
        project = ElementTree.fromstring(archive.read("t.qgs"))
    groups = {group.get("name"): [layer.get("name") for layer in group] for group in project.find("layer-tree-group")}
    assert groups["streams"] == ["streams"]
    assert groups["terrain"][0] == "filled_dem_m (m)" and len(groups["terrain"]) == len(UNITS)
    with sqlite3.connect(folder / "s.gpkg") as database:
        assert database.execute("PRAGMA user_version").fetchone() == (10300,)


def test_what_a_killed_run_left_is_cleared_by_the_next_one(folder):
    killed = [".t.0123abcd.tif", ".t.0123abcd.tif.blocks.tif", ".t.0123abcd.png", ".s.89abcdef.gpkg-journal"]
    kept = [".t.notes.tif", ".other.0123abcd.tif"]
    for name in (*killed, *kept):
        (folder / name).write_bytes(b"")
    (folder / "t.tif.unfinished").mkdir()
    (folder / "t.tif.unfinished" / "lock").write_bytes(b"")
    run(folder / "dem.tif", "-o", folder / "t.tif", "--streams", folder / "s.gpkg")
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*NAMES, *kept, "s.gpkg", "t.html", "t.png", "t.qmd", "t.qml", "t.tif"]
    )


def test_two_runs_do_not_write_one_terrain(folder):
    with (
        held_store(str(folder / "t.tif")),
        pytest.raises(OutputError, match="another run that writes it"),
    ):
        run(folder / "dem.tif", "-o", folder / "t.tif")
