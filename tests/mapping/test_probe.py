"""Sampled pixels are spread over a raster, and none of them is counted twice."""

import numpy as np
import pytest
from written_rasters import TRANSFORM, UTM

from geosoil.mapping.probe import SIDE, WINDOWS, probe_values
from geosoil.raster.layout import make_raster


def numbered(side):
    values = np.arange(side * side, dtype=np.float32).reshape(1, side, side)
    return make_raster(values, names=["number"], crs=UTM, transform=TRANSFORM)


@pytest.mark.parametrize("side", [1, SIDE, 100, WINDOWS * SIDE, WINDOWS * SIDE + 1])
def test_no_pixel_is_sampled_twice_and_a_small_raster_is_sampled_whole(side):
    values = probe_values(numbered(side))[0]
    assert len(np.unique(values)) == len(values)
    if side <= WINDOWS * SIDE:
        assert len(values) == side * side


def test_windows_reach_all_corners_and_the_middle_ones_do_not():
    side = 1000
    corners = {0, side - 1, side * (side - 1), side * side - 1}
    assert corners <= set(probe_values(numbered(side))[0])
    middle = probe_values(numbered(side), middle=True)[0]
    assert len(middle) == 4 * SIDE * SIDE and not corners & set(middle)
