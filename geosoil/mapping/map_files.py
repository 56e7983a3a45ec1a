"""The files of a map: its finished blocks are divided into the map and the trust map beside it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.io.rasters.cog import CogSummary, cog_writer
from geosoil.models.contract import INSIDE, TRUST_KINDS
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from geosoil.mapping.job import MapJob


def write_map_files(
    job: MapJob,
    blocks: Iterable[tuple[int, int, np.ndarray]],
    path: Path,
    trust_path: Path | None,
    *,
    tags: Mapping[str, str],
    threads: int,
    only_applicable: bool = False,
) -> tuple[CogSummary, CogSummary | None]:
    """Write the finished blocks of a job to a COG, and the bands of its trust states to another one.

    Parameters
    ----------
    job : MapJob
    blocks : iterable of (int, int, ndarray)
        Row and column of the first pixel of a block, and its values `(output, y, x)`.
    path : Path
        The map, which appears after the trust map.
    trust_path : Path or None
        The trust map; None: it is not written.
    tags : mapping of str to str
        Tags of both.
    threads : int
        For the compression.
    only_applicable : bool
        Write no data to the map where the output of the kind "inside" is 0.

    Returns
    -------
    (CogSummary, CogSummary or None)
        Statistics of both.
    """
    kinds = [output.kind for output in job.outputs]
    of_trust = [k for k, kind in enumerate(kinds) if kind in TRUST_KINDS]
    of_map = [k for k, kind in enumerate(kinds) if kind not in TRUST_KINDS]
    grid, source = Grid.of(job.source), job.source.attrs.get("source", "")

    def writer_of(file: Path, bands: list[int], **options: Any) -> Any:
        names, units = [job.outputs[k].name for k in bands], [job.outputs[k].unit for k in bands]
        return cog_writer(file, grid, names, units, tags=tags, threads=threads, source=source, **options)

    with ExitStack() as opened:
        writer, beside = opened.enter_context(writer_of(path, of_map)), None
        if trust_path is not None and of_trust:
            # The mean of the ends of intervals is not the end of an interval.
            beside = opened.enter_context(writer_of(trust_path, of_trust, overviews="nearest"))
        for y0, x0, values in blocks:
            if beside is not None:
                beside.put(y0, x0, values[of_trust])
            mapped = values[of_map] if of_trust else values
            if only_applicable:
                mapped[:, values[kinds.index(INSIDE)] == 0] = np.nan
            writer.put(y0, x0, mapped)
    return writer.summary, None if beside is None else beside.summary
