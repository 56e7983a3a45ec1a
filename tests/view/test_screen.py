"""What a screen shows of a raster: the right pixels, from the coarsest level that is fine enough, and nothing else."""

import numpy as np
import pyproj
import pytest
import rasterio
from rasterio.crs import CRS
from small_maps import GRIDS, write_map

from geosoil.io.rasters.pyramid import Pyramid
from geosoil.view.screen import Screen, extent_of, pixel_at, plan_request, read_on_screen
from geosoil.view.sources import BandSource

UTM = CRS.from_epsg(32632)


def pixels_of(t, x, y):
    """Return columns and rows, not rounded, by the inverse of a transform."""
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f


def screen_of(path, factor=1.0):
    """Return a screen of the middle of a raster, with `factor` pixels of the raster per pixel."""
    with rasterio.open(path) as source:
        left, bottom, right, top = extent_of(Pyramid(path).grid, source.crs)
        side = abs(source.transform.determinant) ** 0.5 * factor
    width, height = (max(2, int(0.5 * (stop - start) / side)) for start, stop in ((left, right), (bottom, top)))
    x, y = (left + right) / 2, (bottom + top) / 2
    return Screen(
        x - width * side / 2, y - height * side / 2, x + width * side / 2, y + height * side / 2, width, height
    )


@pytest.mark.parametrize("grid", GRIDS)
def test_each_pixel_of_the_screen_is_the_pixel_of_the_raster_that_contains_its_centre(tmp_path, grid):
    path = write_map(tmp_path, grid, trust=False)
    screen = screen_of(path, factor=0.7)
    crs = CRS.from_user_input(GRIDS[grid][0])
    shown = read_on_screen(BandSource(Pyramid(path), 1), screen, crs)
    x, y = np.meshgrid(*screen.centres)
    with rasterio.open(path) as source:
        values, inverse = source.read(1), ~source.transform
    columns, rows = (np.floor(part).astype(int) for part in pixels_of(inverse, x, y))
    inside = (rows >= 0) & (rows < values.shape[0]) & (columns >= 0) & (columns < values.shape[1])
    expected = np.where(inside, values[np.where(inside, rows, 0), np.where(inside, columns, 0)], np.nan)
    np.testing.assert_array_equal(shown, expected)


def test_a_raster_of_another_crs_is_shown_where_it_is(tmp_path):
    path = write_map(tmp_path, "geographic", trust=False)
    to_utm = pyproj.Transformer.from_crs(4326, 32632, always_xy=True)
    x, y = to_utm.transform(7.018, 46.9865)
    screen = Screen(x - 500, y - 500, x + 500, y + 500, 100, 100)
    shown = read_on_screen(BandSource(Pyramid(path), 1), screen, UTM)
    with rasterio.open(path) as source:
        values, inverse = source.read(1), ~source.transform
    longitude, latitude = to_utm.transform(*np.meshgrid(*screen.centres), direction="INVERSE")
    columns, rows = pixels_of(inverse, longitude, latitude)
    edge = np.minimum(np.abs(columns - np.round(columns)), np.abs(rows - np.round(rows))) < 0.01
    expected = values[np.floor(rows).astype(int), np.floor(columns).astype(int)]
    assert edge.mean() < 0.06
    np.testing.assert_array_equal(shown[~edge], expected[~edge])


@pytest.mark.parametrize(("factor", "level"), [(0.5, 0), (1, 0), (1.9, 0), (2, 1), (3.9, 1), (4, 2), (50, 2)])
@pytest.mark.parametrize("grid", ["utm", "rotated"])
def test_the_level_is_the_coarsest_whose_pixels_are_not_larger_than_those_of_the_screen(tmp_path, grid, factor, level):
    pyramid = Pyramid(write_map(tmp_path, grid, shape=(1100, 1300), trust=False))
    request = plan_request(pyramid.levels, screen_of(pyramid.path, factor), UTM)
    assert request.level == level


def test_only_the_window_of_the_screen_is_read(tmp_path):
    pyramid = Pyramid(write_map(tmp_path, shape=(1100, 1300), trust=False))
    screen = Screen(510_000, 5_180_000, 510_000 + 40 * 30, 5_180_000 + 20 * 30, 40, 20)
    request = plan_request(pyramid.levels, screen, UTM)
    assert request.level == 0
    assert (request.rows, request.columns) == (slice(647, 667), slice(333, 373))  # from column 333.3 and row 646.7


@pytest.mark.parametrize("place", [(0, 0, 10, 10), (499_000, 5_199_000, 499_900, 5_200_000)])
def test_a_screen_beside_the_raster_is_empty_and_reads_nothing(tmp_path, place):
    pyramid = Pyramid(write_map(tmp_path, trust=False))
    pyramid.read = None
    shown = read_on_screen(BandSource(pyramid, 1), Screen(*place, 5, 4), UTM)
    assert shown.shape == (4, 5) and np.isnan(shown).all()


def test_a_point_on_the_edge_of_a_pixel_belongs_to_the_one_below_and_right(tmp_path):
    grid = Pyramid(write_map(tmp_path, trust=False)).grid
    assert pixel_at(grid, 500_030, 5_199_970, UTM) == (1, 1)
    assert pixel_at(grid, 499_999.99, 5_199_970, UTM) is None


@pytest.mark.parametrize(
    "wrong", [(0, 0, 0, 1, 5, 5), (0, 0, float("nan"), 1, 5, 5), (0, 0, 1, 1, 0, 5), (0, 0, 1, 1, 5, 10**6)]
)
def test_a_screen_that_cannot_be_is_refused(wrong):
    with pytest.raises(ValueError, match="screen"):
        Screen(*wrong)
