"""Write a recipe as TOML text with comments."""

from __future__ import annotations

import json
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, COMMENT_COLUMN = 110, 33


class RecipeText:
    """The lines of a recipe, in the order in which they are added.

    Examples
    --------
    >>> text = RecipeText()
    >>> text.add_value("name", 'a "b"', "name of the model")
    >>> text.add_section("data")
    >>> text.add_value("scale", 0.0001, active=False)
    >>> text.add_value("layers_cm", [f"{5 * i} to {5 * i + 5} cm, a layer of soil" for i in range(4)], "in cm")
    >>> print(text)
    name = "a \\"b\\""                 # name of the model
    <BLANKLINE>
    [data]
    # scale = 0.0001
    layers_cm = [                    # in cm
        "0 to 5 cm, a layer of soil",
        "5 to 10 cm, a layer of soil",
        "10 to 15 cm, a layer of soil",
        "15 to 20 cm, a layer of soil",
    ]
    <BLANKLINE>
    """

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add_comment(self, text: str) -> None:
        """Add a comment, wrapped to the width of the page."""
        wrapped = textwrap.wrap(one_line(text), WIDTH - 2, break_long_words=False, break_on_hyphens=False)
        self._lines += [f"# {line}" for line in wrapped] or ["#"]

    def add_command(self, command: str) -> None:
        """Add a command as an indented comment that is not wrapped."""
        self._lines.append(f"#   {one_line(command)}")

    def add_blank(self) -> None:
        """Add an empty line."""
        self._lines.append("")

    def add_section(self, name: str, *, repeated: bool = False) -> None:
        """Begin a section; a repeated one is written as `[[name]]`."""
        self._lines += ["", f"[[{name}]]" if repeated else f"[{name}]"]

    def add_value(self, key: str, value: Any, why: str = "", *, active: bool = True) -> None:
        """Add a key with its value and a comment behind it, or above it if the line would be too long.

        The items of a list that is too long for a line have a line each.
        """
        line = f"{'' if active else '# '}{key} = {toml_value(value)}"
        why = one_line(why)
        if active and len(line) > WIDTH and isinstance(value, list):
            self._lines.append(f"{key} = [".ljust(COMMENT_COLUMN - 1) + f" # {why}" if why else f"{key} = [")
            self._lines += [*(f"    {toml_value(item)}," for item in value), "]"]
            return
        if why and max(len(line) + 1, COMMENT_COLUMN) + 2 + len(why) > WIDTH:
            self.add_comment(why[0].upper() + why[1:] + ("" if why.endswith((".", ":")) else ":"))
            why = ""
        self._lines.append(f"{line:{COMMENT_COLUMN - 1}s} # {why}" if why else line)

    def __str__(self) -> str:
        """Return the text, with a newline at its end."""
        return "\n".join(self._lines).lstrip("\n") + "\n"


def toml_value(value: Any) -> str:
    """Return a value as TOML: text is escaped, tables are written inline.

    >>> toml_value(["a\\\\b", 'c"'])
    '["a\\\\\\\\b", "c\\\\""]'
    >>> toml_value({"soil type": [1, 2], "x": True}), toml_value((0.0, float("inf")))
    ('{ "soil type" = [1, 2], x = true }', '[0.0, inf]')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return "".join(map(_toml_letter, json.dumps(value, ensure_ascii=False)))
    if isinstance(value, Mapping):
        pairs = [f"{_toml_key(str(key))} = {toml_value(part)}" for key, part in value.items()]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float) and not math.isfinite(value):
        return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"
    return repr(value)


def one_line(text: str) -> str:
    """Return a text without line breaks and control characters, for a comment.

    >>> one_line("a\\nname = 'b'")
    "a name = 'b'"
    """
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()


def _toml_letter(letter: str) -> str:
    """Return a letter, or the escape of a control character, which TOML or a terminal would not take as text."""
    if letter.isprintable() or letter == "\xa0":
        return letter
    return f"\\u{ord(letter):04x}" if letter <= "\uffff" else f"\\U{ord(letter):08x}"


def _toml_key(key: str) -> str:
    plain = key.isascii() and key.replace("_", "").replace("-", "").isalnum()
    return key if plain else toml_value(key)
