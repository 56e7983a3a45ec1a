"""Read the binary files of Bruker OPUS: of their blocks, the final spectrum of reflectance or absorbance."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import SamplesError, UnitsError
from geosoil.io.spectra.content import MOST_BANDS, even_axis, read_content, require_size, stored_numbers
from geosoil.io.spectra.stored import Quantity, StoredSpectra, measured

if TYPE_CHECKING:
    from pathlib import Path

# The layout as brukeropus (MIT) documents it: a header of 24 bytes with the place of the directory; 12 bytes per block
# there (type, size in words of 4 bytes, start). The bits of a type are the fields of `_Block`.
START = b"\n\n\xfe\xfe"
HEADER_BYTES, ENTRY_BYTES, MOST_BLOCKS = 24, 12, 4096
SAMPLE, REFERENCE = 1, 2  # single-channel spectra; results have another source
DATA_STATUS, SAMPLE_PARAMETERS = 1, 10
DIRECTORY = 13
SERIES, COMPACT, REPORT = 2, 4, 5
RESULTS: dict[int, tuple[str, Quantity | None]] = {
    4: ("absorbance", "absorbance"),
    5: ("transmittance", None),
    12: ("reflectance", "reflectance"),
    15: ("log reflectance", None),  # of R or of 1/R
    16: ("an ATR spectrum", None),
    18: ("a result of arithmetic like transmittance", None),
    19: ("a result of arithmetic like absorbance", None),
}
UNITS = {"WN": "cm-1", "MI": "um"}  # of the parameter DXU


@dataclass(frozen=True)
class _Block:
    complex_part: int
    source: int
    parameters: int
    data: int
    derivative: int
    extra: int
    start: int
    size: int

    @classmethod
    def of(cls, kind: int, words: int, start: int) -> _Block:
        return cls(
            kind & 3, kind >> 2 & 3, kind >> 4 & 63, kind >> 10 & 127, kind >> 17 & 3, kind >> 19 & 7, start, words * 4
        )

    @property
    def signal(self) -> tuple[int, ...]:
        """What a block of data and its block of status have in common."""
        return self.complex_part, self.source, self.data, self.derivative, self.extra

    @property
    def is_spectrum(self) -> bool:
        return not self.parameters and self.data not in (0, DIRECTORY) and self.extra not in (SERIES, REPORT)

    @property
    def is_result(self) -> bool:
        return self.is_spectrum and self.source not in (SAMPLE, REFERENCE) and self.data in RESULTS


def read_opus(path: Path, quantity: Quantity | None = None) -> StoredSpectra:
    """Read the final spectrum of an OPUS file, never a single-channel one.

    Parameters
    ----------
    path : Path
        The file, whose ending is a number such as `.0`.
    quantity : {"reflectance", "absorbance"}, optional
        Which spectrum to take if the file has both; default: the last one. A spectrum of transmittance, ATR or
        arithmetic is taken only with it.

    Returns
    -------
    StoredSpectra
        One spectrum; `sample_name` is in the table if the file has it.

    Raises
    ------
    SamplesError
        If the file is not an OPUS file, is damaged, or has no such spectrum.
    UnitsError
        If the axis is neither in wavenumbers nor in micrometres.
    """
    content = read_content(path)
    blocks = _directory(path, content)
    results = [block for block in blocks if block.is_result and block.complex_part != 2 and not block.derivative]
    results.sort(key=lambda block: block.start)
    certain = [block for block in results if RESULTS[block.data][1] is not None]
    chosen = [block for block in certain if quantity in (None, RESULTS[block.data][1])] or certain or results
    if not chosen:
        names = "only single-channel spectra" if any(block.is_spectrum for block in blocks) else "no spectrum"
        raise SamplesError(
            path,
            found=names,
            expected="a spectrum of reflectance or absorbance",
            way_out="save the result with the measurement in OPUS",
        )
    block = chosen[-1]
    name, stated = RESULTS[block.data]
    values, status = _values(path, content, block, blocks, results)
    notes: tuple[str, ...] = ()
    if len(results) > 1:
        kinds = ", ".join(RESULTS[other.data][0] for other in results)
        notes = (f"{path.name}: of {len(results)} spectra ({kinds}), the last one of {name} is taken",)
    unit = UNITS.get(str(status["DXU"]))
    if unit is None:
        raise UnitsError(
            path, found=f"an axis in {status['DXU']}", expected="wavenumbers or micrometres", way_out="leave it out"
        )
    axis = even_axis(status["FXV"], status["LXV"], len(values))
    sample = _sample_name(path, content, blocks)
    columns = {"sample_name": [sample]} if sample else {}
    unclear = "" if stated else name
    return measured(path, axis, values, unit, columns=columns, quantity=stated, unclear=unclear, notes=notes)  # type: ignore[arg-type]


def _directory(path: Path, content: bytes) -> list[_Block]:
    if not content.startswith(START):
        raise SamplesError(
            path,
            found=f"a file that starts with {content[:4]!r}",
            expected="an OPUS file",
            way_out="export it again from OPUS",
        )
    require_size(path, content, HEADER_BYTES)
    start, most = struct.unpack_from("<ii", content, 12)
    if start < HEADER_BYTES or not 0 < most <= MOST_BLOCKS:
        raise _damaged(path, f"a directory of {most} blocks at byte {start}")
    require_size(path, content, start + ENTRY_BYTES)
    blocks = []
    for at in range(start, min(start + most * ENTRY_BYTES, len(content) - ENTRY_BYTES + 1), ENTRY_BYTES):
        kind, words, first = struct.unpack_from("<Iii", content, at)
        if first <= 0:
            break
        block = _Block.of(kind, words, first)
        if words < 0 or first + block.size > len(content):
            raise _damaged(path, f"a block of {words} words at byte {first} in {len(content)} bytes")
        blocks.append(block)
    return blocks


def _parameters(path: Path, content: bytes, block: _Block) -> dict[str, Any]:
    """Return the parameters of a block: names of three letters with whole numbers, numbers or text."""
    found: dict[str, Any] = {}
    at, end = block.start, block.start + block.size
    while at + 8 <= end and content[at : at + 3] != b"END":
        kind, words = struct.unpack_from("<hh", content, at + 4)
        size = words * 2
        first = at + 8
        if size < 0 or first + size > end or ((kind, size) not in ((0, 4), (1, 8)) and kind < 2):
            raise _damaged(path, f"a parameter of type {kind} and {size} bytes at byte {at}")
        name = content[at : at + 3].decode("latin-1")
        if kind == 0:
            (found[name],) = struct.unpack_from("<i", content, first)
        elif kind == 1:
            (found[name],) = struct.unpack_from("<d", content, first)
        else:
            found[name] = content[first : first + size].split(b"\0")[0].decode("latin-1").strip()
        at = first + size
    return found


def _values(
    path: Path, content: bytes, block: _Block, blocks: list[_Block], results: list[_Block]
) -> tuple[np.ndarray, dict[str, Any]]:
    """Return the values of a block and its status, which states their number, axis and factor."""
    same = [other for other in results if other.signal == block.signal]
    of_status = [other for other in blocks if other.parameters == DATA_STATUS and other.signal == block.signal]
    candidates = [_parameters(path, content, other) for other in sorted(of_status, key=lambda other: other.start)]
    read = [(_numbers(path, content, block, status), status) for status in candidates]
    agreeing = [pair for pair in read if _agrees(*pair)]
    if agreeing:
        return agreeing[-1]
    if len(read) != len(same):
        raise _damaged(path, f"{len(read)} blocks of status for {len(same)} spectra of one kind")
    return read[same.index(block)]


def _numbers(path: Path, content: bytes, block: _Block, status: dict[str, Any]) -> np.ndarray:
    count, form, factor = status.get("NPT"), status.get("DPF", 1), status.get("CSF", 1.0)
    ends = [status.get(name) for name in ("FXV", "LXV")]
    if not (
        isinstance(count, int)
        and 2 <= count <= MOST_BANDS
        and form in (1, 2)
        and all(isinstance(end, float) and np.isfinite(end) for end in (*ends, factor))
        and isinstance(status.get("DXU"), str)
    ):
        raise _damaged(path, f"NPT {count}, DPF {form}, CSF {factor}, FXV and LXV {ends}, DXU {status.get('DXU')}")
    if block.size < count * 4:
        raise _damaged(path, f"{block.size // 4} numbers for {count} bands")
    first = block.start + (block.size - count * 4 if block.extra == COMPACT else 0)
    return stored_numbers(content, "<f4" if form == 1 else "<i4", count, first, factor)


def _agrees(values: np.ndarray, status: dict[str, Any]) -> bool:
    """Return whether the smallest and the largest value are those that the status states."""
    stated: list[Any] = [status.get("MNY"), status.get("MXY")]
    if not all(isinstance(value, float) for value in stated):
        return False
    return bool(np.allclose([values.min(), values.max()], stated, rtol=1e-5, atol=0))


def _sample_name(path: Path, content: bytes, blocks: list[_Block]) -> str:
    for block in blocks:
        if block.parameters == SAMPLE_PARAMETERS:
            name = _parameters(path, content, block).get("SNM")
            if isinstance(name, str) and name:
                return name
    return ""


def _damaged(path: Path, found: str) -> SamplesError:
    return SamplesError(
        path, found=found, expected="the blocks of an OPUS file", way_out="the file is damaged: copy it again"
    )
