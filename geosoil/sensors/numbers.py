"""Numbers in the metadata of products."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from geosoil.errors import RasterError

if TYPE_CHECKING:
    from geosoil.errors import GeosoilError


def finite_number(stated: object, name: str, where: object, error: type[GeosoilError] = RasterError) -> float:
    """Return the number that metadata state.

    Parameters
    ----------
    stated : object
        A text, or a value that a file holds as a number.
    name : str
        What it states, for the message.
    where : object
        The file, for the message.
    error : type of GeosoilError
        The error that is raised.

    Raises
    ------
    GeosoilError
        If it is not a finite number.

    Examples
    --------
    >>> finite_number(" 1e-4", "gainOfBand", "a.xml")
    0.0001
    """
    try:
        value = float(stated)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise error(
            where,
            found=f"{str(stated).strip()[:40]!r} as {name}",
            expected="a number",
            way_out="use the file as delivered",
        )
    return value
