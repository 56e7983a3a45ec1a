"""`geosoil correlate`: the table of correlations of a map with terrain, or one line and nothing written."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import pytest
import rasterio
from click.testing import CliRunner
from dems import rough
from shapely.geometry import Point, box
from written_rasters import write_raster

from geosoil.errors import GridError, OutputError, RasterError, SamplesError
from geosoil.terrain.stack import UNITS
from geosoil.workflows.terrain import map_terrain
from geosoil_cli.correlate import command


def run(*arguments):
    """Run the verb in this process, so that its exceptions reach the test."""
    return CliRunner().invoke(command, [str(argument) for argument in arguments], catch_exceptions=False)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A folder with a DEM, its terrain and streams, and maps that fall with the slope on other grids."""
    folder = tmp_path_factory.mktemp("terrain")
    write_raster(folder / "dem.tif", rough(hole=np.s_[10:14, 20:30]).values)
    map_terrain(folder / "dem.tif", folder / "terrain.tif", streams=folder / "streams.gpkg", stream_area_m2=30_000)
    with rasterio.open(folder / "terrain.tif") as source:
        soc = 5 - 0.1 * source.read(1)
    east = rasterio.Affine(30, 0, 600_150, 0, -30, 5_800_000)
    half = rasterio.Affine(15, 0, 600_000, 0, -15, 5_800_000)
    write_raster(folder / "soc.tif", soc[None, :, 5:], descriptions=["soc_pct"], transform=east)
    fine = np.kron(soc, np.ones((2, 2), "float32"))
    write_raster(folder / "fine.tif", fine[None], descriptions=["soc_pct"], transform=half)
    return folder


def test_correlate_finds_the_relation_of_a_map_made_from_the_slope(written):
    run(
        "--map", written / "soc.tif", "--terrain", written / "terrain.tif", "--zones", "halves",
        "-o", written / "table.csv",
    )  # fmt: skip
    table = pd.read_csv(written / "table.csv")
    assert table["zone"].unique().tolist() == ["whole image", "left half", "right half"]
    assert table["factor"].unique().tolist() == ["twi", "slope_deg", "ls_factor"]
    slopes = table[table["factor"] == "slope_deg"]
    np.testing.assert_allclose(slopes[["pearson_r", "spearman_r"]], -1, atol=1e-5)
    assert (written / "table.png").stat().st_size > 10_000
    assert "soc_pct is most closely related to slope_deg: r = -1.00" in (written / "table.html").read_text("utf-8")


def test_correlate_brings_terrain_to_the_grid_of_the_map_and_reports_it(written):
    done = run(
        "--map", written / "fine.tif", "--terrain", written / "terrain.tif", "--streams",
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
        "--map", written / "soc.tif", "--terrain", written / "terrain.tif", "--all-bands", "--zones",
        written / "zones.gpkg", "-o", written / "table.csv",
    )  # fmt: skip
    assert "aspect_deg was left out" in done.output
    table = pd.read_csv(written / "table.csv")
    assert table["zone"].unique().tolist() == ["whole image", "north"]
    assert set(table["factor"]) == set(UNITS) - {"aspect_deg"}


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("--factor", "rsp"), RasterError, "no band rsp"),
        (("--band", "clay"), RasterError, "no band clay"),
        (("--zones", "none.gpkg"), SamplesError, "no such file"),
        (("--streams", "none.gpkg"), SamplesError, "no such file; expected lines of streams"),
        (("-o", "table.xlsx"), OutputError, "ending .xlsx"),
        (("--streams", "points.gpkg"), SamplesError, "points.gpkg: found Point among the lines"),
        (("--streams", "table.gpkg"), SamplesError, "table.gpkg: found a table without geometry"),
        (("--zones", "halves", "--zone-column", "a"), SamplesError, "a column a for the halves of the image"),
        (("--zone-column", "a"), SamplesError, "a column a for no zones"),
        (("--zone-layer", "a"), SamplesError, "layer a without a file"),
        (("--zones", "zones.csv", "-o", "zones.csv"), OutputError, "zones.csv: is also an input"),
        (("-o", "none/t.csv"), OutputError, "none/t.csv: the folder"),
    ],
)
def test_correlate_refuses_what_it_cannot_do_and_writes_nothing(written, monkeypatch, arguments, error, message):
    monkeypatch.chdir(written)
    points = gpd.GeoDataFrame({"a": [1]}, geometry=[Point(600_300, 5_799_700)], crs="EPSG:32633")
    points.to_file(written / "points.gpkg", driver="GPKG", engine="pyogrio")
    pyogrio.write_dataframe(pd.DataFrame({"a": [1]}), written / "table.gpkg")
    before = sorted(written.iterdir())
    with pytest.raises(error, match=message):
        run("--map", "soc.tif", "--terrain", "terrain.tif", "-o", "table.csv", *arguments)
    assert sorted(written.iterdir()) == before


def test_correlate_refuses_a_terrain_of_another_place(written):
    far = rasterio.Affine(30, 0, 100_000, 0, -30, 1_000_000)
    write_raster(written / "far.tif", rough().values, descriptions=["twi"], transform=far)
    with pytest.raises(GridError):
        run("--map", written / "soc.tif", "--terrain", written / "far.tif", "--factor", "twi", "-o", "t.csv")
