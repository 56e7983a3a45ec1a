"""Check the paths of input files before they are opened."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import os

    from geosoil.errors import GeosoilError


def require_input(
    path: str | os.PathLike[str], error: type[GeosoilError], expected: str, *, folders: bool = False
) -> Path:
    """Check that a path is a regular file: opening a named pipe would wait for data without end.

    Parameters
    ----------
    path : path-like
        The input.
    error : type
        The class of the error to raise.
    expected : str
        What the file should be, for the message.
    folders : bool
        Whether a folder is also accepted.

    Returns
    -------
    Path
        The path.

    Raises
    ------
    GeosoilError
        If there is nothing, a pipe, a device or a socket.

    Examples
    --------
    >>> from geosoil.errors import RasterError
    >>> require_input("/dev/zero", RasterError, "a raster")
    Traceback (most recent call last):
    geosoil.errors.RasterError: /dev/zero: found a pipe, a device or a socket; expected a raster; name a regular file
    """
    path = Path(path)
    if not path.exists():
        raise error(path, found="no such file", expected=expected, way_out="check the path")
    if not (path.is_file() or (folders and path.is_dir())):
        found = "a folder" if path.is_dir() else "a pipe, a device or a socket"
        raise error(path, found=found, expected=expected, way_out="name a regular file")
    return path
