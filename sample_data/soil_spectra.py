"""Reflectance of synthetic soils and the files it is written to, for the makers of sample_data/lead and /library.

A soil is a dict of arrays `(sample,)`: mass fractions of what absorbs, and how strongly its grains scatter. Absorptions
add up, and Kubelka-Munk turns their ratio to the scattering into reflectance. Endmembers are invented: they resemble
minerals, they are none.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.ndimage import gaussian_filter
from scipy.special import expit

if TYPE_CHECKING:
    from pathlib import Path

Soil = dict[str, np.ndarray]
STEP = 2.0**-13  # reflectance is rounded to this (about 1e-4): its float32 then compresses


def gauss(nm: np.ndarray, centre: float, sd: float) -> np.ndarray:
    """A Gaussian absorption of height 1."""
    return np.exp(-0.5 * ((nm - centre) / sd) ** 2)


def bands(nm: np.ndarray, absorptions: list[tuple[float, float, float]]) -> np.ndarray:
    """Sum `(wavelength,)` of Gaussian absorptions, each `(centre_nm, sd_nm, height)`."""
    return np.sum([height * gauss(nm, centre, sd) for centre, sd, height in absorptions], axis=0)


def absorption(nm: np.ndarray) -> Soil:
    """Kubelka-Munk absorption `(wavelength,)` of each component, per unit of mass fraction, over the scattering."""
    ultraviolet = np.exp(-(nm - 350) / 150)
    beyond_2200 = np.clip((nm - 2200) / 300, 0, None) ** 2
    charge_transfer = 45 * expit((545 - nm) / 28)
    return {
        "matrix": 0.05 + 0.3 * ultraviolet,  # quartz and feldspar
        "kaolinite": 0.3 + 0.8 * ultraviolet + beyond_2200
        + bands(nm, [(1412, 16, 0.7), (1915, 25, 0.3), (2165, 14, 0.7), (2207, 16, 1.1), (2385, 22, 0.35)]),
        "smectite": 0.4 + 0.8 * ultraviolet + beyond_2200
        + bands(nm, [(1415, 18, 0.6), (1430, 42, 0.3), (1910, 24, 1.7), (1935, 60, 0.7), (2208, 22, 0.8)]),
        "goethite": charge_transfer + bands(nm, [(480, 35, 18), (665, 45, 5), (925, 75, 9)]),
        "haematite": 1.3 * charge_transfer + bands(nm, [(530, 32, 22), (670, 40, 3), (870, 60, 10)]),
        "carbonate": 0.08
        + bands(nm, [(1870, 35, 0.6), (1990, 35, 0.8), (2160, 35, 0.6), (2338, 36, 4.2), (2500, 55, 3.5)]),
        # Humus darkens most in the visible and bends the rise at 600-800 nm.
        "organic": 1.6 + 34 * np.exp(-(nm - 350) / 260) + 7 * gauss(nm, 690, 150)
        + bands(nm, [(1730, 28, 0.8), (2060, 40, 0.8), (2310, 30, 1.4), (2350, 25, 1.0)]),
        "water": 0.3
        + bands(nm, [(970, 40, 0.5), (1195, 50, 1.0), (1450, 48, 10), (1520, 90, 3), (1935, 45, 26), (2000, 100, 8)])
        + 14 * np.exp((nm - 2500) / 180),
    }  # fmt: skip


def soil_reflectance(nm: np.ndarray, soil: Soil) -> np.ndarray:
    """Reflectance `(sample, wavelength)` of optically thick soil.

    soil: `clay`, `iron` (oxides), `carbonate`, `organic` (matter), `water`: mass fractions; `smectite`, `haematite`:
    shares of the clay, of the iron oxides; `humification`: darkness of the organic matter; `scattering`: of the
    grains, 1 for a silt loam. Organic matter coats the grains, so that its darkening saturates.
    """
    k = absorption(nm)
    mineral = np.clip(1 - sum(soil[name] for name in ("clay", "iron", "carbonate")), 0, None)
    parts = {
        "matrix": mineral,
        "kaolinite": soil["clay"] * (1 - soil["smectite"]),
        "smectite": soil["clay"] * soil["smectite"],
        "goethite": soil["iron"] * (1 - soil["haematite"]),
        "haematite": soil["iron"] * soil["haematite"],
        "carbonate": soil["carbonate"],
        "organic": soil["humification"] * 0.06 * (1 - np.exp(-soil["organic"] / 0.06)),
        "water": soil["water"],
    }
    total = np.stack(list(parts.values()), axis=-1) @ np.stack([k[name] for name in parts])
    ratio = total / soil["scattering"][:, None]
    return 1 + ratio - np.sqrt(ratio**2 + 2 * ratio)


def smooth_field(rng: np.random.Generator, size: int, length_px: float) -> np.ndarray:
    """A Gaussian random field `(size, size)` with mean 0, sd 1, correlated over `length_px`."""
    pad = int(4 * length_px)
    field = gaussian_filter(rng.standard_normal((size + 2 * pad, size + 2 * pad)), length_px)
    field = field[pad : pad + size, pad : pad + size]
    return (field - field.mean()) / field.std()


def write_table(path: Path, columns: dict[str, np.ndarray], nm: np.ndarray, spectra: np.ndarray) -> None:
    """Write Parquet that `geosoil.read_spectra` reads: columns, then reflectance `(sample, wavelength)` by its nm."""
    names = [f"{wavelength:g}" for wavelength in nm]
    rounded = (np.round(spectra / STEP) * STEP).astype(np.float32)
    table = pa.table({**columns, **dict(zip(names, rounded.T, strict=True))})
    said = json.dumps({"spectra_kind": "reflectance_fraction", "source": "synthetic"})
    table = table.replace_schema_metadata({"geosoil": said})
    smallest = {"compression": "zstd", "compression_level": 19, "write_statistics": False, "store_schema": False}
    encoding = dict.fromkeys(names, "BYTE_STREAM_SPLIT")
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, use_dictionary=False, column_encoding=encoding, **smallest)
