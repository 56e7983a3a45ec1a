"""The journal of a map: its finished blocks, each written whole, until the map itself is whole.

    OUT.tif.unfinished/             beside the output; for s3://bucket/OUT.tif a prefix of that name
        lock                        held by the run that writes here
        geosoil-store/
            manifest.json           what is being mapped, by what, and how it was cut
            blocks-1f2e3d4c/000012_000003    one block: a line of JSON, and its numbers

A block's own file is the record that it is done: nothing else could disagree with it. It tells its checksum, so a file
that was cut short by a dying machine is found and computed again. The folder of the blocks bears a hash of what they
are made of: a worker that comes late, with a block of a map given up since, writes where nobody reads. Nothing here is
executed when it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import OutputError
from geosoil.io.remote.objects import Store, open_store
from geosoil.mapping.lock import held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geosoil.raster.blocks import Block, Blocks

FORMAT = 1
MANIFEST = "manifest.json"
ENDING = ".unfinished"
Place = tuple[int, int]
_BLOCK = re.compile(r"blocks-[0-9a-f]{8}/\d{6,}_\d{6,}")


@dataclass(frozen=True)
class Done:
    """A finished block: error says why it holds no data, where its input could not be read."""

    place: Place
    error: str | None = None


@dataclass(frozen=True)
class BlockStore:
    """The finished blocks of one map: the part of its journal that workers write to, on whatever machine."""

    store: Store
    folder: str

    def write(self, place: Place, values: Block, error: str | None = None) -> Done:
        """Write a finished block `(band, y, x)` float32, whole or not at all."""
        self.store.write(self.name(place), encode_block(values, error))
        return Done(place, error)

    def read(self, place: Place) -> tuple[Block, str | None]:
        """Return a block and its error; raises FileNotFoundError or ValueError where it is absent or broken."""
        return decode_block(self.store.read(self.name(place)))

    def name(self, place: Place) -> str:
        """Return the name of a block.

        >>> from geosoil.io.remote.objects import open_store
        >>> BlockStore(open_store("map.tif.unfinished"), "blocks").name((12, 3))
        'blocks/000012_000003'
        """
        return f"{self.folder}/{place[0]:06d}_{place[1]:06d}"


@dataclass(frozen=True)
class Scratch:
    """What is there of a map.

    done: finished blocks found when it was opened, checked; damaged: how many were there and broken.
    """

    store: Store
    blocks: BlockStore
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    done: tuple[Done, ...] = ()
    damaged: int = 0

    def finished(self) -> Iterator[tuple[int, int, Block]]:
        """Yield (y0, x0, block) of every block, row by row, checked; raises OutputError where one is absent or broken.

        Blocks `(band, y, x)` are float32, NaN = no data.
        """
        for place in product(range(len(self.rows) - 1), range(len(self.cols) - 1)):
            try:
                values, _ = self.blocks.read(place)
            except (FileNotFoundError, ValueError) as error:
                found = "no such file" if isinstance(error, FileNotFoundError) else f"a broken block ({error})"
                raise OutputError(
                    f"{self.store.where}/{self.blocks.name(place)}",
                    found=found,
                    expected="every block of the map",
                    way_out="run again with --resume; workers on other machines must share this folder",
                ) from error
            yield self.rows[place[0]], self.cols[place[1]], values

    def note(self, **more: object) -> None:
        """Write more into the manifest."""
        known = _read_manifest(self.store) or {}
        self.store.write(MANIFEST, json.dumps(known | more, indent=1).encode())

    def leave(self) -> None:
        """Leave it to a run that goes on; nothing where no block is done."""
        with suppress(OutputError):  # what went wrong before is what is to be said
            if not any(self.store.names(f"{self.blocks.folder}/")):
                self.remove()

    def remove(self) -> None:
        """Remove it: the map is whole and in its place."""
        self.store.clear()


@contextmanager
def held_store(output: str) -> Iterator[Store]:
    """Yield the scratch store of an output, alone; raises OutputError where another run has it, or it is unwritable."""
    store = open_store(output + ENDING)
    with held(output + ENDING, store, output):
        yield store


def open_scratch(store: Store, identity: Mapping[str, str], blocks: Blocks, *, mode: str = "new") -> Scratch:
    """Open what a store holds of a map, or begin it.

    identity: what the map is made of, by name (fingerprints of the inputs, hash of the model, options). blocks: how it
    would be cut; a run that goes on keeps the cut it began with. mode: "new" refuses a map that is there, "resume" goes
    on with it, "restart" begins anew.

    Raises OutputError where an unfinished map is there, or is of something else (the difference is named).
    """
    if mode == "restart":
        for name in [name for name in store.names() if name == MANIFEST or _BLOCK.fullmatch(name)]:
            store.delete(name)
    known = _read_manifest(store)
    if known is None:
        manifest = {"format": FORMAT, "made_of": dict(identity), "rows": blocks.rows, "cols": blocks.cols}
        try:
            store.write(MANIFEST, json.dumps(manifest | {"bands": blocks.names}, indent=1).encode())
        except OutputError:
            store.clear()  # of the folder, which may be all that the disk had room for
            raise
        return Scratch(store, _block_store(store, manifest), blocks.rows, blocks.cols)
    if mode == "new":
        raise OutputError(
            store.where,
            found="an unfinished map",
            expected="none",
            way_out="go on with it by --resume, or begin anew by --restart",
        )
    _require_same(store, known, identity, blocks)
    blocks = replace(blocks, rows=tuple(known["rows"]), cols=tuple(known["cols"]))
    return _with_done(Scratch(store, _block_store(store, known), blocks.rows, blocks.cols), blocks)


def cut_of(output: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return where the blocks of an unfinished map begin and end, rows and columns; None where there is none."""
    known = _read_manifest(open_store(output + ENDING))
    return None if known is None else (tuple(known["rows"]), tuple(known["cols"]))


def encode_block(values: Block, error: str | None = None) -> bytes:
    """Return a block `(band, y, x)` float32 as bytes: a line of JSON, then its numbers, little-endian.

    >>> values, error = decode_block(encode_block(np.ones((1, 2, 2), np.float32)))
    >>> values.sum(), error
    (np.float32(4.0), None)
    """
    content = np.ascontiguousarray(values, "<f4").tobytes()
    head = {"shape": list(values.shape), "sha256": hashlib.sha256(content).hexdigest(), "error": error}
    return json.dumps(head).encode() + b"\n" + content


def decode_block(content: bytes) -> tuple[Block, str | None]:
    """Return a block and its error; raises ValueError for bytes that are not those of a whole block."""
    line, _, numbers = content.partition(b"\n")
    try:
        head = json.loads(line)
        shape = tuple(int(side) for side in head["shape"])
        checksum, error = head["sha256"], head["error"]
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as cause:
        msg = "no header"
        raise ValueError(msg) from cause
    if hashlib.sha256(numbers).hexdigest() != checksum or len(shape) != 3 or len(numbers) != 4 * np.prod(shape):
        msg = "its checksum is another"
        raise ValueError(msg)
    return np.frombuffer(numbers, "<f4").astype(np.float32, copy=False).reshape(shape), error


def _block_store(store: Store, manifest: Mapping[str, Any]) -> BlockStore:
    made_of = json.dumps([manifest["made_of"], manifest["rows"], manifest["cols"]], sort_keys=True)
    return BlockStore(store, f"blocks-{hashlib.sha256(made_of.encode()).hexdigest()[:8]}")


def _with_done(scratch: Scratch, blocks: Blocks) -> Scratch:
    """Return it with the blocks that are whole; those that are not are removed, and so are those without data."""
    done, damaged = [], 0
    there = set(scratch.store.names(scratch.blocks.folder + "/"))
    for place in blocks.places:
        name = scratch.blocks.name(place)
        if name not in there:
            continue
        try:
            values, error = scratch.blocks.read(place)
            whole = values.shape == blocks.shape(*place)
        except ValueError:
            whole, error = False, None
        if whole and error is None:
            done.append(Done(place))
            continue
        damaged += not whole
        scratch.store.delete(name)  # an input that could not be read is tried again
    return replace(scratch, done=tuple(done), damaged=damaged)


def _read_manifest(store: Store) -> dict[str, Any] | None:
    try:
        content = store.read(MANIFEST)
    except FileNotFoundError:
        return None
    try:
        known = json.loads(content)
        usable = known["format"] == FORMAT and isinstance(known["made_of"], dict)
        for edges in (known["rows"], known["cols"]):
            usable &= len(edges) > 1 and all(isinstance(edge, int) for edge in edges) and edges[0] == 0
            usable &= all(a < b for a, b in pairwise(edges))
        usable &= isinstance(known["bands"], list)
    except (ValueError, KeyError, TypeError, RecursionError):
        usable = False
    if not usable:
        raise OutputError(
            f"{store.where}/{MANIFEST}",
            found="no manifest of this version",
            expected=f"format {FORMAT}",
            way_out="begin anew by --restart",
        )
    return dict(known)


def _require_same(store: Store, known: Mapping[str, Any], identity: Mapping[str, str], blocks: Blocks) -> None:
    """Refuse to go on with a map of something else, an input that was mended included, and say of what."""
    before = known["made_of"] | {"size": f"{known['rows'][-1]} x {known['cols'][-1]}", "bands": str(known["bands"])}
    now = dict(identity) | {"size": f"{blocks.rows[-1]} x {blocks.cols[-1]}", "bands": str(list(blocks.names))}
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            raise OutputError(
                store.where,
                found=f"an unfinished map whose {name:.80} was {before.get(name, 'not given')!r:.80}",
                expected=f"{now.get(name, 'not given')!r}",
                way_out="give the same again, or begin anew by --restart",
            )
