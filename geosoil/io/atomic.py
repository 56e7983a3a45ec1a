"""Write files atomically: to a temporary name in the same folder, then moved into place; and check outputs early."""

from __future__ import annotations

import re
import secrets
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from geosoil.errors import OutputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator


@contextmanager
def atomic_path(final: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path to write to; move it to `final` on success, remove it on failure.

    Parameters
    ----------
    final : path-like
        The file to create or replace, in an existing folder.

    Yields
    ------
    Path
        A path in the same folder that does not exist yet, with the suffix of `final`, by which GDAL chooses drivers.
        Side files of it (`.aux.xml`, `.msk`) are removed in any case.

    Raises
    ------
    OutputError
        If `final` is a folder or cannot be written; before the body of the `with` statement runs.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "map.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     [path.name for path in Path(folder).iterdir()]
    ['map.txt']
    """
    final = require_writable(final)
    temporary = _temporary_name(final)
    try:
        yield temporary
        try:
            temporary.replace(final)
        except FileNotFoundError:
            raise  # the caller wrote nothing: a bug in geosoil, not a mistake of the user
        except OSError as error:
            raise _write_error(final, error) from error
    finally:
        for stray in final.parent.iterdir():
            if stray.name.startswith(temporary.name) and stray.is_file():
                stray.unlink()


def require_writable(final: str | os.PathLike[str]) -> Path:
    """Check, before a long computation, that a file can be created or replaced, and return its path.

    Raises OutputError if it is a folder, its folder does not exist, or the folder cannot be written to.

    Examples
    --------
    >>> require_writable("/absent/map.tif")
    Traceback (most recent call last):
    geosoil.errors.OutputError: /absent/map.tif: the folder /absent does not exist; create it first
    """
    final = Path(final)
    try:
        if final.is_dir():
            raise OutputError(final, found="a folder", expected="a file name", way_out="specify a file inside it")
        if not final.parent.is_dir():
            problem = (
                f"{final.parent} is not a folder"
                if final.parent.exists()
                else f"the folder {final.parent} does not exist"
            )
            raise OutputError(final, problem=problem, way_out="create it first")
        probe = _temporary_name(final)
        probe.touch(exist_ok=False)
        probe.unlink()
    except OSError as error:
        raise _write_error(final, error) from error
    return final


def require_writable_folder(folder: str | os.PathLike[str]) -> Path:
    """Check, before a long computation, that a folder can be written to or created, and return its path.

    Raises OutputError if it is an address or a file, or if the folder or its nearest existing parent cannot be written
    to.

    Examples
    --------
    >>> require_writable_folder("/dev/null/maps")
    Traceback (most recent call last):
    geosoil.errors.OutputError: /dev/null: found a file; expected a writable folder; choose another with -o
    """
    if "://" in str(folder):
        raise OutputError(folder, found="an address", expected="a folder of this machine", way_out="give its path")
    folder = Path(folder)
    existing = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    if not existing.is_dir():
        raise OutputError(existing, found="a file", expected="a writable folder", way_out="choose another with -o")
    try:
        TemporaryFile(dir=existing).close()
    except OSError as error:
        raise OutputError(
            existing,
            problem=f"cannot be written ({error.strerror})",
            expected="a writable folder",
            way_out="choose another with -o",
        ) from error
    return folder


def _temporary_name(final: Path) -> Path:
    """Return a hidden, unused name in the same folder, with the suffix of the file."""
    return final.with_name(f".{final.stem}.{secrets.token_hex(4)}{final.suffix}")


def remove_leftovers(final: Path) -> None:
    """Remove the temporary files that killed runs left for `final`; no other run may be writing it."""
    temporary = re.compile(rf"\.{re.escape(final.stem)}\.[0-9a-f]{{8}}{re.escape(final.suffix)}")
    for stray in final.parent.iterdir():
        if temporary.match(stray.name) and stray.is_file():
            stray.unlink()


def _write_error(final: Path, error: OSError) -> OutputError:
    return OutputError(
        final,
        problem=f"cannot be written ({error.strerror})",
        expected="a writable folder and file name",
        way_out="choose another output",
    )
