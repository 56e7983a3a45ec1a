"""The unit of the heights of a DEM, and the factor that converts them to metres."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RasterError
from geosoil.raster.grid import Grid
from geosoil.raster.layout import VERTICAL_UNIT

if TYPE_CHECKING:
    import xarray as xr

FOOT_M, SURVEY_FOOT_M = 0.3048, 1200 / 3937
_FEET = {"ft", "foot", "feet", "ftus", "usft"}
_SURVEY = {"us", "survey", "ftus", "usft"}
_METRES = {
    **dict.fromkeys(("m", "metre", "meter", "metres", "meters", "mètre", "mètres"), 1.0),
    **dict.fromkeys(("km", "kilometre", "kilometer", "kilometres", "kilometers"), 1000.0),
    **dict.fromkeys(("dm", "decimetre", "decimeter", "decimetres", "decimeters"), 0.1),
    **dict.fromkeys(("cm", "centimetre", "centimeter", "centimetres", "centimeters"), 0.01),
    **dict.fromkeys(("mm", "millimetre", "millimeter", "millimetres", "millimeters"), 0.001),
    **dict.fromkeys(("yd", "yard", "yards"), 0.9144),
}


def metres_per_unit(unit: str) -> float | None:
    """Return the metres of a unit of length as rasters write it; None if it is not known.

    Examples
    --------
    >>> metres_per_unit("m"), metres_per_unit("feet"), metres_per_unit("metres above sea level")
    (1.0, 0.3048, 1.0)
    >>> round(metres_per_unit("US survey foot"), 9), metres_per_unit("degrees")
    (0.30480061, None)
    """
    words = re.findall(r"[^\W\d_]+", unit.lower())
    if not _FEET.isdisjoint(words):
        return FOOT_M if _SURVEY.isdisjoint(words) else SURVEY_FOOT_M
    return _METRES.get(words[0]) if words else None


def height_factor(dem: xr.DataArray, z_factor: float | None = None) -> tuple[float, str]:
    """Return the factor that converts the heights of a DEM to metres, and a note on it.

    Parameters
    ----------
    dem : DataArray of shape (1, y, x)
        Heights. Their unit is `attrs["units"]`, which `open_raster` reads from the band, else that of the vertical CRS
        of the file. Without both, they are metres.
    z_factor : float, optional
        The factor, if the user knows it; the unit of the file is then ignored.

    Returns
    -------
    factor : float
        Metres per unit of the heights.
    note : str
        A remark for the user, or "".

    Raises
    ------
    RasterError
        If `z_factor` is not positive.

    Examples
    --------
    >>> from affine import Affine
    >>> from geosoil.raster.layout import make_raster
    >>> dem = make_raster(np.ones((1, 1, 1), "float32"), names=["dem"], crs="EPSG:32613",
    ...                   transform=Affine(3, 0, 0, 0, -3, 0), units="ft")
    >>> height_factor(dem)
    (0.3048, 'heights of ft became metres (x 0.3048)')
    """
    if z_factor is not None:
        if not 0 < z_factor < np.inf:
            raise RasterError(
                dem.attrs.get("source") or "DEM",
                found=f"a z-factor of {z_factor:g}",
                expected="a number above 0",
                way_out="give the factor that converts heights to metres",
            )
        return z_factor, ""
    unit = str(dem.attrs.get("units") or "").strip()
    vertical, vertical_m = dem.attrs.get(VERTICAL_UNIT) or ("", None)
    factor = metres_per_unit(unit) if unit else vertical_m
    if factor is None and unit:
        factor, unit = (vertical_m, "") if vertical_m else (None, unit)
    if factor is None:
        return 1.0, _without_unit(dem, unit)
    note = "" if factor == 1 else f"heights of {unit or vertical} became metres (x {factor:.7g})"
    if unit and vertical_m and not np.isclose(factor, vertical_m, rtol=1e-3):
        note = (
            f"the unit of the heights is {unit} by the band and {vertical} by the vertical CRS: that of the band was "
            "used; if it is wrong, give --z-factor (z_factor=)"
        )
    return factor, note


def _without_unit(dem: xr.DataArray, unit: str) -> str:
    """Return the note on a DEM whose unit is not stated, or not known."""
    if unit:
        return f"the unit of the heights, {unit}, is not known: metres were assumed; else give --z-factor (z_factor=)"
    crs = Grid.of(dem).crs
    if crs is None or crs.is_geographic or crs.units_factor[1] == 1:
        return ""
    name, factor = crs.units_factor
    return (
        f"the file does not state the unit of its heights: metres were assumed, although its cells are in {name}; for "
        f"heights in {name}, give --z-factor {factor:.7g} (z_factor=)"
    )
