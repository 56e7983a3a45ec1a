"""GDAL options for files over a network, and retries of reads that failed.

GDAL repeats requests that were answered by a status like 503. But it takes a truncated response for the end of the
file, and caches it; tags or side files are then missing without an error. Therefore remote files are not kept in GDAL's
cache after they are closed, its warnings of short reads become errors, side files are checked for separately, and a
failed read is repeated on a newly opened dataset.
Options that the user has set in the environment or by `rasterio.Env` take precedence; `GDAL_HTTP_MAX_RETRY` and
`GDAL_HTTP_RETRY_DELAY` control the retries of GDAL and those of this module.
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
    "GDAL_HTTP_RETRY_DELAY": "0.2",  # s, about twice as long after each attempt
    "GDAL_HTTP_RETRY_CODES": "429,500,502,503,504",
    "GDAL_HTTP_CONNECTTIMEOUT": "10",  # s
    # A server that stops sending is an error; a slow one is not, so the total time is not limited.
    "GDAL_HTTP_LOW_SPEED_TIME": "20",  # s
    "GDAL_HTTP_LOW_SPEED_LIMIT": "100",  # bytes/s
    "CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/:/vsiaz/:/vsiadls/:/vsioss/:/vsiswift/",
}
# Errors that a retry cannot resolve: the file is missing or forbidden, or credentials are missing.
_FINAL = re.compile(
    r"HTTP (?:response|error) code\s*:\s*4(?!08|29)\d\d|does not exist"
    r"|NoSuchKey|NoSuchBucket|AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidCredentials"
)
_OFF = {"NO", "FALSE", "OFF", "0"}


class UnreadError(Exception):
    """A read failed after all retries; the message gives the cause and the number of attempts."""


_REMOTE = re.compile(
    r"""^[\w+.-]+://|\b(?:https?|ftp|s3|gs|az|adls|oss|swift|hdfs|webhdfs)://
    |(?:^|[:"{])/vsi(?:curl|s3|gs|az|adls|oss|swift|hdfs|webhdfs)""",
    re.VERBOSE,
)


def is_remote(path: str) -> bool:
    """Check whether GDAL reads the path over a network; the name of a dataset in a local file may contain `://`.

    >>> is_remote("s3://bucket/a.tif"), is_remote("a.tif"), is_remote("HDF5:a.h5://reflectance")
    (True, False, False)
    """
    return _REMOTE.search(path) is not None


def gdal_name(path: str) -> str:
    """Return the name by which a VRT refers to a path or URL.

    >>> gdal_name("s3://bucket/a.tif"), gdal_name("https://example.org/a.tif"), gdal_name("/data/a.tif")
    ('/vsis3/bucket/a.tif', '/vsicurl/https://example.org/a.tif', '/data/a.tif')
    """
    scheme, separator, rest = path.partition("://")
    if not separator or path.startswith("/") or not is_remote(path):
        return path
    if scheme in ("http", "https", "ftp"):
        return f"/vsicurl/{path}"
    return f"/vsi{scheme}/{rest}"  # s3, gs, az


def address_of(name: str) -> str:
    """Return the path or URL that `gdal_name` turned into a name.

    >>> address_of("/vsis3/bucket/a.tif"), address_of("/vsicurl/https://example.org/a.tif"), address_of("/data/a.tif")
    ('s3://bucket/a.tif', 'https://example.org/a.tif', '/data/a.tif')
    """
    if name.startswith("/vsicurl/"):
        return name.removeprefix("/vsicurl/")
    found = re.match(r"/vsi(s3|gs|az)/", name)
    return f"{found[1]}://{name[found.end() :]}" if found else name


def remote_options(path: str) -> dict[str, str]:
    """Return GDAL options for a remote file, without those that the user has set; an empty dict for a local file.

    `AWS_ENDPOINT_URL` (or `AWS_ENDPOINT_URL_S3`) of boto3 is translated to the options of GDAL.

    >>> remote_options("a.tif")
    {}
    """
    if not is_remote(path):
        return {}
    # Side files are requested individually: listing a bucket may take minutes. A signed URL is valid for one file.
    options = {"GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR" if "?" in path else "TRUE", **_DEFAULTS}
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint and get_gdal_config("AWS_S3_ENDPOINT") is None:
        parts = urlsplit(endpoint)
        options["AWS_S3_ENDPOINT"] = parts.netloc + parts.path.rstrip("/")
        options["AWS_HTTPS"] = "NO" if parts.scheme == "http" else "YES"
        options["AWS_VIRTUAL_HOSTING"] = "FALSE"  # private servers rarely resolve bucket.host
    return {name: value for name, value in options.items() if get_gdal_config(name) is None}


def is_off(name: str) -> bool:
    """Check whether a GDAL option is switched off in the environment.

    >>> is_off("AWS_HTTPS")
    False
    """
    return os.environ.get(name, "").upper() in _OFF


def read_with_retries(path: str, read: Callable[[], T]) -> T:
    """Return the result of `read`; for a remote path, retry after a RasterioError with growing delays.

    Raises UnreadError after the last attempt; after the first one if the path is local or a retry cannot help.

    >>> read_with_retries("a.tif", lambda: 1)
    1
    """
    n_attempts = 1 + int(_setting("GDAL_HTTP_MAX_RETRY")) if is_remote(path) else 1
    for attempt in range(1, n_attempts + 1):
        try:
            return read()
        except RasterioError as error:
            cause = without_secrets((str(error.__cause__ or error).splitlines() or [type(error).__name__])[0])
            if is_remote(path) and _FINAL.search(f"{error} {error.__cause__}"):
                raise UnreadError(cause) from None
            if attempt == n_attempts:
                # The message of GDAL may contain a signed URL of a remote file.
                message = f"{cause}, after {attempt} attempts" if n_attempts > 1 else cause
                raise UnreadError(message) from (None if is_remote(path) else error)
        # Random delays, so that threads that failed at the same time do not retry at the same time.
        time.sleep(_setting("GDAL_HTTP_RETRY_DELAY") * 2 ** (attempt - 1) * random.uniform(0.5, 1.5))
    raise AssertionError  # the loop returns or raises


def _setting(name: str) -> float:
    try:
        return max(float(get_gdal_config(name, normalize=False) or _DEFAULTS[name]), 0)
    except ValueError:
        return float(_DEFAULTS[name])


@contextmanager
def short_reads_as_errors(path: str) -> Iterator[None]:
    """Raise RasterioError if GDAL only warned that it could not read part of a remote file.

    >>> with short_reads_as_errors("a.tif"):
    ...     pass
    """
    if not _gdal_logger.isEnabledFor(logging.WARNING):
        _gdal_logger.setLevel(logging.WARNING)  # to receive warnings; the filter emits no more records than before
    outer, _thread_state.short_reads = getattr(_thread_state, "short_reads", None), []
    try:
        yield
        if _thread_state.short_reads and is_remote(path):
            raise RasterioError(_thread_state.short_reads[0])
    finally:
        _thread_state.short_reads = outer


def require_side_files(source: DatasetReader, path: str) -> None:
    """Raise RasterioError if a remote dataset was opened without a side file that exists.

    GDAL ignores a side file whose request failed or whose response was truncated: the mask (`.msk`), or the scale,
    units and nodata value (`.aux.xml`), would be missing without an error. `source` was just opened from `path`.
    """
    if not is_remote(path):
        return
    if source.driver != "GTiff":  # a text header such as ENVI's .hdr may be truncated: compare two reads
        with rasterio.open(path) as again:
            if _metadata(again) != _metadata(source):
                raise RasterioError("two reads of its header differ")
    if "?" in path or path.startswith(("/vsizip/", "/vsitar/", "/vsisubfile/")):  # products in archives have none
        return
    if MaskFlags.per_dataset not in source.mask_flag_enums[0] and remote_file_exists(f"{path}.msk"):
        raise RasterioError("its side file .msk was not read completely")
    if remote_file_exists(f"{path}.aux.xml"):
        with rasterio.Env(GDAL_PAM_ENABLED="NO"), rasterio.open(path) as bare:
            if _metadata(bare) == _metadata(source):
                raise RasterioError("its side file .aux.xml was not read completely, or is empty")


@lru_cache(maxsize=4096)
def remote_file_exists(side_file: str) -> bool:
    """Check whether a file beside a remote raster exists; raises RasterioError if the answer is not clear."""
    try:
        read_with_retries(side_file, lambda: _probe(side_file))
    except UnreadError as error:
        if _FINAL.search(str(error)):
            return False
        raise RasterioError(f"{error}, for its side file {side_file[-8:]}") from None
    return True


def _probe(path: str) -> None:
    try:
        rasterio.open(path).close()
    except RasterioError as error:
        if "not recognized" not in str(error):  # the file exists, but is not a raster
            raise


def _metadata(source: DatasetReader) -> tuple[object, ...]:
    """Return the metadata that a side file can change."""
    return (
        *(source.crs, source.transform, source.nodatavals, source.scales, source.offsets, source.units),
        *(source.descriptions, source.colorinterp, source.tags(), *map(source.tags, source.indexes)),
    )


class _ShortReadFilter(logging.Filter):
    """Collect short reads from the GDAL messages that rasterio logs, and hide secrets in them."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        short_reads = getattr(_thread_state, "short_reads", None)
        if short_reads is not None and "IO error during reading" in message:
            short_reads.append(message)
        record.msg, record.args = without_secrets(message), None
        return _gdal_logger.level != logging.WARNING or logging.getLogger("rasterio").isEnabledFor(record.levelno)


_thread_state = threading.local()
_gdal_logger = logging.getLogger("rasterio._env")
_gdal_logger.addFilter(_ShortReadFilter())
