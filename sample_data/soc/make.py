"""Make the synthetic soil landscape: soil horizons, covariates, a DEM, and the true depth maps.

Run as `python sample_data/soc/make.py`; everything is drawn from one seed and written beside this file.
Nothing here is measured. README.md shows the files; these are the equations (z depth in cm, a bar the mean around a
cell, w wetness, t temperature, g greenness, r relative position, all standardised over the area; e smooth residuals):

    surface   S = 15 exp(0.24 w5 + 0.17 g4 - 0.14 t + 0.12 c g4 + use + rock + 0.13 patchy + 0.15 e1)        g/kg
    decline   k = 0.035 exp(0.10 r8 - 0.16 w5 + 0.16 t + use + rock + 0.07 e2)                               1/cm
    subsoil   B = S (0.07 + 0.17 expit(0.9 w5 - 0.7 r8 + rock + 0.25 e1))                                    g/kg
    SOC       soc(z) = B + (S - B) exp(-k z),             over [a, b]: B + (S - B) (exp(-ka) - exp(-kb)) / (k (b - a))
    clay      clay(z) = C + D (1 - exp(-z / 35)),         C, D by rock, wetness, relative position and e3     per cent

w5 is the mean wetness index within 5 cells (Gaussian weights), r8 the height above the mean within 8, g4 the mean
greenness within 4, c cropland (1 or 0), patchy the spread of greenness within 4: so the neighbourhood tells what the
cell alone does not. The same w5, g4, t and e1 rule all depths; no covariate knows e1 or e2.
"""

from __future__ import annotations

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import rasterio
from rasterio.warp import transform as warp_points
from rasterio.warp import transform_bounds
from relief import carved, catchment, dammed, drainage, slope, smooth_field, to_grid, wetness, with_floor
from scipy.ndimage import distance_transform_edt, gaussian_filter, map_coordinates
from scipy.special import expit

SEED = 20250516
SIZE = 160  # cells a side
MARGIN = 8  # cells beyond the area, where the relief is carved and then cut off
CELL_M = 30.0
EPSG = 32650  # UTM 50N
WEST_M, NORTH_M = 452_010.0, 4_806_990.0
DEPTHS_CM = ((0, 5), (5, 15), (15, 30), (30, 60), (60, 100), (100, 200))
N_PROFILES = 300
NODATA = -32768

ROCKS = {1: "river sediment", 2: "loess", 3: "granite", 4: "limestone"}
LAND_USES = {1: "cropland", 2: "grassland", 3: "forest", 4: "settlement"}
NONE_OF_THEM = 255  # the code of no data in class rasters

Maps = dict[str, np.ndarray]


def standard(values: np.ndarray) -> np.ndarray:
    """The values with mean 0 and sd 1."""
    return (values - values.mean()) / values.std()


def around(values: np.ndarray, radius_px: int) -> np.ndarray:
    """Weighted mean `(y, x)` around each cell: a Gaussian with half the radius as sd; at the border mirrored."""
    return gaussian_filter(values, radius_px / 2, mode="reflect")


def by_class(codes: np.ndarray, effects: tuple[float, ...]) -> np.ndarray:
    """The effect of each cell's class; codes count from 1."""
    return np.asarray(effects)[codes - 1]


# ---------------------------------------------------------------- the landscape


def terrain(rng: np.random.Generator) -> Maps:
    """Elevation (m), lake, streams, wetness, slope (degrees) and gradients `(y, x)` of the area."""
    elevation = to_grid(carved(rng, SIZE // 2 + MARGIN, 2 * CELL_M), 2)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    elevation = elevation + 0.8 * smooth_field(rng, SIZE, 1.5) + 0.2 * rng.standard_normal(elevation.shape)
    inlet = int(elevation[0].argmin())

    def flow(elevation: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        outlets = np.ones(elevation.shape, dtype=bool)
        outlets[1:-1, 1:-1] = False
        outlets[0, max(inlet - 5, 0) : inlet + 6] = False  # the river comes in here
        supply = np.ones(elevation.shape)
        supply[0, inlet] = 2 * SIZE**2
        receiver, order = drainage(elevation, outlets)
        return receiver, order, supply, catchment(receiver, order, supply).reshape(elevation.shape)

    *_, cells = flow(elevation)
    width_px = np.where(cells > SIZE**2, 7.0, 0.9 * np.log2(np.maximum(cells / 250, 1)) + 0.8)
    elevation = with_floor(elevation, cells > 250, width_px)
    receiver, _, supply, cells = flow(elevation)
    tributary = (cells > 900) & (cells < 0.15 * SIZE**2)
    tributary[:25], tributary[-25:], tributary[:, :25], tributary[:, -25:] = False, False, False, False
    dam = np.unravel_index(np.where(tributary, cells, 0).argmax(), cells.shape)
    lake = dammed(elevation, receiver, (int(dam[0]), int(dam[1])), 14.0)
    elevation = np.where(lake, elevation[dam] + 14.0, elevation)
    east, north = slope(elevation, CELL_M)
    return {
        "elevation": elevation,
        "lake": lake,
        "stream": (cells > 250) & ~lake,
        "wetness": gaussian_filter(wetness(elevation, supply, CELL_M), 0.6),
        "slope": np.degrees(np.arctan(np.hypot(east, north))),
        "sunward": -north,
    }


def parcels(rng: np.random.Generator) -> np.ndarray:
    """Number of the farmer's field in which every cell lies: strips turned by 25 degrees, cut at random places."""
    y, x = np.mgrid[:SIZE, :SIZE]
    turn = np.deg2rad(25)
    u, v = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    strip = np.digitize(v, np.cumsum(rng.uniform(5, 12, 40)) - 80)
    cuts = np.cumsum(rng.uniform(6, 20, (41, 40)), axis=1) - rng.uniform(0, 20, (41, 1))
    return 41 * strip + (u[..., None] > cuts[strip]).sum(axis=-1)


def landscape(rng: np.random.Generator) -> Maps:
    """Maps `(y, x)` of the terrain, the rock, the land use, the climate and the vegetation, without any noise."""
    maps = terrain(rng)
    above_stream = (
        maps["elevation"]
        - maps["elevation"][tuple(distance_transform_edt(~maps["stream"], return_distances=False, return_indices=True))]
    )
    height = standard(maps["elevation"])
    wet = standard(maps["wetness"])
    fields = [smooth_field(rng, SIZE, length) for length in (16, 16, 10, 14, 12)]
    rock = np.where(fields[0] + 0.5 * height > 0.45, 3, np.where(fields[1] > 0.55, 4, 2))
    rock = np.where((above_stream < 5) & (maps["slope"] < 5), 1, rock)

    parcel = parcels(rng)
    n_parcels = parcel.max() + 1
    drawn = rng.standard_normal((3, n_parcels))
    size = np.maximum(np.bincount(parcel.ravel(), minlength=n_parcels), 1)
    steep = (np.bincount(parcel.ravel(), maps["slope"].ravel(), n_parcels) / size)[parcel]
    damp = (np.bincount(parcel.ravel(), wet.ravel(), n_parcels) / size)[parcel]
    use = np.where(steep + 2.5 * fields[2] + 1.5 * drawn[0][parcel] > 11, 3, 1)
    use = np.where((use == 1) & (damp + 0.6 * drawn[1][parcel] > 0.75), 2, use)
    village = rng.uniform(15, SIZE - 15, (5, 2))
    y, x = np.mgrid[:SIZE, :SIZE]
    near = np.min([np.hypot(y - at[0], x - at[1]) for at in village], axis=0)
    use = np.where((near < 3.6 + 0.8 * smooth_field(rng, SIZE, 2)) & (steep < 10), 4, use)

    temperature = 8.2 - 0.0065 * (maps["elevation"] - 300) + 1.4 * maps["sunward"] + 0.25 * fields[3]
    precipitation = 540 + 0.35 * gaussian_filter(maps["elevation"] - 300, 10, mode="nearest") + 22 * fields[4]
    precipitation = precipitation + 0.12 * (x - SIZE / 2)
    patchiness = expit(1.8 * smooth_field(rng, SIZE, 11))  # how much the vegetation differs from cell to cell
    greenness = by_class(use, (0.42, 0.56, 0.70, 0.30)) + 0.03 * wet + 0.0005 * (precipitation - 560)
    greenness = greenness + 0.06 * smooth_field(rng, SIZE, 6) + np.where(use == 1, 0.06, 0.02) * drawn[2][parcel]
    greenness = greenness + (0.01 + 0.07 * patchiness) * smooth_field(rng, SIZE, 0.8)
    return maps | {
        "rock": rock,
        "use": use,
        "temperature": temperature,
        "precipitation": precipitation,
        "greenness": np.clip(greenness, 0.05, 0.92),
    }


# ---------------------------------------------------------------- the soil


def soil(rng: np.random.Generator, maps: Maps) -> Maps:
    """Parameters `(y, x)` of the depth functions: S, B (g/kg), k (1/cm), C, D (per cent)."""
    wet = standard(around(standard(maps["wetness"]), 5))
    height = maps["elevation"]
    position = standard(np.tanh((height - around(height, 8)) / 15))
    green = standard(around(maps["greenness"], 4))
    spread = np.sqrt(np.maximum(around(maps["greenness"] ** 2, 4) - around(maps["greenness"], 4) ** 2, 0))
    patchy = standard(np.log(spread + 0.01))
    warm = standard(maps["temperature"])
    crop = (maps["use"] == 1).astype(float)
    rock, use = maps["rock"], maps["use"]
    unseen = [smooth_field(rng, SIZE, length) for length in (4, 5, 5)]

    exponent = 0.24 * wet + 0.17 * green - 0.14 * warm + 0.12 * crop * green + 0.13 * patchy + 0.15 * unseen[0]
    exponent = exponent + by_class(use, (-0.18, 0.12, 0.22, -0.10)) + by_class(rock, (0.05, 0.0, -0.15, 0.15))
    surface = 15 * np.exp(exponent)
    decline = 0.10 * position - 0.16 * wet + 0.16 * warm + 0.07 * unseen[1]
    decline = decline + by_class(use, (-0.20, 0.05, 0.25, 0.0)) + by_class(rock, (-0.10, -0.05, 0.15, 0.0))
    share = 0.9 * wet - 0.7 * position + 0.25 * unseen[0] + by_class(rock, (0.3, 0.2, -0.6, 0.3)) - 0.3
    topsoil = by_class(rock, (24.0, 20.0, 13.0, 32.0)) + 2.5 * wet - 1.5 * position + 1.8 * unseen[2]
    gain = by_class(rock, (3.0, 9.0, 4.0, 14.0)) * expit(0.8 - 0.9 * position) + 0.8 * unseen[2]
    return {
        "surface": surface,
        "subsoil": surface * (0.07 + 0.17 * expit(share)),
        "decline": 0.035 * np.exp(decline),
        "topsoil": np.maximum(topsoil, 4.0),
        "gain": np.maximum(gain, 0.0),
    }


def exact_mean(parameters: Maps, top_cm: float, bottom_cm: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean SOC (g/kg) and clay (per cent) between two depths: the integrals of the depth functions, in closed form."""
    k, thickness = parameters["decline"], bottom_cm - top_cm
    remaining = (np.exp(-k * top_cm) - np.exp(-k * bottom_cm)) / (k * thickness)
    soc = parameters["subsoil"] + (parameters["surface"] - parameters["subsoil"]) * remaining
    lacking = 35 * (np.exp(-top_cm / 35) - np.exp(-bottom_cm / 35)) / thickness
    return soc, parameters["topsoil"] + parameters["gain"] * (1 - lacking)


def true_layers(parameters: Maps) -> np.ndarray:
    """SOC (g/kg) of the six layers, then clay (per cent) of the six `(12, y, x)`."""
    layers = [exact_mean(parameters, top, bottom) for top, bottom in DEPTHS_CM]
    return np.stack([*(soc for soc, _ in layers), *(clay for _, clay in layers)])


# ---------------------------------------------------------------- what is observed


def places(rng: np.random.Generator, land: np.ndarray) -> np.ndarray:
    """Rows and columns `(profile, 2)`, no cell twice: half in clusters, half all over the area."""
    centres = rng.uniform(4, SIZE - 4, (24, 2))
    chosen: dict[tuple[int, int], None] = {}
    while len(chosen) < N_PROFILES:
        if len(chosen) < N_PROFILES // 2:
            at = centres[rng.integers(len(centres))] + 6 * rng.standard_normal(2)
        else:
            at = rng.uniform(0, SIZE, 2)
        y, x = (int(value) for value in np.floor(at))
        if 0 <= y < SIZE and 0 <= x < SIZE and land[y, x]:
            chosen[y, x] = None
    return rng.permutation(np.array(list(chosen)))


def limits_cm(rng: np.random.Generator, bottom_cm: float, n_horizons: int) -> np.ndarray:
    """Horizon limits from 0 to the bottom, at whole or half cm, thicker downwards."""
    thickness = (2 + rng.gamma(6, 1, n_horizons)) * np.linspace(1, 2.6, n_horizons)
    limits = np.cumsum(thickness) / thickness.sum() * bottom_cm
    step = 1.0 if rng.random() < 0.7 else 0.5
    limits = np.concatenate([[0.0], np.round(limits / step) * step])
    return np.unique(limits)


def horizons(rng: np.random.Generator, parameters: Maps, place: np.ndarray, slope_degrees: np.ndarray) -> pd.DataFrame:
    """One row a horizon, as profiles are described and analysed: three in five reach two metres, three in four one."""
    shallow_first = np.argsort(-(slope_degrees[tuple(place.T)] + 9 * rng.standard_normal(len(place))), kind="stable")
    rank = np.empty(len(place))
    rank[shallow_first] = np.arange(len(place)) / len(place)
    few = dict(zip(shallow_first[:75][rng.permutation(75)[:14]].tolist(), [1] * 5 + [2] * 9, strict=True))
    without_surface = set(rng.choice(np.flatnonzero(rank > 0.4), 3, replace=False).tolist())
    with_density = rng.random(len(place)) < 0.4
    within = rng.uniform(0.1, 0.9, place.shape)
    rows = []
    for number, (y, x) in enumerate(place):
        low, high = (18, 62) if rank[number] < 0.25 else (95, 125) if rank[number] < 0.4 else (160, 205)
        bottom = round(float(rng.uniform(low, high)))
        n_horizons = few.get(number, int(rng.integers(3, 5)) if bottom < 63 else int(rng.integers(4, 8)))
        limits = limits_cm(rng, bottom, n_horizons)
        here = {name: values[y, x] for name, values in parameters.items()}
        for first, (top, below) in enumerate(pairwise(limits)):
            soc, clay = exact_mean(here, float(top), float(below))
            errors = rng.standard_normal(3)
            soc = max(soc * np.exp(0.06 * errors[0]) + 0.15 * errors[1], 0.2)
            density = 1.55 - 0.09 * np.log(soc) + 0.0006 * (top + below) / 2 + 0.04 * errors[2]
            clay = clay + 1.2 * rng.standard_normal()
            lacks_clay = rng.random() < 0.06
            if first == 0 and number in without_surface:
                continue
            rows.append(
                {
                    "profile_id": f"P{number + 1:03d}",
                    "x_m": round(WEST_M + CELL_M * (x + within[number, 1]), 1),
                    "y_m": round(NORTH_M - CELL_M * (y + within[number, 0]), 1),
                    "top_cm": top,
                    "bottom_cm": below,
                    "soc_g_kg": round(float(soc), 2),
                    "clay_pct": np.nan if lacks_clay else round(float(max(clay, 1.0)), 1),
                    "bulk_density_g_cm3": round(float(density), 2) if with_density[number] else np.nan,
                }
            )
    return pd.DataFrame(rows)


def covariates(rng: np.random.Generator, maps: Maps, parameters: Maps) -> Maps:
    """What sensors and models say of each cell `(y, x)`: the landscape with their noise, NaN on the lake."""
    noise = iter(rng.standard_normal((6, SIZE, SIZE)))
    green = maps["greenness"]
    vegetation = np.clip((green - 0.15) / 0.7, 0, 1)
    _, clay = exact_mean(parameters, 0, 15)
    ndvi = green + 0.025 * next(noise)
    seasons = by_class(maps["use"], (0.16, 0.11, 0.07, 0.05)) * np.exp(0.25 * next(noise))
    bare = 0.32 - 0.55 * green + 0.035 * next(noise)
    clay_index = 1.05 + 0.006 * clay * (1 - 0.8 * vegetation) + 0.04 * next(noise)
    brightness = 0.28 - 0.13 * vegetation - 0.015 * standard(maps["wetness"]) + 0.02 * next(noise)
    brightness = brightness + by_class(maps["rock"], (-0.03, 0.02, 0.04, -0.01)) * (1 - vegetation)
    found = {
        "slope_deg": maps["slope"],
        "wetness_index": maps["wetness"],
        "stream_distance_m": distance_transform_edt(~maps["stream"]) * CELL_M,
        "temperature_c": maps["temperature"],
        "ndvi_mean": ndvi,
        "ndvi_seasonal_sd": seasons,
        "bare_soil_index": bare,
        "clay_index": clay_index,
        "brightness": brightness,
        "magnetic_anomaly_nt": 40 * smooth_field(rng, SIZE, 3),  # has nothing to do with the soil
        "radar_speckle_db": -12 + 1.5 * next(noise),  # nor has this
    }
    y, x = np.mgrid[:SIZE, :SIZE]
    cloud = np.hypot((y - 37) / 1.6, x - 118) + 2 * smooth_field(rng, SIZE, 2) < 7
    found["brightness"] = np.where(cloud, np.nan, found["brightness"])
    return {name: np.where(maps["lake"], np.nan, values) for name, values in found.items()}


# ---------------------------------------------------------------- files

GRID = rasterio.Affine(CELL_M, 0, WEST_M, 0, -CELL_M, NORTH_M)
STORED = {  # int16 with this step; the others are float32
    **{"stream_distance_m": 1.0, "ndvi_mean": 1e-3, "ndvi_seasonal_sd": 1e-3, "bare_soil_index": 1e-3},
    **{"clay_index": 1e-3, "brightness": 1e-3, "magnetic_anomaly_nt": 0.5, "radar_speckle_db": 0.1},
}
UNITS = {"slope_deg": "degree", "stream_distance_m": "m", "temperature_c": "degree Celsius", "dem": "m"}
UNITS |= {"precipitation_mm": "mm", "magnetic_anomaly_nt": "nT", "radar_speckle_db": "dB"}


def write(path: Path, layers: np.ndarray, names: list[str], units: list[str], **profile: object) -> None:
    """Write layers `(band, y, x)` on the area's grid, or on that of the profile, with a name and a unit a band."""
    shared = {"driver": "GTiff", "compress": "deflate", "zlevel": 9, "crs": f"EPSG:{EPSG}", "transform": GRID}
    shared |= {"count": layers.shape[0], "height": layers.shape[1], "width": layers.shape[2], "dtype": layers.dtype}
    with rasterio.open(path, "w", **shared | profile) as file:
        file.write(layers)
        file.descriptions, file.units = names, units
        if layers.dtype == np.int16:
            file.scales = [STORED[path.stem]] * len(layers)
        file.update_tags(SYNTHETIC="made by sample_data/soc/make.py from formulas; nothing was measured")


def write_continuous(path: Path, values: np.ndarray, **profile: object) -> None:
    """Write one covariate `(y, x)`: int16 where it is stored with a step, else float32 rounded to 1/64."""
    names, units = [path.stem], [UNITS.get(path.stem, "")]
    if path.stem in STORED:
        steps = np.where(np.isnan(values), NODATA, np.round(values / STORED[path.stem]))
        write(path, steps.astype(np.int16)[None], names, units, nodata=NODATA, predictor=2, **profile)
    else:
        rounded = (np.round(values * 64) / 64).astype(np.float32)
        write(path, rounded[None], names, units, nodata=np.nan, predictor=3, **profile)


def write_classes(path: Path, codes: np.ndarray, labels: dict[int, str], **profile: object) -> None:
    """Write class codes `(y, x)` uint8 and, beside them, the table of what they mean."""
    write(path, codes.astype(np.uint8)[None], [path.stem], [""], nodata=NONE_OF_THEM, **profile)
    table = pd.DataFrame({"code": list(labels), "label": list(labels.values())})
    table.to_csv(path.with_name(f"{path.stem}_classes.csv"), index=False, lineterminator="\n")


def on_degrees(values: np.ndarray) -> tuple[np.ndarray, rasterio.Affine]:
    """A smooth map `(y, x)` as climate models give it: on a grid of 3 arc seconds (about 90 m), and its transform."""
    second = 1 / 3600
    utm = (WEST_M, NORTH_M - SIZE * CELL_M, WEST_M + SIZE * CELL_M, NORTH_M)
    west, south, east, north = transform_bounds(f"EPSG:{EPSG}", "EPSG:4326", *utm)
    step = 3 * second
    west, north = np.floor(west / step) * step - step, np.ceil(north / step) * step + step
    width, height = int(np.ceil((east - west) / step)) + 1, int(np.ceil((north - south) / step)) + 1
    transform = rasterio.Affine(step, 0, west, 0, -step, north)
    column, row = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    x_m, y_m = warp_points("EPSG:4326", f"EPSG:{EPSG}", *(transform * (column.ravel(), row.ravel())))
    at = [(NORTH_M - np.array(y_m)) / CELL_M - 0.5, (np.array(x_m) - WEST_M) / CELL_M - 0.5]
    return map_coordinates(values, at, order=1, mode="nearest").reshape(height, width), transform


def commonest(codes: np.ndarray, times: int) -> np.ndarray:
    """The commonest class of each `times` x `times` cells, the lower code where two are even."""
    height, width = (n // times for n in codes.shape)
    cells = codes.reshape(height, times, width, times).swapaxes(1, 2).reshape(height, width, -1)
    return np.stack([(cells == code).sum(axis=-1) for code in range(1, codes.max() + 1)]).argmax(axis=0) + 1


def main(folder: Path) -> None:
    """Write dem.tif, covariates, truth.tif and horizons.csv into `folder`; the same bytes every time."""
    of_land, of_soil, of_sensors, of_profiles = (np.random.default_rng([SEED, part]) for part in range(4))
    maps = landscape(of_land)
    lake = maps["lake"]
    parameters = soil(of_soil, maps)

    into = folder / "covariates"
    into.mkdir(parents=True, exist_ok=True)
    for name, values in covariates(of_sensors, maps, parameters).items():
        write_continuous(into / f"{name}.tif", values)
    degrees, transform = on_degrees(np.where(lake, np.nan, maps["precipitation"]))
    write_continuous(into / "precipitation_mm.tif", degrees, crs="EPSG:4326", transform=transform)
    write_classes(into / "land_use.tif", np.where(lake, NONE_OF_THEM, maps["use"]), LAND_USES)
    rock = np.where(commonest(lake + 1, 2) == 2, NONE_OF_THEM, commonest(maps["rock"], 2))
    write_classes(into / "parent_material.tif", rock, ROCKS, transform=GRID * GRID.scale(2))
    write_continuous(folder / "dem.tif", maps["elevation"])

    layers = np.where(lake, np.nan, np.round(true_layers(parameters) * 64) / 64).astype(np.float32)
    names = [f"{what} {top}-{bottom} cm" for what in ("SOC", "Clay") for top, bottom in DEPTHS_CM]
    write(folder / "truth.tif", layers, names, ["g/kg"] * 6 + ["%"] * 6, nodata=np.nan, predictor=3)
    table = horizons(of_profiles, parameters, places(of_profiles, ~lake), maps["slope"])
    table.to_csv(folder / "horizons.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
