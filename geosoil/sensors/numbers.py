"""Numbers in the metadata of products."""

from __future__ import annotations

import math

from geosoil.errors import RasterError


def finite_number(text: str, name: str, where: object) -> float:
    """Return the number that a text of metadata states.

    Parameters
    ----------
    text, name : str
        The text, and what it states, for the message.
    where : object
        The file, for the message.

    Raises
    ------
    RasterError
        If it is not a finite number.

    Examples
    --------
    >>> finite_number(" 1e-4", "gainOfBand", "a.xml")
    0.0001
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RasterError(
            where,
            found=f"{text.strip()[:40]!r} as {name}",
            expected="a number",
            way_out="use the file as delivered",
        )
    return value
