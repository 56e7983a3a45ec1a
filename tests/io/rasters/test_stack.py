"""Stacks of covariates: resampling, gaps, classes and names; real covariates of three areas."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Transformer
from rasterio import Affine
from shared_material import shared
from written_rasters import TRANSFORM, UTM, corrupt_block, write_raster

from geosoil.errors import GridError, RasterError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import open_stack
from geosoil.io.rasters.warped import choose_method, pixel_ratio, warp_raster
from geosoil.raster.grid import Grid

WGS84 = rasterio.CRS.from_epsg(4326)
UTM_32 = rasterio.CRS.from_epsg(32632)


@pytest.fixture(scope="module")
def field():
    """A rough field `(3, 240, 260)`, whose values show how a pixel was resampled."""
    return np.random.default_rng(0).normal(100, 10, (3, 240, 260)).astype("float32")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, field):
    folder = tmp_path_factory.mktemp("stack")
    write_raster(folder / "rough.tif", field, descriptions=["a", "b", "c"], tiled=True, blockxsize=64, blockysize=64)
    holes = np.where(np.random.default_rng(1).random(field.shape) < 0.2, -9999, field).astype("float32")
    holes[:, 50:60, 50:60] = np.nan
    write_raster(folder / "holes.tif", holes, nodata=-9999, descriptions=["d", "e", "f"])
    classes = np.random.default_rng(2).integers(1, 5, (1, 240, 260)).astype("uint8")
    classes[0, :10] = 0
    write_raster(folder / "landform.tif", classes, nodata=0)
    return folder


def grid_of(transform, shape, crs=UTM):
    return Grid(rasterio.CRS.from_user_input(crs), transform, *shape)


def turned_over(folder):
    """The target grid in zone 32 that lies inside the rough field."""
    x, y = Transformer.from_crs(UTM, UTM_32, always_xy=True).transform(603_900, 5_796_400)
    return Grid(UTM_32, Affine(31, 0, round(x) - 2000, 0, -31, round(y) + 1900), 120, 130)


def test_a_stack_of_files_of_one_grid_is_open_raster(folder):
    stack = open_stack([folder / "rough.tif", folder / "holes.tif"])
    expected = open_raster([folder / "rough.tif", folder / "holes.tif"])
    np.testing.assert_array_equal(stack.values, expected.values)
    assert stack.band.values.tolist() == ["a", "b", "c", "d", "e", "f"]
    assert stack.encoding["preferred_chunks"] == {"y": 64, "x": 64}
    assert stack.attrs["notes"] == ()


def test_bands_come_in_any_order_and_number_and_the_stack_can_be_pickled(folder):
    stack = open_stack([folder / "rough.tif", folder / "holes.tif"], like=turned_over(folder))
    whole = stack.values
    chosen = pickle.loads(pickle.dumps(stack.sel(band=["f", "a", "b"])[:, 5:90, 3]))
    np.testing.assert_array_equal(chosen.values, whole[[5, 0, 1], 5:90, 3])


@pytest.mark.parametrize("factor", [2, 4, 5])
def test_coarsening_by_whole_pixels_is_the_mean_of_the_valid_ones(folder, factor):
    grid = grid_of(Affine(30 * factor, 0, 600_000, 0, -30 * factor, 5_800_000), (48, 52))
    got = open_stack(folder / "holes.tif", like=grid).values
    fine = open_raster(folder / "holes.tif").values.astype(float)[:, : 48 * factor, : 52 * factor]
    blocks = np.full((3, 48, 52, factor * factor), np.nan)
    cut = fine.reshape(3, fine.shape[1] // factor, factor, fine.shape[2] // factor, factor).swapaxes(2, 3)
    blocks[:, : cut.shape[1], : cut.shape[2]] = cut.reshape(*cut.shape[:3], -1)
    count = np.isfinite(blocks).sum(axis=-1)
    expected = np.where(count > 0, np.nansum(blocks, axis=-1) / np.maximum(count, 1), np.nan)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_bilinear_is_exact_where_gdal_by_default_is_an_eighth_of_a_pixel_off(folder, field):
    grid = turned_over(folder)
    got = warp_raster(folder / "rough.tif", grid, "bilinear").values
    columns, rows = np.meshgrid(np.arange(grid.width) + 0.5, np.arange(grid.height) + 0.5)
    t = grid.transform
    x, y = Transformer.from_crs(UTM_32, UTM, always_xy=True).transform(t.c + t.a * columns, t.f + t.e * rows)
    column, row = (x - 600_000) / 30 - 0.5, (5_800_000 - y) / 30 - 0.5
    i, j = np.floor(row).astype(int), np.floor(column).astype(int)
    v, u = row - i, column - j
    expected = (1 - v) * ((1 - u) * field[:, i, j] + u * field[:, i, j + 1]) + v * (
        (1 - u) * field[:, i + 1, j] + u * field[:, i + 1, j + 1]
    )
    np.testing.assert_allclose(got, expected, atol=1e-3)


@pytest.mark.parametrize("method", ["nearest", "average", "mode"])
def test_a_window_of_a_turned_grid_is_what_gdal_gives_for_the_whole(folder, method):
    from rasterio.warp import Resampling, reproject

    grid = grid_of(Affine(60, 0, 600_300, 0, -60, 5_799_700), (80, 90))  # the same CRS: GDAL's transformer is exact
    source = open_raster(folder / "holes.tif")
    whole = np.full((3, 80, 90), np.nan, "float32")
    reproject(
        source.values, whole, src_transform=TRANSFORM, src_crs=UTM, src_nodata=np.nan, dst_transform=grid.transform,
        dst_crs=UTM, dst_nodata=np.nan, resampling=Resampling[method], UNIFIED_SRC_NODATA="NO",
    )  # fmt: skip
    got = warp_raster(folder / "holes.tif", grid, method)[:, 10:60, 20:70].values
    np.testing.assert_allclose(got, whole[:, 10:60, 20:70], rtol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.data(), st.sampled_from(["nearest", "bilinear", "average", "mode"]))
def test_values_never_depend_on_the_window_or_the_bands_that_are_read(folder, data, method):
    grid = turned_over(folder)
    raster = warp_raster(folder / "holes.tif", grid, method)
    whole = raster.values
    top, left = data.draw(st.integers(0, 110)), data.draw(st.integers(0, 120))
    height, width = data.draw(st.integers(1, 100)), data.draw(st.integers(1, 100))
    bands = data.draw(st.lists(st.integers(0, 2), min_size=1, max_size=3, unique=True))
    window = raster[bands, top : top + height, left : left + width].values
    np.testing.assert_array_equal(window, whole[bands, top : top + height, left : left + width])


def test_where_a_projection_bends_values_do_not_depend_on_the_window_either(tmp_path):
    noise = np.random.default_rng(0).normal(0, 1, (1, 300, 300)).astype("float32")
    write_raster(tmp_path / "wide.tif", noise, transform=Affine(3000, 0, 100_000, 0, -3000, 6_200_000))
    corner = Transformer.from_crs(UTM, 3035, always_xy=True).transform(250_000, 6_050_000)
    grid = grid_of(Affine(700, 0, corner[0], 0, -700, corner[1]), (800, 700), "EPSG:3035")
    raster = warp_raster(tmp_path / "wide.tif", grid, "bilinear")
    whole = raster.values
    for top, left, height, width in ((0, 0, 100, 90), (37, 211, 400, 450), (300, 5, 77, 690), (501, 402, 299, 298)):
        window = raster[:, top : top + height, left : left + width].values
        np.testing.assert_array_equal(window, whole[:, top : top + height, left : left + width])


def test_threads_read_the_same_values(folder):
    stack = open_stack([folder / "rough.tif", folder / "landform.tif"], like=turned_over(folder))
    whole = stack.values
    with ThreadPoolExecutor(4) as pool:
        parts = list(pool.map(lambda i: stack[:, i * 10 : i * 10 + 10].values, list(range(12)) * 3))
    np.testing.assert_array_equal(np.concatenate(parts[:12], axis=1), whole)
    np.testing.assert_array_equal(np.concatenate(parts[24:], axis=1), whole)


def test_no_data_of_one_band_is_never_averaged_into_it(tmp_path):
    values = np.full((2, 8, 8), 10, "int16")
    values[0, ::2] = -32768  # half of the first band only
    values[1, 0, 0] = -32768
    write_raster(tmp_path / "gaps.tif", values, nodata=-32768, descriptions=["x", "y"])
    grid = grid_of(Affine(60, 0, 600_000, 0, -60, 5_800_000), (4, 4))
    np.testing.assert_array_equal(open_stack(tmp_path / "gaps.tif", like=grid).values, 10.0)


@pytest.mark.parametrize("nodata", [-9999.0, float(np.finfo("float32").min), float(np.finfo("float64").min)])
def test_no_data_of_doubles_is_never_averaged_and_takes_no_neighbour_along(tmp_path, nodata):
    values = np.full((1, 8, 8), 10.0)
    values[0, ::2] = nodata
    write_raster(tmp_path / "double.tif", values, nodata=nodata)
    grid = grid_of(Affine(60, 0, 600_000, 0, -60, 5_800_000), (4, 4))
    stack = open_stack(tmp_path / "double.tif", like=grid)
    assert stack.dtype == stack.values.dtype == np.float32
    np.testing.assert_array_equal(stack.values, 10.0)


def test_infinity_is_no_data_on_another_grid_too(tmp_path):
    values = np.full((1, 8, 8), 10.0, "float32")
    values[0, 2, 2], values[0, 5, 5] = np.inf, -np.inf
    write_raster(tmp_path / "infinite.tif", values)
    stack = open_stack(tmp_path / "infinite.tif", like=grid_of(Affine(31, 0, 600_000, 0, -31, 5_800_000), (7, 7)))
    assert set(np.unique(stack.values[np.isfinite(stack.values)])) == {10.0}
    assert not np.isinf(stack.values).any()
    assert np.isnan(stack.values).any()


def test_scale_offset_and_mask_band_are_applied_before_warping(tmp_path):
    values = np.arange(64, dtype="int16").reshape(1, 8, 8)
    path = write_raster(tmp_path / "scaled.tif", values, scales=(0.5,), offsets=(-3.0,))
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(path, "r+") as made:
        mask = np.full((8, 8), 255, "uint8")
        mask[0, :2] = 0
        made.write_mask(mask)
    grid = grid_of(Affine(60, 0, 600_000, 0, -60, 5_800_000), (4, 4))
    stored = values[0].astype(float)
    stored[0, :2] = np.nan
    expected = np.nanmean((0.5 * stored - 3).reshape(4, 2, 4, 2), axis=(1, 3))
    np.testing.assert_allclose(open_stack(path, like=grid).values[0], expected, rtol=1e-6)


def test_another_extent_of_the_same_pixels_is_cut_and_not_resampled(folder, field):
    grid = grid_of(Affine(30, 0, 600_000 - 90, 0, -30, 5_800_000 - 60), (20, 30))
    stack = open_stack(folder / "rough.tif", like=grid)
    np.testing.assert_array_equal(stack.values[:, :, 3:], field[:, 2:22, :27])
    assert np.isnan(stack.values[:, :, :3]).all()
    assert stack.attrs["notes"] == (
        "rough.tif: cropped to the grid, which has the same pixels",
        "rough.tif: covers about 90 % of the grid; no data beyond",
    )


def test_notes_state_what_was_done(folder, tmp_path):
    degrees = np.ones((1, 120, 160), "float32")
    write_raster(tmp_path / "slope.tif", degrees, crs=WGS84, transform=Affine(0.001, 0, 16.45, 0, -0.001, 52.36))
    stack = open_stack([folder / "landform.tif", tmp_path / "slope.tif"], classes={"landform": [1, 2, 3, 4]})
    assert stack.attrs["notes"] == (
        "grid of landform.tif: EPSG:32633, 30 m, 240 x 260 pixels",
        "slope.tif: EPSG:4326, 0.001 degrees -> EPSG:32633, 30 m by bilinear",
    )
    coarse = open_stack(folder / "landform.tif", like=tmp_path / "slope.tif", classes={"landform": [1, 2, 3, 4]})
    assert coarse.attrs["notes"][0].endswith("EPSG:4326, 0.001 degrees by mode (classes)")


def test_classes_become_bands_of_0_and_1_that_add_up_to_1(folder):
    stack = open_stack(
        [folder / "landform.tif", folder / "rough.tif"], classes={"landform": range(1, 5)}, like=turned_over(folder)
    )
    assert stack.band.values.tolist() == [*(f"landform={k}" for k in range(1, 5)), "a", "b", "c"]
    bands = stack[:4].values
    gaps = np.isnan(bands[0])
    assert set(np.unique(bands[:, ~gaps])) == {0.0, 1.0}
    assert (bands[:, ~gaps].sum(axis=0) == 1).all()
    assert (np.isnan(bands) == gaps).all()


def test_a_class_that_the_table_lacks_stops_or_is_no_data(folder):
    stack = open_stack(folder / "landform.tif", classes={"landform": [1, 2, 3]})
    with pytest.raises(RasterError, match=r"landform.tif: found class 4 in the band landform .*--unseen-classes"):
        stack.sel(band="landform=1").values.sum()
    assert np.isnan(stack[:, :10].values).all()  # no such pixel in this window
    stack = open_stack(folder / "landform.tif", classes={"landform": [1, 2, 3]}, unseen="nodata")
    codes = open_raster(folder / "landform.tif").values[0]
    np.testing.assert_array_equal(np.isnan(stack.values[1]), np.isnan(codes) | (codes == 4))


def test_a_colour_table_is_noted_and_never_averaged(folder, tmp_path):
    path = tmp_path / "painted.tif"
    write_raster(path, np.tile(np.array([[1, 9], [9, 9]], "uint8"), (1, 30, 30)), photometric="palette")
    with rasterio.open(path, "r+") as made:
        made.write_colormap(1, {1: (255, 0, 0, 255), 9: (0, 255, 0, 255)})
    grid = grid_of(Affine(60, 0, 600_000, 0, -60, 5_800_000), (30, 30))
    stack = open_stack(path, like=grid)
    assert (stack.values == 9).all()
    assert stack.attrs["notes"][-1] == "painted.tif: painted has a colour table, as classes have; read as numbers"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\n1,a\n", "the columns name, label"),
        ("code,label\n1,a\n1,b\n", "the code 1 twice"),
        ("code,label\nA1,a\n", "the code 'A1'"),
        ("code,label\n", "no code"),
        ("code,label\n16777217,a\n", "the code '16777217'; expected integers from -16777216"),
    ],
)
def test_an_invalid_table_of_classes_is_refused(folder, tmp_path, text, message):
    (tmp_path / "classes.csv").write_text(text)
    with pytest.raises(RasterError, match=message):
        open_stack(folder / "landform.tif", classes={"landform": tmp_path / "classes.csv"})


def test_a_name_in_two_files_gets_the_name_of_its_file_in_any_order(folder, tmp_path):
    write_raster(tmp_path / "other.tif", np.ones((1, 240, 260), "float32"), descriptions=["b"])
    paths = [folder / "rough.tif", tmp_path / "other.tif"]
    stack, turned = open_stack(paths), open_stack(paths[::-1])
    assert stack.band.values.tolist() == ["a", "rough:b", "c", "other:b"]
    assert turned.band.values.tolist() == ["other:b", "a", "rough:b", "c"]
    assert stack.attrs["notes"] == ("b is a band of several files: named file:b",)
    with pytest.raises(RasterError, match="2 bands named rough:a"):
        open_stack([folder / "rough.tif", folder / "rough.tif"])


def test_names_without_descriptions_are_the_files(tmp_path):
    write_raster(tmp_path / "dem.tif", np.ones((1, 4, 4), "float32"))
    write_raster(tmp_path / "index.tif", np.ones((2, 4, 4), "float32"))
    stack = open_stack([tmp_path / "dem.tif", tmp_path / "index.tif"])
    assert stack.band.values.tolist() == ["dem", "index_1", "index_2"]
    named = open_stack([tmp_path / "dem.tif", tmp_path / "index.tif"], names=["z", "p", "q"])
    assert named.band.values.tolist() == ["z", "p", "q"]
    with pytest.raises(RasterError, match="2 different names; expected one for each of 3 bands"):
        open_stack([tmp_path / "dem.tif", tmp_path / "index.tif"], names=["z", "p"])


def test_a_raster_that_cannot_be_warped_to_the_grid_is_refused(folder, tmp_path):
    write_raster(tmp_path / "plain.tif", np.ones((1, 4, 4), "float32"), crs=None)
    with pytest.raises(GridError, match="no CRS of the file"):
        open_stack([folder / "rough.tif", tmp_path / "plain.tif"])
    write_raster(tmp_path / "far.tif", np.ones((1, 4, 4), "float32"), transform=Affine(30, 0, 0, 0, -30, 0))
    with pytest.raises(GridError, match=r"far.tif: .* does not overlap the grid"):
        open_stack([folder / "rough.tif", tmp_path / "far.tif"])
    with pytest.raises(RasterError, match=r"no band landfrom for its classes.*similar names are: landform"):
        open_stack([folder / "landform.tif"], classes={"landfrom": [1]})


def test_a_corrupt_block_names_the_file_and_the_window(folder, field, tmp_path):
    path = write_raster(
        tmp_path / "torn.tif", field, interleave="band", compress="deflate", tiled=True, blockxsize=64, blockysize=64
    )
    corrupt_block(path, band=2, row=0, column=0)
    stack = open_stack(path, like=grid_of(Affine(60, 0, 600_000, 0, -60, 5_800_000), (120, 130)))
    assert np.isfinite(stack[0].values).all()
    with pytest.raises(RasterError, match=r"torn.tif: cannot read the window at row 0, column 0, 20 x 20"):
        stack[1, :20, :20].values.sum()


def test_the_method_follows_the_ratio_of_the_pixels():
    fine, coarse = grid_of(Affine(25, 0, 0, 0, -25, 0), (80, 80)), grid_of(Affine(100, 0, 0, 0, -100, 0), (20, 20))
    assert pixel_ratio(fine, coarse) == pytest.approx(4)
    assert choose_method(fine, coarse) == "average"
    assert choose_method(coarse, fine, classes=True) == "nearest"
    arc_seconds = Grid(WGS84, Affine(1 / 3600, 0, 15, 0, -1 / 3600, 52), 10, 10)
    # One arc second at 52 degrees: 30.9 m x 19.1 m.
    assert pixel_ratio(arc_seconds, grid_of(Affine(30, 0, 500_000, 0, -30, 5_760_000), (9, 9))) == pytest.approx(
        30 / np.sqrt(30.9 * 19.1), rel=0.01
    )


def test_ebergs_two_resolutions_and_three_class_tables_make_one_stack():
    paths = [shared(f"data/rasters/eberg/eberg_covariates_{side}m.tif") for side in (25, 100)]
    tables = {
        name: shared(f"data/rasters/eberg/eberg_{name}_classes.csv")
        for name in ("corine_2006", "main_soil_type", "parent_material")
    }
    stack = open_stack(paths, like=paths[1], classes=tables)
    assert stack.shape[1:] == (100, 100)
    assert (
        "eberg_covariates_25m.tif: EPSG:31467, 25 m -> EPSG:31467, 100 m by average and mode (classes)"
        in (stack.attrs["notes"])
    )
    fine = open_raster(paths[0]).sel(band="ndvi").values.reshape(100, 4, 100, 4)
    np.testing.assert_allclose(stack.sel(band="ndvi").values, np.nanmean(fine, axis=(1, 3)), rtol=1e-5, atol=1e-7)
    soils = [str(name) for name in stack.band.values if name.startswith("main_soil_type=")]
    total = stack.sel(band=soils).values.sum(axis=0)
    assert set(np.unique(total[np.isfinite(total)])) == {1.0}
    # Both files hold an elevation, of different origin.
    both = stack.sel(band=["eberg_covariates_25m:dem_m", "eberg_covariates_100m:dem_m"]).values
    valid = np.isfinite(both).all(axis=0)
    assert np.corrcoef(both[:, valid])[0, 1] > 0.95


def test_the_gaps_of_meuse_stay_gaps():
    path = shared("data/rasters/meuse/meuse_covariates_40m.tif")
    codes = open_raster(path).sel(band="soil").values
    stack = open_stack(path, classes={"soil": [1, 2, 3]})
    np.testing.assert_array_equal(np.isnan(stack.sel(band="soil=1").values), np.isnan(codes))
    assert float(np.nansum(stack.sel(band="soil=2").values)) == (codes == 2).sum()


def test_edgeroi_in_another_projection_keeps_its_mean(tmp_path):
    path = shared("data/rasters/edgeroi/edgeroi_covariates_90m.tif")
    albers = Grid(rasterio.CRS.from_epsg(3577), Affine(270, 0, 1_663_000, 0, -270, -3_375_000), 180, 180)
    stack = open_stack(path, like=albers).sel(band="elevation")
    x, y = Transformer.from_crs(3577, 32755, always_xy=True).transform(*np.meshgrid(stack.x.values, stack.y.values))
    own = open_raster(path).sel(band="elevation")
    rows, columns = Grid.of(open_raster(path)).rows_columns(x.ravel(), y.ravel())
    inside = rows >= 0
    there = own.values[rows[inside], columns[inside]]
    warped = stack.values.ravel()[inside]
    both = np.isfinite(there) & np.isfinite(warped)
    assert both.sum() > 10_000
    assert np.mean(warped[both] - there[both]) == pytest.approx(0, abs=0.5)


def test_a_crs_with_heights_is_the_same_grid_and_leaves_pixels_as_they_are(tmp_path):
    rough = np.random.default_rng(0).normal(300, 30, (1, 20, 20)).astype("float32")
    classes = np.random.default_rng(1).integers(1, 4, (1, 20, 20)).astype("uint8")
    write_raster(tmp_path / "ndvi.tif", rough)
    write_raster(tmp_path / "dem.tif", rough, crs="EPSG:32633+5773")
    write_raster(tmp_path / "geology.tif", classes, crs="EPSG:32633+5773", nodata=0)
    stack = open_stack([tmp_path / "ndvi.tif", tmp_path / "dem.tif", tmp_path / "geology.tif"])
    np.testing.assert_array_equal(stack.values[1:], np.concatenate([rough, classes.astype("float32")]))
    assert stack.attrs["notes"] == ()
    assert open_stack(tmp_path / "dem.tif").rio.crs.to_epsg() == 32633
    warped = open_stack(tmp_path / "dem.tif", like=grid_of(Affine(30, 0, 600_015, 0, -30, 5_800_000), (20, 19)))
    np.testing.assert_allclose(warped.values[0], (rough[0, :, 1:] + rough[0, :, :-1]) / 2, rtol=1e-6)


@pytest.mark.parametrize(("code", "unit"), [(6529, "US survey ft"), (2222, "ft"), (4326, "degrees"), (32633, "m")])
def test_notes_name_the_unit_of_the_grid(tmp_path, code, unit):
    crs = f"EPSG:{code}"
    write_raster(tmp_path / "base.tif", np.ones((1, 4, 4), "float32"), crs=crs, transform=Affine(3, 0, 30, 0, -3, 60))
    write_raster(tmp_path / "fine.tif", np.ones((1, 12, 12), "float32"), crs=crs, transform=Affine(1, 0, 30, 0, -1, 60))
    notes = open_stack([tmp_path / "base.tif", tmp_path / "fine.tif"]).attrs["notes"]
    assert notes[0] == f"grid of base.tif: {crs}, 3 {unit}, 4 x 4 pixels"
    assert notes[1] == f"fine.tif: {crs}, 1 {unit} -> {crs}, 3 {unit} by average"
