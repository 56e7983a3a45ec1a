"""Decode the numbers of JCAMP-DX: AFFN and PAC as written, SQZ, DIF and DUP by the letters of the standard."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError

if TYPE_CHECKING:
    from pathlib import Path

# A letter is a sign and the first digit of an ordinate (SQZ), of its difference from the last one (DIF), or of how
# often the last one is repeated (DUP). An exponent must have a sign, since E without one is the digit 5.
_SQZ = {letter: str(digit) for digit, letter in enumerate("@ABCDEFGHI")}
_SQZ |= {letter: f"-{digit}" for digit, letter in enumerate("abcdefghi", start=1)}
_DIF = {letter: str(digit) for digit, letter in enumerate("%JKLMNOPQR")}
_DIF |= {letter: f"-{digit}" for digit, letter in enumerate("jklmnopqr", start=1)}
_DUP = {letter: str(digit) for digit, letter in enumerate("STUVWXYZs", start=1)}
_PLAIN = r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]\d{1,3})?"
_TOKEN = re.compile(rf"[\s,;]*(?:(?P<plain>{_PLAIN})|(?P<letter>[@%A-Za-s])(?P<rest>\d*\.?\d*)|(?P<missing>\?))")
_PAIR = re.compile(rf"[\s;]*(?P<x>{_PLAIN})\s*[,\s]\s*(?P<y>{_PLAIN})")
_TOLERANCE = 1e-6  # of the check value, relative


def decode_lines(path: Path, lines: list[str], first_line: int, axis: np.ndarray) -> np.ndarray:
    """Return the ordinates of lines (X++(Y..Y)), without their factor.

    Parameters
    ----------
    path : Path
        The file, for messages.
    lines : list of str
        The lines of the data.
    first_line : int
        The number of the first of them in the file, from 1.
    axis : ndarray of shape (band,)
        Where the ordinates are, without their factor; the abscissa of each line is compared with it.

    Returns
    -------
    ndarray of shape (band,), float64
        The ordinates; NaN for ?.

    Raises
    ------
    SamplesError
        If a line has another abscissa, a wrong check value or other text, or the number of ordinates is wrong.

    Examples
    --------
    >>> from pathlib import Path
    >>> decode_lines(Path("a.jdx"), ["4000A00J0%T", "3997A10"], 1, np.array([4000.0, 3999, 3998, 3997])).tolist()
    [100.0, 110.0, 110.0, 110.0]
    """
    ordinates: list[float] = []
    check: float | None = None
    step = abs(axis[1] - axis[0])
    for number, line in enumerate(lines, start=first_line):
        tokens = _tokens(path, line, number)
        if not tokens:
            continue
        if tokens[0].lastgroup != "plain" or len(tokens) < 2:
            raise _damaged(path, number, f"{line[:30]!r}", "an abscissa and ordinates")
        at = len(ordinates) - (check is not None)
        if at < len(axis):
            abscissa = tokens[0]["plain"]
            decimals = len(abscissa.partition(".")[2]) if "e" not in abscissa.lower() else 0
            if not abs(float(abscissa) - axis[at]) <= step + 10.0**-decimals + 1e-6 * abs(axis[at]):
                raise _damaged(path, number, f"the abscissa {abscissa}", f"{axis[at]:.9g}")
        read, ends_in_difference = _ordinates(path, tokens[1:], number, len(axis) - at)
        if check is not None:
            if not abs(read[0] - check) <= _TOLERANCE * max(1.0, abs(check)):
                raise _damaged(path, number, f"the check value {read[0]:.9g}", f"{check:.9g}")
            read = read[1:]
        ordinates += read
        check = ordinates[-1] if ends_in_difference and ordinates else None
    if len(ordinates) != len(axis):
        raise SamplesError(
            path,
            found=f"{len(ordinates)} ordinates",
            expected=f"{len(axis)}, as NPOINTS says",
            way_out="the file is truncated or damaged: copy it again",
        )
    return np.array(ordinates)


def _tokens(path: Path, line: str, number: int) -> list[re.Match[str]]:
    tokens, at = [], 0
    text = line.rstrip(" \t,;")
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            raise _damaged(path, number, f"{text[at : at + 20]!r}", "numbers in a form of JCAMP-DX")
        tokens.append(token)
        at = token.end()
    return tokens


def _ordinates(path: Path, tokens: list[re.Match[str]], number: int, most: int) -> tuple[list[float], bool]:
    """Return the ordinates of a line, and whether the last one is stored as a difference."""
    values: list[float] = []
    difference: float | None = None
    for token in tokens:
        letter = token["letter"]
        if token["missing"]:
            values.append(np.nan)
            difference = None
        elif letter is None:
            values.append(float(token["plain"]))
            difference = None
        elif letter in _SQZ:
            values.append(float(_SQZ[letter] + token["rest"]))
            difference = None
        elif letter in _DIF and values:
            difference = float(_DIF[letter] + token["rest"])
            values.append(values[-1] + difference)
        elif letter in _DUP and values and "." not in token["rest"]:
            digits = _DUP[letter] + token["rest"]
            count = int(digits) if len(digits) < 9 else most + 2
            if len(values) + count - 1 > most + 1:
                raise _damaged(path, number, f"a value repeated {digits[:12]} times", f"at most {most} ordinates")
            for _ in range(count - 1):
                values.append(values[-1] + (difference or 0.0))
        else:
            raise _damaged(path, number, f"{token[0][:20]!r}", "numbers in a form of JCAMP-DX")
    if len(values) > most + 1:
        raise _damaged(path, number, f"{len(values)} ordinates", f"at most {most}")
    return values, difference is not None


def decode_pairs(path: Path, lines: list[str], first_line: int, count: int) -> np.ndarray:
    """Return pairs (XY..XY), without their factors.

    Parameters
    ----------
    path, lines, first_line
        As in `decode_lines`.
    count : int
        The number of pairs that the file states.

    Returns
    -------
    ndarray of shape (count, 2), float64

    Raises
    ------
    SamplesError
        If there is other text, or another number of pairs.

    Examples
    --------
    >>> from pathlib import Path
    >>> decode_pairs(Path("a.jdx"), ["400.0, 0.1; 401.5, 0.2"], 1, 2).tolist()
    [[400.0, 0.1], [401.5, 0.2]]
    """
    pairs: list[tuple[float, float]] = []
    for number, line in enumerate(lines, start=first_line):
        text, at = line.rstrip(" \t;"), 0
        while at < len(text):
            pair = _PAIR.match(text, at)
            if pair is None:
                raise _damaged(path, number, f"{text[at : at + 20]!r}", "pairs of numbers such as 400.0, 0.1")
            pairs.append((float(pair["x"]), float(pair["y"])))
            at = pair.end()
    if len(pairs) != count:
        raise SamplesError(
            path,
            found=f"{len(pairs)} pairs",
            expected=f"{count}, as NPOINTS says",
            way_out="the file is truncated or damaged: copy it again",
        )
    return np.array(pairs)


def _damaged(path: Path, line: int, found: str, expected: str) -> SamplesError:
    return SamplesError(
        path,
        found=f"{found} in line {line}",
        expected=expected,
        way_out="the file is damaged: copy it or export it again",
    )
