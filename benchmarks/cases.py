"""The small inputs of ../shared/cases, on each of which an earlier version failed, and the right outcome of each.

Each folder of cases is copied to a place that can be written, and its `run.sh` is run with this Python. What it prints
is judged, and where the case writes a map or values, they are compared with the truth from which its input was made.
`--cases FOLDER` names another folder, `--only b19 b21` some of its cases. The input of b14 is made with h5py: the
variable PYTHON_H5PY names a Python that has it, if this one does not.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np
import rasterio

if TYPE_CHECKING:
    from collections.abc import Callable

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "cases"
LIMIT_S = 1500
GREY = 0xE6 / 255  # of pixels without data in a picture


def times(output: str, pattern: str) -> int:
    """Count the places in an output that match a pattern."""
    return len(re.findall(pattern, output, re.MULTILINE))


def numbers(output: str, pattern: str) -> list[float]:
    """Return the numbers that the group of a pattern matches."""
    return [float(text) for text in re.findall(pattern, output, re.MULTILINE)]


def needs(output: str, pattern: str, count: int) -> str:
    """Return what is wrong if a pattern does not match `count` times, or more often."""
    n = times(output, pattern)
    return "" if n >= count else f"{n} of {count} times: {pattern}"


def maps_true(output: str, count: int, least_r: float = 0.97) -> str:
    """Judge the lines that compare a map with its truth: every cell has a value, which follows the truth."""
    shares = numbers(output, r"^mapped ([\d.]+)% of the cells")
    r = numbers(output, r"^mapped .* r ([-\d.]+|nan)$")
    if len(r) < count:
        return f"{len(r)} of {count} maps"
    return "" if min(shares) == 100 and min(r) >= least_r else f"mapped {min(shares):g} %, r {min(r):g}"


def global_grid(output: str, _: Path) -> str:
    """b01: a global raster in degrees is warped to local grids everywhere, without a false note."""
    false_notes = times(output, r"does not (?:touch|overlap) the grid|no data beyond")
    return maps_true(output, 6) or (f"{false_notes} false notes" if false_notes else "")


def longitudes(output: str, folder: Path) -> str:
    """b03: longitudes from 0 to 360 give the values of their places, also for a model trained with -180 to 180."""
    with rasterio.open(folder / "map.tif") as made:
        mapped, truth = made.read(1), np.load(folder / "truth.npy")
    if not np.isfinite(mapped).all() or np.corrcoef(mapped.ravel(), truth.ravel())[0, 1] < 0.97:
        return "the map of the model trained with -180 to 180 is not that of the places"
    return maps_true(output, 1) or needs(output, r"^model +models/", 3)


def compound_crs(output: str, folder: Path) -> str:
    """b04: a CRS with heights changes no pixel, and no unit of a terrain band."""
    with rasterio.open(folder / "t1.tif") as compound, rasterio.open(folder / "t2.tif") as plain:
        if compound.units != plain.units or "metre" in compound.units:
            return f"units {compound.units}"
    same = (
        r"^dem: NaN 0 max \|difference\| 0\.0$",
        r"^geology: NaN 0 cells changed 0$",
        r"^maps compound vs plain: NaN 0 0 max diff 0\.0$",
        r"^terrain compound vs plain: max diff 0\.0 ",
    )
    return next((wrong for wrong in (needs(output, pattern, 1) for pattern in same) if wrong), "")


def rotated(output: str, folder: Path) -> str:
    """b09: a rotated cube has the same pixels on its grid, trains the same model, and its picture is turned."""
    from matplotlib.image import imread

    share = np.mean(np.abs(imread(folder / "bil.png")[..., :3] - GREY).max(axis=-1) < 0.004)
    if share < 0.1:
        return f"the picture is not turned: {100 * share:.0f} % of it are without data"
    return needs(output, r"pixels equal: True \| grid kept: True", 2) or needs(output, r"are the same: True$", 1)


def background(output: str, _: Path) -> str:
    """b11: undeclared background gets no value, or a warning names --nodata."""
    return needs(output, r"background cells 0 got a value", 3) or needs(output, r"--nodata", 3)


def swath(output: str, _: Path) -> str:
    """b14: a netCDF file with bands last and geolocation arrays is a cube, or one line has the remedy; verbs agree."""
    lines = [line for line in output.splitlines() if "reflectance" in line and line.startswith("geosoil: NETCDF")]
    if times(output, r"^wavelength +38[01]\.\d to 249[23]\.\d nm") and not lines:
        return ""
    if len(lines) != 3 or len(set(lines)) != 1:
        return f"{len(set(lines))} different answers of info and map"
    return needs(lines[0], r"geolocation array.*gdalwarp -geoloc", 1)


def header(output: str, _: Path) -> str:
    """b16: the cube is opened by its header and by its data file."""
    return needs(output, r"^wavelength +390\.0 to 2515\.6 nm", 4) or needs(output, r"^(QGIS style|trust) ", 4)


def header_beside(output: str, folder: Path) -> str:
    """b17: the wavelengths of a GeoTIFF come from the header beside it."""
    missing = "" if (folder / "map.tif").is_file() else "no map"
    return needs(output, r"^wavelength +390\.0 to 2515\.6 nm", 1) or missing


def offset(output: str, folder: Path) -> str:
    """b18: the offset is taken into account, and its absence is warned of."""
    with rasterio.open(folder / "ref.tif") as reference:
        mean = float(np.nanmean(reference.read(1)))
    means = numbers(output, r"^as_mg_kg .* mean ([\d.]+) mg/kg")
    if len(means) < 2 or abs(means[1] - mean) > 0.01 * mean:  # the first one is that of the reference
        return f"mean {means[1:2]} with the offset, instead of {mean:.4g}"
    return needs(output, r"^warning: ", 1)


def mercator(output: str, _: Path) -> str:
    """b19: the slope in Web Mercator is that on the ground, or the DEM is refused."""
    slopes = numbers(output, r"^slope in the middle ([\d.]+)")
    if not slopes:
        return needs(output, r"^geosoil: .*gdalwarp", 1)
    return "" if abs(slopes[0] - 10) < 0.1 else f"slope {slopes[0]:g} instead of 10"


def voids(output: str, folder: Path) -> str:
    """b20: undeclared voids are recognised and reported, and --nodata is an option."""
    slopes = numbers(output, r": slope max ([\d.]+)")
    if len(slopes) != 3 or max(slopes) - min(slopes) > 0.05:
        return f"largest slopes {slopes}"
    return needs(output, r"^\d+ cells of exactly .* --nodata", 2) or (
        "" if (folder / "t_x.tif").is_file() else "--nodata"
    )


def feet(output: str, _: Path) -> str:
    """b21: heights in feet are converted and that is reported, or a warning names --z-factor."""
    lines = re.findall(r"^\S+: slope ([\d.]+) \(truth 10\.00\) \| (.*)$", output, re.MULTILINE)
    wrong = [notes for slope, notes in lines if abs(float(slope) - 10) > 0.1 and "--z-factor" not in notes]
    if len(lines) != 5 or wrong:
        return f"{len(wrong)} of {len(lines)} slopes are wrong"
    return needs(output, r"^heights of .* became metres|--z-factor", 4)


def columns(output: str, _: Path) -> str:
    """b27: spectra in columns are turned, or refused."""
    return "" if times(output, r"^spectra +5 x 2151 bands|^geosoil: ") == 2 else "misread"


def several_points(output: str, _: Path) -> str:
    """b30: MultiPoints of one part and points with heights are points; a MultiPoint of two is refused."""
    expected = {r"^z as plain$": 1, r"^multi as plain$": 1, r"^model +models/zshp": 1, r"^geosoil: .*MultiPoint": 1}
    return next((wrong for wrong in (needs(output, pattern, n) for pattern, n in expected.items()) if wrong), "")


def points_only(output: str, _: Path) -> str:
    """b32: a raster placed by ground control points works, or a line names them and gdalwarp."""
    answers = [line for line in output.splitlines() if line.startswith("[")]
    bad = [line for line in answers if "Error" in line and not re.search(r"GCPs.*gdalwarp", line)]
    return "" if len(answers) == 2 and not bad else f"{len(bad)} of {len(answers)} answers have a wrong remedy"


def foot_grid(output: str, _: Path) -> str:
    """b33: the unit of a grid in feet is feet."""
    return needs(output, r"30 US survey ft", 2) or ("30 m" if times(output, r"\b[13]0 m\b") else "")


def layers(output: str, _: Path) -> str:
    """b36: the layer of a GeoPackage can be named, and an error names the layers."""
    return (
        needs(output, r"^geosoil: .* layers: wells, (?:samples|horizons)", 2)
        or needs(output, r"^model +models/named", 1)
        or needs(output, r"^sites\.gpkg: 2 profiles", 1)
    )


def counted(pattern: str, count: int) -> Callable[[str, Path], str]:
    """Return a judge that requires a line `count` times."""
    return lambda output, _: needs(output, pattern, count)


def tables(output: str, _: Path) -> str:
    """b23: tables of Excel are read whatever their separators, decimal mark and encoding."""
    return (
        needs(output, r": 2 profiles$", 4)
        or needs(output, r"^wavelength +400 to 2490 nm, step 10 to 10 nm", 1)
        or needs(output, r"^values +median 0\.164", 1)
    )


JUDGES: dict[str, Callable[[str, Path], str]] = {
    "b01": global_grid,
    "b03": longitudes,
    "b04": compound_crs,
    "b09": rotated,
    "b11": background,
    "b14": swath,
    "b16": header,
    "b17": header_beside,
    "b18": offset,
    "b19": mercator,
    "b20": voids,
    "b21": feet,
    "b22": counted(r"\.gpkg: 3 profiles$", 3),
    "b23": tables,
    "b26": counted(r"^wavelength +350 to 2500 nm, step 10 to 10 nm", 7),
    "b27": columns,
    "b30": several_points,
    "b32": points_only,
    "b33": foot_grid,
    "b36": layers,
}


WHOLE_OUTPUT = ("b18",)  # whose script keeps the last lines only, before which geosoil now prints the values


def judge(name: str, output: str, folder: Path) -> str:
    """Return what is wrong with the outcome of a case, or an empty text.

    Parameters
    ----------
    name : str
        Name of the folder of the case, such as `b19_dem_web_mercator`.
    output : str
        What its `run.sh` printed, errors included.
    folder : Path
        Where it ran.
    """
    number = name.partition("_")[0]
    if number not in JUDGES:
        return "no outcome is known for this case"
    if "Traceback" in output:
        return f"a traceback: {output.strip().splitlines()[-1]}"
    try:
        return JUDGES[number](output, folder)
    except (OSError, rasterio.errors.RasterioError) as error:
        return f"an output is missing ({error})"


def run(case: Path, scratch: Path) -> str:
    """Run a copy of a case, and return what is wrong with its outcome."""
    folder = scratch / case.name
    shutil.copytree(case, folder)
    for path in (folder, *folder.iterdir()):
        path.chmod(0o755)
    programs = {"GEOSOIL": f"{sys.executable} -m geosoil_cli.main", "PYTHON": sys.executable}
    environment = {"PYTHON_H5PY": sys.executable} | dict(os.environ) | programs
    script = folder / "run.sh"
    if case.name.partition("_")[0] in WHOLE_OUTPUT:
        script.write_text(re.sub(r"\| tail -\d+", "", script.read_text()))
    command = ["bash", str(script)]
    try:
        done = subprocess.run(
            command, env=environment, timeout=LIMIT_S, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
    except subprocess.TimeoutExpired:
        return f"not finished after {LIMIT_S} s"
    return judge(case.name, done.stdout, folder)


def main() -> None:
    """Run all cases, say what is wrong with each, and count those that are right."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=Path, default=BESIDE, metavar="FOLDER")
    parser.add_argument("--only", nargs="+", default=[], metavar="bNN")
    given = parser.parse_args()
    if not given.cases.is_dir():
        print(f"cases were not measured: there is no folder {given.cases}; name one by --cases")
        sys.exit(1)
    cases = sorted(path for path in given.cases.iterdir() if (path / "run.sh").is_file())
    if given.only:
        cases = [case for case in cases if case.name.partition("_")[0] in given.only]
    n_right = 0
    with TemporaryDirectory() as scratch:
        for case in cases:
            wrong = run(case, Path(scratch))
            n_right += not wrong
            print(f"{case.name}: {wrong or 'right'}", flush=True)
    print(f"cases {n_right} cases {len(cases)}")
    sys.exit(n_right < len(cases) or not cases)


if __name__ == "__main__":
    main()
