"""What tells a file from another, or from what it was, without reading all of it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from geosoil.errors import RasterError
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp, is_remote

SAMPLES, SAMPLE_BYTES = 16, 2**16


def fingerprint(path: str | os.PathLike[str]) -> str:
    """Return a hash of a file's size, time of change and of 16 pieces of it; of a folder, that of all its files.

    Files that a raster is read with (the header of an ENVI cube, the sources of a VRT, also of a VRT in a VRT) count
    with size and time of change. A file of another server is known by what the server says of it: length, ETag, time
    of change. Raises OSError where there is no such file.

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
        digest.update(_told_by_server(text).encode())
    elif Path(text).is_dir():
        for file in sorted(one for one in Path(text).rglob("*") if one.is_file()):
            digest.update(f"{file.relative_to(text)} {fingerprint(file)}\n".encode())
    else:
        digest.update(repr(file_stamp(text)).encode())
        size = Path(text).stat().st_size
        with Path(text).open("rb") as opened:
            for k in range(SAMPLES):
                opened.seek(max(size - SAMPLE_BYTES, 0) * k // (SAMPLES - 1))
                digest.update(opened.read(SAMPLE_BYTES))
        for other in sorted(_read_with(text)):
            digest.update(f"{other} {file_stamp(other)}\n".encode())
    return digest.hexdigest()[:16]


def _read_with(path: str, known: frozenset[str] = frozenset()) -> set[str]:
    """Return the other files that GDAL reads with a raster; none for what is no raster."""
    try:
        with dataset(absolute_path(path), file_stamp(path)) as source:
            files = set(source.files) - {absolute_path(path)} - known
    except RasterError:
        return set()
    inside = [one for one in files if one.lower().endswith(".vrt")]
    return files.union(*(_read_with(one, known | files | {absolute_path(path)}) for one in inside))


def _told_by_server(url: str) -> str:
    """Return what a server tells of a file, as GDAL asks for it."""
    from geosoil.io.remote.objects import is_object, object_stamp

    if is_object(url):
        return object_stamp(url)
    if url.startswith(("http://", "https://")):
        from urllib.request import Request, urlopen

        with urlopen(Request(url, method="HEAD"), timeout=30) as answer:
            return " ".join(answer.headers.get(name, "") for name in ("Content-Length", "ETag", "Last-Modified"))
    return url
