"""Products of imaging spectrometers as cubes with wavelengths.

SENSORS names every sensor whose products are recognised; a new one is one more file and one more line.
"""

from geosoil.sensors.base import Sensor
from geosoil.sensors.gf5 import GF5_AHSI, ZY1_AHSI

SENSORS: dict[str, Sensor] = {
    "GF5_AHSI": GF5_AHSI,
    "ZY1_AHSI": ZY1_AHSI,
}

__all__ = ["SENSORS", "Sensor"]
