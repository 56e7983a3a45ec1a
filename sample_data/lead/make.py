"""Make a synthetic library of spectra with pH, and a mining hillside with lead: samples, spectra, cube and truth.

Run as `python sample_data/lead/make.py`; everything is drawn from one seed and written beside this file.
Nothing here is measured; README.md says what is simplified. With fractions of mass, and e an error of measurement:

    soil        z = gradual and abrupt changes in space (hillside), or a draw within a region (library)
                clay, iron oxides, carbonate, organic matter, water, kinds of clay and of oxides, grain = f(z)
    pH          4.2 + 4.2 / (1 + acid / base) + e      base = carbonate + 0.04 smectite,  acid = 0.2 organic + 0.1 iron
    ln Pb       ln 300 + 1.3 (pH - 6.5) + 0.8 ln(iron / 0.05) + plume + e
    spectra     gain tilt Kubelka-Munk(soil) + gloss + noise

Lead stays where the soil is not acid and where iron oxides hold it. Both a spectrum can tell, the first through what it
also tells of pH. What the smelters' plumes brought, no spectrum tells. Grain, gain and gloss say nothing of either, and
vary more than anything else does: whoever has many spectra can learn to look past them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas
import numpy as np
import pyogrio
import rasterio
from geosoil_sample_data.soil_spectra import Soil, gauss, smooth_field, soil_reflectance, write_table
from scipy.ndimage import gaussian_filter1d
from scipy.special import expit

SEED = 20240317  # of 60 tried, its 130 samples came nearest to the published range and variation of lead
N_REGIONS, N_PER_REGION = 6, 100
N_SAMPLES = 130
LAB_NM = np.arange(400.0, 2500.0, 5.0)

SIZE = 48  # pixels a side
PIXEL_M = 30.0
EPSG = 32648  # UTM 48N, as at 103.2 E 23.3 N
ORIGIN_M = (310980.0, 2586030.0)  # west, north
NODATA = -32768
SCALE = 1e-4
CUBE_STEP = 8  # digital numbers are rounded to this: below the noise, and the file is smaller
SENSOR_FWHM_NM = 22.0
SMELTERS = (((9.0, 12.0), 2.6, 5.0), ((38.0, 31.0), 2.2, 5.0), ((27.0, 6.0), 1.4, 4.0))  # (y, x), ln Pb, pixels

GEOTIFF = {
    **{"driver": "GTiff", "compress": "deflate", "zlevel": 9, "tiled": True, "blockxsize": 48, "blockysize": 48},
    **{"height": SIZE, "width": SIZE, "crs": f"EPSG:{EPSG}"},
    "transform": rasterio.Affine(PIXEL_M, 0, ORIGIN_M[0], 0, -PIXEL_M, ORIGIN_M[1]),
}
# Middle of a region: logits of clay, smectite and haematite; fractions of the others.
HILLSIDE = {"clay": 0.2, "iron": 0.05, "carbonate": 0.009, "organic": 0.025, "smectite": -0.5, "haematite": 0.4}


def sensor_bands() -> np.ndarray:
    """Centres (nm) of the imaging spectrometer: every 20 nm, none where water vapour lets nothing through."""
    centre = np.arange(430.0, 2471.0, 20.0)
    return centre[~((centre > 1340) & (centre < 1440)) & ~((centre > 1800) & (centre < 1960))]


# ---------------------------------------------------------------- the soil


def compose(middle: dict[str, float], z: np.ndarray) -> Soil:
    """Soils `(sample,)` about the middle of a region, from nine standard normal numbers each `(9, sample)`."""
    clay = 0.1 + 0.45 * expit(middle["clay"] + 0.8 * z[0])
    return {
        "clay": clay,
        "iron": np.clip(middle["iron"] * np.exp(0.45 * z[1]), 0.003, 0.15),
        "carbonate": np.clip(middle["carbonate"] * np.exp(1.5 * z[2]), 3e-4, 0.35),
        "organic": np.clip(middle["organic"] * np.exp(0.5 * z[3]), 0.003, 0.15),
        "water": (0.0036 + 0.024 * clay) * np.exp(0.8 * z[4]),  # air-dry
        "smectite": expit(middle["smectite"] + 1.4 * z[5]),
        "haematite": expit(middle["haematite"] + 1.4 * z[6]),
        "humification": np.exp(0.4 * z[7]),
        "scattering": np.exp(0.8 * z[8] - 0.7 * (clay - 0.3)),
    }


def true_ph(soil: Soil) -> np.ndarray:
    """pH `(sample,)`: what neutralises acid against what makes it, as a titration curve between 4.2 and 8.4."""
    base = soil["carbonate"] + 0.04 * soil["clay"] * soil["smectite"]
    acid = 0.2 * soil["organic"] + 0.1 * soil["iron"]
    return 4.2 + 4.2 * base / (base + acid)


def true_lead(soil: Soil, plume: np.ndarray) -> np.ndarray:
    """Lead `(sample,)` in mg/kg: kept where pH is high and iron oxides sorb it, brought by the smelters' plumes."""
    held = 1.3 * (true_ph(soil) - 6.5) + 0.8 * np.log(soil["iron"] / HILLSIDE["iron"])
    return 300 * np.exp(held + plume)


def regions(rng: np.random.Generator) -> Soil:
    """Soils `(600,)` of the library, region after region."""
    parts = []
    for _ in range(N_REGIONS):
        draw = rng.standard_normal(6)
        middle = {
            "clay": -0.3 + 0.5 * draw[0],
            "iron": 0.03 * np.exp(0.4 * draw[1]),
            "carbonate": 0.008 * np.exp(0.7 * draw[2]),
            "organic": 0.028 * np.exp(0.3 * draw[3]),
            "smectite": 0.7 * draw[4],
            "haematite": -0.3 + 0.7 * draw[5],
        }
        parts.append(compose(middle, rng.standard_normal((9, N_PER_REGION))))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def hillside(rng: np.random.Generator) -> tuple[Soil, np.ndarray, np.ndarray]:
    """Soils of all pixels `(y * x,)`, what the plumes add to ln Pb, and the share of green cover."""
    z = [np.sqrt(0.5) * (smooth_field(rng, SIZE, 3) + rng.standard_normal((SIZE, SIZE))) for _ in range(9)]
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    fallout = sum(load * np.exp(-0.5 * ((y - at[0]) ** 2 + (x - at[1]) ** 2) / r**2) for at, load, r in SMELTERS)
    plume = fallout - fallout.mean() + 0.25 * smooth_field(rng, SIZE, 2)
    woods = expit(5 * (smooth_field(rng, SIZE, 4) + 0.3 * smooth_field(rng, SIZE, 1) - 1.2))
    return compose(HILLSIDE, np.reshape(z, (9, -1))), plume.ravel(), woods.ravel()


# ---------------------------------------------------------------- the two instruments


def laboratory(rng: np.random.Generator, soil: Soil) -> np.ndarray:
    """Reflectance `(sample, 420)` of dry soil as it came from the sieve: packing, gloss and tilt differ every time."""
    n = len(soil["clay"])
    gain = np.exp(0.15 * rng.standard_normal((n, 1)))
    tilt = 1 + 0.05 * rng.standard_normal((n, 1)) * (LAB_NM - 1400) / 1000
    gloss = 0.01 * rng.gamma(2.0, 1.0, (n, 1))
    noise = 6e-4 * 1.8 * gaussian_filter1d(rng.standard_normal((n, LAB_NM.size)), 1)
    return np.clip(gain * tilt * soil_reflectance(LAB_NM, soil) + gloss + noise, 0.005, 1)


def from_above(rng: np.random.Generator, soil: Soil, woods: np.ndarray) -> np.ndarray:
    """Reflectance `(band, y, x)` of the hillside: light by slope, haze left over, green cover mixed in, noise."""
    nm = np.arange(400.0, 2501.0, 5.0)
    light = np.exp(0.12 * smooth_field(rng, SIZE, 3) + 0.06 * rng.standard_normal((SIZE, SIZE))).reshape(-1, 1)
    haze = 0.012 * np.exp(0.3 * smooth_field(rng, SIZE, 6)).reshape(-1, 1)
    leaf_water = 0.4 * gauss(nm, 1190, 60) + 1.5 * gauss(nm, 1450, 70) + 2.4 * gauss(nm, 1940, 110)
    dry = expit((nm - 718) / 13) * np.exp(-leaf_water - np.clip(nm - 800, 0, None) / 1500)
    leaf = 0.04 + 0.03 * gauss(nm, 552, 28) + 0.42 * dry
    ground = light * soil_reflectance(nm, soil) + haze
    scene = ground * (1 - woods[:, None]) + leaf * woods[:, None]
    centre = sensor_bands()
    response = np.exp(-4 * np.log(2) * ((nm[:, None] - centre) / SENSOR_FWHM_NM) ** 2)
    cube = (scene @ (response / response.sum(axis=0))).T.reshape(-1, SIZE, SIZE)
    return cube + 1.5e-3 * rng.standard_normal(cube.shape)


# ---------------------------------------------------------------- sampling and files


def no_data(rng: np.random.Generator) -> np.ndarray:
    """Mask `(y, x)` of pixels without an image: the flight strip's edge in the north-east, and five lost pixels."""
    y, x = np.mgrid[:SIZE, :SIZE]
    mask = x - 0.5 * y > SIZE - 7
    mask.reshape(-1)[rng.choice(SIZE**2, 5, replace=False)] = True
    return mask


def choose_pixels(rng: np.random.Generator, allowed: np.ndarray) -> np.ndarray:
    """Flat index `(130,)` of sampled pixels: each far from all before it."""
    pixels = np.argwhere(allowed)
    chosen = [int(rng.integers(len(pixels)))]
    spread = np.full(len(pixels), np.inf)
    while len(chosen) < N_SAMPLES:
        spread = np.minimum(spread, np.hypot(*(pixels - pixels[chosen[-1]]).T))
        chosen.append(int(rng.choice(np.flatnonzero(spread > 0.85 * spread.max()))))
    return np.sort(np.ravel_multi_index(tuple(pixels[chosen].T), allowed.shape))


def write_cube(path: Path, cube: np.ndarray, mask: np.ndarray) -> None:
    """Write reflectance `(band, y, x)` as int16 with its scale, wavelengths and widths."""
    digital = np.where(mask, NODATA, CUBE_STEP * np.round(cube / SCALE / CUBE_STEP)).astype(np.int16)
    profile = {"dtype": "int16", "count": len(cube), "nodata": NODATA, "interleave": "pixel", "predictor": 2}
    with rasterio.open(path, "w", **GEOTIFF, **profile) as file:
        file.write(digital)
        file.scales, file.offsets = [SCALE] * len(cube), [0.0] * len(cube)
        file.update_tags(SYNTHETIC="made by sample_data/lead/make.py from formulas; no measurement of any sensor")
        for band, centre in enumerate(sensor_bands(), start=1):
            file.set_band_description(band, f"{centre:.0f} nm")
            file.update_tags(band, wavelength=f"{centre:.1f}", wavelength_units="nm", fwhm=f"{SENSOR_FWHM_NM:.1f}")


def write_truth(path: Path, layers: dict[str, np.ndarray], mask: np.ndarray) -> None:
    """Write the true layers `(y, x)` float32; NaN where the cube has no data."""
    values = np.stack(list(layers.values())).astype(np.float32)
    values[:, mask] = np.nan
    with rasterio.open(path, "w", **GEOTIFF, dtype="float32", count=len(layers), nodata=np.nan, predictor=3) as file:
        file.write(values)
        file.descriptions = tuple(layers)
        file.units = ("mg/kg", "", "")


def write_samples(path: Path, table: dict[str, np.ndarray], east_m: np.ndarray, north_m: np.ndarray) -> None:
    """Write the sampled places with what the chemists found, as a GeoPackage that bears no time of writing."""
    points = geopandas.GeoDataFrame(table, geometry=geopandas.points_from_xy(east_m, north_m), crs=EPSG)
    path.unlink(missing_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2024-04-01T00:00:00.000Z"})
    version = {"VERSION": "1.3"}  # which older GIS read without a warning
    options = {"dataset_options": version, "SPATIAL_INDEX": "NO"}
    points.to_file(path, layer="samples", driver="GPKG", engine="pyogrio", **options)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def main(folder: Path, seed: int = SEED) -> None:
    """Write library.parquet, samples.gpkg, spectra.parquet, cube.tif and truth.tif; the same bytes every time."""
    of_library, of_land, of_image, of_samples = (np.random.default_rng([seed, part]) for part in range(4))
    folder.mkdir(parents=True, exist_ok=True)

    library = regions(of_library)
    n = N_REGIONS * N_PER_REGION
    columns = {
        "sample_id": np.array([f"L{i:03d}" for i in range(1, n + 1)]),
        "region": np.repeat([f"region_{i}" for i in range(1, N_REGIONS + 1)], N_PER_REGION),
        "ph": (true_ph(library) + 0.1 * of_library.standard_normal(n)).round(2),
    }
    write_table(folder / "library.parquet", columns, LAB_NM, laboratory(of_library, library))

    soil, plume, woods = hillside(of_land)
    mask = no_data(of_image)
    write_cube(folder / "cube.tif", from_above(of_image, soil, woods), mask)
    bare = woods.reshape(SIZE, SIZE) < 0.05
    layers = {"pb_mg_kg": true_lead(soil, plume), "ph": true_ph(soil), "bare_soil": bare}
    write_truth(folder / "truth.tif", {k: v.reshape(SIZE, SIZE) for k, v in layers.items()}, mask)

    pixel = choose_pixels(of_samples, bare & ~mask)
    sampled = {name: values[pixel] for name, values in soil.items()}
    error = of_samples.standard_normal((3, N_SAMPLES))
    ids = np.array([f"P{i:03d}" for i in range(1, N_SAMPLES + 1)])
    table = {
        "sample_id": ids,
        "pb_mg_kg": (layers["pb_mg_kg"][pixel] * np.exp(0.05 * error[0])).round(1),
        "ph": (layers["ph"][pixel] + 0.1 * error[1]).round(2),
        "fe_g_kg": (660 * sampled["iron"] * np.exp(0.03 * error[2])).round(1),  # 660 g of iron in a kg of its oxides
    }
    within = of_samples.uniform(0.15, 0.85, (2, N_SAMPLES))
    east_m = ORIGIN_M[0] + PIXEL_M * (pixel % SIZE + within[0])
    north_m = ORIGIN_M[1] - PIXEL_M * (pixel // SIZE + within[1])
    write_samples(folder / "samples.gpkg", table, east_m.round(2), north_m.round(2))
    write_table(folder / "spectra.parquet", {"sample_id": ids}, LAB_NM, laboratory(of_samples, sampled))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
