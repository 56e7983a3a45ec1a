"""Global rasters in degrees on local, polar and global grids: the values of a field that is known everywhere."""

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.warp import Resampling, reproject
from rasterio.warp import transform as transform_points
from written_rasters import write_raster

from geosoil.errors import GridError
from geosoil.io.rasters.stack import open_stack
from geosoil.io.rasters.warped import pixel_ratio, warp_raster
from geosoil.raster.grid import Grid

LONGITUDES = {"from_180_west": -180.0, "from_0": 0.0, "centred_on_0": -0.5}
GRIDS = {
    "at 70 west": ("EPSG:32719", Affine(20_000, 0, 550_000, 0, -20_000, 6_500_000), (30, 30)),
    "at Greenwich": ("EPSG:32631", Affine(20_000, 0, -300_000, 0, -20_000, 6_500_000), (40, 40)),
    "at the antimeridian": ("EPSG:32760", Affine(20_000, 0, 500_000, 0, -20_000, 6_000_000), (40, 40)),
    "the Antarctic": ("EPSG:3031", Affine(50_000, 0, -3e6, 0, -50_000, 3e6), (120, 120)),
    "the Arctic": ("EPSG:3413", Affine(50_000, 0, -3e6, 0, -50_000, 3e6), (120, 120)),
    "the globe from -180": ("EPSG:4326", Affine(0.7, 0, -180, 0, -0.7, 80), (200, 515)),
    "the globe from 0": ("EPSG:4326", Affine(0.7, 0, 0, 0, -0.7, 80), (200, 515)),
    "in degrees over 180": ("EPSG:4326", Affine(0.3, 0, 170, 0, -0.3, 70), (60, 60)),
    "another datum": ("EPSG:4269", Affine(0.5, 0, -175, 0, -0.5, 80), (60, 200)),
}


def field(longitude, latitude):
    return 10 + 6 * np.sin(np.radians(longitude) * 2) + 4 * np.cos(np.radians(latitude) * 3)


def grid_of(name):
    crs, transform, shape = GRIDS[name]
    return Grid(rasterio.CRS.from_user_input(crs), transform, *shape)


def truth_on(grid):
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    t = grid.transform
    x, y = (t.a * columns + t.c).ravel(), (t.e * rows + t.f).ravel()
    longitude, latitude = (np.reshape(c, columns.shape) for c in transform_points(grid.crs, "EPSG:4326", x, y))
    return field(longitude, latitude), latitude


def write_field(path, left, *, width=360, **profile):
    longitude, latitude = np.meshgrid(left + np.arange(width) + 0.5, 89.5 - np.arange(180))
    values = field(longitude, latitude).astype("float32")[None]
    return write_raster(path, values, **{"crs": "EPSG:4326", "transform": Affine(1, 0, left, 0, -1, 90)} | profile)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("globes")
    for name, left in LONGITUDES.items():
        write_field(folder / f"{name}.tif", left)
    return folder


@pytest.mark.parametrize("grid_name", GRIDS)
@pytest.mark.parametrize("name", LONGITUDES)
def test_a_global_raster_has_its_values_on_any_grid_however_it_counts_longitudes(folder, name, grid_name):
    grid = grid_of(grid_name)
    truth, latitude = truth_on(grid)
    stack = open_stack(folder / f"{name}.tif", like=grid)
    away = np.abs(latitude) < 88  # at the poles the field itself has no single value
    np.testing.assert_allclose(stack.values[0][away], truth[away], atol=0.01)
    assert np.isfinite(stack.values).all()
    assert len(stack.attrs["notes"]) == 1  # no note on a part that is not covered
    nearest = warp_raster(folder / f"{name}.tif", grid, "nearest").values[0]
    np.testing.assert_allclose(nearest[away], truth[away], atol=0.25)  # half a degree


@pytest.mark.parametrize("method", ["average", "mode"])
@pytest.mark.parametrize("name", LONGITUDES)
def test_coarse_pixels_on_the_seam_take_only_what_lies_in_them(folder, name, method):
    """The field repeats after 180 degrees, so zone 60 has the values of zone 30, which no seam crosses."""
    on_the_seam, elsewhere = (
        Grid(rasterio.CRS.from_epsg(code), Affine(300_000, 0, -400_000, 0, -300_000, 7_000_000), 10, 10)
        for code in (32760, 32730)
    )
    expected = warp_raster(folder / "from_180_west.tif", elsewhere, method).values
    values = warp_raster(folder / f"{name}.tif", on_the_seam, method).values
    # Pixels centred on the seam are halves of others.
    np.testing.assert_allclose(values, expected, atol=1e-3 if name != "centred_on_0" else 0.2)


def test_away_from_the_seam_the_values_are_those_of_reproject(folder):
    grid = grid_of("at 70 west")
    with rasterio.open(folder / "from_0.tif") as source:
        expected = np.full((grid.height, grid.width), np.nan, "float32")
        reproject(
            source.read(1), expected, src_transform=source.transform, src_crs=source.crs, dst_transform=grid.transform,
            dst_crs=grid.crs, resampling=Resampling.bilinear,
        )  # fmt: skip
    np.testing.assert_allclose(
        warp_raster(folder / "from_0.tif", grid, "bilinear").values[0], expected, atol=0.03
    )  # an eighth of a pixel


@pytest.mark.parametrize(("left", "width"), [(170.0, 20), (200.0, 100), (-160.0, 100)])
def test_a_part_of_the_globe_is_found_however_it_counts_longitudes(tmp_path, left, width):
    path = write_field(tmp_path / "part.tif", left, width=width)
    middle = left + width / 2
    here = Grid(rasterio.CRS.from_epsg(4326), Affine(0.5, 0, middle - 5, 0, -0.5, 60), 20, 20)
    for turns in (-360, 0, 360):
        moved = Affine(0.5, 0, middle - 5 + turns, 0, -0.5, 60)
        grid = Grid(here.crs, moved, 20, 20)
        stack = open_stack(path, like=grid)
        np.testing.assert_allclose(stack.values[0], truth_on(here)[0], atol=0.01)
        assert len(stack.attrs["notes"]) == 1
    zone = int((middle + 180) % 360 // 6) + 1
    utm = Grid(rasterio.CRS.from_epsg(32600 + zone), Affine(9000, 0, 300_000, 0, -9000, 6_500_000), 30, 40)
    np.testing.assert_allclose(open_stack(path, like=utm).values[0], truth_on(utm)[0], atol=0.01)


def test_bands_of_no_data_and_scale_keep_their_meaning_across_the_seam(tmp_path):
    stored = np.tile(np.arange(360), (180, 1)).astype("int16")[None]
    stored[:, 60:70, :2] = -1
    path = write_raster(
        tmp_path / "a.tif", stored, crs="EPSG:4326", transform=Affine(1, 0, 0, 0, -1, 90), nodata=-1,
        scales=(0.1,), offsets=(5.0,),
    )  # fmt: skip
    grid = Grid(rasterio.CRS.from_epsg(4326), Affine(1, 0, -3, 0, -1, 30), 10, 6)
    values = open_stack(path, like=grid).values[0]
    np.testing.assert_allclose(values[:, :3], np.tile([40.7, 40.8, 40.9], (10, 1)), rtol=1e-6)
    assert np.isnan(values[:, 3:5]).all()
    np.testing.assert_allclose(values[:, 5], 5.2, rtol=1e-6)


def test_the_share_that_a_raster_covers_is_that_of_the_grid_and_not_of_boxes(tmp_path):
    west = write_field(tmp_path / "west.tif", -180.0, width=180)
    half = Grid(rasterio.CRS.from_epsg(32631), Affine(5000, 0, 106_000, 0, -5000, 50_000), 20, 20)
    note = open_stack(west, like=half).attrs["notes"][-1]
    assert note == "west.tif: covers about 60 % of the grid; no data beyond"  # 0 east is at x = 166 021 m
    speck = write_raster(
        tmp_path / "speck.tif", np.ones((1, 3, 3), "float32"), transform=Affine(10, 0, 615, 0, -10, 900)
    )
    large = Grid(rasterio.CRS.from_epsg(32633), Affine(10, 0, 0, 0, -10, 20_000), 2000, 2000)
    assert "covers about 0 %" in open_stack(speck, like=large).attrs["notes"][-1]
    with pytest.raises(GridError, match="does not overlap the grid"):
        open_stack(west, like=Grid(half.crs, Affine(10, 0, 5e5, 0, -10, 5e6), 9, 9))


def test_the_ratio_of_pixels_is_true_at_a_pole_and_on_the_seam():
    globe = Grid(rasterio.CRS.from_epsg(4326), Affine(0.25, 0, -180, 0, -0.25, 90), 720, 1440)
    fiji = Grid(rasterio.CRS.from_epsg(3832), Affine(10_000, 0, 3_339_000 - 60_000, 0, -10_000, 60_000), 12, 12)
    assert pixel_ratio(globe, fiji) == pytest.approx(10_000 / 27_800, rel=0.01)
    pole = Grid(rasterio.CRS.from_epsg(3031), Affine(25_000, 0, -2e6, 0, -25_000, 2e6), 160, 160)
    # At 1414 km from the pole, which is a latitude of 77.1 degrees.
    assert pixel_ratio(globe, pole) == pytest.approx(25_000 / (27_800 * np.cos(np.radians(77.1)) ** 0.5), rel=0.05)


@pytest.mark.parametrize("crs", ["EPSG:3413", "EPSG:3031"])
@pytest.mark.parametrize("left", LONGITUDES.values())
def test_no_pixel_beside_a_pole_is_averaged_around_the_globe(tmp_path, crs, left):
    # Around a pole a field that changes with the longitude, whose mean around the globe is another value.
    longitude, latitude = np.meshgrid(left + 0.1 + 0.2 * np.arange(1800), 89.9 - 0.2 * np.arange(900))
    values = 10 + (90 - np.abs(latitude)) * np.cos(np.radians(longitude))
    write_raster(
        tmp_path / "a.tif", values.astype("float32")[None], crs="EPSG:4326", transform=Affine(0.2, 0, left, 0, -0.2, 90)
    )
    grid = Grid(rasterio.CRS.from_user_input(crs), Affine(5000, 0, -1e5, 0, -5000, 1e5), 40, 40)
    columns, rows = np.meshgrid(np.arange(40) + 0.5, np.arange(40) + 0.5)
    x, y = (5000 * columns - 1e5).ravel(), (1e5 - 5000 * rows).ravel()
    lon, lat = (np.reshape(c, (40, 40)) for c in transform_points(grid.crs, "EPSG:4326", x, y))
    result = open_stack(tmp_path / "a.tif", like=grid).values[0]
    np.testing.assert_allclose(result, 10 + (90 - np.abs(lat)) * np.cos(np.radians(lon)), atol=0.08)
