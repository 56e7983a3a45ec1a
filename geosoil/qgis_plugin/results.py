"""Add the layers of a project that geosoil wrote to the project that is open, in their groups and with their styles."""

import zipfile
from pathlib import Path

from qgis.core import QgsLayerDefinition, QgsPathResolver, QgsReadWriteContext
from qgis.PyQt.QtXml import QDomDocument


def add_project(path, project):
    """Add all layers of a `.qgz` file as one group on top, and return what went wrong as a list of texts."""
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            (name,) = [name for name in archive.namelist() if name.endswith(".qgs")]
            text = archive.read(name).decode("utf-8")
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        return [f"{path}: the layers cannot be added ({error})"]
    written = QDomDocument()
    written.setContent(text)
    definition = _layer_definition(written)
    context = QgsReadWriteContext()
    context.setPathResolver(QgsPathResolver(str(path)))  # the paths of layers are relative to the project
    group = project.layerTreeRoot().insertGroup(0, path.stem)
    done, message = QgsLayerDefinition.loadLayerDefinition(definition, project, group, context)
    return [] if done else [f"{path}: {message}"]


def _layer_definition(written):
    """Return the layers and the groups of a project as a layer definition, which QGIS adds to another project."""
    definition = QDomDocument("qgis-layer-definition")
    root = definition.createElement("qlr")
    definition.appendChild(root)
    of_project = written.documentElement()
    root.appendChild(definition.importNode(of_project.firstChildElement("layer-tree-group"), True))
    layers = definition.createElement("maplayers")
    root.appendChild(layers)
    layer = of_project.firstChildElement("projectlayers").firstChildElement("maplayer")
    while not layer.isNull():
        layers.appendChild(definition.importNode(layer, True))
        layer = layer.nextSiblingElement("maplayer")
    return definition
