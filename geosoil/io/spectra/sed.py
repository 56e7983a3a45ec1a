"""Read SED files of Spectral Evolution: text with a header, and a table of wavelengths and reflectance."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from geosoil.errors import SamplesError
from geosoil.io.spectra.content import number_rows, read_lines
from geosoil.io.spectra.stored import StoredSpectra, measured

if TYPE_CHECKING:
    from pathlib import Path

_WAVELENGTH = re.compile(r"w(vl|l|avelength)\b.*", re.IGNORECASE)
_REFLECTANCE = re.compile(r"reflect(ance|\.)?\s*(?P<unit>%|\[?1(\.0+)?\]?)?", re.IGNORECASE)


def read_sed(path: Path) -> StoredSpectra:
    """Read the reflectance of an SED file; its column says whether it is in percent or a fraction.

    Parameters
    ----------
    path : Path
        The `.sed` file.

    Returns
    -------
    StoredSpectra
        One spectrum.

    Raises
    ------
    SamplesError
        If the file has no reflectance, another number of bands than its header says, or lines that are not numbers.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "soil.sed"
    ...     _ = path.write_text("Version: 2.2\\nChannels: 2\\nData:\\nWvl\\tReflect. %\\n350.0\\t9.5\\n351.0\\t9.4\\n")
    ...     spectrum = read_sed(path)
    >>> spectrum.values * spectrum.scale, spectrum.ids
    (array([[0.095, 0.094]]), ['soil'])
    """
    lines = read_lines(path)
    start = next((i for i, line in enumerate(lines) if line.strip().lower() == "data:"), None)
    if start is None or start + 1 >= len(lines):
        raise SamplesError(
            path,
            found="no line `Data:`",
            expected="an SED file",
            way_out="export it again with the instrument's software",
        )
    names = [name.strip() for name in lines[start + 1].split("\t")]
    found = [(i, match) for i, name in enumerate(names) if (match := _REFLECTANCE.fullmatch(name))]
    if len(found) != 1 or not _WAVELENGTH.fullmatch(names[0]):
        raise SamplesError(
            path,
            found=f"the columns {', '.join(names)[:100]}",
            expected="wavelengths, and one column of reflectance",
            way_out="export reflectance with the instrument's software",
        )
    [(column, match)] = found
    rows = number_rows(path, lines[start + 2 :], start + 3, len(names))
    stated = [line.partition(":")[2].strip() for line in lines[:start] if line.lower().startswith("channels:")]
    if stated and stated[-1].isdecimal() and stated[-1] != str(len(rows)):
        raise SamplesError(
            path,
            found=f"{len(rows)} bands",
            expected=f"{stated[-1][:12]}, as its header says",
            way_out="the file is truncated: copy it again",
        )
    scale = 0.01 if match["unit"] == "%" else 1.0
    return measured(path, rows[:, 0], rows[:, column], quantity="reflectance", scale=scale)
