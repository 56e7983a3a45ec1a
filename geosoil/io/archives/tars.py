"""The members of a tar archive, possibly compressed by gzip."""

from __future__ import annotations

import gzip
import io
import tarfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from geosoil.io.archives.archive import (
    BROKEN,
    EXPANDED_FROM,
    MOST_EXPANSION,
    MOST_MEMBERS,
    Archive,
    Member,
    RangeFile,
    bomb,
    broken,
    is_inside,
    many_members,
)
from geosoil.io.archives.packed import GZIP, PackedRange, UnpackedFile
from geosoil.io.remote.ranges import bytes_stamp, open_bytes
from geosoil.io.remote.reading import gdal_name

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST_NAME_OF_GDAL = 99  # bytes
MOST_NAME_BYTES = 2**16  # of an extended header
_BLOCK = 512
_MOST_PADDING = 2**20


class TarArchive(Archive):
    """A tar, possibly compressed by gzip."""

    def __init__(self, path: str, vsi: str) -> None:
        super().__init__(path, vsi)
        self._path, self._packed = path, not path.partition("?")[0].lower().endswith(".tar")
        self._starts: dict[str, int] = {}
        packed_size = bytes_stamp(path)[1]
        try:
            with self._stream() as stream:
                for name, start, size in _tar_members(stream, path, packed_size):
                    if is_inside(name):
                        self._starts[name] = start
                        offset = None if self._packed else start
                        self.members[name] = Member(name, size, packed_size if self._packed else size, offset)
                if self._packed:
                    stream.read(_MOST_PADDING)  # to the end, where gzip compares its checksum
        except BROKEN as error:
            raise broken(path, error) from error

    def _stream(self) -> BinaryIO:
        return gzip.open(self._path) if self._packed else open_bytes(self._path)  # type: ignore[return-value]

    def raster_path(self, name: str) -> str:
        """Return the name by which GDAL opens a member; raises RasterError as `Archive.raster_path` does.

        GDAL does not list members whose names are longer than the field of a header: it reads a range of bytes instead.
        """
        path = super().raster_path(name)
        if len(name.encode("utf-8", "surrogateescape")) <= LONGEST_NAME_OF_GDAL:
            return path
        unpacked = f"/vsigzip/{self._path}" if self._packed else gdal_name(self._path)
        return f"/vsisubfile/{self._starts[name]}_{self.members[name].size},{unpacked}"

    def name_of(self, path: str) -> str | None:
        """Return the member of a name that `raster_path` returned; None for any other name."""
        if not path.startswith("/vsisubfile/"):
            return super().name_of(path)
        start, _, size = path.removeprefix("/vsisubfile/").partition(",")[0].partition("_")
        places = ((str(self._starts[name]), str(member.size), name) for name, member in self.members.items())
        return next((name for *place, name in places if place == [start, size]), None)

    def unpacked(self, name: str) -> BinaryIO | None:
        """Return a member of a tar that gzip has packed."""
        if not self._packed:
            return None
        size = max(self._starts[each] + member.size for each, member in self.members.items())
        content = UnpackedFile(PackedRange(self._path, bytes_stamp(self._path), 0, size, GZIP))
        return RangeFile(content, self._starts[name], self.members[name].size)  # type: ignore[return-value,arg-type]

    @contextmanager
    def opened(self, member: Member) -> Iterator[BinaryIO]:
        """Open the content of a member."""
        with io.BufferedReader(RangeFile(self._stream(), self._starts[member.name], member.size)) as stream:
            yield stream


def _tar_members(stream: BinaryIO, where: str, packed_size: int) -> Iterator[tuple[str, int, int]]:
    """Yield name, start and size of the regular files; the module tarfile would hold extended headers of any size."""
    position = count = 0
    extended: dict[str, str] = {}
    while True:
        stream.seek(position)
        header = stream.read(_BLOCK)
        if header == bytes(_BLOCK):
            return
        if len(header) < _BLOCK:  # also where it was cut between two members
            raise EOFError("it ends without the mark of its end")
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        size = int(extended.get("size", info.size))
        start, position = position + _BLOCK, position + _BLOCK + -(-size // _BLOCK) * _BLOCK
        count += 1
        if count > MOST_MEMBERS:
            raise many_members(where)
        if info.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME):
            if size > MOST_NAME_BYTES:
                raise tarfile.HeaderError(f"an extended header of {size} bytes")
            extended |= _extended(info.type, stream.read(size))
            continue
        if position > max(EXPANDED_FROM, MOST_EXPANSION * packed_size):
            raise bomb(where, position, packed_size)
        if info.isreg():
            if size:
                stream.seek(start + size - 1)
                if not stream.read(1):
                    raise EOFError(f"{info.name} is not complete")
            yield extended.get("path", info.name).removeprefix("./"), start, size
        extended = {}


def _extended(kind: bytes, content: bytes) -> dict[str, str]:
    """Return the path and the size that an extended header of a tar states."""
    if kind == tarfile.GNUTYPE_LONGNAME:
        return {"path": content.rstrip(b"\0").decode("utf-8", "surrogateescape")}
    fields: dict[str, str] = {}
    while content:
        length, _, _ = content.partition(b" ")
        record, content = content[: int(length)], content[max(int(length), 1) :]
        key, _, value = record[len(length) + 1 : -1].partition(b"=")
        if key in (b"path", b"size"):
            fields[key.decode()] = value.decode("utf-8", "surrogateescape")
    return fields
