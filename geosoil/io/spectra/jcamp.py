"""Read JCAMP-DX files of infrared spectra: all forms of (X++(Y..Y)), pairs (XY..XY), and files of several blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.band_names import unit_of
from geosoil.io.spectra.content import MOST_BANDS, even_axis, read_lines
from geosoil.io.spectra.jcamp_numbers import decode_lines, decode_pairs
from geosoil.io.spectra.stored import Quantity, StoredSpectra, WavelengthUnit, measured

if TYPE_CHECKING:
    from pathlib import Path

START = b"##"
_NO_UNIT = ("", "arbitraryunits", "arbitrary")
_FORMS = {"XYDATA": "(X++(Y..Y))", "XYPOINTS": "(XY..XY)"}

Record = tuple[str, int, list[str]]  # what is behind the sign =, the number of its line, and the lines that follow


def read_jcamp(path: Path) -> StoredSpectra:
    """Read all spectra of a JCAMP-DX file; transmittance and arbitrary units need a statement of the user.

    Parameters
    ----------
    path : Path
        The file, mostly named `.jdx` or `.dx`.

    Returns
    -------
    StoredSpectra
        One row per block with data; `title` is in the table.

    Raises
    ------
    SamplesError
        If the file is not a JCAMP-DX file, is truncated, or has damaged numbers.
    UnitsError
        If the axis or the values are of another kind.
    WavelengthError
        If the spectra have different axes.
    """
    blocks = [block for block in _blocks(path, read_lines(path)) if block.keys() & _FORMS.keys()]
    if not blocks:
        raise SamplesError(
            path,
            found="no XYDATA and no XYPOINTS",
            expected="a JCAMP-DX file of spectra",
            way_out="export it again as a spectrum, not as a table of peaks",
        )
    spectra = [_spectrum(path, block) for block in blocks]
    axis, unit, kind = spectra[0][0], spectra[0][2], spectra[0][3]
    for number, other in enumerate(spectra[1:], start=2):
        if not np.array_equal(other[0], axis) or other[2:] != (unit, kind):
            raise WavelengthError(
                path,
                found=f"block {number} with another axis or other units than the first",
                expected="spectra on one axis",
                way_out="export them to one file each",
            )
    quantity, scale, unclear = kind
    titles = [block["TITLE"][0] if "TITLE" in block else "" for block in blocks]
    return measured(
        path,
        axis,
        [values for _, values, *_ in spectra],
        unit,
        columns={"title": titles},
        quantity=quantity,
        scale=scale,
        unclear=unclear,
    )


def _blocks(path: Path, lines: list[str]) -> list[dict[str, Record]]:
    """Return the records of each block, from a title to its end; blocks may be inside a block."""
    if not any(line.lstrip("\ufeff \t").startswith("##") for line in lines[:20]):
        raise SamplesError(
            path,
            found="no line that starts with ##",
            expected="a JCAMP-DX file",
            way_out="export it again with the instrument's software",
        )
    blocks: list[dict[str, Record]] = []
    is_open: list[dict[str, Record]] = []
    rest: list[str] = []
    for number, line in enumerate(lines, start=1):
        text = line.partition("$$")[0].strip()  # a comment
        match = re.match(r"##([^=]*)=(.*)", text)
        if match is None:
            rest.append(text)
            continue
        label, rest = re.sub(r"[\s/_-]", "", match[1]).upper(), []
        if label == "TITLE":
            is_open.append({})
            blocks.append(is_open[-1])
        elif label == "END" and is_open:
            is_open.pop()["END"] = ("", number, [])
        if is_open and label not in is_open[-1]:
            is_open[-1][label] = (match[2].strip(), number, rest)
    unfinished = [block for block in blocks if "END" not in block and block.keys() & _FORMS.keys()]
    if unfinished:
        raise SamplesError(
            path, found="no END", expected="the end of the block", way_out="the file is truncated: copy it again"
        )
    return blocks


def _spectrum(
    path: Path, block: dict[str, Record]
) -> tuple[np.ndarray, np.ndarray, WavelengthUnit | None, tuple[Quantity | None, float, str]]:
    """Return the axis, the values, the unit of the axis, and quantity, scale and unclear kind of the values."""
    label = next(iter(block.keys() & _FORMS.keys()))
    form, line, lines = block[label]
    data_type = block["DATATYPE"][0] if "DATATYPE" in block else ""
    if re.search(r"nmr|raman|mass|interferogram", data_type, re.IGNORECASE):
        raise UnitsError(
            path, found=f"DATA TYPE {data_type[:30]}", expected="INFRARED SPECTRUM", way_out="leave this file out"
        )
    if re.sub(r"\s", "", form).upper() != _FORMS[label]:
        raise SamplesError(
            path, found=f"{label} {form[:30]}", expected=_FORMS[label], way_out="export it again as a spectrum"
        )
    count = _number(path, block, "NPOINTS")
    if not 2 <= count <= MOST_BANDS or count != int(count):
        raise SamplesError(
            path,
            found=f"NPOINTS {count:g}",
            expected="two or more bands",
            way_out="the file is damaged: copy it again",
        )
    x_factor, y_factor = _number(path, block, "XFACTOR", 1.0), _number(path, block, "YFACTOR", 1.0)
    if label == "XYDATA":
        axis = even_axis(_number(path, block, "FIRSTX"), _number(path, block, "LASTX"), int(count))
        ordinates = decode_lines(path, lines, line + 1, axis / x_factor)
    else:
        pairs = decode_pairs(path, lines, line + 1, int(count))
        axis, ordinates = pairs[:, 0] * x_factor, pairs[:, 1]
    return axis, ordinates * y_factor, _axis_unit(path, block), _kind(path, block)


def _number(path: Path, block: dict[str, Record], label: str, default: float | None = None) -> float:
    text = block[label][0] if label in block else None
    try:
        number = float(default if text is None and default is not None else str(text).replace(",", "."))
    except ValueError:
        number = np.nan
    if not 1e-30 < abs(number) < 1e30 and not (number == 0 and not label.endswith("FACTOR")):
        raise SamplesError(
            path,
            found=f"no {label}" if text is None else f"{label} {text[:30]}",
            expected="a number",
            way_out="the file is damaged: copy it again",
        )
    return number


def _axis_unit(path: Path, block: dict[str, Record]) -> WavelengthUnit | None:
    text = block["XUNITS"][0].lower() if "XUNITS" in block else ""
    unit = unit_of(text)
    if unit is None and re.sub(r"\s", "", text) not in _NO_UNIT:
        raise UnitsError(
            path,
            found=f"XUNITS {text[:30]}",
            expected="1/CM, NANOMETERS or MICROMETERS",
            way_out="leave this file out",
        )
    return unit


def _kind(path: Path, block: dict[str, Record]) -> tuple[Quantity | None, float, str]:
    """Return the quantity of the values, their factor, and what they are if they may or may not be one."""
    text = block["YUNITS"][0].lower() if "YUNITS" in block else ""
    words = re.sub(r"[\s.]", "", text)
    if re.fullmatch(r"absorb(ance)?(units?)?|abs|a|log(10)?\(?1/r\)?|-log(10)?\(?r\)?", words):
        return "absorbance", 1.0, ""
    if match := re.fullmatch(r"(?P<percent>%|percent)?(reflectance|reflection|refl|r)(?P<after>\(?%\)?)?", words):
        return "reflectance", 0.01 if match["percent"] or match["after"] else 1.0, ""
    if words in _NO_UNIT or re.fullmatch(r"(%|percent)?(transmittance|transmission|trans|t)?(\(?%\)?)?", words):
        return None, 1.0, text.strip() or "values without unit"
    raise UnitsError(
        path,
        found=f"YUNITS {text[:30]}",
        expected="ABSORBANCE or REFLECTANCE",
        way_out="convert it in the instrument's software, or leave it out",
    )
