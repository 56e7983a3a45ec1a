"""Progress on a terminal, silence in a pipe, lines of JSON for other programs."""

from __future__ import annotations

import json
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_SECONDS = 0.2  # between two JSON lines of one task


class Reporter:
    """What a verb reports to: `told(what, done, total)`, and lines for the reader by `say`."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report how far `what` is."""

    def say(self, line: str, *, result: bool = False) -> None:
        """Say a line: a result to standard output, anything else to standard error."""
        click.echo(line, err=not result)

    def report_failures(self, line: str) -> None:
        """Say what could not be done."""
        click.echo(f"geosoil: {line}", err=True)


class BarReporter(Reporter):
    """A bar for each `what`, with speed and time left."""

    def __init__(self, bars: Any) -> None:
        self.bars = bars
        self.tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report how far `what` is."""
        if what not in self.tasks or total != self.bars.tasks[self.tasks[what]].total:
            if what in self.tasks:  # the next scene
                self.bars.remove_task(self.tasks[what])
            self.tasks[what] = self.bars.add_task(what, total=total, completed=done, start=True)
            return
        self.bars.update(self.tasks[what], completed=done)


class JsonLines(Reporter):
    """One JSON object a line on standard error; what would be said goes into events too."""

    def __init__(self) -> None:
        self.begun: dict[str, tuple[float, int]] = {}
        self.last: dict[str, float] = {}

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report how far `what` is: done, total, speed and time left, since this run began."""
        now = time.monotonic()
        if what not in self.begun or done < self.begun[what][1]:
            self.begun[what] = now, done
            self.last.pop(what, None)
        elif done < total and now - self.last.get(what, 0.0) < LEAST_SECONDS:
            return
        self.last[what] = now
        seconds, own = now - self.begun[what][0], done - self.begun[what][1]
        speed = own / seconds if own and seconds else None
        left = None if speed is None else round((total - done) / speed, 3)
        event = {"event": "progress", "what": what, "unit": "pixels" if what == "map" else "steps", "done": done}
        self._tell(event | {"total": total, "per_second": speed and round(speed, 1), "seconds_left": left})

    def say(self, line: str, *, result: bool = False) -> None:
        """Say a line as an event."""
        self._tell({"event": "result" if result else "message", "text": line})

    def report_failures(self, line: str) -> None:
        """Say what could not be done as an event."""
        self._tell({"event": "error", "text": line})

    def _tell(self, event: dict[str, Any]) -> None:
        click.echo(json.dumps({"time": round(time.time(), 3)} | event), err=True)


@contextmanager
def make_reporter(how: str | None = None) -> Iterator[Reporter]:
    """Yield what a verb reports to: "bar", "json" or "none"; by default bars on a terminal, and nothing elsewhere."""
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
    """Return a column "3 of 20", in millions where there are many, with the speed of pixels."""
    from rich.progress import ProgressColumn
    from rich.text import Text

    class Done(ProgressColumn):
        def render(self, task: Any) -> Text:
            if not task.total or task.total < 100_000:
                return Text(f"{task.completed:.0f}/{task.total or 0:.0f}")
            speed = f", {task.speed / 1e6:.2f} million a second" if task.speed else ""
            return Text(f"{task.completed / 1e6:.1f}/{task.total / 1e6:.1f} million pixels{speed}")

    return Done()
