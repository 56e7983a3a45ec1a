"""The strata of points and their shares of the area, from a column or from a raster of classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RasterError, SamplesError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.tables.reader import list_ids, read_ids, read_numbers, require_column
from geosoil.raster.grid import Grid

if TYPE_CHECKING:
    import os
    from pathlib import Path

    import pandas as pd

MOST_STRATA = 1000
_STRIP_PIXELS = 4_000_000  # read at once


def shares_of_column(path: Path, table: pd.DataFrame, strata: np.ndarray, areas: str) -> dict[object, float]:
    """Return the share of the area of each stratum, from a column that has the area of its stratum in each row.

    Parameters
    ----------
    path : Path
        The table, for messages.
    table : DataFrame
    strata : ndarray of shape (row,), str
        The stratum of each row.
    areas : str
        A column of areas in any unit.

    Returns
    -------
    dict of str to float

    Raises
    ------
    SamplesError
        If an area is missing, not above 0, or not the same in all rows of a stratum.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"ha": [30, 30, 10]})
    >>> shares_of_column("points.csv", table, np.array(["dry", "dry", "wet"]), "ha")
    {'dry': 0.75, 'wet': 0.25}
    """
    require_column(path, table, areas)
    numbers = read_numbers(path, table[areas], strata)
    shares: dict[object, float] = {}
    for name in sorted({str(stratum) for stratum in strata}):
        stated = np.unique(numbers[strata == name])
        if stated.size != 1 or not (np.isfinite(stated[0]) and stated[0] > 0):
            raise SamplesError(
                path,
                found=f"areas {list_ids([f'{area:g}' for area in stated])} of stratum {name} in column {areas}",
                expected="one area above 0, the same in all rows of a stratum",
                way_out="correct the column",
            )
        shares[name] = float(stated[0])
    total = sum(shares.values())
    return {name: area / total for name, area in shares.items()}


def shares_of_raster(path: str | os.PathLike[str]) -> dict[object, float]:
    """Return the share of the area of each class of a raster whose pixels have the code of their stratum.

    Pixels in degrees count with the cosine of their latitude.

    Parameters
    ----------
    path : path-like
        A raster of one band.

    Returns
    -------
    dict of str to float
        By the code as text, such as "3".

    Raises
    ------
    RasterError
        If the raster has several bands, no data, or more than 1000 different values.
    """
    raster = open_raster(path)
    if len(raster) != 1:
        raise RasterError(
            path, found=f"{len(raster)} bands", expected="one band with the codes of strata", way_out="extract one band"
        )
    grid = Grid.of(raster)
    height, width = raster.shape[1:]
    step = max(1, _STRIP_PIXELS // width)
    areas: dict[float, float] = {}
    for top in range(0, height, step):
        strip = raster.isel(band=0, y=slice(top, top + step)).values
        rows = np.broadcast_to(np.arange(top, top + len(strip))[:, None], strip.shape)
        known = np.isfinite(strip)
        latitudes = grid.transform.f + grid.transform.e * (rows[known] + 0.5)
        weights = np.ones(latitudes.size) if grid.turn is None else np.cos(2 * np.pi * latitudes / grid.turn)
        codes, index = np.unique(strip[known], return_inverse=True)
        for code, area in zip(codes, np.bincount(index, weights, codes.size), strict=True):
            areas[float(code)] = areas.get(float(code), 0.0) + float(area)
        if len(areas) > MOST_STRATA:
            break
    if not 0 < len(areas) <= MOST_STRATA:
        raise RasterError(
            path,
            found=f"more than {MOST_STRATA} different values" if areas else "no data in any pixel",
            expected="the codes of strata",
            way_out="give a raster of classes",
        )
    total = sum(areas.values())
    return {str(int(code)) if code.is_integer() else f"{code:g}": area / total for code, area in areas.items()}


def strata_of_column(path: Path, table: pd.DataFrame, column: str) -> np.ndarray:
    """Return the stratum of each row as text, `(row,)`; a number such as 3.0 is "3".

    >>> import pandas as pd
    >>> strata_of_column("points.csv", pd.DataFrame({"zone": [1.0, 2.0]}), "zone").tolist()
    ['1', '2']
    """
    require_column(path, table, column)
    return read_ids(path, table[column])
