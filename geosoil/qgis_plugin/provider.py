"""The provider: the group of algorithms in the Processing toolbox, and the setting where the program is."""

from pathlib import Path

from qgis.core import QgsProcessingProvider
from qgis.PyQt.QtGui import QIcon

from .algorithm import PROGRAM_SETTING, GeosoilAlgorithm
from .algorithms import ALGORITHMS


class GeosoilProvider(QgsProcessingProvider):
    """All algorithms of the table `ALGORITHMS`."""

    def id(self):
        """Return the prefix of the ids, such as `geosoil:map`."""
        return "geosoil"

    def name(self):
        """Return the heading in the toolbox."""
        return "geosoil"

    def icon(self):
        """Return the icon beside the heading."""
        return QIcon(str(Path(__file__).with_name("icon.svg")))

    def load(self):
        """Add the setting of the program, where Processing has its settings, and the algorithms."""
        try:
            from processing.core.ProcessingConfig import ProcessingConfig, Setting
        except ImportError:  # without the plugin Processing, the program of the PATH is used
            pass
        else:
            ProcessingConfig.settingIcons[self.name()] = self.icon()
            text = "Program geosoil (empty: the one of the PATH)"
            ProcessingConfig.addSetting(Setting(self.name(), PROGRAM_SETTING, text, "", valuetype=Setting.FILE))
            ProcessingConfig.readSettings()
        self.refreshAlgorithms()
        return True

    def unload(self):
        """Remove the setting."""
        try:
            from processing.core.ProcessingConfig import ProcessingConfig
        except ImportError:
            return
        ProcessingConfig.removeSetting(PROGRAM_SETTING)

    def loadAlgorithms(self):
        """Add an algorithm for each entry of the table."""
        for described in ALGORITHMS:
            self.addAlgorithm(GeosoilAlgorithm(described))
