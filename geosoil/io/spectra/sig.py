"""Read SIG files of Spectra Vista: text with a header, then wavelengths, reference, target and reflectance in %."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.spectra.content import number_rows, read_lines
from geosoil.io.spectra.stored import StoredSpectra, measured

if TYPE_CHECKING:
    from pathlib import Path

START = b"/*** Spectra Vista"
COLUMNS, PERCENT = 4, 3
MOST_DETECTORS = 8


def read_sig(path: Path) -> StoredSpectra:
    """Read the reflectance of a SIG file.

    Where two detectors overlap, their wavelengths are in the file twice. Of each overlap the lower half is taken from
    the first detector, and the upper half from the second; a note says where.

    Parameters
    ----------
    path : Path
        The `.sig` file.

    Returns
    -------
    StoredSpectra
        One spectrum.

    Raises
    ------
    SamplesError
        If the file is not a SIG file, or has lines that are not four numbers.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> rows = "350.0  8.0  2.0  25.00\\n351.5  8.0  4.0  50.00\\n"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "soil.sig"
    ...     _ = path.write_text("/*** Spectra Vista SIG Data ***/\\nname= soil\\ndata= \\n" + rows)
    ...     spectrum = read_sig(path)
    >>> spectrum.wavelength, spectrum.values * spectrum.scale
    (array([350. , 351.5]), array([[0.25, 0.5 ]]))
    """
    lines = read_lines(path)
    start = next((i for i, line in enumerate(lines) if line.replace(" ", "").lower() == "data="), None)
    if not lines[0].startswith(START.decode()) or start is None:
        raise SamplesError(
            path,
            found="no line `data=`" if start is None else f"text that starts with {lines[0][:40]!r}",
            expected="a SIG file of Spectra Vista",
            way_out="export it again with the instrument's software",
        )
    rows = number_rows(path, lines[start + 1 :], start + 2, COLUMNS)
    kept, limits = _without_overlaps(path, rows[:, 0])
    notes: tuple[str, ...] = ()
    if limits:
        places = " and ".join(f"{limit:g} nm" for limit in limits)
        notes = (f"{path.name}: detectors overlap and are joined at {places}",)
    return measured(path, rows[kept, 0], rows[kept, PERCENT], quantity="reflectance", scale=0.01, notes=notes)


def _without_overlaps(path: Path, wavelength_nm: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Return which bands to keep, and the middle of each overlap of detectors in nm."""
    kept = np.ones(len(wavelength_nm), bool)
    starts = np.flatnonzero(np.diff(wavelength_nm) <= 0) + 1
    limits: list[float] = []
    if len(starts) >= MOST_DETECTORS:
        raise SamplesError(
            path,
            found=f"wavelengths that step back {len(starts)} times",
            expected="increasing wavelengths for each detector",
            way_out="the file is damaged: copy it again",
        )
    for start in starts:
        limit = float(wavelength_nm[start - 1] + wavelength_nm[start]) / 2
        kept[:start] &= wavelength_nm[:start] < limit
        kept[start:] &= wavelength_nm[start:] >= limit
        limits.append(limit)
    return kept, limits
