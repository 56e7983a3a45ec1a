"""Pictures have north up: each place of the ground shows the pixel that contains it."""

import numpy as np
import pytest
from affine import Affine

from geosoil.raster.grid import Grid
from geosoil.raster.north_up import north_up

VALUES = np.arange(2 * 6 * 9, dtype=np.float32).reshape(2, 6, 9) + 1
CORNER = Affine.translation(500_000, 4_000_000)


def places(values, extent):
    """Return x and y of the pixel centres of a picture."""
    left, right, bottom, top = extent
    rows, columns = values.shape[1:]
    x = left + (np.arange(columns) + 0.5) * (right - left) / columns
    y = top - (np.arange(rows) + 0.5) * (top - bottom) / rows
    return [axis.ravel() for axis in np.meshgrid(x, y)]


@pytest.mark.parametrize("degrees", [-155, -90, -25, 0, 10, 45, 90, 180])
@pytest.mark.parametrize(("across", "down"), [(30, -30), (30, 30), (-30, -30), (20, -40)])
def test_every_place_of_a_turned_picture_shows_the_pixel_that_contains_it(degrees, across, down):
    transform = CORNER @ Affine.rotation(degrees) @ Affine.scale(across, down)
    picture, extent = north_up(VALUES, transform)
    grid = Grid(None, transform, 6, 9)
    left, bottom, right, top = grid.bounds
    assert extent == pytest.approx((left, right, bottom, top))
    rows, columns = grid.rows_columns(*places(picture, extent))
    expected = np.where(rows >= 0, VALUES[:, rows, columns], np.nan)
    np.testing.assert_array_equal(picture.reshape(2, -1), expected)


def test_an_upright_picture_is_not_changed():
    picture, extent = north_up(VALUES.astype("uint8"), CORNER @ Affine.scale(30, -30))
    np.testing.assert_array_equal(picture, VALUES)
    assert picture.dtype == np.uint8
    assert extent == (500_000, 500_270, 3_999_820, 4_000_000)
