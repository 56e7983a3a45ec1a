"""Every generated product of every sensor, opened by geosoil, against an independent reader.

Differences are pixels whose value differs by over 1e-6 of it (float32 holds seven digits) or that only one side masks,
wavelengths that differ by over 0.01 nm, corners off by over 0.1 pixel, and sensors without a product here. Products are
also read out of a zip and a tar. `--quick`: the same, it is small.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from measure import asked_quick, report
from product_readers import READERS, Read

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from geosoil.raster.grid import Grid
from geosoil.sensors import SENSORS
from geosoil.sensors.cube import open_cube

if TYPE_CHECKING:
    import xarray as xr

# Sensor: module and function of the generator, and the options of each product.
PRODUCTS: dict[str, tuple[str, str, list[dict[str, Any]]]] = {
    "DESIS": ("sensors.products.desis", "write_desis", [{}, {"gain": 2e-4, "offset": 0.01}]),
    "EMIT": ("sensors.products.emit", "write_emit", [{}]),
    "ENMAP": ("sensors.products.enmap", "write_enmap", [{}, {"cog": True}, {"upper": False}]),
    "GF5_AHSI": ("written_rasters", "write_gf5", [{"generation": "GF5"}, {"generation": "GF5B"}]),
    "HYSIS": ("sensors.products.hysis", "write_hysis", [{}, {"tags": "file"}]),
    "LANDSAT_ETM": ("sensors.products.landsat", "write_landsat", [{"satellite": "LE07"}]),
    "LANDSAT_OLI": ("sensors.products.landsat", "write_landsat", [{"satellite": "LC08"}, {"satellite": "LC09"}]),
    "LANDSAT_TM": ("sensors.products.landsat", "write_landsat", [{"satellite": "LT05"}]),
    "PRISMA": ("sensors.products.prisma", "write_prisma", [{}]),
    "SENTINEL2": ("sensors.products.sentinel2", "write_sentinel2", [{}, {"baseline": "02.14", "offset": None}]),
    "TANAGER": ("sensors.products.tanager", "write_tanager", [{}, {"reflectance": False}]),
    "WYVERN": ("sensors.products.wyvern", "write_wyvern", [{}, {"version": 1, "level": "L1B"}]),
    "ZY1_AHSI": ("written_rasters", "write_gf5", [{"generation": "ZY1E", "counts": (76, 90)}]),
}
TOLERANCE, TOLERANCE_NM, TOLERANCE_PIXELS = 1e-6, 0.01, 0.1
IN_ARCHIVES = ("DESIS", "ENMAP", "GF5_AHSI", "LANDSAT_OLI", "SENTINEL2", "WYVERN")


def differences(cube: xr.DataArray, expected: Read) -> dict[str, int]:
    """Count what differs between a cube and the independent reading."""
    values, centre_nm = cube.values, cube["wavelength_nm"].values
    if values.shape != expected.values.shape:
        print(f"    shapes {values.shape} and {expected.values.shape}")
        return {"pixels": max(values.size, expected.values.size), "wavelengths": abs(len(centre_nm) - len(values))}
    close = np.isclose(values, expected.values, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)
    grid, (west, width, _, north, _, height) = Grid.of(cube), expected.geotransform
    rows, columns = values.shape[1:]
    corners = [(west, north), (west + width * columns, north + height * rows)]
    left, bottom, right, top = grid.bounds
    shifts = [
        max(abs(x - a) / abs(width), abs(y - b) / abs(height))
        for (x, y), (a, b) in zip(corners, ((left, top), (right, bottom)), strict=True)
    ]
    return {
        "pixels": int(np.count_nonzero(~close)),
        "wavelengths": int(np.count_nonzero(np.abs(centre_nm - expected.centre_nm) > TOLERANCE_NM)),
        "corners": sum(shift > TOLERANCE_PIXELS for shift in shifts),
    }


def compare(name: str, folder: Path) -> int:
    """Write and read the products of a sensor; return the number of differences."""
    module, function, variants = PRODUCTS[name]
    total = 0
    for number, options in enumerate(variants):
        path = Path(getattr(import_module(module), function)(folder / f"{name}_{number}", **options))
        expected = READERS[name](path)
        ways = {"as delivered": path}
        if name in IN_ARCHIVES and number == 0:
            root = path if path.is_dir() else path.parent
            for form in ("zip", "tar"):
                made = shutil.make_archive(str(folder / f"{name}_{number}"), form, root.parent, root.name)
                ways[f"in a {form}"] = Path(made)
        for way, place in ways.items():
            cube = open_cube(place, drop_nm=[])
            counts = differences(cube, expected)
            masked = int(np.isnan(cube.values).all(axis=0).sum())
            size = f"{cube.sizes['band']} bands of {cube.sizes['y']} x {cube.sizes['x']}, {masked} pixels masked"
            print(
                f"  {name:12s} {options or ''} {way}: {size}; " + ", ".join(f"{n} {what}" for what, n in counts.items())
            )
            total += sum(counts.values())
    return total


def main() -> None:
    """Compare and report."""
    asked_quick(__doc__)
    absent = sorted(set(SENSORS) - set(PRODUCTS))
    for name in absent:
        print(f"  {name:12s} no generated product here")
    with tempfile.TemporaryDirectory() as folder:
        total = len(absent) + sum(compare(name, Path(folder)) for name in PRODUCTS if name in SENSORS)
    sys.exit(not report("products", total, "differences", 0))


if __name__ == "__main__":
    main()
