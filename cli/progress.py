"""Report progress as bars on a terminal, as lines of text or of JSON, or not at all."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from geosoil_cli.printing import echo, end_starting, printing, write_event

if TYPE_CHECKING:
    from collections.abc import Iterator

LEAST_SECONDS = 0.2  # the shortest time between two JSON lines of one task
SILENT_SECONDS = 30.0  # after which a line of text repeats how far a task is
MOST_LINES = 50  # of steps of one task that have a line each; of more steps, one line per half minute


class Reporter:
    """Receiver of the progress and the messages of a verb; this one shows messages only."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report how far `what` is."""

    def say(self, line: str, *, result: bool = False) -> None:
        """Print a result to standard output, or a message to standard error."""
        echo(line, err=not result)

    def report_failures(self, line: str) -> None:
        """Print what could not be done."""
        echo(f"geosoil: {line}", err=True)


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

    def say(self, line: str, *, result: bool = False) -> None:
        """Print a line above the bars; a result goes to standard output even where that is a file."""
        if result and not sys.stdout.isatty():
            echo(line)
        else:
            from geosoil.errors import printable

            self.bars.console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


class TextLines(Reporter):
    """Reporter that writes a line to standard error after each step of a task, and at least one per half minute."""

    def __init__(self) -> None:
        self.begun: dict[str, tuple[float, int]] = {}
        self.last: tuple[float, str, int, int] | None = None
        self.lock, self.ended = threading.Lock(), threading.Event()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Report how far `what` is."""
        now = time.monotonic()
        with self.lock:
            if what not in self.begun or done < self.begun[what][1]:
                self.begun[what] = now, done
            since = now if self.last is None else self.last[0]
            many = total > MOST_LINES and self.last is not None and self.last[1] == what
            if many and done < total and now - since < SILENT_SECONDS:
                self.last = since, what, done, total
                return
            self._write(what, done, total)

    def repeat_when_silent(self) -> None:
        """Repeat the state of the last task after each half minute without a line, until `ended` is set."""
        while not self.ended.wait(SILENT_SECONDS / 10):
            with self.lock:
                last = self.last
                if last is not None and last[2] < last[3] and time.monotonic() - last[0] >= SILENT_SECONDS:
                    self._write(*last[1:])

    def _write(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        self.last = now, what, done, total
        begun, at_first = self.begun[what]
        text = f"{what}: {done} of {total} done"
        if now - begun >= 1:
            text += f", {now - begun:.0f} s"
        if at_first < done < total:
            text += f", about {(now - begun) / (done - at_first) * (total - done):.0f} s left"
        echo(text, err=True)


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
        write_event(event)


@contextmanager
def make_reporter(how: str | None = None, *, elsewhere: str = "none") -> Iterator[Reporter]:
    """Yield the reporter "bar", "lines", "json" or "none".

    The default is that of the option --progress; else nothing if the verb is quiet, "lines" if it is verbose, "bar" on
    a terminal, and `elsewhere` off it.
    """
    options = printing()
    how = how or options.style
    if how is None and options.quiet:
        how = "none"
    if how is None and (options.verbose or not sys.stderr.isatty()):
        how = "lines" if options.verbose else elsewhere
    end_starting()
    if how == "json":
        yield JsonLines()
        return
    if how == "none":
        yield Reporter()
        return
    if how == "lines":
        lines = TextLines()
        threading.Thread(target=lines.repeat_when_silent, daemon=True).start()
        try:
            yield lines
        finally:
            lines.ended.set()
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
    times = TimeElapsedColumn(), TimeRemainingColumn()
    # Bars on standard error would otherwise take what is printed to standard output, and so empty a pipe.
    with Progress(*columns, *times, console=Console(stderr=True), redirect_stdout=False) as bars:
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
