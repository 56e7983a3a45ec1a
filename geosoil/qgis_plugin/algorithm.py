"""One algorithm of the Processing toolbox, made from its entry in the table `ALGORITHMS`."""

import os
from pathlib import Path

from qgis.core import QgsProcessingAlgorithm, QgsProcessingException, QgsProcessingOutputString
from qgis.PyQt.QtGui import QIcon

from .process import GeosoilNotFoundError, environment_of, find_program, run_program
from .results import add_project

PROGRAM_SETTING = "GEOSOIL_PROGRAM"


class GeosoilAlgorithm(QgsProcessingAlgorithm):
    """Runs one verb of geosoil with the parameters of its entry."""

    def __init__(self, described):
        super().__init__()
        self.described = described
        self.project_file = None

    def createInstance(self):
        """Return a new algorithm of the same entry."""
        return GeosoilAlgorithm(self.described)

    def name(self):
        """Return the id within the provider."""
        return self.described.verb

    def displayName(self):
        """Return the title in the toolbox."""
        return self.described.title

    def shortHelpString(self):
        """Return the help beside the parameters."""
        lines = [f"<p>{self.described.help}</p>"]
        lines += [f"<p><b>{option.title}</b>: {option.help}</p>" for option in self.described.options if option.help]
        return "".join(lines)

    def shortDescription(self):
        """Return the text below the mouse in the toolbox."""
        return self.described.help

    def helpUrl(self):
        """Return the page with more help."""
        return ""

    def tags(self):
        """Return words that the search of the toolbox finds."""
        return ["soil", "geosoil", *self.described.tags]

    def icon(self):
        """Return the icon."""
        return QIcon(str(Path(__file__).with_name("icon.svg")))

    def initAlgorithm(self, config=None):
        """Add the parameters of the entry."""
        for option in self.described.options:
            self.addParameter(option.definition())
        if self.described.text:
            self.addOutput(QgsProcessingOutputString(self.described.text, self.described.title))

    def checkParameterValues(self, parameters, context):
        """Return whether the parameters can be used, and the first fault: that of QGIS, or of the entry."""
        is_right, message = super().checkParameterValues(parameters, context)
        if not is_right:
            return is_right, message
        given = {option.name: option.words(self, parameters, context) for option in self.described.options}
        fault = self.described.check({name for name, words in given.items() if words})
        return not fault, fault

    def canExecute(self):
        """Return whether the program is there; the dialog shows the message otherwise."""
        try:
            find_program(program_setting())
        except GeosoilNotFoundError as error:
            return False, str(error)
        return True, ""

    def processAlgorithm(self, parameters, context, feedback):
        """Run the program; its events become progress, messages and errors of the dialog."""
        try:
            program = find_program(program_setting())
        except GeosoilNotFoundError as error:
            raise QgsProcessingException(str(error)) from error
        command, outputs = [program, self.described.verb], {}
        for option in self.described.options:
            command += option.words(self, parameters, context)
            path = option.path(self, parameters, context) if option.is_output else ""
            if path:
                outputs[option.name] = path
                command += [option.flag, path]
        wants_project = self.described.project and self.loads(outputs, context)
        command += ["--qgz"] if wants_project else []
        command += ["--progress", "json"]
        feedback.pushCommandInfo(" ".join(command))
        errors: list[str] = []
        code, printed = run_program(
            command, lambda event: _show(event, feedback, errors), feedback.isCanceled, environment_of(os.environ)
        )
        if code is None:
            return {}
        if code not in (0, 3):  # 3: everything is done but what the errors name
            raise QgsProcessingException("\n".join(errors) or f"geosoil ended with exit code {code}")
        if printed.strip():
            feedback.pushInfo(printed.rstrip())
        if wants_project:
            self.project_file = Path(outputs["OUTPUT"]).with_suffix(".qgz")
        feedback.setProgress(100)
        return outputs | ({self.described.text: printed} if self.described.text else {})

    def loads(self, outputs, context):
        """Return whether QGIS shall load the output, and leave the loading to the project with styles and groups."""
        waiting = context.layersToLoadOnCompletion()
        if outputs.get("OUTPUT") not in waiting:
            return False
        context.setLayersToLoadOnCompletion(
            {path: details for path, details in waiting.items() if path not in outputs.values()}
        )
        return True

    def postProcessAlgorithm(self, context, feedback):
        """Add the layers of the project in their groups; QGIS calls this in its main thread."""
        if self.project_file is not None and context.project() is not None:
            for problem in add_project(self.project_file, context.project()):
                feedback.pushWarning(problem)
        return {}

    def flags(self):
        """Return the flags of QGIS: the program runs in another thread and can be cancelled."""
        return super().flags() | QgsProcessingAlgorithm.FlagCanCancel


def program_setting():
    """Return the program that the user named in the settings of Processing, or an empty text."""
    try:
        from processing.core.ProcessingConfig import ProcessingConfig
    except ImportError:
        return ""
    return ProcessingConfig.getSetting(PROGRAM_SETTING) or ""


def _show(event, feedback, errors):
    """Show one event of the program in the dialog."""
    kind, text = event.get("event"), str(event.get("text", ""))
    if kind == "progress":
        total, done = event.get("total") or 0, event.get("done") or 0
        if total:
            feedback.setProgress(100 * done / total)
        if not done:  # a new task
            feedback.setProgressText(str(event.get("what", "")))
    elif kind == "error":
        errors.append(text)
        feedback.reportError(text)
    elif text.startswith("warning: "):
        feedback.pushWarning(text)
    elif text:
        feedback.pushInfo(text)
