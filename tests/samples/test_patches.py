"""Patches are centred at their points, continue beyond the edge as blocks of a map do, and count their gaps."""

import geopandas as gpd
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from written_rasters import TRANSFORM, UTM, corrupt_block, write_raster

from geosoil.errors import SamplesError
from geosoil.io.rasters.reader import open_raster
from geosoil.raster.blocks import map_blocks
from geosoil.raster.layout import make_raster
from geosoil.samples.patches import extract_patches


def points_at(rows, columns, *, crs=UTM):
    x, y = 600_000 + 30 * (np.array(columns) + 0.5), 5_800_000 - 30 * (np.array(rows) + 0.5)
    ids = [f"s{i}" for i in range(len(rows))]
    return gpd.GeoDataFrame({"id": ids}, geometry=gpd.points_from_xy(x, y), crs=crs)


def raster_of(values):
    return make_raster(
        values.astype("float32"), names=[f"b{i}" for i in range(len(values))], crs=UTM, transform=TRANSFORM
    )


VALUES = np.random.default_rng(0).normal(size=(2, 20, 30)).astype("float32")


@settings(max_examples=30, deadline=None)
@given(
    size=st.sampled_from([1, 3, 5, 9, 15]),
    places=st.lists(st.tuples(st.integers(0, 19), st.integers(0, 29)), min_size=2, max_size=8),
)
def test_a_patch_is_the_window_of_the_raster_mirrored_at_its_edge(size, places):
    rows, columns = np.array(places).T
    found = extract_patches(raster_of(VALUES), points_at(rows, columns), size=size, sample_id="id")
    half = size // 2
    mirrored = np.pad(VALUES, ((0, 0), (half, half), (half, half)), mode="symmetric")
    expected = [mirrored[:, row : row + size, column : column + size] for row, column in places]
    np.testing.assert_array_equal(found.patches, expected)
    assert found.patches.dtype == np.float32 and found.bands.tolist() == ["b0", "b1"]


def test_the_block_engine_mirrors_the_same_way():
    rows, columns = np.indices((20, 30)).reshape(2, -1)
    found = extract_patches(raster_of(VALUES), points_at(rows, columns), size=9, sample_id="id")

    def corner(block):
        return block[:1, :-8, :-8]

    seen = map_blocks(corner, raster_of(VALUES), names=["corner"], halo=4, block=7, edge="reflect").values
    np.testing.assert_array_equal(found.patches[:, 0, 0, 0], seen.reshape(-1))


def test_any_block_size_of_a_file_gives_the_same_patches_in_the_order_of_the_points(tmp_path):
    values = np.random.default_rng(0).integers(1, 9999, (3, 300, 310)).astype("float32")
    rows, columns = np.random.default_rng(1).integers(0, 300, (2, 40))
    expected = extract_patches(raster_of(values), points_at(rows, columns), size=15, sample_id="id").patches
    for name, options in (("striped", {}), ("tiled", {"tiled": True, "blockxsize": 64, "blockysize": 32})):
        raster = open_raster(write_raster(tmp_path / f"{name}.tif", values, **options))
        found = extract_patches(raster, points_at(rows, columns).to_crs("EPSG:4326"), size=15, sample_id="id")
        np.testing.assert_array_equal(found.patches, expected)
        assert "points were reprojected to the CRS of the raster, EPSG:32633" in found.notes


def test_only_windows_around_the_points_are_read(tmp_path):
    stored = np.random.default_rng(0).integers(1, 99, (2, 512, 512), dtype="int16")
    profile = {"tiled": True, "blockxsize": 128, "blockysize": 128, "compress": "deflate", "interleave": "band"}
    path = write_raster(tmp_path / "a.tif", stored, **profile)
    corrupt_block(path, band=1, row=1, column=1)
    found = extract_patches(open_raster(path), points_at([100, 300], [100, 300]), size=15, sample_id="id")
    np.testing.assert_array_equal(found.patches[0], stored[:, 93:108, 93:108])


def test_gaps_stay_nan_and_are_counted_and_a_centre_without_data_is_a_missing_point():
    values = VALUES.copy()
    values[0, 5, 6] = np.nan
    raster = raster_of(values)
    found = extract_patches(raster, points_at([5, 10], [5, 10]), size=3, sample_id="id")
    assert np.isnan(found.patches[0, 0, 1, 2]) and found.gap_counts.tolist() == [[1, 0], [0, 0]]
    assert found.notes == ["1 of 2 patches have gaps, 2.78% of all their values"]
    points = points_at([5, 10, 5, 99], [5, 10, 6, 0])
    said = "1 of 4 points outside the raster: s3; 1 of 4 points on pixels where some bands have no data: s2"
    with pytest.raises(SamplesError, match=said):
        extract_patches(raster, points, size=3, sample_id="id")
    kept = extract_patches(raster, points, size=3, sample_id="id", on_missing="drop")
    assert kept.ids.tolist() == ["s0", "s1"] and kept.notes[0] == f"dropped {said}"
    np.testing.assert_array_equal(kept.patches, found.patches)


@pytest.mark.parametrize("size", [0, 2, 8, 21, 31])
def test_an_even_patch_and_one_larger_than_the_raster_are_refused_in_one_line(size):
    said = rf"found patches of {size} x {size} pixels on a raster of 20 x 30; expected an odd size, not larger"
    with pytest.raises(SamplesError, match=said):
        extract_patches(raster_of(VALUES), points_at([5, 6], [5, 6]), size=size, sample_id="id")


def test_points_without_a_crs_are_refused():
    with pytest.raises(SamplesError, match="no CRS of the points"):
        extract_patches(raster_of(VALUES), points_at([5, 6], [5, 6], crs=None), size=3, sample_id="id")
