"""What a verb prints: its result as text or as JSON, notes, and text that may hold names from files of strangers."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, fields, is_dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STOPPED = "stopped; no partial output was left"
MOST_VALUES = 1000  # of an array in JSON; a longer one is left out, because files hold it


@dataclass
class Printing:
    """How the verb that runs prints; one object per run, which the options of every verb fill.

    Parameters
    ----------
    quiet : bool
        Print neither progress nor notes.
    verbose : bool
        Print the steps as lines, the time and memory that were used, and the traceback of an error.
    as_json : bool
        Print the result as one JSON object.
    style : str, optional
        Style of the progress: "bar", "lines", "json" or "none".
    starting : str
        The line on a terminal that shows that the program is starting; empty after the first other output.
    """

    quiet: bool = False
    verbose: bool = False
    as_json: bool = False
    style: str | None = None
    starting: str = ""


def printing() -> Printing:
    """Return how the verb that runs prints."""
    context = click.get_current_context(silent=True)
    return Printing() if context is None else context.ensure_object(Printing)


def show_starting(text: str) -> None:
    """Show at once, on a terminal only, that the program is starting; the next output replaces the line."""
    if sys.stderr.isatty():
        printing().starting = text
        click.echo(text, err=True, nl=False)


def end_starting() -> None:
    """Clear the line of `show_starting`."""
    how = printing()
    if how.starting:
        how.starting = ""
        click.echo("\r\x1b[K", err=True, nl=False)


def echo(text: str, *, err: bool = False) -> None:
    """Print a text with its control characters as escapes, so that a name in a file cannot steer the terminal."""
    from geosoil.errors import printable

    end_starting()
    click.echo(printable(text), err=err)


def show(
    result: Any, say: Callable[..., None] | None = None, *, notes: Iterable[str] = (), summary: str | None = None
) -> None:
    """Print the result of a verb.

    Parameters
    ----------
    result : object
        What the workflow returned; its fields are those of the JSON object.
    say : callable, optional
        `Reporter.say` of the progress that is shown; default: `echo`.
    notes : iterable of str
        Printed before the summary, unless the verb is quiet or prints JSON.
    summary : str, optional
        The text of the result; default: `result.summary()`.
    """
    how = printing()
    if how.as_json:
        end_starting()
        click.echo(json.dumps(as_plain(result), indent=1, allow_nan=False))
        return
    say = say or _say
    for note in () if how.quiet else notes:
        say(note, result=True)
    say(result.summary() if summary is None else summary, result=True)


def write_event(event: dict[str, Any]) -> None:
    """Write an event as one line of JSON to standard error."""
    click.echo(json.dumps({"time": round(time.time(), 3)} | event), err=True)


def _say(line: str, *, result: bool = False) -> None:
    if printing().style == "json":
        write_event({"event": "result" if result else "message", "text": line})
    else:
        echo(line, err=not result)


def as_plain(value: Any) -> Any:
    """Return a value as JSON can hold it: dataclasses and mappings as objects, tables as lists of rows.

    Paths are text, numbers that are not finite are null, and what JSON cannot hold, such as figures, is left out.

    >>> from pathlib import Path
    >>> as_plain({"path": Path("a.tif"), "share": float("nan"), "limits": (1, 2.5)})
    {'path': 'a.tif', 'share': None, 'limits': [1, 2.5]}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, PurePath):
        return str(value)
    if is_dataclass(value):
        pairs = {field.name: getattr(value, field.name) for field in fields(value) if field.repr}
        return {name: plain for name, plain in ((n, as_plain(v)) for n, v in pairs.items()) if plain is not LEFT_OUT}
    if isinstance(value, dict) or (
        hasattr(value, "items") and hasattr(value, "keys") and not hasattr(value, "columns")
    ):
        plain = {str(name): as_plain(item) for name, item in value.items()}
        return {name: item for name, item in plain.items() if item is not LEFT_OUT}
    if isinstance(value, list | tuple | set | frozenset):
        return [item for item in map(as_plain, value) if item is not LEFT_OUT]
    return _of_arrays(value)


def _of_arrays(value: Any) -> Any:
    """Return a table or an array as lists; large ones are left out."""
    import numpy as np

    if isinstance(value, np.generic):
        return as_plain(value.item())
    if isinstance(value, np.ndarray):
        return as_plain(value.tolist()) if value.size <= MOST_VALUES else LEFT_OUT
    if hasattr(value, "columns") and hasattr(value, "to_dict") and value.size <= MOST_VALUES:
        table = value.drop(columns="geometry", errors="ignore")
        return [as_plain(row) for row in table.reset_index(drop=True).to_dict("records")]
    return LEFT_OUT


LEFT_OUT = object()
"""What `as_plain` returns for a value that JSON cannot hold."""
