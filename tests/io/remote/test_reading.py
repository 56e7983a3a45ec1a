"""Faults of a server: the pixels are those of the file, or one line reports the error."""

import itertools
import logging
import threading
import time

import numpy as np
import pytest
import rasterio
from affine import Affine
from range_server import serving
from s3_server import s3_server
from written_rasters import write_raster

from geosoil.errors import RasterError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.warped import warp_raster
from geosoil.io.remote import reading as remote
from geosoil.raster.grid import Grid
from geosoil.sensors.cube import open_cube

TILED = {"tiled": True, "blockxsize": 32, "blockysize": 32}
STORED = np.random.default_rng(0).integers(0, 100, (12, 96, 96), dtype="int16")
LONG = [{"wavelength": f"{400 + 10 * k}", "wavelength_units": "nm", "history": "x" * 900} for k in range(12)]
AUX = "".join(f'<PAMRasterBand band="{k + 1}"><Offset>7</Offset><Scale>2</Scale></PAMRasterBand>' for k in range(12))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    common = {**TILED, "nodata": 0, "scales": [0.5] * 12, "band_tags": LONG}
    write_raster(folder / "bands.tif", STORED, interleave="band", compress="deflate", **common)
    write_raster(folder / "pixels.tif", STORED, interleave="pixel", **common)
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK="NO"):
        path = write_raster(folder / "masked.tif", STORED, **TILED, band_tags=LONG)
        with rasterio.open(path, "r+") as made:
            made.write_mask(STORED[0] > 20)
    write_raster(folder / "aux.tif", STORED, **TILED)
    (folder / "aux.tif.aux.xml").write_text(f"<PAMDataset>{AUX}</PAMDataset>")
    write_raster(folder / "envi.img", STORED, driver="ENVI", nodata=0)
    with (folder / "envi.hdr").open("a") as header:
        header.write("".join(f"; {'x' * 70}\n" for _ in range(20)))
        header.write(f"wavelength units = Nanometers\nwavelength = {{{', '.join(str(400 + k) for k in range(12))}}}\n")
    for side in ("envi.img.aux.xml",):
        (folder / side).unlink(missing_ok=True)
    return folder


@pytest.fixture(scope="module")
def server(folder):
    with serving(folder) as (address, process):
        threading.Thread(target=process.stdout.read, daemon=True).start()
        yield address


@pytest.fixture(autouse=True)
def quickly(monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "3")
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.01")
    monkeypatch.setenv("GDAL_HTTP_TIMEOUT", "1")


cases = itertools.count()


def at(server, fault, name):
    return f"{server}/case{next(cases)}/{fault}/{name}"


@pytest.mark.parametrize("name", ["bands.tif", "pixels.tif", "masked.tif", "aux.tif", "envi.img"])
@pytest.mark.parametrize("fault", ["503", "drop", "cut"])
def test_whichever_request_fails_the_pixels_are_those_of_the_file(server, folder, fault, name):
    expected = open_raster(folder / name).values
    for number in range(1, 17):
        values = open_raster(at(server, f"{fault}@{number}", name)).values
        np.testing.assert_array_equal(values, expected, err_msg=f"request {number}")


@pytest.mark.parametrize("number", [2, 4, 6])
def test_a_read_is_retried_if_a_server_stops_sending(server, folder, number):
    values = open_raster(at(server, f"stall@{number}", "bands.tif")).values
    np.testing.assert_array_equal(values, open_raster(folder / "bands.tif").values)


@pytest.mark.parametrize("fault", ["503@every3", "drop@every3", "cut@every7"])
@pytest.mark.parametrize("name", ["bands.tif", "pixels.tif", "masked.tif"])
def test_a_server_that_fails_repeatedly_gives_the_pixels_of_the_file(server, folder, monkeypatch, fault, name):
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "8")
    values = open_raster(at(server, fault, name)).values
    np.testing.assert_array_equal(values, open_raster(folder / name).values)


@pytest.mark.parametrize("name", ["bands.tif", "envi.img"])
def test_no_wavelength_is_lost_with_a_truncated_header(server, folder, name):
    expected = open_cube(folder / name, scale=1e-4, drop_nm=[]).wavelength_nm.values
    for number in range(1, 9):
        cube = open_cube(at(server, f"cut@{number}", name), scale=1e-4, drop_nm=[])
        np.testing.assert_array_equal(cube.wavelength_nm.values, expected)


@pytest.mark.parametrize(("fault", "message"), [("503", "HTTP response code: 503"), ("drop", "Empty reply")])
def test_a_server_that_never_recovers_is_one_line_after_the_last_attempt(server, fault, message):
    address = at(server, f"{fault}@1-", "bands.tif").replace("http://", "http://me:word@") + "?sig=abcdef"
    with pytest.raises(
        RasterError, match=rf"{message}.*after 4 attempts.*check the address, the credentials"
    ) as failed:
        open_raster(address)
    shown = address.replace("me:word", "***").replace("abcdef", "***")
    assert str(failed.value).startswith(f"{shown}: ") and "\n" not in str(failed.value)
    assert failed.value.__suppress_context__  # the message of GDAL may contain the URL with its secrets


@pytest.mark.parametrize("fault", ["503", "drop", "cut"])
def test_a_server_that_dies_while_a_map_is_made_is_one_line_with_the_window(server, fault):
    raster = open_raster(at(server, f"{fault}@20-", "bands.tif"))
    with pytest.raises(
        RasterError, match=r"bands\.tif: cannot read the window at row \d+, column \d+, 32 x 32.*, after 4 attempts"
    ):
        for row, column in itertools.product((0, 32, 64), repeat=2):
            _ = raster[:, row : row + 32, column : column + 32].values


@pytest.mark.parametrize("fault", ["503", "drop", "cut"])
def test_a_remote_raster_on_another_grid_is_warped_like_a_local_one(server, folder, fault):
    local = open_raster(folder / "bands.tif")
    source = Grid.of(local)
    grid = Grid(source.crs, source.transform @ Affine.scale(2.5), 30, 30)
    expected = warp_raster(folder / "bands.tif", grid, "average").values
    for number in range(1, 17, 3):
        warped = warp_raster(at(server, f"{fault}@{number}", "bands.tif"), grid, "average")
        np.testing.assert_array_equal(warped.values, expected, err_msg=f"request {number}")


def test_a_missing_file_is_not_requested_again(server, monkeypatch):
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "5")
    start = time.monotonic()
    with pytest.raises(RasterError, match=r"absent\.tif: not a raster \(HTTP response code: 404\)"):
        open_raster(f"{server}/absent.tif")
    assert time.monotonic() - start < 3


def test_a_local_file_is_read_once(monkeypatch):
    calls = []

    def fail():
        calls.append(1)
        raise rasterio.errors.RasterioIOError("broken")

    with pytest.raises(remote.UnreadError, match=r"^broken$"):
        remote.read_with_retries("a.tif", fail)
    assert len(calls) == 1
    with pytest.raises(remote.UnreadError, match="broken, after 4 attempts"):
        remote.read_with_retries("s3://b/a.tif", fail)
    assert len(calls) == 5


def test_delays_double_and_are_random(monkeypatch):
    waits = []
    monkeypatch.setenv("GDAL_HTTP_MAX_RETRY", "6")
    monkeypatch.setenv("GDAL_HTTP_RETRY_DELAY", "0.2")
    monkeypatch.setattr(time, "sleep", waits.append)

    def fail():
        raise rasterio.errors.RasterioIOError("broken")

    with pytest.raises(remote.UnreadError):
        remote.read_with_retries("https://h/a.tif", fail)
    assert len(waits) == 6
    assert all(0.1 * 2**k <= wait <= 0.3 * 2**k for k, wait in enumerate(waits))
    assert len({wait / 2**k for k, wait in enumerate(waits)}) == 6


def test_options_of_the_user_take_precedence(monkeypatch):
    assert "GDAL_HTTP_MAX_RETRY" not in remote.remote_options("https://h/a.tif")  # set above
    assert remote.remote_options("https://h/a.tif")["GDAL_HTTP_CONNECTTIMEOUT"] == "10"
    with rasterio.Env(GDAL_HTTP_CONNECTTIMEOUT="3"):
        assert "GDAL_HTTP_CONNECTTIMEOUT" not in remote.remote_options("https://h/a.tif")


def test_side_files_of_a_signed_url_are_not_requested():
    assert remote.remote_options("https://h/a.tif?sig=1")["GDAL_DISABLE_READDIR_ON_OPEN"] == "EMPTY_DIR"
    assert remote.remote_options("https://h/a.tif")["GDAL_DISABLE_READDIR_ON_OPEN"] == "TRUE"


@pytest.mark.parametrize(
    ("endpoint", "host", "https"),
    [("http://127.0.0.1:9000", "127.0.0.1:9000", "NO"), ("https://s3.example.org/", "s3.example.org", "YES")],
)
def test_gdal_reads_from_the_endpoint_that_boto3_writes_to(monkeypatch, endpoint, host, https):
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_S3_ENDPOINT", "AWS_HTTPS", "AWS_VIRTUAL_HOSTING"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    options = remote.remote_options("s3://b/a.tif")
    assert (options["AWS_S3_ENDPOINT"], options["AWS_HTTPS"], options["AWS_VIRTUAL_HOSTING"]) == (host, https, "FALSE")
    monkeypatch.setenv("AWS_S3_ENDPOINT", "other")
    assert "AWS_S3_ENDPOINT" not in remote.remote_options("s3://b/a.tif")


def test_no_secret_of_a_url_reaches_an_attribute_or_a_log(server, caplog):
    signed = f"{server}/bands.tif?sig=abcdef"
    with caplog.at_level(logging.DEBUG, logger="rasterio._env"):
        raster = open_raster(signed)
        with pytest.raises(RasterError):
            open_raster(f"{server}/absent.tif?sig=abcdef")
    assert raster.attrs["source"] == f"{server}/bands.tif?sig=***"
    assert raster[:, :2, :2].values.shape == (12, 2, 2)
    assert caplog.text and "abcdef" not in caplog.text


def test_a_cube_in_a_bucket_is_the_cube_on_disk(folder, monkeypatch):
    pytest.importorskip("boto3")
    pytest.importorskip("moto")
    with s3_server(monkeypatch) as client:
        client.upload_file(str(folder / "bands.tif"), "sound", "cubes/bands.tif")
        values = open_raster("s3://sound/cubes/bands.tif").values
        with pytest.raises(RasterError, match=r"s3://sound/absent\.tif: not a raster") as absent:
            open_raster("s3://sound/absent.tif")
    np.testing.assert_array_equal(values, open_raster(folder / "bands.tif").values)
    assert "attempts" not in str(absent.value)


def test_a_short_read_is_an_error_also_if_warnings_are_not_logged(caplog):
    caplog.set_level(logging.ERROR, logger="rasterio._env")
    with (
        pytest.raises(rasterio.errors.RasterioError, match="IO error during reading"),
        remote.short_reads_as_errors("https://example.org/a.tif"),
    ):
        logging.getLogger("rasterio._env").warning("CPLE_AppDefined: IO error during reading of a tile")
