"""The journal of a map: its finished blocks, each written whole, until the map itself is whole.

    OUT.tif.unfinished/             beside the output; for s3://bucket/OUT.tif a prefix of that name
        lock                        held by the run that writes here
        geosoil-store/
            manifest.json           what is being mapped, by what, and how it was cut
            blocks/000012_000003    one block: a line of JSON, and its numbers

A block's own file is the record that it is done: nothing else could disagree with it. It tells its checksum, so a file
that was cut short by a dying machine is found and computed again. Nothing here is executed when it is read.
"""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import OutputError
from geosoil.io.objects import Store, open_store
from geosoil.mapping.lock import LOCK, held

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from geosoil.raster.blocks import Block, Blocks

FORMAT = 1
MANIFEST = "manifest.json"
ENDING = ".unfinished"
Place = tuple[int, int]


@dataclass(frozen=True)
class Done:
    """A finished block: error says why it holds no data, where its input could not be read."""

    place: Place
    error: str | None = None


@dataclass(frozen=True)
class Scratch:
    """The finished blocks of one map.

    done: those found when it was opened, checked; damaged: how many were there and broken.
    """

    store: Store
    rows: tuple[int, ...]
    cols: tuple[int, ...]
    n_bands: int
    done: tuple[Done, ...] = ()
    damaged: int = field(default=0)

    def blocks(self) -> Iterator[tuple[int, int, Block]]:
        """Yield (y0, x0, block) of every block, row by row, checked; raises OutputError where one is absent or broken.

        Blocks `(band, y, x)` are float32, NaN = no data.
        """
        for i in range(len(self.rows) - 1):
            for j in range(len(self.cols) - 1):
                name = block_name((i, j))
                try:
                    values, _ = decode_block(self.store.read(name))
                except (FileNotFoundError, ValueError) as error:
                    found = "no such file" if isinstance(error, FileNotFoundError) else f"a broken block ({error})"
                    raise OutputError(
                        f"{self.store.where}/{name}",
                        found=found,
                        expected="every block of the map",
                        way_out="run again with --resume; workers on other machines must share this folder",
                    ) from error
                yield self.rows[i], self.cols[j], values

    def note(self, **more: object) -> None:
        """Write more into the manifest."""
        known = _read_manifest(self.store) or {}
        self.store.write(MANIFEST, json.dumps(known | more, indent=1).encode())

    def remove(self) -> None:
        """Remove it: the map is whole and in its place."""
        self.store.clear()


def write_block(store: Store, place: Place, values: Block, error: str | None = None) -> Done:
    """Write a finished block `(band, y, x)` float32, whole or not at all."""
    store.write(block_name(place), encode_block(values, error))
    return Done(place, error)


@contextmanager
def open_scratch(output: str, identity: Mapping[str, str], blocks: Blocks, *, mode: str = "new") -> Iterator[Scratch]:
    """Open the scratch store of an output, alone: a second run on it is refused.

    identity: what the map is made of, by name (hashes of the cube, the model, options). blocks: how it would be cut; a
    run that goes on keeps the cut it began with. mode: "new" refuses one that is there, "resume" goes on with it,
    "restart" begins anew.

    Raises OutputError where an unfinished map is there, is of something else (the difference is named), or is being
    written.
    """
    store = open_store(output + ENDING)
    with held(output + ENDING, store, output):
        known = _read_manifest(store)
        if known is not None and mode == "restart":
            for name in list(store.names()):
                if name != LOCK:
                    store.delete(name)
            known = None
        if known is not None and mode == "new":
            count = sum(1 for _ in store.names("blocks/"))
            raise OutputError(
                store.where,
                found=f"an unfinished map of {count} blocks",
                expected="none",
                way_out="go on with it by --resume, or begin anew by --restart",
            )
        if known is None:
            rows, cols, bands = blocks.rows, blocks.cols, len(blocks.names)
            content = {"format": FORMAT, "made_of": dict(identity), "rows": rows, "cols": cols, "bands": blocks.names}
            store.write(MANIFEST, json.dumps(content, indent=1).encode())
            yield Scratch(store, rows, cols, bands)
            return
        _require_same(store, known, identity, blocks)
        scratch = Scratch(store, tuple(known["rows"]), tuple(known["cols"]), len(known["bands"]))
        yield _with_done(scratch)


def cut_of(output: str) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Return where the blocks of an unfinished map begin and end, rows and columns; None where there is none."""
    known = _read_manifest(open_store(output + ENDING))
    return None if known is None else (tuple(known["rows"]), tuple(known["cols"]))


def block_name(place: Place) -> str:
    """Return the name of a block in the store.

    >>> block_name((12, 3))
    'blocks/000012_000003'
    """
    return f"blocks/{place[0]:06d}_{place[1]:06d}"


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
    except (ValueError, KeyError, TypeError, RecursionError) as cause:
        msg = "no header"
        raise ValueError(msg) from cause
    if hashlib.sha256(numbers).hexdigest() != checksum or len(shape) != 3 or len(numbers) != 4 * np.prod(shape):
        msg = "its checksum is another"
        raise ValueError(msg)
    return np.frombuffer(numbers, "<f4").astype(np.float32, copy=False).reshape(shape), error


def _with_done(scratch: Scratch) -> Scratch:
    """Return it with the blocks that are whole; those that are not are removed, and so are those without data."""
    done, damaged = [], 0
    for name in list(scratch.store.names("blocks/")):
        try:
            i, j = (int(number) for number in name.removeprefix("blocks/").split("_"))
            values, error = decode_block(scratch.store.read(name))
            expected = (scratch.n_bands, scratch.rows[i + 1] - scratch.rows[i], scratch.cols[j + 1] - scratch.cols[j])
            whole = values.shape == expected
        except (ValueError, IndexError):
            whole, error = False, None
        if whole and error is None:
            done.append(Done((i, j)))
            continue
        damaged += not whole
        scratch.store.delete(name)  # an input that could not be read is tried again
    return Scratch(scratch.store, scratch.rows, scratch.cols, scratch.n_bands, tuple(done), damaged)


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
            way_out="begin anew by --restart after removing that folder",
        )
    return dict(known)


def _require_same(store: Store, known: Mapping[str, Any], identity: Mapping[str, str], blocks: Blocks) -> None:
    """Refuse to go on with a map of something else, and say of what."""
    before = known["made_of"] | {"size": f"{known['rows'][-1]} x {known['cols'][-1]}", "bands": str(known["bands"])}
    now = dict(identity) | {"size": f"{blocks.rows[-1]} x {blocks.cols[-1]}", "bands": str(list(blocks.names))}
    for name in dict.fromkeys([*before, *now]):
        if before.get(name) != now.get(name):
            raise OutputError(
                store.where,
                found=f"an unfinished map whose {name} was {before.get(name, 'not given')}",
                expected=f"{name} {now.get(name, 'not given')}",
                way_out="give the same again, or begin anew by --restart",
            )
