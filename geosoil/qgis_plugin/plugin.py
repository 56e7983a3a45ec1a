"""The plugin object that QGIS holds: it adds the provider to the Processing toolbox, and removes it."""

from qgis.core import QgsApplication

from .provider import GeosoilProvider


class GeosoilPlugin:
    """Adds the algorithms of geosoil to the Processing toolbox."""

    def __init__(self, iface):
        self.iface = iface
        self.provider = None

    def initProcessing(self):
        """Add the provider; also called by `qgis_process`, which has no window."""
        self.provider = GeosoilProvider()
        QgsApplication.processingRegistry().addProvider(self.provider)

    def initGui(self):
        """Add the provider to the toolbox of the window."""
        self.initProcessing()

    def unload(self):
        """Remove the provider."""
        if self.provider is not None:
            QgsApplication.processingRegistry().removeProvider(self.provider)
            self.provider = None
