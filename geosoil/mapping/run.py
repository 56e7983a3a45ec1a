"""One map from its first block to its COG: planned, computed, kept in a scratch store, then assembled.

The COG appears when all blocks are finished and checked; then the scratch store is removed. A run that ends earlier can
be resumed. No value of the map depends on how it was run.
"""

from __future__ import annotations

import os
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from geosoil.errors import ClusterError, DeviceError, OutputError
from geosoil.io.atomic import remove_leftovers, require_writable
from geosoil.mapping.executors import BlockTask, Executor, ThreadExecutor
from geosoil.mapping.map_files import one_file, write_map_files
from geosoil.mapping.plan import Plan, plan_map
from geosoil.mapping.scratch import FinishedBlock, Scratch, held_store, open_scratch, unfinished_edges
from geosoil.mapping.value_checks import explain_empty
from geosoil.models.contract import PREDICTION
from geosoil.program.device import CPU, CUDA, gpu_names, no_gpu_error

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from distributed import Client

    from geosoil.io.journal import Identity
    from geosoil.io.rasters.cog import CogSummary
    from geosoil.mapping.job import MapJob
    from geosoil.mapping.map_files import MapFile, WrittenFile
    from geosoil.mapping.scratch import BlockStore, Place
    from geosoil.models.contract import Output

    Progress = Callable[[str, int, int], None]

MOST_AT_LIMIT = 0.05  # share of the pixels that may be set to a limit of the valid range without a warning
SHARED_SECONDS = 60.0  # network file systems may list a new file on other machines this late


@dataclass(frozen=True)
class RunOptions:
    """How a map is run; no value of the map depends on it.

    Parameters
    ----------
    threads : int, optional
        The number of blocks computed at once (default: the number of cores).
    workers : int, optional
        Compute in this many processes instead, one block at a time in each.
    cluster : str or Client, optional
        Compute on a dask cluster instead: the address of its scheduler, the file that the scheduler wrote, or a client.
    memory_bytes : int, optional
        The memory limit of all processes of this machine together, or of each worker of a cluster (default: half of
        the free memory).
    block : int, optional
        The side of a block in pixels (default: as large as the memory allows).
    mode : {"new", "resume", "restart"}
        "new" refuses an unfinished map, "resume" continues it, "restart" discards it.
    on_error : {"stop", "nodata"}
        If part of the input cannot be read: stop, or write nodata there.
    device : {"auto", "cpu", "cuda"}
        Where networks and kernels are computed. "cuda" computes one block at a time on each GPU. "auto" uses the GPUs
        of this machine if there are any and the model supports them, but not with workers or a cluster.
    """

    threads: int | None = None
    workers: int | None = None
    cluster: str | Client | None = None
    memory_bytes: int | None = None
    block: int | None = None
    mode: Literal["new", "resume", "restart"] = "new"
    on_error: Literal["stop", "nodata"] = "stop"
    device: Literal["auto", "cpu", "cuda"] = "auto"

    def plan(self, job: MapJob, output: str, *, probe: bool = True, timed: bool = False) -> Plan:
        """Plan a map; see `plan_map`.

        Raises MemoryPromiseError if the memory limit is too small, DeviceError if the GPU asked for is missing.
        """
        device, notes = self._chosen_device(job)
        job = job.on(device)
        threads = self.threads or os.cpu_count() or 1
        if self.cluster is not None:  # each of its workers has its own memory limit
            threads = 1
        edges = unfinished_edges(output) if self.mode == "resume" else None
        if edges is not None and (edges[0][-1], edges[1][-1]) != job.source.shape[1:]:
            edges = None  # of another raster: opening the scratch store reports it
        probe = probe and (device == CPU or self.cluster is None)  # this machine may have no GPU
        plan = plan_map(
            job,
            threads=threads,
            workers=self.workers or 0,
            memory_bytes=self.memory_bytes,
            block=self.block,
            edges=edges,
            where=output,
            probe=probe,
            timed=timed,
        )
        return replace(plan, notes=notes)

    def _chosen_device(self, job: MapJob) -> tuple[str, tuple[str, ...]]:
        """Return "cpu" or "cuda", and notes for the user."""
        here = self.workers is None and self.cluster is None
        if self.device == CPU or (self.device == "auto" and not here):
            return CPU, ()
        if self.workers is not None:
            raise DeviceError(
                "device",
                found=f"cuda for {self.workers} processes",
                expected="one process, whose threads share the GPU",
                way_out="leave out --workers",
            )
        supported = job.predict.model.gpu_support
        if self.device == "auto" and not any(supported.values()):  # without loading torch
            return CPU, ()
        if here and not gpu_names():
            if self.device == "auto":
                return CPU, ()
            raise no_gpu_error()
        on_cpu = [part for part, is_supported in supported.items() if not is_supported]
        return CUDA, (f"computed on the CPU, as the GPU does not support it: {', '.join(on_cpu)}",) if on_cpu else ()

    @contextmanager
    def executor(self, plan: Plan) -> Iterator[Executor]:
        """Yield the executor that computes the blocks; it is closed at the end."""
        if self.workers is None and self.cluster is None:
            yield ThreadExecutor(plan.threads, plan.blocks_in_memory, plan.chunk_bytes)
            return
        from geosoil.mapping.cluster import ClusterExecutor, local_cluster, remote_cluster

        if self.workers is not None:
            with local_cluster(self.workers) as client:
                yield ClusterExecutor(client)
        elif isinstance(self.cluster, str):
            with remote_cluster(self.cluster) as client:
                yield ClusterExecutor(client, self.cluster)
        else:
            assert self.cluster is not None
            yield ClusterExecutor(self.cluster)


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Parameters
    ----------
    written : tuple of WrittenFile
        The files of the map, with the statistics of their bands.
    unread : tuple of FinishedBlock
        Blocks without data, because their input could not be read.
    resumed, damaged : int
        The number of blocks that were already finished, and of those that were damaged.
    notes : tuple of str
        The notes of the plan, of values that were set to a limit of their valid range, and of pixels without a value.
    warnings : tuple of str
        What is strange about the input or the values.
    """

    written: tuple[WrittenFile, ...]
    unread: tuple[FinishedBlock, ...]
    resumed: int
    damaged: int
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def cog(self) -> CogSummary:
        """Statistics of the bands of the first file."""
        return self.written[0].cog


@contextmanager
def run_map(
    job: MapJob,
    path: Path,
    *,
    output: str,
    identity: Identity,
    tags: Mapping[str, str],
    run_options: RunOptions,
    warnings: Sequence[str] = (),
    progress: Progress | None = None,
    files: Sequence[MapFile] = (),
) -> Iterator[RunResult]:
    """Write a map to a COG or several, and yield the result while its finished blocks still exist.

    What is done inside the `with` is done before the blocks are removed; an exception there keeps them.

    Parameters
    ----------
    job : MapJob
        Model and input.
    path : Path
        The COG, if no other files are named.
    output : str
        The name of the output that the user gave; the scratch store is beside it.
    identity : Identity
        Everything that decides the pixels; a run with another identity is not resumed.
    tags : mapping of str to str
        Tags of the files.
    run_options : RunOptions
    warnings : sequence of str
        What is known to be strange before the first block; what the blocks show is added.
    progress : callable, optional
        Called as `progress("map", pixels done, pixels in all)`.
    files : sequence of MapFile
        The files and which outputs each holds, in the folder of `path`; default: `path` with all outputs.

    Raises
    ------
    GeosoilError
        If reading, planning or writing fails. The finished blocks are kept then, and on an interruption.
    """
    files = files or one_file(job, path)
    for file in files:
        require_writable(file.path)
    with held_store(output) as store:
        for file in files:
            remove_leftovers(file.path)
            if file.trust_path is not None:
                remove_leftovers(file.trust_path)
        plan = run_options.plan(job, output)
        scratch = open_scratch(store, identity, plan.blocks, mode=run_options.mode)
        try:
            computed = tuple(_compute(plan, scratch, run_options, progress))
        except BaseException:
            scratch.leave()
            raise
        unread = tuple(block for block in computed if block.error is not None)
        counts = _counts(job.outputs, [*scratch.finished, *computed])
        clipped, without_value = _clipped(job.outputs, counts), _without_value(job.outputs, counts)
        warnings = (*warnings, *_warnings(job.outputs, counts))
        windows = [_window_text(plan, block.place) for block in unread]
        if unread:
            tags = {**tags, "GEOSOIL_UNREAD_WINDOWS": "; ".join(windows)}
        if clipped:
            tags = {**tags, "GEOSOIL_CLIPPED": "; ".join(clipped)}
        if without_value:
            tags = {**tags, "GEOSOIL_WITHOUT_VALUE": "; ".join(without_value)}
        if warnings:
            tags = {**tags, "GEOSOIL_WARNINGS": "; ".join(warnings)}
        _require_some(plan, unread, output)
        if not unread and not counts[:, 4].any():
            scratch.remove()
            raise explain_empty(job, int(counts[0, 3]))
        written = write_map_files(job, scratch.read_blocks(), files, tags=tags, threads=plan.threads)
        notes = (*plan.notes, *clipped, *without_value)
        yield RunResult(written, unread, len(scratch.finished), scratch.damaged, notes, warnings)
        if not unread:  # otherwise a run with --resume tries these windows again
            scratch.remove()


def _compute(
    plan: Plan, scratch: Scratch, run_options: RunOptions, progress: Progress | None
) -> Iterator[FinishedBlock]:
    """Compute the unfinished blocks, and yield them."""
    blocks = plan.blocks
    finished = {block.place for block in scratch.finished}

    def pixels_of(i: int, j: int) -> int:
        rows, cols = blocks.inner(i, j)
        return (rows.stop - rows.start) * (cols.stop - cols.start)

    total = blocks.rows[-1] * blocks.cols[-1]
    pixels = sum(pixels_of(*place) for place in finished)
    todo = [place for place in blocks.places if place not in finished]
    if progress is not None:
        progress("map", pixels, total)
    if not todo:
        return
    task = BlockTask(blocks, scratch.blocks, no_data_on_error=run_options.on_error == "nodata")
    with run_options.executor(plan) as executor:
        for count, block in enumerate(executor.run(task, todo)):
            if not count:
                _require_shared(scratch.blocks, block.place)
            pixels += pixels_of(*block.place)
            if progress is not None:
                progress("map", pixels, total)
            yield block


def _require_shared(blocks: BlockStore, place: Place) -> None:
    """Check, after the first block, that the workers write where this process reads."""
    name, deadline = blocks.name(place), time.monotonic() + SHARED_SECONDS
    while not blocks.store.exists(name):
        if time.monotonic() < deadline:
            time.sleep(0.5)
            continue
        raise ClusterError(
            f"{blocks.store.where}/{name}",
            found="no such file, although a worker has written it",
            expected="a folder that all machines share",
            way_out="choose an output on a shared disk or in an object store",
        )


def _counts(outputs: Sequence[Output], blocks: Sequence[FinishedBlock]) -> np.ndarray:
    """Return the sums of what the blocks counted, `(output, 5)`; see `PredictBlock`."""
    return sum((np.array(block.clipped) for block in blocks if block.clipped), np.zeros((len(outputs), 5), np.int64))


def _clipped(outputs: Sequence[Output], counts: np.ndarray) -> list[str]:
    """Return one line per output with values that were set to a limit of its valid range."""
    lines = []
    for output, of_output in zip(outputs, counts, strict=True):
        parts = [
            f"{count} pixels were predicted {word} {limit:g}"
            for count, word, limit in zip(of_output[:2], ("below", "above"), output.valid_range, strict=True)
            if count
        ]
        if parts:
            lines.append(f"{output.name}: {' and '.join(parts)}, and set to this limit")
    return lines


def _without_value(outputs: Sequence[Output], counts: np.ndarray) -> list[str]:
    """Return one line per prediction that is missing at pixels with data in all bands."""
    lines = []
    for output, count in zip(outputs, counts[:, 2], strict=True):
        if count and output.kind == PREDICTION:
            pixels = "1 pixel has" if count == 1 else f"{count} pixels have"
            cause = "such as absorbance of a value of 0 or less, or SNV of a flat spectrum"
            lines.append(f"{output.name}: {pixels} data, but no prediction ({cause}): no data")
    return lines


def _warnings(outputs: Sequence[Output], counts: np.ndarray) -> list[str]:
    """Return warnings about background that no header declares, empty bands, and many values at a limit."""
    lines = []
    background = counts[0, 3]
    if background:
        pixels = "1 pixel has" if background == 1 else f"{background} pixels have"
        lines.append(
            f"{pixels} one and the same value in all bands, as background has that the file does not declare, and "
            "became no data; name its stored value by --nodata"
        )
    for output, (below, above, *_, valid) in zip(outputs, counts, strict=True):
        if not valid:
            lines.append(f"{output.name}: no pixel has a value")
        elif below + above > MOST_AT_LIMIT * valid:
            lines.append(
                f"{output.name}: {(below + above) / valid:.0%} of the pixels were set to a limit of the valid range; "
                'for a skewed property model its logarithm (log = "smearing" in [target] of the recipe), and map only '
                "soils like the training samples (--bare-soil, --mask)"
            )
    return lines


def _require_some(plan: Plan, unread: Sequence[FinishedBlock], output: str) -> None:
    """Refuse a map without any data."""
    if len(unread) == len(plan.blocks):
        raise OutputError(
            output,
            found=f"no window that could be read ({unread[0].error})",
            expected="one or more",
            way_out="correct the input",
        )


def _window_text(plan: Plan, place: tuple[int, int]) -> str:
    rows, cols = plan.blocks.inner(*place)
    return f"row {rows.start}, column {cols.start}, {rows.stop - rows.start} x {cols.stop - cols.start} pixels"
