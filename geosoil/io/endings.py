"""What a file that is to be written may be named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geosoil.errors import OutputError

if TYPE_CHECKING:
    from pathlib import Path


def require_ending(path: Path, endings: tuple[str, ...], example: str) -> Path:
    """Return the path; raises OutputError where its name ends otherwise, in whatever case.

    >>> from pathlib import Path
    >>> require_ending(Path("soc.TIF"), (".tif", ".tiff"), "OUT.tif").name
    'soc.TIF'
    """
    if path.suffix.lower() not in endings:
        raise OutputError(
            path, found=f"ending {path.suffix or 'none'}", expected=endings[0], way_out=f"name it {example}"
        )
    return path
