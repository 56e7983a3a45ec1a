"""Open zip and tar archives: only what is read is unpacked, and no archive can exhaust the memory."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, BinaryIO

from geosoil.errors import RasterError
from geosoil.io.archives.archive import RangeFile
from geosoil.io.archives.tars import TarArchive
from geosoil.io.archives.zips import ZipArchive
from geosoil.io.input_paths import require_input
from geosoil.io.remote.ranges import bytes_stamp, open_bytes
from geosoil.io.remote.reading import address_of, gdal_name, is_remote

if TYPE_CHECKING:
    from collections.abc import Callable

    from geosoil.io.archives.archive import Archive

ZIP_ENDINGS = (".zip",)
TAR_ENDINGS = (".tar", ".tar.gz", ".tgz")
SMALL_BYTES = 64 * 2**20  # a packed member up to this size may be unpacked in memory


def is_archive(path: str | os.PathLike[str]) -> bool:
    """Return whether a path or an address has the ending of an archive: .zip, .tar, .tar.gz or .tgz.

    >>> is_archive("ENMAP01.ZIP"), is_archive("https://example.org/scene.tar.gz?key=1"), is_archive("scene.tif")
    (True, True, False)
    """
    text = os.fspath(path)
    return (text.partition("?")[0] if is_remote(text) else text).lower().endswith((*ZIP_ENDINGS, *TAR_ENDINGS))


@dataclass(frozen=True)
class ArchivedFile:
    """A member of an archive that can be opened as a file with random access; small and picklable.

    Parameters
    ----------
    archive : str
        Path or address of the archive.
    name : str
        Name of the member.
    """

    archive: str
    name: str

    def open(self) -> BinaryIO:
        """Open the content: a stored member in place, a small packed one in memory, a larger one by `UnpackedFile`.

        Raises
        ------
        RasterError
            If the member is packed by another method than deflate, or in a zip inside a tar, and larger than 64 MiB.
        """
        archive = open_archive(self.archive)
        member = archive.members[self.name]
        if member.offset is not None:
            return io.BufferedReader(RangeFile(open_bytes(self.archive), member.offset, member.size))
        archive.raster_path(self.name)  # which refuses a member that would expand without end
        content = archive.unpacked(self.name) if member.size > SMALL_BYTES else None
        return io.BytesIO(archive.read(self.name, SMALL_BYTES)) if content is None else content


def open_archive(path: str | os.PathLike[str]) -> Archive:
    """Open an archive: its members are listed once, and read in place.

    Parameters
    ----------
    path : path-like
        A zip, a tar, or a tar compressed by gzip. A tar that contains only a zip, as some portals send it, is opened as
        this zip. A zip and a tar may be at an https:// or s3:// address.

    Returns
    -------
    Archive

    Raises
    ------
    RasterError
        If it cannot be read, is encrypted, or has more members or a larger index than a product.

    Examples
    --------
    >>> import tempfile, zipfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with zipfile.ZipFile(folder + "/a.zip", "w") as made:
    ...         made.writestr("product/a.xml", "<a/>")
    ...         made.writestr("../b.xml", "<b/>")
    ...     archive = open_archive(folder + "/a.zip")
    ...     list(archive.members), archive.read("product/a.xml", 100)
    (['product/a.xml'], b'<a/>')
    """
    text = os.fspath(path)
    if not is_remote(text):
        text = os.path.abspath(text)  # noqa: PTH100 - without following links, as GDAL opens it
        require_input(text, RasterError, "an archive")
    elif not text.partition("?")[0].lower().endswith((*ZIP_ENDINGS, ".tar")):
        raise RasterError(
            text,
            found="a tar packed by gzip at an address, which can only be read from its beginning",
            expected="a zip, a tar, or the address of the main file of a product",
            way_out="download it, and give the path of the copy",
        )
    return _opened(text, bytes_stamp(text))


@lru_cache(maxsize=16)
def _opened(path: str, stamp: tuple[int, int]) -> Archive:
    is_zip = (path.partition("?")[0] if is_remote(path) else path).lower().endswith(ZIP_ENDINGS)
    kind, file = "vsizip" if is_zip else "vsitar", gdal_name(path)
    vsi = f"/{kind}/{{{file}}}" if not set("{}") & set(file) else f"/{kind}/{file}"
    if is_zip:
        return ZipArchive(path, vsi, lambda: open_bytes(path))
    archive = TarArchive(path, vsi)
    names = list(archive.members)
    if len(names) == 1 and names[0].lower().endswith(ZIP_ENDINGS):
        inner = archive.members[names[0]]
        vsi = f"/vsizip/{{{archive.raster_path(names[0])}}}"
        return ZipArchive(f"{path}/{names[0]}", vsi, lambda: archive.opened(inner), inner.offset)
    return archive


def member_opener(path: str, endings: tuple[str, ...]) -> tuple[str, Callable[..., BinaryIO]] | None:
    """Return the name and the function by which rasterio reads a packed member of an archive, and the files beside it.

    Parameters
    ----------
    path : str
        A name of GDAL such as /vsizip/{/data/a.zip}/b.tif.
    endings : tuple of str
        Endings of the members for which this is wanted, in lower case.

    Returns
    -------
    (str, callable) or None
        The function takes the last part of a name, and returns a file with random access or raises FileNotFoundError.
        None for other paths and members that GDAL reads as well: those that are stored without compression.
    """
    where = archive_of(path)
    if where is None or not (is_remote(where) or Path(where).is_file()):
        return None
    archive = open_archive(where)
    name = archive.name_of(path)
    if name is None or not name.lower().endswith(endings) or archive.members[name].offset is not None:
        return None
    first = archive.unpacked(name)
    if first is None:
        return None
    first.close()
    folder = name.rpartition("/")[0]

    def open_member(other: str, mode: str = "r", **_: object) -> BinaryIO:
        sought = f"{folder}/{PurePosixPath(other).name}".removeprefix("/")
        content = archive.unpacked(sought) if sought in archive.members and mode.startswith("r") else None
        if content is None:
            raise FileNotFoundError(other)
        return content

    return PurePosixPath(name).name, open_member


def archive_of(path: str) -> str | None:
    """Return the path or address of the archive in a name of GDAL like /vsizip/{/data/a.zip}/b.tif; None for others.

    >>> archive_of("/vsizip/{/vsitar/{/data/a.tar.gz}/a.zip}/b.tif"), archive_of("/data/b.tif")
    ('/data/a.tar.gz', None)
    >>> archive_of("/vsisubfile/512_90,/vsigzip//data/a.tar.gz")
    '/data/a.tar.gz'
    >>> archive_of("/vsizip/{/vsicurl/https://example.org/a.zip}/b.tif"), archive_of("/vsitar/{/vsis3/c/a.tar}/b.tif")
    ('https://example.org/a.zip', 's3://c/a.tar')
    """
    inside = None
    while path.startswith(("/vsizip/", "/vsitar/", "/vsisubfile/")):
        if path.startswith("/vsisubfile/"):
            inside = path = path.partition(",")[2].removeprefix("/vsigzip/")
            continue
        path = path[len("/vsizip/") :]
        if path.startswith("{"):
            path = path[1:].rpartition("}")[0]
        else:
            path = next((str(part) for part in PurePosixPath(path).parents if is_archive(str(part))), path)
        inside = path
    return None if inside is None else address_of(inside)
