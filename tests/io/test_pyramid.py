"""Levels of a raster: windows of its overviews have the values that rasterio reads there."""

import numpy as np
import pytest
import rasterio
from rasterio.enums import Resampling
from rasterio.windows import Window
from small_maps import write_map

from geosoil.errors import RasterError
from geosoil.io.rasters.pyramid import SMALLEST_SIDE, Pyramid


@pytest.mark.parametrize("grid", ["utm", "rotated", "geographic"])
def test_a_window_of_a_level_is_that_of_the_overview(tmp_path, grid):
    path = write_map(tmp_path, grid, shape=(1100, 1300), trust=False)
    pyramid = Pyramid(path)
    assert [level.factor for level in pyramid.levels[:3]] == [1, 2, 4]
    for number, level in enumerate(pyramid.levels):
        overview = {} if number == 0 else {"overview_level": number - 1}
        with rasterio.open(path, **overview) as source:
            expected = source.read(1, window=Window(20, 10, 30, 40))
            assert level.grid.transform.almost_equals(source.transform, 1e-9)
            assert (level.grid.height, level.grid.width) == source.shape
        np.testing.assert_array_equal(pyramid.read([1], number, slice(10, 50), slice(20, 50))[0], expected)


def test_a_raster_without_overviews_has_thinned_levels_of_its_pixels(tmp_path):
    values = np.arange(600 * 1100, dtype=np.float32).reshape(1, 600, 1100)
    profile = {"driver": "GTiff", "width": 1100, "height": 600, "count": 1, "dtype": "float32", "crs": "EPSG:32632"}
    with rasterio.open(tmp_path / "a.tif", "w", **profile, transform=rasterio.Affine(30, 0, 0, 0, -30, 0)) as made:
        made.write(values)
    pyramid = Pyramid(tmp_path / "a.tif")
    assert [(level.factor, level.step) for level in pyramid.levels] == [(1, 1), (2, 2), (4, 4)]
    assert max(pyramid.levels[-1].grid.width, pyramid.levels[-1].grid.height) <= SMALLEST_SIDE
    read = pyramid.read([1], 1, slice(5, 9), slice(7, 12))[0]
    rows, columns = np.divmod(read.astype(int), 1100)
    np.testing.assert_array_equal(rows // 2, np.repeat(np.arange(5, 9)[:, None], 5, axis=1))  # each lies in its pixel
    np.testing.assert_array_equal(columns // 2, np.repeat(np.arange(7, 12)[None], 4, axis=0))


def test_scale_nodata_and_mask_are_applied_at_every_level(tmp_path):
    stored = np.full((1, 64, 64), 200, np.int16)
    stored[0, :32] = -1
    profile = {"driver": "GTiff", "width": 64, "height": 64, "count": 1, "dtype": "int16", "crs": "EPSG:32632"}
    with rasterio.open(
        tmp_path / "a.tif", "w", **profile, nodata=-1, transform=rasterio.Affine(9, 0, 0, 0, -9, 0)
    ) as a:
        a.write(stored)
        a.scales, a.offsets = (0.5,), (1.0,)
        a.build_overviews([2, 4], Resampling.nearest)
    pyramid = Pyramid(tmp_path / "a.tif")
    for number, level in enumerate(pyramid.levels):
        half = level.grid.height // 2
        values = pyramid.read([1], number, slice(half - 1, half + 1), slice(0, 1))[0]
        np.testing.assert_array_equal(values, [[np.nan], [101.0]])


def test_a_file_that_is_not_a_raster_is_refused(tmp_path):
    (tmp_path / "a.tif").write_text("some text")
    with pytest.raises(RasterError, match="not a raster"):
        Pyramid(tmp_path / "a.tif")
