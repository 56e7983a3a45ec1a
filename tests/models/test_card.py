"""The grid that a model's card keeps: that of training, whatever its CRS and however it is turned."""

import pytest
from rasterio import Affine
from rasterio.crs import CRS

from geosoil.models.card import GridCard
from geosoil.raster.grid import Grid

NO_CODE = CRS.from_proj4("+proj=laea +lat_0=-30 +lon_0=149 +datum=WGS84 +units=m")


@pytest.mark.parametrize(
    ("crs", "transform", "sides"),
    [
        (CRS.from_epsg(32755), Affine(90, 0, 7e5, 0, -90, 6e6), (90, 90)),
        (CRS.from_epsg(4326), Affine(0.1, 0, 149, 0, -0.2, -30), (0.1, 0.2)),
        (NO_CODE, Affine(20, 15, 5, 15, -20, 7), (25, 25)),
    ],
)
def test_a_grid_comes_back_from_a_card_with_its_crs_and_resolution(crs, transform, sides):
    card = GridCard.model_validate_json(GridCard.of(Grid(crs, transform, 4, 5)).model_dump_json())
    assert card.resolution == pytest.approx(sides)
    assert card.pixel().crs == crs
    assert (card.pixel().transform.a, -card.pixel().transform.e) == pytest.approx(sides)
