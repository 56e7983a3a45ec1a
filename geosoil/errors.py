"""Errors that the user can mend: one line each, and the command line leaves with exit code 2.

GeosoilError
├── WavelengthError   wavelengths are absent, or miss what a model needs
├── UnitsError        percent or digital numbers where reflectance is expected, a unit unknown
├── GridError         CRS, transform or shape do not fit together
├── RasterError       a raster cannot be opened or read (a corrupt tile names its window)
├── SamplesError      a table of samples or spectra cannot be used
├── RecipeError       a recipe has an unknown key or a value that makes no sense
├── ModelFileError    a model folder is not one, or not to be trusted
└── OutputError       a place cannot be written
"""

from __future__ import annotations

from typing import Any


class GeosoilError(Exception):
    """Say in one line where it went wrong, what was found, what was expected, and the way out.

    >>> print(GeosoilError("a.tif", found="no CRS", expected="a CRS", way_out="assign one with gdal_edit"))
    a.tif: found no CRS; expected a CRS; assign one with gdal_edit
    """

    def __init__(self, where: object, *, found: str, expected: str, way_out: str) -> None:
        message = f"{where}: found {found}; expected {expected}; {way_out}"
        super().__init__(" ".join(message.split()))

    def __reduce__(self) -> tuple[Any, ...]:
        """Let an error come back as itself from the process of a fold."""
        return _restored, (type(self), str(self))


def _restored(kind: type[GeosoilError], message: str) -> GeosoilError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    return error


class WavelengthError(GeosoilError):
    """Wavelengths are absent, or miss what a model needs."""


class UnitsError(GeosoilError):
    """Percent or digital numbers stand where reflectance is expected, or a unit is unknown."""


class GridError(GeosoilError):
    """CRS, transform or shape of two things do not fit together."""


class RasterError(GeosoilError):
    """A raster cannot be opened or read."""


class SamplesError(GeosoilError):
    """A table of samples or spectra cannot be used."""


class RecipeError(GeosoilError):
    """A recipe has an unknown key or a value that makes no sense."""


class ModelFileError(GeosoilError):
    """A model folder is not one, or is not to be trusted."""


class OutputError(GeosoilError):
    """A place cannot be written."""
