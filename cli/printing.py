"""Print text that may hold names from files of strangers."""

from __future__ import annotations

import click


def echo(text: str, *, err: bool = False) -> None:
    """Print a text with its control characters as escapes, so that a name in a file cannot steer the terminal."""
    from geosoil.errors import printable

    click.echo(printable(text), err=err)
