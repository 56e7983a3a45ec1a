"""Recognise what the columns of a table of samples are: ids, coordinates, groups, folds, and numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.io.tables.numbers import as_numbers, has_value

if TYPE_CHECKING:
    import pandas as pd

_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+|[^\W\d_]+")
# Names without separators, in the order of preference; those of the pattern name groups if they repeat.
_ID_TEXT = (
    "sampleid|sample|sampleno|samplenr|samplenumber|samplename|samplecode|idsample|labid|labno|profileid|profile|pedonid|"
    "pointid|pointno|point|siteid|site|plotid|plot|stationid|station|id|ids|uid|name|code|label|nr|no|number|fid|objectid"
)
_REPEATED_ID_NAMES = re.compile(r"(id)?sample(id|name)?|profile(id)?|pedonid|pointid|id")
_GROUP_TEXT = (
    "group|site|profile|pedon|field|farm|plot|parcel|location|locality|station|transect|cluster|catchment|village|block|"
    "area|region|district|zone|dataset|library|province|state|country"
)
_ID_NAMES, _GROUP_WORDS = _ID_TEXT.split("|"), _GROUP_TEXT.split("|")
_X_WORDS = {"x", "lon", "long", "longitude", "lng", "east", "easting", "eastings", "rechtswert"}
_Y_WORDS = {"y", "lat", "latitude", "north", "northing", "northings", "hochwert"}
_DEGREES = {"lon", "long", "longitude", "lng", "lat", "latitude"}
_OF_COORDINATES = re.compile(
    r"\d+|m|coord(inate)?s?|utm|epsg|wgs|deg|dd|degrees?|decimal|gps|point|proj|etrs|gda|nad|gk|mga|site|sample|centroid"
)
_PERCENT = {"pct", "percent", "perc"}
_PER = {
    ("g", "kg"): "g/kg",
    ("mg", "kg"): "mg/kg",
    ("mg", "g"): "mg/g",
    ("cmol", "kg"): "cmol/kg",
    ("ug", "kg"): "ug/kg",
}
_MOST_FOLDS = 50


@dataclass(frozen=True)
class Places:
    """A pair of columns with coordinates, and their CRS where the names or the values show it."""

    x: str
    y: str
    crs: str | None


@dataclass(frozen=True)
class Columns:
    """What the columns of a table are.

    Attributes
    ----------
    sample_id : str or None
        A column with a different value in each row.
    places : tuple of Places
        Pairs of coordinates; those whose CRS is known come first.
    group : str or None
        A column whose rows belong together, such as the site, or an id that is repeated.
    folds : str or None
        A column of folds.
    numbers : tuple of str
        The other columns of numbers.
    texts : tuple of str
        The other columns.
    """

    sample_id: str | None
    places: tuple[Places, ...]
    group: str | None
    folds: str | None
    numbers: tuple[str, ...]
    texts: tuple[str, ...]


def recognise_columns(table: pd.DataFrame) -> Columns:
    """Recognise the columns of a table by their names and contents.

    Parameters
    ----------
    table : DataFrame
        A table as `read_table` returns it.

    Returns
    -------
    Columns

    Examples
    --------
    >>> import pandas as pd
    >>> rows = {"Plot": ["a", "a", "b", "b", "c", "c"], "Name": list("uvwxyz"), "lon": range(6), "lat": range(6)}
    >>> columns = recognise_columns(pd.DataFrame(rows | {"SOC": [1.0, 2, 3, 4, 5, 6], "note": list("aabbbb")}))
    >>> columns.sample_id, columns.group, columns.numbers, columns.texts
    ('Name', 'Plot', ('SOC',), ('note',))
    >>> columns.places
    (Places(x='lon', y='lat', crs='EPSG:4326'),)
    """
    names = [str(name) for name in table.columns if name != _geometry_name(table)]
    pairs = _find_pairs(table, names)
    places = tuple(sorted((pair for pair, is_clear in pairs if is_clear), key=lambda pair: pair.crs is None))
    coordinates = {name for pair, _ in pairs for name in (pair.x, pair.y)}
    others = [name for name in names if name not in coordinates]
    sample_id = _find_id(table, others)
    folds = next((name for name in others if _is_fold(table, name)), None)
    group = _find_group(table, [name for name in others if name not in (sample_id, folds)])
    rest = [name for name in others if name not in (sample_id, folds, group)]
    numbers = tuple(name for name in rest if is_number_column(table[name]))
    return Columns(sample_id, places, group, folds, numbers, tuple(name for name in rest if name not in numbers))


def coordinate_columns(
    table: pd.DataFrame, x: str | None = None, y: str | None = None, crs: str | None = None
) -> tuple[str | None, str | None, str | None]:
    """Return the columns of x and y and their CRS: those that are given, else those that the names show.

    Parameters
    ----------
    table : DataFrame
        A table as `read_table` returns it. A geometry takes precedence over columns that are not given.
    x, y, crs : str, optional
        What is known.

    Examples
    --------
    >>> import pandas as pd
    >>> coordinate_columns(pd.DataFrame({"lon": [13.1], "lat": [52.3], "soc": [1.2]}))
    ('lon', 'lat', 'EPSG:4326')
    """
    if x is None and y is None and not _geometry_name(table):
        places = recognise_columns(table).places
        if places:
            return places[0].x, places[0].y, crs or places[0].crs
    return x, y, crs


def is_number_column(column: pd.Series) -> bool:
    """Return whether most filled cells of a column are numbers.

    >>> import pandas as pd
    >>> is_number_column(pd.Series(["1", "", "n.d.", "2"])), is_number_column(pd.Series(["a", "2", ""]))
    (True, False)
    """
    if column.dtype == bool:
        return False
    return bool(np.isfinite(as_numbers(column)).sum() > 0.5 * max(1, has_value(column).sum()))


def words_of(name: str) -> list[str]:
    """Return the words of the name of a column in lower case, whatever separates them.

    >>> words_of("SampleID"), words_of("x_epsg32722"), words_of("fold_10cv")
    (['sample', 'id'], ['x', 'epsg', '32722'], ['fold', '10', 'cv'])
    """
    return [word.lower() for word in _WORD.findall(name)]


def _geometry_name(table: pd.DataFrame) -> str | None:
    return table.geometry.name if hasattr(table, "geom_type") else None


def _joined(name: str) -> str:
    return "".join(words_of(name))


def _find_id(table: pd.DataFrame, names: list[str]) -> str | None:
    """Return a column of unique values: by its name, else the first one of text."""
    unique = [name for name in names if has_value(table[name]).all() and not table[name].astype(str).duplicated().any()]
    named = sorted((name for name in unique if _joined(name) in _ID_NAMES), key=lambda n: _ID_NAMES.index(_joined(n)))
    texts = [name for name in unique if not is_number_column(table[name])]
    return next(iter([*named, *texts]), None)


def _is_fold(table: pd.DataFrame, name: str) -> bool:
    if not {"fold", "folds", "cvfold"} & set(words_of(name)) or not has_value(table[name]).all():
        return False
    return 2 <= table[name].nunique() <= min(_MOST_FOLDS, len(table) // 2)


def _find_group(table: pd.DataFrame, names: list[str]) -> str | None:
    """Return a repeated id, else a column that names sites or the like and has at least two rows for each of three."""
    complete = [name for name in names if has_value(table[name]).all()]
    for name in complete:
        if _REPEATED_ID_NAMES.fullmatch(_joined(name)) and table[name].nunique() > max(2, len(table) // 20):
            return name
    named = []
    for name in complete:
        places = [_GROUP_WORDS.index(word) for word in words_of(name) if word in _GROUP_WORDS]
        whole = not is_number_column(table[name]) or not np.mod(as_numbers(table[name]), 1).any()
        if places and whole and 3 <= table[name].nunique() <= len(table) / 2:
            named.append((min(places), name))
    return min(named)[1] if named else None


def _coordinate_words(name: str) -> tuple[str, frozenset[str]] | None:
    """Return the axis that a name states, and its other words; None if it names no coordinate."""
    words = words_of(name)
    if words[:2] == ["coords", "x"] and words[2:] in (["1"], ["2"]):  # as R's sp writes them
        return ("x" if words[2] == "1" else "y"), frozenset({"coords"})
    for axis, known in (("x", _X_WORDS), ("y", _Y_WORDS)):
        named = [word for word in words if word in known]
        if len(named) == 1:
            rest = [word for word in words if word not in known]
            return axis, frozenset([*rest, *(["degrees"] if named[0] in _DEGREES else [])])
    return None


def _find_pairs(table: pd.DataFrame, names: list[str]) -> list[tuple[Places, bool]]:
    """Return the pairs of columns of coordinates, and whether their names have no other words."""
    of_name = {name: _coordinate_words(name) for name in names if is_number_column(table[name])}
    pairs = []
    for x, of_x in of_name.items():
        for y, of_y in of_name.items():
            if of_x and of_y and (of_x[0], of_y[0]) == ("x", "y") and of_x[1] == of_y[1]:
                is_clear = all(_OF_COORDINATES.fullmatch(word) for word in of_x[1])
                pairs.append((Places(x, y, _crs_of_names(table, x, y, of_x[1])), is_clear))
    return pairs


def _crs_of_names(table: pd.DataFrame, x: str, y: str, words: frozenset[str]) -> str | None:
    codes = [word for word in words if word.isdigit() and 4 <= len(word) <= 6]
    if "epsg" in words and codes:
        return f"EPSG:{codes[0]}"
    return "EPSG:4326" if "degrees" in words and are_degrees(as_numbers(table[x]), as_numbers(table[y])) else None


def are_degrees(x: np.ndarray, y: np.ndarray) -> bool:
    """Return whether all known coordinates can be longitudes and latitudes.

    >>> are_degrees(np.array([13.1, np.nan]), np.array([52.4, 0])), are_degrees(np.array([3e5]), np.array([5e6]))
    (True, False)
    """
    x, y = x[np.isfinite(x)], y[np.isfinite(y)]
    return bool(len(x) and len(y) and (np.abs(x) <= 360).all() and (np.abs(y) <= 90).all())


def guess_unit(column: str) -> str:
    """Return the unit that the name of a column states, or "".

    >>> guess_unit("soc_pct"), guess_unit("zn_mg_kg"), guess_unit("pH"), guess_unit("Clay (%)")
    ('%', 'mg/kg', '', '%')
    """
    words = words_of(column)
    if "%" in column or _PERCENT & set(words[1:]):
        return "%"
    return next((unit for pair, unit in _PER.items() if tuple(words[-2:]) == pair), "")
