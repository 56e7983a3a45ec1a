"""Read any part of a file on a web server or in a bucket, by requests for ranges of bytes.

The parts that were read last are kept in memory, up to a limit for the whole process. A file that changes while it is
read is an error, because its parts would not belong together.
"""

from __future__ import annotations

import io
import os
import re
import threading
import time
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from geosoil.errors import OutputError, RasterError
from geosoil.io.random_access import RandomAccessFile
from geosoil.io.remote.http import http_range
from geosoil.io.remote.object_reading import object_range
from geosoil.io.remote.objects import is_object_url
from geosoil.io.remote.reading import WAY_OUT, is_remote

if TYPE_CHECKING:
    from collections.abc import Callable

PART_BYTES = 2**18  # that are requested and kept together
KEPT_PARTS = 128  # 32 MiB
MOST_AT_ONCE = 64  # parts of one request
MOST_AHEAD = 16  # parts that are requested before they are needed, where a file is read from one end to the other
STAMP_SECONDS = 20.0  # for which the length and the ETag of a file are not requested again
_MISSING = re.compile(r"response code: 4(?!08|29)\d\d|no such object")

_lock = threading.Lock()
_parts: OrderedDict[tuple[str, tuple[int, int], int], bytes] = OrderedDict()
_stamps: dict[str, tuple[float, tuple[int, int]]] = {}


def open_bytes(path: str) -> BinaryIO:
    """Open a local file, or one at an address, as a file with random access.

    >>> with open_bytes("/dev/null") as file:
    ...     file.read()
    b''
    """
    if is_remote(path):
        return RemoteFile(path)  # type: ignore[return-value]
    return Path(path).open("rb", buffering=0)


def bytes_stamp(path: str) -> tuple[int, int]:
    """Return two numbers by which a file is recognised as the same, local or at an address; the second is its size.

    Raises
    ------
    RasterError
        If a file at an address cannot be requested.
    OSError
        If a local file does not exist.
    """
    if not is_remote(path):
        status = Path(path).stat()
        return status.st_mtime_ns, status.st_size
    with _lock:
        when, stamp = _stamps.get(path, (-STAMP_SECONDS, (0, 0)))
    if time.monotonic() - when < STAMP_SECONDS:
        return stamp
    content, stamp = _request(path, 0, PART_BYTES)
    _keep(path, stamp, 0, content)
    with _lock:
        _stamps[path] = time.monotonic(), stamp
    return stamp


def is_there(url: str) -> bool:
    """Return whether a file exists at an address; raises RasterError if the answer is not clear."""
    try:
        bytes_stamp(url)
    except RasterError as error:
        if _MISSING.search(str(error)):
            return False
        raise
    return True


class RemoteFile(RandomAccessFile):
    """A file at an address as a file with random access, for one thread; parts are shared by all threads.

    Parameters
    ----------
    url : str
        An http://, https:// or s3:// URL.
    stamp : (int, int), optional
        Its `bytes_stamp` when it was opened first (default: that of now).

    Raises
    ------
    RasterError
        If it cannot be requested, here and while it is read.
    """

    def __init__(self, url: str, stamp: tuple[int, int] | None = None) -> None:
        self._url, self._stamp = url, stamp or bytes_stamp(url)
        super().__init__(io.BytesIO(), self._stamp[1])  # no file of this machine is open
        self._next = self._ahead = 0  # the part after those that were requested last, and how many were

    def readinto(self, buffer: object) -> int:
        """Fill a buffer from the position, up to the end of the file."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        stop = min(self._position + len(view), self._size)
        filled = 0
        while self._position < stop:
            first = self._position // PART_BYTES
            content = self._from(first, -(-stop // PART_BYTES))
            start = self._position - first * PART_BYTES
            piece = memoryview(content)[start : start + stop - self._position]
            view[filled : filled + len(piece)] = piece
            filled += len(piece)
            self._position += len(piece)
        return filled

    def _from(self, first: int, stop: int) -> bytes:
        """Return the bytes from one part on: that part if it is kept, else as many of those missing as one request has.

        Where a file is read in order, more and more parts are requested before they are needed.
        """
        with _lock:
            key = (self._url, self._stamp, first)
            if key in _parts:
                _parts.move_to_end(key)
                return _parts[key]
            last = first + 1
            self._ahead = min(2 * self._ahead, MOST_AHEAD) if first == self._next else 1
            end = min(max(stop, first + self._ahead), first + MOST_AT_ONCE, -(-self._size // PART_BYTES))
            while last < end and (self._url, self._stamp, last) not in _parts:
                last += 1
            self._next = last
        content, stamp = _request(self._url, first * PART_BYTES, (last - first) * PART_BYTES)
        if stamp != self._stamp:
            raise RasterError(
                self._url,
                problem="changed while it was read",
                expected="one version of the file",
                way_out="run again when it is complete",
            )
        _keep(self._url, stamp, first, content)
        return content


def _request(url: str, first: int, count: int) -> tuple[bytes, tuple[int, int]]:
    """Return a range of a file, and its stamp."""
    read: Callable[[str, int, int], tuple[bytes, int, str]]
    if url.startswith(("http://", "https://")):
        read = http_range
    elif is_object_url(url):
        read = object_range
    else:
        raise RasterError(
            url,
            found="an address of another kind",
            expected="https:// or s3://",
            way_out="download the file, and give the path of the copy",
        )
    try:
        content, size, version = read(url, first, count)
    except FileNotFoundError:
        raise RasterError(url, found="no such object", expected="a file", way_out="check the address") from None
    except OutputError as error:  # the client of the bucket is that of outputs
        cause = str(error).partition(": ")[2].partition(";")[0]
        raise RasterError(url, problem=f"cannot be read ({cause})", expected="a file", way_out=WAY_OUT) from None
    return content, (zlib.crc32(version.encode()), size)


def _keep(url: str, stamp: tuple[int, int], first: int, content: bytes) -> None:
    with _lock:
        for number, start in enumerate(range(0, len(content), PART_BYTES), start=first):
            _parts[url, stamp, number] = content[start : start + PART_BYTES]
            _parts.move_to_end((url, stamp, number))
        while len(_parts) > KEPT_PARTS:
            _parts.popitem(last=False)


def _reset_after_fork() -> None:
    """Make a new lock in a forked process, where another thread may have held that of the parent."""
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
