"""Find wavelengths in the names of columns, as R, the OSSL and instruments write them, or in the rows of a table."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError, WavelengthError
from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM
from geosoil.io.spectra.stored import in_nm
from geosoil.io.tables.delimited import ROW_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from geosoil.io.spectra.stored import Quantity, WavelengthUnit

PLAIN = re.compile(r"\s*[+-]?\d+(\.\d*)?([eE][+-]?\d+)?\s*")
_NUMBERED = re.compile(r"(.*?)(\d+(?:\.\d+)?)(\D*(?:cm\W*1)?\W*)")
_KNOWN = re.compile(
    r"(|x|w|r|wl|wvl|wave|wavelength|lambda|λ|nm|wn|wavenumber|spc|spec|spectra|spectrum|ref|refl|reflectance|abs"
    r"|absorbance|scan[\W_]?(visnir|vnir|nir|mir|ir))"
)
_FEWEST_UNKNOWN = 20  # columns of a name that is not known, so that soc_2010, soc_2011 are not bands
_WAVELENGTH_COLUMN = re.compile(
    r"(wave[\W_]?(length|number)s?|wavelenght|wave|wl|wvl|wn|lambda|λ|nm|bands?|wellenl(ä|ae)nge|wellenzahl"
    r"|longueur d.onde|longitud de onda|波长|波数)[\W_]*(in)?[\W_]*(nm|[uµμ]m|(nano|micro)met\w*|1?\W*cm\W*-?1?)?[\W_]*"
)
_FEWEST_TURNED = 20  # rows of a table whose row names may be wavelengths


@dataclass(frozen=True)
class BandColumns:
    """The columns of bands in a table of spectra.

    Parameters
    ----------
    names : list of str
    wavelength : numpy.ndarray
        `(band,)` the numbers in the names; in nm if the names state a unit.
    unit : {"nm", "um", "cm-1"} or None
        The unit that the names state.
    quantity : {"reflectance", "absorbance"} or None
        The quantity that the names state.
    """

    names: list[str]
    wavelength: np.ndarray
    unit: WavelengthUnit | None = None
    quantity: Quantity | None = None


def find_band_columns(path: Path, names: Sequence[str], keys: Sequence[str] = ()) -> BandColumns:
    """Find the columns whose names are wavelengths: 350, or with the same text around all numbers, as X350 or 350 nm.

    Parameters
    ----------
    path : Path
        The table, for messages.
    names : sequence of str
        The names of all columns.
    keys : sequence of str
        Columns of ids, which are not bands.

    Returns
    -------
    BandColumns
        No names if there are none.

    Raises
    ------
    SamplesError
        If bands have names of several kinds.

    Examples
    --------
    >>> from pathlib import Path
    >>> find_band_columns(Path("t.csv"), ["id", "soc_2010", "wn_4000", "wn_2000"]).wavelength
    array([2500., 5000.])
    """
    plain = [name for name in names if PLAIN.fullmatch(name) and name not in keys]
    if len(plain) > 1:
        return BandColumns(plain, np.array([float(name) for name in plain]))
    groups: dict[tuple[str, str], list[tuple[str, float]]] = {}
    for name in names:
        match = _NUMBERED.fullmatch(name.strip())
        if match and name not in keys:
            groups.setdefault((match[1].lower(), match[3].lower()), []).append((name, float(match[2])))
    found: dict[bool, list[BandColumns]] = {True: [], False: []}
    for (before, after), members in groups.items():
        bands = _band_columns(before, after, members)
        known = _KNOWN.fullmatch(before.strip(" ._-")) is not None
        if bands is not None and len(members) >= (2 if known else _FEWEST_UNKNOWN):
            found[known].append(bands)
    candidates = found[True] or found[False]
    if len(candidates) > 1:
        raise SamplesError(
            path,
            found=f"bands of {len(candidates)} kinds: {', '.join(bands.names[0] for bands in candidates[:4])}, ...",
            expected="bands of one kind",
            way_out="remove the columns of the others",
        )
    return candidates[0] if candidates else BandColumns(plain, np.array([float(name) for name in plain]))


def _band_columns(before: str, after: str, members: list[tuple[str, float]]) -> BandColumns | None:
    """Return the bands of columns with the same text before and after the number; None if they are not wavelengths."""
    numbers = np.array([number for _, number in members])
    unit, words = unit_of(f"{before} {after}"), set(re.split(r"[\W_]+", f"{before} {after}"))
    nm = in_nm(numbers, unit)
    if len(np.unique(nm)) < len(nm) or nm.min() < LOWEST_NM or nm.max() > HIGHEST_NM:
        return None
    quantity: Quantity | None = "absorbance" if words & {"abs", "absorbance"} else None
    quantity = "reflectance" if words & {"ref", "refl", "reflectance"} else quantity
    return BandColumns([name for name, _ in members], nm, unit, quantity)


def unit_of(text: str) -> WavelengthUnit | None:
    """Return the unit of wavelength or wavenumber that a text in lower case states, or None.

    >>> unit_of("wavelength (nm)"), unit_of("1/cm"), unit_of("micrometers"), unit_of("x")
    ('nm', 'cm-1', 'um', None)
    """
    if re.search(r"cm\W*-?1|1\s*/\s*cm|wavenumber|wellenzahl|波数|\bwn(?![a-z])|scan[\W_]?mir", text):
        return "cm-1"
    words = re.split(r"[\W_]+", text)
    if any(word in ("um", "µm", "μm") or word.startswith("micromet") for word in words):
        return "um"
    return "nm" if any(word == "nm" or word.startswith("nanomet") for word in words) else None


def wavelength_column(names: Sequence[str]) -> str | None:
    """Return the column that may hold the wavelengths of the rows, by its name: such a table has a row per wavelength.

    >>> wavelength_column(["Wavelength (nm)", "soil_a"]), wavelength_column(["site", "350", "360"])
    ('Wavelength (nm)', None)
    """
    named = [name for name in names if _WAVELENGTH_COLUMN.fullmatch(name.strip().lower())]
    return named[0] if len(named) == 1 else next((n for n in names if n in (ROW_NAMES, "__index_level_0__")), None)


def is_band_header(names: Sequence[str]) -> bool:
    """Return whether a line is surely the header of a table of spectra, so that lines before it are not of the table.

    It has many wavelengths in order, or starts with the name of a column of wavelengths.

    >>> is_band_header(["id", *map(str, range(350, 400))]), is_band_header(["S1", "350.2", "1.5"])
    (True, False)
    """
    if len(names) > 1 and _WAVELENGTH_COLUMN.fullmatch(names[0].lower()):
        return True
    try:
        nm = find_band_columns(Path(), names).wavelength
    except SamplesError:
        return False
    steps = np.diff(nm)
    return bool(
        len(nm) >= _FEWEST_UNKNOWN
        and ((steps > 0).all() or (steps < 0).all())
        and nm.min() >= LOWEST_NM
        and nm.max() <= HIGHEST_NM
    )


def turn_rows(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table with a row per sample from one with a row per wavelength; any other table is not changed.

    Raises
    ------
    SamplesError
        If rows as well as columns may be wavelengths.
    WavelengthError
        If two rows have the same wavelength.

    Examples
    --------
    >>> from pathlib import Path
    >>> turned = turn_rows(Path("t.csv"), pd.DataFrame({"nm": [350, 360], "1001": [0.1, 0.2]}))
    >>> turned.columns.tolist(), turned.values.tolist()
    (['sample_id', '350 nm', '360 nm'], [['1001', 0.1, 0.2]])
    """
    column = wavelength_column([str(name) for name in frame.columns])
    if column is None or len(frame) < 2:
        return frame
    numbers = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    samples = [name for name in frame.columns if name != column]
    if column in (ROW_NAMES, "__index_level_0__"):
        steps = np.diff(numbers)
        is_series = len(numbers) >= _FEWEST_TURNED and ((steps > 0).all() or (steps < 0).all())
        if not is_series or not LOWEST_NM <= numbers.min() <= numbers.max() <= HIGHEST_NM:
            return frame
        if len(find_band_columns(path, [str(name) for name in samples]).names) > 1:
            raise SamplesError(
                path,
                found="names of rows and of columns that may both be wavelengths",
                expected="a name for the first column",
                way_out="name it wavelength if each row is a wavelength, or sample_id if each row is a sample",
            )
    elif np.isfinite(numbers).sum() < max(2, len(frame) / 2):
        return frame
    unit = unit_of(column.lower())
    labels = [
        f"{label} {unit}" if unit and PLAIN.fullmatch(str(label)) else str(label).strip() for label in frame[column]
    ]
    repeated = pd.Index(labels)[pd.Index(labels).duplicated()]
    if len(repeated):
        raise WavelengthError(
            path,
            found=f"two rows at wavelength {repeated[0]}",
            expected="one row per wavelength",
            way_out="remove one of them",
        )
    turned = frame[samples].T.infer_objects()
    turned.columns = pd.Index(labels)
    turned.insert(0, "sample_id", [str(name) for name in samples])
    turned.attrs = frame.attrs
    return turned.reset_index(drop=True)
