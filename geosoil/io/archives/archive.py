"""What zip and tar archives have in common: members by name, limits, and ranges of bytes as files.

Names that leave the archive (`..`, absolute paths) are ignored, as are links. The number of members, the size of the
index, and the ratio of compression are limited, so that a small file cannot become an endless one.
"""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO

from geosoil.errors import RasterError
from geosoil.io.random_access import RandomAccessFile

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

MOST_MEMBERS = 20_000  # a Sentinel-2 product has about 200
MOST_EXPANSION, EXPANDED_FROM = 200, 2**28  # times the packed size; below this many bytes any ratio is allowed
BROKEN = (OSError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError, RuntimeError, NotImplementedError,
           struct.error, ValueError)  # fmt: skip


@dataclass(frozen=True)
class Member:
    """One file of an archive.

    Parameters
    ----------
    name : str
        The name with `/` between folders.
    size, packed_size : int
        Bytes of the content, and of what the archive stores for it.
    offset : int or None
        Where the content begins in the file of the archive, if it is stored without compression.
    """

    name: str
    size: int
    packed_size: int
    offset: int | None


class Archive(ABC):
    """The members of an archive by name.

    Parameters
    ----------
    where : str
        The archive, for messages.
    vsi : str
        Prefix of the names by which GDAL opens members.
    """

    def __init__(self, where: str, vsi: str) -> None:
        self.where, self.vsi = where, vsi
        self.members: dict[str, Member] = {}

    @abstractmethod
    def opened(self, member: Member) -> AbstractContextManager[BinaryIO]:
        """Open the content of a member as a stream, for a `with` statement."""

    def read(self, name: str, limit_bytes: int) -> bytes:
        """Return the content of a member of at most `limit_bytes`.

        Raises
        ------
        RasterError
            If it is larger, whatever the archive states, or cannot be unpacked.
        """
        member = self.members[name]
        try:
            with self.opened(member) as stream:
                content = stream.read(limit_bytes + 1)
        except BROKEN as error:
            raise broken(f"{self.where}/{name}", error) from error
        if len(content) > limit_bytes:
            raise RasterError(
                f"{self.where}/{name}",
                found=f"more than {limit_bytes / 2**20:.3g} MiB",
                expected="a smaller file, since it has to be unpacked in memory",
                way_out="unpack the archive, and open the unpacked product",
            )
        return content

    def name_of(self, path: str) -> str | None:
        """Return the member of a name that `raster_path` returned; None for any other name."""
        name = path.removeprefix(f"{self.vsi}/")
        return name if name in self.members else None

    def unpacked(self, name: str) -> BinaryIO | None:
        """Return a packed member as a file with random access; None where GDAL reads it as well."""
        return None

    def raster_path(self, name: str) -> str:
        """Return the name by which GDAL opens a member in place.

        Raises
        ------
        RasterError
            If the member would expand beyond all measure.
        """
        member = self.members[name]
        if member.size > max(EXPANDED_FROM, MOST_EXPANSION * member.packed_size):
            raise bomb(f"{self.where}/{name}", member.size, member.packed_size)
        return f"{self.vsi}/{name}"


class RangeFile(RandomAccessFile):
    """A range of bytes of an open file, as a file of its own that can only be read."""

    def __init__(self, file: BinaryIO, offset: int, size: int) -> None:
        super().__init__(file, size)
        self._offset = offset

    def readinto(self, buffer: object) -> int:
        """Fill a buffer from the position, up to the end of the range."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        count = max(min(len(view), self._size - self._position), 0)
        self._file.seek(self._offset + self._position)
        content = self._file.read(count)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)


def is_inside(name: str) -> bool:
    """Return whether the name of a member stays inside the archive, on every system.

    >>> [is_inside(name) for name in ("a/b.tif", "../a.tif", "/a.tif", "C:\\\\a.tif", "a/../../b.tif", "a\\x00b")]
    [True, False, False, False, False, False]
    """
    parts = name.split("/")
    return bool(name) and not ({"", ".", ".."} & set(parts) or "\\" in name or ":" in parts[0] or "\0" in name)


def many_members(where: str) -> RasterError:
    return RasterError(
        where,
        found="too many members",
        expected=f"at most {MOST_MEMBERS}, as products have",
        way_out="unpack the product that it contains",
    )


def bomb(where: str, size: int, packed_size: int) -> RasterError:
    return RasterError(
        where,
        found=f"{packed_size / 2**20:.3g} MiB that expand to {size / 2**20:.3g} MiB or more",
        expected=f"at most {MOST_EXPANSION} times the packed size",
        way_out="do not trust this file",
    )


def broken(where: str, error: BaseException) -> RasterError:
    return RasterError(
        where,
        problem=f"cannot be unpacked ({str(error) or type(error).__name__})",
        expected="a complete archive",
        way_out="download it again",
    )
