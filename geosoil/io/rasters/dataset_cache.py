"""Open datasets, cached per thread, so that reading pixels needs no lock.

Two threads must not read a GDAL dataset at the same time. A common lock would serialise all reads (rioxarray #214), so
each thread has a small cache of its own datasets, and closes the least recently used one.
"""

from __future__ import annotations

import atexit
import os
import threading
import warnings
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError, stack_errors  # not in rasterio.errors; the only access to CPLErrorReset
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.session import DummySession

from geosoil.errors import RasterError
from geosoil.io.archives.reader import archive_of
from geosoil.io.input_paths import require_input
from geosoil.io.rasters.drivers import open_dataset
from geosoil.io.remote.ranges import bytes_stamp
from geosoil.io.remote.reading import (
    WAY_OUT,
    UnreadError,
    is_remote,
    read_with_retries,
    remote_options,
    require_side_files,
    short_reads_as_errors,
)
from geosoil.raster.grid import Grid, horizontal_crs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from rasterio.io import DatasetReader

MAX_PER_THREAD = 32
MAX_BANDS = 20_000  # the type, name and scale of each are read
MAX_PIXELS_PER_SIDE = 10_000_000  # a global grid of 10 m has 4 million columns; every opened raster has coordinates

# GDAL caches decoded blocks, in up to 5 % of the machine's memory; geosoil reads blocks once, so a small cache is
# enough. A limit set in the environment takes precedence. rasterio takes the number in bytes.
CACHE_BYTES = 32 * 2**20
_CACHE: dict[str, Any] = {} if "GDAL_CACHEMAX" in os.environ else {"GDAL_CACHEMAX": CACHE_BYTES}
# A VRT may refer to other files, but must not run Python code.
# Without the option of gzip, GDAL writes a file of properties beside an archive.
_OPTIONS: dict[str, Any] = {"GDAL_VRT_ENABLE_PYTHON": "NO", "CPL_VSIL_GZIP_WRITE_PROPERTIES": "NO", **_CACHE}
# Without a session, rasterio searches for credentials whenever an Env is entered (15 ms); opening s3:// does it anyway.
_NO_SESSION = DummySession()

_open_lock = threading.Lock()  # protects the global warnings filter; never held while reading
_thread_state = threading.local()


@contextmanager
def limit_gdal_cache() -> Iterator[None]:
    """Limit GDAL's block cache to 32 MiB in all threads, until the `with` statement ends.

    The limit applies to the process, but leaving a rasterio Env resets it: threads that read alternately would raise it
    for each other to GDAL's default, 5 % of the machine's memory.

    >>> with limit_gdal_cache():
    ...     pass
    """
    with rasterio.Env(_NO_SESSION, **_CACHE):
        yield


def cache_bytes() -> int:
    """Return the limit of GDAL's block cache in bytes: that of the environment, else 32 MiB.

    >>> cache_bytes() > 0
    True
    """
    import psutil

    text = os.environ.get("GDAL_CACHEMAX", str(CACHE_BYTES)).strip()
    share = text.endswith("%")
    try:
        number = float(text.rstrip("%"))
    except ValueError:  # GDAL reads it as 0
        return 0
    if share:
        return int(number / 100 * psutil.virtual_memory().total)
    return int(number if number >= 100_000 else number * 2**20)  # GDAL reads small numbers as megabytes


@contextmanager
def dataset(path: str, stamp: tuple[int, int] | None = None, overview: int | None = None) -> Iterator[DatasetReader]:
    """Yield the dataset of a file that this thread has opened before, or open it; do not close it.

    Parameters
    ----------
    path : str
        The path or URL, as `absolute_path` returns it.
    stamp : tuple of int, optional
        The `file_stamp` of a local file, so that a file that was replaced is opened again.
    overview : int, optional
        Open this overview of the file, from 0, as a raster with larger pixels.

    Yields
    ------
    rasterio.io.DatasetReader
        The open dataset.

    Raises
    ------
    RasterError
        If the file does not exist or is not a raster.

    Examples
    --------
    >>> import tempfile, numpy as np
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = folder + "/a.tif"
    ...     with rasterio.open(path, "w", driver="GTiff", width=2, height=1, count=3, dtype="uint8",
    ...                        transform=rasterio.Affine(2, 0, 0, 0, -2, 0)) as made:
    ...         made.write(np.ones((3, 1, 2), "uint8"))
    ...     with dataset(path, file_stamp(path)) as source:
    ...         source.count
    3
    """
    datasets: OrderedDict[tuple[str, Any], DatasetReader] = _thread_state.__dict__.setdefault("kept", OrderedDict())
    with rasterio.Env(_NO_SESSION, **_OPTIONS, **remote_options(path)):
        key = (path, (stamp, overview))
        _clear_gdal_errors()  # left by a file that was being written
        if key not in datasets:
            datasets[key] = _open(path, overview)
            while len(datasets) > MAX_PER_THREAD:
                datasets.popitem(last=False)[1].close()
        datasets.move_to_end(key)
        try:
            with short_reads_as_errors(path):
                yield datasets[key]
        except (RasterioError, CPLE_BaseError) as error:
            # The dataset may have cached a truncated response: the next reader opens it again.
            broken = datasets.pop(key, None)
            if broken is not None:
                broken.close()
            _clear_gdal_errors()
            if isinstance(error, CPLE_BaseError):  # of a damaged tag, which GDAL reads only when it is needed
                raise RasterError(
                    path, problem=f"damaged ({error})", expected="a raster that GDAL can read", way_out="copy it again"
                ) from error
            raise


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Return a local path as absolute, and a URL or GDAL name unchanged.

    >>> absolute_path("https://example.org/a.tif")
    'https://example.org/a.tif'
    """
    text = os.fspath(path)
    return str(Path(text).absolute()) if _is_local_file(text) else text


def file_stamp(path: str) -> tuple[int, int] | None:
    """Return the `bytes_stamp` of a local file, or of the archive that has it; None for other names and addresses."""
    archive = archive_of(path)
    try:
        return bytes_stamp(archive or path) if archive or not is_remote(path) else None
    except (OSError, ValueError):
        return None


def open_file_stamp(file: FileIO) -> tuple[int, int]:
    """Return the `file_stamp` of an open file."""
    status = os.fstat(file.fileno())
    return status.st_mtime_ns, status.st_size


def dataset_grid(source: DatasetReader) -> Grid:
    """Return the grid of an open dataset, with the horizontal part of its CRS."""
    return Grid(horizontal_crs(source.crs), source.transform, source.height, source.width)


def value_bands(source: DatasetReader) -> list[int]:
    """Return the numbers (starting at 1) of all bands except an alpha band."""
    return [i for i, meaning in zip(source.indexes, source.colorinterp, strict=True) if meaning != ColorInterp.alpha]


def _is_local_file(path: str) -> bool:
    return "://" not in path and not path.startswith(("/vsi", "<")) and (Path(path).exists() or ":" not in path)


def _open(path: str, overview: int | None = None) -> DatasetReader:
    local = _is_local_file(path)
    if local:
        require_input(path, RasterError, "a raster", folders=True)
    try:
        source = read_with_retries(path, lambda: _open_checked(path, overview))
    except (UnreadError, ValueError) as error:
        problem = "is a folder" if local and Path(path).is_dir() else f"not a raster ({error})"
        raise RasterError(
            path,
            problem=problem,
            expected="a raster that GDAL can open",
            way_out=WAY_OUT
            if is_remote(path)
            else "check the file, and its ending: a description of other files, such as a VRT, needs one of its own",
        ) from error
    subdatasets = source.subdatasets
    if source.count == 0:
        source.close()
        raise RasterError(
            path,
            found=f"{len(subdatasets)} subdatasets and no bands",
            expected="one raster",
            way_out=f"specify a subdataset: {', '.join(subdatasets[:3]) or 'there is none'}",
        )
    try:
        _check_grid(path, source)
        _check_place(path, source)
    except RasterError:
        source.close()
        raise
    return source


def _check_grid(path: str, source: DatasetReader) -> None:
    """Raise RasterError for a raster with more pixels or bands than memory can hold, or without a position."""
    if source.count > MAX_BANDS:
        raise RasterError(
            path,
            found=f"{source.count} bands",
            expected=f"at most {MAX_BANDS}",
            way_out="check the file, or copy some bands with gdal_translate -b",
        )
    if max(source.shape) > MAX_PIXELS_PER_SIDE:
        raise RasterError(
            path,
            found=f"{source.height} x {source.width} pixels",
            expected=f"at most {MAX_PIXELS_PER_SIDE} pixels per side",
            way_out="check the file, or cut it with gdal_translate -srcwin",
        )
    with np.errstate(over="ignore", invalid="ignore"):
        corners = Grid(None, source.transform, source.height, source.width).bounds
    numbers = [*source.transform[:6], source.transform.determinant, *corners]
    if not (np.isfinite(numbers).all() and source.transform.determinant):
        raise RasterError(
            path,
            found=f"the geotransform {source.transform.to_gdal()}",
            expected="finite numbers, and pixels with an area",
            way_out="correct it with gdal_edit -a_ullr",
        )


def _check_place(path: str, source: DatasetReader) -> None:
    """Raise RasterError for a raster whose pixels are placed by points or by arrays of coordinates, not by a grid."""
    if not source.transform.is_identity:
        return
    points, crs = source.gcps
    arrays = source.tags(ns="GEOLOCATION")
    name = crs.to_string() if crs is not None else arrays.get("SRS") and "EPSG:4326"
    if points:
        found, option = f"{len(points)} ground control points (GCPs) and no geotransform", "-tps"
    elif "X_DATASET" in arrays or "X_DATASET_RELATIVE_TO_SOURCE" in arrays:
        found, option = "a geolocation array (coordinates of each pixel) and no geotransform", "-geoloc"
    else:
        return
    raise RasterError(
        path,
        found=found,
        expected="pixels on a grid",
        way_out=f"warp it to one with `gdalwarp {option} -t_srs {name or 'EPSG:4326'} INPUT OUTPUT.tif`",
    )


def _open_checked(path: str, overview: int | None) -> DatasetReader:
    # A cube in sensor geometry has no geotransform; its missing CRS reports that, so the warning is not needed.
    with _open_lock, warnings.catch_warnings(), short_reads_as_errors(path):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        is_local = _is_local_file(path) or archive_of(path) is not None
        source = open_dataset(path, local=is_local, overview=overview)
    try:
        require_side_files(source, path)
    except RasterioError:
        source.close()
        raise
    return source


def _clear_gdal_errors() -> None:
    """Clear the last GDAL error of this thread; rasterio would raise it again in a later successful call."""
    with stack_errors():
        pass


@atexit.register
def _close_all() -> None:
    """Close the datasets of this thread while Python can still serve their files: those in archives are read by it."""
    datasets = _thread_state.__dict__.pop("kept", {})
    while datasets:
        datasets.popitem()[1].close()


def _reset_after_fork() -> None:
    """Drop the datasets in a forked process, where they share file positions with the parent."""
    global _thread_state, _open_lock
    _thread_state, _open_lock = threading.local(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
