"""The files of one product: in a folder, in a zip or tar, or one file with what lies beside it."""

from __future__ import annotations

import fnmatch
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from geosoil.errors import RasterError, without_secrets
from geosoil.io.archives.archive import MOST_MEMBERS
from geosoil.io.archives.reader import ArchivedFile, is_archive, open_archive
from geosoil.io.remote.content import read_content
from geosoil.io.remote.reading import is_remote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from geosoil.io.archives.archive import Archive

LIMIT_BYTES = 16 * 2**20  # of metadata
DEEPEST = 5  # folders inside each other; a Sentinel-2 product has four


class ProductFiles:
    """The files of a product by their relative names, wherever they are; make it by `ProductFiles.of`.

    Parameters
    ----------
    where : str
        The product, for messages.
    names : tuple of str
        Relative names, with `/` between folders.
    named : str, optional
        The name of the file by which the user named the product; None for a folder or an archive.
    locate : callable, optional
        Turns a name into the path or address of the file; None for an archive.
    archive : Archive, optional
        The archive that contains the files.

    Attributes
    ----------
    used : list of str
        The names of the files that were asked for.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name in ("scene_VN.tif", "scene.xml"):
    ...         _ = (Path(folder) / name).write_text(name)
    ...     files = ProductFiles.of(folder)
    ...     files.find("*.XML"), files.read("scene.xml")
    (['scene.xml'], b'scene.xml')
    """

    def __init__(
        self,
        where: str,
        names: tuple[str, ...],
        *,
        named: str | None = None,
        locate: Callable[[str], str] | None = None,
        archive: Archive | None = None,
    ) -> None:
        self.where, self.names, self.named = where, names, named
        self._locate, self._archive = locate, archive
        self.used: list[str] = []

    @classmethod
    def of(cls, path: str | os.PathLike[str]) -> ProductFiles:
        """Return the files of a folder, an archive, or of a file and what lies beside it.

        Parameters
        ----------
        path : path or URL
            The names in a folder and an archive are listed with their folders; beside a local file, those of the same
            folder. What lies beside a remote file cannot be listed: see `with_names`.

        Raises
        ------
        RasterError
            If there are more files than any product has, or the archive is damaged.
        """
        text = os.fspath(path)
        if is_archive(text) and is_remote(text):
            archive = open_archive(text)
            return cls(text, tuple(sorted(archive.members)), archive=archive)
        if is_remote(text) or text.startswith("/vsi"):
            address, mark, query = text.partition("?")
            folder, _, name = address.rpartition("/")
            return cls(text, (name,), named=name, locate=lambda name: f"{folder}/{name}{mark}{query}")
        local = Path(text)
        if local.is_dir():
            return cls(text, tuple(sorted(_walk(local))), locate=lambda name: str(local / name))
        if is_archive(text) and local.is_file():
            archive = open_archive(local)
            return cls(text, tuple(sorted(archive.members)), archive=archive)
        beside = _walk(local.parent, deepest=0) if local.exists() else iter(())
        others = sorted(name for name in beside if name != local.name)
        names = (local.name, *others)
        return cls(text, names, named=local.name, locate=lambda name: str(local.parent / name))

    def find(self, *patterns: str) -> list[str]:
        """Return the names whose last part matches one of the patterns, in upper or lower case, sorted.

        If they lie in several levels of folders, only those of the uppermost level with a match are returned.
        """
        lower = [pattern.lower() for pattern in patterns]
        matches = [
            name
            for name in self.names
            if not _is_hidden(name) and any(fnmatch.fnmatchcase(_last(name).lower(), pattern) for pattern in lower)
        ]
        level = min((name.count("/") for name in matches), default=0)
        return sorted(name for name in matches if name.count("/") == level)

    def one(self, what: str, *patterns: str) -> str:
        """Return the only name that matches; the named file where it does.

        Parameters
        ----------
        what : str
            What the file is, such as "the VN image", for the message.
        *patterns : str
            As for `find`.

        Raises
        ------
        RasterError
            If no file matches, or several do.
        """
        matches = self.find(*patterns)
        if self.named in matches:
            return str(self.named)
        if len(matches) != 1:
            raise RasterError(
                self.where,
                found=f"{len(matches) or 'no'} files that could be {what}",
                expected="one",
                way_out="give one whole product" if not matches else "keep a single product in the folder or archive",
            )
        return matches[0]

    def beside(self, name: str, other: str) -> str | None:
        """Return the name of a file in the same folder as another one, in upper or lower case; None without it.

        Parameters
        ----------
        name : str
            A file.
        other : str
            The last part of the name that is searched.
        """
        sought = (name.rpartition("/")[0] + "/" + other).removeprefix("/").lower()
        return next((each for each in self.names if each.lower() == sought), None)

    def path(self, name: str) -> str:
        """Return the path, address or name inside the archive of a file; the last for messages only."""
        return f"{without_secrets(self.where)}/{name}" if self._locate is None else self._locate(name)

    def read(self, name: str, limit_bytes: int = LIMIT_BYTES) -> bytes:
        """Return the content of a file of metadata.

        Raises
        ------
        RasterError
            If it cannot be read, or is larger than `limit_bytes`.
        """
        self.used.append(name)
        if self._archive is not None:
            return self._archive.read(name, limit_bytes)
        try:
            if self.is_remote:
                content = read_content(self.path(name), limit_bytes)
            else:
                with Path(self.path(name)).open("rb") as file:
                    content = file.read(limit_bytes + 1)
        except OSError as error:
            raise RasterError(
                self.path(name),
                problem=f"cannot be read ({error.strerror})",
                expected="a file of a product",
                way_out="check the file and its permissions",
            ) from error
        if len(content) > limit_bytes:
            raise RasterError(
                self.path(name),
                found=f"more than {limit_bytes >> 20} MiB",
                expected="the metadata of a product",
                way_out="use the file as delivered",
            )
        return content

    @property
    def is_remote(self) -> bool:
        """Whether the product is one file at an address, whose folder cannot be listed."""
        return self.named is not None and is_remote(self.where)

    def with_names(self, names: Iterable[str]) -> ProductFiles:
        """Return the files with further ones that the metadata name, for a product at an address; else the same.

        Parameters
        ----------
        names : iterable of str
            Names relative to the folder of the named file; those that leave it are left out.
        """
        if not self.is_remote:
            return self
        inside = [name for name in names if name and not name.startswith("/") and ".." not in name.split("/")]
        more = ProductFiles(self.where, tuple(dict.fromkeys((*self.names, *inside))), named=self.named,
                            locate=self._locate)  # fmt: skip
        more.used = self.used
        return more

    def raster_path(self, name: str) -> str:
        """Return what `open_raster` opens for a file: a path, an address, or a name of GDAL inside the archive."""
        self.used.append(name)
        return self.path(name) if self._archive is None else self._archive.raster_path(name)

    def hdf5(self, name: str) -> str | ArchivedFile:
        """Return what `geosoil.io.rasters.hdf5` opens for a file: its path, or an object whose `open()` gives a file.

        `ArchivedFile.open` refuses members that are large and packed in a way that allows no random access.
        """
        self.used.append(name)
        if self._archive is None:
            return self.path(name)
        return ArchivedFile(self.where, name)

    @property
    def used_paths(self) -> tuple[str, ...]:
        """Paths of the files that were asked for and that are not covered by the path of the product itself."""
        if self.named is None or is_remote(self.where):
            return ()
        return tuple(self.path(name) for name in dict.fromkeys(self.used) if name != self.named)


def _walk(folder: Path, *, deepest: int = DEEPEST) -> Iterator[str]:
    """Yield the relative names of the files in a folder; links to folders are not followed."""
    count = 0
    waiting = [("", 0)]
    while waiting:
        inside, depth = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / inside), key=lambda entry: entry.name)
        except OSError:  # without permission to list
            continue
        for entry in entries:
            count += 1
            if count > MOST_MEMBERS and deepest:
                raise RasterError(
                    folder,
                    found=f"more than {MOST_MEMBERS} files",
                    expected="the folder of one product",
                    way_out="give the path of the product or of the raster file",
                )
            name = f"{inside}/{entry.name}" if inside else entry.name
            if entry.is_dir(follow_symlinks=False):
                if depth < deepest:
                    waiting.append((name, depth + 1))
            elif entry.is_file():
                yield name


def _last(name: str) -> str:
    return PurePosixPath(name).name


def _is_hidden(name: str) -> bool:
    """Return whether a file was left by an operating system (`._scene.xml`, `__MACOSX`) and not by the producer."""
    return _last(name).startswith(".") or name.startswith("__MACOSX/")
