"""A file that exists is whole: write beside it, then move into place."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from pathlib import Path
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
    final = Path(final)
    try:
        if final.is_dir():
            raise OutputError(final, found="a folder", expected="a file name", way_out="name a file inside it")
        if not final.parent.is_dir():
            found = "a file where its folder should be" if final.parent.exists() else "no such folder"
            raise OutputError(final, found=found, expected=f"the folder {final.parent}", way_out="make it first")
        temporary = final.with_name(f".{final.stem}.{secrets.token_hex(4)}{final.suffix}")
        # Asked now: a map of an hour must not find out at its end that its place is read-only.
        temporary.touch(exist_ok=False)
        temporary.unlink()
    except OSError as error:
        raise _unwritable(final, error) from error
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


def _unwritable(final: Path, error: OSError) -> OutputError:
    return OutputError(
        final,
        found=f"a place that cannot be written ({error.strerror})",
        expected="a writable folder and file name",
        way_out="choose another output",
    )
