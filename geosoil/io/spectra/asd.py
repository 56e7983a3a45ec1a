"""Read the binary spectra of ASD spectroradiometers (FieldSpec, AgriSpec, LabSpec), versions as2 to as8."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from geosoil.errors import SamplesError
from geosoil.io.spectra.content import read_content, require_size, stored_numbers
from geosoil.io.spectra.stored import StoredSpectra, measured

# "ASD File Format version 8, Revision B": little-endian, a header of 484 bytes, the spectrum, a reference
# header (a flag of 2 bytes, two times of 8 bytes, a text with its length in 2 bytes), the reference spectrum. What
# follows (classifiers, calibrations, audit log) is not read. The reference is in the file since version 2.
VERSIONS = tuple(b"as%d" % version for version in range(2, 9))
HEADER_BYTES = 484
DATA_TYPE_AT, FIRST_WAVELENGTH_AT, WAVELENGTH_STEP_AT, DATA_FORMAT_AT, CHANNELS_AT = 186, 191, 195, 199, 204
REFERENCE_TEXT_AT, REFERENCE_HEADER_BYTES = 18, 20
DATA_TYPES = (
    "raw", "reflectance", "radiance", "no unit", "irradiance", "quality index", "transmittance", "unknown", "absorbance"
)  # fmt: skip
DATA_FORMATS: dict[int, np.dtype] = {0: np.dtype("<f4"), 1: np.dtype("<i4"), 2: np.dtype("<f8")}


def read_asd(path: str | Path) -> StoredSpectra:
    """Read the reflectance spectrum of one ASD file.

    Files of type raw and reflectance both contain the digital numbers of target and white reference, for the same gain
    and integration time; reflectance is their ratio.

    Parameters
    ----------
    path : path-like
        The `.asd` file.

    Returns
    -------
    StoredSpectra
        One spectrum of reflectance as a fraction, NaN where the reference is 0.

    Raises
    ------
    SamplesError
        If the file is not an ASD file of version 2 to 8, is truncated, contains another quantity, or has no white
        reference.

    Examples
    --------
    >>> import tempfile
    >>> header = bytearray(484)
    >>> header[:3] = b"as8"
    >>> struct.pack_into("<ffBxxxxH", header, 191, 350.0, 1.0, 0, 2)  # from 350 nm by 1 nm, float32, 2 bands
    >>> reference = struct.pack("<hqqHff", -1, 0, 0, 0, 4.0, 4.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = (Path(folder) / "soil.asd").write_bytes(header + struct.pack("<ff", 1.0, 2.0) + reference)
    ...     spectrum = read_asd(Path(folder) / "soil.asd")
    >>> spectrum.wavelength, spectrum.values
    (array([350., 351.]), array([[0.25, 0.5 ]]))
    """
    path = Path(path)
    content = read_content(path)
    if content[:3] not in VERSIONS:
        raise SamplesError(
            path,
            found=f"a file that starts with {content[:3]!r}",
            expected="an ASD file of version as2 to as8",
            way_out="export it again with the instrument's software, or as CSV",
        )
    require_size(path, content, HEADER_BYTES)
    data_type, data_format = content[DATA_TYPE_AT], content[DATA_FORMAT_AT]
    (first_nm,) = struct.unpack_from("<f", content, FIRST_WAVELENGTH_AT)
    (step_nm,) = struct.unpack_from("<f", content, WAVELENGTH_STEP_AT)
    (channels,) = struct.unpack_from("<H", content, CHANNELS_AT)
    kind = DATA_TYPES[data_type] if data_type < len(DATA_TYPES) else f"type {data_type}"
    if kind not in ("raw", "reflectance"):
        raise SamplesError(
            path,
            found=f"{kind}",
            expected="raw numbers or reflectance with a white reference",
            way_out="leave this file out",
        )
    if data_format not in DATA_FORMATS or channels < 2 or not 0 < first_nm < 1e5 or not 0 < step_nm < 1e4:
        raise SamplesError(
            path,
            found=f"number format {data_format}, {channels} bands from {first_nm:g} nm by {step_nm:g} nm",
            expected="number format 0, 1 or 2 and increasing wavelengths",
            way_out="the header is damaged: export the file again",
        )
    number = DATA_FORMATS[data_format]
    target_end = HEADER_BYTES + channels * number.itemsize
    require_size(path, content, target_end + REFERENCE_HEADER_BYTES)
    (has_reference,) = struct.unpack_from("<H", content, target_end)
    (text_bytes,) = struct.unpack_from("<H", content, target_end + REFERENCE_TEXT_AT)
    if not has_reference:
        raise SamplesError(
            path,
            found="no white reference",
            expected="a white reference, since reflectance is target over reference",
            way_out="measure the reference before the target, or export reflectance as CSV",
        )
    reference_at = target_end + REFERENCE_HEADER_BYTES + text_bytes
    require_size(path, content, reference_at + channels * number.itemsize)
    target = stored_numbers(content, number, channels, HEADER_BYTES)
    reference = stored_numbers(content, number, channels, reference_at)
    with np.errstate(all="ignore"):  # the results of damaged numbers and of a reference of 0 become NaN below
        reflectance = target / reference
    reflectance = np.where(np.isfinite(reflectance), reflectance, np.nan)
    return measured(path, first_nm + step_nm * np.arange(channels), reflectance, quantity="reflectance")
