"""Bands with pixels of another size on the grid of a cube: exact means and repetitions, in any window."""

import numpy as np
import pytest
from affine import Affine
from written_rasters import write_raster

from geosoil.errors import GridError
from geosoil.io.rasters.multiples import to_multiple
from geosoil.io.rasters.reader import open_raster
from geosoil.raster.grid import Grid

CORNER = Affine(20, 0, 600_000, 0, -20, 5_800_000)


def sized(factor, east=0.0):
    """Return the transform of pixels of another size at the same corner, or further east."""
    return Affine(20 * factor, 0, 600_000 + east, 0, -20 * factor, 5_800_000)


@pytest.fixture
def coarse_grid(tmp_path):
    return Grid.of(open_raster(write_raster(tmp_path / "grid.tif", np.ones((1, 6, 9), "uint8"), transform=CORNER)))


def test_finer_pixels_become_the_mean_of_those_with_data(tmp_path, coarse_grid):
    stored = np.random.default_rng(0).integers(1, 9000, (2, 12, 18)).astype("uint16")
    stored[:, :2, :2] = 0
    stored[0, 2, 2] = 0
    path = write_raster(tmp_path / "fine.tif", stored, transform=sized(0.5), nodata=0)
    made = to_multiple(open_raster(path, scale=1e-4), coarse_grid)
    values = np.where(stored == 0, np.nan, stored * 1e-4).reshape(2, 6, 2, 9, 2).transpose(0, 1, 3, 2, 4)
    values[:, 0, 0] = np.nan  # a square without data
    n = np.isfinite(values).sum(axis=(3, 4))
    expected = np.where(n > 0, np.nansum(values, axis=(3, 4)) / np.maximum(n, 1), np.nan)
    assert made.shape == (2, 6, 9) and made.dtype == np.float32
    np.testing.assert_allclose(made.values, expected, rtol=1e-6)
    assert np.isnan(made.values[:, 0, 0]).all() and np.isfinite(made.values[:, 1, 1]).all()
    Grid.of(made).require_same(coarse_grid)


def test_coarser_pixels_are_repeated(tmp_path, coarse_grid):
    stored = np.arange(6, dtype="uint16").reshape(1, 2, 3)
    path = write_raster(tmp_path / "coarse.tif", stored, transform=sized(3))
    made = to_multiple(open_raster(path), coarse_grid)
    np.testing.assert_array_equal(made.values, np.kron(stored, np.ones((1, 3, 3))))


@pytest.mark.parametrize("scale", [0.5, 3])
def test_values_do_not_depend_on_the_window(tmp_path, coarse_grid, scale):
    shape = round(6 / scale), round(9 / scale)
    stored = np.random.default_rng(1).random((2, *shape)).astype("float32")
    made = to_multiple(open_raster(write_raster(tmp_path / "a.tif", stored, transform=sized(scale))), coarse_grid)
    whole = made.values
    for rows, columns in ((slice(1, 2), slice(0, 9)), (slice(2, 5), slice(4, 7)), (slice(5, 6), slice(8, 9))):
        np.testing.assert_array_equal(made[:, rows, columns].values, whole[:, rows, columns])
    np.testing.assert_array_equal(made[[1], :, 3].values, whole[[1], :, 3])


@pytest.mark.parametrize(
    ("shape", "transform"),
    [
        ((12, 18), sized(0.5, east=10)),  # one pixel further
        ((12, 16), sized(0.5)),
        ((11, 17), sized(0.5)),
        ((9, 13), sized(0.7)),
        ((12, 18), Affine(10, 0, 600_000, 0, -12, 5_800_000)),
    ],
)
def test_a_grid_that_is_no_multiple_is_refused(tmp_path, coarse_grid, shape, transform):
    path = write_raster(tmp_path / "a.tif", np.ones((1, *shape), "uint8"), transform=transform)
    with pytest.raises(GridError, match=r"a\.tif"):
        to_multiple(open_raster(path), coarse_grid)
