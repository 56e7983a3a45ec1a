"""A file that exists is whole: write beside it, then move into place; and ask for the place before the work."""

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
    """Yield a name beside `final` to write to; move it into place on success, remove it on failure.

    final: the file to be made or replaced; its folder must exist. The yielded name has the suffix of
        `final` (GDAL chooses drivers by it) and does not exist yet. Side files that a writer leaves
        beside it (`.aux.xml`, `.msk`) are removed in both cases.

    Raises OutputError, before anything is computed, where `final` is a folder or cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with atomic_path(Path(folder) / "map.txt") as temporary:
    ...         _ = temporary.write_text("whole")
    ...     [path.name for path in Path(folder).iterdir()]
    ['map.txt']
    """
    final = require_writable(final)
    temporary = _beside(final)
    try:
        yield temporary
        try:
            temporary.replace(final)
        except FileNotFoundError:
            raise  # the caller wrote nothing: a fault of ours, not the user's
        except OSError as error:
            raise _unwritable(final, error) from error
    finally:
        for stray in final.parent.iterdir():
            if stray.name.startswith(temporary.name) and stray.is_file():
                stray.unlink()


def require_writable(final: str | os.PathLike[str]) -> Path:
    """Return the path of a file to be made or replaced, before the work of hours; leaves nothing there.

    Raises OutputError where it is a folder, its folder does not exist, or nothing can be written there.

    >>> require_writable("/absent/map.tif")
    Traceback (most recent call last):
    geosoil.errors.OutputError: /absent/map.tif: found no such folder; expected the folder /absent; make it first
    """
    final = Path(final)
    try:
        if final.is_dir():
            raise OutputError(final, found="a folder", expected="a file name", way_out="name a file inside it")
        if not final.parent.is_dir():
            found = "a file where its folder should be" if final.parent.exists() else "no such folder"
            raise OutputError(final, found=found, expected=f"the folder {final.parent}", way_out="make it first")
        asked = _beside(final)
        asked.touch(exist_ok=False)
        asked.unlink()
    except OSError as error:
        raise _unwritable(final, error) from error
    return final


def require_writable_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the path of a folder, there or yet to be made, before the work of hours; leaves nothing there.

    Raises OutputError where it is a file, or nothing can be written in it or where it would be made.

    >>> require_writable_folder("/dev/null/maps")
    Traceback (most recent call last):
    geosoil.errors.OutputError: /dev/null: found a file; expected a folder to write; name another with -o
    """
    folder = Path(folder)
    there = next(parent for parent in (folder.absolute(), *folder.absolute().parents) if parent.exists())
    found = "" if there.is_dir() else "a file"
    try:
        if not found:
            TemporaryFile(dir=there).close()
    except OSError as error:
        found = f"a place that cannot be written ({error.strerror})"
    if found:
        raise OutputError(there, found=found, expected="a folder to write", way_out="name another with -o")
    return folder


def _beside(final: Path) -> Path:
    """Return a hidden name beside a file that nobody has, with its suffix."""
    return final.with_name(f".{final.stem}.{secrets.token_hex(4)}{final.suffix}")


def remove_left(final: Path) -> None:
    """Remove what runs that were killed left half-written beside `final`; no other may be writing it."""
    ours = re.compile(rf"\.{re.escape(final.stem)}\.[0-9a-f]{{8}}{re.escape(final.suffix)}")
    for stray in final.parent.iterdir():
        if ours.match(stray.name) and stray.is_file():
            stray.unlink()


def _unwritable(final: Path, error: OSError) -> OutputError:
    return OutputError(
        final,
        found=f"a place that cannot be written ({error.strerror})",
        expected="a writable folder and file name",
        way_out="choose another output",
    )
