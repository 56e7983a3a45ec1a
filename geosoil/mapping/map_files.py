"""The files of a map: its finished blocks are divided into maps and the trust maps beside them."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import OutputError
from geosoil.io.rasters.cog import CogWriter, cog_writer
from geosoil.mapping.trusted import WidthCounts
from geosoil.models.contract import INSIDE, TRUST_KINDS
from geosoil.models.joint import JointModel
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from geosoil.io.rasters.cog import CogSummary
    from geosoil.mapping.job import MapJob
    from geosoil.models.contract import Output

Named = tuple[tuple[str, "Output"], ...]


@dataclass(frozen=True)
class MapFile:
    """A file of a map, and the trust map beside it.

    Parameters
    ----------
    path : Path
        The map.
    bands : tuple of (str, Output)
        The names of its bands, and the outputs of the job that they hold.
    trust_path : Path, optional
        The trust map; default: it is not written.
    trust_bands : tuple of (str, Output)
        Those of the trust map.
    inside : Output, optional
        Where this output is 0, the map has no data.
    models : tuple of int
        The numbers of the models that it belongs to, from 0; empty for all.
    """

    path: Path
    bands: Named
    trust_path: Path | None = None
    trust_bands: Named = ()
    inside: Output | None = None
    models: tuple[int, ...] = ()


@dataclass(frozen=True)
class WrittenFile:
    """A file of a map that was written, and the statistics of its bands and of those of its trust map.

    `median_widths` are those of the intervals in the trust map, by the names of the targets.
    """

    file: MapFile
    cog: CogSummary
    trust: CogSummary | None
    median_widths: Mapping[str, float]


def trust_path_of(path: str | os.PathLike[str]) -> Path:
    """Return the trust map of a map.

    >>> trust_path_of("maps/as.tif").as_posix()
    'maps/as_trust.tif'
    """
    file = Path(path)
    return file.with_name(f"{file.stem}_trust{file.suffix}")


def one_file(job: MapJob, path: Path, *, trust: bool = False, only_applicable: bool = False) -> tuple[MapFile, ...]:
    """Return the file of a map of all outputs; the parameters are those of `file_each`."""
    named = tuple((output.name, output) for output in job.outputs)
    return (_file(path, named, (), trust=trust, only_applicable=only_applicable),)


def file_each(job: MapJob, path: Path, *, trust: bool = False, only_applicable: bool = False) -> tuple[MapFile, ...]:
    """Return a file for each property that a job predicts: OUT_PROPERTY.tif.

    Parameters
    ----------
    job : MapJob
    path : Path
        OUT.tif, which is not written itself.
    trust : bool
        Whether a trust map is written beside each. The bands of the area of applicability, which belong to a model,
        are in the trust map of each of its properties.
    only_applicable : bool
        Write no data outside the area of applicability of the model of the property.

    Raises
    ------
    OutputError
        If the files of two properties would have the same name.
    """
    files: list[MapFile] = []
    for number, unique, named in _properties(job):
        word = re.sub(r"[^\w.-]+", "_", unique)
        file = path.with_name(f"{path.stem}_{word}{path.suffix}")
        if any(file.name.lower() == other.path.name.lower() for other in files):
            raise OutputError(
                file,
                found=f"two properties whose files have this name, one of them {unique}",
                expected="a file for each property",
                way_out="leave out --separate, or map the models one by one",
            )
        files.append(_file(file, named, (number,), trust=trust, only_applicable=only_applicable))
    return tuple(files)


def _file(path: Path, named: Named, models: tuple[int, ...], *, trust: bool, only_applicable: bool) -> MapFile:
    of_trust = tuple((name, output) for name, output in named if output.kind in TRUST_KINDS)
    inside = next((output for _, output in of_trust if output.kind == INSIDE), None)
    return MapFile(
        path,
        tuple(pair for pair in named if pair not in of_trust),
        trust_path_of(path) if trust and of_trust else None,
        of_trust,
        inside if only_applicable else None,
        models,
    )


def _properties(job: MapJob) -> Iterator[tuple[int, str, Named]]:
    """Yield the number of the model of each property, its unique name, and the outputs that are about it."""
    model = job.predict.model
    members = model.members_outputs() if isinstance(model, JointModel) else [(model, model.outputs)]
    names = iter(target.name for target in model.targets)
    for number, (member, renamed) in enumerate(members):
        pairs = [(o.name, r) for o, r in zip(member.outputs, renamed, strict=True) if r in job.outputs]
        of_targets = {f"{t.name}{kind}" for t in member.targets for kind in ("", *_KINDS_OF_A_TARGET)}
        for target in member.targets:
            of_this = {f"{target.name}{kind}" for kind in ("", *_KINDS_OF_A_TARGET)}
            yield number, next(names), tuple((n, o) for n, o in pairs if n in of_this or n not in of_targets)


_KINDS_OF_A_TARGET = (" spread", " lower", " upper")


def write_map_files(
    job: MapJob,
    blocks: Iterable[tuple[int, int, np.ndarray]],
    files: Sequence[MapFile],
    *,
    tags: Mapping[str, str],
    threads: int,
) -> tuple[WrittenFile, ...]:
    """Write the finished blocks of a job to COGs; they appear when all are complete, a trust map before its map.

    Parameters
    ----------
    job : MapJob
    blocks : iterable of (int, int, ndarray)
        Row and column of the first pixel of a block, and its values `(output, y, x)`.
    files : sequence of MapFile
        Which of the outputs each file holds.
    tags : mapping of str to str
        Tags of all files.
    threads : int
        For the compression.

    Returns
    -------
    tuple of WrittenFile
    """
    grid, source = Grid.of(job.source), job.source.attrs.get("source", "")
    place = {output: k for k, output in enumerate(job.outputs)}

    def writer_of(path: Path, bands: Named, **options: Any) -> Any:
        names, units = [name for name, _ in bands], [output.unit for _, output in bands]
        return cog_writer(path, grid, names, units, tags=tags, threads=threads, source=source, **options)

    with ExitStack() as opened:
        writers, beside = [], []
        widths = [WidthCounts([name for name, _ in file.trust_bands]) for file in files]
        for file in files:
            writers.append(opened.enter_context(writer_of(file.path, file.bands)))
            # The mean of the ends of intervals is not the end of an interval, so that their overviews are not means.
            trusted = file.trust_path and writer_of(
                file.trust_path, file.trust_bands, overviews="nearest", rounded=True
            )
            beside.append(opened.enter_context(trusted) if trusted else None)
        for y0, x0, values in blocks:
            for file, writer, trust, counts in zip(files, writers, beside, widths, strict=True):
                if trust is not None:
                    of_trust = values[[place[output] for _, output in file.trust_bands]]
                    trust.put(y0, x0, of_trust)
                    counts.add(of_trust)
                mapped = values if len(file.bands) == len(values) else values[[place[o] for _, o in file.bands]]
                if file.inside is not None:
                    mapped[:, values[place[file.inside]] == 0] = np.nan
                writer.put(y0, x0, mapped)
        unfinished = [writer for writer in (*writers, *beside) if writer is not None]
        with ThreadPoolExecutor(min(threads, len(unfinished))) as pool:
            list(pool.map(CogWriter.complete, unfinished))
    summaries = (None if trust is None else trust.summary for trust in beside)
    return tuple(
        WrittenFile(file, writer.summary, trust, counts.medians)
        for file, writer, trust, counts in zip(files, writers, summaries, widths, strict=True)
    )
