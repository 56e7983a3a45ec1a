"""The QGIS plugin of geosoil: a Processing provider that runs the program `geosoil` of the user as a process.

It is packed by `geosoil qgis-plugin` and runs inside QGIS, so it imports the standard library and modules of QGIS only.
"""


def classFactory(iface):
    """Return the plugin; QGIS calls this when it loads the plugin."""
    from .plugin import GeosoilPlugin

    return GeosoilPlugin(iface)
