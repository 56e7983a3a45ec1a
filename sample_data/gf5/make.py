"""Make the synthetic GF-5 scene of Yitong, Jilin: cube, samples, laboratory spectra, and the truth.

Run as `python sample_data/gf5/make.py`; everything is drawn from one seed and written beside this file.
Nothing here is measured: the landscape, the soil and both instruments are formulas (README.md says which).

    landscape   terrain, stream, mines, basalt hills, fields      -> maps of what the soil is made of
    optics      Kubelka-Munk: absorption and scattering add up    -> reflectance of a soil, dry or moist
    instruments laboratory spectrometer; GF-5 AHSI at 30 m        -> lab.parquet, gf5.tif
    sampling    91 places on bare soil                            -> samples.gpkg, truth.tif
"""

from __future__ import annotations

import sys
from pathlib import Path

import geopandas
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyogrio
import rasterio
from scipy.ndimage import gaussian_filter, gaussian_filter1d
from scipy.special import expit

SEED = 20190208  # of 25 tried, its 91 samples came nearest to the published statistics
SIZE = 64  # pixels a side
PIXEL_M = 30.0
PSF_SD_PX = 0.6  # blur by the telescope and by resampling to the map's grid
EPSG = 32651  # UTM 51N, as at 125.5 E 43.2 N
ORIGIN_M = (703020.0, 4787010.0)  # west, north
NODATA = -32768
SCALE = 1e-4
CUBE_STEP = 4  # digital numbers are rounded to this: below the noise, and the file is a fifth smaller
N_SAMPLES = 91
LAB_STEP = 2.0**-13  # laboratory reflectance is rounded to this (about 1e-4): its float32 then compresses

GEOTIFF = {
    **{"driver": "GTiff", "compress": "deflate", "zlevel": 9, "tiled": True, "blockxsize": 32, "blockysize": 32},
    **{"height": SIZE, "width": SIZE, "crs": f"EPSG:{EPSG}"},
    "transform": rasterio.Affine(PIXEL_M, 0, ORIGIN_M[0], 0, -PIXEL_M, ORIGIN_M[1]),
}

Maps = dict[str, np.ndarray]


# ---------------------------------------------------------------- the instrument's wavelengths


def sensor_bands() -> tuple[np.ndarray, np.ndarray]:
    """Centre and full width at half maximum (nm) of the 330 AHSI bands, nominal: 150 VN, then 180 SW.

    The detectors overlap, so the wavelength steps back once, from 1029 to 1009 nm.
    """
    vn = np.linspace(390.0, 1029.0, 150)
    sw = np.linspace(1009.0, 2515.577, 180)
    return np.concatenate([vn, sw]).round(3), np.repeat([4.4, 8.546], [150, 180])


# ---------------------------------------------------------------- the landscape


def smooth_field(rng: np.random.Generator, length_px: float) -> np.ndarray:
    """A Gaussian random field `(y, x)` with mean 0, sd 1, correlated over `length_px`."""
    pad = int(4 * length_px)
    field = gaussian_filter(rng.standard_normal((SIZE + 2 * pad, SIZE + 2 * pad)), length_px)
    field = field[pad : pad + SIZE, pad : pad + SIZE]
    return (field - field.mean()) / field.std()


def streams(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Distance (pixels) of every pixel to a meandering stream or to its tributary from the east."""
    t = np.linspace(-5, SIZE + 5, 600)
    main = np.stack([t, 27 + 6 * np.sin(t / 9) + 3 * np.sin(t / 4 + 1) - 0.12 * t])
    u = np.linspace(0, 1, 300)
    junction_y, junction_x = main[:, np.searchsorted(t, 44)]
    tributary = np.stack([junction_y - 26 * u + 3 * np.sin(9 * u), junction_x + (SIZE - junction_x + 4) * u])
    line = np.concatenate([main, tributary], axis=1)
    return np.sqrt((y[..., None] - line[0]) ** 2 + (x[..., None] - line[1]) ** 2).min(axis=-1)


def plume(
    y: np.ndarray, x: np.ndarray, source: tuple[float, float], azimuth: float, length_px: tuple[float, float]
) -> np.ndarray:
    """A Gaussian around a hilltop or a mine: 1 at the source, longer down the azimuth (rad) than to the other sides."""
    dy, dx = y - source[0], x - source[1]
    along, across = dx * np.cos(azimuth) + dy * np.sin(azimuth), dy * np.cos(azimuth) - dx * np.sin(azimuth)
    down, side = length_px
    return np.exp(-0.5 * ((along / np.where(along > 0, down, side)) ** 2 + (across / side) ** 2))


def farm_fields(rng: np.random.Generator, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Number of the farmer's field in which every pixel lies: strips turned by 20 degrees, cut at random places."""
    turn = np.deg2rad(20)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    strip = np.digitize(v, np.cumsum(rng.uniform(6, 11, 16)) - 30)
    cuts = np.cumsum(rng.uniform(9, 18, (17, 10)), axis=1) - rng.uniform(0, 15, (17, 1))
    return 11 * strip + (u[..., None] > cuts[strip]).sum(axis=-1)


def landscape(rng: np.random.Generator) -> Maps:
    """Maps `(y, x)` of soil (g/kg, mg/kg, mass fractions), of the surface's state, and of what covers it."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    to_stream = streams(y, x)
    valley = np.exp(-((to_stream / 5.5) ** 2))
    upland = 1 - np.exp(-to_stream / 13) + 0.12 * smooth_field(rng, 7)
    basalt = 0.03 * np.exp(smooth_field(rng, 4))
    for at, height, spread in [((13, 50), 1.0, 5.0), ((54, 9), 0.75, 4.5), ((33, 44), 0.3, 4.0)]:
        basalt = basalt + height * plume(y, x, at, 0.3, (spread, 0.8 * spread))
    tailings = np.zeros_like(y)
    mines = [((19, 12), 0.5, 1.05, (8.5, 4.2)), ((52, 51), 3.4, 0.7, (9.0, 4.5)), ((6, 36), 1.9, 0.3, (7.0, 4.0))]
    for at, azimuth, load, length_px in mines:
        tailings += load * plume(y, x, at, azimuth, length_px)
    tailings *= np.exp(0.15 * smooth_field(rng, 2.5))

    clay = np.clip(0.24 + 0.05 * smooth_field(rng, 6) + 0.07 * valley + 0.03 * smooth_field(rng, 2), 0.08, 0.5)
    iron = 0.022 * np.exp(0.28 * smooth_field(rng, 5) + 0.35 * (upland - 0.5)) + 0.005 * basalt + 0.012 * tailings
    som = 0.9 * (valley - valley.mean()) / valley.std() + 1.1 * smooth_field(rng, 5) + 0.45 * smooth_field(rng, 1.8)
    som = np.clip(30.5 + 6.2 * (som - som.mean()) / som.std(), 14.8, 49.8)

    # Arsenic sorbs to iron oxides; what the mines add came with oxidised sulphides. Copper comes with basalt.
    scatter = rng.standard_normal((2, SIZE, SIZE))
    arsenic = (380 * iron + 4 + 360 * tailings) * np.exp(0.10 * scatter[0])
    copper = (7 + 12 * clay + 0.06 * som + 76 * basalt) * np.exp(0.10 * scatter[1])

    field = farm_fields(rng, y, x)
    moist_field, rough_field, cover = (rng.uniform(-1, 1, field.max() + 1)[field] for _ in range(3))
    moisture = 0.10 + 0.07 * valley + 0.035 * smooth_field(rng, 3) + 0.03 * moist_field
    forest = expit((1.3 * smooth_field(rng, 5) + 0.5 * smooth_field(rng, 1.5) + 3 * (upland - 1) - 2.3) * 4)
    bank = np.exp(-((to_stream / 0.9) ** 2)) * rng.uniform(0.3, 1, y.shape)
    crop = np.where(cover > 0.94, rng.uniform(0.5, 0.9, y.shape), 0.025 * np.exp(0.7 * smooth_field(rng, 2)))
    water = expit((4.2 - 1.6 * np.hypot((y - 33) / 1.1, x - 20.5)) * 2)  # a pond on the stream
    vegetation = np.clip(np.maximum.reduce([forest, bank, crop]), 0, 1) * (1 - water)
    residue = np.clip(np.where(cover < -0.4, 0.14, 0.04) + 0.02 * smooth_field(rng, 1), 0, 0.3)
    return {
        "som_g_kg": som,
        "as_mg_kg": np.clip(arsenic, 6, 420),
        "cu_mg_kg": np.clip(copper, 10, 94.5),
        **{"clay": clay, "iron": iron, "basalt": basalt, "tailings": tailings},
        "carbonate": 0.006 * np.exp(0.6 * smooth_field(rng, 4)),
        "humification": np.exp(0.03 * smooth_field(rng, 4)),  # black humus or brown: darkness per g/kg
        "grain": np.exp(0.10 * smooth_field(rng, 4)),  # coarse grains scatter less
        "crust": np.clip(0.15 + 0.08 * smooth_field(rng, 3), 0, 0.5),  # share of humus washed out of the surface
        "moisture": np.clip(moisture, 0.02, 0.35),
        "roughness": np.clip(0.14 + 0.09 * rough_field + 0.03 * smooth_field(rng, 3), 0, 0.3),
        "slope_light": 0.04 * (np.gradient(upland, axis=1) / np.gradient(upland, axis=1).std()),
        "vegetation": vegetation,
        "water": water,
        "residue": residue * (1 - vegetation) * (1 - water),
    }


# ---------------------------------------------------------------- the optics


def gauss(nm: np.ndarray, centre: float, sd: float) -> np.ndarray:
    """A Gaussian absorption of height 1."""
    return np.exp(-0.5 * ((nm - centre) / sd) ** 2)


def bands(nm: np.ndarray, absorptions: list[tuple]) -> np.ndarray:
    """Sum `(wavelength,)` of Gaussian absorptions, each `(centre_nm, sd_nm, height)`."""
    return np.sum([height * gauss(nm, centre, sd) for centre, sd, height in absorptions], axis=0)


def liquid_water(nm: np.ndarray) -> np.ndarray:
    """Absorption of liquid water, about 1/cm."""
    wing = 5 * np.exp((nm - 1650) / 450) * expit((nm - 1500) / 60) + 60 * np.exp((nm - 2500) / 120)
    overtones = [(970, 35, 0.45), (1195, 45, 1.0), (1450, 42, 24), (1510, 90, 7), (1938, 40, 90), (1990, 100, 24)]
    return wing + bands(nm, overtones)


def absorption(nm: np.ndarray) -> Maps:
    """Kubelka-Munk absorption `(wavelength,)` of each component, per unit of mass fraction, over the scattering."""
    ultraviolet = np.exp(-(nm - 350) / 150)
    beyond_2200 = np.clip((nm - 2200) / 300, 0, None) ** 2
    hydroxyl_and_water = [(1414, 14, 0.6), (1430, 40, 0.2), (1912, 22, 1.2), (1935, 60, 0.7)]
    al_oh = [(2165, 20, 0.25), (2206, 18, 0.95), (2345, 25, 0.25)]
    crystal_field = [(480, 35, 15), (530, 30, 8), (665, 45, 5), (895, 75, 10)]  # of goethite and haematite
    jarosite = [(437, 20, 20), (920, 55, 5.5), (1849, 20, 2), (2265, 17, 3.5)]  # weathered sulphides
    mg_oh = [(1010, 190, 0.4), (2253, 18, 0.4), (2330, 28, 1.1), (2390, 22, 0.4)]  # and ferrous iron at 1010
    return {
        "matrix": 0.12 + 0.4 * ultraviolet,
        "clay": 0.35 + 0.8 * ultraviolet + beyond_2200 + bands(nm, hydroxyl_and_water + al_oh),
        "iron": 45 * expit((545 - nm) / 28) + bands(nm, crystal_field),
        "tailings": 14 * expit((500 - nm) / 30) + bands(nm, jarosite),
        "basalt": 0.15 + bands(nm, mg_oh),
        "carbonate": bands(nm, [(2340, 38, 12), (2510, 60, 10)]),
        "organic": 0.16 + 3.8 * np.exp(-(nm - 350) / 300) + bands(nm, [(1730, 25, 0.01), (2310, 25, 0.03)]),
    }


def soil_reflectance(nm: np.ndarray, soil: Maps, moisture: np.ndarray | float = 0.0) -> np.ndarray:
    """Reflectance `(soil, wavelength)` of optically thick soil: Kubelka-Munk over the sum of all absorptions.

    Organic matter darkens with saturation. Water absorbs, and it also fills pores, so that less is scattered.
    """
    k = absorption(nm)
    basalt, tailings = 0.3 * soil["basalt"], 0.05 * soil["tailings"]
    parts = {
        "matrix": 0.95 - soil["clay"] - basalt - tailings,
        "clay": soil["clay"],
        "iron": soil["iron"],
        "tailings": tailings,
        "basalt": basalt,
        "carbonate": soil["carbonate"],
        "organic": soil["humification"] * (1 - np.exp(-soil["som_g_kg"] / 45)) / (1 - np.exp(-30 / 45)),
    }
    total = np.stack(list(parts.values()), axis=-1) @ np.stack([k[name] for name in parts])
    wet = np.asarray(moisture)[..., None]
    scattering = np.exp(-4.5 * wet) / soil["grain"][..., None]
    ratio = (total + 0.2 * wet * liquid_water(nm)) / scattering
    return 1 + ratio - np.sqrt(ratio**2 + 2 * ratio)


def leaf_reflectance(nm: np.ndarray) -> np.ndarray:
    """Green leaves: pigments to the red edge at 718 nm, then the leaf's water."""
    water_and_dry_matter = np.exp(-0.016 * liquid_water(nm) - np.clip(nm - 800, 0, None) / 4000)
    return 0.04 + 0.03 * gauss(nm, 552, 28) + 0.4 * expit((nm - 718) / 13) * water_and_dry_matter


def straw_reflectance(nm: np.ndarray) -> np.ndarray:
    """Crop residue: rising, with lignin and cellulose at 1730, 2100 and 2310 nm."""
    absorbed = bands(nm, [(1450, 50, 0.12), (1730, 30, 0.07), (1930, 50, 0.12), (2100, 55, 0.17), (2310, 40, 0.1)])
    return (0.10 + 0.27 * (1 - np.exp(-(nm - 400) / 450))) * (1 - absorbed)


# ---------------------------------------------------------------- the two instruments


def laboratory_spectra(rng: np.random.Generator, soil: Maps) -> np.ndarray:
    """Reflectance `(sample, 2151)` at 350-2500 nm of dry, ground soil: nothing disturbs but packing and a little noise.

    The spectrometer's three detectors meet at 1000 and 1800 nm with a small step.
    """
    nm = np.arange(350.0, 2501.0)
    n = len(soil["clay"])
    packing = np.exp(0.02 * rng.standard_normal((n, 1)))
    detector = np.digitize(nm, [1000.5, 1800.5])
    step = 1 + 0.002 * rng.standard_normal((n, 3))[:, detector]
    noise_sd = 2e-4 + 1.5e-3 * np.exp(-(nm - 350) / 25) + 6e-4 * np.exp((nm - 2500) / 60)
    noise = gaussian_filter1d(rng.standard_normal((n, nm.size)), 1.5) * 2.3
    air_dry = 0.005 + 0.02 * soil["clay"]
    spectra = soil_reflectance(nm, soil, air_dry) * packing * step + noise * noise_sd
    return np.round(spectra / LAB_STEP) * LAB_STEP


def satellite_reflectance(rng: np.random.Generator, maps: Maps) -> np.ndarray:
    """Reflectance `(330, y, x)` as it leaves an imperfect atmospheric correction of a GF-5 image.

    In this order: moist soil, cover mixed in, light on rough ground, the response of the bands, neighbours' light,
    gases and haze left over, the two detectors, noise.
    """
    nm = np.arange(376.0, 2535.0, 2.0)
    flat = {name: values.reshape(-1) for name, values in maps.items()}
    surface = flat | {"humification": flat["humification"] * (1 - flat["crust"])}
    soil = soil_reflectance(nm, surface, flat["moisture"])
    cover = np.stack([flat[name] for name in ("vegetation", "residue", "water")], axis=-1)
    covers = np.stack([leaf_reflectance(nm), straw_reflectance(nm), 0.05 * gauss(nm, 560, 90) + 0.008])
    scene = soil * (1 - cover.sum(axis=-1, keepdims=True)) + cover @ covers
    # the shadows of clods are lit by the blue sky alone, so they take less of the short waves
    shadow = flat["roughness"][:, None] * (1 - 0.25 * np.exp(-(nm - 400) / 400))
    light = np.exp(flat["slope_light"] + 0.01 * rng.standard_normal(SIZE**2))
    scene = scene * (1 - shadow) * light[:, None]

    centre, fwhm = sensor_bands()
    response = np.exp(-4 * np.log(2) * ((nm[:, None] - centre) / fwhm) ** 2)
    cube = (scene @ (response / response.sum(axis=0))).T.reshape(-1, SIZE, SIZE)
    cube = gaussian_filter(cube, (0, PSF_SD_PX, PSF_SD_PX), mode="nearest")

    gases = [(762, 3.5, -0.05), (823, 8, 0.012), (938, 14, 0.035), (1128, 17, 0.04), (1268, 8, -0.012)]
    gases += [(2010, 14, 0.05), (2060, 12, 0.04), (1480, 25, 0.04)]
    for at, sd, amount in gases:
        cube *= 1 + (amount * (1 + 0.5 * smooth_field(rng, 8))) * gauss(centre, at, sd)[:, None, None]
    haze = np.clip(0.008 + 0.005 * smooth_field(rng, 8), 0, None)
    cube += haze * ((centre / 450) ** -4)[:, None, None]

    vn = centre.size - 180
    cube[vn:] *= 1.035 + 0.01 * smooth_field(rng, 10)  # the detectors disagree where they overlap
    cube *= 1 + 0.003 * rng.standard_normal((centre.size, 1, SIZE))  # each column is a detector element of its own
    noise_sd = np.where(
        np.arange(centre.size) < vn,
        0.0036 + 0.009 * np.exp(-(centre - 390) / 25) + 0.010 * np.exp((centre - 1029) / 30),
        0.0040 + 0.006 * np.exp(-(centre - 1009) / 40) + 0.012 * np.exp((centre - 2516) / 160),
    )
    opaque = ((centre > 1342) & (centre < 1451)) | ((centre > 1771) & (centre < 1977))  # water vapour: nothing returns
    cube[opaque] *= 0.05
    noise_sd[opaque] = 0.008
    # the image was resampled to the map's grid, so neighbours share noise
    noise = gaussian_filter(rng.standard_normal(cube.shape), (0, PSF_SD_PX, PSF_SD_PX), mode="wrap")
    return cube + noise_sd[:, None, None] * noise


# ---------------------------------------------------------------- sampling and files


def no_data(rng: np.random.Generator) -> np.ndarray:
    """Mask `(y, x)` of pixels without an image: the swath's edge in the south-east corner, and six lost pixels."""
    y, x = np.mgrid[:SIZE, :SIZE]
    mask = x + 0.35 * y > SIZE + 15
    mask.reshape(-1)[rng.choice(SIZE**2, 6, replace=False)] = True
    return mask


def choose_samples(rng: np.random.Generator, bare: np.ndarray, arsenic: np.ndarray) -> np.ndarray:
    """Rows and columns `(sample, 2)` of bare pixels: first the worst mine, then each far from all before it."""
    pixels = np.argwhere(bare)
    chosen = [int(np.argmax(arsenic[bare]))]
    spread = np.full(len(pixels), np.inf)
    while len(chosen) < N_SAMPLES:
        spread = np.minimum(spread, np.hypot(*(pixels - pixels[chosen[-1]]).T))
        chosen.append(int(rng.choice(np.flatnonzero(spread > 0.85 * spread.max()))))
    return pixels[chosen]


def bare_soil(maps: Maps) -> np.ndarray:
    """Mask `(y, x)` of pixels that, blurred as the instrument sees them, hold no water and hardly a green leaf."""
    vegetation, water = (gaussian_filter(maps[name], PSF_SD_PX) for name in ("vegetation", "water"))
    return (vegetation < 0.1) & (water < 0.05)


def measure(rng: np.random.Generator, soil: Maps) -> Maps:
    """What the chemical laboratory reports of the sampled soil: the truth with an error of a few per cent."""
    table: Maps = {"sample_id": np.array([f"S{i:03d}" for i in range(1, N_SAMPLES + 1)])}
    for name, error in (("som_g_kg", 0.02), ("as_mg_kg", 0.03), ("cu_mg_kg", 0.03)):
        table[name] = (soil[name] * np.exp(error * rng.standard_normal(N_SAMPLES))).round(2)
    return table


def write_cube(path: Path, cube: np.ndarray, mask: np.ndarray) -> None:
    """Write reflectance `(330, y, x)` as int16 with its scale, wavelengths and widths."""
    digital = np.where(mask, NODATA, CUBE_STEP * np.round(cube / SCALE / CUBE_STEP)).astype(np.int16)
    profile = {"dtype": "int16", "count": len(cube), "nodata": NODATA, "interleave": "pixel", "predictor": 2}
    with rasterio.open(path, "w", **GEOTIFF, **profile) as file:
        file.write(digital)
        file.scales, file.offsets = [SCALE] * len(cube), [0.0] * len(cube)
        file.update_tags(
            SENSOR="GF5_AHSI",
            SYNTHETIC="made by sample_data/gf5/make.py from formulas; no measurement of a satellite",
        )
        for band, (wavelength, width) in enumerate(zip(*sensor_bands(), strict=True), start=1):
            file.set_band_description(band, f"{wavelength:.2f} nm")
            file.update_tags(band, wavelength=f"{wavelength:.3f}", wavelength_units="nm", fwhm=f"{width:.3f}")


def write_truth(path: Path, maps: Maps, bare: np.ndarray, mask: np.ndarray) -> None:
    """Write the true contents and the bare soil `(4, y, x)` float32; NaN where the cube has no data."""
    names = ("som_g_kg", "as_mg_kg", "cu_mg_kg", "bare_soil")
    layers = np.stack([*(maps[name] for name in names[:3]), bare]).astype(np.float32)
    layers[:, mask] = np.nan
    with rasterio.open(path, "w", **GEOTIFF, dtype="float32", count=4, nodata=np.nan, predictor=3) as file:
        file.write(layers)
        file.descriptions = names
        file.units = ("g/kg", "mg/kg", "mg/kg", "")


def write_samples(path: Path, table: Maps, east_m: np.ndarray, north_m: np.ndarray) -> None:
    """Write the sampled places with their measured contents as a GeoPackage that bears no time of writing."""
    points = geopandas.GeoDataFrame(table, geometry=geopandas.points_from_xy(east_m, north_m), crs=EPSG)
    path.unlink(missing_ok=True)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": "2019-02-01T00:00:00.000Z"})
    version = {"VERSION": "1.3"}  # which older GIS read without a warning
    options = {"dataset_options": version, "SPATIAL_INDEX": "NO"}
    points.to_file(path, layer="samples", driver="GPKG", engine="pyogrio", **options)
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": None})


def write_laboratory(path: Path, sample_id: np.ndarray, spectra: np.ndarray) -> None:
    """Write the laboratory's reflectance: one row a sample, one column a wavelength named by its nm."""
    names = [str(nm) for nm in range(350, 2501)]
    fields = [pa.field("sample_id", pa.string(), nullable=False)]
    fields += [pa.field(name, pa.float32(), nullable=False) for name in names]
    columns = [pa.array(sample_id), *(pa.array(band) for band in spectra.astype(np.float32).T)]
    smallest = {"compression": "zstd", "compression_level": 19, "use_dictionary": False, "write_statistics": False}
    smallest |= {"column_encoding": dict.fromkeys(names, "BYTE_STREAM_SPLIT"), "store_schema": False}
    pq.write_table(pa.table(columns, schema=pa.schema(fields)), path, **smallest)


def main(folder: Path) -> None:
    """Write gf5.tif, truth.tif, samples.gpkg and lab.parquet into `folder`; the same bytes every time."""
    of_land, of_image, of_samples, of_laboratory = (np.random.default_rng([SEED, part]) for part in range(4))
    maps = landscape(of_land)
    mask = no_data(of_image)
    bare = bare_soil(maps)

    place = choose_samples(of_samples, bare & ~mask, maps["as_mg_kg"])
    soil = {name: values[place[:, 0], place[:, 1]] for name, values in maps.items()}
    table = measure(of_samples, soil)
    within = of_samples.uniform(0.15, 0.85, place.shape)
    east_m = ORIGIN_M[0] + PIXEL_M * (place[:, 1] + within[:, 1])
    north_m = ORIGIN_M[1] - PIXEL_M * (place[:, 0] + within[:, 0])

    folder.mkdir(parents=True, exist_ok=True)
    write_cube(folder / "gf5.tif", satellite_reflectance(of_image, maps), mask)
    write_truth(folder / "truth.tif", maps, bare, mask)
    write_samples(folder / "samples.gpkg", table, east_m.round(2), north_m.round(2))
    write_laboratory(folder / "lab.parquet", table["sample_id"], laboratory_spectra(of_laboratory, soil))


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
