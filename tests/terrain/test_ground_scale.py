"""Cells are measured on the ground: a plane of 10 degrees has 10 degrees in every projection, or is refused."""

import numpy as np
import pytest
from affine import Affine
from dems import dem_of
from pyproj import Geod, Transformer

from geosoil.errors import GridError
from geosoil.raster.grid import Grid
from geosoil.terrain.cells import cell_sizes
from geosoil.terrain.flow import drain
from geosoil.terrain.ground_scale import ground_scale
from geosoil.terrain.slope import slope
from geosoil.terrain.streams import stream_cells, stream_lines

SITE = 'LOCAL_CS["site",UNIT["{}",{}],AXIS["X",EAST],AXIS["Y",NORTH]]'
SINUSOIDAL = "+proj=sinu +R=6371007.181 +units=m"  # of MODIS
GRADS = "EPSG:4807"


def near(crs, longitude, latitude, *, cell=40.0, shape=(30, 30)):
    """Return the transform of square cells whose upper left corner is at a place."""
    x, y = Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform(longitude, latitude)
    return {"crs": crs, "transform": Affine(cell, 0, x, 0, -cell, y)}


def geodesic_sizes(dem, row, column):
    """Measure a cell by geodesics through its centre on WGS84."""
    crs, t = Grid.of(dem).crs, Grid.of(dem).transform
    x, y = t.c + t.a * (column + 0.5), t.f + t.e * (row + 0.5)
    to_degrees = Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    ends = [(x - t.a / 2, y), (x + t.a / 2, y), (x, y + t.e / 2), (x, y - t.e / 2)]
    west, east, south, north = (to_degrees.transform(*end) for end in ends)
    globe = Geod(ellps="WGS84")
    return globe.inv(*west, *east)[2], globe.inv(*south, *north)[2]


@pytest.mark.parametrize(
    ("crs", "longitude", "latitude"),
    [
        ("EPSG:3857", 10, 60),  # Web Mercator
        ("EPSG:3857", -70, -35),
        ("EPSG:3395", 10, 45),  # World Mercator
        ("EPSG:4087", 10, 50),  # Plate Carree in metres
        ("EPSG:6933", 20, 50),  # EASE-Grid
        ("EPSG:3413", -45, 60),  # polar stereographic, south of its true scale
        ("EPSG:3031", 100, -88),
    ],
)
def test_a_plane_of_10_degrees_on_the_ground_has_10_degrees_in_every_projection(crs, longitude, latitude):
    place = near(crs, longitude, latitude)
    width_m, height_m = geodesic_sizes(dem_of(np.zeros((30, 30)), **place), 15, 15)
    rows, columns = np.mgrid[:30, :30]
    for heights in (columns * width_m, rows * height_m):
        steep = slope(dem_of(np.tan(np.deg2rad(10)) * heights, **place))
        assert float(steep[0, 15, 15]) == pytest.approx(10, abs=0.01)
        assert "m on the ground" in steep.attrs["notes"][0]


def test_the_scale_of_web_mercator_follows_the_latitude_of_each_row():
    dem = dem_of(np.zeros((400, 5)), crs="EPSG:3857", transform=Affine(20_000, 0, 0, 0, -20_000, 8_399_738))
    sizes = cell_sizes(dem)
    for row in (0, 137, 399):
        width_m, height_m = geodesic_sizes(dem, row, 2)
        assert sizes.width_m[row] == pytest.approx(width_m, rel=1e-4)
        assert sizes.height_m[row] == pytest.approx(height_m, rel=1e-4)


def test_catchments_and_streams_of_web_mercator_are_those_of_the_same_ground_in_utm():
    heights = np.abs(np.arange(-2.0, 3))[None] + np.arange(20.0)[::-1, None]
    figures = []
    for place in (near("EPSG:3857", 10, 60, cell=40), near("EPSG:32632", 10, 60, cell=20)):
        drainage = drain(dem_of(heights, **place))
        lines = stream_lines(drainage, stream_cells(drainage, 1000))
        figures.append([drainage.areas("d8")[0].max(), drainage.valid_m2, lines.length_m.sum()])
    np.testing.assert_allclose(figures[0], figures[1], rtol=0.01)
    assert figures[0][1] == pytest.approx(100 * 400, rel=0.01)


@pytest.mark.parametrize(("crs", "longitude", "latitude"), [("EPSG:32633", 17.9, 50), ("EPSG:3035", 12, 48)])
def test_cells_of_utm_and_national_grids_keep_the_size_of_their_coordinates(crs, longitude, latitude):
    sizes = cell_sizes(dem_of(np.zeros((3, 3)), **near(crs, longitude, latitude)))
    assert (sizes.width_m == 40).all()
    assert (sizes.height_m == 40).all()
    assert sizes.note == ""


@pytest.mark.parametrize(("crs", "longitude"), [(SINUSOIDAL, 30), ("ESRI:54009", 80)])
def test_a_projection_whose_rows_and_columns_are_not_perpendicular_is_refused(crs, longitude):
    with pytest.raises(GridError, match=r"degrees apart on the ground; .*gdalwarp -t_srs"):
        slope(dem_of(np.zeros((5, 5)), **near(crs, longitude, 45)))


def test_a_projection_whose_scale_changes_along_a_row_is_refused():
    half_the_globe = Affine(700_000, 0, -7e6, 0, -700_000, 0)
    dem = dem_of(np.zeros((1, 20)), crs="EPSG:3413", transform=half_the_globe)
    with pytest.raises(GridError, match=r"changes by \d\d % along a row; .*cut it into smaller parts"):
        cell_sizes(dem)


def test_rows_beyond_the_globe_take_the_scale_of_the_nearest_row():
    pole = Affine(2e5, 0, 0, 0, -2e5, 2.0e7)
    along_rows, _ = ground_scale(Grid.of(dem_of(np.zeros((100, 1)), crs="EPSG:6933", transform=pole)), "dem.tif")
    beyond = int((2.0e7 - 7.4e6) / 2e5)
    assert along_rows[0] == along_rows[beyond - 5]


@pytest.mark.parametrize(("unit", "metres"), [("metre", 1.0), ("Foot_US", 1200 / 3937)])
def test_the_local_crs_of_a_site_has_cells_of_its_unit(unit, metres):
    sizes = cell_sizes(dem_of(np.zeros((3, 4)), crs=SITE.format(unit, metres)))
    assert sizes.width_m[0] == pytest.approx(10 * metres)
    assert ("became metres" in sizes.note) == (metres != 1)


def test_a_geocentric_crs_is_refused_by_one_line():
    with pytest.raises(GridError, match=r"a CRS without a plane.*gdalwarp -t_srs"):
        slope(dem_of(np.zeros((3, 3)), crs="EPSG:4978"))


def test_a_grid_in_grads_is_scaled_as_one_in_degrees():
    grads = dem_of(np.zeros((3, 3)), crs=GRADS, transform=Affine(0.001, 0, 0, 0, -0.001, 50))  # 45 degrees north
    degrees = dem_of(np.zeros((3, 3)), crs="EPSG:4326", transform=Affine(0.0009, 0, 0, 0, -0.0009, 45))
    for name in ("width_m", "height_m"):
        expected = getattr(cell_sizes(degrees, degrees="scale"), name)
        np.testing.assert_allclose(getattr(cell_sizes(grads, degrees="scale"), name), expected, rtol=1e-9)
