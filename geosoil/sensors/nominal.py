"""Nominal bands of sensors: centres and widths by which a model can be trained before a cube is at hand.

The bands of a product vary a little from scene to scene and over the years; a product is always opened with the
wavelengths that it states itself. `geosoil/sensors/bands/` has one table per sensor.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib import resources

import numpy as np

from geosoil.errors import WavelengthError

NOMINAL_SOURCES = {
    "DESIS": "centres of a public reader (401.275 nm, step 2.553 nm), width of the mission's description (3.5 nm)",
    "EMIT": "metadata of a level-2A product, without 1318 to 1440 and 1762 to 1972 nm, where water vapour absorbs",
    "ENMAP": "metadata of a level-2A scene of 2022, without the bands that TorchGeo leaves out of all scenes",
    "GF5_AHSI": "SWIR from a product of GF-5B; VNIR without a table of a product, an even step from 390 to 1029 nm",
    "LANDSAT_ETM": "limits of the bands as USGS publishes them: middle and difference",
    "LANDSAT_OLI": "measured responses of Landsat 8: centre and width at half maximum",
    "LANDSAT_TM": "limits of the bands as USGS publishes them: middle and difference",
    "SENTINEL2": "design values of the MSI; band 9 (water vapour) is left out, and level 2A has no band 10",
    "WYVERN": "design values of Dragonette-2 and later (31 bands); Dragonette-1 has other bands",
    "ZY1_AHSI": "table of a product of ZY-1 02E",
}
"""Where the table of each sensor is from."""


@dataclass(frozen=True)
class NominalBands:
    """Usable bands of a sensor, in the order of its products.

    Attributes
    ----------
    centre_nm, fwhm_nm : numpy.ndarray
        `(band,)` centres and full widths at half maximum in nm.
    source : str
        Where the table is from.
    """

    centre_nm: np.ndarray
    fwhm_nm: np.ndarray
    source: str


@lru_cache
def nominal_bands(name: str) -> NominalBands:
    """Return the nominal bands of a sensor, without those that its products usually cannot use.

    Parameters
    ----------
    name : str
        A key of `SENSORS`, in upper or lower case.

    Returns
    -------
    NominalBands

    Raises
    ------
    WavelengthError
        If the sensor is unknown, or the bands of its products are not known before a product is at hand.

    Examples
    --------
    >>> nominal_bands("landsat_oli").centre_nm
    array([ 442.96,  482.04,  561.41,  654.59,  864.67, 1608.86, 2200.73])
    """
    from geosoil.sensors import SENSORS

    key = name.strip().upper()
    if key not in NOMINAL_SOURCES:
        known = key in SENSORS
        raise WavelengthError(
            f"the sensor {name}",
            problem=f"{key} has no table of nominal bands" if known else "it is not known",
            expected=f"one of {', '.join(sorted(NOMINAL_SOURCES))}",
            way_out="give a product of the sensor instead, as cube"
            if known
            else "choose one of them, or give a cube of the sensor, or a table of its bands",
        )
    text = (resources.files("geosoil.sensors") / "bands" / f"{key}.csv").read_text("utf-8")
    header, *lines = text.splitlines()
    table = np.array([[float(cell) for cell in line.split(",")] for line in lines])
    centre_nm, fwhm_nm = table[:, 0], table[:, 1]
    usable = table[:, header.split(",").index("good")] == 1 if "good" in header else np.ones(len(table), bool)
    if key in SENSORS:
        usable &= ~SENSORS[key].is_bad(centre_nm)
    return NominalBands(centre_nm[usable], fwhm_nm[usable], NOMINAL_SOURCES[key])
