"""Report progress as bars on a terminal, as lines of JSON for other programs, or not at all in a pipe."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_SECONDS = 0.2  # the shortest time between two JSON lines of one task


class Reporter:
    """Receiver of the progress and the messages of a verb; this one shows messages only."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report how far `what` is."""

    def say(self, line: str, *, result: bool = False) -> None:
        """Print a result to standard output, or a message to standard error."""
        click.echo(line, err=not result)

    def report_failures(self, line: str) -> None:
        """Print what could not be done."""
        click.echo(f"geosoil: {line}", err=True)


class BarReporter(Reporter):
    """Reporter that shows one bar for each `what`, with speed and time left."""

    def __init__(self, bars: Any) -> None:
        self.bars = bars
        self.tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report how far `what` is."""
        if what not in self.tasks or total != self.bars.tasks[self.tasks[what]].total:
            if what in self.tasks:  # the next scene has begun
                self.bars.remove_task(self.tasks[what])
            self.tasks[what] = self.bars.add_task(what, total=total, completed=done, start=True)
            return
        self.bars.update(self.tasks[what], completed=done)


class JsonLines(Reporter):
    """Reporter that writes one JSON object per line to standard error, messages included."""

    def __init__(self) -> None:
        self.begun: dict[str, tuple[float, int]] = {}
        self.last: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report done, total, speed and time left of `what`, counted from the start of this run."""
        now = time.monotonic()
        if what not in self.begun or done < self.begun[what][1]:
            self.begun[what] = now, done
            self.last.pop(what, None)
        elif done < total and now - self.last.get(what, 0.0) < LEAST_SECONDS:
            return
        self.last[what] = now
        seconds, n_new = now - self.begun[what][0], done - self.begun[what][1]
        speed = n_new / seconds if n_new and seconds else None
        left = None if speed is None else round((total - done) / speed, 3)
        event = {"event": "progress", "what": what, "unit": "pixels" if what == "map" else "steps", "done": done}
        self._write(event | {"total": total, "per_second": speed and round(speed, 1), "seconds_left": left})

    def say(self, line: str, *, result: bool = False) -> None:
        """Write a message as an event."""
        self._write({"event": "result" if result else "message", "text": line})

    def report_failures(self, line: str) -> None:
        """Write a failure as an event."""
        self._write({"event": "error", "text": line})

    def _write(self, event: dict[str, Any]) -> None:
        click.echo(json.dumps({"time": round(time.time(), 3)} | event), err=True)


@contextmanager
def make_reporter(how: str | None = None) -> Iterator[Reporter]:
    """Yield the reporter of a style ("bar", "json" or "none"; default: "bar" on a terminal, else "none")."""
    if how == "json":
        yield JsonLines()
        return
    if how == "none" or (how is None and not sys.stderr.isatty()):
        yield Reporter()
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(show_speed=True), _done_column())
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        yield BarReporter(bars)


def _done_column() -> Any:
    """Return a column such as "3/20"; large numbers are in millions, with the speed in pixels."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Done(ProgressColumn):
        def render(self, task: Any) -> Text:
            if not task.total or task.total < 100_000:
                return Text(f"{task.completed:.0f}/{task.total or 0:.0f}")
            speed = f", {task.speed / 1e6:.2f} million per second" if task.speed else ""
            return Text(f"{task.completed / 1e6:.1f}/{task.total / 1e6:.1f} million pixels{speed}")

    return Done()
