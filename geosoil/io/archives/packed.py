"""Random access to a file that deflate has packed: states of the decompressor are kept at intervals, and copied.

GDAL would unpack such a file from its beginning in every thread that opens it. Large files are unpacked once, where the
disk has room (`spool.py`). Otherwise all threads share the states, so that the file is unpacked once from one end to
the other, and later reads unpack at most the part between two states.
"""

from __future__ import annotations

import threading
import zlib
from bisect import bisect_right
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from geosoil.errors import RasterError
from geosoil.io.archives.spool import spool_of
from geosoil.io.random_access import RandomAccessFile
from geosoil.io.remote.ranges import open_bytes

MOST_STATES = 1000  # of about 40 kB each
LEAST_STEP = 2**18  # bytes of content between two states
INPUT_BYTES, OUTPUT_BYTES = 2**16, 2**16  # at once
GZIP, DEFLATE = 31, -15  # as zlib numbers them: with the header of gzip, and without one


@dataclass(frozen=True)
class PackedRange:
    """Where a packed stream is, and its size.

    Parameters
    ----------
    path : str
        The path or address of the file.
    stamp : (int, int)
        Its `bytes_stamp`, so that a file that was replaced is unpacked again.
    start : int
        Where the packed bytes begin in it.
    size : int
        Bytes of the unpacked content; an upper limit suffices.
    wbits : int
        `GZIP` or `DEFLATE`.
    checksum : int, optional
        CRC-32 of the content, which is compared when its end is reached; gzip has its own.
    """

    path: str
    stamp: tuple[int, int]
    start: int
    size: int
    wbits: int
    checksum: int | None = None


@dataclass(frozen=True)
class _State:
    """A decompressor that has unpacked `done` bytes and reads on at `place` in the file; it is copied before use."""

    done: int
    place: int
    engine: Any
    checksum: int = 0


class _States:
    """The states of one packed range, shared by all threads."""

    def __init__(self, packed: PackedRange) -> None:
        self.step = max(LEAST_STEP, packed.size // MOST_STATES)
        self._states = [_State(0, packed.start, zlib.decompressobj(packed.wbits))]
        self._done = [0]
        self._lock = threading.Lock()

    def before(self, position: int) -> _State:
        """Return a copy of the last state at or before a position."""
        with self._lock:
            state = self._states[bisect_right(self._done, position) - 1]
            return replace(state, engine=state.engine.copy())

    def keep(self, state: _State) -> None:
        """Keep a copy of a state, unless there is one near it."""
        with self._lock:
            number = bisect_right(self._done, state.done)
            after = self._done[number] if number < len(self._done) else state.done + self.step
            if state.done - self._done[number - 1] >= self.step <= after - state.done:
                self._done.insert(number, state.done)
                self._states.insert(number, replace(state, engine=state.engine.copy()))


@lru_cache(maxsize=8)
def _states_of(packed: PackedRange) -> _States:
    return _States(packed)


class UnpackedFile(RandomAccessFile):
    """The content of a packed range as a file with random access, for one thread.

    Damaged content ends where the damage is noticed, since GDAL, which calls these methods, knows no exceptions of
    Python; it reports that it cannot read a file to its end.

    Parameters
    ----------
    packed : PackedRange
        The range; all files of the same range share the states of its decompressor.

    Examples
    --------
    >>> import gzip, tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(gzip.compress(b"one two three"))
    ...     file.flush()
    ...     with UnpackedFile(PackedRange(file.name, (0, 0), 0, 13, GZIP)) as content:
    ...         _ = content.seek(4)
    ...         content.read(3)
    b'two'
    """

    def __init__(self, packed: PackedRange) -> None:
        super().__init__(open_bytes(packed.path), packed.size)
        self._packed = packed
        self._states, self._spool = _states_of(packed), spool_of(packed)
        self._begin, self._buffer = 0, b""  # the last part that was unpacked
        self._engine: Any = None
        self._place = self._checksum = 0
        self._ended = self._damaged = False

    def readinto(self, buffer: object) -> int:
        """Fill a buffer from the position, as far as the content goes; nothing more once damage was noticed."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        kept = self._read_spool(len(view))
        if kept is not None:
            view[: len(kept)] = kept
            return len(kept)
        filled = 0
        while filled < len(view) and not self._damaged and self._find(self._position):
            first = self._position - self._begin
            part = self._buffer[first : first + len(view) - filled]
            view[filled : filled + len(part)] = part
            filled += len(part)
            self._position += len(part)
        return filled

    def read(self, size: int = -1) -> bytes | None:
        """Return bytes from the position on, as `readinto`; from a spool they are copied once less."""
        kept = self._read_spool(size) if size >= 0 else None
        return super().read(size) if kept is None else kept

    def _read_spool(self, size: int) -> bytes | None:
        """Return bytes from the position on out of the spool; None if there is none, or no room for it."""
        kept = None if self._spool is None else self._spool.read(self._position, size)
        if kept is None or self._spool is None:
            return None
        self._position += len(kept)
        return b"" if self._spool.is_damaged else kept

    def _find(self, position: int) -> bool:
        """Unpack until the buffer contains a position; return False behind the end."""
        end = self._begin + len(self._buffer)
        if self._begin <= position < end:
            return True
        if self._engine is None or position < self._begin or position - end >= self._states.step:
            state = self._states.before(position)
            if self._engine is None or position < self._begin or state.done > end:
                self._engine, self._place, self._ended = state.engine, state.place, False
                self._checksum = state.checksum
                self._begin, self._buffer = state.done, b""
        while self._begin + len(self._buffer) <= position:
            if not self._unpack():
                return False
        return True

    def _unpack(self) -> bool:
        """Replace the buffer by the part after it; return False at the end of the content."""
        if self._ended:
            return False
        self._begin += len(self._buffer)
        self._states.keep(_State(self._begin, self._place, self._engine, self._checksum))
        self._buffer = b""
        while not self._buffer:
            try:
                self._file.seek(self._place)
                packed = self._file.read(INPUT_BYTES)
                self._buffer = self._engine.decompress(packed, OUTPUT_BYTES)
            except (zlib.error, OSError, RasterError):
                self._damaged = True
                return False
            self._checksum = zlib.crc32(self._buffer, self._checksum)
            left = len(self._engine.unused_data) if self._engine.eof else len(self._engine.unconsumed_tail)
            self._place += len(packed) - left
            if self._engine.eof and self._packed.wbits == GZIP and left:  # another gzip follows in the same file
                self._engine = zlib.decompressobj(GZIP)
            elif self._engine.eof or not packed:
                self._ended = True
                self._damaged = self._packed.checksum not in (None, self._checksum)
                return bool(self._buffer) and not self._damaged
        return True
