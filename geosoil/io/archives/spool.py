"""The unpacked content of a packed range in a file without a name, so that it is unpacked once.

Deflate can only be unpacked from a beginning. Where there is room on the disk, what has been unpacked is kept in the
folder for temporary files, in a file that disappears with the process, whatever ends it. It is filled as far as it is
read; once a local file is read beyond its first part, a thread fills it ahead of the readers.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import weakref
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from isal import isal_zlib

from geosoil.errors import RasterError
from geosoil.io.remote.ranges import open_bytes
from geosoil.io.remote.reading import is_remote

if TYPE_CHECKING:
    from geosoil.io.archives.packed import PackedRange

LEAST_BYTES, MOST_BYTES = 8 * 2**20, 32 * 2**30  # of content that is kept on the disk
SHARE_OF_DISK = 0.5  # of the free space, at most
LARGE_FILES = "/var/tmp"
AHEAD_FROM = 4 * 2**20  # the metadata of a raster lie before
INPUT_BYTES, OUTPUT_BYTES = 2**18, 2**20  # at once
GZIP = 31  # as zlib numbers it


class Spool:
    """The content of a packed range on the disk, for all threads; make it by `spool_of`.

    Parameters
    ----------
    packed : PackedRange
        The range.

    Attributes
    ----------
    is_damaged : bool
        Whether the content has another checksum than the archive states, so that none of it can be relied on.
    """

    def __init__(self, packed: PackedRange) -> None:
        self.packed, self.is_damaged = packed, False
        self._source = open_bytes(packed.path)
        self._source.seek(packed.start)
        self._kept = tempfile.TemporaryFile(prefix="geosoil-", dir=_folder(), buffering=0)  # noqa: SIM115 - closed below
        self._engine: Any = isal_zlib.decompressobj(packed.wbits)
        self._rest = b""  # packed bytes that are still to be unpacked
        self._filled = self._checksum = 0
        self._ended = self._failed = self._ahead = False
        self._lock = threading.Lock()
        for file in (self._source, self._kept):
            weakref.finalize(self, file.close).atexit = False  # a thread may still fill it then

    def read(self, position: int, count: int) -> bytes | None:
        """Return bytes from a position on, fewer at the end; None if the disk has no room for the content."""
        stop = min(position + count, self.packed.size)
        if stop > AHEAD_FROM and not self._ahead and not is_remote(self.packed.path):
            self._ahead = True
            threading.Thread(target=_fill, args=(weakref.ref(self),), daemon=True).start()
        while self._filled < stop and self.fill():
            pass
        if self._failed:
            return None
        count = max(min(stop, self._filled) - position, 0)
        if hasattr(os, "pread"):  # without waiting for the thread that fills the file
            return os.pread(self._kept.fileno(), count, position)
        with self._lock:
            self._kept.seek(position)
            return self._kept.read(count)

    def fill(self) -> bool:
        """Unpack the next part; return False when all is unpacked or cannot be."""
        with self._lock:
            if self._ended:
                return False
            try:
                content = self._unpack()
                self._kept.seek(self._filled)
                self._failed = self._kept.write(content) != len(content)
            except (isal_zlib.IsalError, RasterError):  # type: ignore[misc]  # what was unpacked before is whole
                self._ended = True
                return False
            except OSError:  # the disk is full
                self._failed = True
            self._ended |= self._failed
            if not self._failed:
                self._filled += len(content)
            return not self._ended

    def _unpack(self) -> bytes:
        packed = self._rest or self._source.read(INPUT_BYTES)
        content: bytes = self._engine.decompress(packed, OUTPUT_BYTES)
        content = content[: self.packed.size - self._filled]
        self._checksum = isal_zlib.crc32(content, self._checksum)
        self._rest = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
        if self._engine.eof and self.packed.wbits == GZIP and self._rest:  # another gzip follows in the same file
            self._engine = isal_zlib.decompressobj(GZIP)
        elif self._engine.eof or not (packed or content) or self._filled + len(content) >= self.packed.size:
            self._ended = True
            self.is_damaged = self.packed.checksum not in (None, self._checksum)
        return content


def spool_of(packed: PackedRange) -> Spool | None:
    """Return the spool of a range, shared by all its readers; None for a small one, and where the disk has no room."""
    if not LEAST_BYTES < packed.size <= MOST_BYTES:
        return None
    try:
        return _spool_of(packed)
    except OSError:
        return None


@lru_cache(maxsize=2)
def _spool_of(packed: PackedRange) -> Spool:
    if packed.size > SHARE_OF_DISK * shutil.disk_usage(_folder()).free:
        raise OSError("no room")
    return Spool(packed)


def _folder() -> str:
    """Return the folder of TMPDIR; else /var/tmp, since /tmp is in the memory of many systems."""
    is_chosen = any(os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP"))
    return LARGE_FILES if not is_chosen and os.access(LARGE_FILES, os.W_OK) else tempfile.gettempdir()


def _fill(spool: weakref.ref[Spool]) -> None:
    """Fill a spool until all is unpacked, or nobody needs it any more."""
    while (kept := spool()) is not None and kept.fill():
        del kept


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_spool_of.cache_clear)  # a thread that held the lock does not exist there
