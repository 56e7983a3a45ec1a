"""Write small files of every format of spectra as their formats are defined, without the readers of geosoil."""

import struct
from itertools import groupby, pairwise

import numpy as np

NUMBERS = {0: "<f4", 1: "<i4", 2: "<f8"}  # of ASD files


def asd(target, reference, *, version=b"as8", data_type=0, data_format=2, flag=-1, note=b"", first=350.0, step=1.0):
    """Build the bytes of an ASD file as the format is defined."""
    header = bytearray(484)
    header[:3] = version
    header[186], header[199] = data_type, data_format
    struct.pack_into("<f", header, 191, first)
    struct.pack_into("<f", header, 195, step)
    struct.pack_into("<H", header, 204, len(target))
    numbers = [np.asarray(values, NUMBERS.get(data_format, "<f4")).tobytes() for values in (target, reference)]
    return bytes(header) + numbers[0] + struct.pack("<hqqH", flag, 0, 0, len(note)) + note + numbers[1]


# Kinds of OPUS blocks: (complex, source, data, derivative, extra); source 1 is the sample, 2 the reference, 3 a result.
OPUS_SAMPLE, OPUS_REFERENCE, OPUS_INTERFEROGRAM = (3, 1, 1, 0, 0), (3, 2, 1, 0, 0), (3, 1, 2, 0, 0)
OPUS_ABSORBANCE, OPUS_TRANSMITTANCE, OPUS_REFLECTANCE = (3, 3, 4, 0, 0), (3, 3, 5, 0, 0), (3, 3, 12, 0, 0)


def opus_block(kind, values, *, first=4000.0, last=400.0, unit=b"WN", factor=1.0, form=1, padding=0, limits=None):
    """Return the two blocks of a spectrum: its numbers, and its status."""
    stored = np.asarray(values, "<f4" if form == 1 else "<i4")
    numbers = stored.astype(float) * factor
    low, high = limits or (float(numbers.min()), float(numbers.max()))
    before = stored.tobytes() if kind[4] != 4 else b"\1\2\3\4" * 3 + stored.tobytes()
    status = opus_parameters(
        DPF=form, NPT=len(stored), FXV=first, LXV=last, CSF=factor, MNY=low, MXY=high, DXU=unit, DER=0
    )
    return [(opus_type(*kind), before + bytes(4 * padding)), (opus_type(*kind, parameters=1), status)]


def opus_type(complex_part, source, data, derivative, extra, *, parameters=0):
    """Return the 32 bits of the type of a block."""
    return complex_part | source << 2 | parameters << 4 | data << 10 | derivative << 17 | extra << 19


def opus_parameters(**parameters):
    """Return the bytes of a block of parameters."""
    out = b""
    for name, value in parameters.items():
        if isinstance(value, int):
            out += name.encode() + struct.pack("<xhhi", 0, 2, value)
        elif isinstance(value, float):
            out += name.encode() + struct.pack("<xhhd", 1, 4, value)
        else:
            text = value + b"\0" * (2 - len(value) % 2)
            out += name.encode() + struct.pack("<xhh", 2, len(text) // 2) + text
    return out + b"END\0" + bytes(4)


def opus(*spectra, sample_name=b""):
    """Build the bytes of an OPUS file with the blocks of several spectra, in their order."""
    blocks = [block for pair in spectra for block in pair]
    if sample_name:
        blocks.insert(0, (10 << 4, opus_parameters(SNM=sample_name)))
    most = len(blocks) + 9
    start = 24 + 12 * most
    directory, body = struct.pack("<Iii", 13 << 10, 3 * most, 24), b""
    for kind, content in blocks:
        content += bytes(-len(content) % 4)
        directory += struct.pack("<Iii", kind, len(content) // 4, start + len(body))
        body += content
    header = b"\n\n\xfe\xfe" + struct.pack("<diii", 920622.0, 24, most, len(blocks) + 1)
    return header + directory.ljust(12 * most, b"\0") + body


def spc(
    spectra, *, x=None, first=400.0, last=2500.0, x_type=3, y_type=129, exponent=-128, exponents=None, bits=32,
    order="<", labels=b"",
):  # fmt: skip
    """Build a new SPC file; `exponent` -128 stores float32. `x` is one axis, or a list with one axis per spectrum.

    `exponents` are those of subheaders, if they are not `exponent`.
    """
    exponents = exponents or [exponent] * len(spectra)
    is_own = isinstance(x, list)
    bands = 0 if is_own else len(spectra[0])
    flags = (bits == 16) | (len(spectra) > 1) << 2 | bool(labels) << 5 | is_own << 6 | (x is not None) << 7
    head = struct.pack(
        f"{order}BBBbIddIBBBB", flags, 0x4B if order == "<" else 0x4C, 0, exponent, bands, first, last,
        len(spectra), x_type, y_type, 0, 0,
    )  # fmt: skip
    out = head.ljust(218, b"\0") + labels.ljust(30, b"\0")
    out = out.ljust(512, b"\0")
    if x is not None and not is_own:
        out += np.asarray(x, f"{order}f4").tobytes()
    for i, values in enumerate(spectra):
        out += struct.pack(f"{order}BbHfffII8x", 0, exponents[i], i, 0.0, 0.0, 0.0, len(values) if is_own else 0, 0)
        if is_own:
            out += np.asarray(x[i], f"{order}f4").tobytes()
        kind = "f4" if exponent == -128 else f"i{bits // 8}"
        out += np.asarray(values, order + kind).tobytes()
    return out


def spc_old(spectra, *, first=400.0, last=2500.0, x_type=3, y_type=129, exponent=1):
    """Build an old SPC file: integers whose two words are exchanged, and a header of 256 bytes with a subheader."""
    flags = (len(spectra) > 1) << 2
    head = struct.pack("<BBhfffBB", flags, 0x4D, exponent, float(len(spectra[0])), first, last, x_type, y_type)
    out = head.ljust(224, b"\0")
    for i, values in enumerate(spectra):
        out += struct.pack("<BbH28x", 0, exponent, i)
        out += np.asarray(values, "<i4").view("<u2").reshape(-1, 2)[:, ::-1].tobytes()
    return out


def jcamp_numbers(values, form):
    """Return whole numbers of one line in a form of JCAMP-DX: AFFN, PAC, SQZ, DIF or DIFDUP."""
    if form == "AFFN":
        return "".join(f" {value}" for value in values)
    if form == "PAC":
        return "".join(f"{value:+d}" for value in values)
    squeezed = [_letter(value, "@ABCDEFGHI", "@abcdefghi") for value in values]
    if form == "SQZ":
        return "".join(squeezed)
    texts = squeezed[:1] + [_letter(b - a, "%JKLMNOPQR", "%jklmnopqr") for a, b in pairwise(values)]
    if form == "DIF":
        return "".join(texts)
    out = texts[0]
    for text, group in groupby(texts[1:]):
        count = len(list(group))
        out += text + (_letter(count, "?STUVWXYZs", "") if count > 1 else "")
    return out


def _letter(value, positive, negative):
    """Replace the sign and the first digit of a number by a letter."""
    digits = str(abs(value))
    return (negative if value < 0 else positive)[int(digits[0])] + digits[1:]


def jcamp(
    values, *, form="AFFN", first=4000, last=None, factor=0.001, per_line=7, x_units="1/CM", y_units="ABSORBANCE",
    title="soil", points=None, x_factor=1.0,
):  # fmt: skip
    """Build a JCAMP-DX text of whole numbers times a factor, with an ordinate check after each line of differences."""
    last = first - 2 * (len(values) - 1) if last is None else last
    axis = np.linspace(first, last, len(values))
    lines = [
        f"##TITLE={title}", "##JCAMP-DX=4.24 $$ written by a test", "##DATA TYPE=INFRARED SPECTRUM",
        f"##XUNITS={x_units}", f"##YUNITS={y_units}", f"##FIRSTX={first}", f"##LASTX={last}",
        f"##NPOINTS={len(values) if points is None else points}", f"##XFACTOR={x_factor}", f"##YFACTOR={factor}",
    ]  # fmt: skip
    if form == "pairs":
        lines.append("##XYPOINTS=(XY..XY)")
        lines += [f"{x / x_factor!r}, {y}" for x, y in zip(axis.tolist(), values, strict=True)]
    else:
        lines.append("##XYDATA=(X++(Y..Y))")
        for at in range(0, len(values), per_line):
            is_difference = form in ("DIF", "DIFDUP")
            row = values[at : at + per_line + is_difference]  # the next one as a check
            lines.append(f"{axis[at] / x_factor:.10g}{jcamp_numbers(row, form)}")
        if is_difference and len(row) > 1:
            lines.append(f"{axis[-1] / x_factor:.10g}{jcamp_numbers(values[-1:], form)}")
    return "\n".join([*lines, "##END=", ""])


def sed(wavelength_nm, percent, *, column="Reflect. %", channels=None, more=(), comma=False):
    """Build an SED text; `more` are names of columns before that of reflectance."""
    rows = [
        "\t".join([f" {nm:.1f}", *["5.082607E-003"] * len(more), f"    {value:.4f}"])
        for nm, value in zip(wavelength_nm, percent, strict=True)
    ]
    head = [
        "Comment: ", "Version: 2.2", "Instrument: PSR+3500_SN1 [3]", "Measurement: REFLECTANCE",
        f"Channels: {len(rows) if channels is None else channels}", f"Columns [{2 + len(more)}]:", "Data:",
        "\t".join(["Wvl", *more, column]),
    ]  # fmt: skip
    text = "\n".join([*(row.replace(".", ",") if comma else row for row in rows), ""])
    return "\n".join([*head, text])


def sig(wavelength_nm, percent):
    """Build a SIG text."""
    head = ["/*** Spectra Vista SIG Data ***/", "name= soil.sig", "instrument= HI: 1 (HR-1024i)", "data= "]
    rows = [f"{nm:.1f}  1323.43  81.06  {value:.2f}" for nm, value in zip(wavelength_nm, percent, strict=True)]
    return "\n".join([*head, *rows, ""])


def envi_library(path, wavelength, spectra, *, names, units="Nanometers", scale=None, data_type=4):
    """Write the two files of an ENVI library."""
    np.asarray(spectra, {4: "<f4", 2: "<i2"}[data_type]).tofile(path)
    lines = [
        "ENVI", "file type = ENVI Spectral Library", f"samples = {len(wavelength)}", f"lines = {len(spectra)}",
        "bands = 1", f"data type = {data_type}", "byte order = 0", f"wavelength units = {units}",
        f"wavelength = {{{', '.join(map(repr, map(float, wavelength)))}}}", f"spectra names = {{{', '.join(names)}}}",
    ]  # fmt: skip
    lines += [f"reflectance scale factor = {scale}"] if scale else []
    path.with_suffix(".hdr").write_text("\n".join(lines))
