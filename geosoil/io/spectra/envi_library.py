"""Read ENVI spectral libraries: a text header `.hdr` and a binary file of all spectra."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.rasters.envi_header import parse_header
from geosoil.io.rasters.wavelengths import NM_PER_UNIT
from geosoil.io.spectra.stored import StoredSpectra, in_nm

DATA_TYPES = {1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 12: "u2", 13: "u4", 14: "i8", 15: "u8"}
BYTE_ORDERS = {0: "<", 1: ">"}


def read_envi_library(path: str | Path) -> StoredSpectra:
    """Read the spectra of an ENVI spectral library.

    Parameters
    ----------
    path : path-like
        The data file (`.sli`) or the header (`.hdr`) of the library.

    Returns
    -------
    StoredSpectra
        All spectra, without the bands that the header marks as bad (`bbl` 0).

    Raises
    ------
    SamplesError
        If a file is missing, the header is invalid, or the data file is shorter than the header says.
    UnitsError
        If the unit of wavelength is unknown.

    Examples
    --------
    >>> import tempfile
    >>> header = "ENVI; samples = 2; lines = 1; data type = 4; wavelength = {400, 500}; spectra names = {clay}"
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "clay.sli"
    ...     np.array([0.5, 0.25], "<f4").tofile(path)
    ...     _ = path.with_suffix(".hdr").write_text(header.replace("; ", chr(10)))
    ...     library = read_envi_library(path)
    >>> library.ids, library.values
    (['clay'], array([[0.5 , 0.25]]))
    """
    header_path, data_path = _find_files(Path(path))
    header = _header(header_path)
    band, spectrum = _integer(header_path, header, "samples"), _integer(header_path, header, "lines")
    offset = _integer(header_path, header, "header offset", "0")
    code, order = _integer(header_path, header, "data type"), _integer(header_path, header, "byte order", "0")
    if _integer(header_path, header, "bands", "1") != 1 or code not in DATA_TYPES or order not in BYTE_ORDERS:
        raise SamplesError(
            header_path,
            found=f"bands = {header.get('bands')}, data type = {code}, byte order = {order}",
            expected=f"one band, data type {sorted(DATA_TYPES)}, byte order 0 or 1",
            way_out="if it is an image, read it as a raster",
        )
    number = np.dtype(BYTE_ORDERS[order] + DATA_TYPES[code])
    needed, size = offset + band * spectrum * number.itemsize, data_path.stat().st_size
    if band < 2 or spectrum < 1 or size < needed:
        raise SamplesError(
            data_path,
            found=f"{size} bytes",
            expected=f"{needed} for {spectrum} spectra of {band} bands, as {header_path.name} says",
            way_out="the file is truncated or belongs to another header",
        )
    stored = np.fromfile(data_path, number, band * spectrum, offset=offset).reshape(spectrum, band)
    with np.errstate(all="ignore"):  # of damaged numbers
        values = stored.astype(np.float64)
    if "data ignore value" in header:
        values[values == _numbers(header_path, header, "data ignore value", 1)[0]] = np.nan
    wavelength = _numbers(header_path, header, "wavelength", band)
    good = _numbers(header_path, header, "bbl", band) != 0 if "bbl" in header else np.ones(band, dtype=bool)
    factor = (
        _numbers(header_path, header, "reflectance scale factor", 1)[0]
        if "reflectance scale factor" in header
        else None
    )
    if factor is not None and not factor > 0:
        raise UnitsError(
            header_path, found=f"reflectance scale factor = {factor:g}", expected="more than 0", way_out="correct it"
        )
    names = _items(header["spectra names"]) if "spectra names" in header else [str(i + 1) for i in range(spectrum)]
    if len(names) != spectrum:
        raise SamplesError(
            header_path,
            found=f"{len(names)} spectra names",
            expected=f"{spectrum} names",
            way_out="add one name per spectrum",
        )
    is_wavenumber = header.get("wavelength units", "").lower() == "wavenumber"
    return StoredSpectra(
        in_nm(wavelength[good], "cm-1") if is_wavenumber else wavelength[good],
        values[:, good],
        names,
        pd.DataFrame(index=range(spectrum)),
        nm_per_unit=_nm_per_unit(header_path, header),
        scale=1.0 if factor is None else 1 / factor,
        named_unit="cm-1" if is_wavenumber else None,
    )


def is_library_header(path: Path) -> bool:
    """Return whether a file is the ENVI header of a library of spectra, and not that of a cube."""
    try:
        return "spectral library" in _header(path).get("file type", "").lower()
    except (OSError, SamplesError):
        return False


def _find_files(path: Path) -> tuple[Path, Path]:
    """Return the header and the data file of a library from the path of either."""
    if path.suffix.lower() == ".hdr":
        headers, stems = [path], [path.with_suffix(""), path.with_suffix(".sli")]
    else:
        headers, stems = [path.with_suffix(".hdr"), path.with_name(path.name + ".hdr")], [path]
    for candidates, what in ((headers, "header"), (stems, "data file")):
        if not any(candidate.is_file() for candidate in candidates):
            names = " or ".join(candidate.name for candidate in candidates)
            raise SamplesError(
                path, found=f"no {what}", expected=f"{names} in the same folder", way_out="keep both files together"
            )
    return next(p for p in headers if p.is_file()), next(p for p in stems if p.is_file())


def _header(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8", errors="replace")
    if text[:4].upper() != "ENVI":
        raise SamplesError(
            path, found=f"text that starts with {text[:4]!r}", expected="an ENVI header", way_out="check the file"
        )
    return parse_header(text)


def _integer(path: Path, header: dict[str, str], key: str, default: str | None = None) -> int:
    value = header.get(key, default)
    if value is None or not value.isdecimal() or len(value) > 12:
        raise SamplesError(path, found=f"{key} = {value}", expected="a whole number", way_out="correct the header")
    return int(value)


def _items(value: str) -> list[str]:
    return [item.strip() for item in value.strip("{} \t\n").split(",")]


def _numbers(path: Path, header: dict[str, str], key: str, count: int) -> np.ndarray:
    items = _items(header.get(key, ""))
    try:
        numbers = np.array([float(item) for item in items])
    except ValueError:
        numbers = np.empty(0)
    if numbers.size != count:
        raise SamplesError(
            path,
            found=f"{key} of {len(items)} items" if key in header else f"no {key}",
            expected=f"{count} numbers",
            way_out="complete the header",
        )
    return numbers


def _nm_per_unit(path: Path, header: dict[str, str]) -> float | None:
    unit = header.get("wavelength units", "unknown").lower()
    if unit not in ("unknown", "wavenumber") and unit not in NM_PER_UNIT:
        raise UnitsError(
            path,
            found=f"wavelength units = {unit}",
            expected="nanometers, micrometers or wavenumber",
            way_out="convert the library",
        )
    return NM_PER_UNIT.get(unit)
