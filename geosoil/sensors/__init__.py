"""Products of imaging spectrometers as cubes with wavelengths.

`SENSORS` lists the sensors whose products are recognised; a new sensor needs a file and a line here.
"""

from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.enmap import ENMAP
from geosoil.sensors.gf5 import GF5_AHSI, ZY1_AHSI

SENSORS: dict[str, Sensor] = {
    "ENMAP": ENMAP,
    "GF5_AHSI": GF5_AHSI,
    "ZY1_AHSI": ZY1_AHSI,
}

__all__ = ["SENSORS", "Product", "Sensor"]
