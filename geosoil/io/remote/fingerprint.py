"""Hash files to recognise whether an input is the same, without reading all of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from geosoil.errors import RasterError
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp, is_remote

N_PIECES, PIECE_BYTES = 16, 2**16


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Return a hash of the size, modification time and 16 pieces of a file, or of all files in a folder.

    The size and modification time of other files that GDAL reads with a raster (the header of an ENVI cube, the sources
    of a VRT, also in nested VRTs) are included. For a remote file, its length, ETag and modification time are hashed.

    Parameters
    ----------
    path : path-like
        A file, folder or URL.

    Returns
    -------
    str
        16 hexadecimal digits.

    Raises
    ------
    OSError
        If a local file does not exist.
    RasterError
        If a web server does not give access to the file.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder) / "a"
    ...     _ = file.write_bytes(b"one")
    ...     before = fingerprint(file)
    ...     _ = file.write_bytes(b"two")
    ...     before == fingerprint(file), len(before)
    (False, 16)
    """
    digest = hashlib.sha256()
    text = os.fspath(path)
    if is_remote(text):
        digest.update(_server_metadata(text).encode())
    elif Path(text).is_dir():
        for file in sorted(entry for entry in Path(text).rglob("*") if entry.is_file()):
            digest.update(f"{file.relative_to(text)} {fingerprint(file)}\n".encode())
    else:
        digest.update(repr(file_stamp(text)).encode())
        size = Path(text).stat().st_size
        with Path(text).open("rb") as opened:
            for k in range(N_PIECES):
                opened.seek(max(size - PIECE_BYTES, 0) * k // (N_PIECES - 1))
                digest.update(opened.read(PIECE_BYTES))
        for other in sorted(_other_files(text)):
            digest.update(f"{other} {file_stamp(other)}\n".encode())
    return digest.hexdigest()[:16]


def _other_files(path: str, known: frozenset[str] = frozenset()) -> set[str]:
    """Return the other files that GDAL reads with a raster; an empty set for any other file."""
    try:
        with dataset(absolute_path(path), file_stamp(path)) as source:
            files = set(source.files) - {absolute_path(path)} - known
    except RasterError:
        return set()
    nested = [file for file in files if file.lower().endswith(".vrt")]
    return files.union(*(_other_files(file, known | files | {absolute_path(path)}) for file in nested))


def _server_metadata(url: str) -> str:
    """Return the length, ETag and modification time of a remote file."""
    from geosoil.io.remote.object_reading import object_stamp
    from geosoil.io.remote.objects import is_object_url

    if is_object_url(url):
        return object_stamp(url)
    if url.startswith(("http://", "https://")):
        from geosoil.io.remote.http import http_metadata

        return http_metadata(url)
    return url
