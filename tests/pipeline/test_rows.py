"""Places of training rows in metres, whatever the CRS of the samples."""

import numpy as np
import pytest
from pyproj import CRS, Geod, Transformer
from small_rows import N, spectral_rows

from geosoil.pipeline.splits import SPLITS
from geosoil.pipeline.validation_settings import ValidationSettings

SITE_IN_FEET = 'LOCAL_CS["site",UNIT["foot",0.3048],AXIS["x",EAST],AXIS["y",NORTH]]'


def rows_in(crs, longitude=-79.0):
    """Rows 100 m apart along a parallel in North Carolina, in a CRS, with the map at the places of the first five."""
    lon, lat, _ = Geod(ellps="WGS84").fwd(np.full(N, longitude), np.full(N, 35.5), np.full(N, 90), 100.0 * np.arange(N))
    xy = np.column_stack(Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(lon, lat))
    return spectral_rows(xy=xy, crs=CRS(crs), map_places=xy[:5])


@pytest.mark.parametrize("crs", ["EPSG:32617", "EPSG:2264", "EPSG:3857", "EPSG:4326", "EPSG:5070"])
def test_distances_between_rows_are_metres_of_the_ground_in_every_crs(crs):
    rows = rows_in(crs)
    steps = np.hypot(*np.diff(rows.xy_m, axis=0).T)
    np.testing.assert_allclose(steps, 100, rtol=0.02)  # of feet, it would be 328, and of Web Mercator 123
    np.testing.assert_allclose(rows.map_places_m, rows.xy_m[:5])


def test_coordinates_in_metres_stay_as_they_are():
    rows = rows_in("EPSG:32617")
    np.testing.assert_array_equal(rows.xy_m, rows.xy)


def test_places_on_both_sides_of_the_date_line_are_neighbours():
    rows = rows_in("EPSG:3857", longitude=179.99)
    assert np.ptp(rows.xy[:, 0]) > 4e7
    np.testing.assert_allclose(np.hypot(*np.diff(rows.xy_m, axis=0).T), 100, rtol=1e-3)


@pytest.mark.parametrize("crs", ["EPSG:2264", "EPSG:3857"])
def test_a_buffer_in_metres_leaves_out_the_same_rows_in_every_crs(crs):
    settings = ValidationSettings(split=["buffer"], buffer_m=250.0)
    for split in SPLITS["buffer"].divide(rows_in(crs), settings, 0):
        assert sorted({*range(N)} - {*split.train}) == [i for i in range(N) if abs(i - split.test[0]) <= 2]


def test_the_local_crs_of_a_site_has_metres_of_its_unit():
    rows = spectral_rows(xy=np.column_stack([np.arange(N), np.zeros(N)]), crs=CRS(SITE_IN_FEET))
    np.testing.assert_allclose(rows.xy_m[:, 0], 0.3048 * np.arange(N))


def test_places_without_a_crs_have_no_metres():
    assert spectral_rows(xy=np.zeros((N, 2))).xy_m is None
