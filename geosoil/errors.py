"""Errors that the user can correct: one line each; the command line reports them with exit code 2.

A message counts the rows of a table from 1, without the header, and calls a position in an array an index, from 0.

GeosoilError
├── WavelengthError     wavelengths are missing, or do not cover what a model needs
├── UnitsError          percent or digital numbers instead of reflectance, or an unknown unit
├── GridError           CRS, transform or shape do not match
├── RasterError         a raster cannot be opened or read
│   └── WindowError     one window of a raster cannot be read: a corrupt tile, a server that does not answer
├── SamplesError        a table of samples or spectra cannot be used
├── RecipeError         a recipe has an unknown key or an invalid value
├── ModelFileError      a model folder is invalid or not trusted
├── EstimatorError      a scikit-learn estimator does not fit its features or targets, or cannot be stored
├── OutputError         an output cannot be written
├── ClusterError        a dask cluster cannot be reached, or lost its workers
├── DeviceError         a GPU is missing, or has too little memory
└── MemoryPromiseError  a memory limit is too small to start
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import quote

_HIDDEN = "***"
_LOGIN = re.compile(r"(?<=://)[^/?#\s]*@")
# URL parameters whose values may be shown; the value of any other may be a signature, a token or a key.
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
_SHORTEST = 8  # characters; shorter values are too likely to occur in ordinary text


def without_secrets(text: str) -> str:
    """Return a text with logins, signatures, tokens and keys hidden.

    Hidden are `user:password@`, the values of all URL parameters except those known to be harmless (such as `year`),
    authorization headers, AWS key ids, and secrets found in the environment.

    Parameters
    ----------
    text : str
        Any text that may contain URLs: a message of another library, a path for a tag or a manifest.

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


def printable(text: str) -> str:
    r"""Return a text whose control characters are shown as escapes: a name in a file must not steer a terminal.

    >>> printable("clay\x1b[2J\n")
    'clay\\x1b[2J\n'
    """
    return "".join(letter if letter.isprintable() or letter in "\n\t" else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape", "surrogatepass").decode() if letter != "\xa0" else letter


class GeosoilError(Exception):
    """Base class of all errors that the user can correct: one line, without secrets.

    The line reads `WHERE: found FOUND; expected EXPECTED; WAY_OUT`, or `WHERE: PROBLEM; expected EXPECTED; WAY_OUT`.

    Parameters
    ----------
    where : object
        The file, URL or parameter that is wrong.
    found : str, optional
        What was found there; exactly one of `found` and `problem` is given.
    problem : str, optional
        What is wrong, as a clause that reads well without the word "found".
    expected : str, optional
        What was expected; left out of the line if empty.
    way_out : str
        What the user can do.

    Examples
    --------
    >>> print(GeosoilError("a.tif", found="no CRS", expected="a CRS", way_out="assign one with gdal_edit"))
    a.tif: found no CRS; expected a CRS; assign one with gdal_edit
    >>> print(GeosoilError("a.csv", problem='column "soc" is missing (columns: id, soc_pct)', way_out="rename one"))
    a.csv: column "soc" is missing (columns: id, soc_pct); rename one
    """

    def __init__(self, where: object, *, found: str = "", problem: str = "", expected: str = "", way_out: str) -> None:
        parts = [problem or f"found {found}", f"expected {expected}" if expected else "", way_out]
        message = f"{where}: {'; '.join(part for part in parts if part)}"
        super().__init__(without_secrets(printable(" ".join(message.split()))))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the composed message, so that the error keeps its class in another process."""
        return _restore, (type(self), str(self))


def _restore(kind: type[GeosoilError], message: str) -> GeosoilError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    return error


class WavelengthError(GeosoilError):
    """Wavelengths are missing, or do not cover what a model needs."""


class UnitsError(GeosoilError):
    """Values are percent or digital numbers instead of reflectance, or a unit is unknown."""


class GridError(GeosoilError):
    """CRS, transform or shape do not match."""


class RasterError(GeosoilError):
    """A raster cannot be opened or read."""


class WindowError(RasterError):
    """One window of a raster cannot be read; others may be readable."""


class SamplesError(GeosoilError):
    """A table of samples or spectra cannot be used."""


class RecipeError(GeosoilError):
    """A recipe has an unknown key or an invalid value."""


class ModelFileError(GeosoilError):
    """A model folder is invalid or not trusted."""


class EstimatorError(GeosoilError):
    """A scikit-learn estimator does not fit its features or targets, or cannot be stored."""


class OutputError(GeosoilError):
    """An output file or folder cannot be written."""


class ClusterError(GeosoilError):
    """A dask cluster cannot be reached, or lost its workers."""


class DeviceError(GeosoilError):
    """A GPU is missing, or has too little memory."""


class MemoryPromiseError(GeosoilError):
    """A memory limit is too small to start."""
