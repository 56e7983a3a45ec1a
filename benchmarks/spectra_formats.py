"""Spectra of every format to the last bit: real ASD and SED files, and generated files against planted values.

The generated files are those of tests/spectra_files.py, which does not use the readers. Where brukeropus, spc-io and
jcamp (extra `dev`) read the same file, they are a second opinion. A file that has no certain spectrum must be refused
in one line.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from measure import asked_quick, report

from geosoil.errors import GeosoilError
from geosoil.io.spectra.reader import read_spectra

if TYPE_CHECKING:
    from collections.abc import Callable

    from geosoil.io.spectra.stored import Quantity

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import spectra_files as files  # noqa: E402

REAL = ROOT.parent / "shared" / "data" / "spectra" / "asd"
BANDS = 64


def wrong(path: Path, expected: tuple[np.ndarray, np.ndarray] | None, **options: Any) -> str:
    """Return what is wrong with the spectra of a file; `expected` is (nm, values) as float64, or None if refused."""
    try:
        spectra = read_spectra(path, **options)
    except GeosoilError as error:
        text = str(error)
        if expected is not None or "\n" in text or path.name not in text:
            return f"refused: {text}"
        return ""
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    if expected is None:
        return "read, although it has no certain spectrum"
    nm, values = expected
    order = np.argsort(nm)
    if not np.array_equal(spectra.wavelength_nm, nm[order]):
        return f"wavelengths differ by up to {np.abs(spectra.wavelength_nm - nm[order]).max()} nm"
    if not np.array_equal(spectra.values, np.atleast_2d(values)[:, order].astype(np.float32), equal_nan=True):
        return "values differ"
    return ""


def real_files() -> dict[str, str]:
    """Compare the real files with the values of other readers."""
    if not REAL.exists():
        print(f"the real files are not beside this checkout ({REAL})")
        return {}
    table = pd.read_parquet(REAL / "expected.parquet")
    outcomes = {}
    for path in sorted(REAL.glob("*.asd")):
        rows = table[table["file"] == path.name]
        has_reflectance = len(rows) > 0 and rows["reflectance"].notna().any()
        pair = (rows["wavelength_nm"].to_numpy(), rows["reflectance"].to_numpy()) if has_reflectance else None
        outcomes[path.name] = wrong(path, pair)
    path = REAL / "csiro_example.sed"
    rows = np.loadtxt(path, skiprows=path.read_text("latin-1").splitlines().index("Data:") + 2)
    outcomes[path.name] = wrong(path, (rows[:, 0], rows[:, 1] * 0.01))
    return outcomes


def generated_files(folder: Path) -> dict[str, str]:
    """Write a file of every format and form, and compare it with what was planted."""
    rng = np.random.default_rng(16)
    nm = np.linspace(400.0, 2500.0, BANDS)
    wavenumbers = np.linspace(7500.0, 600.0, BANDS)
    from_wavenumbers = np.round(1e7 / wavenumbers, 6)
    values = rng.uniform(0.05, 0.9, BANDS)
    single = values.astype(np.float32).astype(np.float64)
    outcomes: dict[str, str] = {}

    def check(name: str, content: bytes | str, expected: Any, **options: Any) -> Path:
        path = folder / name.replace(" ", "_")
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        outcomes[name] = wrong(path, expected, **options)
        return path

    for number_format in files.NUMBERS:
        target = rng.integers(1, 900, BANDS).astype(float)
        name = f"asd format {number_format}.asd"
        content = files.asd(target, np.full(BANDS, 1000.0), data_format=number_format, first=400.0, step=8.0)
        check(name, content, (400.0 + 8.0 * np.arange(BANDS), target / 1000))
    for version in range(2, 9):
        content = files.asd(single, np.ones(BANDS), version=b"as%d" % version)
        check(f"asd version {version}.asd", content, (350.0 + np.arange(BANDS), single))
    check("asd radiance.asd", files.asd(values, values, data_type=2), None)

    ends = {"first": 7500.0, "last": 600.0}
    blocks = {
        "sample": files.opus_block(files.OPUS_SAMPLE, single * 30, **ends),
        "reference": files.opus_block(files.OPUS_REFERENCE, single * 20, **ends),
        "absorbance": files.opus_block(files.OPUS_ABSORBANCE, single, **ends),
        "reflectance": files.opus_block(files.OPUS_REFLECTANCE, single / 2, padding=3, **ends),
        "transmittance": files.opus_block(files.OPUS_TRANSMITTANCE, single, **ends),
    }
    for order in (("sample", "reference", "absorbance"), ("reflectance", "sample"), ("absorbance", "reflectance")):
        expected = single if order[-1] == "absorbance" else single / 2
        name = f"opus {' '.join(order)}.0"
        path = check(name, files.opus(*(blocks[kind] for kind in order)), (from_wavenumbers, expected))
        outcomes[f"{name} brukeropus"] = peer_opus(path)
    check("opus single channel.0", files.opus(blocks["sample"], blocks["reference"]), None)
    check("opus transmittance.0", files.opus(blocks["transmittance"]), None)
    check("opus stated.0", files.opus(blocks["transmittance"]), (from_wavenumbers, single), quantity="reflectance")

    for bits, low in ((32, 2**30), (16, 2**14)):
        numbers = rng.integers(1, low, (3, BANDS))
        for byte_order in "<>":
            content = files.spc(numbers, exponent=1, bits=bits, order=byte_order)
            path = check(f"spc int{bits} {byte_order}.spc", content, (nm, numbers * 2.0 ** (1 - bits)))
            if byte_order == "<":
                outcomes[f"{path.name} spc-io"] = peer_spc(path)
    numbers = rng.integers(1, 2**30, (2, BANDS))
    check("spc old.spc", files.spc_old(numbers), (nm, numbers * 2.0**-31))
    for byte_order in "<>":
        check(
            f"spc float {byte_order}.spc", files.spc([single, single / 2], order=byte_order), (nm, [single, single / 2])
        )
    x = np.sort(rng.uniform(400, 2500, BANDS)).astype(np.float32)
    path = check("spc stored axis.spc", files.spc([single], x=x), (x.astype(float), single))
    outcomes[f"{path.name} spc-io"] = peer_spc(path)
    check("spc wavenumbers.spc", files.spc([single], x_type=1, **ends), (from_wavenumbers, single))
    check("spc percent.spc", files.spc([single], y_type=11), None)
    check("spc raman.spc", files.spc([single], x_type=13), None)

    numbers = rng.integers(-50, 900, BANDS)
    for form in ("AFFN", "PAC", "SQZ", "DIF", "DIFDUP", "pairs"):
        for per_line in (1, 7, BANDS):
            name = f"jcamp {form} {per_line}.jdx"
            text = files.jcamp(numbers.tolist(), form=form, first=7500, last=600, per_line=per_line)
            path = check(name, text, (from_wavenumbers, numbers * 0.001))
            if form in ("AFFN", "PAC", "DIF") or (form == "SQZ" and per_line > 1):  # it reads 4000E5 as an exponent
                outcomes[f"{name} jcamp"] = peer_jcamp(path, BANDS)
    check("jcamp transmittance.jdx", files.jcamp(numbers.tolist(), y_units="TRANSMITTANCE"), None)

    percent = np.round(values * 100, 4)
    nm_text = 350.0 + np.arange(BANDS)
    for name, more in (("sed.sed", ()), ("sed four columns.sed", ("Rad. (Ref.)", "Rad. (Target)"))):
        check(name, files.sed(nm_text, percent, more=more), (nm_text, percent * 0.01))
    check("sed comma.sed", files.sed(nm_text, percent, comma=True), (nm_text, percent * 0.01))
    hundredths = np.round(values * 100, 2)
    check("sig.sig", files.sig(nm_text, hundredths), (nm_text, hundredths * 0.01))

    for data_type, stored, scale in ((4, single, None), (2, np.round(values * 10000), 10000.0)):
        path = folder / f"library{data_type}.sli"
        files.envi_library(path, nm, [stored], names=["clay"], scale=scale, data_type=data_type)
        outcomes[path.name] = wrong(path, (nm, stored * (1 / scale if scale else 1.0)))

    cells = [repr(float(value)) for value in single]
    for prefix, suffix in (("", ""), ("X", ""), ("wl_", ""), ("scan_visnir.", "_ref"), ("", " nm")):
        names = [f"{prefix}{band:g}{suffix}" for band in nm_text[::-1]]
        text = f"id,{','.join(names)}\ns,{','.join(cells[::-1])}\n"
        check(f"table {prefix}350{suffix}.csv", text, (nm_text, single))
    decimal = [cell.replace(".", ",") for cell in cells]
    check(
        "table comma.csv",
        f"\ufeffid;{';'.join(map('{:g}'.format, nm_text))}\ns;{';'.join(decimal)}\n",
        (nm_text, single),
    )
    check("table percent.csv", f"id,350,351\ns,{values[0] * 100},{values[1] * 100}\n", None)
    frame = pd.DataFrame([["s", *single]], columns=["id", *(int(band) for band in nm_text)])
    frame.to_excel(folder / "table.xlsx", index=False)
    outcomes["table.xlsx"] = wrong(folder / "table.xlsx", (nm_text, single))
    return outcomes


def peer(name: str, compare: Callable[[Any], bool]) -> str:
    """Return what is wrong with a comparison with another reader; nothing if that is not installed."""
    try:
        module = __import__(name)
    except ImportError:
        return ""
    return "" if compare(module) else f"{name} reads other values"


def peer_opus(path: Path) -> str:
    """Compare the absorbance and reflectance of an OPUS file with brukeropus."""

    def compare(brukeropus: Any) -> bool:
        data = brukeropus.read_opus(str(path))
        absorbance, reflectance = (getattr(data, name, None) for name in ("a", "r"))
        parts: dict[Quantity, Any] = {"absorbance": absorbance, "reflectance": reflectance}
        pairs = [(read_spectra(path, quantity=kind), part) for kind, part in parts.items() if part is not None]
        return all(np.array_equal(spectra.values[0], np.array(part.y, np.float32)[::1]) for spectra, part in pairs)

    return peer("brukeropus", compare)


def peer_spc(path: Path) -> str:
    """Compare all spectra of a new SPC file with spc-io."""

    def compare(spc_io: Any) -> bool:
        subs = spc_io.SpcRaw.from_bytes_io(io.BytesIO(path.read_bytes())).subs
        return np.array_equal(read_spectra(path).values, np.array([sub.yarray for sub in subs], np.float32))

    return peer("spc_io", compare)


def peer_jcamp(path: Path, bands: int) -> str:
    """Compare a JCAMP-DX file with the package jcamp."""

    def compare(jcamp: Any) -> bool:
        return np.array_equal(read_spectra(path).values[0], np.float32(jcamp.readfile(str(path))["y"][:bands]))

    return peer("jcamp", compare)


if __name__ == "__main__":
    asked_quick(__doc__)
    with TemporaryDirectory() as folder:
        outcomes = real_files() | generated_files(Path(folder))
    for name, text in outcomes.items():
        if text:
            print(f"{name}: {text}")
    print(f"{len(outcomes)} comparisons")
    sys.exit(not report("spectra_formats", sum(bool(text) for text in outcomes.values()), "failures", 0))
