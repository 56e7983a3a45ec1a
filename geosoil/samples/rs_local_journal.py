"""The journal of a run of RS-LOCAL: what each pass dropped, so that a killed run goes on."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RecipeError
from geosoil.io.atomic import atomic_path

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

FORMAT = "geosoil RS-LOCAL journal 1"


class Journal:
    """A JSON file, replaced as a whole after each pass; without a path it only remembers.

    settings: of the run, JSON values; arrays: its inputs, of which the file keeps hashes. Raises RecipeError where the
    file is that of a run with other inputs, and names the first that differs.

    >>> Journal(None, {"k": 2}, {}).dropped
    []
    """

    def __init__(
        self, path: str | os.PathLike[str] | None, settings: dict[str, Any], arrays: dict[str, np.ndarray | None]
    ) -> None:
        self.path = None if path is None else Path(path)
        self.dropped: list[np.ndarray] = []
        self._errors: list[float | None] = []
        self._passes: list[dict[str, Any]] = []
        if self.path is None:
            return
        self._inputs = settings | {name: _hash(values) for name, values in arrays.items()}
        if self.path.exists():
            self._read()

    def done(self, kind: type) -> Iterator[tuple[Any, np.ndarray, np.ndarray]]:
        """Yield (pass, dropped rows, last mean errors) of the passes that the file holds, as `kind(**pass)`."""
        errors = np.array([np.nan if error is None else error for error in self._errors])
        for one, dropped in zip(self._passes, self.dropped, strict=True):
            yield kind(**one), dropped, errors

    def write(self, one: Any, dropped: np.ndarray, errors: np.ndarray) -> None:
        """Add a pass (a dataclass), the rows it dropped, and the mean error of every row of the library."""
        self.dropped.append(dropped)
        if self.path is None:
            return
        self._passes.append(asdict(one))
        content = {
            "format": FORMAT,
            "inputs": self._inputs,
            "passes": self._passes,
            "dropped": [rows.tolist() for rows in self.dropped],
            "errors": [None if np.isnan(error) else error for error in errors.tolist()],
        }
        with atomic_path(self.path) as temporary:
            temporary.write_text(json.dumps(content))

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text())  # type: ignore[union-attr]
            is_ours = content["format"] == FORMAT
            inputs, passes = dict(content["inputs"]), list(content["passes"])
            dropped = [np.array(rows, dtype=np.intp) for rows in content["dropped"]]
            errors = list(content["errors"])
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            is_ours = False
        if not is_ours or len(passes) != len(dropped):
            raise RecipeError(
                self.path, found="another file", expected="a journal of RS-LOCAL", way_out="name another place for it"
            )
        different = [name for name in {**self._inputs, **inputs} if self._inputs.get(name) != inputs.get(name)]
        if different:
            name = different[0]
            is_setting = len(str(inputs.get(name))) < len(_hash(None))
            found = f"{name}={inputs.get(name)!r}" if is_setting else f"another {name}"
            expected = f"{self._inputs.get(name)!r}" if is_setting else "the one of this run"
            raise RecipeError(
                self.path,
                found=f"a journal of a run with {found}",
                expected=expected,
                way_out="run with the same inputs, or name another journal",
            )
        self._passes, self.dropped, self._errors = passes, dropped, errors


def _hash(values: np.ndarray | None) -> str:
    values = np.ascontiguousarray(() if values is None else values)
    return hashlib.sha256(f"{values.shape}{values.dtype}".encode() + values.tobytes()).hexdigest()
