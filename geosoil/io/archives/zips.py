"""The members of a zip archive."""

from __future__ import annotations

import io
import struct
import zipfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from geosoil.errors import RasterError
from geosoil.io.archives.archive import BROKEN, MOST_MEMBERS, Archive, Member, broken, is_inside, many_members
from geosoil.io.archives.packed import DEFLATE, PackedRange, UnpackedFile
from geosoil.io.remote.ranges import bytes_stamp
from geosoil.io.remote.reading import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

MOST_INDEX_BYTES = 16 * 2**20  # of the list of members


class ZipArchive(Archive):
    """A zip, as a file or inside another archive."""

    def __init__(
        self, where: str, vsi: str, open_file: Callable[[], AbstractContextManager[BinaryIO]], offset: int | None = 0
    ) -> None:
        super().__init__(where, vsi)
        self._open_file = open_file
        self._packed: dict[str, tuple[int, int]] = {}  # start and checksum of members that deflate has packed
        try:
            with open_file() as file:
                _require_small_index(file, where)
                for info in zipfile.ZipFile(file).infolist():
                    if not info.is_dir() and is_inside(info.filename):
                        start = _content_start(file, info, where)
                        stored = info.compress_type == zipfile.ZIP_STORED and offset is not None
                        place = offset + start if stored and offset is not None else None
                        self.members[info.filename] = Member(info.filename, info.file_size, info.compress_size, place)
                        if info.compress_type == zipfile.ZIP_DEFLATED:
                            self._packed[info.filename] = start, info.CRC
        except BROKEN as error:
            raise broken(where, error) from error

    def unpacked(self, name: str) -> BinaryIO | None:
        """Return a packed member of a zip that is itself a file."""
        if name not in self._packed or not (is_remote(self.where) or Path(self.where).is_file()):
            return None
        start, checksum = self._packed[name]
        packed = PackedRange(self.where, bytes_stamp(self.where), start, self.members[name].size, DEFLATE, checksum)
        return UnpackedFile(packed)  # type: ignore[return-value]

    @contextmanager
    def opened(self, member: Member) -> Iterator[BinaryIO]:
        """Open the content of a member."""
        with self._open_file() as file, zipfile.ZipFile(file) as archive, archive.open(member.name) as stream:
            yield stream  # type: ignore[misc]


def _require_small_index(file: BinaryIO, where: str) -> None:
    """Raise RasterError if the list of members of a zip is too large to be held in memory, before it is read."""
    size = file.seek(0, io.SEEK_END)
    start = file.seek(max(0, size - 2**16 - 22))
    tail = file.read()
    end = tail.rfind(b"PK\5\6")
    if end < 0 or len(tail) < end + 22:
        raise zipfile.BadZipFile("it ends before its list of members")
    count, index_bytes = struct.unpack("<HL", tail[end + 10 : end + 16])
    file.seek(max(start + end - 20, 0))
    locator = file.read(20)
    if locator[:4] == b"PK\6\7":  # a zip64 has the numbers in another record
        file.seek(struct.unpack("<Q", locator[8:16])[0])
        count, index_bytes = struct.unpack("<QQ", file.read(56)[32:48])
    if count > MOST_MEMBERS or index_bytes > MOST_INDEX_BYTES:
        raise many_members(where)


def _content_start(file: BinaryIO, info: zipfile.ZipInfo, where: str) -> int:
    """Return where the content of a member begins; raises RasterError if it is encrypted."""
    if info.flag_bits & 0x1:
        raise RasterError(
            where,
            found=f"the encrypted member {info.filename}",
            expected="a zip without password",
            way_out="unpack it with its password",
        )
    file.seek(info.header_offset + 26)  # the header before the content may be longer than that in the index
    return int(info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4))))
