"""A command with examples in its help, and with the options that every verb has for what it prints."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from geosoil_cli.first_checks import check_names
from geosoil_cli.printing import STOPPED, Printing, echo, end_starting, printing, show_starting, write_event

STYLES = ("bar", "lines", "json", "none")


class Verb(click.Command):
    """A verb of geosoil.

    Parameters
    ----------
    examples : str
        Command lines, one per line, which the help shows.
    """

    def __init__(self, *args: Any, examples: str = "", **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.examples = [line.strip() for line in examples.strip().splitlines()]
        given = {flag for option in self.params for flag in option.opts}
        self.params += [option for option in _output_options() if not given.intersection(option.opts)]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples below the options."""
        super().format_epilog(ctx, formatter)
        if self.examples:
            with formatter.section("Examples"):
                for line in self.examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; errors of the user become events where progress is JSON, and have a traceback if verbose."""
        from geosoil.errors import GeosoilError

        how, begun = printing(), time.monotonic()
        if how.style == "json":
            write_event({"event": "started", "verb": ctx.info_name})
        elif not (how.quiet or how.as_json):
            show_starting(f"geosoil {ctx.info_name}: starting ...")
        try:
            check_names(ctx.params)
            result = super().invoke(ctx)
            if how.verbose:
                echo(_used(begun), err=True)
            return result
        except (GeosoilError, KeyboardInterrupt) as error:
            end_starting()
            if how.verbose and isinstance(error, GeosoilError):
                import traceback

                echo("".join(traceback.format_exception(error)).rstrip(), err=True)
            if how.style != "json":
                raise
            text = str(error) if isinstance(error, GeosoilError) else STOPPED
            write_event({"event": "error", "text": text})
            sys.exit(2 if isinstance(error, GeosoilError) else 130)
        finally:
            end_starting()


def _output_options() -> list[click.Option]:
    def into(name: str) -> Any:
        def keep(ctx: click.Context, _: click.Parameter, value: Any) -> None:
            if value:
                setattr(ctx.ensure_object(Printing), name, value)

        return {"expose_value": False, "callback": keep}

    return [
        click.Option(["-q", "--quiet"], is_flag=True, help="Print neither progress nor notes.", **into("quiet")),
        click.Option(
            ["-v", "--verbose"],
            is_flag=True,
            help="Print the steps as lines, time and memory, and the traceback of an error.",
            **into("verbose"),
        ),
        click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object.", **into("as_json")),
        click.Option(
            ["--progress", "progress_style"],
            type=click.Choice(STYLES),
            help="Progress on standard error; default: a bar on a terminal.",
            **into("style"),
        ),
    ]


def _used(begun: float) -> str:
    """Return a line on the time and the memory that the verb used."""
    text = f"time {time.monotonic() - begun:.1f} s"
    try:
        import resource
    except ImportError:  # not on Windows
        return text
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return f"{text}, at most {peak / 1e6:.0f} MB of memory"
