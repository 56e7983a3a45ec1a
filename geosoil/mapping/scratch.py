"""The scratch store of a map: its finished blocks, until the map is complete.

    OUT.tif.unfinished/             beside the output; for s3://bucket/OUT.tif a prefix of that name
        lock                        held by the run that writes here
        geosoil-store/
            manifest                the identity of the map, and the edges of its blocks
            blocks-1f2e3d4c/000012_000003    one finished block

The file of a block is the only record that the block is finished. Manifest and blocks are sealed (`io/journal.py`): a
file that is damaged, that belongs to another map or that is in the wrong place is found, and its block is computed
again. The name of the blocks' folder is a hash of the map's identity, so a late worker of an abandoned map cannot
overwrite blocks of the current one.
"""

from __future__ import annotations

import json
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import OutputError
from geosoil.io.journal import Identity, seal, unseal
from geosoil.io.remote.objects import Store, open_store
from geosoil.mapping.lock import held

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from geosoil.raster.blocks import Block, Blocks

MANIFEST = "manifest"
ENDING = ".unfinished"
RESTART = "discard it with --restart"
Place = tuple[int, int]  # row and column of a block in the division
Edges = tuple[tuple[int, ...], tuple[int, ...]]  # rows and columns of pixels where blocks begin and end
_BLOCK = re.compile(r"blocks-[0-9a-f]{8}/\d{6,}_\d{6,}")


@dataclass(frozen=True)
class FinishedBlock:
    """The record of a block that was computed and written.

    Parameters
    ----------
    place : (int, int)
        Row and column of the block in the division of the map.
    error : str, optional
        The reason why the block has no data, if its input could not be read.
    clipped : list of (int, int, int, int, int)
        For each band, the numbers of pixels below and above the valid range, which were set to its limits, of pixels
        that have data in all bands that the model reads but no value, of undeclared background, and with a value.
    """

    place: Place
    error: str | None = None
    clipped: Sequence[Sequence[int]] = ()


@dataclass(frozen=True)
class BlockStore:
    """The finished blocks of one map, as every worker on every machine sees them.

    Parameters
    ----------
    store : Store
        Where the blocks are kept.
    run : str
        The hash of the map's identity and of its division into blocks.
    """

    store: Store
    run: str

    @property
    def folder(self) -> str:
        """The folder of the blocks in the store."""
        return f"blocks-{self.run[:8]}"

    def write(
        self, place: Place, values: Block, error: str | None = None, clipped: Sequence[Sequence[int]] = ()
    ) -> FinishedBlock:
        """Write a finished block completely or not at all, and return its record.

        Parameters
        ----------
        place : (int, int)
            Row and column of the block in the division.
        values : ndarray of float32, shape (band, y, x)
            NaN where there is no data.
        error, clipped
            See `FinishedBlock`.

        Returns
        -------
        FinishedBlock

        Raises
        ------
        OutputError
            If the store cannot be written.
        """
        content = np.ascontiguousarray(values, "<f4").tobytes()
        name = self.name(place)
        self.store.write(name, seal(content, self.run, name, shape=values.shape, error=error, clipped=clipped))
        return FinishedBlock(place, error, clipped)

    def read(self, place: Place) -> tuple[Block, FinishedBlock]:
        """Return the values of a block, float32 of shape (band, y, x), and its record.

        Raises FileNotFoundError if the block is missing, ValueError if it is damaged.
        """
        name = self.name(place)
        facts, content = unseal(self.store.read(name), self.run, name)
        values = np.frombuffer(content, "<f4").astype(np.float32, copy=False).reshape(facts["shape"])
        return values, FinishedBlock(place, facts["error"], facts["clipped"])

    def name(self, place: Place) -> str:
        """Return the name of a block.

        >>> from geosoil.io.remote.objects import open_store
        >>> BlockStore(open_store("map.tif.unfinished"), "1f2e3d4c5b6a").name((12, 3))
        'blocks-1f2e3d4c/000012_000003'
        """
        return f"{self.folder}/{place[0]:06d}_{place[1]:06d}"


@dataclass(frozen=True)
class Scratch:
    """The unfinished map of a run.

    Parameters
    ----------
    store : Store
        The scratch store.
    blocks : BlockStore
        The finished blocks in it.
    rows, cols : tuple of int
        The edges of the blocks: the rows and columns of pixels where blocks begin and end.
    finished : tuple of FinishedBlock
        The blocks that were already finished when the store was opened.
    damaged : int
        The number of damaged blocks that were found and removed.
    """

    store: Store
    blocks: BlockStore
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    finished: tuple[FinishedBlock, ...] = ()
    damaged: int = 0

    def read_blocks(self) -> Iterator[tuple[int, int, Block]]:
        """Yield all blocks of the map, row by row.

        Yields
        ------
        y0, x0 : int
            Row and column of the first pixel of the block.
        values : ndarray of float32, shape (band, y, x)
            NaN where there is no data.

        Raises
        ------
        OutputError
            If a block is missing or damaged.
        """
        for place in product(range(len(self.rows) - 1), range(len(self.cols) - 1)):
            try:
                values, _ = self.blocks.read(place)
            except (FileNotFoundError, ValueError) as error:
                found = "no such file" if isinstance(error, FileNotFoundError) else f"a block that is {error}"
                raise OutputError(
                    f"{self.store.where}/{self.blocks.name(place)}",
                    found=found,
                    expected="a finished block",
                    way_out="run again with --resume; workers on other machines must share this folder",
                ) from error
            yield self.rows[place[0]], self.cols[place[1]], values

    def leave(self) -> None:
        """Keep the finished blocks for a run that resumes; remove the store if there are none."""
        with suppress(OutputError):  # the error that ended the run matters more
            if not any(self.store.names(f"{self.blocks.folder}/")):
                self.remove()

    def remove(self) -> None:
        """Remove the store with all blocks."""
        self.store.clear()


@contextmanager
def held_store(output: str) -> Iterator[Store]:
    """Lock the scratch store of an output and yield it.

    Parameters
    ----------
    output : str
        The path or URL of the map.

    Yields
    ------
    Store

    Raises
    ------
    OutputError
        If another run writes the same output, or the store cannot be written.
    """
    store = open_store(output + ENDING)
    with held(output + ENDING, store, output):
        yield store


def open_scratch(store: Store, identity: Identity, blocks: Blocks, *, mode: str = "new") -> Scratch:
    """Open the unfinished map in a store, or start a new one.

    Parameters
    ----------
    store : Store
        The locked store of `held_store`.
    identity : Identity
        Inputs, model and options of the map.
    blocks : Blocks
        The division of the map. A resumed map keeps its first division.
    mode : {"new", "resume", "restart"}
        "new" refuses an unfinished map, "resume" continues it, "restart" discards it.

    Returns
    -------
    Scratch

    Raises
    ------
    OutputError
        If there is an unfinished map and `mode` is "new", or if it is damaged or has another identity.
    """
    identity = Identity({**identity.parts, "size": _size(blocks), "bands": list(blocks.names)})
    if mode == "restart":
        for name in [name for name in store.names() if name == MANIFEST or _BLOCK.fullmatch(name)]:
            store.delete(name)
    try:
        manifest = store.read(MANIFEST)
    except FileNotFoundError:
        try:
            store.write(MANIFEST, identity.seal(json.dumps([blocks.rows, blocks.cols]).encode()))
        except OutputError:
            store.clear()  # on a full disk, even the empty folder counts
            raise
        return _scratch(store, identity, blocks)
    if mode == "new":
        raise OutputError(
            store.where, found="an unfinished map", expected="none", way_out="continue it with --resume, or " + RESTART
        )
    where = f"{store.where}/{MANIFEST}"
    identity.unseal(manifest, where, RESTART)
    edges = _edges_in(manifest)
    if edges is None or _size(replace(blocks, rows=edges[0], cols=edges[1])) != _size(blocks):
        raise OutputError(where, found="blocks that do not cover the map", expected=_size(blocks), way_out=RESTART)
    blocks = replace(blocks, rows=edges[0], cols=edges[1])
    return _find_finished(_scratch(store, identity, blocks), blocks)


def unfinished_edges(output: str) -> Edges | None:
    """Return the edges of the blocks of an unfinished map.

    Parameters
    ----------
    output : str
        The path or URL of the map.

    Returns
    -------
    (tuple of int, tuple of int) or None
        The rows and columns where blocks begin and end; None if there is no unfinished map, or its manifest is not
        valid.
    """
    try:
        return _edges_in(open_store(output + ENDING).read(MANIFEST))
    except FileNotFoundError:
        return None


def _edges_in(manifest: bytes) -> Edges | None:
    """Return the edges of the blocks that a manifest states; None if they are not valid."""
    try:
        rows, cols = json.loads(manifest.partition(b"\n")[2])
        for edges in (rows, cols):
            if edges[0] != 0 or not all(type(a) is type(b) is int and a < b for a, b in pairwise(edges)):
                return None
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None
    return (tuple(rows), tuple(cols)) if len(rows) > 1 < len(cols) else None


def _size(blocks: Blocks) -> str:
    return f"{blocks.rows[-1]} x {blocks.cols[-1]}"


def _scratch(store: Store, identity: Identity, blocks: Blocks) -> Scratch:
    run = Identity({"map": identity.sha256, "rows": blocks.rows, "cols": blocks.cols}).sha256
    return Scratch(store, BlockStore(store, run), blocks.rows, blocks.cols)


def _find_finished(scratch: Scratch, blocks: Blocks) -> Scratch:
    """Find the finished blocks; remove damaged blocks and blocks whose input could not be read."""
    finished, damaged = [], 0
    names = set(scratch.store.names(scratch.blocks.folder + "/"))
    for place in blocks.places:
        name = scratch.blocks.name(place)
        if name not in names:
            continue
        try:
            values, block = scratch.blocks.read(place)
            is_whole = values.shape == blocks.shape(*place)
        except ValueError:
            is_whole = False
        if is_whole and block.error is None:
            finished.append(block)
            continue
        damaged += not is_whole
        scratch.store.delete(name)  # an input that could not be read is tried again
    return replace(scratch, finished=tuple(finished), damaged=damaged)
