"""Sentinel-2 level 2A in SAFE layout: JPEG 2000 files per band at 10, 20 and 60 m, and metadata as XML.

The cube has the grid of 20 m, or that of 10 or 60 m on request. Bands that are delivered on it are taken as they are;
others are averaged over whole pixels (band 8, at 10 m only, over 2 x 2) or repeated (bands at 60 m only, in 3 x 3).
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GridError, RasterError, WavelengthError
from geosoil.io.rasters.multiples import to_multiple
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.stack import join_bands
from geosoil.io.rasters.wavelengths import bands_of_texts
from geosoil.raster.grid import Grid
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.files import ProductFiles
from geosoil.sensors.masks import MaskLayer
from geosoil.sensors.numbers import finite_number
from geosoil.sensors.product_xml import parse_xml, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    import xarray as xr

# Level 2A has no band 10, which sees cirrus only.
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
# The numbers of the bands in the metadata, of which band 10 is one, and their nominal widths in nm.
NUMBERS = {"B01": 0, "B02": 1, "B03": 2, "B04": 3, "B05": 4, "B06": 5, "B07": 6, "B08": 7, "B8A": 8, "B09": 9,
           "B11": 11, "B12": 12}  # fmt: skip
WIDTHS_NM = {"B01": 20, "B02": 65, "B03": 35, "B04": 30, "B05": 15, "B06": 15, "B07": 20, "B08": 115, "B8A": 20,
             "B09": 20, "B11": 90, "B12": 180}  # fmt: skip
CLASSES = {"background": (0,), "saturated": (1,), "cloud_shadow": (3,), "water": (6,), "cloud": (8, 9),
           "cirrus": (10,), "snow": (11,)}  # fmt: skip
PIXELS_M = (20, 10, 60)  # the first is the default
FILL = 0.0
FIRST_WITH_OFFSET = 4.0  # processing baseline
METADATA = "mtd_msil2a.xml"
_IMAGE = re.compile(r"_(B\d[\dA]|SCL)_(10|20|60)m$")


def open_product(files: ProductFiles, *, nodata: float | None = None, pixel_m: int = PIXELS_M[0]) -> Product:
    """Open a product: (stored + BOA_ADD_OFFSET) / BOA_QUANTIFICATION_VALUE as surface reflectance.

    Parameters
    ----------
    files : ProductFiles
        The product.
    nodata : float, optional
        The stored value of no data (default: 0).
    pixel_m : int
        The side of the pixels: 10, 20 or 60 m.

    Returns
    -------
    Product

    Raises
    ------
    RasterError
        If a file is missing or damaged, or the metadata lack the scale or the offsets of their baseline.
    WavelengthError
        If the metadata have no wavelength of a band.
    GridError
        If the images are not on one grid with several pixel sizes.
    """
    files = _whole(files)
    metadata = files.one("the metadata", METADATA)
    where = files.path(metadata)
    tree = parse_xml(files.read(metadata), where)
    files = files.with_names(f"{text_of(image)}.jp2" for image in tree.iter("IMAGE_FILE"))
    images = _images(files, metadata)
    # Bands of another size are averaged from finer pixels rather than repeated from coarser ones.
    sizes = (pixel_m, *sorted({10, 20, 60} - {pixel_m}, key=lambda side: (side > pixel_m, abs(side - pixel_m))))
    delivered = [band for band in BANDS if any((band, side) in images for side in sizes)]
    if not any((band, pixel_m) in images for band in delivered):
        raise RasterError(
            files.where,
            found=f"no band at {pixel_m} m",
            expected=f"the folder IMG_DATA/R{pixel_m}m",
            way_out="give the whole product",
        )
    quantification = _quantification(tree, where)
    offsets = _offsets(tree, delivered, where)
    centres, widths = _wavelengths(tree, delivered, where)
    side = {band: next(side for side in sizes if (band, side) in images) for band in delivered}
    parts: list[xr.DataArray] = []
    order: list[str] = []
    for pixel in sizes:
        bands = [band for band in delivered if side[band] == pixel]
        if not bands:
            continue
        part = open_raster(
            [files.raster_path(images[band, pixel]) for band in bands],
            nodata=FILL if nodata is None else nodata,
            scale=1.0 / quantification,
            offset=np.array([offsets[band] / quantification for band in bands]),
            names=bands,
            units="reflectance",
        )
        size = Grid.of(part).transform.a
        if abs(size - pixel) > 1e-3 * pixel:
            raise GridError(
                files.path(images[bands[0], pixel]),
                found=f"pixels of {size:g} m",
                expected=f"{pixel} m, as its name says",
                way_out="use the files of one product as delivered",
            )
        parts.append(part if pixel == pixel_m else to_multiple(part, Grid.of(parts[0])))
        order += bands
    cube = join_bands(parts)[[order.index(band) for band in delivered]]
    cube = cube.assign_coords(wavelength_nm=("band", centres), fwhm_nm=("band", widths))
    notes = [_resampling(side, pixel_m)]
    masks = _masks(files, images, pixel_m, Grid.of(cube), notes)
    stated = {key: text_of(next(tree.iter(key), None)) for key in ("SPACECRAFT_NAME", "PROCESSING_BASELINE",
                                                                  "PRODUCT_START_TIME")}  # fmt: skip
    return Product(cube.assign_attrs(source=files.where, notes=notes, **stated), masks=masks)


def _whole(files: ProductFiles) -> ProductFiles:
    """Return the files of the whole folder for a product that is named by its metadata."""
    if files.named is None or files.is_remote or files.where.startswith("/vsi"):
        return files
    whole = ProductFiles.of(Path(files.where).parent)
    whole.where = files.where
    return whole


def _images(files: ProductFiles, metadata: str) -> dict[tuple[str, int], str]:
    """Return the name of the file of each band and resolution in m."""
    root = metadata.rpartition("/")[0]
    images: dict[tuple[str, int], str] = {}
    for name in files.names:
        match = _IMAGE.search(PurePosixPath(name).stem)
        if match and name.startswith(root) and name.lower().endswith(".jp2"):
            images.setdefault((match[1], int(match[2])), name)
    return images


def _quantification(tree: Element, where: str) -> float:
    for name in ("BOA_QUANTIFICATION_VALUE", "L2A_BOA_QUANTIFICATION_VALUE"):
        for element in tree.iter(name):
            value = finite_number(text_of(element), name, where)
            if value > 0:
                return value
    raise RasterError(
        where,
        found="no BOA_QUANTIFICATION_VALUE above 0",
        expected="the number that is reflectance 1",
        way_out="use the file as delivered",
    )


def _offsets(tree: Element, bands: list[str], where: str) -> dict[str, float]:
    """Return the number that is added to the stored values of each band."""
    offsets = {
        element.get("band_id", ""): finite_number(text_of(element), "BOA_ADD_OFFSET", where)
        for element in tree.iter("BOA_ADD_OFFSET")
    }
    baseline = text_of(next(tree.iter("PROCESSING_BASELINE"), None))
    if not offsets and finite_number(baseline, "PROCESSING_BASELINE", where) < FIRST_WITH_OFFSET:
        return dict.fromkeys(bands, 0.0)
    missing = [band for band in bands if str(NUMBERS[band]) not in offsets]
    if missing:
        raise RasterError(
            where,
            found=f"no BOA_ADD_OFFSET of {', '.join(missing)} in a product of baseline {baseline}",
            expected="one for each band from baseline 04.00 on",
            way_out="use the file as delivered: reflectance would be wrong by about 0.1",
        )
    return {band: offsets[str(NUMBERS[band])] for band in bands}


def _wavelengths(tree: Element, bands: list[str], where: str) -> tuple[np.ndarray, np.ndarray]:
    """Return centres as the metadata state them, and widths at half maximum of their responses, else nominal ones."""
    stated = {element.get("bandId", ""): element for element in tree.iter("Spectral_Information")}
    missing = [band for band in bands if str(NUMBERS[band]) not in stated]
    if missing:
        raise WavelengthError(
            where,
            found=f"no Spectral_Information of {', '.join(missing)}",
            expected="one for each band",
            way_out="use the file as delivered",
        )
    elements = [stated[str(NUMBERS[band])] for band in bands]
    texts = [text_of(element.find(".//CENTRAL")) for element in elements]
    widths = [_width(element) or float(WIDTHS_NM[band]) for band, element in zip(bands, elements, strict=True)]
    table = bands_of_texts({"wavelength": texts, "fwhm": [str(width) for width in widths]}, 1.0, where, "CENTRAL")
    return table.centre_nm, np.array(widths)


def _width(element: Element) -> float | None:
    """Return the width in nm at half of the maximum of a response; None if there is none with two flanks."""
    try:
        response = np.array([float(word) for word in text_of(element.find(".//VALUES")).split()])
        step = float(text_of(element.find(".//STEP")) or 1)
    except ValueError:
        return None
    if len(response) < 3 or not np.isfinite(response).all() or not step > 0:
        return None
    half = response.max() / 2
    above = np.flatnonzero(response >= half)
    first, last = above[0], above[-1]
    if half <= 0 or first == 0 or last == len(response) - 1:
        return None
    left = first - (response[first] - half) / (response[first] - response[first - 1])
    right = last + (response[last] - half) / (response[last] - response[last + 1])
    return float((right - left) * step)


def _resampling(side: dict[str, int], pixel_m: int) -> str:
    """Describe how the bands came to the grid."""
    texts = []
    for pixel in (10, 20, 60):
        bands = ", ".join(band for band, delivered in side.items() if delivered == pixel)
        k = pixel_m // pixel
        if bands and pixel != pixel_m:
            texts.append(
                f"{bands} " + (f"averaged over {k} x {k} pixels of {pixel} m" if k else f"repeated from {pixel} m")
            )
    return f"grid of {pixel_m} m{': ' if texts else ''}{'; '.join(texts)}"


def _masks(
    files: ProductFiles, images: dict[tuple[str, int], str], pixel_m: int, grid: Grid, notes: list[str]
) -> tuple[MaskLayer, ...]:
    size = pixel_m if ("SCL", pixel_m) in images else 20  # it is delivered at 20 and 60 m
    if ("SCL", size) not in images or size < pixel_m:
        notes.append(f"no scene classification (SCL) at {size} m: clouds, shadows, snow and water are not masked")
        return ()
    classes: xr.DataArray = open_raster(files.raster_path(images["SCL", size]), as_stored=True)
    if size > pixel_m:
        classes = to_multiple(classes, grid)
    return tuple(MaskLayer(name, classes, codes) for name, codes in CLASSES.items())


SENTINEL2 = Sensor(
    name="SENTINEL2",
    title="Sentinel-2 MSI level 2A, 12 bands at 20 m (or 10 or 60 m)",
    patterns=(METADATA,),
    bad_nm=((935.0, 955.0),),  # band 9 sees water vapour, not the ground
    open=open_product,
    pixels_m=PIXELS_M,
)
