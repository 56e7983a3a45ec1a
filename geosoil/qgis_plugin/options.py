"""Kinds of options of an algorithm: the parameter that QGIS shows, and the words of the command line it becomes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingParameterVectorLayer,
)


def _source(layer):
    """Return the file of a layer."""
    return layer.source().partition("|")[0]


@dataclass(frozen=True)
class Option(ABC):
    """An option of an algorithm; its kind is the class.

    Parameters
    ----------
    name : str
        Name of the parameter, such as "CUBE".
    title : str
        What the dialog shows.
    flag : str
        Option of the command line, such as "--cube"; empty for an argument without flag.
    help : str
        One sentence for the help of the algorithm.
    optional : bool
        Whether it can be left out.
    advanced : bool
        Whether it is under "Advanced parameters".
    default : object
        Its value if it is not given.
    """

    name: str
    title: str
    flag: str = ""
    help: str = ""
    optional: bool = True
    advanced: bool = False
    default: object = None

    is_output = False

    def definition(self):
        """Return the parameter of QGIS."""
        parameter = self._parameter()
        parameter.setHelp(self.help)
        if self.advanced:
            parameter.setFlags(parameter.flags() | QgsProcessingParameterDefinition.FlagAdvanced)
        return parameter

    def words(self, algorithm, parameters, context):
        """Return the words of the command line."""
        if parameters.get(self.name) is None and self.optional and self.default is None:
            return []
        values = self._values(algorithm, parameters, context)
        return [word for value in values for word in ([self.flag, value] if self.flag else [value])]

    @abstractmethod
    def _parameter(self):
        """Return the parameter of QGIS without its help."""

    def _values(self, algorithm, parameters, context):
        text = algorithm.parameterAsString(parameters, self.name, context)
        return [text] if text else []


class Raster(Option):
    """A raster: a layer of the project or a file."""

    def _parameter(self):
        return QgsProcessingParameterRasterLayer(self.name, self.title, optional=self.optional)

    def _values(self, algorithm, parameters, context):
        layer = algorithm.parameterAsRasterLayer(parameters, self.name, context)
        return [] if layer is None else [_source(layer)]


class Rasters(Option):
    """Several rasters, after one flag."""

    def _parameter(self):
        return QgsProcessingParameterMultipleLayers(
            self.name, self.title, QgsProcessing.TypeRaster, optional=self.optional
        )

    def words(self, algorithm, parameters, context):
        """Return the flag and the files behind it."""
        layers = algorithm.parameterAsLayerList(parameters, self.name, context) if parameters.get(self.name) else []
        return [self.flag, *map(_source, layers)] if layers else []


class Points(Option):
    """A layer of points, by its file."""

    def _parameter(self):
        return QgsProcessingParameterVectorLayer(
            self.name, self.title, [QgsProcessing.TypeVectorPoint], optional=self.optional
        )

    def _values(self, algorithm, parameters, context):
        layer = algorithm.parameterAsVectorLayer(parameters, self.name, context)
        return [] if layer is None else [_source(layer)]


class File(Option):
    """A file of any kind."""

    def _parameter(self):
        # The default filter "*.*" refuses folders of models and of products, whose names have no dot.
        return QgsProcessingParameterFile(self.name, self.title, optional=self.optional, fileFilter="All files (*)")


class Folder(Option):
    """A folder, or the name of a known model."""

    def _parameter(self):
        return QgsProcessingParameterFile(
            self.name, self.title, behavior=QgsProcessingParameterFile.Folder, optional=self.optional
        )


class Text(Option):
    """A text."""

    def _parameter(self):
        return QgsProcessingParameterString(self.name, self.title, self.default, optional=self.optional)


class Crs(Option):
    """A coordinate reference system."""

    def _parameter(self):
        return QgsProcessingParameterCrs(self.name, self.title, optional=self.optional)

    def _values(self, algorithm, parameters, context):
        crs = algorithm.parameterAsCrs(parameters, self.name, context)
        return [crs.authid() or crs.toWkt()] if crs.isValid() else []


class Flag(Option):
    """A switch."""

    def _parameter(self):
        return QgsProcessingParameterBoolean(self.name, self.title, bool(self.default), optional=self.optional)

    def words(self, algorithm, parameters, context):
        """Return the flag if it is switched on."""
        return [self.flag] if algorithm.parameterAsBool(parameters, self.name, context) else []


@dataclass(frozen=True)
class Number(Option):
    """A number; `whole` if it is an integer, and its limits."""

    whole: bool = False
    low: float | None = None
    high: float | None = None

    def _parameter(self):
        kind = QgsProcessingParameterNumber.Integer if self.whole else QgsProcessingParameterNumber.Double
        limits = {name: value for name, value in (("minValue", self.low), ("maxValue", self.high)) if value is not None}
        return QgsProcessingParameterNumber(self.name, self.title, kind, self.default, optional=self.optional, **limits)

    def _values(self, algorithm, parameters, context):
        if self.whole:
            return [str(algorithm.parameterAsInt(parameters, self.name, context))]
        return [repr(algorithm.parameterAsDouble(parameters, self.name, context))]


@dataclass(frozen=True)
class Choice(Option):
    """One of several words; with `as_flag`, the word itself is the flag."""

    choices: tuple = ()
    as_flag: bool = False

    def _parameter(self):
        return QgsProcessingParameterEnum(
            self.name, self.title, list(self.choices), defaultValue=self.default, optional=self.optional,
            usesStaticStrings=True,
        )  # fmt: skip

    def words(self, algorithm, parameters, context):
        """Return the flag and the word."""
        word = algorithm.parameterAsEnumString(parameters, self.name, context)
        if not word:
            return []
        return [f"--{word}"] if self.as_flag else [self.flag, word]


class Output(Option):
    """A file or folder that is written."""

    is_output = True

    def words(self, algorithm, parameters, context):
        """Return nothing: the path is made once, by `path`, because a temporary path differs every time."""
        return []

    def path(self, algorithm, parameters, context):
        """Return where the output goes, or an empty text if it is left out."""
        return algorithm.parameterAsOutputLayer(parameters, self.name, context)


class RasterOutput(Output):
    """A raster."""

    def _parameter(self):
        return QgsProcessingParameterRasterDestination(self.name, self.title, optional=self.optional)


@dataclass(frozen=True)
class VectorOutput(Output):
    """A GeoPackage; it is not made by default where it is optional."""

    kind: int = QgsProcessing.TypeVectorAnyGeometry

    def _parameter(self):
        return QgsProcessingParameterVectorDestination(
            self.name, self.title, self.kind, optional=self.optional, createByDefault=not self.optional
        )


class FolderOutput(Output):
    """A folder."""

    def _parameter(self):
        return QgsProcessingParameterFolderDestination(self.name, self.title, optional=self.optional)

    def path(self, algorithm, parameters, context):
        """Return the folder."""
        return algorithm.parameterAsString(parameters, self.name, context)
