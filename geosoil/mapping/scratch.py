"""The scratch store of a map: its finished blocks, until the map is complete.

    OUT.tif.unfinished/             beside the output; for s3://bucket/OUT.tif a prefix of that name
        lock                        held by the run that writes here
        geosoil-store/
            manifest                the identity of the map, and where its blocks begin and end
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
Place = tuple[int, int]
_BLOCK = re.compile(r"blocks-[0-9a-f]{8}/\d{6,}_\d{6,}")


@dataclass(frozen=True)
class Done:
    """A finished block.

    Parameters
    ----------
    place : (int, int)
    error : str, optional
        Why it holds no data, if its input could not be read.
    clipped : list of (int, int, int)
        For every band, how many pixels were below and above the valid range, and set to its limits, and how many have
        data in all bands that the model reads and still no value.
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
    run : str
        The hash of the map's identity and of its division into blocks.
    """

    store: Store
    run: str

    @property
    def folder(self) -> str:
        """The name under which the blocks are kept."""
        return f"blocks-{self.run[:8]}"

    def write(
        self, place: Place, values: Block, error: str | None = None, clipped: Sequence[Sequence[int]] = ()
    ) -> Done:
        """Write a finished block `(band, y, x)` float32 atomically."""
        content = np.ascontiguousarray(values, "<f4").tobytes()
        name = self.name(place)
        self.store.write(name, seal(content, self.run, name, shape=values.shape, error=error, clipped=clipped))
        return Done(place, error, clipped)

    def read(self, place: Place) -> tuple[Block, Done]:
        """Return a block and its record; raises FileNotFoundError if it is missing, ValueError if it is damaged."""
        name = self.name(place)
        facts, content = unseal(self.store.read(name), self.run, name)
        done = Done(place, facts["error"], facts["clipped"])
        return np.frombuffer(content, "<f4").astype(np.float32, copy=False).reshape(facts["shape"]), done

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
    blocks : BlockStore
    rows, cols : tuple of int
        Where the blocks begin and end.
    done : tuple of Done
        The finished blocks that were found when the store was opened.
    damaged : int
        The number of blocks that were found damaged, and were removed.
    """

    store: Store
    blocks: BlockStore
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    done: tuple[Done, ...] = ()
    damaged: int = 0

    def finished(self) -> Iterator[tuple[int, int, Block]]:
        """Yield (y0, x0, block) row by row; blocks `(band, y, x)` are float32, NaN = no data.

        Raises OutputError for a block that is missing or damaged.
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
        """Keep it for a run that resumes, unless no block is finished."""
        with suppress(OutputError):  # the error that ended the run matters more
            if not any(self.store.names(f"{self.blocks.folder}/")):
                self.remove()

    def remove(self) -> None:
        """Remove it."""
        self.store.clear()


@contextmanager
def held_store(output: str) -> Iterator[Store]:
    """Yield the scratch store of an output, locked; raises OutputError if another run holds it or it is unwritable."""
    store = open_store(output + ENDING)
    with held(output + ENDING, store, output):
        yield store


def open_scratch(store: Store, identity: Identity, blocks: Blocks, *, mode: str = "new") -> Scratch:
    """Open the unfinished map in a store, or begin one.

    Parameters
    ----------
    store : Store
    identity : Identity
        Inputs, model and options of the map.
    blocks : Blocks
        The division of the map. A resumed map keeps its first division.
    mode : {"new", "resume", "restart"}
        "new" refuses an unfinished map, "resume" continues it, "restart" discards it.

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
    cut = _cut_in(manifest)
    if cut is None or _size(replace(blocks, rows=cut[0], cols=cut[1])) != _size(blocks):
        raise OutputError(where, found="blocks that do not cover the map", expected=_size(blocks), way_out=RESTART)
    blocks = replace(blocks, rows=cut[0], cols=cut[1])
    return _with_done(_scratch(store, identity, blocks), blocks)


def cut_of(output: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return where the blocks of an unfinished map begin and end, rows and columns; None without a usable one."""
    try:
        return _cut_in(open_store(output + ENDING).read(MANIFEST))
    except FileNotFoundError:
        return None


def _cut_in(manifest: bytes) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return the division that a manifest holds, None if it holds none."""
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


def _with_done(scratch: Scratch, blocks: Blocks) -> Scratch:
    """Return it with its finished blocks; damaged ones are removed, and so are those whose input could not be read."""
    done, damaged = [], 0
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
            done.append(block)
            continue
        damaged += not is_whole
        scratch.store.delete(name)  # an input that could not be read is tried again
    return replace(scratch, done=tuple(done), damaged=damaged)
