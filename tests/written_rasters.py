"""Rasters and products that tests write for themselves."""

from pathlib import Path

import numpy as np
import rasterio
from rasterio import Affine

UTM = "EPSG:32633"
TRANSFORM = Affine(30, 0, 600_000, 0, -30, 5_800_000)


def write_raster(path: Path, values: np.ndarray, *, tags=None, band_tags=(), descriptions=(), **profile) -> Path:
    """Write `(band, y, x)` in its own dtype; band_tags has one dict per band."""
    count, height, width = values.shape
    profile = {"driver": "GTiff", "crs": UTM, "transform": TRANSFORM, **profile}
    scales, offsets = profile.pop("scales", None), profile.pop("offsets", None)
    with rasterio.open(path, "w", width=width, height=height, count=count, dtype=values.dtype, **profile) as made:
        made.write(values)
        made.update_tags(**(tags or {}))
        for number, one in enumerate(band_tags, start=1):
            made.update_tags(number, **one)
        for number, one in enumerate(descriptions, start=1):
            made.set_band_description(number, one)
        if scales is not None:
            made.scales = scales
        if offsets is not None:
            made.offsets = offsets
    return path


def corrupt_block(path: Path, *, band: int, row: int = 0, column: int = 0) -> None:
    """Overwrite one compressed block (block numbers) of a TIFF with bytes that no codec accepts."""
    with rasterio.open(path) as source:
        start = int(source.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band))
        size = int(source.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band))
    with path.open("r+b") as file:
        file.seek(start)
        file.write(b"\xff" * size)


def write_gf5(
    folder: Path, *, generation: str = "GF5", shape=(6, 5), sw_shape=None, counts=(150, 180), scene=None
) -> Path:
    """Write a level-1 AHSI folder as GF-5 (`VNIR_RadCal`, tabs) or GF-5B (`RadCal_VNIR`, commas) names it."""
    folder.mkdir()
    scene = scene or f"{generation}_AHSI_E112.73_N29.83_20190122_003766_L10000036541"
    new = generation in ("GF5A", "GF5B")
    axes = {"VN": np.linspace(390, 1029, counts[0]), "SW": 1009.0 + 8.4166 * np.arange(counts[1])}
    for detector, axis in axes.items():
        height, width = shape if detector == "VN" else (sw_shape or shape)
        numbers = np.arange(axis.size * height * width).reshape(axis.size, height, width) % 4000 + 1
        stored = numbers.astype("uint16")
        stored[:, 0, 0] = 0
        ending = "tif" if new else "geotiff"
        write_raster(folder / f"{scene}_{detector}.{ending}", stored)
        word, separator, line = f"{detector}IR", "," if new else "\t", "\n" if new else "\r\n"
        if detector == "VN":
            word = "VNIR"
        names = [f"{kind}_{word}" if new else f"{word}_{kind}" for kind in ("Spectralresponse", "RadCal")]
        response = [f"{centre:.3f}{separator}{8.546}" for centre in axis]
        gains = [f"{0.01 * (i + 1)}{separator}{0 if detector == 'VN' else 0.5}" for i in range(axis.size)]
        for name, lines in zip(names, (response, gains), strict=True):
            (folder / f"{generation}_AHSI_{name}.raw").write_bytes((line.join(lines) + line).encode())
    (folder / f"{scene}.xml").write_text(
        '<?xml version="1.0" encoding="UTF-8"?>\n<p:ProductMetaData xmlns:p="http://x"><p:SatelliteID>GF5</p:SatelliteID>'
        "<p:Deep><p:SolarZenith>52.25</p:SolarZenith></p:Deep><p:StartTime>2019-01-22 13:09:10</p:StartTime>"
        "</p:ProductMetaData>"
    )
    return folder
