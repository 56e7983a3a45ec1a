"""What benchmarks make for themselves, once a machine, in $GEOSOIL_BENCHMARK_FOLDER (else the system's scratch folder).

Here is also a full GF-5 scene: 2083 x 2008 pixels x 330 bands int16, tiled, pixel-interleaved, uncompressed; 2.8 GB.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import rasterio
from rasterio.transform import from_origin
from rasterio.windows import Window

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS, COLUMNS, TILE = 2083, 2008, 256
WAVELENGTH_NM = np.concatenate([np.linspace(390, 1029, 150), 1009 + 8.4166 * np.arange(180)])
FWHM_NM = np.concatenate([np.full(150, 4.4), np.full(180, 8.546)])
BAD_NM = ((1342.0, 1451.0), (1771.0, 1977.0))
N_ENDMEMBERS = 6


def scratch_folder() -> Path:
    """Return the folder where benchmarks keep what they make."""
    folder = Path(os.environ.get("GEOSOIL_BENCHMARK_FOLDER", Path(tempfile.gettempdir()) / "geosoil-benchmarks"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def made_once(name: str, write: Callable[[Path], None]) -> Path:
    """Return a file of the scratch folder, written if it is not there yet; a file that is there is whole."""
    path = scratch_folder() / name
    if not path.exists():
        unfinished = path.with_suffix(f".part{path.suffix}")
        write(unfinished)
        unfinished.rename(path)
    return path


def endmembers() -> np.ndarray:
    """Return smooth, made-up soil spectra `(6, 330)` reflectance: a rising continuum with gaussian absorptions."""
    rng = np.random.default_rng(5)
    spectra = []
    for _ in range(N_ENDMEMBERS):
        spectrum = rng.uniform(0.2, 0.5) * (1 - np.exp(-WAVELENGTH_NM / rng.uniform(400, 900)))
        for centre, width in ((530, 60), (880, 90), (1410, 40), (1915, 50), (2205, 30)):
            spectrum *= 1 - rng.uniform(0, 0.3) * np.exp(-(((WAVELENGTH_NM - centre) / width) ** 2))
        spectra.append(spectrum)
    return np.array(spectra)


def spectra_of(n: int, seed: int = 0) -> np.ndarray:
    """Return `(n, 330)` reflectance of random mixtures, as the scene holds them."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.ones(N_ENDMEMBERS), n)
    return shares @ endmembers() + rng.normal(0, 0.003, (n, len(WAVELENGTH_NM)))


def make_scene(rows: int = ROWS, columns: int = COLUMNS) -> Path:
    """Return a scene of that size, made if it is not there yet."""
    return made_once(f"gf5_{rows}x{columns}.tif", lambda path: _write_scene(path, rows, columns))


def _write_scene(path: Path, rows: int, columns: int) -> None:
    profile = {
        "driver": "GTiff",
        "height": rows,
        "width": columns,
        "count": len(WAVELENGTH_NM),
        "dtype": "int16",
        "crs": "EPSG:32652",
        "transform": from_origin(450_000, 4_800_000, 30, 30),
        "nodata": -32768,
        "tiled": True,
        "blockxsize": TILE,
        "blockysize": TILE,
        "interleave": "pixel",
        "BIGTIFF": "YES",
    }
    with rasterio.Env(GDAL_CACHEMAX=512 * 2**20), rasterio.open(path, "w", **profile) as target:
        target.scales = (1e-4,) * target.count
        for band, (centre, fwhm) in enumerate(zip(WAVELENGTH_NM, FWHM_NM, strict=True), start=1):
            target.update_tags(band, wavelength=f"{centre:.3f}", wavelength_units="nm", fwhm=f"{fwhm:.3f}")
        for i, row in enumerate(range(0, rows, TILE)):
            height = min(TILE, rows - row)
            values = spectra_of(height * columns, seed=i) * 1e4
            block = np.rint(values).astype(np.int16).reshape(height, columns, -1).transpose(2, 0, 1)
            target.write(block, window=Window(0, row, columns, height))
