"""Open datasets, each held by the one thread that reads it: no lock is shared while pixels are read.

A GDAL dataset must not be read by two threads at once. One lock for all would serialise the reading
(rioxarray #214), so every thread keeps a few datasets of its own, and closes the one it used longest ago.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections import OrderedDict
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rasterio
from rasterio._err import stack_errors  # the one way to GDAL's CPLErrorReset
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.session import DummySession

from geosoil.errors import RasterError
from geosoil.io.remote.reading import (
    WAY_OUT,
    UnreadError,
    is_remote,
    patiently,
    remote_options,
    require_side_files,
    whole_answers,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import FileIO

    from rasterio.io import DatasetReader

KEPT_PER_THREAD = 32

# A VRT may name other files, but must not run code that it brings along.
# GDAL keeps decoded blocks, up to 5 % of the machine's memory; blocks here are read once, so a few are enough.
# What the user has set in the environment stands. rasterio takes this one in bytes.
CACHE_BYTES = 32 * 2**20
_CACHE: dict[str, Any] = {} if "GDAL_CACHEMAX" in os.environ else {"GDAL_CACHEMAX": CACHE_BYTES}
_OPTIONS: dict[str, Any] = {"GDAL_VRT_ENABLE_PYTHON": "NO", **_CACHE}
# Without one, rasterio looks for credentials, for 15 ms, whenever an environment is made; opening s3:// does so anyway.
_NO_SESSION = DummySession()

_opening = threading.Lock()  # for the warnings filter below, which is global; never held while reading
_own = threading.local()


@contextmanager
def limit_gdal_cache() -> Iterator[None]:
    """Hold GDAL's block cache at 32 MiB for as long as anything runs inside, in whatever thread.

    The limit is the process's, but an environment of rasterio sets it back when it is left: threads that read by turns
    would lift it for each other to GDAL's own, 5 % of the machine's memory, and so would all that is read in between.

    >>> with limit_gdal_cache():
    ...     pass
    """
    with rasterio.Env(_NO_SESSION, **_CACHE):
        yield


def cache_bytes() -> int:
    """Return what GDAL's block cache may take: what the user has set in the environment, else 32 MiB.

    >>> cache_bytes() > 0
    True
    """
    import psutil

    text = os.environ.get("GDAL_CACHEMAX", str(CACHE_BYTES)).strip()
    share = text.endswith("%")
    try:
        number = float(text.rstrip("%"))
    except ValueError:  # GDAL takes it for 0
        return 0
    if share:
        return int(number / 100 * psutil.virtual_memory().total)
    return int(number if number >= 100_000 else number * 2**20)  # GDAL takes small numbers for megabytes


@contextmanager
def dataset(path: str, stamp: tuple[int, int] | None = None) -> Iterator[DatasetReader]:
    """Yield this thread's dataset of a file, opened now or kept from before; do not close it.

    path: as `located` gives it. stamp: of `file_stamp`, so that a file replaced since is opened anew.

    Raises RasterError where the file is absent or no raster.

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
    kept: OrderedDict[tuple[str, Any], DatasetReader] = _own.__dict__.setdefault("kept", OrderedDict())
    with rasterio.Env(_NO_SESSION, **_OPTIONS, **remote_options(path)):
        key = (path, stamp)
        _forget_errors()  # of a file that was being written
        if key not in kept:
            kept[key] = _open(path)
            while len(kept) > KEPT_PER_THREAD:
                kept.popitem(last=False)[1].close()
        kept.move_to_end(key)
        try:
            with whole_answers(path):
                yield kept[key]
        except RasterioError:
            # What GDAL holds of it may be the half of an answer: its next reader opens it anew.
            broken = kept.pop(key, None)
            if broken is not None:
                broken.close()
            _forget_errors()
            raise


def absolute_path(path: str | os.PathLike[str]) -> str:
    """Return the path as GDAL takes it from any working folder: local files absolute, the others as they are.

    >>> absolute_path("https://example.org/a.tif")
    'https://example.org/a.tif'
    """
    text = os.fspath(path)
    return str(Path(text).absolute()) if _is_plain(text) else text


def file_stamp(path: str) -> tuple[int, int] | None:
    """Return (time of change in ns, size in bytes) of a local file; None for any other path."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size


def open_file_stamp(file: FileIO) -> tuple[int, int]:
    """Return what `file_stamp` gives for the file that is open."""
    status = os.fstat(file.fileno())
    return status.st_mtime_ns, status.st_size


def value_bands(source: DatasetReader) -> list[int]:
    """Return the numbers (1 is the first) of the bands that hold values: all but an alpha band."""
    return [i for i, meaning in zip(source.indexes, source.colorinterp, strict=True) if meaning != ColorInterp.alpha]


def _is_plain(path: str) -> bool:
    return "://" not in path and not path.startswith(("/vsi", "<")) and (Path(path).exists() or ":" not in path)


def _open(path: str) -> DatasetReader:
    plain = _is_plain(path)
    if plain and not Path(path).exists():
        raise RasterError(path, found="no such file", expected="a raster", way_out="check the path")
    try:
        source = patiently(path, lambda: _opened(path))
    except (UnreadError, ValueError) as error:
        found = "a folder" if plain and Path(path).is_dir() else f"no raster ({error})"
        raise RasterError(
            path,
            found=found,
            expected="a raster that GDAL can open",
            way_out=WAY_OUT if is_remote(path) else "check the file",
        ) from error
    inner = source.subdatasets
    if source.count == 0:
        source.close()
        raise RasterError(
            path,
            found=f"{len(inner)} datasets inside and no bands",
            expected="one raster",
            way_out=f"name one of them: {', '.join(inner[:3]) or 'there is none'}",
        )
    return source


def _opened(path: str) -> DatasetReader:
    # A cube in sensor geometry has no geotransform: that is said by its CRS, not by a warning.
    with _opening, warnings.catch_warnings(), whole_answers(path):
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        source = rasterio.open(path)
    try:
        require_side_files(source, path)
    except RasterioError:
        source.close()
        raise
    return source


def _forget_errors() -> None:
    """Forget GDAL's last error in this thread, which rasterio would raise once more, at a call that succeeds."""
    with stack_errors():
        pass


def _forget() -> None:
    """Start without datasets in a forked process: those of its parent share their file positions with it."""
    global _own, _opening
    _own, _opening = threading.local(), threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
