import dask.array
import geopandas as gpd
import numpy as np
import pytest
from shared_material import shared
from written_rasters import TRANSFORM, UTM, corrupt_block, write_raster

from geosoil.errors import SamplesError
from geosoil.io.rasters.reader import open_raster
from geosoil.raster.layout import make_raster
from geosoil.samples.extract import sample_raster
from geosoil.sensors.cube import open_cube


def points_at(rows, columns, *, crs=UTM, ids=None):
    x, y = 600_000 + 30 * (np.array(columns) + 0.5), 5_800_000 - 30 * (np.array(rows) + 0.5)
    ids = ids or [f"s{i}" for i in range(len(rows))]
    return gpd.GeoDataFrame({"id": ids}, geometry=gpd.points_from_xy(x, y), crs=crs)


def cube_of(values, **options):
    return make_raster(
        values.astype("float32"), names=[f"b{i}" for i in range(len(values))], crs=UTM, transform=TRANSFORM, **options
    )


VALUES = np.arange(3 * 7 * 9).reshape(3, 7, 9).astype("float32")


def test_the_spectrum_is_that_of_the_pixel_and_neighbours_are_up_down_left_right():
    pixels = sample_raster(cube_of(VALUES, wavelength_nm=[450, 900, 2200]), points_at([3, 0], [4, 8]), sample_id="id")
    np.testing.assert_array_equal(pixels.values, [VALUES[:, 3, 4], VALUES[:, 0, 8]])
    np.testing.assert_array_equal(
        pixels.neighbours[0], [VALUES[:, 2, 4], VALUES[:, 4, 4], VALUES[:, 3, 3], VALUES[:, 3, 5]]
    )
    # In the corner there is nothing above and nothing to the right.
    np.testing.assert_array_equal(np.isnan(pixels.neighbours[1]).all(axis=1), [True, False, False, True])
    assert pixels.values.dtype == pixels.neighbours.dtype == np.float32
    assert (
        pixels.ids.tolist() == ["s0", "s1"] and pixels.wavelength_nm.tolist() == [450, 900, 2200] and pixels.notes == []
    )


def test_numpy_dask_and_a_file_of_any_block_size_give_the_same_rows_in_the_order_of_the_points(tmp_path):
    values = np.random.default_rng(0).integers(1, 9999, (4, 300, 310)).astype("float32")
    rows, columns = np.random.default_rng(1).integers(0, 300, (2, 60))
    points = points_at(rows, columns)
    striped = open_raster(write_raster(tmp_path / "striped.tif", values))
    tiled = open_raster(write_raster(tmp_path / "tiled.tif", values, tiled=True, blockxsize=64, blockysize=32))
    lazy = cube_of(values).copy(data=dask.array.from_array(values, chunks=(1, 100, 100)))
    for cube in (cube_of(values), striped, tiled, lazy):
        pixels = sample_raster(cube, points, sample_id="id")
        np.testing.assert_array_equal(pixels.values, values[:, rows, columns].T)
        np.testing.assert_array_equal(
            pixels.neighbours[:, 0], np.where(rows > 0, values[:, rows - 1, columns], np.nan).T
        )


def test_points_in_another_crs_fall_on_the_same_pixels_and_it_is_noted():
    points = points_at([3, 1], [4, 2])
    pixels = sample_raster(cube_of(VALUES), points.to_crs("EPSG:4326"), sample_id="id")
    np.testing.assert_array_equal(pixels.values, [VALUES[:, 3, 4], VALUES[:, 1, 2]])
    assert pixels.notes == ["points were reprojected to the CRS of the raster, EPSG:32633"]


def test_points_without_a_spectrum_are_named_at_most_five_and_can_be_dropped():
    values = VALUES.copy()
    values[:, 2, 2] = np.nan
    values[1, 5, 5] = np.nan
    points = points_at([3, 1, 2, 5, -1, 7, 8, 9, 10, 11], [4, 2, 2, 5, 0, 0, 0, 0, 0, 0])
    said = (
        "6 of 10 points outside the raster: s4, s5, s6, s7, s8 and 1 more; 1 of 10 points on no data: s2; "
        "1 of 10 points on pixels where some bands have no data: s3"
    )
    with pytest.raises(SamplesError, match=said):
        sample_raster(cube_of(values), points, sample_id="id")
    pixels = sample_raster(cube_of(values), points, sample_id="id", on_missing="drop")
    assert pixels.ids.tolist() == ["s0", "s1"] and pixels.notes == [f"dropped {said}"]
    assert np.isfinite(pixels.values).all()


def test_fewer_than_two_spectra_are_no_table():
    with pytest.raises(SamplesError, match="1 points with a value"):
        sample_raster(cube_of(VALUES), points_at([3, 99], [4, 99]), sample_id="id", on_missing="drop")
    with pytest.raises(SamplesError, match="0 points with a value"):
        sample_raster(cube_of(VALUES), points_at([99, 99], [4, 99]), sample_id="id", on_missing="drop")


def test_two_points_in_one_pixel_are_noted():
    pixels = sample_raster(cube_of(VALUES), points_at([3, 3, 1], [4, 4, 2]), sample_id="id")
    assert pixels.notes == ["2 points share 1 pixels with another point: s0"]


def test_a_cube_in_sensor_geometry_takes_no_points():
    cube = make_raster(VALUES, names="abc", crs=None, transform=TRANSFORM)
    with pytest.raises(SamplesError, match="no CRS of the raster"):
        sample_raster(cube, points_at([3, 1], [4, 2]), sample_id="id")
    with pytest.raises(SamplesError, match="no CRS of the points"):
        sample_raster(cube_of(VALUES), points_at([3, 1], [4, 2], crs=None), sample_id="id")


def test_only_windows_around_the_points_are_read(tmp_path):
    stored = np.random.default_rng(0).integers(1, 99, (2, 512, 512), dtype="int16")
    profile = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate", "interleave": "band"}
    path = write_raster(tmp_path / "a.tif", stored, **profile)
    corrupt_block(path, band=1, row=1, column=1)
    pixels = sample_raster(open_raster(path), points_at([100, 300, 10], [100, 300, 400]), sample_id="id")
    np.testing.assert_array_equal(pixels.values, stored[:, [100, 300, 10], [100, 300, 400]].T)


def test_dead_bands_of_the_real_enmap_cube_are_left_out_and_named():
    folder = shared("data/rasters/enmap_potsdam")
    cube = open_cube(folder / "enmap_potsdam_mosaic.tif", scale=1e-4)
    points = gpd.read_file(folder / "landcover_potsdam_point.gpkg").reset_index(names="number")
    pixels = sample_raster(cube, points, sample_id="number", on_missing="drop")
    assert len(pixels.ids) >= 2 and pixels.values.shape == (len(pixels.ids), 224 - 6)
    assert any(note.startswith("left out 6 bands without data at any point: 13") for note in pixels.notes)
    np.testing.assert_array_equal(pixels.wavelength_nm.size, 218)
    assert 0 < pixels.values.mean() < 0.6
