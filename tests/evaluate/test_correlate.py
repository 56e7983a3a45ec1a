"""Correlation of maps with terrain: known r, zones, and what is not said."""

import geopandas as gpd
import numpy as np
import pytest
from dems import dem_of
from scipy import stats
from shapely.geometry import box

from geosoil.errors import GridError, SamplesError
from geosoil.evaluate.correlate import WHOLE, correlation_table, half_zones, polygon_zones
from geosoil.io.tables.polygons import read_polygons
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster


def factors(*layers):
    grid = Grid.of(dem_of(layers[0]))
    names = [f"factor_{k}" for k in range(len(layers))]
    return make_raster(np.stack(layers).astype("float32"), names=names, crs=grid.crs, transform=grid.transform)


@pytest.fixture
def pair():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(20, 31))
    y = np.exp(x + rng.normal(size=x.shape))
    x[3, 4] = y[5, 6] = np.nan
    return x, y


def test_r_equals_scipys_over_the_pixels_that_both_have(pair):
    x, y = pair
    row = correlation_table(dem_of(x), factors(y)).iloc[0]
    both = np.isfinite(x) & np.isfinite(y)
    x32, y32 = x[both].astype("float32"), y[both].astype("float32")
    assert row.n == 20 * 31 - 2
    assert row.pearson_r == pytest.approx(stats.pearsonr(x32, y32)[0], abs=1e-6)
    assert row.spearman_r == pytest.approx(stats.spearmanr(x32, y32)[0], abs=1e-9)


def test_halves_see_opposite_relations_that_cancel_over_the_whole_image():
    x = np.tile(np.arange(10.0), (10, 1)).T
    y = x.copy()
    y[:, 5:] *= -1
    table = correlation_table(dem_of(x), factors(y), half_zones(Grid.of(dem_of(x)))).set_index("zone")
    assert table.loc["left half", "pearson_r"] == pytest.approx(1)
    assert table.loc["right half", "pearson_r"] == pytest.approx(-1)
    assert abs(table.loc[WHOLE, "pearson_r"]) < 1e-6
    assert table["n"].tolist() == [100, 50, 50]


def test_halves_of_an_odd_width_are_equally_large_and_do_not_overlap():
    (_, left), (_, right) = half_zones(Grid.of(dem_of(np.zeros((3, 7)))))
    assert left.sum() == right.sum() == 9
    assert not (left & right).any()


def test_rows_come_zone_by_zone_in_the_order_of_the_factors(pair):
    x, y = pair
    table = correlation_table(dem_of(x), factors(y, -y), half_zones(Grid.of(dem_of(x))))
    assert table["zone"].tolist() == [WHOLE, WHOLE, "left half", "left half", "right half", "right half"]
    assert table["factor"].tolist() == ["factor_0", "factor_1"] * 3
    assert "p_value" not in table.columns


def test_what_does_not_vary_has_no_r():
    table = correlation_table(dem_of(np.ones((4, 4))), factors(np.arange(16.0).reshape(4, 4)))
    assert np.isnan(table[["pearson_r", "spearman_r"]].to_numpy(float)).all()


def test_other_grids_are_refused():
    with pytest.raises(GridError, match="the terrain: found shape"):
        correlation_table(dem_of(np.zeros((4, 4))), factors(np.zeros((4, 5))))


def zones_file(path, table, **options):
    table.to_file(path, driver="GPKG", engine="pyogrio", **options)
    return path


def test_polygons_of_one_name_are_one_zone_in_the_crs_of_the_map(tmp_path):
    grid = Grid.of(dem_of(np.zeros((10, 10))))  # 100 m x 100 m, the upper left corner at 500000, 5000000
    squares = [box(500_000, 4_999_960, 500_030, 5_000_000), box(500_070, 4_999_900, 500_100, 4_999_930)]
    table = gpd.GeoDataFrame(
        {"zone": ["field", "field", "rest"]}, geometry=[*squares, box(500_040, 4_999_900, 500_060, 5e6)], crs=grid.crs
    )
    path = zones_file(tmp_path / "zones.gpkg", table.to_crs("EPSG:4326"))
    masks = dict(polygon_zones(read_polygons(path), grid))
    assert list(masks) == ["field", "rest"]
    assert masks["field"].sum() == 4 * 3 + 3 * 3
    assert masks["rest"].sum() == 10 * 2


def test_a_zone_beside_the_map_is_refused_by_its_name():
    zones = gpd.GeoDataFrame({"zone": ["far"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32633")
    with pytest.raises(GridError, match="zone far: found no pixel of the map"):
        list(polygon_zones(zones, Grid.of(dem_of(np.zeros((4, 4))))))


def test_what_is_no_file_of_zones_is_refused(tmp_path):
    points = gpd.GeoDataFrame({"zone": ["a"]}, geometry=gpd.points_from_xy([0], [0]), crs="EPSG:32633")
    areas = gpd.GeoDataFrame({"kind": ["a"]}, geometry=[box(0, 0, 1, 1)], crs="EPSG:32633")
    text = tmp_path / "zones.txt"
    text.write_text("no zones")
    for path, column, said in [
        (zones_file(tmp_path / "points.gpkg", points), None, "no polygon"),
        (zones_file(tmp_path / "areas.gpkg", areas), "zone", "no column zone; .*choose one of kind"),
        (text, None, "not a readable table|no polygon"),
    ]:
        with pytest.raises(SamplesError, match=said):
            read_polygons(path, column=column)
    assert read_polygons(tmp_path / "areas.gpkg")["zone"].tolist() == ["zone 1"]
