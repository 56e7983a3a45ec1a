"""Mosaics: the pixels that GDAL reads equal arrays composed in the test."""

import json
import shutil
import subprocess
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
from rasterio import Affine
from rasterio.warp import Resampling, reproject
from rasterio.windows import Window
from written_rasters import write_raster

from geosoil.errors import GridError, OutputError, RasterError
from geosoil.io.rasters.mosaic import OVERLAPS, write_vrt
from geosoil.io.rasters.reader import open_raster

X, Y, PIXEL = 600_000, 5_800_000, 30


def write_map(path, values, *, column=0.0, row=0.0, x=X, y=Y, pixel=PIXEL, **profile):
    """Write float32 `(y, x)` or `(band, y, x)` with its corner `column`, `row` pixels from (x, y)."""
    values = np.asarray(values, np.float32)
    values = values if values.ndim == 3 else values[None]
    profile = {
        "transform": Affine(pixel, 0, x + column * pixel, 0, -pixel, y - row * pixel),
        "nodata": np.nan,
    } | profile
    names = [f"soc_{number}" for number in range(len(values))]
    write_raster(path, values, descriptions=names, **profile)
    with rasterio.open(path, "r+") as made:
        made.units = ["%"] * len(values)
    return path


def values_of(shape, seed, holes=()):
    values = np.random.default_rng(seed).uniform(1, 9, shape).astype(np.float32)
    for hole in holes:
        values[..., *hole] = np.nan
    return values


def laid(canvas, values, row, column):
    """Copy values `(y, x)` that are not NaN to a canvas, as the rule of overlaps says."""
    part = canvas[row : row + values.shape[0], column : column + values.shape[1]]
    np.copyto(part, values, where=~np.isnan(values))
    return canvas


def pixels_of(vrt):
    with rasterio.open(vrt) as source:
        return source.read()


def test_the_last_map_is_on_top_and_its_gaps_show_the_map_below(tmp_path):
    below, above = values_of((8, 10), 0, [(1, 1), (6, 8)]), values_of((7, 9), 1, [(2, 3), (0, slice(0, 2))])
    maps = [write_map(tmp_path / "a.tif", below), write_map(tmp_path / "b.tif", above, column=4, row=3)]
    expected = laid(laid(np.full((10, 13), np.nan, np.float32), below, 0, 0), above, 3, 4)
    np.testing.assert_array_equal(pixels_of(write_vrt(maps, tmp_path / "m.vrt"))[0], expected)
    turned = laid(laid(np.full((10, 13), np.nan, np.float32), above, 3, 4), below, 0, 0)
    np.testing.assert_array_equal(pixels_of(write_vrt(maps[::-1], tmp_path / "n.vrt"))[0], turned)
    assert not np.array_equal(expected, turned, equal_nan=True)


def test_the_grid_is_the_first_maps_extended_to_the_west_and_north_of_it(tmp_path):
    maps = [
        write_map(tmp_path / "a.tif", values_of((3, 4), 0)),
        write_map(tmp_path / "b.tif", values_of((2, 2), 1), column=-5, row=-6),
    ]
    with rasterio.open(write_vrt(maps, tmp_path / "m.vrt")) as source:
        assert source.transform == Affine(30, 0, X - 150, 0, -30, Y + 180)
        assert source.shape == (9, 9)
        assert source.crs.to_epsg() == 32633
        assert np.isnan(source.read(1)[3, 3])


@pytest.mark.parametrize(("shift", "moved"), [(0.3, 0), (0.5, 0), (0.7, 1), (-0.3, 0), (-0.7, -1), (2.6, 3)])
def test_a_shifted_grid_gives_the_nearest_pixel_for_any_window(tmp_path, shift, moved):
    base, shifted = values_of((20, 24), 0), values_of((9, 11), 1)
    maps = [
        write_map(tmp_path / "a.tif", base),
        write_map(tmp_path / "b.tif", shifted, column=5 + shift, row=4 + shift),
    ]
    vrt = write_vrt(maps, tmp_path / "m.vrt")
    expected = laid(base.copy(), shifted, 4 + moved, 5 + moved)
    np.testing.assert_array_equal(pixels_of(vrt)[0], expected)
    with rasterio.open(vrt) as source:
        for y in range(0, 20, 3):
            for x in range(0, 24, 5):
                window = Window(x, y, min(5, 24 - x), min(3, 20 - y))
                np.testing.assert_array_equal(source.read(1, window=window), expected[y : y + 3, x : x + 5])


def test_names_units_nodata_of_all_bands_and_the_rule_are_kept(tmp_path):
    a, b = values_of((3, 4, 5), 0), values_of((3, 4, 5), 1)
    tags = {"GEOSOIL_MODEL": "soc", "GEOSOIL_CUBE": "a.tif"}
    maps = [
        write_map(tmp_path / "a.tif", a, tags=tags),
        write_map(tmp_path / "b.tif", b, column=5, tags=tags | {"GEOSOIL_CUBE": "b.tif"}),
    ]
    with rasterio.open(write_vrt(maps, tmp_path / "m.vrt", tags={"GEOSOIL_RUN": "7"})) as source:
        assert source.descriptions == ("soc_0", "soc_1", "soc_2")
        assert source.units == ("%",) * 3
        assert np.isnan(source.nodatavals).all()
        assert source.dtypes == ("float32",) * 3
        wanted = {"GEOSOIL_MODEL": "soc", "GEOSOIL_RUN": "7", "GEOSOIL_OVERLAPS": OVERLAPS}
        assert {key: value for key, value in source.tags().items() if key.startswith("GEOSOIL")} == wanted
        np.testing.assert_array_equal(source.read(), np.concatenate([a, b], axis=2))


def test_open_raster_opens_the_mosaic(tmp_path):
    values = values_of((4, 5), 0, [(1, 1)])
    raster = open_raster(write_vrt([write_map(tmp_path / "a.tif", values)], tmp_path / "m.vrt"))
    assert (raster.band.values.tolist(), raster.attrs["units"]) == (["soc_0"], "%")
    np.testing.assert_array_equal(raster.values[0], values)


def test_classes_with_a_nodata_code_and_maps_with_another_code(tmp_path):
    a, b = np.array([[[1, 2, 0]]], np.uint8), np.array([[[255, 7, 0]]], np.uint8)
    write_raster(tmp_path / "a.tif", a, nodata=0)
    write_raster(tmp_path / "b.tif", b, nodata=255)
    vrt = write_vrt([tmp_path / "a.tif", tmp_path / "b.tif"], tmp_path / "m.vrt")
    with rasterio.open(vrt) as source:
        assert (source.dtypes[0], source.nodata) == ("uint8", 0)
        assert source.read(1).tolist() == [[1, 7, 0]]


def test_a_map_of_another_utm_zone_is_warped_onto_the_firsts(tmp_path):
    rows, columns = np.mgrid[0:60, 0:60]
    a = values_of((40, 40), 0)
    smooth = (5 + np.sin(rows / 9) + np.cos(columns / 11)).astype(np.float32)
    smooth[30:33, 20:24] = np.nan
    first = write_map(tmp_path / "a.tif", a, x=299_000, crs="EPSG:32633")
    other = write_map(tmp_path / "b.tif", smooth, x=700_500, y=5_800_300, crs="EPSG:32632")
    vrt = write_vrt([first, other], tmp_path / "m.vrt")
    with rasterio.open(vrt) as source:
        found, transform, crs = source.read(1), source.transform, source.crs
        assert crs.to_epsg() == 32633
        assert (transform.a, (transform.c - 299_000) % 30, (transform.f - Y) % 30) == (30, 0, 0)
    expected = np.full(found.shape, np.nan, np.float32)
    reproject(smooth, expected, src_transform=rasterio.open(other).transform, src_crs="EPSG:32632", src_nodata=np.nan,
              dst_transform=transform, dst_crs=crs, dst_nodata=np.nan, resampling=Resampling.nearest,
              tolerance=1e-9)  # fmt: skip
    assert np.count_nonzero(~np.isnan(expected)) > 3000
    row, column = round((transform.f - Y) / 30), round((299_000 - transform.c) / 30)
    composed = laid(laid(np.full(found.shape, np.nan, np.float32), a, row, column), expected, 0, 0)
    np.testing.assert_array_equal(found, composed)
    # Against the ground itself: no pixel is more than the slope over one pixel off.
    exact = np.full(found.shape, np.nan, np.float64)
    reproject(smooth, exact, src_transform=rasterio.open(other).transform, src_crs="EPSG:32632", src_nodata=np.nan,
              dst_transform=transform, dst_crs=crs, dst_nodata=np.nan, resampling=Resampling.bilinear)  # fmt: skip
    assert np.nanmax(np.abs(exact - expected)) < 0.15


def test_much_finer_pixels_are_averaged_over_what_each_band_has(tmp_path):
    fine = values_of((2, 12, 12), 1)
    fine[:, 3:6, 3:6] = fine[0, 0, 0] = fine[1, 11, 7] = np.nan  # a whole pixel of the mosaic, and one band only
    maps = [
        write_map(tmp_path / "a.tif", np.full((2, 6, 6), np.nan)),
        write_map(tmp_path / "b.tif", fine, pixel=10, x=X + 30, y=Y - 30),
    ]
    found = pixels_of(write_vrt(maps, tmp_path / "m.vrt"))
    under = fine.astype(np.float64).reshape(2, 4, 3, 4, 3)
    counts = (~np.isnan(under)).sum(axis=(2, 4))
    assert set(counts.ravel()) == {0, 8, 9}
    with np.errstate(invalid="ignore"):
        np.testing.assert_allclose(found[:, 1:5, 1:5], np.nansum(under, axis=(2, 4)) / counts, rtol=1e-6)
    assert np.isnan(found[:, 2, 2]).all()


def test_a_rotated_map_becomes_north_up_and_its_corners_are_no_data(tmp_path):
    cos, sin = 30 * np.cos(np.pi / 6), 30 * np.sin(np.pi / 6)
    turned = Affine(cos, sin, X, sin, -cos, Y)
    path = write_map(tmp_path / "a.tif", np.full((20, 20), 4), transform=turned)
    with rasterio.open(write_vrt([path], tmp_path / "m.vrt")) as source:
        values = source.read(1)
        assert (source.transform.b, source.transform.d) == (0, 0)
        assert source.transform.a == pytest.approx(30)
    assert np.isnan(values[[0, 0, -1, -1], [0, -1, 0, -1]]).all()
    assert np.count_nonzero(values == 4) == pytest.approx(400, rel=0.05)


def test_the_folder_may_be_moved(tmp_path):
    (tmp_path / "one" / "maps").mkdir(parents=True)
    a, b = values_of((4, 4), 0), values_of((40, 40), 1)
    maps = [
        write_map(tmp_path / "one/maps/a.tif", a, x=299_000),
        write_map(tmp_path / "one/maps/b.tif", b, x=700_500, crs="EPSG:32632"),
    ]
    before = pixels_of(write_vrt(maps, tmp_path / "one" / "m.vrt"))
    (tmp_path / "one").rename(tmp_path / "two")
    np.testing.assert_array_equal(pixels_of(tmp_path / "two" / "m.vrt"), before)
    assert sorted(path.name for path in (tmp_path / "two").iterdir()) == ["m.vrt", "m_warped_2.vrt", "maps"]
    for vrt in (tmp_path / "two").glob("*.vrt"):
        assert str(tmp_path) not in vrt.read_text()


def test_degrees_keep_east_and_north(tmp_path):
    values = values_of((3, 4), 0)
    path = write_map(tmp_path / "a.tif", values, transform=Affine(0.1, 0, 13, 0, -0.1, 52), crs="EPSG:4326")
    with rasterio.open(write_vrt([path], tmp_path / "m.vrt")) as source, rasterio.open(path) as own:
        assert source.bounds == own.bounds
        np.testing.assert_array_equal(source.read(1), values)


def test_bands_that_differ_a_missing_crs_and_another_side_of_the_globe_are_refused(tmp_path):
    a = write_map(tmp_path / "a.tif", values_of((3, 4), 0))
    two = write_map(tmp_path / "two.tif", values_of((2, 3, 4), 0))
    with pytest.raises(
        RasterError, match=r"two\.tif: found bands with names soc_0, soc_1; expected soc_0 as in a\.tif"
    ):
        write_vrt([a, two], tmp_path / "m.vrt")
    with pytest.raises(GridError, match=r"plain\.tif: found no CRS"):
        write_vrt([a, write_map(tmp_path / "plain.tif", values_of((3, 4), 0), crs=None)], tmp_path / "m.vrt")
    beyond = write_map(tmp_path / "beyond.tif", values_of((3, 4), 0), crs="EPSG:4326", x=13, y=400)
    with pytest.raises(GridError, match=r"beyond\.tif: its extent cannot be transformed"):
        write_vrt([a, beyond], tmp_path / "m.vrt")
    bare = write_map(tmp_path / "bare.tif", values_of((3, 4), 0), pixel=60, nodata=None)
    with pytest.raises(RasterError, match=r"bare\.tif: found no nodata value"):
        write_vrt([a, bare], tmp_path / "m.vrt")
    with pytest.raises(OutputError):
        write_vrt([a], tmp_path / "nowhere" / "m.vrt")
    assert not [path.name for path in tmp_path.iterdir() if path.suffix == ".vrt"]


def test_the_mosaic_is_the_same_to_the_byte(tmp_path):
    maps = [write_map(tmp_path / f"{k}.tif", values_of((4, 4), k), column=3 * k) for k in range(3)]
    first = write_vrt(maps, tmp_path / "m.vrt").read_bytes()
    assert write_vrt(maps, tmp_path / "m.vrt").read_bytes() == first
    assert len(ElementTree.fromstring(first).findall(".//ComplexSource")) == 3


def gdal(*command):
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not on this machine: GDAL is in rasterio's wheel, without its tools")
    return subprocess.run([*map(str, command)], capture_output=True, text=True, check=True).stdout


def test_gdalinfo_reads_the_mosaic_without_a_warning(tmp_path):
    maps = [write_map(tmp_path / f"{k}.tif", values_of((4, 4), k), column=3 * k) for k in range(2)]
    info = json.loads(gdal("gdalinfo", "-json", write_vrt(maps, tmp_path / "m.vrt")))
    assert info["size"] == [7, 4]
    assert [band["description"] for band in info["bands"]] == ["soc_0"]
    assert len(info["files"]) == 3


def test_gdalbuildvrt_composes_the_same_pixels(tmp_path):
    maps = [write_map(tmp_path / f"{k}.tif", values_of((4, 4), k, [(1, 1)]), column=2 * k, row=k) for k in range(3)]
    gdal("gdalbuildvrt", "-q", tmp_path / "g.vrt", *maps)
    np.testing.assert_array_equal(pixels_of(write_vrt(maps, tmp_path / "m.vrt")), pixels_of(tmp_path / "g.vrt"))
