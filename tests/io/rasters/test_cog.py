"""COGs have exact statistics and metadata, and are written completely or not at all."""

import os
import resource
import subprocess
import sys
import textwrap
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from affine import Affine
from rasterio.enums import MaskFlags
from rio_cogeo.cogeo import cog_validate

from geosoil.errors import GridError, OutputError, RasterError
from geosoil.io.rasters import cog
from geosoil.io.rasters.cog import cog_writer, write_cog
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.statistics import BINS
from geosoil.raster.blocks import map_blocks
from geosoil.raster.grid import Grid
from geosoil.raster.layout import make_raster

TRANSFORM = Affine(30, 0, 500_000, 0, -30, 4_000_000)


def a_raster(data, names=None, crs="EPSG:32633", units="%"):
    data = np.asarray(data, "float32")
    names = names or [f"b{k}" for k in range(data.shape[0])]
    return make_raster(data, names=names, crs=crs, transform=TRANSFORM, units=units)


def noise(*shape, holes=0.1):
    rng = np.random.default_rng(7)
    data = rng.lognormal(1, 1, shape).astype("float32")
    data[rng.random(shape) < holes] = np.nan
    return data


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cog")
    data = noise(2, 1003, 1501)
    data[:, :300, :300] = np.nan
    raster = a_raster(data, names=["soc", "clay content <0.002 mm>"])
    lazy = map_blocks(lambda block: block, raster, names=raster.band.values, block=256, units="%")
    tags = {"GEOSOIL_VERSION": "0.1.0", "MODEL": "cars & svr", "YEAR": 2019}
    summary = write_cog(lazy, folder / "map.tif", tags=tags, band_units=["%", "g kg⁻¹"])
    return folder / "map.tif", data, summary


def test_what_is_read_back_is_what_was_mapped_on_the_same_grid_for_odd_sizes(written):
    path, data, _ = written
    with rasterio.open(path) as source:
        np.testing.assert_array_equal(source.read(), data)
        assert source.shape == (1003, 1501)
        assert source.transform == TRANSFORM
        assert source.crs.to_epsg() == 32633
        assert source.dtypes == ("float32", "float32")
        assert np.isnan(source.nodata)
        assert source.mask_flag_enums[0] == [MaskFlags.nodata]


def test_the_file_is_a_strictly_valid_cog_with_nothing_beside_it(written):
    path, _, _ = written
    valid, errors, warnings = cog_validate(path, strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    assert list(path.parent.iterdir()) == [path]
    with rasterio.open(path) as source:
        assert source.compression.name == "deflate"
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.block_shapes == [(512, 512)] * 2


def test_names_units_and_provenance_are_read_back(written):
    path, _, _ = written
    with rasterio.open(path) as source:
        assert source.descriptions == ("soc", "clay content <0.002 mm>")
        assert source.units == ("%", "g kg⁻¹")
        assert source.scales == (1, 1)
        tags = source.tags()
        assert (tags["GEOSOIL_VERSION"], tags["MODEL"], tags["YEAR"]) == ("0.1.0", "cars & svr", "2019")


def test_statistics_in_the_file_are_those_of_numpy_and_not_marked_approximate(written):
    path, data, summary = written
    with rasterio.open(path) as source:
        for number, band in enumerate(summary.bands, start=1):
            valid = data[number - 1][np.isfinite(data[number - 1])].astype("float64")
            tags = source.tags(number)
            expected = [valid.min(), valid.max(), valid.mean(), valid.std()]
            tagged = [float(tags[f"STATISTICS_{name}"]) for name in ("MINIMUM", "MAXIMUM", "MEAN", "STDDEV")]
            np.testing.assert_allclose(tagged, expected, rtol=1e-12)
            assert float(tags["STATISTICS_VALID_PERCENT"]) == pytest.approx(100 * valid.size / data[0].size, rel=1e-5)
            assert "STATISTICS_APPROXIMATE" not in tags
            assert [band.minimum, band.maximum, band.mean, band.std] == tagged
            assert band.valid_count == valid.size
            bin_width = (band.maximum - band.minimum) / BINS
            percentiles = np.percentile(valid, [2, 98], method="inverted_cdf")
            np.testing.assert_allclose([band.p2, band.p98], percentiles, atol=bin_width)


def test_an_overview_pixel_is_the_mean_of_its_valid_pixels_only(tmp_path):
    data = noise(1, 600, 800, holes=0.3)
    data[:, :100, :100] = np.nan
    write_cog(a_raster(data), tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif", OVERVIEW_LEVEL=0) as source:
        overview = source.read()
    quads = data.reshape(1, 300, 2, 400, 2)
    count = np.isfinite(quads).sum(axis=(2, 4))
    assert set(np.unique(count)) == {0, 1, 2, 3, 4}
    with np.errstate(invalid="ignore"):
        mean = np.nansum(quads, axis=(2, 4)) / np.where(count, count, np.nan)
    np.testing.assert_allclose(overview, mean, rtol=1e-6)


def test_overviews_of_classes_hold_classes_only(tmp_path):
    classes = np.random.default_rng(0).integers(1, 4, (1, 600, 700))
    write_cog(a_raster(classes), tmp_path / "classes.tif", overviews="nearest")
    with rasterio.open(tmp_path / "classes.tif", OVERVIEW_LEVEL=0) as source:
        assert set(np.unique(source.read())) == {1, 2, 3}


@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 5), (3, 1, 700), (2, 511, 513), (70, 40, 30)])
def test_any_size_is_written_whole(tmp_path, shape):
    data = noise(*shape, holes=0)
    summary = write_cog(a_raster(data), tmp_path / "map.tif", threads=1)
    assert summary.shape == shape
    with rasterio.open(tmp_path / "map.tif") as source:
        np.testing.assert_array_equal(source.read(), data)
        assert float(source.tags(1)["STATISTICS_STDDEV"]) == pytest.approx(data[0].astype("f8").std(), rel=1e-12)
    assert cog_validate(tmp_path / "map.tif", strict=True)[0]


def test_the_bytes_do_not_depend_on_blocks_or_threads(tmp_path):
    raster, contents = a_raster(noise(1, 300, 400)), set()
    for block, threads in ((300, 1), (64, 1), (64, 3), (17, 2)):
        lazy = map_blocks(lambda b: b * 2, raster, names=["double"], block=block)
        write_cog(lazy, tmp_path / "map.tif", threads=threads)
        contents.add((tmp_path / "map.tif").read_bytes())
    assert len(contents) == 1


def test_a_constant_band_has_no_spread(tmp_path):
    band = write_cog(a_raster(np.full((1, 9, 9), 3)), tmp_path / "map.tif").bands[0]
    assert (band.minimum, band.maximum, band.mean, band.std, band.p2, band.p98) == (3, 3, 3, 0, 3, 3)


def test_one_valid_pixel_is_the_statistics(tmp_path):
    data = np.full((1, 9, 9), np.nan)
    data[0, 4, 4] = 2.5
    band = write_cog(a_raster(data), tmp_path / "map.tif").bands[0]
    assert (band.minimum, band.p2, band.p98, band.std, band.valid_count) == (2.5, 2.5, 2.5, 0, 1)


def test_a_band_without_valid_pixels_is_written_without_statistics(tmp_path):
    data = noise(2, 20, 20)
    data[1] = np.nan
    summary = write_cog(a_raster(data, names=["full", "empty"]), tmp_path / "map.tif")
    assert summary.empty_bands == ("empty",)
    assert np.isnan(summary.bands[1].mean)
    with rasterio.open(tmp_path / "map.tif") as source:
        assert source.tags(2) == {"STATISTICS_VALID_PERCENT": "0"}
        assert np.isnan(source.read(2)).all()


def test_infinite_values_are_no_data_and_are_counted(tmp_path):
    summary = write_cog(a_raster([[[1, np.inf, -np.inf, 3]]]), tmp_path / "map.tif")
    assert summary.infinite_count == 2
    assert (summary.bands[0].maximum, summary.bands[0].valid_count) == (3, 2)
    with rasterio.open(tmp_path / "map.tif") as source:
        np.testing.assert_array_equal(source.read(1), [[1, np.nan, np.nan, 3]])


def test_a_map_without_crs_is_refused(tmp_path):
    with pytest.raises(GridError, match=r"without CRS.*write_crs"):
        write_cog(a_raster(noise(1, 4, 4), crs=None), tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_computed(tmp_path):
    def never(block):
        raise AssertionError("computed")

    lazy = map_blocks(never, a_raster(noise(1, 4, 4)), names=["a"])
    (tmp_path / "file").touch()
    for path, found in ((tmp_path, "a folder"), (tmp_path / "no" / "map.tif", "does not exist"),
                        (tmp_path / "file" / "map.tif", "is not a folder")):  # fmt: skip
        with pytest.raises(OutputError, match=found):
            write_cog(lazy, path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_too_little_room_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(cog.shutil, "disk_usage", lambda path: SimpleNamespace(free=1_000))
    with pytest.raises(OutputError, match=r"not enough disk space; expected 1 MB; .*0 MB are free"):
        write_cog(a_raster(noise(1, 300, 300)), tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [RasterError("cube.tif", found="a", expected="b", way_out="c"), KeyboardInterrupt()])
def test_a_failure_in_a_block_leaves_the_old_output_and_nothing_else(tmp_path, error):
    (tmp_path / "map.tif").write_text("the map of yesterday")
    count = []

    def fail(block):
        count.append(1)
        if len(count) > 3:
            raise error
        return block

    lazy = map_blocks(fail, a_raster(noise(1, 40, 40)), names=["a"], block=8)
    with pytest.raises(type(error)):
        write_cog(lazy, tmp_path / "map.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["map.tif"]
    assert (tmp_path / "map.tif").read_text() == "the map of yesterday"


def test_a_corrupt_tile_stops_the_map_and_its_window_is_named(tmp_path):
    profile = {"driver": "GTiff", "dtype": "float32", "count": 1, "height": 256, "width": 256, "crs": "EPSG:32633",
               "transform": TRANSFORM, "tiled": True, "blockxsize": 128, "blockysize": 128,
               "compress": "deflate"}  # fmt: skip
    with rasterio.open(tmp_path / "cube.tif", "w", **profile) as target:
        target.write(noise(1, 256, 256))
        target.set_band_description(1, "a")
    with rasterio.open(tmp_path / "cube.tif") as source:
        offset = int(source.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
        size = int(source.get_tag_item("BLOCK_SIZE_1_1", "TIFF", bidx=1))
    content = bytearray((tmp_path / "cube.tif").read_bytes())
    content[offset : offset + size] = bytes(size)
    (tmp_path / "cube.tif").write_bytes(content)
    lazy = map_blocks(np.copy, open_raster(tmp_path / "cube.tif"), names=["a"], block=128)
    with pytest.raises(RasterError, match=r"cube\.tif.*128"):
        write_cog(lazy, tmp_path / "map.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["cube.tif"]


@contextmanager
def files_limited_to(size):
    """Simulate a full disk: no file can grow beyond `size` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_that_fills_up_while_blocks_are_written_is_an_error_and_leaves_nothing(tmp_path):
    raster = a_raster(noise(1, 700, 900, holes=0))
    for size in (100_000, 3_000_000, 4_100_000):  # its four tiles need 4 MiB
        with files_limited_to(size), pytest.raises(OutputError, match="MB are free now"):
            write_cog(raster, tmp_path / "map.tif")
        assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_during_the_copy_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    raster = a_raster(noise(1, 700, 900, holes=0))
    write_cog(raster, tmp_path / "map.tif")
    whole = (tmp_path / "map.tif").stat().st_size
    (tmp_path / "map.tif").unlink()
    copy = rasterio.shutil.copy
    for size in (whole // 2, whole - 10_000, whole - 1000, whole - 1):  # GDAL itself is silent about the last tiles

        def limited(*args, size=size, **options):
            with files_limited_to(size):
                copy(*args, **options)

        monkeypatch.setattr(rasterio.shutil, "copy", limited)
        with pytest.raises(OutputError, match="MB are free now"):
            write_cog(raster, tmp_path / "map.tif")
        assert list(tmp_path.iterdir()) == []


def test_a_block_that_gdal_drops_silently_is_noticed(tmp_path, monkeypatch):
    class Forgetful:
        """A dataset whose last tile never reaches the disk: GDAL reads it as no data."""

        def __init__(self, dataset):
            self.dataset = dataset

        def __getattr__(self, name):
            return getattr(self.dataset, name)

        def write(self, block, window):
            if (window.row_off, window.col_off) != (512, 512):
                self.dataset.write(block, window=window)

    opened = rasterio.open

    def forgetful_open(path, mode="r", **options):
        dataset = opened(path, mode, **options)
        return Forgetful(dataset) if mode == "w" else dataset

    monkeypatch.setattr(rasterio, "open", forgetful_open)
    with pytest.raises(OutputError, match="blocks were not written to the disk"):
        write_cog(a_raster(noise(1, 700, 900)), tmp_path / "map.tif")
    assert list(tmp_path.iterdir()) == []


def test_a_cog_that_is_completed_early_is_written_once_and_has_its_name_after_the_with_statement(tmp_path, monkeypatch):
    raster, copies = a_raster(noise(2, 30, 40)), []
    copy = rasterio.shutil.copy
    monkeypatch.setattr(rasterio.shutil, "copy", lambda *args, **options: copies.append(copy(*args, **options)))
    with cog_writer(tmp_path / "map.tif", Grid.of(raster), ["a", "b"], ["", ""]) as writer:
        writer.put(0, 0, raster.values)
        writer.complete()
        assert writer.summary.bands[1].valid_count == np.isfinite(raster.values[1]).sum()
        assert not (tmp_path / "map.tif").exists()
    assert len(copies) == 1
    with rasterio.open(tmp_path / "map.tif") as source:
        np.testing.assert_array_equal(source.read(), raster.values)


@pytest.mark.slow
def test_writing_holds_blocks_and_not_the_map_in_memory(tmp_path):
    script = textwrap.dedent(
        """
        import sys
        from pathlib import Path
        import numpy as np
        from affine import Affine
        from geosoil.io.rasters.cog import write_cog
        from geosoil.raster.blocks import map_blocks
        from geosoil.raster.layout import make_raster

        side = int(sys.argv[2])
        data = np.broadcast_to(np.float32(1), (1, side, side))
        raster = make_raster(data, names=["b0"], crs="EPSG:32633", transform=Affine(30, 0, 0, 0, -30, 0))
        lazy = map_blocks(lambda b: b + np.random.default_rng(0).random(b.shape, "float32"), raster, names=["a"])
        write_cog(lazy, sys.argv[1])
        # Not getrusage: its peak of a child starts with that of the parent, which is all of pytest.
        print(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
        """
    )
    peaks = []
    for side in (600, 6000):
        command = [sys.executable, "-c", script, tmp_path / "map.tif", str(side)]
        environment = {**os.environ, "GDAL_CACHEMAX": "16"}
        run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
        peaks.append(int(run.stdout) * 1024)
    assert peaks[1] - peaks[0] < 6000 * 6000 * 4 * 0.6
