"""Errors that the user can mend: one line each, and the command line leaves with exit code 2.

GeosoilError
├── WavelengthError   wavelengths are absent, or miss what a model needs
├── UnitsError        percent or digital numbers where reflectance is expected, a unit unknown
├── GridError         CRS, transform or shape do not fit together
├── RasterError       a raster cannot be opened or read
│   └── WindowError   a window of it cannot be read: a corrupt tile, a server that does not answer
├── SamplesError      a table of samples or spectra cannot be used
├── RecipeError       a recipe has an unknown key or a value that makes no sense
├── ModelFileError    a model folder is not one, or not to be trusted
├── OutputError       a place cannot be written
├── ClusterError      a dask cluster is not there, or lost its workers
├── DeviceError       a GPU is not there, or has too little memory
└── MemoryPromiseError  a promise of memory is too small to begin with
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote

_HIDDEN = "***"
_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
# Parameters of addresses whose values may be shown; the value of any other may be a signature, a token or a key.
_HARMLESS = (
    "band|bands|bbox|bidx|collection|coverage|coverageId|crs|date|datetime|day|f|format|height|item|items|layer|layers"
    "|limit|list_dir|max_retry|month|page|request|retry_delay|service|sr|srs|time|url|use_head|version|versionId|width"
    "|year"
)
_PARAMETER = re.compile(
    rf"""((?:[?&;\#]|%(?:25)*(?:3F|26|23)|\b(?=header\.))(?!(?:{_HARMLESS})(?:=|%(?:25)*3D))[\w.~\[\]-]+(?:=|%(?:25)*3D))
    (?:(?:Bearer|Basic|Token)(?:\s|\+|%20)+)?(?:(?!%(?:25)*26|\#[\w.-]+=|:\s|:$)[^&;,)\s"'<>])+""",
    re.IGNORECASE | re.VERBOSE,
)
_AUTHORIZATION = re.compile(r"(\bAuthorization\s*:\s*)(?:(?:Bearer|Basic|Token)\s+)?[^\s,;\"'<>]+", re.IGNORECASE)
_KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b")
_SECRET_VARIABLES = (
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_ACCESS_KEY",
    "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_STORAGE_SAS_TOKEN",
    "GDAL_HTTP_BEARER",
    "GDAL_HTTP_USERPWD",
    "GS_SECRET_ACCESS_KEY",
)
_SHORTEST = 8  # characters: a shorter value is no secret, and hiding it would tear words apart


def without_secrets(text: str) -> str:
    """Return a text that may be shown: logins, signatures, tokens and keys in it are hidden.

    Hidden are `user:password@`, the value of every parameter of an address except those known to be harmless (such as
    `year`), authorization headers, AWS key ids, and secrets found in the environment.

    Parameters
    ----------
    text : str
        Any text that may hold addresses: an error of a library, a path for a tag or a manifest.

    Returns
    -------
    str
        The text with `***` in place of secrets.

    Examples
    --------
    >>> without_secrets("https://me:word@example.org/a.tif?sig=c2VjcmV0&year=2020")
    'https://***@example.org/a.tif?sig=***&year=2020'
    """
    for name in _SECRET_VARIABLES:
        value = os.environ.get(name, "")
        if len(value) >= _SHORTEST:
            text = text.replace(value, _HIDDEN).replace(quote(value, safe=""), _HIDDEN)
    text = _LOGIN.sub(f"{_HIDDEN}@", text)
    text = _AUTHORIZATION.sub(rf"\g<1>{_HIDDEN}", text)
    text = _PARAMETER.sub(rf"\g<1>{_HIDDEN}", text)
    return _KEY_ID.sub(_HIDDEN, text)


class GeosoilError(Exception):
    """Say in one line where it went wrong, what was found, what was expected, and the way out; never a secret.

    >>> print(GeosoilError("a.tif", found="no CRS", expected="a CRS", way_out="assign one with gdal_edit"))
    a.tif: found no CRS; expected a CRS; assign one with gdal_edit
    """

    def __init__(self, where: object, *, found: str, expected: str, way_out: str) -> None:
        message = f"{where}: found {found}; expected {expected}; {way_out}"
        super().__init__(without_secrets(" ".join(message.split())))

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


class WindowError(RasterError):
    """A window of a raster cannot be read; others of it may."""


class SamplesError(GeosoilError):
    """A table of samples or spectra cannot be used."""


class RecipeError(GeosoilError):
    """A recipe has an unknown key or a value that makes no sense."""


class ModelFileError(GeosoilError):
    """A model folder is not one, or is not to be trusted."""


class OutputError(GeosoilError):
    """A place cannot be written."""


class ClusterError(GeosoilError):
    """A dask cluster is not there, or lost its workers."""


class DeviceError(GeosoilError):
    """A GPU is not there, or has too little memory."""


class MemoryPromiseError(GeosoilError):
    """A promise of memory is too small to begin with."""
