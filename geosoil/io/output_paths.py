"""Check the paths of output files, and bring finished files to an object store."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from geosoil.errors import OutputError
from geosoil.io.remote.objects import is_object_url, upload

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    PathLike = str | os.PathLike[str]


def check_output_path(
    path: PathLike,
    endings: tuple[str, ...],
    example: str,
    *,
    inputs: Iterable[PathLike | None] = (),
    beside: Iterable[str] = (),
) -> Path:
    """Check the ending of an output file, and that it is not one of the inputs.

    Parameters
    ----------
    path : path-like
        The output: a local file or a URL.
    endings : tuple of str
        The allowed endings, in lower case; the case of the ending of `path` does not matter.
    example : str
        A valid name, for the message.
    inputs : iterable of path-like or None, optional
        Files that must not be overwritten; None is ignored.
    beside : iterable of str, optional
        What replaces the ending in the names of further files that are written, such as `.png` or `_passes.csv`.

    Returns
    -------
    Path
        The path of the output.

    Raises
    ------
    OutputError
        For another ending, or if the output or a further file is one of the inputs.

    Examples
    --------
    >>> check_output_path("soc.TIF", (".tif", ".tiff"), "OUT.tif").name
    'soc.TIF'
    >>> check_output_path("dem.tif", (".tif",), "OUT.tif", inputs=["dem.png", None], beside=[".png"])
    Traceback (most recent call last):
    geosoil.errors.OutputError: dem.png: is also an input; choose another output
    """
    output = Path(path)
    if output.suffix.lower() not in endings:
        found = f"the ending {output.suffix}" if output.suffix else "no ending"
        raise OutputError(path, found=found, expected=" or ".join(endings), way_out=f"use a name such as {example}")
    check_not_an_input([path, *(output.with_name(output.stem + ending) for ending in beside)], inputs)
    return output


def check_not_an_input(outputs: Iterable[PathLike], inputs: Iterable[PathLike | None]) -> None:
    """Raise OutputError if an output file or folder is one of the inputs, under any name.

    Examples
    --------
    >>> check_not_an_input(["rows.csv"], ["./rows.csv"])
    Traceback (most recent call last):
    geosoil.errors.OutputError: rows.csv: is also an input; choose another output
    """
    paths = [os.fspath(path) for path in inputs if path is not None]
    for output in outputs:
        if any(_is_same(os.fspath(output), path) for path in paths):
            raise OutputError(output, problem="is also an input", way_out="choose another output")


@contextmanager
def local_path(output: str) -> Iterator[Path]:
    """Yield the path that an output is written to: its own, or one in a temporary folder for an object store.

    Examples
    --------
    >>> with local_path("s3://bucket/maps/soc.tif") as path:
    ...     path.name, path.parent.is_dir()
    ('soc.tif', True)
    """
    if not is_object_url(output):
        yield Path(output)
        return
    with TemporaryDirectory() as folder:
        yield Path(folder) / PurePath(output).name


def deliver(files: Sequence[Path], output: str) -> tuple[Path | str, ...]:
    """Upload finished files beside an output in an object store, in their order, and return where they are.

    Files of an output that is not in an object store are in their place already. The main file is given last, so that
    all files are complete where it exists.

    Examples
    --------
    >>> [str(place) for place in deliver([Path("soc.png"), Path("soc.tif")], "soc.tif")]
    ['soc.png', 'soc.tif']
    """
    if not is_object_url(output):
        return tuple(files)
    places = tuple(f"{output.rpartition('/')[0]}/{file.name}" for file in files)
    for file, place in zip(files, places, strict=True):
        upload(file, place)
    return places


def _is_same(path: str, other: str) -> bool:
    if "://" in path or "://" in other:
        return path == other
    first, second = Path(path), Path(other)
    try:
        return first.absolute() == second.absolute() or (first.exists() and second.exists() and first.samefile(second))
    except OSError:  # a path that cannot be looked up: reading or writing it reports why
        return False
