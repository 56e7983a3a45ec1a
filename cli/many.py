"""Options that take several values, up to the next option: `--covariates a.tif b.tif -o map.tif`."""

from __future__ import annotations

import glob
from typing import TYPE_CHECKING

from geosoil_cli.verb import Verb

if TYPE_CHECKING:
    import click


class ManyCommand(Verb):
    """A command whose options with `multiple=True` take every word up to the next option.

    An argument therefore comes before such options.
    Words with `*`, `?` or `[` are file patterns, for shells that do not expand them.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Repeat the option before each of its words, as click expects."""
        many = {name for option in self.params if getattr(option, "multiple", False) for name in option.opts}
        words: list[str] = []
        option = ""
        for word in args:
            if word.startswith("-"):
                option, _, value = word.partition("=")
                if option not in many:
                    words.append(word)
                elif value:
                    words += [option, value]
            elif option in many:
                for path in sorted(glob.glob(word)) or [word]:  # noqa: PTH207 - a pattern as a shell expands it
                    words += [option, path]
            else:
                words.append(word)
        return super().parse_args(ctx, words)
