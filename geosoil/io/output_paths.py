"""What a file that is to be written may be named: its ending, and no name of an input."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from geosoil.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    PathLike = str | os.PathLike[str]


def check_output_path(
    path: PathLike,
    endings: tuple[str, ...],
    example: str,
    *,
    inputs: Iterable[PathLike | None] = (),
    beside: Iterable[str] = (),
) -> Path:
    """Return the path of a file that is to be written, local or not.

    endings: what its name may end in, in whatever case; example: a good name. inputs: what must not be overwritten,
    None is none. beside: endings of what is written under the same name (`.png`), or the end of the name from its stem
    on (`_passes.csv`).

    Raises OutputError for another ending, and where the file or one beside it is one of the inputs.

    >>> check_output_path("soc.TIF", (".tif", ".tiff"), "OUT.tif").name
    'soc.TIF'
    >>> check_output_path("dem.tif", (".tif",), "OUT.tif", inputs=["dem.png", None], beside=[".png"])
    Traceback (most recent call last):
    geosoil.errors.OutputError: dem.png: found one of the inputs; expected another file; choose another output
    """
    named = Path(path)
    if named.suffix.lower() not in endings:
        raise OutputError(
            path, found=f"ending {named.suffix or 'none'}", expected=endings[0], way_out=f"name it {example}"
        )
    check_not_an_input([path, *(named.with_name(named.stem + end) for end in beside)], inputs)
    return named


def check_not_an_input(outputs: Iterable[PathLike], inputs: Iterable[PathLike | None]) -> None:
    """Raise OutputError where a file or folder that is to be written is one of the inputs, by whatever name.

    >>> check_not_an_input(["rows.csv"], ["./rows.csv"])
    Traceback (most recent call last):
    geosoil.errors.OutputError: rows.csv: found one of the inputs; expected another file; choose another output
    """
    read = [os.fspath(one) for one in inputs if one is not None]
    for output in outputs:
        if any(_is_same(os.fspath(output), one) for one in read):
            raise OutputError(
                output, found="one of the inputs", expected="another file", way_out="choose another output"
            )


def _is_same(one: str, other: str) -> bool:
    if "://" in one or "://" in other:
        return one == other
    first, second = Path(one), Path(other)
    try:
        return first.absolute() == second.absolute() or (first.exists() and second.exists() and first.samefile(second))
    except OSError:  # a place that cannot be asked, which whoever reads or writes it will say
        return False
