"""Open HDF5 and netCDF-4 files from any source safely, and read their groups, attributes and short lists.

A file can name other files, by external links, external storage and virtual data sets; none of them is followed. No
file is used by two threads at once.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RasterError, without_secrets
from geosoil.io.input_paths import require_input
from geosoil.io.rasters.dataset_cache import file_stamp
from geosoil.io.rasters.drivers import HDF5_SIGNATURE
from geosoil.io.remote.ranges import bytes_stamp, open_bytes
from geosoil.io.remote.reading import is_remote

if TYPE_CHECKING:
    from collections.abc import Iterator

    import h5py

    from geosoil.io.archives.reader import ArchivedFile

MAX_KEPT = 4  # members of archives and files at addresses that stay open in a thread, because opening them takes long
MAX_LIST_BYTES = 16 * 2**20  # of a list that is read at once, such as wavelengths, or of an attribute

HDF5_ERRORS = (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError)
"""What h5py raises for damaged files."""

_thread_state = threading.local()


@dataclass(frozen=True)
class Hdf5Source:
    """Where an HDF5 file is.

    Parameters
    ----------
    file : str or ArchivedFile
        The path or address of a file, or a member of an archive.
    stamp : tuple of int, optional
        The `file_stamp` of the file when it was opened first, so that a file that was replaced is opened again; set by
        default.

    Examples
    --------
    >>> Hdf5Source("/data/a.nc").name
    '/data/a.nc'
    """

    file: str | ArchivedFile
    stamp: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if self.stamp is None:
            path = self.file if isinstance(self.file, str) else self.file.archive
            object.__setattr__(self, "stamp", bytes_stamp(path) if is_remote(path) else file_stamp(path))

    @property
    def name(self) -> str:
        """The name for messages, without secrets."""
        return without_secrets(self.file if isinstance(self.file, str) else f"{self.file.archive}/{self.file.name}")


@contextmanager
def hdf5_file(source: Hdf5Source) -> Iterator[h5py.File]:
    """Open an HDF5 file to read its metadata; errors of HDF5 in the `with` block become one line, too.

    Parameters
    ----------
    source : Hdf5Source
        Where the file is.

    Yields
    ------
    h5py.File
        The open file, for reading; it is that of an outer `with` block of this thread, if there is one.

    Raises
    ------
    RasterError
        If the file does not exist, is not HDF5, or is damaged.

    Examples
    --------
    >>> import h5py, numpy as np, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with h5py.File(folder + "/a.h5", "w") as made:
    ...         made["reflectance"] = np.zeros((2, 3))
    ...     with hdf5_file(Hdf5Source(folder + "/a.h5")) as file:
    ...         list(file)
    ['reflectance']
    """
    with kept_open(source) as file:
        try:
            yield file
        except HDF5_ERRORS as error:
            raise _damaged(source.name, error) from error


@contextmanager
def kept_open(source: Hdf5Source) -> Iterator[h5py.File]:
    """Open an HDF5 file as `hdf5_file` does, once for all reads of this thread in the `with` block.

    A local file is closed afterwards, so that it can be written again; a few members of archives and files at addresses
    stay open.
    """
    opened: dict[Hdf5Source, h5py.File] = _thread_state.__dict__.setdefault("opened", {})
    if source in opened:
        yield opened[source]
        return
    opened[source] = file = _open(source)
    try:
        yield file
    finally:
        if _is_local(source):
            del opened[source]
            file.close()
        else:
            others = [key for key in opened if not _is_local(key)]
            for key in others[:-MAX_KEPT]:
                opened.pop(key).close()


def is_hdf5(path: str | os.PathLike[str]) -> bool:
    """Return whether a file has the signature of HDF5, without opening it.

    >>> is_hdf5("/dev/null")
    False
    """
    try:
        with open_bytes(os.fspath(path)) as file:
            return file.read(8) == HDF5_SIGNATURE
    except OSError:
        return False


def member(file: h5py.File, name: str, where: str) -> Any:
    """Return the group or data set with a name, or None; links to other files are refused.

    Parameters
    ----------
    file : h5py.File
        The file.
    name : str
        The path inside the file, such as `location/glt_x`.
    where : str
        The name of the file for messages.

    Raises
    ------
    RasterError
        If a part of the path is a link to another file, or a chain of links.
    """
    import h5py

    here: Any = file
    n_links = 0
    parts = [part for part in name.split("/") if part]
    while parts:
        part = parts.pop(0)
        if not isinstance(here, h5py.Group):
            return None
        link = here.get(part, getlink=True)
        if link is None:
            return None
        if isinstance(link, h5py.SoftLink) and n_links < 4:
            n_links += 1
            here = file if link.path.startswith("/") else here
            parts = [piece for piece in link.path.split("/") if piece] + parts
            continue
        if not isinstance(link, h5py.HardLink):
            raise RasterError(
                where,
                found=f"{name} as a link to another place",
                expected="data in the file itself",
                way_out="copy the file with h5repack, or use it as delivered",
            )
        here = here[part]
    return here


def attribute(node: Any, name: str, where: str) -> Any:
    """Return an attribute as str, number or array, or None if it is absent; an array of one value is that value.

    Raises
    ------
    RasterError
        If it is larger than metadata are.
    """
    if node is None or name not in node.attrs:
        return None
    if node.attrs.get_id(name).get_storage_size() > MAX_LIST_BYTES:
        raise _too_large(where, f"the attribute {name}")
    value = node.attrs[name]
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace").rstrip("\0")
    return value.item() if isinstance(value, np.generic) else value


def short_list(file: h5py.File, name: str, where: str) -> np.ndarray | None:
    """Read a short data set, such as wavelengths, completely; None if it is absent. Texts become `str`.

    Raises
    ------
    RasterError
        If it is a group, a link, or larger than metadata are.
    """
    found = member(file, name, where)
    if found is None:
        return None
    require_plain(found, name, where)
    if prod(found.shape) * max(found.dtype.itemsize, 1) > MAX_LIST_BYTES:
        raise _too_large(where, name)
    values = found[()]
    if found.dtype.kind in "OS":
        texts = [text.decode("utf-8", errors="replace") if isinstance(text, bytes) else str(text)
                 for text in np.atleast_1d(values).reshape(-1)]  # fmt: skip
        return np.array(texts).reshape(found.shape)
    return np.asarray(values)


def require_plain(found: Any, name: str, where: str) -> None:
    """Raise RasterError for a group, and for a data set whose values are in another file."""
    import h5py

    problem = ""
    if not isinstance(found, h5py.Dataset):
        problem = f"{name} as a group or a type"
    elif found.shape is None:
        problem = f"{name} without values"
    elif found.is_virtual or found.id.get_create_plist().get_external_count() > 0:
        problem = f"{name}, whose values are in another file"
    if problem:
        raise RasterError(
            where,
            found=problem,
            expected="a data set with its values in the file itself",
            way_out="copy the file with h5repack, or use it as delivered",
        )


def _open(source: Hdf5Source) -> h5py.File:
    import h5py

    file: Any
    if not isinstance(source.file, str):
        file = source.file.open()
    elif is_remote(source.file):
        file = open_bytes(source.file)
    else:
        file = require_input(source.file, RasterError, "an HDF5 file")
    try:
        return h5py.File(file, "r")
    except HDF5_ERRORS as error:
        raise _damaged(source.name, error) from error


def _is_local(source: Hdf5Source) -> bool:
    return isinstance(source.file, str) and not is_remote(source.file)


def _damaged(where: str, error: BaseException) -> RasterError:
    cause = " ".join(str(error.args[0] if error.args else error).split())[:160]
    return RasterError(
        where,
        problem=f"not a readable HDF5 file ({cause})",
        expected="a complete file",
        way_out="copy or download the file again",
    )


def _too_large(where: str, what: str) -> RasterError:
    return RasterError(
        where,
        found=f"{what} of over {MAX_LIST_BYTES >> 20} MiB",
        expected="the metadata of a product",
        way_out="use the file as delivered",
    )


def _reset_after_fork() -> None:
    """Drop the files in a forked process, where they share state with the parent."""
    global _thread_state
    _thread_state = threading.local()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
