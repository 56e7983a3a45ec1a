"""Files over a network: what GDAL is told about them, and how a read that failed is tried again.

GDAL asks again after an answer like 503. But it takes a body that ended early for the end of the file, and keeps it; a
tag or a side file that was cut is then absent, without an error. So nothing of a remote file stays in GDAL's cache once
it is closed, its warnings of short reads are errors here, side files are looked for once more, and what failed is read
again from a file opened anew.
What the user has set in the environment (or by `rasterio.Env`) stands, above all `GDAL_HTTP_MAX_RETRY` and
`GDAL_HTTP_RETRY_DELAY`, which steer both GDAL's tries and ours.
"""

from __future__ import annotations

import logging
import os
import random
import re
import threading
import time
from contextlib import contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import rasterio
from rasterio.enums import MaskFlags
from rasterio.env import get_gdal_config
from rasterio.errors import RasterioError

from geosoil.errors import without_secrets

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rasterio.io import DatasetReader

T = TypeVar("T")

WAY_OUT = "check the address, the credentials and the network, then run again"

_DEFAULTS = {
    "GDAL_HTTP_MAX_RETRY": "4",
    "GDAL_HTTP_RETRY_DELAY": "0.2",  # s, about doubled after every try
    "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # s
    # A server that falls silent is given up; a slow but steady one is not, so there is no limit of the whole time.
    "GDAL_HTTP_LOW_SPEED_TIME": "20",  # s
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",  # bytes/s
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/:/vsiadls/:/vsioss/:/vsiswift/",
}
# Asking again does not help: absent, forbidden, gone, or no credentials at all.
_FINAL = re.compile(
    r"HTTP (?:response|error) code\s*:\s*4(?!08|29)\d\d|does not exist"
    r"|NoSuchKey|NoSuchBucket|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidCredentials"
)
_OFF = {"NO", "FALSE", "OFF", "0"}


class UnreadError(Exception):
    """A read that failed for good: its text says why, and after how many tries."""


def is_remote(path: str) -> bool:
    """Tell whether GDAL reads the path over a network.

    >>> is_remote("s3://bucket/a.tif"), is_remote("a.tif")
    (True, False)
    """
    return "://" in path or path.startswith(
        ("/vsicurl", "/vsis3", "/vsigs", "/vsiaz", "/vsiadls", "/vsioss", "/vsiswift", "/vsihdfs", "/vsiwebhdfs")
    )


def gdal_name(path: str) -> str:
    """Return what GDAL itself calls a path, where it stands inside of a VRT.

    >>> gdal_name("s3://bucket/a.tif"), gdal_name("https://example.org/a.tif"), gdal_name("/data/a.tif")
    ('/vsis3/bucket/a.tif', '/vsicurl/https://example.org/a.tif', '/data/a.tif')
    """
    scheme, found, rest = path.partition("://")
    if not found or path.startswith("/"):
        return path
    if scheme in ("http", "https", "ftp"):
        return f"/vsicurl/{path}"
    return f"/vsi{scheme}/{rest}"  # s3, gs, az


def remote_options(path: str) -> dict[str, str]:
    """Return GDAL's options for a file over a network, without those that are set already; none for a local file.

    `AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_S3`), which boto3 knows, is told to GDAL in its own words.

    >>> remote_options("a.tif")
    {}
    """
    if not is_remote(path):
        return {}
    # Side files are asked for one by one: listing a bucket may take minutes. A signed address is of one file only.
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR" if "?" in path else "TRUE", **_DEFAULTS}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and get_gdal_config("AWS_S3_ENDPOINT") is None:
        parts = urlsplit(endpoint)
        options["AWS_S3_ENDPOINT"] = parts.netloc + parts.path.rstrip("/")
        options["AWS_HTTPS"] = "NO" if parts.scheme == "http" else "YES"
        options["AWS_VIRTUAL_HOSTING"] = "FALSE"  # bucket.host seldom is a host of a server of one's own
    return {name: value for name, value in options.items() if get_gdal_config(name) is None}


def is_off(name: str) -> bool:
    """Tell whether a switch of GDAL is set to off in the environment.

    >>> is_off("AWS_HTTPS")
    False
    """
    return os.environ.get(name, "").upper() in _OFF


def patiently(path: str, read: Callable[[], T]) -> T:
    """Return what `read` returns; for a path over a network, call it again, ever later, where it raises RasterioError.

    Raises UnreadError after the last try; at once where the path is local, or no further try can help.

    >>> patiently("a.tif", lambda: 1)
    1
    """
    tries = 1 + int(_number("GDAL_HTTP_MAX_RETRY")) if is_remote(path) else 1
    for done in range(1, tries + 1):
        try:
            return read()
        except RasterioError as error:
            cause = without_secrets((str(error.__cause__ or error).splitlines() or [type(error).__name__])[0])
            if is_remote(path) and _FINAL.search(f"{error} {error.__cause__}"):
                raise UnreadError(cause) from None
            if done == tries:
                # Of a remote file, the text of GDAL's own error may hold a signed address.
                said = f"{cause}, after {done} tries" if tries > 1 else cause
                raise UnreadError(said) from (None if is_remote(path) else error)
        # Spread, so that threads that failed together do not come back together.
        time.sleep(_number("GDAL_HTTP_RETRY_DELAY") * 2 ** (done - 1) * random.uniform(0.5, 1.5))
    raise AssertionError  # the loop returns or raises


def _number(name: str) -> float:
    try:
        return max(float(get_gdal_config(name, normalize=False) or _DEFAULTS[name]), 0)
    except ValueError:
        return float(_DEFAULTS[name])


@contextmanager
def whole_answers(path: str) -> Iterator[None]:
    """Raise RasterioError where GDAL only warned that it could not read a part of a file over a network.

    >>> with whole_answers("a.tif"):
    ...     pass
    """
    if not _of_gdal.isEnabledFor(logging.WARNING):
        _of_gdal.setLevel(logging.WARNING)  # to hear of them; the listener passes on no more than before
    outer, _heard.short_reads = getattr(_heard, "short_reads", None), []
    try:
        yield
        if _heard.short_reads and is_remote(path):
            raise RasterioError(_heard.short_reads[0])
    finally:
        _heard.short_reads = outer


def require_side_files(source: DatasetReader, path: str) -> None:
    """Raise RasterioError where a dataset over a network came without a side file that is there.

    source: just opened from `path`. GDAL takes a side file for absent whose request failed, and one for empty whose
    body ended early: the mask (`.msk`), or the scale, units and no data (`.aux.xml`) would be missing without a word.
    """
    if not is_remote(path):
        return
    if source.driver != "GTiff":  # a text beside the pixels, like ENVI's .hdr, may end early: it has to come out twice
        with rasterio.open(path) as again:
            if _told(again) != _told(source):
                raise RasterioError("its header came out in two ways")
    if "?" in path:
        return
    if MaskFlags.per_dataset not in source.mask_flag_enums[0] and _is_there(f"{path}.msk"):
        raise RasterioError("its side file .msk was not read whole")
    if _is_there(f"{path}.aux.xml"):
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path) as bare:
            if _told(bare) == _told(source):
                raise RasterioError("its side file .aux.xml was not read whole, or tells nothing")


@lru_cache(maxsize=4096)
def _is_there(side_file: str) -> bool:
    """Tell whether a side file exists; RasterioError where the answer does not say."""
    try:
        patiently(side_file, lambda: _probed(side_file))
    except UnreadError as error:
        if _FINAL.search(str(error)):
            return False
        raise RasterioError(f"{error} of its side file {side_file[-8:]}") from None
    return True


def _probed(path: str) -> None:
    try:
        rasterio.open(path).close()
    except RasterioError as error:
        if "not recognized" not in str(error):  # it is there, and is no raster
            raise


def _told(source: DatasetReader) -> tuple[object, ...]:
    """Return all that a side file may change."""
    return (
        *(source.crs, source.transform, source.nodatavals, source.scales, source.offsets, source.units),
        *(source.descriptions, source.colorinterp, source.tags(), *map(source.tags, source.indexes)),
    )


class _Listener(logging.Filter):
    """Hears of short reads in what rasterio passes on of GDAL's messages, and takes the secrets out of it."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        heard = getattr(_heard, "short_reads", None)
        if heard is not None and "IO error during reading" in message:
            heard.append(message)
        record.msg, record.args = without_secrets(message), None
        return _of_gdal.level != logging.WARNING or logging.getLogger("rasterio").isEnabledFor(record.levelno)


_heard = threading.local()
_of_gdal = logging.getLogger("rasterio._env")
_of_gdal.addFilter(_Listener())
