"""One map from its first block to its COG: planned, computed on lanes, kept in a scratch store, then assembled.

The COG appears when all blocks are there, checked; only then is the scratch store removed. Whatever ends a run before,
`resume` goes on behind it. The values depend on none of this.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from geosoil.errors import DeviceError, OutputError
from geosoil.io.atomic import remove_leftovers, require_writable
from geosoil.io.rasters.cog import CogSummary, cog_writer
from geosoil.mapping.executors import BlockTask, Executor, ThreadExecutor
from geosoil.mapping.plan import Plan, plan_map
from geosoil.mapping.scratch import Done, Scratch, cut_of, held_store, open_scratch
from geosoil.program.device import CPU, CUDA, gpu_names, no_gpu_error
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from distributed import Client

    from geosoil.io.journal import Identity
    from geosoil.mapping.job import MapJob

    Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RunOptions:
    """How a map is run; what it holds depends on none of this.

    threads: blocks computed at once, default all cores. workers: so many processes of this machine instead, a block at
    a time each. cluster: the address of a dask scheduler, the file it wrote, or a client. memory_bytes: the most to
    take, all processes of this machine together (each worker, on a cluster elsewhere); default half of what is free.
    block: side of a block in pixels, default what fits. mode: what to do with an unfinished map: "new" refuses it,
    "resume" goes on with it, "restart" begins anew. on_error: a window of the input that cannot be read stops the run,
    or is "nodata". device: where networks and kernels compute: "cpu"; "cuda", one block at a time on each GPU; "auto",
    which takes a GPU of this machine where there is one and the model can use it, but not with workers or a cluster.
    """

    threads: int | None = None
    workers: int | None = None
    cluster: str | Client | None = None
    memory_bytes: int | None = None
    block: int | None = None
    mode: Literal["new", "resume", "restart"] = "new"
    on_error: Literal["stop", "nodata"] = "stop"
    device: Literal["auto", "cpu", "cuda"] = "cpu"

    def plan(self, mapping: MapJob, output: str, *, probe: bool = True, timed: bool = False) -> Plan:
        """Plan a map; see `plan_map`.

        Raises MemoryPromiseError where the promise is too small, DeviceError where there is no GPU as asked.
        """
        device, notes = self._chosen_device(mapping)
        mapping = mapping.on(device)
        threads = self.threads or os.cpu_count() or 1
        if self.cluster is not None:  # each of its workers has a promise of its own
            threads = 1
        cut = cut_of(output) if self.mode == "resume" else None
        if cut is not None and (cut[0][-1], cut[1][-1]) != mapping.source.shape[1:]:
            cut = None  # of another raster: said when it is opened
        probe = probe and (device == CPU or self.cluster is None)  # this machine may have no GPU
        plan = plan_map(
            mapping,
            threads=threads,
            workers=self.workers or 0,
            memory_bytes=self.memory_bytes,
            block=self.block,
            cut=cut,
            where=output,
            probe=probe,
            timed=timed,
        )
        return replace(plan, notes=notes)

    def _chosen_device(self, mapping: MapJob) -> tuple[str, tuple[str, ...]]:
        """Return "cpu" or "cuda", and what is to be said of it."""
        here = self.workers is None and self.cluster is None
        if self.device == CPU or (self.device == "auto" and not here):
            return CPU, ()
        if self.workers is not None:
            raise DeviceError(
                "device",
                found=f"cuda for {self.workers} processes",
                expected="one process, whose threads take turns",
                way_out="leave --workers away",
            )
        fit = mapping.predict.model.gpu_support
        if self.device == "auto" and not any(fit.values()):  # torch is not even loaded for them
            return CPU, ()
        if here and not gpu_names():
            if self.device == "auto":
                return CPU, ()
            raise no_gpu_error()
        unfit = [kind for kind, is_fit in fit.items() if not is_fit]
        return CUDA, (f"computed on the CPU, as no GPU can run it: {', '.join(unfit)}",) if unfit else ()

    @contextmanager
    def lanes(self, plan: Plan) -> Iterator[Executor]:
        """Yield the place where blocks are computed."""
        if self.workers is None and self.cluster is None:
            yield ThreadExecutor(plan.threads, plan.lanes)
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
    """What a run made. unread: blocks that are no data because their input could not be read; notes: of the plan."""

    cog: CogSummary
    unread: tuple[Done, ...]
    resumed: int  # blocks that were there already
    damaged: int  # blocks that were there and broken
    notes: tuple[str, ...] = ()


@contextmanager
def run_map(
    mapping: MapJob,
    path: Path,
    *,
    output: str,
    identity: Identity,
    tags: Mapping[str, str],
    units: Sequence[str],
    running: RunOptions,
    progress: Progress | None = None,
) -> Iterator[RunResult]:
    """Map to a COG at `path`, and yield what was made; `output` is what the user calls it.

    Its finished blocks are beside it until the `with` is left: what is done inside is done before they are given up.
    identity: what the map is made of, by name, for a run that goes on. tags, units: of the COG and its bands.
    progress: called as `progress("map", pixels done, pixels in all)`.

    Raises GeosoilErrors of reading, planning and writing; finished blocks are kept then, and on an interruption.
    """
    require_writable(path)
    with held_store(output) as store:
        remove_leftovers(path)
        plan = running.plan(mapping, output)
        scratch = open_scratch(store, identity, plan.blocks, mode=running.mode)
        try:
            unread = tuple(_compute(plan, scratch, running, progress))
        except BaseException:
            scratch.leave()
            raise
        windows = {_window_text(plan, one.place): one.error or "" for one in unread}
        if unread:
            tags = {**tags, "GEOSOIL_UNREAD_WINDOWS": "; ".join(windows)}
        _require_some(plan, unread, output)
        grid, names = Grid.of(mapping.source), plan.blocks.names
        source = mapping.source.attrs.get("source", "")
        with cog_writer(path, grid, names, units, tags=tags, threads=plan.threads, source=source) as writer:
            for y0, x0, values in scratch.finished():
                writer.put(y0, x0, values)
        yield RunResult(writer.summary, unread, len(scratch.done), scratch.damaged, plan.notes)
        if not unread:  # kept otherwise: a run with --resume tries those windows again
            scratch.remove()


def _compute(plan: Plan, scratch: Scratch, running: RunOptions, progress: Progress | None) -> Iterator[Done]:
    """Compute the blocks that are not there yet; yield those that could not be read."""
    blocks = plan.blocks
    there = {one.place for one in scratch.done}

    def pixels_of(i: int, j: int) -> int:
        rows, cols = blocks.inner(i, j)
        return (rows.stop - rows.start) * (cols.stop - cols.start)

    total = blocks.rows[-1] * blocks.cols[-1]
    pixels = sum(pixels_of(*place) for place in there)
    todo = [place for place in blocks.places if place not in there]
    if progress is not None:
        progress("map", pixels, total)
    if not todo:
        return
    task = BlockTask(blocks, scratch.blocks, no_data_on_error=running.on_error == "nodata")
    with running.lanes(plan) as lanes:
        for done in lanes.run(task, todo):
            pixels += pixels_of(*done.place)
            if progress is not None:
                progress("map", pixels, total)
            if done.error is not None:
                yield done


def _require_some(plan: Plan, unread: Sequence[Done], output: str) -> None:
    """Refuse to write a map of nothing."""
    if len(unread) == len(plan.blocks):
        raise OutputError(
            output,
            found=f"no window that could be read ({unread[0].error})",
            expected="one or more",
            way_out="mend the input",
        )


def _window_text(plan: Plan, place: tuple[int, int]) -> str:
    rows, cols = plan.blocks.inner(*place)
    return f"row {rows.start}, column {cols.start}, {rows.stop - rows.start} x {cols.stop - cols.start} pixels"
