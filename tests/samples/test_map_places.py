"""Places that represent a map lie on a regular lattice of cells with data."""

import numpy as np
import pytest
from affine import Affine

from geosoil.errors import SamplesError
from geosoil.raster.layout import make_raster
from geosoil.samples.map_places import regular_places


def raster_of(values):
    values = np.asarray(values, np.float32)
    values = values[None] if values.ndim == 2 else values
    names, transform = [f"b{number}" for number in range(len(values))], Affine(30, 0, 500, 0, -30, 9000)
    return make_raster(values, names=names, crs="EPSG:32633", transform=transform)


def test_a_whole_raster_has_about_the_number_of_places_at_equal_steps_in_centres_of_cells():
    places = regular_places(raster_of(np.ones((200, 300))), 600)
    x, y = np.unique(places[:, 0]), np.unique(places[:, 1])
    assert len(places) == len(x) * len(y) == 600
    assert set(np.diff(x)) == {300.0} and set(np.diff(y)) == {300.0}
    assert ((x - 500 - 15) % 30 == 0).all() and ((9000 - y - 15) % 30 == 0).all()
    assert x[0] - 500 == pytest.approx(500 + 9000 - x[-1], abs=30)  # as far from the left edge as from the right one


def test_places_lie_where_there_are_data_and_a_small_area_has_as_many():
    values = np.full((200, 200), np.nan)
    values[40:100, 40:100] = 1
    places = regular_places(raster_of(values), 500)
    assert 400 <= len(places) <= 600
    assert places[:, 0].min() > 500 + 40 * 30 and places[:, 0].max() < 500 + 100 * 30
    assert places[:, 1].max() < 9000 - 40 * 30 and places[:, 1].min() > 9000 - 100 * 30


def test_a_cell_without_data_in_another_band_is_no_place_of_the_map():
    values = np.ones((3, 50, 50))
    values[2, :, 25:] = np.nan
    assert regular_places(raster_of(values), 200)[:, 0].max() < 500 + 25 * 30


def test_a_band_without_data_anywhere_is_ignored():
    values = np.ones((3, 30, 30))
    values[0] = np.nan
    assert len(regular_places(raster_of(values), 100)) == 100


def test_a_small_raster_has_a_place_in_each_cell_and_one_cell_has_one():
    assert len(regular_places(raster_of(np.ones((5, 4))), 1000)) == 20
    assert regular_places(raster_of(np.ones((1, 1)))).tolist() == [[515.0, 8985.0]]


def test_a_raster_without_data_is_refused():
    with pytest.raises(SamplesError, match="no data at"):
        regular_places(raster_of(np.full((30, 30), np.nan)), 50)
