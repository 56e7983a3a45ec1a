"""Pack the QGIS plugin, whose source is `geosoil/qgis_plugin`, as a zip file that QGIS installs."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from geosoil import __version__
from geosoil.errors import OutputError
from geosoil.io.atomic import atomic_path
from geosoil.io.output_paths import check_output_path

if TYPE_CHECKING:
    import os
    from pathlib import Path

FOLDER = "geosoil_processing"  # of the plugin in QGIS; another name than that of the Python package
PACKED = (".py", ".txt", ".svg")
TIME = (1980, 1, 1, 0, 0, 0)  # of all files, so that the same version gives the same bytes


@dataclass(frozen=True)
class PluginFile:
    """The plugin that was written, and the program that it should run."""

    path: Path
    size_bytes: int
    program: str

    def summary(self) -> str:
        """Return where the plugin is and how it is installed."""
        return "\n".join(
            [
                f"plugin     {self.path} ({self.size_bytes / 1000:.0f} kB)",
                "install    in QGIS: Plugins > Manage and Install Plugins > Install from ZIP",
                "program    if QGIS does not find geosoil on its PATH, name it in Settings > Options > Processing >",
                f"           Providers > geosoil: {self.program}",
            ]
        )


def write_plugin(output: str | os.PathLike[str]) -> PluginFile:
    """Write the QGIS plugin of this version.

    Parameters
    ----------
    output : path-like
        The zip file.

    Returns
    -------
    PluginFile

    Raises
    ------
    OutputError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     plugin = write_plugin(f"{folder}/geosoil.zip")
    ...     sorted(zipfile.ZipFile(plugin.path).namelist())[0]
    'geosoil_processing/__init__.py'
    """
    path = check_output_path(output, (".zip",), "geosoil.zip")
    source = files("geosoil") / "qgis_plugin"
    with atomic_path(path) as temporary:
        try:
            with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
                for file in sorted(source.iterdir(), key=lambda file: file.name):
                    if file.name.endswith(PACKED):
                        text = file.read_text("utf-8")
                        if file.name == "metadata.txt":
                            text = text.replace("version=VERSION", f"version={__version__}")
                        entry = zipfile.ZipInfo(f"{FOLDER}/{file.name}", TIME)
                        entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
                        archive.writestr(entry, text)
        except OSError as error:
            raise OutputError(
                path, problem=f"writing failed ({error.strerror})", way_out="free some disk space"
            ) from error
    return PluginFile(path, path.stat().st_size, _program())


def _program() -> str:
    """Return the path of the program `geosoil` of this Python."""
    import shutil
    from pathlib import Path

    beside = Path(sys.executable).with_name("geosoil")
    return str(beside) if beside.exists() else shutil.which("geosoil") or "geosoil"
