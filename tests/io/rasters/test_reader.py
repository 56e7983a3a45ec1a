import multiprocessing
import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import rasterio
from range_server import serving
from rasterio import Affine
from rasterio._err import CPLE_AppDefinedError
from written_rasters import TRANSFORM, UTM, corrupt_block, write_raster

from geosoil.errors import GridError, RasterError
from geosoil.io.rasters import dataset_cache
from geosoil.io.rasters import reader as rasters
from geosoil.io.rasters.reader import open_raster
from geosoil.raster.grid import Grid

NAN = np.nan
BIG = np.float32(-3.4028235e38)


@pytest.mark.parametrize(
    ("stored", "dtype", "tag", "expected"),
    [
        ([0, 5, -3], "int16", 0, [NAN, 5, -3]),
        ([-9999, 0, 7], "int16", -9999, [NAN, 0, 7]),
        ([65535, 0, 7], "uint16", 65535, [NAN, 0, 7]),
        ([255, 0, 7], "uint8", 7.5, [255, 0, 7]),  # a tag that no stored value can equal
        ([-9999, 0, 7], "int32", None, [-9999, 0, 7]),
        ([NAN, 0, 7], "float32", None, [NAN, 0, 7]),
        ([NAN, 0, 7], "float32", NAN, [NAN, 0, 7]),
        ([NAN, -9999, 7], "float32", -9999, [NAN, NAN, 7]),
        ([NAN, 0, 7], "float32", 0, [NAN, NAN, 7]),
        ([BIG, np.inf, 7], "float32", -3.4028234663852886e38, [NAN, NAN, 7]),
        ([-np.inf, 1e300, 7], "float64", 7, [NAN, NAN, NAN]),
    ],
)
def test_no_data_of_every_kind_becomes_nan_and_nothing_else_does(tmp_path, stored, dtype, tag, expected):
    path = write_raster(tmp_path / "a.tif", np.array([[stored]], dtype), nodata=tag)
    raster = open_raster(path)
    assert raster.dtype == raster.values.dtype == np.float32
    np.testing.assert_array_equal(raster.values[0, 0], np.array(expected, np.float32))


def test_no_data_is_compared_before_scaling(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.array([[[0, 10, 20]]], "int16"), nodata=0)
    # 10 becomes 0, which is data; the stored 0 would become -10.
    np.testing.assert_array_equal(open_raster(path, scale=1, offset=-10).values[0, 0], [NAN, 0, 10])


def test_a_given_no_data_value_replaces_the_tag(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.array([[[0, 10, 20]]], "int16"), nodata=0)
    np.testing.assert_array_equal(open_raster(path, nodata=20).values[0, 0], [0, 10, NAN])
    with pytest.raises(RasterError, match="no-data value 70000"):
        open_raster(path, nodata=70000)


def test_scale_and_offset_of_each_band_are_honoured_and_can_be_replaced(tmp_path):
    stored = np.array([[[100, -1]], [[100, -1]]], "int16")
    path = write_raster(tmp_path / "a.tif", stored, nodata=-1, scales=(0.5, 2.0), offsets=(1.0, -3.0))
    np.testing.assert_array_equal(open_raster(path).values[:, 0], [[51, NAN], [197, NAN]])
    np.testing.assert_array_equal(open_raster(path).sel(band=["band_2"]).values[:, 0], [[197, NAN]])
    np.testing.assert_array_equal(open_raster(path, scale=[1, 3]).values[:, 0], [[100, NAN], [300, NAN]])
    with pytest.raises(RasterError, match="scale 0"):
        open_raster(path, scale=0)
    with pytest.raises(RasterError, match=r"offset of shape \(3,\)"):
        open_raster(path, offset=[1, 2, 3])


def test_a_layer_of_codes_is_read_as_stored_though_its_file_has_no_data_a_scale_and_an_alpha_band(tmp_path):
    stored = np.arange(12, dtype="uint8").reshape(4, 1, 3)  # GDAL takes four bands of bytes for colours with alpha
    path = write_raster(tmp_path / "codes.tif", stored, nodata=1, scales=[0.5] * 4, offsets=[3] * 4)
    assert open_raster(path).sizes["band"] == 3
    np.testing.assert_array_equal(open_raster(path, as_stored=True).values, stored)


def test_a_mask_of_the_dataset_and_an_alpha_band_mean_no_data(tmp_path):
    stored = np.arange(1, 7, dtype="uint8").reshape(1, 2, 3)
    valid = np.array([[1, 0, 1], [1, 1, 0]], bool)
    masked, alpha = tmp_path / "masked.tif", tmp_path / "alpha.tif"
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False),
        rasterio.open(
            masked, "w", driver="GTiff", width=3, height=2, count=1, dtype="uint8", crs=UTM, transform=TRANSFORM
        ) as made,
    ):
        made.write(stored)
        made.write_mask(valid)
    write_raster(alpha, np.concatenate([stored, 255 * valid[None].astype("uint8")]), alpha="yes")
    with rasterio.open(alpha, "r+") as made:
        made.colorinterp = [rasterio.enums.ColorInterp.gray, rasterio.enums.ColorInterp.alpha]
    assert (tmp_path / "masked.tif.msk").exists()
    for path in (masked, alpha):
        raster = open_raster(path)
        assert raster.sizes["band"] == 1
        np.testing.assert_array_equal(raster.values[0], np.where(valid, stored[0], NAN))


def test_any_window_any_bands_in_any_order_equal_the_whole(tmp_path):
    stored = np.arange(5 * 13 * 17, dtype="int16").reshape(5, 13, 17)
    raster = open_raster(write_raster(tmp_path / "a.tif", stored, tiled=True, blockxsize=16, blockysize=16))
    for key in (
        np.s_[[3, 0, 0], 2:9, 4:17],
        np.s_[1, 3, 5],
        np.s_[::2, ::-1, ::3],
        np.s_[[4], [12, 0, 7], [1, 1]],
        np.s_[:, 0:0, :],
    ):
        expected = stored[key] if not isinstance(key[1], list) else stored[np.ix_(*key)]
        assert np.array_equal(raster[key].values, expected), key
    assert raster.sel(band=["band_4", "band_2"]).values[:, 0, 0].tolist() == [stored[3, 0, 0], stored[1, 0, 0]]


def test_the_grid_of_an_odd_sized_file_is_kept_and_its_blocks_are_known(tmp_path):
    path = write_raster(
        tmp_path / "a.tif", np.zeros((1, 1003, 1501), "uint8"), tiled=True, blockxsize=256, blockysize=128
    )
    raster = open_raster(path)
    assert Grid.of(raster) == Grid(raster.rio.crs, TRANSFORM, 1003, 1501)
    assert raster.encoding["preferred_chunks"] == {"y": 128, "x": 256}
    assert raster[:, :10].encoding["preferred_chunks"] == {"y": 128, "x": 256}


def test_only_the_bands_and_windows_asked_for_are_read(tmp_path):
    stored = np.random.default_rng(0).integers(0, 100, (3, 64, 64), dtype="int16")
    path = write_raster(
        tmp_path / "a.tif", stored, tiled=True, blockxsize=32, blockysize=32, compress="deflate", interleave="band"
    )
    corrupt_block(path, band=2, row=0, column=0)
    corrupt_block(path, band=1, row=1, column=1)
    raster = open_raster(path)
    # Reading a block more than needed would fail: it is corrupt.
    assert np.array_equal(raster.isel(band=[2]).values, stored[[2]])
    assert np.array_equal(raster.isel(band=[2, 0], y=slice(0, 32)).values, stored[[2, 0], :32])
    assert np.array_equal(
        raster.chunk({"band": -1, "y": 32, "x": 32}).isel(band=1, y=slice(32, 64)).values, stored[1, 32:]
    )


def test_a_corrupt_tile_names_the_file_and_the_window(tmp_path):
    stored = np.random.default_rng(0).integers(0, 100, (2, 64, 64), dtype="int16")
    path = write_raster(
        tmp_path / "a.tif", stored, tiled=True, blockxsize=32, blockysize=32, compress="deflate", interleave="band"
    )
    corrupt_block(path, band=2, row=1, column=0)
    with pytest.raises(RasterError, match=r"a\.tif: cannot read .* row 32, column 0, 32 x 48 pixels"):
        _ = open_raster(path)[:, 32:, :48].values


def test_a_file_that_is_not_a_raster_is_reported_in_one_line(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    for path, message in (
        (tmp_path / "absent.tif", "no such file"),
        (tmp_path, "a folder"),
        (tmp_path / "a.txt", "not a raster"),
    ):
        with pytest.raises(RasterError, match=message) as raised:
            open_raster(path)
        assert "\n" not in str(raised.value)


def test_names_come_from_descriptions_or_the_file_and_are_unique(tmp_path):
    two = np.zeros((2, 1, 2), "uint8")
    named = write_raster(tmp_path / "named.tif", two, descriptions=["slope", "twi"])
    alike = write_raster(tmp_path / "alike.tif", two, descriptions=["slope", "slope"])
    single = write_raster(tmp_path / "clay.tif", two[:1])
    assert open_raster(named).band.values.tolist() == ["slope", "twi"]
    assert open_raster(alike).band.values.tolist() == ["band_1", "band_2"]
    assert open_raster(single).band.values.tolist() == ["clay"]
    assert open_raster([named, single]).band.values.tolist() == ["slope", "twi", "clay"]
    assert open_raster(alike, names=["p", "q"]).band.values.tolist() == ["p", "q"]


def test_several_files_of_one_grid_are_one_raster_and_other_grids_are_refused(tmp_path):
    a = write_raster(tmp_path / "a.tif", np.full((1, 4, 5), 3, "int16"), nodata=-1)
    b = write_raster(tmp_path / "b.tif", np.full((2, 4, 5), 1.5, "float32"))
    other = write_raster(tmp_path / "c.tif", np.zeros((1, 4, 5), "uint8"), transform=Affine(30, 0, 0, 0, -30, 0))
    assert open_raster([a, b]).isel(band=[2, 0]).values[:, 0, 0].tolist() == [1.5, 3.0]
    assert open_raster([a, b], scale=[1, 2, 4]).values[:, 3, 4].tolist() == [3.0, 3.0, 6.0]
    with pytest.raises(GridError, match=r"c\.tif: found transform"):
        open_raster([a, other])


def test_bands_of_different_types_in_one_vrt_are_read(tmp_path):
    write_raster(tmp_path / "a.tif", np.array([[[-1, 2]]], "int16"))
    write_raster(tmp_path / "b.tif", np.array([[[0.5, -1]]], "float32"))
    band = (
        '<VRTRasterBand dataType="{}" band="{}"><NoDataValue>-1</NoDataValue><SimpleSource>'
        '<SourceFilename relativeToVRT="1">{}</SourceFilename><SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>'
    )
    vrt = tmp_path / "ab.vrt"
    vrt.write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="1"><GeoTransform>0,30,0,0,0,-30</GeoTransform>'
        + band.format("Float32", 1, "b.tif") + band.format("Int16", 2, "a.tif") + "</VRTDataset>"
    )  # fmt: skip
    np.testing.assert_array_equal(open_raster(vrt).values[:, 0], [[0.5, NAN], [NAN, 2]])


def test_python_code_inside_a_vrt_is_never_run(tmp_path, monkeypatch):
    monkeypatch.setenv("GDAL_VRT_ENABLE_PYTHON", "YES")
    write_raster(tmp_path / "a.tif", np.ones((1, 1, 2), "float32"))
    vrt, proof = tmp_path / "code.vrt", tmp_path / "executed"
    vrt.write_text(
        '<VRTDataset rasterXSize="2" rasterYSize="1"><GeoTransform>0,30,0,0,0,-30</GeoTransform>'
        '<VRTRasterBand dataType="Float32" band="1" subClass="VRTDerivedRasterBand">'
        "<PixelFunctionType>f</PixelFunctionType><PixelFunctionLanguage>Python</PixelFunctionLanguage>"
        f"<PixelFunctionCode><![CDATA[\nopen({str(proof)!r}, 'w')\ndef f(in_ar, out_ar, *args):\n    out_ar[:] = 1\n]]>"
        '</PixelFunctionCode><SimpleSource><SourceFilename relativeToVRT="1">a.tif</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(RasterError, match=r"code\.vrt"):
        _ = open_raster(vrt).values
    assert not proof.exists()


def test_a_file_that_was_replaced_is_read_again(tmp_path):
    path = write_raster(tmp_path / "a.tif", np.full((1, 4, 4), 1, "uint8"))
    assert open_raster(path).values.max() == 1
    write_raster(tmp_path / "b.tif", np.full((1, 4, 4), 2, "uint8")).replace(path)
    os.utime(path, ns=(1, 1))
    assert open_raster(path).values.max() == 2


def test_a_file_on_a_web_server_is_read_by_ranges(tmp_path):
    stored = np.random.default_rng(0).integers(0, 100, (4, 512, 512), dtype="int16")
    profile = {"tiled": True, "blockxsize": 64, "blockysize": 64, "interleave": "band", "nodata": 0}
    path = write_raster(tmp_path / "a.tif", stored, **profile)
    with serving(tmp_path) as (server, process):
        address = f"{server}/a.tif"
        raster = open_raster(address)
        values = raster.isel(band=[3], y=slice(0, 60), x=slice(64, 128)).values
        with pytest.raises(RasterError, match=r"absent\.tif"):
            open_raster(f"{server}/absent.tif")
        process.kill()
        sent = sum(int(line) for line in process.stdout)
    np.testing.assert_array_equal(values, np.where(stored[3:, :60, 64:128] == 0, NAN, stored[3:, :60, 64:128]))
    assert raster.attrs["source"] == address
    assert 0 < sent < path.stat().st_size / 10


def test_a_raster_is_pickled_in_few_bytes(tmp_path, monkeypatch):
    path = write_raster(tmp_path / "a.tif", np.full((330, 2, 2), 7, "uint8"), scales=[0.5] * 330)
    monkeypatch.chdir(tmp_path)
    sent = pickle.dumps(open_raster(path.name))
    assert len(sent) < 60_000
    monkeypatch.chdir("/")
    assert (pickle.loads(sent).values == 3.5).all()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_opens_datasets_of_its_own(tmp_path):
    raster = open_raster(
        write_raster(tmp_path / "a.tif", np.arange(4096, dtype="int16").reshape(1, 64, 64), compress="deflate")
    )
    total = float(raster.values.sum())
    context = multiprocessing.get_context("fork")
    answers = context.Queue()

    def read():
        answers.put((len(dataset_cache._thread_state.__dict__), float(raster.values.sum())))

    process = context.Process(target=read)
    process.start()
    assert answers.get(timeout=30) == (0, total)
    process.join(30)


def test_a_thread_keeps_few_datasets_and_none_after_its_end(tmp_path):
    paths = [
        write_raster(tmp_path / f"{i}.tif", np.zeros((1, 2, 2), "uint8"))
        for i in range(dataset_cache.MAX_PER_THREAD + 5)
    ]
    opened = []

    def read():
        for path in paths:
            _ = open_raster(path).values
        opened.extend(_open_files(tmp_path))

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert len(opened) == dataset_cache.MAX_PER_THREAD
    assert not _open_files(tmp_path)


def _open_files(folder):
    own = Path("/proc/self/fd")
    if not own.is_dir():
        pytest.skip("needs /proc")
    return [link for link in own.iterdir() if link.exists() and str(folder) in str(link.readlink())]


def test_threads_read_at_the_same_time(tmp_path, monkeypatch):
    raster = open_raster(write_raster(tmp_path / "a.tif", np.full((1, 8, 8), 5, "uint8")))
    together = threading.Barrier(3, timeout=20)

    class Meeting:
        def __init__(self, source):
            self.source = source

        def read(self, *args, **kwargs):
            together.wait()  # broken, and an error, if a lock lets one in at a time
            return self.source.read(*args, **kwargs)

    @contextmanager
    def meeting(*args):
        with dataset_cache.dataset(*args) as source:
            yield Meeting(source)

    monkeypatch.setattr(rasters, "dataset", meeting)
    sums = []
    threads = [threading.Thread(target=lambda: sums.append(raster.values.sum())) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sums == [320, 320, 320]


def test_two_threads_read_at_once_without_a_lock(tmp_path, monkeypatch):
    raster = open_raster(write_raster(tmp_path / "a.tif", np.ones((2, 64, 64), "int16")))
    both, read = threading.Barrier(2, timeout=20), rasters._read_band_pixels

    def met(*arguments):
        both.wait()  # broken, and an error, where the other cannot come here before this one leaves
        return read(*arguments)

    monkeypatch.setattr(rasters, "_read_band_pixels", met)
    with ThreadPoolExecutor(2) as pool:
        halves = list(pool.map(lambda rows: raster[:, rows].values.sum(), (slice(0, 32), slice(32, 64))))
    assert halves == [4096, 4096]


def test_an_error_of_gdal_in_a_damaged_tag_names_the_file(tmp_path):
    path = str(write_raster(tmp_path / "a.tif", np.ones((1, 2, 3), "uint8")))
    with pytest.raises(RasterError, match=r"a\.tif: damaged .*tag 0.*copy it again"), dataset_cache.dataset(path):
        raise CPLE_AppDefinedError(3, 1, "tag 0 is not read")
    assert open_raster(path).shape == (1, 2, 3)  # opened again


def test_a_file_that_claims_more_bands_than_memory_can_hold_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(dataset_cache, "MAX_BANDS", 3)
    path = write_raster(tmp_path / "a.tif", np.zeros((4, 1, 1), "uint8"))
    with pytest.raises(RasterError, match=r"a.tif: found 4 bands; expected at most 3"):
        open_raster(path)
