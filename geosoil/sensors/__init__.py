"""Products of imaging spectrometers and multispectral sensors as cubes with wavelengths.

`SENSORS` lists the sensors whose products are recognised; a new sensor needs a file and a line here.
"""

from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.desis import DESIS
from geosoil.sensors.emit import EMIT
from geosoil.sensors.enmap import ENMAP
from geosoil.sensors.gf5 import GF5_AHSI, ZY1_AHSI
from geosoil.sensors.hysis import HYSIS
from geosoil.sensors.landsat import LANDSAT_ETM, LANDSAT_OLI, LANDSAT_TM
from geosoil.sensors.prisma import PRISMA
from geosoil.sensors.sentinel2 import SENTINEL2
from geosoil.sensors.tanager import TANAGER
from geosoil.sensors.wyvern import WYVERN

SENSORS: dict[str, Sensor] = {
    "DESIS": DESIS,
    "EMIT": EMIT,
    "ENMAP": ENMAP,
    "GF5_AHSI": GF5_AHSI,
    "HYSIS": HYSIS,
    "LANDSAT_ETM": LANDSAT_ETM,
    "LANDSAT_OLI": LANDSAT_OLI,
    "LANDSAT_TM": LANDSAT_TM,
    "PRISMA": PRISMA,
    "SENTINEL2": SENTINEL2,
    "TANAGER": TANAGER,
    "WYVERN": WYVERN,
    "ZY1_AHSI": ZY1_AHSI,
}

__all__ = ["SENSORS", "Product", "Sensor"]
