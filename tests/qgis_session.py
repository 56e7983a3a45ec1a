"""Run inside the Python of QGIS, without a window: load the plugin, run its algorithms, and print what QGIS shows.

usage: python3 qgis_session.py FOLDER, which holds `request.json`; the answers are written to `answers.json` there.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

PREFIX = "/usr/share/qgis/python"
sys.path[:0] = [PREFIX, f"{PREFIX}/plugins"]

from qgis.core import (  # noqa: E402
    QgsApplication,
    QgsLayerTreeModel,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProject,
    QgsRasterLayer,
)


class Feedback(QgsProcessingFeedback):
    """Keeps what an algorithm reports."""

    def __init__(self):
        super().__init__(False)
        self.lines, self.percents = [], []
        self.progressChanged.connect(self.percents.append)

    def pushInfo(self, info):  # noqa: N802 - the names of QGIS
        self.lines.append(info)

    def pushWarning(self, warning):  # noqa: N802
        self.lines.append(warning)

    def reportError(self, error, fatalError=False):  # noqa: N802
        self.lines.append(error)


def load_plugin(folder):
    """Load the plugin as QGIS does, and return its provider."""
    sys.path.insert(0, folder)
    import geosoil_processing

    plugin = geosoil_processing.classFactory(None)
    plugin.initProcessing()
    return plugin


def describe(algorithm):
    """Return what the toolbox shows of an algorithm."""
    return {
        "title": algorithm.displayName(),
        "help": algorithm.shortHelpString(),
        "can_run": algorithm.canExecute()[0],
        "parameters": {p.name(): [p.type(), bool(p.description())] for p in algorithm.parameterDefinitions()},
    }


def run(name, parameters, project, *, cancel_after=None):
    """Run an algorithm, and return its results, what it reported, and the seconds until it returned."""
    algorithm = QgsApplication.processingRegistry().algorithmById(name)
    context, feedback = QgsProcessingContext(), Feedback()
    context.setProject(project)
    parameters = {
        key: QgsProcessingOutputLayerDefinition(value["load"], project) if isinstance(value, dict) else value
        for key, value in parameters.items()
    }
    cancelled = []
    if cancel_after is not None:
        timer = threading.Timer(cancel_after, lambda: (cancelled.append(time.monotonic()), feedback.cancel()))
        timer.start()
    fault = ""
    fits, fault = algorithm.checkParameterValues(parameters, context)
    results, done = algorithm.run(parameters, context, feedback) if fits else ({}, False)
    since = time.monotonic() - cancelled[0] if cancelled else None
    return {
        "results": results,
        "done": done,
        "fault": fault,
        "lines": feedback.lines,
        "percents": [round(p) for p in feedback.percents],
        "seconds_after_cancel": since,
    }


def tree_of(project):
    """Return the layers of a project by group, each with its band, limits, legend and metadata."""
    model = QgsLayerTreeModel(project.layerTreeRoot())

    def of_group(group):
        found = {}
        for child in group.children():
            found[child.name()] = of_group(child) if hasattr(child, "children") and not hasattr(child, "layerId") \
                else of_layer(child)  # fmt: skip
        return found

    def of_layer(node):
        layer = node.layer()
        legend = [item.data(0) for item in model.layerLegendNodes(node)]
        return {"visible": node.itemVisibilityChecked(), "legend": [str(text) for text in legend], **shown(layer)}

    return of_group(project.layerTreeRoot())


def shown(layer):
    """Return how a layer is drawn."""
    answer = {"valid": layer.isValid(), "crs": layer.crs().authid(), "title": layer.metadata().title(),
              "abstract": layer.metadata().abstract(), "licences": layer.metadata().licenses()}  # fmt: skip
    if isinstance(layer, QgsRasterLayer):
        renderer = layer.renderer()
        answer |= {"renderer": renderer.type(), "band": renderer.usesBands()[0], "bands": layer.bandCount()}
        answer["band_name"] = layer.bandName(answer["band"])
        if renderer.type() == "singlebandpseudocolor":
            shader = renderer.shader().rasterShaderFunction()
            answer |= {"low": shader.minimumValue(), "high": shader.maximumValue()}
            settings = shader.legendSettings()
            answer |= {"prefix": settings.prefix(), "first": settings.minimumLabel(), "last": settings.maximumLabel()}
    return answer


def render(project, path):
    """Draw the visible layers of a project to a picture."""
    from qgis.core import QgsMapRendererParallelJob, QgsMapSettings
    from qgis.PyQt.QtCore import QSize

    settings = QgsMapSettings()
    settings.setLayers(project.layerTreeRoot().checkedLayers())
    settings.setDestinationCrs(project.crs())
    settings.setExtent(project.viewSettings().defaultViewExtent())
    settings.setOutputSize(QSize(600, 600))
    job = QgsMapRendererParallelJob(settings)
    job.start()
    job.waitForFinished()
    return job.renderedImage().save(path)


def main(folder):
    """Answer each request of the file."""
    request = json.loads((Path(folder) / "request.json").read_text("utf-8"))
    os.environ["GEOSOIL"] = request["program"]
    application = QgsApplication([], False)
    application.initQgis()
    plugin = load_plugin(request["plugin"])
    answers = {
        "algorithms": {a.id(): describe(a) for a in plugin.provider.algorithms()},
        "runs": {},
        "projects": {},
        "rasters": {},
    }
    for name, (algorithm, parameters, cancel_after) in request.get("runs", {}).items():
        project = QgsProject()
        answer = run(algorithm, parameters, project, cancel_after=cancel_after)
        answers["runs"][name] = {**answer, "tree": tree_of(project)}
    for path in request.get("projects", ()):
        project = QgsProject()
        opened = project.read(path)
        picture = str(Path(path).with_suffix(".qgis.png"))
        answers["projects"][path] = {"opened": opened, "crs": project.crs().authid(), "tree": tree_of(project),
                                     "drawn": render(project, picture)}  # fmt: skip
    for path in request.get("rasters", ()):
        layer = QgsRasterLayer(path, "raster")
        layer.loadDefaultMetadata()
        answers["rasters"][path] = shown(layer)
    plugin.unload()
    answers["unloaded"] = QgsApplication.processingRegistry().providerById("geosoil") is None
    (Path(folder) / "answers.json").write_text(json.dumps(answers, default=str), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
    os._exit(0)  # leaving QGIS in the usual way may end in a crash after all work is done
