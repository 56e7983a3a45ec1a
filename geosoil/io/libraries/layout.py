"""What the columns of a published spectral library are: scans, soil properties, ids, places."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from geosoil.io.spectra.stored import Quantity

# Columns with a meaning, by the names that they get; every other column that is kept is text.
NUMBERS = (
    "longitude",
    "latitude",
    "county_longitude",
    "county_latitude",
    "location_error_m",
    "elevation_m",
    "upper_depth_cm",
    "lower_depth_cm",
)


@dataclass(frozen=True)
class Property:
    """A soil property of a library.

    Parameters
    ----------
    name : str
        The property, as "clay_tot".
    unit : str
        The unit as the summary shows it, as "%", or "".
    method : str
        The method of the laboratory, as "usda.a334", or "".
    """

    name: str
    unit: str = ""
    method: str = ""


@dataclass(frozen=True)
class Scans:
    """The band columns of one kind of spectra.

    Parameters
    ----------
    columns : tuple of int
        Their places in the file, by increasing wavelength.
    wavelength_nm : ndarray of shape (band,)
    quantity : {"reflectance", "absorbance"} or None
        None: the values must show it.
    scale : float
        0.01 for percent.
    """

    columns: tuple[int, ...]
    wavelength_nm: np.ndarray
    quantity: Quantity | None
    scale: float = 1.0

    @classmethod
    def of(
        cls, bands: Mapping[int, float], quantity: Quantity | None, *, scale: float = 1.0, wavenumbers: bool = False
    ) -> Scans:
        """Return scans from places of columns and their wavelengths in nm, or wavenumbers in 1/cm."""
        nm = {place: round(1e7 / number, 6) if wavenumbers else number for place, number in bands.items()}
        places = tuple(sorted(nm, key=lambda place: nm[place]))
        return cls(places, np.array([nm[place] for place in places]), quantity, scale)


@dataclass(frozen=True)
class Layout:
    """What the columns of one table of a library are; columns are their places in the file.

    Parameters
    ----------
    key : int or None
        The column that joins tables.
    scans : mapping of str to Scans
        Spectra by kind ("visnir", "nir", "mir"); none in a table of laboratory values.
    properties : mapping of int to Property
    others : mapping of int to str
        Further columns that are kept, and their names.
    """

    key: int | None
    scans: Mapping[str, Scans] = field(default_factory=dict)
    properties: Mapping[int, Property] = field(default_factory=dict)
    others: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True)
class LibraryKind:
    """A kind of published library.

    Parameters
    ----------
    name, title : str
    layout : callable
        Takes the names of the columns of a table, and returns its `Layout`, or None for a table of another library.
    key_of : callable
        Takes the text of an id, and returns the key that joins tables.
    averages_scans : bool
        Whether consecutive rows of one id are repeated scans, which are averaged.
    negative_is_empty : bool
        Whether negative laboratory values mean that nothing was measured.
    """

    name: str
    title: str
    layout: Callable[[Sequence[str]], Layout | None]
    key_of: Callable[[str], str] = str.strip
    averages_scans: bool = False
    negative_is_empty: bool = False


def joined(name: str) -> str:
    """Return the letters and digits of the name of a column in lower case.

    >>> joined("pH(H2O)"), joined("POINT_ID")
    ('phh2o', 'pointid')
    """
    return re.sub(r"[^a-z0-9]", "", name.lower())


def whole_number_text(text: str) -> str:
    """Return an id as text; some tables store whole numbers as floats.

    >>> whole_number_text(" 44682116.0 ")
    '44682116'
    """
    return text.strip().removesuffix(".0")


def plain_bands(names: Sequence[str], low: float, high: float, prefix: str = "") -> dict[int, float]:
    """Return the places and the numbers of the columns that are a number within limits after a prefix.

    >>> plain_bands(["PointID", "400", "400.5", "12"], 350, 2500)
    {1: 400.0, 2: 400.5}
    """
    pattern = re.compile(rf"{prefix}(\d+(?:\.\d+)?)", re.IGNORECASE)
    found = {place: float(match[1]) for place, name in enumerate(names) if (match := pattern.fullmatch(name.strip()))}
    return {place: number for place, number in found.items() if low <= number <= high}


def column_names(properties: Sequence[Property]) -> list[str]:
    """Return the columns of properties: name and unit, with the method where several would have the same name.

    >>> carbon = [Property("oc", "%", "usda.c729"), Property("oc", "%", "iso.10694")]
    >>> column_names([*carbon, Property("ph_h2o", "", "usda.a268")])
    ['oc_usda_c729_pct', 'oc_iso_10694_pct', 'ph_h2o']
    """
    short = [_words(each.name, each.unit) for each in properties]
    return [
        name if short.count(name) == 1 else _words(each.name, each.method, each.unit)
        for name, each in zip(short, properties, strict=True)
    ]


def _words(*parts: str) -> str:
    text = "_".join(part.replace("%", "pct") for part in parts if part)
    return re.sub(r"\W+", "_", text).strip("_")
