"""Make a synthetic soil spectral library of six countries, and three sites that want models of their own.

Run as `python sample_data/library/make.py`; everything is drawn from one seed and written beside this file.
Nothing here is measured; README.md says what is simplified.

    country     an instrument of its own: gain, tilt, offset, steps between detectors, noise
    landscape   three to a country: minerals, and how dark a gram of humus is
    site        one landscape of one country, narrower, drifting over a farm; the country's instrument, set up again

The same spectrum so means another content in another landscape: a model of the whole library is biased at a site, a
model of thirty samples is unsure, and the rows of the right landscape help.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from geosoil_sample_data.soil_spectra import Soil, smooth_field, soil_reflectance, write_table
from scipy.special import expit

SEED = 20220207
N_COUNTRIES, N_LANDSCAPES = 6, 2
N_PER_COUNTRY = (320, 180, 270, 240, 290, 200)
NM = np.arange(400.0, 2501.0, 10.0)
SIDE_M, FIELD_PX = 1600.0, 40
# country, landscape, samples, how far the site's soils lie from the landscape's middle, west and south (m, UTM)
SITES = {
    "site_a": (1, 0, 150, 0.05, (512000.0, 5801000.0)),
    "site_b": (3, 1, 120, 0.1, (448000.0, 5620000.0)),
    "site_c": (4, 1, 180, 0.2, (601000.0, 5395000.0)),
}
DRIFT = 0.7  # of the instrument between samples, against 1 between countries
INSTRUMENT = ("gain", "tilt", "bow", "offset", "visible", "shortwave")


# ---------------------------------------------------------------- the soil


def draw_landscape(rng: np.random.Generator, country: np.ndarray) -> np.ndarray:
    """Middle `(8,)` of a landscape in standard units, nearer to its own country's than to another's."""
    return 0.7 * country + 0.8 * rng.standard_normal(8)


def compose(middle: np.ndarray, z: np.ndarray) -> Soil:
    """Soils `(sample,)` about the middle of a landscape `(8,)`, from nine numbers each `(9, sample)`."""
    m = dict(
        zip(("clay", "iron", "carbonate", "organic", "smectite", "haematite", "humus", "grain"), middle, strict=True)
    )
    clay = 0.06 + 0.5 * expit(-0.4 + 0.7 * m["clay"] + 0.7 * z[0])
    return {
        "clay": clay,
        "iron": np.clip(0.025 * np.exp(0.45 * m["iron"] + 0.3 * z[1]), 0.002, 0.15),
        "carbonate": np.clip(0.006 * np.exp(1.0 * m["carbonate"] + 0.8 * z[2]), 1e-4, 0.4),
        "organic": np.clip(0.024 * np.exp(0.4 * m["organic"] + 0.35 * z[3]), 0.002, 0.25),
        "water": (0.004 + 0.03 * clay) * np.exp(0.3 * z[4]),
        "smectite": expit(0.9 * m["smectite"] + 0.5 * z[5]),
        "haematite": expit(-0.5 + 0.9 * m["haematite"] + 0.5 * z[6]),
        "humification": np.exp(0.6 * m["humus"] + 0.06 * z[7]),
        "scattering": np.exp(0.2 * m["grain"] + 0.15 * z[8] - 0.7 * (clay - 0.3)),
    }


def contents(rng: np.random.Generator, soil: Soil) -> dict[str, np.ndarray]:
    """What the chemists report `(sample,)`: SOC and clay in % of mass, pH; each with its error of measurement."""
    error = rng.standard_normal((3, len(soil["clay"])))
    base = soil["carbonate"] + 0.05 * soil["clay"] * soil["smectite"]
    acid = 0.15 * soil["organic"] + 0.1 * soil["iron"]
    return {
        "soc_pct": (58 * soil["organic"] * np.exp(0.04 * error[0])).round(2),  # humus holds 58 % of carbon
        "clay_pct": np.clip(100 * soil["clay"] + 1.5 * error[1], 1, None).round(1),
        "ph": (4.0 + 4.4 * base / (base + acid) + 0.12 * error[2]).round(2),
    }


# ---------------------------------------------------------------- the instruments


def measured(rng: np.random.Generator, soil: Soil, instrument: dict[str, float]) -> np.ndarray:
    """Reflectance `(sample, 211)` by one country's instrument: bent, lifted, with steps at 1000 and 1830 nm, noisy."""
    n = len(soil["clay"])
    along = (NM - 1450) / 1050
    # The instrument as it was calibrated, and how lamp, fibre and cup differ from one sample to the next.
    now = {part: instrument[part] + DRIFT * rng.standard_normal((n, 1)) for part in INSTRUMENT}
    response = 1 + 0.06 * now["gain"] + 0.05 * now["tilt"] * along + 0.04 * now["bow"] * along**2
    response = response + 0.012 * now["visible"] * (NM < 1000) + 0.012 * now["shortwave"] * (NM > 1830)
    edges = 1 + 3 * np.exp(-(NM - 400) / 40) + 2 * np.exp((NM - 2500) / 60)
    noise = 4e-4 * np.exp(0.3 * instrument["offset"]) * edges * rng.standard_normal((n, NM.size))
    reflectance = response * soil_reflectance(NM, soil) + 0.014 + 0.004 * now["offset"]
    return np.clip(reflectance + noise, 0.005, 1)


# ---------------------------------------------------------------- the files


def write_library(
    rng: np.random.Generator, path: Path, middles: np.ndarray, instruments: list[dict[str, float]]
) -> None:
    """Write the library, country after country, its landscapes in turn."""
    parts, spectra, country = [], [], []
    for i, n in enumerate(N_PER_COUNTRY):
        which = np.arange(n) % N_LANDSCAPES
        soils = [compose(middles[i, j], rng.standard_normal((9, int((which == j).sum())))) for j in range(N_LANDSCAPES)]
        soil = {name: np.concatenate([part[name] for part in soils]) for name in soils[0]}
        parts.append(contents(rng, soil))
        spectra.append(measured(rng, soil, instruments[i]))
        country += [f"country_{i + 1}"] * n
    columns = {
        "sample_id": np.array([f"L{i:04d}" for i in range(1, len(country) + 1)]),
        "country": np.array(country),
        **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]},
    }
    write_table(path, columns, NM, np.concatenate(spectra))


def write_site(
    rng: np.random.Generator, folder: Path, name: str, middles: np.ndarray, instruments: list[dict[str, float]]
) -> None:
    """Write one site: its soils change gradually over the farm, and less than those of the whole landscape."""
    country, landscape, n, away, corner = SITES[name]
    cell = rng.choice(FIELD_PX**2, n, replace=False)
    z = np.array([0.6 * smooth_field(rng, FIELD_PX, 5).ravel()[cell] + 0.6 * rng.standard_normal(n) for _ in range(9)])
    soil = compose(middles[country, landscape] + away * rng.standard_normal(8), z)
    instrument = {part: value + 0.1 * rng.standard_normal() for part, value in instruments[country].items()}
    within = rng.uniform(0.1, 0.9, (2, n))
    columns = {
        "sample_id": np.array([f"{name[-1].upper()}{i:03d}" for i in range(1, n + 1)]),
        "x_m": (corner[0] + SIDE_M / FIELD_PX * (cell % FIELD_PX + within[0])).round(1),
        "y_m": (corner[1] + SIDE_M / FIELD_PX * (cell // FIELD_PX + within[1])).round(1),
        **contents(rng, soil),
    }
    write_table(folder / f"{name}.parquet", columns, NM, measured(rng, soil, instrument))


def main(folder: Path, seed: int = SEED) -> None:
    """Write library.parquet, site_a.parquet, site_b.parquet and site_c.parquet; the same bytes every time."""
    of_countries, of_library, *of_sites = (np.random.default_rng([seed, part]) for part in range(2 + len(SITES)))
    countries = of_countries.standard_normal((N_COUNTRIES, 8))
    middles = np.array([[draw_landscape(of_countries, country) for _ in range(N_LANDSCAPES)] for country in countries])
    instruments = [
        dict(zip(INSTRUMENT, of_countries.standard_normal(len(INSTRUMENT)).tolist(), strict=True)) for _ in countries
    ]
    folder.mkdir(parents=True, exist_ok=True)
    write_library(of_library, folder / "library.parquet", middles, instruments)
    for rng, name in zip(of_sites, SITES, strict=True):
        write_site(rng, folder, name, middles, instruments)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
