"""Real pairs of laboratory and disturbed spectra: the same soils scanned dry and wet, at the bands of GF-5.

No open data pair GF-5 pixels with laboratory spectra. The nearest real thing: soils scanned air-dry (the
laboratory) and wet (water is the largest disturbance of a soil in the field), the wet scans brought to
what a satellite would give: GF-5 AHSI's bands, an illumination factor for each sample, and noise that grows
to the edges of the detectors. The wetness is real, the rest is drawn from `seed`.
Needs ../shared (data/README.md there names the source, soilspec `datEPO`, MIT).
"""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import pandas as pd
from measure import shared

WATER_VAPOUR_NM = ((1342.0, 1451.0), (1771.0, 1977.0))  # left out by Ou et al. (2025), section 2.2.2
SENTINEL_ABSORBANCE = 5.0  # three scans hold 5.1 to 9.99 at 350 nm, where their neighbours hold 1.5
FWHM_TO_SD = 1 / (2 * np.sqrt(2 * np.log(2)))


class Pairs(TypedDict):
    """What `moisture_pairs` gives; row i of every array is soil i."""

    satellite: np.ndarray
    laboratory: np.ndarray
    total_c_pct: np.ndarray
    wavelength_nm: np.ndarray
    sample_id: np.ndarray


def gf5_bands() -> pd.DataFrame:
    """Give the bands used: without water vapour, without the second detector's overlap, wholly inside 350-2500 nm."""
    bands = pd.read_csv(shared("rasters", "gf5_ahsi_bands.csv"))
    centre, three_sd = bands["centre_nm"], 3 * FWHM_TO_SD * bands["fwhm_nm"]
    vapour = np.logical_or.reduce([centre.between(low, high) for low, high in WATER_VAPOUR_NM])
    overlap = (bands["detector"] == "SW") & (centre <= centre[bands["detector"] == "VN"].max())
    outside = (centre - three_sd < 350) | (centre + three_sd > 2500)
    return bands[~(vapour | overlap | outside)].reset_index(drop=True)


def _at_bands(reflectance: np.ndarray, wavelength_nm: np.ndarray, bands: pd.DataFrame) -> np.ndarray:
    """Weigh `(sample, wavelength)` by each band's Gaussian response: `(sample, band)`."""
    distance = (wavelength_nm[None, :] - bands["centre_nm"].to_numpy()[:, None]) / (
        FWHM_TO_SD * bands["fwhm_nm"].to_numpy()[:, None]
    )
    response = np.exp(-0.5 * distance**2)
    return reflectance @ (response / response.sum(axis=1, keepdims=True)).T


def _noise_sd(bands: pd.DataFrame) -> np.ndarray:
    """Give each band's noise `(band,)`: 0.003 amid a detector, five times that at its edges."""
    sd = np.empty(len(bands))
    for _, detector in bands.groupby("detector"):
        centre = detector["centre_nm"].to_numpy()
        from_middle = np.abs(2 * (centre - centre.min()) / np.ptp(centre) - 1)
        sd[detector.index] = 0.003 * (1 + 4 * from_middle**4)
    return sd


def moisture_pairs(seed: int = 0) -> Pairs:
    """Give 97 soils: wet scans as a satellite would see them, dry scans as the laboratory.

    satellite, laboratory `(soil, band)` reflectance as a fraction; total_c_pct `(soil,)`; wavelength_nm
    `(band,)`. The three soils with a sentinel value in one of their scans are left out.
    """
    table = pd.read_parquet(shared("spectra", "geeves_moisture_epo.parquet"))
    columns = [name for name in table.columns if name.replace(".", "", 1).isdigit()]
    wavelength_nm = np.array([float(name) for name in columns])
    spoilt = table.loc[(table[columns] > SENTINEL_ABSORBANCE).any(axis=1), "sample_id"]
    table = table[~table["sample_id"].isin(spoilt)].set_index("sample_id")
    dry = table[table["condition"] == "air_dry"].sort_index()
    wet = table[table["condition"] == "wet"].loc[dry.index]

    bands = gf5_bands()
    laboratory = _at_bands(10.0 ** -dry[columns].to_numpy(dtype=float), wavelength_nm, bands)
    clean = _at_bands(10.0 ** -wet[columns].to_numpy(dtype=float), wavelength_nm, bands)
    rng = np.random.default_rng(seed)
    light = 1 + 0.1 * rng.standard_normal((len(clean), 1))
    noise = _noise_sd(bands) * rng.standard_normal(clean.shape)
    satellite = np.clip(light * clean + noise, 0.001, 1)
    return Pairs(
        satellite=satellite,
        laboratory=laboratory,
        total_c_pct=dry["total_c_pct"].to_numpy(dtype=float),
        wavelength_nm=bands["centre_nm"].to_numpy(dtype=float),
        sample_id=dry.index.to_numpy(),
    )


def two_to_one_splits(n_samples: int, seeds: range) -> list[tuple[np.ndarray, np.ndarray]]:
    """Give for each seed the rows for training (two thirds) and testing."""
    splits = []
    for seed in seeds:
        order = np.random.default_rng(seed).permutation(n_samples)
        n_test = n_samples // 3
        splits.append((np.sort(order[n_test:]), np.sort(order[:n_test])))
    return splits
