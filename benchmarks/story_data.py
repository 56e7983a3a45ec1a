"""The files of the ten stories of `stories.py`, made from the real data of ../shared/data.

Invented are the contents at EnMAP pixels (a known function of bands, and noise) and the sites of the Geeves soils.
The ASD files hold real Geeves spectra in the binary format of a real ASD file; their carbon was measured.
"""

from __future__ import annotations

import shutil
import struct
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import rasterio
from measure import shared

from geosoil.spectra.resample import resampling_matrix

if TYPE_CHECKING:
    from pathlib import Path

POTSDAM = "rasters/enmap_potsdam"
RED, NIR = 46, 75  # places of EnMAP bands near 660 and 860 nm
NDVI_OF_SOIL = 0.3
NOISE_PCT = 0.15  # standard deviation of the invented SOC beside its function of the bands
N_SITES = 13  # of 30 Geeves soils each
EMPTY_ROWS = 8  # rows of the cube without data


def enmap(name: str = "mosaic") -> tuple[np.ndarray, dict, np.ndarray, np.ndarray]:
    """Return reflectance (band, y, x) with NaN, the profile of the file, and centres and widths of bands in nm."""
    kind = "crop_64x128" if name == "crop" else name
    with rasterio.open(shared(*POTSDAM.split("/"), f"enmap_potsdam_{kind}.tif")) as source:
        stored, profile = source.read(), source.profile
        nm = np.array([float(source.tags(band)["wavelength"]) for band in source.indexes])
        fwhm_nm = np.array([float(source.tags(band)["fwhm"]) for band in source.indexes])
    values = np.where(stored == profile["nodata"], np.nan, stored / np.float32(10_000))
    return values.astype(np.float32), profile, nm, fwhm_nm


def invented_soil(reflectance: np.ndarray) -> dict[str, np.ndarray]:
    """Return contents (pixel,) as functions of EnMAP reflectance (band, ..., pixel): what the maps should show."""
    brightness = np.where(reflectance[RED] > 0, reflectance[RED], np.nan)
    red = reflectance[10:20].mean(axis=0) / brightness
    swir = reflectance[150:160].mean(axis=0)
    return {
        "SOC": np.clip(3.5 - 12 * brightness + 2 * (red - 0.5), 0.1, 8),
        "clay": np.clip(10 + 60 * (swir - 0.1) + 20 * red, 1, 90),
        "pH": np.clip(5 + 8 * swir, 3, 9),
    }


def bare_pixels(reflectance: np.ndarray) -> np.ndarray:
    """Return where pixels (y, x) have data and an NDVI of soil or sealed ground."""
    with np.errstate(invalid="ignore"):  # of pixels that are zero
        ndvi = (reflectance[NIR] - reflectance[RED]) / (reflectance[NIR] + reflectance[RED])
    return np.isfinite(ndvi) & (ndvi < NDVI_OF_SOIL) & (reflectance[RED] > 0.03)


def cube_with_samples(folder: Path, n: int = 60, seed: int = 0) -> None:
    """Write `enmap.tif`, the real mosaic as it is, and `soc.csv`: n of its pixels in clusters, with contents."""
    reflectance, profile, _, _ = enmap()
    shutil.copyfile(shared(*POTSDAM.split("/"), "enmap_potsdam_mosaic.tif"), folder / "enmap.tif")
    rng = np.random.default_rng(seed)
    rows, columns = np.nonzero(bare_pixels(reflectance))
    centres = rng.choice(len(rows), 8, replace=False)
    distance = np.hypot(rows[:, None] - rows[centres], columns[:, None] - columns[centres]).min(axis=1)
    chosen = rng.choice(np.flatnonzero(distance <= 12), n, replace=False)
    rows, columns = rows[chosen], columns[chosen]
    x, y = rasterio.transform.xy(profile["transform"], rows, columns)
    soil = invented_soil(reflectance[:, rows, columns])
    noise = {"SOC": NOISE_PCT, "clay": 1.0, "pH": 0.1}
    contents = {name: (values + rng.normal(0, noise[name], n)).round(3) for name, values in soil.items()}
    ids = [f"P{number:02d}" for number in range(n)]
    table = pd.DataFrame({"sample": ids, "x": np.round(x, 1), "y": np.round(y, 1), **contents})
    table[["sample", "x", "y", "SOC"]].to_csv(folder / "soc.csv", index=False)
    table.to_csv(folder / "soils.csv", index=False)


def cube_and_model(folder: Path) -> None:
    """Write the cube, and the model `soc` that `geosoil train` makes of its samples."""
    import geosoil
    from geosoil.workflows.init import init_recipe

    cube_with_samples(folder)
    init_recipe(
        "cube", cube=folder / "enmap.tif", samples=folder / "soc.csv", targets=["SOC"], output=folder / "soc.toml",
        crs="EPSG:32633", units=["%"],
    )  # fmt: skip
    geosoil.train(folder / "soc.toml", folder / "soc")


def geeves() -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Return the table of the 391 Geeves soils, their wavelengths in nm, and their reflectance (soil, band)."""
    table = pd.read_parquet(shared("spectra", "geeves_australia.parquet"))
    bands = [name for name in table.columns if name.isdigit()]
    return table.drop(columns=bands), np.array(bands, float), table[bands].to_numpy()


def library_from_r(folder: Path) -> None:
    """Write `lib.csv` as `write.csv` of R does: row names, columns X350 to X2500, soc, site, lon, lat."""
    table, nm, R = geeves()
    rng = np.random.default_rng(0)
    site = np.arange(len(table)) * N_SITES // len(table)
    frame = pd.DataFrame(R, columns=[f"X{band:.0f}" for band in nm])
    frame["soc"] = table["total_c_pct"].to_numpy()
    frame["site"] = [f"site {number:02d}" for number in site]
    frame["lon"] = (146 + 0.3 * (site % 4) + rng.uniform(0, 0.05, len(table))).round(4)
    frame["lat"] = (-34 - 0.3 * (site // 4) - rng.uniform(0, 0.05, len(table))).round(4)
    frame.index += 1
    frame.to_csv(folder / "lib.csv", float_format="%.5f", quoting=2)
    shutil.copyfile(shared(*POTSDAM.split("/"), "enmap_potsdam_crop_64x128.tif"), folder / "enmap.tif")


def meuse(folder: Path) -> None:
    """Copy the points and covariates of the Meuse flood plain."""
    shutil.copyfile(shared("rasters", "meuse", "meuse_points.gpkg"), folder / "meuse.gpkg")
    shutil.copyfile(shared("rasters", "meuse", "meuse_covariates_40m.tif"), folder / "meuse.tif")


def edgeroi(folder: Path) -> None:
    """Copy the horizons and covariates of Edgeroi."""
    shutil.copyfile(shared("rasters", "edgeroi", "edgeroi_horizons.parquet"), folder / "horizons.parquet")
    shutil.copyfile(shared("rasters", "edgeroi", "edgeroi_covariates_90m.tif"), folder / "cov.tif")


def cube_with_empty_pixels(folder: Path) -> None:
    """Write the cube and samples of S1; the first rows of the cube are zero in all bands, which no header declares."""
    cube_with_samples(folder)
    with rasterio.open(folder / "enmap.tif", "r+") as cube:
        values = cube.read()
        values[:, :EMPTY_ROWS] = 0
        cube.write(values)


def asd_scans(folder: Path) -> None:
    """Write `scans`: 30 ASD files, `lab.xlsx`: carbon of 20 of them, and `library.parquet`: all other Geeves soils."""
    table, nm, R = geeves()
    template = shared("spectra", "asd", "ossl_101453MD01.asd").read_bytes()
    header, tail = bytearray(template[:484]), struct.pack("<Hqqh", 0xFFFF, 0, 0, 0)
    chosen = np.random.default_rng(1).choice(len(table), 30, replace=False)
    (folder / "scans").mkdir()
    names = [f"field_{number:02d}" for number in range(30)]
    for name, row in zip(names, chosen, strict=True):  # reflectance is the spectrum over a white reference of 1
        spectra = R[row].astype("<f8").tobytes(), np.ones(len(nm), "<f8").tobytes()
        (folder / "scans" / f"{name}.asd").write_bytes(bytes(header) + spectra[0] + tail + spectra[1])
    measured = pd.DataFrame({"sample": names, "SOC": table["total_c_pct"].to_numpy()[chosen]})
    measured[:20].to_excel(folder / "lab.xlsx", index=False)
    measured.to_csv(folder / "all_measured.csv", index=False)
    others = np.setdiff1d(np.arange(len(table)), chosen)
    library = pd.DataFrame(R[others], columns=[f"{band:.0f}" for band in nm])
    library.insert(0, "SOC", table["total_c_pct"].to_numpy()[others])
    library.to_parquet(folder / "library.parquet")


def colleague(folder: Path) -> None:
    """Write the model folder `colleague`, trained on an EnMAP cube, and the crop as `enmap.tif` and as `s2.tif`."""
    import geosoil
    from geosoil.workflows.init import init_recipe

    cube_with_samples(folder)
    made = init_recipe(
        "cube", cube=folder / "enmap.tif", samples=folder / "soc.csv", targets=["SOC"], units=["%"], name="colleague",
        output=folder / "colleague.toml", crs="EPSG:32633",
    )  # fmt: skip
    stated = 'author = "A. Colleague"\nlicence = "CC-BY-4.0"\nsensor = "EnMAP"\nnot_made_for = "Peat soils."\n'
    (folder / "colleague.toml").write_text(stated + made.text)
    geosoil.train(folder / "colleague.toml", folder / "colleague")
    (folder / "enmap.tif").rename(folder / "training.tif")
    shutil.copyfile(shared(*POTSDAM.split("/"), "enmap_potsdam_crop_64x128.tif"), folder / "enmap.tif")
    reflectance, profile, nm, _ = enmap("crop")
    sentinel = pd.read_csv(shared("spectra", "sensors", "s2_bands.csv"))
    order = np.argsort(nm)
    read = order[
        np.isfinite(reflectance[order].reshape(len(nm), -1)).any(axis=1) & (reflectance[order].max((1, 2)) > 0)
    ]
    weights = resampling_matrix(nm[read], sentinel.center_nm, method="gaussian", to_fwhm_nm=sentinel.fwhm_nm)
    values = np.einsum("sb,byx->syx", np.nan_to_num(weights), reflectance[read]).astype(np.float32)
    profile |= {"count": len(values), "dtype": "float32", "nodata": np.nan}
    with rasterio.open(folder / "s2.tif", "w", **profile) as target:
        target.write(values)
        for band, (center, fwhm) in enumerate(zip(sentinel.center_nm, sentinel.fwhm_nm, strict=True), start=1):
            target.update_tags(band, wavelength=str(center), fwhm=str(fwhm), wavelength_units="nm")
