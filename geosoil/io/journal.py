"""What decides a result, and what is finished of it: the common part of everything that can be resumed.

A map, the training of a network, a search for an architecture, RS-LOCAL and a folder of scenes can be stopped and
resumed. Each of them compares its Identity with that of the earlier run, and reports a difference in the same words.
Finished parts are sealed: a line of JSON with a checksum comes before the content. The checksum covers the identity of
the run and the name of the part, so a part of another run or in the wrong place is found like a damaged one. Nothing
is executed when a journal is read.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import OutputError
from geosoil.io.atomic import atomic_path
from geosoil.io.input_paths import require_input

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

FORMAT = "geosoil journal 1"
WAY_OUT = "delete it, or name another file"
_HASH = "sha256:"
_SHOWN = 80  # characters of names and values in a message


@dataclass(frozen=True)
class Identity:
    """Everything that decides a result, by name.

    Parameters
    ----------
    parts : mapping of str to JSON value
        Settings as they are; arrays and files as hashes. `Identity.of` makes them.
    """

    parts: Mapping[str, Any]

    @classmethod
    def of(
        cls,
        settings: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray | None] | None = None,
        files: Mapping[str, str | os.PathLike[str]] | None = None,
    ) -> Identity:
        """Return the identity of settings, arrays and files.

        Parameters
        ----------
        settings : mapping of str to JSON value
            Numbers, strings, and lists or mappings of them.
        arrays : mapping of str to ndarray or None, optional
            Hashed with their type and shape.
        files : mapping of str to path or URL, optional
            Hashed with `geosoil.io.remote.fingerprint`.

        Examples
        --------
        >>> first, second = (Identity.of({"seed": 1}, {"y": np.full(3, value)}) for value in (0.0, 1.0))
        >>> first.sha256 == second.sha256
        False
        >>> second.require_same(first.parts, "net.ckpt", "delete it")
        Traceback (most recent call last):
        geosoil.errors.OutputError: net.ckpt: found an earlier run with another y; expected the same y; delete it
        """
        from geosoil.io.remote.fingerprint import fingerprint

        hashes = {name: _array_hash(values) for name, values in (arrays or {}).items()}
        hashes |= {name: fingerprint(path) for name, path in (files or {}).items()}
        return cls({**settings, **{name: _HASH + digest for name, digest in hashes.items()}})

    @property
    def sha256(self) -> str:
        """The hash of all parts, in hexadecimal digits; their order does not matter."""
        return hashlib.sha256(_json(dict(self.parts))).hexdigest()

    def require_same(self, earlier: Mapping[str, Any], where: object, way_out: str) -> None:
        """Raise OutputError where an earlier run had other parts; the message names the first difference."""
        for name in dict.fromkeys([*earlier, *self.parts]):
            before, now = (_json(parts[name]) if name in parts else b"not given" for parts in (earlier, self.parts))
            if before == now:
                continue
            shown = json.dumps(name)[1:-1][:_SHOWN]
            found, expected = (f"{shown} = {value[:_SHOWN].decode()}" for value in (before, now))
            if before.startswith(f'"{_HASH}'.encode()):
                found, expected = f"another {shown}", f"the same {shown}"
            raise OutputError(where, found=f"an earlier run with {found}", expected=expected, way_out=way_out)

    def seal(self, content: bytes) -> bytes:
        """Return content as bytes that name this identity, for `unseal`."""
        return seal(content, self.sha256, format=FORMAT, made_of=dict(self.parts))

    def unseal(self, sealed: bytes, where: object, way_out: str) -> bytes:
        """Return the content that a run with this identity sealed.

        Raises
        ------
        OutputError
            If the bytes are damaged, are not a journal, or belong to a run with another identity. `where` is the file
            in the message, `way_out` says how to start over.
        """
        try:
            head = json.loads(sealed.partition(b"\n")[0])
            known = head["format"] == FORMAT and isinstance(head["made_of"], dict)
            content = unseal(sealed, Identity(head["made_of"]).sha256)[1] if known else b""
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            known = False
        if not known:
            raise damaged_journal(where, way_out)
        self.require_same(head["made_of"], where, way_out)
        return content


@dataclass(frozen=True)
class Journal:
    """A file that holds what is finished of a run, and is replaced as a whole.

    Parameters
    ----------
    path : Path
        The file, which need not exist.
    identity : Identity
        What decides the result of the run.
    """

    path: Path
    identity: Identity

    def read(self) -> bytes | None:
        """Return what was written last, or None without a file; raises OutputError as `Identity.unseal` does."""
        if not self.path.exists():
            return None
        require_input(self.path, OutputError, "the journal of an earlier run")
        return self.identity.unseal(self.path.read_bytes(), self.path, WAY_OUT)

    def write(self, content: bytes) -> None:
        """Replace the content; raises OutputError where the file cannot be written."""
        with atomic_path(self.path) as temporary:
            temporary.write_bytes(self.identity.seal(content))


def seal(content: bytes, run: str, part: str = "", **facts: Any) -> bytes:
    """Return a finished part of a run as bytes.

    Parameters
    ----------
    content : bytes
    run : str
        The hash of the run's identity.
    part : str
        The name of the part, for instance the place of a block.
    **facts : JSON values
        Kept with the content.

    Examples
    --------
    >>> sealed = seal(b"12", "3f7a", "block 1", rows=2)
    >>> unseal(sealed, "3f7a", "block 1")
    ({'rows': 2}, b'12')
    >>> unseal(sealed, "3f7a", "block 2")
    Traceback (most recent call last):
    ValueError: damaged, or not the part that its name says
    """
    head = facts | {"sha256": _checksum(content, run, part, facts)}
    return json.dumps(head).encode() + b"\n" + content


def unseal(sealed: bytes, run: str, part: str = "") -> tuple[dict[str, Any], bytes]:
    """Return the facts and the content of a part; raises ValueError if it is damaged or another part."""
    line, _, content = sealed.partition(b"\n")
    try:
        facts = json.loads(line)
        checksum = facts.pop("sha256")
        whole = checksum == _checksum(content, run, part, facts)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        whole = False
    if not whole:
        msg = "damaged, or not the part that its name says"
        raise ValueError(msg)
    return facts, content


def damaged_journal(where: object, way_out: str) -> OutputError:
    """Return the error for a file that is damaged or no journal; `way_out` says how to start over."""
    return OutputError(
        where,
        found="a file that is damaged, or not a journal of this version of geosoil",
        expected="the journal of an earlier run",
        way_out=way_out,
    )


def resumed_note(count: int, parts: str) -> str:
    """Return the note of a run that found finished parts.

    >>> resumed_note(12, "blocks")
    'resumed: 12 blocks were already finished'
    """
    what = f"{count} {parts} were" if count != 1 else f"1 {parts.removesuffix('s')} was"
    return f"resumed: {what} already finished"


def _checksum(content: bytes, run: str, part: str, facts: Mapping[str, Any]) -> str:
    digest = hashlib.sha256(_json([run, part, facts]))
    digest.update(content)
    return digest.hexdigest()


def _array_hash(values: np.ndarray | None) -> str:
    values = np.ascontiguousarray(() if values is None else values)
    return hashlib.sha256(f"{values.dtype}{values.shape}".encode() + values.tobytes()).hexdigest()


def _json(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True).encode()
