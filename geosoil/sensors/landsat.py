"""Landsat Collection 2 level 2: a GeoTIFF per band of surface reflectance, quality layers, and the MTL file."""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RasterError
from geosoil.io.rasters.reader import open_raster
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.masks import Bits, MaskLayer
from geosoil.sensors.nominal import nominal_bands
from geosoil.sensors.numbers import finite_number
from geosoil.sensors.product_xml import parse_xml, text_of

if TYPE_CHECKING:
    import xarray as xr

    from geosoil.sensors.files import ProductFiles

    Groups = dict[str, dict[str, str]]

# The level-1 group of the same file has keys of the same names with other values.
SCALING = "LEVEL2_SURFACE_REFLECTANCE_PARAMETERS"
CONTENTS = "PRODUCT_CONTENTS"
FILL = 0.0
OLI_BANDS = (1, 2, 3, 4, 5, 6, 7)
TM_BANDS = (1, 2, 3, 4, 5, 7)  # band 6 is thermal
# Bits of QA_PIXEL; bit 2 is unused before Landsat 8, and bit 6 means clear.
QA_BITS = {"background": (0,), "cloud": (1, 3), "cirrus": (2,), "cloud_shadow": (4,), "snow": (5,), "water": (7,)}
DROPPED_PIXEL = 9  # bit of QA_RADSAT before Landsat 8


def open_product(
    files: ProductFiles,
    *,
    nodata: float | None = None,
    sensor: str = "LANDSAT_OLI",
    numbers: tuple[int, ...] = OLI_BANDS,
) -> Product:
    """Open a product: multiplier * stored + addend of the MTL as surface reflectance.

    Parameters
    ----------
    files : ProductFiles
        The product.
    nodata : float, optional
        The stored value of no data (default: 0).
    sensor : str
        The name of the sensor, whose nominal wavelengths and widths the bands have: the product states none.
    numbers : tuple of int
        The numbers of its bands.

    Returns
    -------
    Product

    Raises
    ------
    RasterError
        If a file is missing or damaged, or the product is not of Collection 2 and level 2.
    GridError
        If the bands are not on one grid.
    """
    text = files.find("l*_mtl.txt") and files.named not in files.find("l*_mtl.*")
    name = files.one("the MTL file", "l*_mtl.txt" if text else "l*_mtl.*")
    where = files.path(name)
    groups = read_mtl(files.read(name), where)
    contents = groups.get(CONTENTS, {})
    files = files.with_names(value for key, value in contents.items() if key.startswith("FILE_NAME_"))
    collection, level = contents.get("COLLECTION_NUMBER", ""), contents.get("PROCESSING_LEVEL", "")
    if collection != "02" or level not in ("L2SP", "L2SR"):
        raise RasterError(
            where,
            found=f"collection {collection or 'not stated'}, level {level or 'not stated'}",
            expected="collection 02, level L2SP or L2SR",
            way_out="order the surface reflectance of Collection 2, level 2",
        )
    paths = [files.raster_path(_file(files, contents, f"FILE_NAME_BAND_{n}", f"*_sr_b{n}.tif*")) for n in numbers]
    scales, offsets = (
        [_scaling(groups, f"REFLECTANCE_{kind}_BAND_{n}", where) for n in numbers] for kind in ("MULT", "ADD")
    )
    bands = nominal_bands(sensor)
    cube = open_raster(
        paths,
        nodata=FILL if nodata is None else nodata,
        scale=np.array(scales),
        offset=np.array(offsets),
        names=[f"B{n}" for n in numbers],
        units="reflectance",
    ).assign_coords(wavelength_nm=("band", bands.centre_nm), fwhm_nm=("band", bands.fwhm_nm))
    notes = ["wavelengths and widths are nominal: the product states none"]
    masks = _masks(files, contents, numbers, notes)
    image = groups.get("IMAGE_ATTRIBUTES", {})
    stated = {key: image[key] for key in ("SPACECRAFT_ID", "DATE_ACQUIRED", "SUN_ELEVATION") if key in image}
    return Product(cube.assign_attrs(source=files.where, notes=notes, **stated), masks=masks)


def read_mtl(content: bytes, where: object) -> Groups:
    """Return the values of an MTL file as `{group: {key: text}}`, from its form as text, XML or JSON.

    Raises
    ------
    RasterError
        If it is not such a file.

    Examples
    --------
    >>> read_mtl(b'GROUP = A\\n  GROUP = B\\n    KEY = "x"\\n  END_GROUP = B\\nEND_GROUP = A\\nEND', "a_MTL.txt")
    {'A': {}, 'B': {'KEY': 'x'}}
    """
    start = content.lstrip()[:1]
    if start == b"<":
        return {
            group.tag: {item.tag: text_of(item) for item in group if not len(item)}
            for group in parse_xml(content, where).iter()
            if len(group)
        }
    groups: Groups = {}
    if start == b"{":
        try:
            _collect(json.loads(content), groups)
        except (ValueError, RecursionError, AttributeError) as error:
            raise _not_mtl(where, f"not valid JSON ({error})") from error
        return groups
    inside: list[str] = []
    for line in content.decode("utf-8", errors="replace").splitlines():
        key, equals, value = (part.strip() for part in line.partition("="))
        if key == "GROUP":
            inside.append(value)
            groups.setdefault(value, {})
        elif key == "END_GROUP" and inside:
            inside.pop()
        elif equals and inside:
            groups[inside[-1]][key] = value.strip('"')
    if inside or not groups:
        raise _not_mtl(where, "the groups are not closed: the file is not whole" if inside else "no groups of values")
    return groups


def _collect(values: dict[str, object], groups: Groups, name: str = "") -> None:
    """Add the nested groups of a JSON object."""
    for key, value in values.items():
        if isinstance(value, dict):
            groups.setdefault(key, {})
            _collect(value, groups, key)
        elif name:
            groups[name][key] = str(value)


def _not_mtl(where: object, problem: str) -> RasterError:
    return RasterError(where, problem=problem, expected="an MTL file of Landsat", way_out="use the file as delivered")


def _file(files: ProductFiles, contents: dict[str, str], key: str, pattern: str) -> str:
    """Return the file that the MTL names, or the one that matches if it was renamed."""
    stated = contents.get(key, "")
    if re.fullmatch(r"[\w.-]+", stated) and files.find(stated):
        return files.find(stated)[0]
    return files.one(f"{PurePosixPath(stated).name or key}", pattern)


def _scaling(groups: Groups, key: str, where: object) -> float:
    if key not in groups.get(SCALING, {}):
        raise RasterError(
            where, found=f"no {key} in {SCALING}", expected="one for each band", way_out="use the file as delivered"
        )
    return finite_number(groups[SCALING][key], key, where)


def _masks(
    files: ProductFiles, contents: dict[str, str], numbers: tuple[int, ...], notes: list[str]
) -> tuple[MaskLayer, ...]:
    before_oli = 6 not in numbers
    masks: list[MaskLayer] = []
    if files.find("*_qa_pixel.tif*"):
        layer = _codes(files, _file(files, contents, "FILE_NAME_QUALITY_L1_PIXEL", "*_qa_pixel.tif*"))
        bits = {name: bits for name, bits in QA_BITS.items() if name != "cirrus" or not before_oli}
        masks += [MaskLayer(name, layer, Bits(numbers)) for name, numbers in bits.items()]
    else:
        notes.append("no file QA_PIXEL: clouds, shadows, snow and water are not masked")
    if files.find("*_qa_radsat.tif*"):
        key = "FILE_NAME_QUALITY_L1_RADIOMETRIC_SATURATION"
        layer = _codes(files, _file(files, contents, key, "*_qa_radsat.tif*"))
        masks.append(MaskLayer("saturated", layer, Bits(tuple(n - 1 for n in numbers))))
        if before_oli:
            masks.append(MaskLayer("invalid", layer, Bits((DROPPED_PIXEL,))))
    else:
        notes.append("no file QA_RADSAT: saturated pixels are not masked")
    return tuple(masks)


def _codes(files: ProductFiles, name: str) -> xr.DataArray:
    """Return a quality layer with its codes as they are stored."""
    return open_raster(files.raster_path(name), as_stored=True)


def _sensor(name: str, title: str, satellites: str, numbers: tuple[int, ...]) -> Sensor:
    product = f"{satellites}_l2s[pr]_*_02_*"
    return Sensor(
        name=name,
        title=title,
        patterns=(f"{product}_mtl.*", f"{product}_sr_b*.tif*"),
        bad_nm=(),
        open=partial(open_product, sensor=name, numbers=numbers),
        main=f"{product}_mtl.*",
    )


LANDSAT_OLI = _sensor("LANDSAT_OLI", "Landsat 8 and 9 OLI, Collection 2 level 2, 7 bands", "l[co]0[89]", OLI_BANDS)
LANDSAT_ETM = _sensor("LANDSAT_ETM", "Landsat 7 ETM+, Collection 2 level 2, 6 bands", "le07", TM_BANDS)
LANDSAT_TM = _sensor("LANDSAT_TM", "Landsat 4 and 5 TM, Collection 2 level 2, 6 bands", "lt0[45]", TM_BANDS)
