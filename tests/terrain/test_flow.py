"""Sink filling and catchment areas: known areas, and no water lost."""

import subprocess
import sys

import numpy as np
import pytest
from dems import dem_of, rough
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geosoil.errors import RasterError
from geosoil.terrain.flow import catchment_area, drain, fill_sinks

HEIGHTS = hnp.arrays(
    np.float32,
    hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    elements=st.one_of(st.integers(0, 6).map(float), st.floats(0, 6, width=32), st.just(float("nan"))),
).filter(lambda heights: not np.isnan(heights).all())


@settings(max_examples=60, deadline=None)
@given(HEIGHTS, st.sampled_from(["mfd", "d8"]))
def test_as_much_water_leaves_as_there_are_cells(heights, flow):
    drainage = drain(dem_of(heights, cell_m=1.0))
    area_m2, leaving_m2 = drainage.areas(flow)
    cells = np.count_nonzero(~np.isnan(heights))
    assert leaving_m2 == pytest.approx(cells, rel=1e-9)
    assert drainage.valid_m2 == cells
    np.testing.assert_array_equal(np.isnan(area_m2), np.isnan(heights))
    assert np.nanmin(area_m2) >= 1


@settings(max_examples=60, deadline=None)
@given(HEIGHTS, st.sampled_from([0.0, 0.5]))
def test_a_filled_dem_has_no_sinks_and_is_nowhere_lower(heights, min_slope_deg):
    drainage = drain(dem_of(heights, cell_m=1.0), min_slope_deg=min_slope_deg)
    filled = drainage.filled_m
    assert (filled >= heights)[~np.isnan(heights)].all()
    padded = np.pad(filled, 1, constant_values=np.nan)
    neighbours = np.lib.stride_tricks.sliding_window_view(padded, (3, 3)).reshape(*filled.shape, 9)
    inner = ~np.isnan(neighbours).any(axis=2)
    lowest = np.delete(neighbours, 4, axis=2).min(axis=2)
    assert (lowest[inner] < filled[inner]).all() if min_slope_deg else (lowest[inner] <= filled[inner]).all()
    np.testing.assert_array_equal(filled[~inner], heights[~inner])  # water leaves at edges: they are never raised


@settings(max_examples=50, deadline=None)
@given(HEIGHTS)
def test_every_cell_drains_to_one_that_comes_earlier(heights):
    drainage = drain(dem_of(heights, cell_m=1.0))
    place = np.full(heights.size, -1)
    place[drainage.order] = np.arange(drainage.order.size)
    steps = np.array([(0, 1), (1, 1), (1, 0), (1, -1), (0, -1), (-1, -1), (-1, 0), (-1, 1)])
    for cell in drainage.order:
        row, column = divmod(int(cell), heights.shape[1])
        for direction in (drainage.parent[row, column], drainage.directions[row, column]):
            if direction >= 0:
                down, across = steps[direction]
                assert place[(row + down) * heights.shape[1] + column + across] < place[cell]


def test_filling_equals_pyflwdir():
    import pyflwdir

    dem = rough()
    expected, _ = pyflwdir.dem.fill_depressions(dem.values[0], nodata=-9999.0)
    own = fill_sinks(dem).values[0]
    np.testing.assert_array_equal(own, expected)
    assert (own > dem.values[0]).mean() > 0.05


def test_filling_twice_changes_nothing():
    once = fill_sinks(rough(hole=np.s_[10:14, 20:30]))
    np.testing.assert_array_equal(fill_sinks(once).values, once.values)


def test_d8_on_a_plane_gathers_cell_by_cell_from_the_edge_which_passes_nothing_on():
    area = catchment_area(dem_of(np.tile(-np.arange(8.0), (5, 1)), cell_m=10.0), "d8").values[0] / 100
    np.testing.assert_array_equal(area[2], [1, 1, 2, 3, 4, 5, 6, 7])
    np.testing.assert_array_equal(area[0], np.ones(8))


def test_d8_in_a_valley_gathers_both_sides():
    y, x = np.mgrid[:7, -4:5]
    area = catchment_area(dem_of(10.0 * np.abs(x) - y, cell_m=1.0), "d8").values[0]
    # 7 of the 9 cells of a row reach the bottom of the valley: those at the edges pass nothing on.
    np.testing.assert_array_equal(area[:, 4], [1, 7, 14, 21, 28, 35, 36])


def test_mfd_on_a_cone_grows_with_the_distance_to_the_top():
    y, x = np.mgrid[-50:51, -50:51] * 10.0
    distance_m = np.hypot(x, y)
    area_m2 = catchment_area(dem_of(1000 - 0.5 * distance_m)).values[0]
    near, far = ((distance_m > low) & (distance_m < low + 50) for low in (200, 400))
    grown = area_m2[far].mean() / area_m2[near].mean()
    assert grown == pytest.approx(distance_m[far].mean() / distance_m[near].mean(), rel=0.03)
    # pi R^2 flows over 2 pi R: R / 2 per metre, on the 10 to 14 m that a cell is wide.
    width_m = area_m2[near | far] / (distance_m[near | far] / 2)
    assert width_m.min() > 9.5
    assert width_m.max() < 14.2


def test_mfd_on_a_cone_is_as_symmetric_as_the_grid():
    y, x = np.mgrid[-9:10, -9:10]
    area = catchment_area(dem_of(-np.hypot(x, y))).values[0]
    for turned in (area[::-1], area[:, ::-1], area.T):
        np.testing.assert_allclose(turned, area, rtol=1e-6)


def test_a_flat_drains_to_its_nearest_outlet():
    heights = np.full((9, 21), 5.0)
    heights[4, 0] = heights[4, 20] = 1.0
    heights[[0, -1]] = 9.0
    heights[1:8, [0, 20]] = np.where(heights[1:8, [0, 20]] == 1.0, 1.0, 9.0)
    area = catchment_area(dem_of(heights, cell_m=1.0), "d8").values[0]
    west, east = area[4, 0], area[4, 20]
    assert west + east == 7 * 19 + 2
    assert abs(west - east) <= 7  # the middle column may go either way


def test_water_leaves_into_a_hole_of_the_data():
    heights = np.tile(-np.arange(9.0), (5, 1))
    heights[2, 4] = np.nan
    area = catchment_area(dem_of(heights, cell_m=1.0), "d8").values[0]
    assert np.isnan(area[2, 4])
    assert area[2, 3] == 3  # its cells end here
    assert area[2, 6] == 1  # and the row starts again behind the cells that touch the hole
    np.testing.assert_array_equal(fill_sinks(dem_of(heights)).values[0], heights.astype("float32"))


def test_a_dem_of_several_bands_or_of_no_data_is_refused():
    two = dem_of(np.zeros((3, 3)))
    import xarray as xr

    stacked = xr.concat([two, two.assign_coords(band=["other"])], dim="band")
    with pytest.raises(RasterError, match="2 bands"):
        fill_sinks(stacked)
    with pytest.raises(RasterError, match="no cell with data"):
        fill_sinks(dem_of(np.full((3, 3), np.nan)))


@pytest.mark.parametrize("z_factor", [0, -1, float("nan"), float("inf")])
def test_a_z_factor_that_makes_no_metres_is_refused(z_factor):
    with pytest.raises(RasterError, match=r"a z-factor of .*; expected a number above 0"):
        drain(rough(), z_factor=z_factor)


def test_the_dem_that_came_is_not_changed():
    dem = rough()
    before = dem.values.copy()
    fill_sinks(dem, z_factor=2.0)
    np.testing.assert_array_equal(dem.values, before)


def test_importing_terrain_compiles_nothing():
    code = (
        "import sys, geosoil.terrain.stack, geosoil.terrain.streams\n"
        "sys.exit(bool({'numba', 'pyflwdir', 'geopandas'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
