"""Wyvern Dragonette: a GeoTIFF with wavelengths in the tags of its bands, a mask of usable data, and a STAC item."""

from __future__ import annotations

import json
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import RasterError, WavelengthError
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.wavelengths import Bands, bands_of_texts, find_bands
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.masks import MaskLayer
from geosoil.sensors.numbers import finite_number

if TYPE_CHECKING:
    from geosoil.sensors.files import ProductFiles

REFLECTANCE_SCALE = 1e-4  # of level 2A as the producer documents it; the GeoTIFF does not state it
RADIANCE_UNITS = "W m-2 sr-1 um-1"
IMAGES = "wyvern_dragonette*.tif*"
# Bands of the mask from version 2 on; version 1 has the first two.
MASK_BANDS = (None, "cloud", "haze", "cloud_shadow")
_MASK_FILE = re.compile(r"_mask\.tiff?$", re.IGNORECASE)


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open a product: surface reflectance of level 2A, or radiance of level 1B.

    Parameters
    ----------
    files : ProductFiles
        The product.
    nodata : float, optional
        The stored value of no data (default: as the file states).

    Returns
    -------
    Product

    Raises
    ------
    RasterError
        If a file is missing or damaged.
    WavelengthError
        If neither the bands nor the STAC item have wavelengths.
    """
    image = _images(files)[0]
    path = files.raster_path(image)
    asset, properties = _stac(files, image)
    local = absolute_path(path)
    with dataset(local, file_stamp(local)) as source:
        count, is_whole = source.count, np.dtype(source.dtypes[0]).kind in "iu"
        has_nodata = source.nodata is not None
    level = _level(image, properties, is_whole=is_whole)
    bands = find_bands(path) or _bands_of_asset(asset, count, files.where)
    described = asset.get("raster:bands") or []
    described = described if len(described) == count and all(isinstance(band, dict) for band in described) else []
    notes, scale, offset, units = [], np.ones(count), np.zeros(count), RADIANCE_UNITS
    if level == "L2A":
        units = "reflectance"
        if described:
            scale = np.array([finite_number(str(band.get("scale", 1)), "scale", files.where) for band in described])
            offset = np.array([finite_number(str(band.get("offset", 0)), "offset", files.where) for band in described])
        elif is_whole:
            scale = np.full(count, REFLECTANCE_SCALE)
            notes.append("no STAC item with a scale: stored x 0.0001, as documented for level 2A")
    if nodata is None and not has_nodata and described and isinstance(described[0].get("nodata"), int | float):
        nodata = float(described[0]["nodata"])
    cube = open_raster(
        path,
        nodata=nodata,
        scale=scale,
        offset=offset,
        names=[f"band_{number}" for number in range(1, count + 1)],
        units=units,
    ).assign_coords(wavelength_nm=("band", bands.centre_nm))
    if bands.fwhm_nm is not None:
        cube = cube.assign_coords(fwhm_nm=("band", bands.fwhm_nm))
    masks = _masks(files, image, notes)
    stated = {name: str(properties[key]) for name, key in (("platform", "platform"), ("StartTime", "datetime"))
              if key in properties}  # fmt: skip
    return Product(cube.assign_attrs(source=files.where, notes=notes, level=level, **stated), bands.good, masks)


def is_product(files: ProductFiles) -> bool:
    """Return whether there is one image beside the masks, which have names of the same kind."""
    return len(_images(files)) == 1


def _images(files: ProductFiles) -> list[str]:
    images = [name for name in files.find(IMAGES) if not _MASK_FILE.search(name)]
    if files.named is not None:
        return [files.named] if files.named in images else []
    return images


def _stac(files: ProductFiles, image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the asset of the image and the properties of the STAC item beside it; both are empty without one."""
    stem, name = PurePosixPath(image).stem, PurePosixPath(image).name
    items = files.find(f"{stem}.json")
    if not items:
        return {}, {}
    where = files.path(items[0])
    try:
        item = json.loads(files.read(items[0]))
        assets = [asset for asset in item.get("assets", {}).values() if isinstance(asset, dict)]
        properties = item.get("properties", {})
        if not isinstance(properties, dict):
            raise TypeError("properties is not an object")
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RasterError(
            where,
            problem=f"not a STAC item ({error})",
            expected="a JSON object with assets",
            way_out="use the file as delivered, or remove it",
        ) from error
    of_image = [asset for asset in assets if PurePosixPath(str(asset.get("href", ""))).name == name]
    return (of_image or [{}])[0], properties


def _level(image: str, properties: dict[str, Any], *, is_whole: bool) -> str:
    """Return the level as stated; products before version 2 are radiance and do not state it in their names."""
    stated = str(properties.get("processing:level", "")).upper()
    if stated in ("L1B", "L2A"):
        return stated
    match = re.search(r"_(l1b|l2a)(?=[_.])", PurePosixPath(image).name, re.IGNORECASE)
    return match[1].upper() if match else "L2A" if is_whole else "L1B"


def _bands_of_asset(asset: dict[str, Any], count: int, where: str) -> Bands:
    """Return the wavelengths of a STAC item, which are in micrometres."""
    described = asset.get("eo:bands") or []
    if len(described) != count or not all(isinstance(band, dict) and "center_wavelength" in band for band in described):
        raise WavelengthError(
            where,
            found="no wavelengths in the tags of the image, nor in a STAC item beside it",
            expected="one for each band",
            way_out="use the files as delivered, or give a table of bands (--bands TABLE.csv)",
        )
    texts = {"wavelength": [str(band["center_wavelength"]) for band in described]}
    if all("full_width_half_max" in band for band in described):
        texts["fwhm"] = [str(band["full_width_half_max"]) for band in described]
    return bands_of_texts(texts, 1000.0, where, "STAC item")


def _masks(files: ProductFiles, image: str, notes: list[str]) -> tuple[MaskLayer, ...]:
    stem = PurePosixPath(image).stem
    names = files.find(f"{stem}_data_mask.tif*")
    if not names:
        notes.append("no data mask: clouds, haze and shadows are not masked")
        return ()
    layer = open_raster(files.raster_path(names[0]), as_stored=True)
    if layer.sizes["band"] < 2:
        raise RasterError(
            files.path(names[0]),
            found="1 band",
            expected="the bands clear and cloud of a data mask, and from version 2 on haze and cloud shadow",
            way_out="use the file as delivered, or remove it",
        )
    if layer.sizes["band"] < len(MASK_BANDS):
        notes.append("the data mask has clouds only: haze and shadows are not masked")
    return tuple(
        MaskLayer(name, layer[[band]], (1,))
        for band, name in enumerate(MASK_BANDS[: layer.sizes["band"]])
        if name is not None
    )


WYVERN = Sensor(
    name="WYVERN",
    title="Wyvern Dragonette levels 1B and 2A, 23 or 31 bands from 445 to 870 nm",
    patterns=(IMAGES,),
    bad_nm=(),
    open=open_product,
    recognises=is_product,
)
