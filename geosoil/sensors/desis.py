"""DESIS level 2A: a GeoTIFF of surface reflectance, metadata as XML, and a GeoTIFF of quality flags."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RasterError, WavelengthError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.wavelengths import bands_of_texts
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.masks import Bits, MaskLayer
from geosoil.sensors.numbers import finite_number
from geosoil.sensors.product_xml import parse_xml, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from geosoil.sensors.files import ProductFiles

BACKGROUND = -32768.0
# The bands of the quality file that become masks, by their index; the others are land (1), aerosol (8) and water vapour
# (9).
QUALITY_BANDS = {0: "cloud_shadow", 2: "snow", 3: "haze", 4: "haze", 5: "cloud", 6: "cloud", 7: "water"}
ENDINGS = ("METADATA.xml", "SPECTRAL_IMAGE.tif", "QL_QUALITY-2.tif")
ANY_BIT = Bits(tuple(range(8)))
_ATTRIBUTES = {"startTime": "StartTime", "sunZenithAngle": "SunZenith", "sunAzimuthAngle": "SunAzimuth"}


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open a product: gainOfBand * stored + offsetOfBand as surface reflectance.

    Parameters
    ----------
    files : ProductFiles
        The product.
    nodata : float, optional
        The stored value of no data (default: the background value of the metadata).

    Returns
    -------
    Product

    Raises
    ------
    RasterError
        If a file is missing or damaged, or the product is of level 1.
    WavelengthError
        If the metadata and the image do not have the same bands.
    """
    if files.is_remote and files.named is not None:  # it ends with .xml or .tif, as delivered
        start = re.sub(r"(?i)-(metadata\.xml|spectral_image\.tiff?)$", "", files.named)
        files = files.with_names(f"{start}-{ending}" for ending in ENDINGS)
    metadata = files.one("the metadata", "desis-hsi-*-metadata.xml")
    where = files.path(metadata)
    level = re.search(r"-(L\d[A-Z]?)-", PurePosixPath(metadata).name.upper())
    if level is None or level[1] != "L2A":
        raise RasterError(
            files.where,
            found=f"level {level[1] if level else 'unknown'}",
            expected="level L2A, surface reflectance",
            way_out="order the product at level L2A",
        )
    tree = parse_xml(files.read(metadata), where)
    background = BACKGROUND if nodata is None else nodata
    if nodata is None and (text := text_of(tree.find(".//backgroundValue"))):
        background = finite_number(text, "backgroundValue", where)
    # Elements `band` also describe the geometry of the detector.
    elements = [band for parent in tree.iter("bandCharacterisation") for band in parent.iter("band")]
    path = files.raster_path(files.one("the image", "desis-hsi-*-spectral_image.tif*"))
    count = open_raster(path).sizes["band"]
    if len(elements) != count:
        raise WavelengthError(
            where,
            found=f"{len(elements)} bands in bandCharacterisation",
            expected=f"one for each of the {count} bands of the image",
            way_out="use the files of one product as delivered",
        )
    texts = {
        key: [text_of(band.find(name)) for band in elements]
        for key, name in (("wavelength", "wavelengthCenterOfBand"), ("fwhm", "wavelengthWidthOfBand"))
    }
    bands = bands_of_texts(texts, 1.0, where, "bandCharacterisation")
    cube = open_raster(
        path,
        nodata=background,
        scale=_numbers(elements, "gainOfBand", where),
        offset=_numbers(elements, "offsetOfBand", where),
        names=[f"band_{number}" for number in range(1, count + 1)],
        units="reflectance",
    ).assign_coords(wavelength_nm=("band", bands.centre_nm), fwhm_nm=("band", bands.fwhm_nm))
    masks, notes = _masks(files)
    attributes = {name: text for key, name in _ATTRIBUTES.items() if (text := text_of(tree.find(f".//{key}")))}
    return Product(cube.assign_attrs(source=files.where, notes=notes, **attributes), masks=masks)


def _numbers(elements: list[Element], name: str, where: str) -> np.ndarray:
    values = [
        finite_number(text_of(band.find(name)), f"{name} of band {number}", where)
        for number, band in enumerate(elements, start=1)
    ]
    return np.array(values)


def _masks(files: ProductFiles) -> tuple[tuple[MaskLayer, ...], list[str]]:
    names = files.find("desis-hsi-*-ql_quality-2.tif*")
    if not names:
        return (), ["no file QL_QUALITY-2: clouds, shadows, snow and water are not masked"]
    path = files.raster_path(names[0])
    quality = open_raster(path, as_stored=True)
    if quality.sizes["band"] <= max(QUALITY_BANDS):
        raise RasterError(
            path,
            found=f"{quality.sizes['band']} bands of quality flags",
            expected="the ten of level 2A",
            way_out="use the file as delivered, or remove it",
        )
    return tuple(MaskLayer(name, quality[[band]], ANY_BIT) for band, name in QUALITY_BANDS.items()), []


DESIS = Sensor(
    name="DESIS",
    title="DESIS level 2A, 235 bands from 402 to 1000 nm",
    patterns=("desis-hsi-*-metadata.xml", "desis-hsi-*-spectral_image.tif*"),
    bad_nm=(),
    open=open_product,
    main="desis-hsi-*-[ms]*.[tx]*",  # the metadata or the image
)
