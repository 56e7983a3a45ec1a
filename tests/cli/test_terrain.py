"""`geosoil terrain` and `geosoil correlate`: from a DEM to covariates, and a table of correlations with a map."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from click.testing import CliRunner
from dems import dem_of, rough
from shapely.geometry import Point, box
from written_rasters import write_raster

from geosoil.errors import GridError, OutputError, RasterError, SamplesError
from geosoil.raster.grid import Grid
from geosoil.terrain.flow import drain
from geosoil.terrain.stack import UNITS
from geosoil_cli import correlate, terrain

NAMES = ["dem.tif"]


def run(verb, *arguments):
    """Run a verb in this process: what it raises comes out."""
    return CliRunner().invoke(verb.command, [str(one) for one in arguments], catch_exceptions=False)


@pytest.fixture
def folder(tmp_path):
    write_raster(tmp_path / "dem.tif", rough(hole=np.s_[10:14, 20:30]).values)
    return tmp_path


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with DEM, terrain, streams, and a map that falls with the slope on a finer grid of another extent."""
    folder = tmp_path_factory.mktemp("terrain")
    write_raster(folder / "dem.tif", rough(hole=np.s_[10:14, 20:30]).values)
    done = run(
        terrain, folder / "dem.tif", "-o", folder / "terrain.tif", "--streams", folder / "streams.gpkg",
        "--stream-area-m2", 30_000,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    with rasterio.open(folder / "terrain.tif") as source:
        soc = 5 - 0.1 * source.read(1)
    east = rasterio.Affine(30, 0, 600_150, 0, -30, 5_800_000)
    half = rasterio.Affine(15, 0, 600_000, 0, -15, 5_800_000)
    write_raster(folder / "soc.tif", soc[None, :, 5:], descriptions=["soc_pct"], transform=east)
    fine = np.kron(soc, np.ones((2, 2), "float32"))
    write_raster(folder / "fine.tif", fine[None], descriptions=["soc_pct"], transform=half)
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


def test_terrain_says_what_it_did(folder):
    done = run(terrain, folder / "dem.tif", "-o", folder / "t.tif")
    assert "sinks: " in done.output
    assert "streams begin at a catchment area of" in done.output
    assert "twi" in done.output


def test_a_dem_without_streams_gives_an_empty_layer(folder):
    done = run(
        terrain, folder / "dem.tif", "-o", folder / "t.tif", "--streams", folder / "s.gpkg", "--stream-area-m2", 1e9
    )
    assert "which no cell reaches" in done.output
    assert len(gpd.read_file(folder / "s.gpkg", engine="pyogrio")) == 0


def test_streams_that_are_single_outlets_are_told_from_none(tmp_path):
    plane = dem_of(-np.arange(9.0)[:, None] - np.abs(np.arange(-2.0, 3)), cell_m=1.0)
    largest = float(drain(plane).areas("d8")[0].max())
    write_raster(tmp_path / "dem.tif", plane.values, transform=Grid.of(plane).transform)
    for area_m2, said in ((largest, "which only outlets at the edge reach: no line"), (2e9, "which no cell reaches")):
        done = run(terrain, tmp_path / "dem.tif", "-o", tmp_path / "t.tif", "--stream-area-m2", area_m2)
        assert said in done.output


def test_a_dem_in_degrees_is_refused_by_one_line_and_scaled_on_request(tmp_path, monkeypatch, geosoil):
    monkeypatch.chdir(tmp_path)
    dem = write_raster(
        tmp_path / "dem.tif", rough().values, crs="EPSG:4326", transform=rasterio.Affine(0.001, 0, 10, 0, -0.001, 50)
    )
    code, said, _ = geosoil("terrain", dem, "-o", "t.tif", "--streams", "s.gpkg")
    assert code == 2
    assert said.count("\n") == 1
    assert "dem.tif: found a grid in degrees" in said
    assert "--degrees scale" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == NAMES
    scaled = run(terrain, dem, "-o", tmp_path / "t.tif", "--degrees", "scale")
    assert "cells scaled by latitude" in scaled.output


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
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
def test_what_the_user_can_mend_leaves_nothing_behind(folder, monkeypatch, arguments, error, said):
    monkeypatch.chdir(folder)
    with pytest.raises(error, match=said):
        run(terrain, *arguments)
    assert sorted(path.name for path in folder.iterdir()) == NAMES


def test_the_band_of_heights_is_chosen_by_name(folder):
    heights = rough().values
    write_raster(folder / "two.tif", np.concatenate([heights * 0, heights]), descriptions=["ndvi", "elevation_m"])
    with pytest.raises(RasterError, match=r"2 bands; expected one of ndvi, elevation_m; .*--band"):
        run(terrain, folder / "two.tif", "-o", folder / "t.tif")
    run(terrain, folder / "two.tif", "-o", folder / "t.tif", "--band", "elevation_m")
    with rasterio.open(folder / "t.tif") as source:
        assert source.read(1).max() > 0


def test_correlate_finds_the_relation_of_a_map_made_from_the_slope(written):
    run(
        correlate, "--map", written / "soc.tif", "--terrain", written / "terrain.tif", "--zones", "halves",
        "-o", written / "table.csv",
    )  # fmt: skip
    table = pd.read_csv(written / "table.csv")
    assert table["zone"].unique().tolist() == ["whole image", "left half", "right half"]
    assert table["factor"].unique().tolist() == ["twi", "slope_deg", "ls_factor"]
    slopes = table[table["factor"] == "slope_deg"]
    np.testing.assert_allclose(slopes[["pearson_r", "spearman_r"]], -1, atol=1e-5)
    assert (written / "table.png").stat().st_size > 10_000


def test_correlate_brings_terrain_to_the_grid_of_the_map_and_says_so(written):
    done = run(
        correlate, "--map", written / "fine.tif", "--terrain", written / "terrain.tif", "--streams",
        written / "streams.gpkg", "-o", written / "table.csv",
    )  # fmt: skip
    assert "terrain.tif: EPSG:32633, 30 m -> EPSG:32633, 15 m by bilinear" in done.output
    assert "no p-values" in done.output
    table = pd.read_csv(written / "table.csv").set_index("factor")
    assert table.loc["slope_deg", "pearson_r"] < -0.9


def test_correlate_takes_zones_from_polygons_and_all_bands_but_aspect(written):
    with rasterio.open(written / "soc.tif") as source:
        left, bottom, right, top = source.bounds
        crs = source.crs
    zones = gpd.GeoDataFrame({"name": ["north"]}, geometry=[box(left, (bottom + top) / 2, right, top)], crs=crs)
    zones.to_file(written / "zones.gpkg", driver="GPKG", engine="pyogrio")
    done = run(
        correlate, "--map", written / "soc.tif", "--terrain", written / "terrain.tif", "--all-bands", "--zones",
        written / "zones.gpkg", "-o", written / "table.csv",
    )  # fmt: skip
    assert "aspect_deg was left out" in done.output
    table = pd.read_csv(written / "table.csv")
    assert table["zone"].unique().tolist() == ["whole image", "north"]
    assert set(table["factor"]) == set(UNITS) - {"aspect_deg"}


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        (("--factor", "rsp"), RasterError, "no band rsp"),
        (("--band", "clay"), RasterError, "no band clay"),
        (("--zones", "none.gpkg"), SamplesError, "no such file"),
        (("--streams", "none.gpkg"), SamplesError, "cannot be read as lines"),
        (("-o", "table.xlsx"), OutputError, "ending .xlsx"),
        (("--streams", "points.gpkg"), SamplesError, "points.gpkg: found Point among the lines"),
        (("--streams", "table.gpkg"), SamplesError, "table.gpkg: found a table without geometry"),
        (("--zones", "halves", "--zone-column", "a"), SamplesError, "a column a for the halves of the image"),
        (("--zone-column", "a"), SamplesError, "a column a for no zones"),
        (("--zones", "zones.csv", "-o", "zones.csv"), OutputError, "zones.csv: is also an input"),
        (("-o", "none/t.csv"), OutputError, "none/t.csv: the folder"),
    ],
)
def test_correlate_refuses_what_it_cannot_do_and_writes_nothing(written, monkeypatch, arguments, error, said):
    monkeypatch.chdir(written)
    points = gpd.GeoDataFrame({"a": [1]}, geometry=[Point(600_300, 5_799_700)], crs="EPSG:32633")
    points.to_file(written / "points.gpkg", driver="GPKG", engine="pyogrio")
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), written / "table.gpkg")
    before = sorted(written.iterdir())
    with pytest.raises(error, match=said):
        run(correlate, "--map", "soc.tif", "--terrain", "terrain.tif", "-o", "table.csv", *arguments)
    assert sorted(written.iterdir()) == before


def test_correlate_refuses_a_terrain_of_another_place(written):
    far = rasterio.Affine(30, 0, 100_000, 0, -30, 1_000_000)
    write_raster(written / "far.tif", rough().values, descriptions=["twi"], transform=far)
    with pytest.raises(GridError):
        run(correlate, "--map", written / "soc.tif", "--terrain", written / "far.tif", "--factor", "twi", "-o", "t.csv")
