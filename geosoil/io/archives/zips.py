"""The members of a zip archive."""

from __future__ import annotations

import io
import struct
import zipfile
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from geosoil.errors import RasterError
from geosoil.io.archives.archive import BROKEN, MOST_MEMBERS, Archive, Member, broken, is_inside, many_members

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
        try:
            with open_file() as file:
                _require_small_index(file, where)
                for info in zipfile.ZipFile(file).infolist():
                    if not info.is_dir() and is_inside(info.filename):
                        self.members[info.filename] = _zip_member(file, info, where, offset)
        except BROKEN as error:
            raise broken(where, error) from error

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


def _zip_member(file: BinaryIO, info: zipfile.ZipInfo, where: str, offset: int | None) -> Member:
    if info.flag_bits & 0x1:
        raise RasterError(
            where,
            found=f"the encrypted member {info.filename}",
            expected="a zip without password",
            way_out="unpack it with its password",
        )
    start = None
    if info.compress_type == zipfile.ZIP_STORED and offset is not None:
        file.seek(info.header_offset + 26)  # the header before the content may be longer than that in the index
        start = offset + info.header_offset + 30 + sum(struct.unpack("<HH", file.read(4)))
    return Member(info.filename, info.file_size, info.compress_size, start)
