"""Read SPC files of Thermo Galactic GRAMS: new files of either byte order (4B, 4C) and old ones (4D)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import SamplesError, UnitsError, WavelengthError
from geosoil.io.spectra.band_names import unit_of
from geosoil.io.spectra.content import MOST_BANDS, even_axis, read_content, require_size, stored_numbers
from geosoil.io.spectra.stored import Quantity, StoredSpectra, WavelengthUnit, measured

if TYPE_CHECKING:
    from pathlib import Path

# As in Galactic's spc.h: a header of 512 bytes (256 with the first subheader if old), x if stored, and then for each
# spectrum a subheader of 32 bytes, its own x if stored, and y as float32 or as integers with a common exponent.
NEW_LITTLE, NEW_BIG, OLD, SHIMADZU = 0x4B, 0x4C, 0x4D, 0xCF
SINGLE_PRECISION, SEVERAL, AXIS_LABELS, OWN_X, STORED_X = 1, 4, 0x20, 0x40, 0x80  # flags
FLOAT_EXPONENT = -128
NEW_BYTES, OLD_BYTES, SUBHEADER_BYTES = 512, 224, 32
AXES: dict[int, WavelengthUnit | None] = {0: None, 1: "cm-1", 2: "um", 3: "nm"}
QUANTITIES: dict[int, tuple[str, Quantity | None]] = {
    0: ("values in arbitrary units", None),
    2: ("absorbance", "absorbance"),
    10: ("log(1/R)", "absorbance"),
    11: ("percent", None),
    128: ("transmittance", None),
    129: ("reflectance", "reflectance"),
}


@dataclass(frozen=True)
class _Header:
    order: str
    flags: int
    exponent: int
    bands: int
    first: float
    last: float
    spectra: int  # 0 if the header does not state it
    x_type: int
    y_type: int
    labels: str
    at: int  # where x or the first subheader is
    is_old: bool


def read_spc(path: Path) -> StoredSpectra:
    """Read all spectra of an SPC file.

    Parameters
    ----------
    path : Path
        The `.spc` file.

    Returns
    -------
    StoredSpectra
        One row per spectrum. Transmittance, percent and arbitrary units have no quantity: the user states it.

    Raises
    ------
    SamplesError
        If the file is not an SPC file, or is truncated or damaged.
    UnitsError
        If the axis or the values are of another kind, such as time or an interferogram.
    WavelengthError
        If the spectra have different axes.
    """
    content = read_content(path)
    header = _header(path, content)
    unit, quantity, unclear = _kinds(path, header)
    axes, values = _spectra(path, content, header)
    if any(not np.array_equal(axis, axes[0]) for axis in axes[1:]):
        raise WavelengthError(
            path,
            found=f"{len(axes)} spectra with different axes",
            expected="one axis",
            way_out="export them to one file each",
        )
    return measured(path, axes[0], values, unit, quantity=quantity, unclear=unclear)


def _header(path: Path, content: bytes) -> _Header:
    version = content[1] if len(content) > 1 else 0
    if version == SHIMADZU:
        raise SamplesError(
            path, found="an SPC file of Shimadzu", expected="one of GRAMS", way_out="export it as text or JCAMP-DX"
        )
    if version == OLD:
        require_size(path, content, OLD_BYTES + SUBHEADER_BYTES)
        flags, _, exponent, bands, first, last, x_type, y_type = struct.unpack_from("<BBhfffBB", content)
        if not 2 <= bands <= MOST_BANDS or bands != int(bands) or flags & OWN_X:
            raise _damaged(path, f"{bands:g} bands, flags {flags:02X}")
        several = 0 if flags & SEVERAL else 1
        return _Header(
            "<", flags, exponent, int(bands), first, last, several, x_type, y_type, "", OLD_BYTES, is_old=True
        )
    if version not in (NEW_LITTLE, NEW_BIG):
        raise SamplesError(
            path,
            found=f"version {version:02X} of an SPC file",
            expected="4B, 4C or 4D",
            way_out="it is damaged or another format: export it again",
        )
    require_size(path, content, NEW_BYTES)
    order = "<" if version == NEW_LITTLE else ">"
    flags, _, _, exponent, bands, first, last, spectra, x_type, y_type = struct.unpack_from(
        f"{order}BBBbIddIBB", content
    )
    labels = content[218:248].decode("latin-1") if flags & AXIS_LABELS else ""
    if not flags & OWN_X and not 2 <= bands <= MOST_BANDS:
        raise _damaged(path, f"{bands} bands")
    if not 1 <= spectra <= len(content) // SUBHEADER_BYTES:
        raise _damaged(path, f"{spectra} spectra in {len(content)} bytes")
    return _Header(order, flags, exponent, bands, first, last, spectra, x_type, y_type, labels, NEW_BYTES, is_old=False)


def _kinds(path: Path, header: _Header) -> tuple[WavelengthUnit | None, Quantity | None, str]:
    """Return the unit of the axis, the quantity, and what the values are if they may or may not be one."""
    names = [name.strip().lower() for name in header.labels.split("\0")]
    unit = unit_of(names[0]) if names[0] else None
    if unit is None:
        if header.x_type not in AXES:
            raise UnitsError(
                path,
                found=f"an axis of type {header.x_type}",
                expected="wavelengths or wavenumbers (types 0 to 3)",
                way_out="leave this file out",
            )
        unit = AXES[header.x_type]
    if header.y_type not in QUANTITIES:
        raise UnitsError(
            path,
            found=f"values of type {header.y_type}",
            expected="reflectance (129), absorbance (2) or log(1/R) (10)",
            way_out="convert it in the instrument's software, or leave it out",
        )
    name, quantity = QUANTITIES[header.y_type]
    return unit, quantity, "" if quantity else name


def _spectra(path: Path, content: bytes, header: _Header) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the axis and the values of each spectrum."""
    at, order = header.at, header.order
    axis = even_axis(header.first, header.last, header.bands) if not header.flags & OWN_X else None
    if header.flags & STORED_X and not header.flags & OWN_X and not header.is_old:
        require_size(path, content, at + 4 * header.bands)
        axis = stored_numbers(content, f"{order}f4", header.bands, at)
        at += 4 * header.bands
    axes: list[np.ndarray] = []
    values: list[np.ndarray] = []
    while len(values) < header.spectra or (not header.spectra and at + SUBHEADER_BYTES < len(content)):
        require_size(path, content, at + SUBHEADER_BYTES)
        (sub_exponent,) = struct.unpack_from(f"{order}b", content, at + 1)
        (sub_bands,) = struct.unpack_from(f"{order}I", content, at + 16)
        at += SUBHEADER_BYTES
        bands = header.bands if axis is not None else sub_bands
        if not 2 <= bands <= MOST_BANDS:
            raise _damaged(path, f"{bands} bands in spectrum {len(values) + 1}")
        if axis is None:
            require_size(path, content, at + 4 * bands)
            axes.append(stored_numbers(content, f"{order}f4", bands, at))
            at += 4 * bands
        else:
            axes.append(axis)
        numbers, size = _ordinates(path, content, header, sub_exponent, at, bands)
        values.append(numbers)
        at += size
    return axes, values


def _ordinates(
    path: Path, content: bytes, header: _Header, sub_exponent: int, at: int, bands: int
) -> tuple[np.ndarray, int]:
    """Return the values of a spectrum, and their size in bytes."""
    is_float = not header.is_old and FLOAT_EXPONENT in (header.exponent, sub_exponent)
    exponent = sub_exponent if header.flags & SEVERAL and not header.is_old else header.exponent
    if header.is_old and not (-64 <= exponent <= 64 and sub_exponent in (0, exponent)):
        raise _damaged(path, f"exponents {header.exponent} and {sub_exponent}")
    bits = 16 if header.flags & SINGLE_PRECISION and not is_float else 32
    size = bands * bits // 8
    require_size(path, content, at + size)
    if is_float:
        return stored_numbers(content, f"{header.order}f4", bands, at), size
    factor = 2.0 ** (exponent - bits)
    if bits == 16:
        return stored_numbers(content, f"{header.order}i2", bands, at, factor), size
    if header.is_old:  # the two words of an integer are in the other order
        words = np.frombuffer(content, "<u2", 2 * bands, at).reshape(-1, 2)[:, ::-1]
        return stored_numbers(words.tobytes(), "<i4", bands, 0, factor), size
    return stored_numbers(content, f"{header.order}i4", bands, at, factor), size


def _damaged(path: Path, found: str) -> SamplesError:
    return SamplesError(
        path, found=found, expected="the header of an SPC file", way_out="the file is damaged: copy it again"
    )
