"""Slope, aspect and curvatures: planes, cones and parabolas have known ones."""

import numpy as np
import pytest
from affine import Affine
from dems import dem_of, rough

from geosoil.errors import GridError
from geosoil.terrain.cells import cell_sizes
from geosoil.terrain.slope import aspect, aspect_deg, curvatures, slope

METHODS = ["horn", "zevenbergen_thorne"]


def plane(rise_east, rise_north, shape=(6, 7), cell_m=10.0):
    y, x = np.mgrid[: shape[0], : shape[1]] * cell_m
    return 100 + rise_east * x - rise_north * y


@pytest.mark.parametrize("method", METHODS)
def test_a_plane_has_one_slope_and_aspect_up_to_its_corners(method):
    dem = dem_of(plane(0.3, 0.4))
    np.testing.assert_allclose(slope(dem, method), np.rad2deg(np.arctan(0.5)), atol=1e-4)
    np.testing.assert_allclose(aspect(dem, method), 216.8699, atol=1e-3)


@pytest.mark.parametrize("method", METHODS)
def test_a_plane_keeps_its_slope_beside_a_hole_and_the_hole_stays(method):
    heights = plane(0.3, 0.4)
    heights[2:4, 3] = np.nan
    own = slope(dem_of(heights), method).values[0]
    np.testing.assert_array_equal(np.isnan(own), np.isnan(heights))
    np.testing.assert_allclose(own[~np.isnan(own)], np.rad2deg(np.arctan(0.5)), atol=1e-4)


def test_a_cell_without_neighbours_along_a_row_or_column_has_no_slope():
    heights = np.full((5, 5), np.nan)
    heights[2] = np.arange(5)
    assert np.isnan(slope(dem_of(heights)).values).all()


def test_cells_that_are_not_square_are_measured_along_each_side():
    transform = Affine(20, 0, 0, 0, -10, 0)
    east, north = (np.tile(np.arange(5.0), (5, 1)) * k for k in (20, 0)), np.arange(5.0)[:, None] * np.ones(5)
    dem = dem_of(next(east), transform=transform)
    np.testing.assert_allclose(slope(dem), 45.0, atol=1e-4)
    np.testing.assert_allclose(slope(dem_of(north * 10, transform=transform)), 45.0, atol=1e-4)


def test_a_grid_with_its_south_up_faces_the_same_way():
    dem = rough()
    flipped = dem_of(dem.values[0, ::-1], transform=Affine(10, 0, 500_000, 0, 10, 5_000_000 - 400))
    np.testing.assert_allclose(aspect(flipped).values[0, ::-1], aspect(dem).values[0], atol=1e-3)


def test_a_flat_has_slope_0_and_no_aspect_and_no_curvature():
    dem = dem_of(np.full((4, 4), 7.0))
    assert (slope(dem).values == 0).all()
    assert np.isnan(aspect(dem).values).all()
    assert (curvatures(dem).values == 0).all()


def test_aspect_is_below_360():
    # A hair west of north: 359.99999994 degrees, which is 360 as float32.
    assert aspect_deg(np.array([1e-9]), np.array([-1.0])).astype("float32") == 0
    assert aspect_deg(np.array([1e-3]), np.array([-1.0])) == pytest.approx(359.9427, abs=1e-4)


def test_the_contours_of_a_cone_are_circles_and_its_slope_lines_straight():
    y, x = np.mgrid[-20:21, -20:21] * 10.0
    distance_m = np.hypot(x, y)
    profile, plan = curvatures(dem_of(500 - 0.5 * distance_m)).values
    far = (distance_m > 80) & (distance_m < 190)
    np.testing.assert_allclose(plan[far], 1 / distance_m[far], rtol=0.02)
    assert np.abs(profile[far]).max() < 1e-4


def test_the_profile_of_a_parabola_is_convex_where_it_falls_away():
    x = np.arange(-100.0, 101, 10)
    profile, plan = curvatures(dem_of(np.tile(-0.01 * x**2, (5, 1)))).values
    expected = 0.02 / (1 + (0.02 * x) ** 2) ** 1.5
    expected[10] = 0  # the top is flat
    np.testing.assert_allclose(profile[2, 1:-1], expected[1:-1], rtol=1e-3)
    assert np.abs(plan[2, 1:-1]).max() < 1e-6


def test_a_plan_curvature_that_the_grid_cannot_show_is_held():
    assert np.abs(curvatures(rough()).values[1]).max() <= 2 / 10.0 + 1e-6


@pytest.mark.parametrize("function", [slope, aspect, curvatures])
def test_local_operators_never_depend_on_the_block_size(function):
    dem = rough(hole=np.s_[10:14, 20:30])
    np.testing.assert_array_equal(function(dem, block=7).values, function(dem, block=64).values)


def test_a_z_factor_scales_heights():
    np.testing.assert_allclose(slope(dem_of(plane(3, 4)), z_factor=0.1), np.rad2deg(np.arctan(0.5)), atol=1e-4)


def degrees_dem(slope_east=0.1, latitude=60.0, n=12):
    step = 1 / 3600
    transform = Affine(step, 0, 10, 0, -step, latitude + n / 2 * step)
    width_m = cell_sizes(dem_of(np.zeros((n, n)), crs="EPSG:4326", transform=transform), degrees="scale").width_m
    return dem_of(slope_east * width_m[:, None] * np.arange(n), crs="EPSG:4326", transform=transform)


def test_a_grid_in_degrees_is_refused_with_the_way_out():
    with pytest.raises(GridError, match=r"degrees .*expected cells in metres.*--degrees scale"):
        slope(degrees_dem())


def test_a_grid_in_degrees_is_scaled_by_latitude_on_request_whatever_the_block():
    dem = degrees_dem()
    own = slope(dem, degrees="scale")
    np.testing.assert_allclose(own.values[0, 1:-1], np.rad2deg(np.arctan(0.1)), rtol=1e-3)
    np.testing.assert_array_equal(slope(dem, degrees="scale", block=5).values, own.values)


def test_metres_per_degree_are_those_of_the_geodesic():
    from pyproj import Geod

    dem = degrees_dem(latitude=47.3)
    sizes, y = cell_sizes(dem, degrees="scale"), dem.y.values
    _, _, east_m = Geod(ellps="WGS84").inv(10, y[4], 10 + 1 / 3600, y[4])
    _, _, north_m = Geod(ellps="WGS84").inv(10, y[4] - 0.5 / 3600, 10, y[4] + 0.5 / 3600)
    assert sizes.width_m[4] == pytest.approx(east_m, rel=1e-6)
    assert sizes.height_m[4] == pytest.approx(north_m, rel=1e-6)


def test_a_grid_in_feet_is_measured_in_metres():
    new_york = Affine(10, 0, 984_000, 0, -10, 200_000)
    sizes = cell_sizes(dem_of(np.zeros((3, 3)), crs="EPSG:2263", transform=new_york))
    assert sizes.width_m[0] == pytest.approx(3.048, rel=1e-5)
    assert "foot" in sizes.note


def test_rotated_grids_and_grids_without_crs_are_refused():
    with pytest.raises(GridError, match="a rotated grid"):
        slope(dem_of(np.zeros((3, 3)), transform=Affine(10, 1, 0, 1, -10, 0)))
    with pytest.raises(GridError, match="no CRS"):
        slope(dem_of(np.zeros((3, 3)), crs=None))


def test_an_unknown_method_is_refused():
    with pytest.raises(ValueError, match="expected 'horn' or 'zevenbergen_thorne'"):
        slope(dem_of(np.zeros((3, 3))), "evans").compute()
