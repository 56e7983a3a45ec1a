"""Independent readers of the generated products for `products.py`: rasterio, h5py, ElementTree and NumPy, no geosoil.

Each reads a whole product at once and returns values with NaN where the product has no data or one of its masks leaves
a pixel out, band centres in nm, and the geotransform.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import h5py
import numpy as np
import rasterio

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Read:
    """Values `(band, y, x)` float64, centres `(band,)` in nm, and the six numbers of the geotransform of GDAL."""

    values: np.ndarray
    centre_nm: np.ndarray
    geotransform: tuple[float, ...]


def _tiff(path: Path) -> tuple[np.ndarray, tuple[float, ...]]:
    with rasterio.open(path) as source:
        return source.read(), source.transform.to_gdal()


def _only(folder: Path, pattern: str) -> Path:
    (path,) = folder.glob(pattern)
    return path


def _texts(tree: ElementTree.Element, path: str) -> list[str]:
    return [element.text or "" for element in tree.iterfind(path)]


def _numbers(tree: ElementTree.Element, path: str) -> np.ndarray:
    return np.array([float(text) for text in _texts(tree, path)])


def desis(folder: Path) -> Read:
    """Read DESIS: gain and offset of each band, and the first eight quality bands except land."""
    tree = ElementTree.parse(_only(folder, "*-METADATA.xml")).getroot()
    bands = ".//{*}bandCharacterisation/{*}band/{*}"
    stored, geotransform = _tiff(_only(folder, "*-SPECTRAL_IMAGE.tif"))
    gain, offset = (_numbers(tree, bands + name)[:, None, None] for name in ("gainOfBand", "offsetOfBand"))
    background = float(_texts(tree, ".//{*}backgroundValue")[0])
    quality, _ = _tiff(_only(folder, "*-QL_QUALITY-2.tif"))
    out = (np.delete(quality[:8], 1, axis=0) > 0).any(axis=0)
    values = np.where((stored == background) | out, np.nan, stored * gain + offset)
    return Read(values, _numbers(tree, bands + "wavelengthCenterOfBand"), geotransform)


def enmap(folder: Path) -> Read:
    """Read EnMAP: gain and offset of each band, all quality layers; bands with constant statistics are left out."""
    tree = ElementTree.parse(_only(folder, "*-METADATA.*")).getroot()
    bands = "specific/bandCharacterisation/bandID/"
    stored, geotransform = _tiff(_only(folder, "*-SPECTRAL_IMAGE*.[tT]*"))
    gain, offset = (_numbers(tree, bands + name)[:, None, None] for name in ("GainOfBand", "OffsetOfBand"))
    out = np.zeros(stored.shape[1:], bool)
    for layer, codes in (("CLOUD", (1,)), ("CLOUDSHADOW", (1,)), ("CIRRUS", (1, 2, 3)), ("HAZE", (1,)),
                         ("SNOW", (1,)), ("CLASSES", (0, 2, 3))):  # fmt: skip
        out |= np.isin(_tiff(_only(folder, f"*-QL_QUALITY_{layer}[._]*"))[0][0], codes)
    values = np.where((stored == -32768) | out, np.nan, stored * gain + offset)
    dead = _numbers(tree, "product/bandStatistics/bandID/stdDeviation") == 0
    return Read(values[~dead], _numbers(tree, bands + "wavelengthCenterOfBand")[~dead], geotransform)


def ahsi(folder: Path) -> Read:
    """Read AHSI: gain and offset of the text files of each detector; digital number 0 is no data."""
    parts, centres = [], []
    geotransform: tuple[float, ...] = ()
    for image, word in (("_VN.", "VNIR"), ("_SW.", "SWIR")):
        stored, geotransform = _tiff(_only(folder, f"*{image}*tif*"))
        tables = {}
        for kind in ("Spectralresponse", "RadCal"):
            text = next(path for path in folder.glob(f"*{kind}*") if word in path.name).read_text()
            tables[kind] = np.array(
                [[float(w) for w in re.split(r"[,\s]+", line)] for line in text.split("\n") if line]
            )
        gain, offset = tables["RadCal"].T[:, :, None, None]
        parts.append(np.where(stored == 0, np.nan, stored * gain + offset))
        centres.append(tables["Spectralresponse"][:, 0])
    return Read(np.concatenate(parts), np.concatenate(centres), geotransform)


def wyvern(folder: Path) -> Read:
    """Read Wyvern: scale and wavelengths of the STAC item, and the mask of usable data."""
    item = json.loads(_only(folder, "*.json").read_text())
    asset = item["assets"]["Cloud optimized GeoTiff"]
    stored, geotransform = _tiff(folder / asset["href"])
    centres = np.array([1000 * band["center_wavelength"] for band in asset["eo:bands"]])
    level_2 = item["properties"]["processing:level"] == "L2A"
    scale = [band["scale"] if level_2 else 1.0 for band in asset["raster:bands"]]
    mask, _ = _tiff(_only(folder, "*_data_mask.tiff"))
    out = (mask[1:] == 1).any(axis=0) | (stored == (65535 if level_2 else -9999))
    return Read(np.where(out, np.nan, stored * np.array(scale)[:, None, None]), centres, geotransform)


def hysis(folder: Path) -> Read:
    """Read the images of both detectors: scale and wavelengths of their tags, 0 is no data."""
    parts, centres = [], []
    geotransform: tuple[float, ...] = ()
    for detector in ("VNIR", "SWIR"):
        with rasterio.open(_only(folder, f"*{detector}.tif")) as source:
            stored, geotransform = source.read(), source.transform.to_gdal()
            parts.append(np.where(stored == 0, np.nan, stored * np.array(source.scales)[:, None, None]))
            listed = source.tags().get("Wavelengths")
            if listed is not None:
                centres += [1000 * float(word) for word in listed.split(",")]
            else:
                centres += [float(source.tags(band)["wavelength"]) for band in source.indexes]
    return Read(np.concatenate(parts), np.array(centres), geotransform)


def landsat(folder: Path) -> Read:
    """Read Landsat: the level-2 group of the MTL text, QA_PIXEL and QA_RADSAT bit by bit."""
    text = _only(folder, "*_MTL.txt").read_text()
    group = text.partition("GROUP = LEVEL2_SURFACE_REFLECTANCE_PARAMETERS")[2].partition("END_GROUP")[0]
    keys = dict(re.findall(r"(\w+) = (\S+)", group))
    numbers = [int(key.rpartition("_")[2]) for key in keys if key.startswith("REFLECTANCE_MULT")]
    oli = 6 in numbers
    quality, radsat = (_tiff(_only(folder, f"*_QA_{name}.TIF"))[0][0] for name in ("PIXEL", "RADSAT"))
    out = np.zeros(quality.shape, bool)
    for bit in (0, 1, *((2,) if oli else ()), 3, 4, 5, 7):
        out |= quality // 2**bit % 2 == 1
    for bit in [number - 1 for number in numbers] + ([] if oli else [9]):
        out |= radsat // 2**bit % 2 == 1
    parts = []
    geotransform: tuple[float, ...] = ()
    for n in numbers:
        stored, geotransform = _tiff(_only(folder, f"*_SR_B{n}.TIF"))
        scale, offset = (float(keys[f"REFLECTANCE_{kind}_BAND_{n}"]) for kind in ("MULT", "ADD"))
        parts.append(np.where((stored[0] == 0) | out, np.nan, stored[0] * scale + offset))
    # As published: measured responses of OLI (Barsi et al. 2014), else the middle of the limits of each band.
    etm, tm = "LANDSAT_7" in text, [(450, 520), (520, 600), (630, 690), (760, 900), (1550, 1750), (2080, 2350)]
    if etm:
        tm[3], tm[5] = (770, 900), (2090, 2350)
    centres = [442.96, 482.04, 561.41, 654.59, 864.67, 1608.86, 2200.73] if oli else [sum(ends) / 2 for ends in tm]
    return Read(np.array(parts), np.array(centres), geotransform)


def sentinel2(safe: Path) -> Read:
    """Read Sentinel-2 by GDAL's driver of SAFE (bands at 10 and 60 m, classes) and the JPEG 2000 files of 20 m."""
    tree = ElementTree.parse(safe / "MTD_MSIL2A.xml").getroot()
    quantification = float(_texts(tree, ".//BOA_QUANTIFICATION_VALUE")[0])
    offsets = {e.get("band_id"): float(e.text or 0) for e in tree.iter("BOA_ADD_OFFSET")}
    by_driver: dict[tuple[str, int], np.ndarray] = {}
    geotransform: tuple[float, ...] = ()
    for metres in (10, 20, 60):
        with rasterio.open(f"SENTINEL2_L2A:{safe}/MTD_MSIL2A.xml:{metres}m:EPSG_32633") as source:
            for number, description in enumerate(source.descriptions, start=1):
                by_driver[(description or "").partition(",")[0], metres] = source.read(number)
            if metres == 20:
                geotransform = source.transform.to_gdal()
    classes = by_driver["SCL", 20]
    out = np.isin(classes, (0, 1, 3, 6, 8, 9, 10, 11))
    values, centres = [], []
    for element in tree.iter("Spectral_Information"):
        band = element.get("physicalBand", "")
        if band == "B10":
            continue
        image = list(safe.glob(f"GRANULE/*/IMG_DATA/R20m/*_{band if len(band) > 2 else 'B0' + band[1:]}_20m.jp2"))
        if image:
            stored = _tiff(image[0])[0][0].astype(float)
        elif (band, 10) in by_driver:
            fine = by_driver[band, 10].astype(float)
            fine[fine == 0] = np.nan
            quarters = np.stack([fine[i::2, j::2] for i in (0, 1) for j in (0, 1)])
            count = np.isfinite(quarters).sum(axis=0)
            stored = np.where(count, np.nansum(quarters, axis=0) / np.maximum(count, 1), 0)
        else:
            stored = by_driver[band, 60].repeat(3, axis=0).repeat(3, axis=1).astype(float)
        reflectance = (stored + offsets.get(element.get("bandId"), 0)) / quantification
        values.append(np.where((stored == 0) | out, np.nan, reflectance))
        centres.append(float(element.findtext(".//CENTRAL") or 0))
    return Read(np.array(values), np.array(centres), geotransform)


def emit(path: Path) -> Read:
    """Read EMIT: each cell of the lookup table copies a pixel of the swath; flags of the MASK file beside it."""
    mask_path = path.with_name(path.name.replace("_RFL_", "_MASK_"))
    with h5py.File(path) as file, h5py.File(mask_path) as masks:
        cube, good = file["reflectance"][()], file["sensor_band_parameters/good_wavelengths"][()] == 1
        nm = file["sensor_band_parameters/wavelengths"][()]
        column, row = (np.abs(file[f"location/{name}"][()]).astype(int) for name in ("glt_x", "glt_y"))
        transform = tuple(float(number) for number in file.attrs["geotransform"])
        flags = masks["mask"][()]
    # Cloud, cirrus, water, spacecraft, dilated cloud, and the aggregate flag, which has further reasons.
    out = (flags[:, :, [0, 1, 2, 3, 4, 7]] == 1).any(axis=2)
    swath = np.where(out[:, :, None] | (cube == -9999), np.nan, cube)[:, :, good]
    values = np.full((good.sum(), *column.shape), np.nan)
    for y, x in zip(*np.nonzero((column != 0) & (row != 0)), strict=True):
        values[:, y, x] = swath[row[y, x] - 1, column[y, x] - 1]
    return Read(values, nm[good], transform)


def prisma(path: Path) -> Read:
    """Read PRISMA: min-max scaling, increasing wavelengths, corners at centres of pixels, error matrices."""
    fields = "HDFEOS/SWATHS/PRS_L2D_HCO/Data Fields/"
    parts, centres = [], []
    with h5py.File(path) as file:
        attributes = dict(file.attrs)
        stored = {name: file[f"{fields}{name}_Cube"][()] for name in ("VNIR", "SWIR")}
        errors = {name: file[f"{fields}{name}_PIXEL_L2_ERR_MATRIX"][()] for name in ("VNIR", "SWIR")}
    out = (stored["VNIR"] == 0).all(axis=1) & (stored["SWIR"] == 0).all(axis=1)
    for name, title in (("VNIR", "Vnir"), ("SWIR", "Swir")):
        nm = np.asarray(attributes[f"List_Cw_{title}"], float)
        order = [band for band in np.argsort(nm) if nm[band] > 0]
        low, high = (float(attributes[f"L2Scale{title}{end}"]) for end in ("Min", "Max"))
        parts.append(low + stored[name][:, order].swapaxes(0, 1) * (high - low) / 65535)
        centres.append(nm[order])
        out |= np.isin(errors[name][:, order], (1, 4)).any(axis=1)
    values = np.where(out, np.nan, np.concatenate(parts))
    west, north = (float(attributes[f"Product_ULcorner_{axis}"]) for axis in ("easting", "northing"))
    return Read(values, np.concatenate(centres), (west - 15, 30.0, 0.0, north + 15, 0.0, -30.0))


def tanager(path: Path) -> Read:
    """Read Tanager on a map: attributes of the cube, corners of the text of HDF-EOS, and the three layers."""
    group = "HDFEOS/GRIDS/HYP/Data Fields/"
    with h5py.File(path) as file:
        name = "surface_reflectance" if f"{group}surface_reflectance" in file else "toa_radiance"
        cube: Any = file[group + name]
        stored, nm = cube[()].astype(float), np.asarray(cube.attrs["wavelengths"], float)
        out = np.any(
            [file[group + layer][()] == 1 for layer in ("nodata_pixels", "beta_cloud_mask", "beta_cirrus_mask")], axis=0
        )
        text = file["HDFEOS INFORMATION/StructMetadata.0"][()].decode()
    left, top = (float(word) for word in re.findall(r"UpperLeftPointMtrs=\((.*),(.*)\)", text)[0])
    right, bottom = (float(word) for word in re.findall(r"LowerRightMtrs=\((.*),(.*)\)", text)[0])
    rows, columns = stored.shape[1:]
    transform = (left, (right - left) / columns, 0.0, top, 0.0, (bottom - top) / rows)
    return Read(np.where((stored == -9999) | out, np.nan, stored), nm, transform)


READERS: dict[str, Callable[[Path], Read]] = {
    "DESIS": desis, "EMIT": emit, "ENMAP": enmap, "GF5_AHSI": ahsi, "HYSIS": hysis, "LANDSAT_ETM": landsat,
    "LANDSAT_OLI": landsat, "LANDSAT_TM": landsat, "PRISMA": prisma, "SENTINEL2": sentinel2, "TANAGER": tanager,
    "WYVERN": wyvern, "ZY1_AHSI": ahsi,
}  # fmt: skip
"""The reader of each sensor."""
