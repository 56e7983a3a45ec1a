"""10 000 damaged spectra and product files: each is read, or refused in one line, in 1 s and with little memory.

Valid small files of every format (those of the tests, and the real ASD files if they are beside the checkout) are
damaged at random: bytes, whole numbers and floating-point numbers are replaced, parts are removed, repeated or moved,
the end is cut off. A failure is an exception that is not a GeosoilError, a message of several lines, a crash of the
process, 1 s of processor time, or a peak of memory above 10 x the file plus BASE_MIB. Files are read in processes of
their own, so that a crash is one failure and not the end. `--seed` gives other damage, `--quick` runs 600 files.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import shutil
import signal
import struct
import sys
import time
import traceback
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from measure import report

from geosoil.errors import GeosoilError
from geosoil.io.spectra.reader import read_spectra
from geosoil.io.spectra.unify import Spectra
from geosoil.io.spectra.writer import write_spectra

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import spectra_files as files  # noqa: E402

REAL = ROOT.parent / "shared" / "data" / "spectra" / "asd"
N_FILES, N_QUICK, PRODUCT_SHARE = 10_000, 600, 0.1
CHUNK = 1000  # files per process
LIMIT_S, KILL_S = 1.0, 20.0
BASE_MIB = 48  # what libraries load and allocate on first use: pyarrow, openpyxl, GDAL's drivers
INTEGERS = (0, 1, 2**31 - 1, 2**31, 2**32 - 1, 2**24, 65535)
FLOATS = (float("nan"), float("inf"), -3e38, 3e38, 0.0, -1.0, 1e-30)
WORDS = (b"nan", b"-1", b"1e999", b"0", b"9" * 400, b"", b"\0", b"\xff\xfe", b"=", b"{", b"Z99999999", b"1e-400", b",")


def spectra_folder(folder: Path) -> list[Path]:
    """Write valid files of every format; each is in a folder of its own with the files it needs."""
    rng = np.random.default_rng(0)
    values = rng.uniform(0.05, 0.9, 60).astype(np.float32)
    numbers = rng.integers(-50, 900, 60).tolist()
    nm = 400.0 + np.arange(60)
    contents: dict[str, bytes | str] = {
        "a.asd": files.asd(values, np.ones(60)),
        "b.0": files.opus(
            *(files.opus_block(kind, values) for kind in (files.OPUS_SAMPLE, files.OPUS_ABSORBANCE)), sample_name=b"s"
        ),
        "c.spc": files.spc([values, values]),
        "d.spc": files.spc([values], x=nm, order=">"),
        "e.spc": files.spc([values, values], x=[nm, nm]),
        "f.spc": files.spc_old([numbers, numbers]),
        "g.sed": files.sed(nm, values * 100, more=("Rad. (Ref.)",)),
        "h.sig": files.sig(nm, values * 100),
        **{f"{form}.jdx": files.jcamp(numbers, form=form) for form in ("AFFN", "PAC", "SQZ", "DIFDUP", "pairs")},
        "i.csv": f"id,{','.join(map(str, nm))}\na,{','.join(map(str, values))}\nb,{','.join(map(str, values))}\n",
        "j.csv": "\n".join(["wavelength;a", *(f"{x};{y}".replace(".", ",") for x, y in zip(nm, values, strict=True))]),
    }
    paths = []
    for name, content in contents.items():
        path = folder / name.replace(".", "_") / name
        path.parent.mkdir()
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        paths.append(path)
    for path in sorted(REAL.glob("*.asd"))[:3] if REAL.exists() else []:
        (folder / path.stem).mkdir()
        paths.append(Path(shutil.copyfile(path, folder / path.stem / path.name)))
    for name in ("k.sli", "l.xlsx", "m.parquet"):
        (folder / name[0]).mkdir()
    files.envi_library(folder / "k" / "k.sli", nm, [values, values], names=["a", "b"])
    pd.DataFrame([["a", *values]], columns=["id", *nm]).to_excel(folder / "l" / "l.xlsx", index=False)
    table = pd.DataFrame({"soc_pct": [1.0]})
    write_spectra(Spectra(nm, values[None], ["a"], table, "reflectance", Path("m")), folder / "m" / "m.parquet")
    return [*paths, folder / "k" / "k.sli", folder / "k" / "k.hdr", folder / "l" / "l.xlsx", folder / "m" / "m.parquet"]


def product_folders(folder: Path) -> list[Path]:
    """Write a small valid product of each sensor that has a generator in the tests."""
    from sensors.products import desis, emit, enmap, hysis, landsat, prisma, sentinel2, tanager, wyvern

    writers = {
        "desis": lambda path: desis.write_desis(path, count=8),
        "emit": lambda path: emit.write_emit(path, count=12),
        "enmap": lambda path: enmap.write_enmap(path / "product", count=12, shape=(8, 6)),
        "hysis": hysis.write_hysis,
        "landsat": landsat.write_landsat,
        "prisma": lambda path: prisma.write_prisma(path, rows=8, columns=8, errors=False),
        "sentinel2": lambda path: sentinel2.write_sentinel2(path, side_20=12),
        "tanager": lambda path: tanager.write_tanager(path, rows=8, columns=8, count=12),
        "wyvern": wyvern.write_wyvern,
    }
    for name in writers:
        (folder / name).mkdir()
    return [write(folder / name) for name, write in writers.items()]


def damaged(content: bytes, rng: np.random.Generator) -> bytes:
    """Return a file with one to four damages."""
    for _ in range(rng.integers(1, 5)):
        if not content:
            return content
        at, other = (int(place) for place in rng.integers(0, len(content), 2))
        size = int(rng.integers(1, 40))
        part = content[at : at + size]
        kind = rng.integers(0, 10)
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content = content[:at] + content[at + size :]
        elif kind == 2:
            content = content[:other] + part + content[other:]
        elif kind == 3:
            content = content[:at] + bytes(len(part)) + content[at + size :]
        elif kind == 4:
            word = struct.pack("<>"[rng.integers(0, 2)] + "I", INTEGERS[rng.integers(0, len(INTEGERS))])
            content = content[:at] + word + content[at + 4 :]
        elif kind == 5:
            number = np.array(FLOATS[rng.integers(0, len(FLOATS))], ("<f4", "<f8")[rng.integers(0, 2)])
            content = content[:at] + number.tobytes() + content[at + number.nbytes :]
        elif kind == 6:
            content = content[:at] + WORDS[rng.integers(0, len(WORDS))] + content[at + size :]
        elif kind == 7:
            lines = content.split(b"\n")
            del lines[rng.integers(0, len(lines))]
            content = b"\n".join(lines)
        else:
            flipped = bytearray(content)
            for place in rng.integers(0, min(len(content), 600), rng.integers(1, 8)):
                flipped[place] = rng.integers(0, 256)
            content = bytes(flipped)
    return content


def read_product(path: Path) -> None:
    """Open a product as a cube and read its first pixels."""
    from geosoil.sensors.cube import open_cube

    open_cube(path)[:, :4, :4].compute()


def memory_kib(name: str) -> int:
    """Return an entry of the status of this process, VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])


def outcome(read: Callable[[Path], Any], path: Path, size: int) -> str:
    """Return what is wrong with reading a file, and nothing if it is read or refused in one line."""

    def stop(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, KILL_S)
    Path("/proc/self/clear_refs").write_text("5")  # the peak of memory starts again
    before, start, text = memory_kib("VmRSS"), time.process_time(), ""
    try:
        read(path)
    except GeosoilError as error:
        text = "a message of several lines" if "\n" in str(error) else ""
    except BaseException as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        text = f"{type(error).__name__}: {str(error)[:100]} ({Path(last.filename).name}:{last.lineno})"
    signal.setitimer(signal.ITIMER_PROF, 0)
    seconds, peak_mib = time.process_time() - start, (memory_kib("VmHWM") - before) / 1024
    if seconds > LIMIT_S:
        text += f" {seconds:.1f} s"
    if peak_mib > BASE_MIB + 10 * size / 2**20:
        text += f" {peak_mib:.0f} MiB for {size} bytes"
    return text


def run_chunk(seeds: list[int], targets: list[tuple[str, Path, Path]], folder: Path, results: Any) -> None:
    """Damage and read the file of each seed; send its number before, and what is wrong after."""
    warnings.simplefilter("error", RuntimeWarning)
    warm(targets)
    for seed in seeds:
        rng = np.random.default_rng(seed)
        kind, root, file = targets[rng.integers(0, len(targets))]
        place = folder / str(seed)
        shutil.copytree(root if root.is_dir() else root.parent, place, dirs_exist_ok=True)
        inside = place / file.relative_to(root if root.is_dir() else root.parent)
        content = damaged(inside.read_bytes(), rng)
        inside.write_bytes(content)
        results.send((seed, None))
        named = place if root.is_dir() else place / root.name
        text = outcome(read_spectra if kind == "spectra" else read_product, named, len(content))
        results.send((seed, f"{file.name}: {text}" if text else ""))
        shutil.rmtree(place)


def warm(targets: list[tuple[str, Path, Path]]) -> None:
    """Read each valid file once, so that imports are neither time nor memory of a damaged one."""
    for kind, root in dict.fromkeys((kind, root) for kind, root, _ in targets):
        (read_spectra if kind == "spectra" else read_product)(root)


def failures(seeds: list[int], targets: list[tuple[str, Path, Path]], folder: Path) -> dict[int, str]:
    """Run seeds in processes of their own; a process that crashes or does not end is a failure of its last seed."""
    wrong: dict[int, str] = {}
    context = multiprocessing.get_context("spawn")
    while seeds:
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=run_chunk, args=(seeds[:CHUNK], targets, folder, sender))
        process.start()
        sender.close()
        last, done = None, set()
        try:
            while receiver.poll(60 * KILL_S):
                seed, text = receiver.recv()
                last = seed
                if text is not None:
                    done.add(seed)
                    if text:
                        wrong[seed] = text
                        print(f"seed {seed}: {text}", flush=True)
        except EOFError:
            pass
        if process.is_alive() and len(done) < len(seeds[:CHUNK]):
            process.kill()
        process.join()
        if last is None:
            raise SystemExit("no file could be read: see above")
        if last not in done:
            wrong[last] = f"the process ended with {process.exitcode}"
            print(f"seed {last}: {wrong[last]}", flush=True)
            done.add(last)
        seeds = [seed for seed in seeds if seed not in done]
    return wrong


def main() -> bool:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    n_files = N_QUICK if options.quick else N_FILES
    n_products = int(n_files * PRODUCT_SHARE)
    with TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("spectra", "products", "damaged"):
            (folder / part).mkdir()
        spectra = [("spectra", path.with_suffix(".sli") if path.suffix == ".hdr" else path, path)
                   for path in spectra_folder(folder / "spectra")]  # fmt: skip
        products = [
            ("product", root, file)
            for root in product_folders(folder / "products")
            for file in sorted((root if root.is_dir() else root.parent).rglob("*"))
            if file.is_file()
        ]
        seeds = [10**6 * (options.seed + 1) + i for i in range(n_files)]
        wrong = failures(seeds[n_products:], spectra, folder / "damaged")
        wrong |= failures(seeds[:n_products], products, folder / "damaged")
    counts = {"spectra": n_files - n_products, "products": n_products, "kinds": len({*spectra, *products})}
    print(json.dumps(counts))
    return report("spectra_fuzz", len(wrong), "failures", 0)


if __name__ == "__main__":
    sys.exit(not main())
