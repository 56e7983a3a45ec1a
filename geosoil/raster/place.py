"""Places as numbers that a model can learn from: metres from an origin along the axes of a projected CRS.

Coordinates are computed in float64, the origin is subtracted, and only then are they rounded to float32. Within 100 km
of the origin this keeps them to a centimetre.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pyproj

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from geosoil.raster.grid import Grid

PLACE_NAMES = ("place_x_m", "place_y_m")
FALSE_METRES = 0.02  # a map projection that stretches distances by more is not taken for metres


@dataclass(frozen=True)
class Place:
    """One coordinate of a place, as a model reads it.

    Parameters
    ----------
    axis : {"x", "y"}
        East or north on most grids.
    crs : str
        A projected CRS as "EPSG:32633" or WKT.
    origin_m : float
        The coordinate in metres that is subtracted.
    """

    axis: Literal["x", "y"]
    crs: str
    origin_m: float

    def __post_init__(self) -> None:
        if self.axis not in ("x", "y"):
            raise ValueError(f"axis is {self.axis!r}; expected 'x' or 'y'")
        if not np.isfinite(self.origin_m):
            raise ValueError(f"the origin is {self.origin_m}; expected a number of metres")
        if not crs_of_text(self.crs).is_projected:
            raise ValueError(f"the CRS of a place is {self.crs[:60]}; expected a projected one")

    def __str__(self) -> str:
        return f"{self.axis} in {describe_crs(self.crs)} from {self.origin_m:.0f} m"


def relative_places(places: Sequence[Place], x: np.ndarray, y: np.ndarray, crs: str) -> np.ndarray:
    """Return coordinates of points as a model reads them.

    Parameters
    ----------
    places : sequence of Place
        The coordinates that are returned.
    x, y : ndarray of float64
        The points, of any shape.
    crs : str
        Their CRS as "EPSG:32633" or WKT.

    Returns
    -------
    ndarray of float32, shape (place, ...)
        Metres; NaN for a point that the CRS of a place cannot represent.

    Examples
    --------
    >>> east = Place("x", "EPSG:32633", 500_000.0)
    >>> relative_places([east], np.array([15.0]), np.array([52.0]), "EPSG:4326").round(3).tolist()
    [[0.0]]
    >>> relative_places([east], np.array([500_012.25]), np.array([0.0]), "EPSG:32633").tolist()
    [[12.25]]
    """
    values = np.empty((len(places), *np.shape(x)), np.float32)
    in_crs: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    for place, row in zip(places, values, strict=True):
        if place.crs not in in_crs:
            in_crs[place.crs] = in_metres(x, y, crs, place.crs)
        metres = in_crs[place.crs][0 if place.axis == "x" else 1]
        with np.errstate(invalid="ignore", over="ignore"):
            row[...] = metres - place.origin_m
    values[~np.isfinite(values)] = np.nan
    return values


def pixel_places(places: Sequence[Place], grid: Grid, rows: slice, columns: slice) -> np.ndarray:
    """Return the coordinates of the pixel centres in a window of a grid, as a model reads them.

    A value depends on its own pixel only, not on the window.

    Parameters
    ----------
    places : sequence of Place
    grid : Grid
        Any grid with a CRS, also a rotated one or one in degrees.
    rows, columns : slice
        The window, with a start and a stop.

    Returns
    -------
    ndarray of float32, shape (place, y, x)

    Examples
    --------
    >>> from affine import Affine
    >>> from rasterio.crs import CRS
    >>> from geosoil.raster.grid import Grid
    >>> grid = Grid(CRS.from_epsg(32633), Affine(30, 0, 500_000, 0, -30, 90), height=3, width=9)
    >>> pixel_places([Place("x", "EPSG:32633", 500_000.0)], grid, slice(0, 1), slice(2, 5)).tolist()
    [[[75.0, 105.0, 135.0]]]
    """
    column = np.arange(columns.start, columns.stop, dtype=np.float64)[None, :] + 0.5
    row = np.arange(rows.start, rows.stop, dtype=np.float64)[:, None] + 0.5
    t = grid.transform
    x, y = t.a * column + t.b * row + t.c, t.d * column + t.e * row + t.f
    x, y = np.broadcast_arrays(x, y)
    return relative_places(places, x, y, text_of_crs(grid.crs))


def makes_metres(crs: Any, longitude: float, latitude: float) -> bool:
    """Return whether the coordinates of a projected CRS are true metres, or a unit of them, near a place.

    Web Mercator, for example, stretches distances at 50 degrees of latitude by half.

    Examples
    --------
    >>> makes_metres("EPSG:32633", 15.0, 52.0), makes_metres("EPSG:3857", 15.0, 52.0)
    (True, False)
    """
    factors = pyproj.Proj(pyproj.CRS.from_user_input(crs)).get_factors(longitude, latitude)
    # Equal-area projections stretch one axis and shrink the other: their area is true.
    return bool(abs(factors.areal_scale - 1) <= 2 * FALSE_METRES)


def local_crs(longitude: float, latitude: float) -> pyproj.CRS:
    """Return a CRS in metres around a place: distances and directions from it are true.

    >>> local_crs(13.0, 52.0).name
    'azimuthal equidistant projection around 13.0000 E, 52.0000 N'
    """
    content = pyproj.CRS.from_proj4(
        f"+proj=aeqd +lat_0={latitude} +lon_0={longitude} +datum=WGS84 +units=m +type=crs"
    ).to_json_dict()
    name = f"azimuthal equidistant projection around {longitude:.4f} E, {latitude:.4f} N"
    return pyproj.CRS.from_json_dict(content | {"name": name})


def crs_in_metres(candidates: Iterable[Any], x: np.ndarray, y: np.ndarray, crs: Any) -> Any:
    """Return the first CRS whose coordinates are metres, or a unit of them, near points; else one around the points.

    Parameters
    ----------
    candidates : iterable of CRS or None
        CRS of any kind; geographic ones and None are passed over.
    x, y : ndarray of shape (n,)
        The points.
    crs : CRS
        The CRS of the points.

    Returns
    -------
    CRS
        A projected one.

    Raises
    ------
    pyproj.exceptions.ProjError
        If `crs` has no place on the Earth.

    Examples
    --------
    >>> utm, mercator = pyproj.CRS("EPSG:32633"), pyproj.CRS("EPSG:3857")
    >>> lon, lat = np.array([14.9, 15.1]), np.array([52.0, 52.0])
    >>> crs_in_metres([None, mercator, utm], lon, lat, pyproj.CRS("EPSG:4326")).to_epsg()
    32633
    >>> crs_in_metres([mercator], lon, lat, pyproj.CRS("EPSG:4326")).name
    'azimuthal equidistant projection around 15.0000 E, 52.0000 N'
    """
    lon, lat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform(x, y)
    # The mean of directions is right for places on both sides of the date line, too.
    middle = float(np.degrees(np.angle(np.exp(1j * np.radians(lon)).mean()))), float(np.mean(lat))
    for candidate in candidates:
        if candidate is not None and candidate.is_projected and makes_metres(text_of_crs(candidate), *middle):
            return candidate
    return local_crs(*middle)


def text_of_crs(crs: Any) -> str:
    """Return a CRS as "EPSG:CODE" where this is exactly the same, else as WKT.

    >>> from rasterio.crs import CRS
    >>> text_of_crs(CRS.from_epsg(32633))
    'EPSG:32633'
    """
    return _text_of_wkt(crs.to_wkt())


def crs_of_text(text: str) -> pyproj.CRS:
    """Return the CRS of a text that `text_of_crs` wrote; raises CRSError for any other text."""
    # Not `from_user_input`: the text of a file must not be taken for a name to look up.
    return _crs_of_text(text)


def describe_crs(text: str) -> str:
    """Return a short name of a CRS for messages.

    >>> describe_crs("EPSG:32633")
    'EPSG:32633'
    """
    return text if text.startswith("EPSG:") else crs_of_text(text).name[:60]


def in_metres(x: np.ndarray, y: np.ndarray, crs: str, target: str) -> tuple[np.ndarray, np.ndarray]:
    """Return points in another CRS, in metres; the same CRS changes nothing but the unit.

    >>> in_metres(np.array([1000.0]), np.array([0.0]), "EPSG:2264", "EPSG:2264")[0].round(3).tolist()
    [304.801]
    """
    if crs != target:
        transformer = _transformer(crs, target)
        if transformer is not None:
            x, y = transformer.transform(x, y)
    factor = _metres_per_unit(target)
    return (x, y) if factor == 1 else (x * factor, y * factor)


def _metres_per_unit(text: str) -> float:
    """Return the length in metres of the unit of a projected CRS."""
    return float(crs_of_text(text).axis_info[0].unit_conversion_factor)


@lru_cache(maxsize=64)
def _transformer(crs: str, target: str) -> pyproj.Transformer | None:
    """Return what brings coordinates to another CRS; None if both are the same CRS in other words."""
    source, wanted_crs = crs_of_text(crs), crs_of_text(target)
    if source.to_2d().equals(wanted_crs.to_2d(), ignore_axis_order=True):
        return None
    return pyproj.Transformer.from_crs(source, wanted_crs, always_xy=True)


@lru_cache(maxsize=64)
def _crs_of_text(text: str) -> pyproj.CRS:
    return pyproj.CRS.from_epsg(int(text[5:])) if text.startswith("EPSG:") else pyproj.CRS.from_wkt(text)


@lru_cache(maxsize=64)
def _text_of_wkt(wkt: str) -> str:
    crs = pyproj.CRS.from_wkt(wkt).to_2d()
    code = crs.to_epsg()
    if code is not None and pyproj.CRS.from_epsg(code).equals(crs, ignore_axis_order=True):
        return f"EPSG:{code}"
    return str(crs.to_wkt())
