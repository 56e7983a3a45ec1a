import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rasterio import Affine
from rasterio.crs import CRS
from written_rasters import TRANSFORM, UTM, write_raster

from geosoil.errors import GridError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import open_stack
from geosoil.raster.grid import Grid, horizontal_crs, same_crs
from geosoil.raster.layout import make_raster
from geosoil.samples.extract import locate_points


def raster_of(height, width, transform=TRANSFORM, crs=UTM):
    return make_raster(np.zeros((1, height, width), np.float32), names=["a"], crs=crs, transform=transform)


def test_the_grid_of_a_raster_of_odd_size_is_the_one_it_was_made_with():
    assert Grid.of(raster_of(1003, 1501)) == Grid(CRS.from_epsg(32633), TRANSFORM, 1003, 1501)


@given(st.integers(0, 30), st.integers(0, 40), st.sampled_from([30.0, 0.1, 1 / 3, 2.5e-4]), st.floats(-1e6, 1e6))
def test_the_grid_of_a_window_keeps_the_pixels_of_the_whole(row, column, size, origin):
    transform = Affine(size, 0, origin, 0, -size, -origin)
    window = Grid.of(raster_of(35, 45, transform)[:, row : row + 4, column : column + 3])
    assert (window.height, window.width) == (4, 3)
    assert window.transform.a == size and window.transform.e == -size
    assert window.transform.c == pytest.approx(origin + column * size, rel=1e-12, abs=1e-9 * size)
    assert window.transform.f == pytest.approx(-origin - row * size, rel=1e-12, abs=1e-9 * size)


def test_a_window_of_a_rotated_grid_is_found_too():
    rotated = Affine(20, 5, 1000, 5, -20, 2000)
    assert Grid.of(raster_of(9, 9, rotated)[:, 2:, 3:]).transform == Affine(
        20, 5, 1000 + 60 + 10, 5, -20, 2000 + 15 - 40
    )


@pytest.mark.parametrize("picked", [slice(None, None, 2), slice(None, None, -1), [0, 3, 4]])
def test_pixels_that_do_not_form_a_window_have_no_grid(picked):
    with pytest.raises(GridError, match="along y that do not form a window"):
        Grid.of(raster_of(6, 6).isel(y=picked))


def test_points_fall_into_the_pixel_whose_left_and_upper_edge_they_lie_on():
    grid = Grid(None, Affine(10, 0, 100, 0, -10, 200), height=2, width=3)
    rows, columns = grid.rows_columns([100, 109.9, 110, 130, 99.9, np.nan, 115], [200, 190.1, 190, 195, 195, 195, 180])
    assert rows.tolist() == [0, 0, 1, -1, -1, -1, -1]
    assert columns.tolist() == [0, 0, 1, -1, -1, -1, -1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (raster_of(5, 7), "shape 5 x 7; expected shape 5 x 6"),
        (raster_of(5, 6, crs="EPSG:32634"), "CRS EPSG:32634; expected CRS EPSG:32633"),
        (raster_of(5, 6, crs=None), "CRS none"),
        (raster_of(5, 6, transform=Affine(30, 0, 600_015, 0, -30, 5_800_000)), "transform"),
    ],
)
def test_a_grid_error_says_what_differs(other, said):
    with pytest.raises(GridError, match=said):
        Grid.of(raster_of(5, 6)).require_same(Grid.of(other))


def test_rounding_in_a_tag_is_no_difference():
    moved = Affine(30, 0, 600_000 + 1e-6, 0, -30, 5_800_000)
    assert Grid.of(raster_of(5, 6)).require_same(Grid.of(raster_of(5, 6, moved))) is None


def test_points_are_found_however_their_longitudes_and_those_of_the_grid_are_counted():
    degrees = CRS.from_epsg(4326)
    climate = Grid(degrees, Affine(0.25, 0, 0, 0, -0.25, 90), 720, 1440)
    rows, columns = climate.rows_columns([-70.0, 290.0, -0.125, 359.9, 0.0], [10.0, 10.0, 10.0, 10.0, 10.0])
    np.testing.assert_array_equal(columns, [1160, 1160, 1439, 1439, 0])
    np.testing.assert_array_equal(rows, 320)
    fiji = Grid(degrees, Affine(1, 0, 175, 0, -1, -10), 10, 10)
    np.testing.assert_array_equal(fiji.rows_columns([-177.5, 182.5, 174.5, -174.5], [-15.0] * 4)[1], [7, 7, -1, -1])


def test_heights_and_the_order_of_axes_do_not_make_another_grid():
    t = Affine(30, 0, 400_000, 0, -30, 5_400_000)
    plain, compound = (Grid(CRS.from_user_input(code), t, 4, 4) for code in ("EPSG:32633", "EPSG:32633+5773"))
    plain.require_same(compound)
    compound.require_same(plain)
    assert horizontal_crs(CRS.from_user_input("EPSG:4979")).to_epsg() == 4326
    local = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    assert horizontal_crs(local) is local
    assert not same_crs(local, plain.crs)
    assert not same_crs(None, plain.crs)
    with pytest.raises(GridError, match="CRS EPSG:32632"):
        plain.require_same(Grid(CRS.from_epsg(32632), t, 4, 4))


@pytest.mark.parametrize("order", [1, -1])
def test_the_local_crs_of_a_site_is_not_mixed_with_one_of_the_earth(tmp_path, order):
    site = CRS.from_wkt('LOCAL_CS["site",UNIT["metre",1]]')
    paths = []
    for name, crs in (("site", site), ("earth", "EPSG:32633")):
        paths.append(write_raster(tmp_path / f"{name}.tif", np.ones((1, 3, 3), np.float32), crs=crs))
    with pytest.raises(GridError, match=r"found the local CRS of a site and EPSG:32633; .*gdal_edit.py -a_srs"):
        open_stack(paths[::order])
    points = gpd.GeoDataFrame(geometry=gpd.points_from_xy([600_015], [5_799_985]), crs="EPSG:32633")
    with pytest.raises(GridError, match="found the local CRS of a site and EPSG:32633"):
        locate_points(open_raster(paths[0]), points, what="cube")
    rows, columns, notes = locate_points(open_raster(paths[0]), points.set_crs(site, allow_override=True), what="cube")
    assert (rows.tolist(), columns.tolist(), notes) == ([0], [0], [])
    assert open_stack([paths[0]]).shape == (1, 3, 3)
