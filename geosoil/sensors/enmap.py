"""EnMAP level 2A: the delivered folder or archive, or its spectral image, as one cube of surface reflectance.

A product has one image of both detectors (`*-SPECTRAL_IMAGE.TIF`, or a COG), an XML with wavelengths, gains and offsets
of its bands, and quality layers (`*-QL_QUALITY_*.TIF`). The names are in upper or lower case.
"""

from __future__ import annotations

import glob
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import RasterError, WavelengthError
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM
from geosoil.io.remote.reading import remote_file_exists
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.masks import MaskLayer
from geosoil.sensors.numbers import finite_number
from geosoil.sensors.product_xml import parse_xml, text_of

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from geosoil.sensors.files import ProductFiles

NODATA = -32768
# Around 1400 and 1850 nm water vapour absorbs all light; the producer fills many of these bands with no data.
WATER_NM = ((1330.0, 1451.0), (1770.0, 1970.0))
LAYERS = {  # the ending of a quality layer -> the mask, and the codes that are left out
    "QUALITY_CLOUD": (("cloud", (1,)),),
    "QUALITY_CLOUDSHADOW": (("cloud_shadow", (1,)),),
    "QUALITY_CIRRUS": (("cirrus", (1, 2, 3)),),  # thin, medium, thick
    "QUALITY_HAZE": (("haze", (1,)),),
    "QUALITY_SNOW": (("snow", (1,)),),
    "QUALITY_CLASSES": (("water", (2,)), ("background", (0, 3))),  # 1: land
}

_ENDINGS = (".tif", ".tiff", ".geotiff", ".bsq", ".bil", ".bip", ".jp2")
_IMAGE = re.compile(r"(.+)-spectral_image(?:_cog)?$", re.IGNORECASE)


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open a product as one lazy cube: all bands in the order of the file.

    Parameters
    ----------
    files : ProductFiles
        The product.
    nodata : float, optional
        Stored value of no data (default: as the file states, else -32768).

    Returns
    -------
    Product
        Its raster is gain * stored + offset, with the wavelengths and widths of the XML. Bands whose statistics in the
        XML show one value only are marked as not good. The masks are those of `LAYERS`.

    Raises
    ------
    RasterError
        If a file is missing, or the product is not of level 2A.
    WavelengthError
        If the XML does not describe the bands of the image.

    Examples
    --------
    >>> import tempfile
    >>> from geosoil.sensors.files import ProductFiles
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_product(ProductFiles.of(folder))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    geosoil.errors.RasterError: ...: found no files that could be the spectral image of both detectors; ...
    """
    image, prefix = _find_image(files)
    files = _with_files_beside(files, image, prefix)
    metadata = files.beside(image, f"{prefix}-METADATA.XML")
    if metadata is None:
        raise RasterError(
            files.path(image),
            found="no METADATA.XML beside it",
            expected=f"{prefix}-METADATA.XML, which has the wavelengths and gains",
            way_out="give the whole product, or the image with --bands TABLE.csv and --scale 0.0001",
        )
    where = files.path(metadata)
    root = parse_xml(files.read(metadata), where)
    level = next((text_of(element) for element in root.iter("level") if text_of(element)), "L2A")
    if level.upper() != "L2A":
        raise RasterError(
            where,
            found=f"a product of level {level}",
            expected="surface reflectance, level L2A",
            way_out="order the level L2A, or correct the atmosphere first",
        )
    path = files.raster_path(image)
    cube = open_raster(path)
    bands = _read_bands(root, cube.sizes["band"], where)
    if nodata is None and not _states_nodata(path):
        nodata = NODATA
    cube = open_raster(
        path,
        nodata=nodata,
        scale=bands.gain,
        offset=bands.offset,
        names=[f"band {number}" for number in range(1, cube.sizes["band"] + 1)],
        units="reflectance",
    )
    masks, notes = _find_masks(files, image, prefix)
    raster = cube.assign_coords(
        wavelength_nm=("band", bands.wavelength_nm), fwhm_nm=("band", bands.fwhm_nm)
    ).assign_attrs(source=files.where, notes=notes, **_scene(root))
    return Product(raster, good=~_dead_bands(root, bands), masks=masks, detector=_detectors(root, bands))


@dataclass(frozen=True)
class _Bands:
    """What the XML says of the bands; all of shape (band,)."""

    wavelength_nm: np.ndarray
    fwhm_nm: np.ndarray
    gain: np.ndarray
    offset: np.ndarray


def _find_image(files: ProductFiles) -> tuple[str, str]:
    """Return the name of the image of both detectors, and what the names of all files of the product start with."""
    names = files.find(*(f"*-spectral_image{cog}{ending}" for cog in ("", "_cog") for ending in _ENDINGS))
    if files.named is None:  # where the image and its COG are delivered together, they hold the same values
        names = [name for name in names if "_cog." not in name.lower()] or names
    detectors = files.find("*-spectral_image_vnir*", "*-spectral_image_swir*")
    if not names and detectors:
        raise RasterError(
            files.where,
            found=f"{PurePosixPath(detectors[0]).name}, an image of one detector, as in level L1B",
            expected="surface reflectance, level L2A",
            way_out="order the level L2A, or correct the atmosphere first",
        )
    image = files.one("the spectral image of both detectors", *(glob.escape(PurePosixPath(n).name) for n in names))
    match = _IMAGE.match(PurePosixPath(image).stem)
    assert match is not None
    return image, match[1]


def _with_files_beside(files: ProductFiles, image: str, prefix: str) -> ProductFiles:
    """Return the files with those beside an image at an address, which cannot be listed: each is requested by name."""
    if not files.is_remote:
        return files
    match = re.search(r"(?:_cog)?\.\w+$", image, re.IGNORECASE)
    ending = match[0] if match is not None else ""
    layers = [f"{prefix}-QL_{layer}{ending}" for layer in LAYERS]
    candidates = [f"{prefix}-METADATA.XML", f"{prefix}-METADATA.xml", *layers]
    return files.with_names(name for name in candidates if remote_file_exists(files.path(name)))


def _read_bands(root: Element, count: int, where: str) -> _Bands:
    """Read the description of each band, in the order of their numbers."""
    described = {}
    for group in root.iter("bandCharacterisation"):
        for element in group.iter("bandID"):
            number = element.get("number", "").strip()
            if not number.isdecimal() or int(number) in described:
                raise WavelengthError(
                    where,
                    found=f"{number!r} as the number of a band",
                    expected="1, 2, 3, ...",
                    way_out="use the file as delivered",
                )
            described[int(number)] = element
        break
    if sorted(described) != list(range(1, count + 1)):
        raise WavelengthError(
            where,
            found=f"{len(described)} described bands",
            expected=f"bands 1 to {count} of the image",
            way_out="check that both belong to one product and are complete",
        )
    names = ("wavelengthCenterOfBand", "FWHMOfBand", "GainOfBand", "OffsetOfBand")
    values = np.array(
        [
            [
                finite_number(text_of(described[i].find(name)), f"{name} of band {i}", where, WavelengthError)
                for name in names
            ]
            for i in range(1, count + 1)
        ]
    )
    wavelength_nm, fwhm_nm, gain, offset = values.T
    if not ((wavelength_nm >= LOWEST_NM) & (wavelength_nm <= HIGHEST_NM)).all() or not (fwhm_nm > 0).all():
        raise WavelengthError(
            where,
            found=f"centres of {wavelength_nm.min():g} to {wavelength_nm.max():g}, widths from {fwhm_nm.min():g}",
            expected="nanometers",
            way_out="use the file as delivered",
        )
    if not (gain > 0).all():
        raise RasterError(
            where, found=f"a gain of {gain.min():g}", expected="positive gains", way_out="use the file as delivered"
        )
    return _Bands(wavelength_nm, fwhm_nm, gain, offset)


def _dead_bands(root: Element, bands: _Bands) -> np.ndarray:
    """Return which bands have one value everywhere, as the statistics in the XML state; `(band,)` bool."""
    dead = np.zeros(bands.gain.shape, bool)
    for group in root.iter("bandStatistics"):
        for element in group.iter("bandID"):
            number, spread = element.get("number", "").strip(), text_of(element.find("stdDeviation"))
            if not number.isdecimal() or not 1 <= int(number) <= dead.size or not spread:
                continue
            try:
                dead[int(number) - 1] = float(spread) == 0
            except ValueError:  # statistics are no more than a hint
                continue
        break
    return dead


def _detectors(root: Element, bands: _Bands) -> np.ndarray | None:
    """Return the detector of each band, "vnir" or "swir"; None if the XML does not state it for all of them."""
    detector = np.full(bands.gain.shape, "", dtype="<U4")
    for name in ("vnir", "swir"):
        text = text_of(next(root.iter(f"{name}ProductQuality"), root).find("expectedChannelsList"))
        numbers = [int(word) for word in re.findall(r"\d+", text[: 2**16])]
        detector[[number - 1 for number in numbers if 1 <= number <= detector.size]] = name
    return detector if (detector != "").all() else None


def _states_nodata(path: str) -> bool:
    local = absolute_path(path)
    with dataset(local, file_stamp(local)) as source:
        return all(value is not None for value in source.nodatavals)


def _find_masks(files: ProductFiles, image: str, prefix: str) -> tuple[tuple[MaskLayer, ...], list[str]]:
    masks, missing = [], []
    for ending, codes in LAYERS.items():
        names = (files.beside(image, f"{prefix}-QL_{ending}{cog}{kind}") for cog in ("", "_COG") for kind in _ENDINGS)
        name = next((name for name in names if name is not None), None)
        if name is None:
            missing.append(ending)
            continue
        layer = open_raster(files.raster_path(name), nodata=float("nan"), scale=1.0).isel(band=[0])
        masks += [MaskLayer(mask, layer, excluded) for mask, excluded in codes]
    return tuple(masks), [f"no layer {', '.join(missing)} beside the image: not masked"] if missing else []


def _scene(root: Element) -> dict[str, object]:
    """Return the time and the angle of the sun, as far as the XML states them."""
    scene: dict[str, object] = {}
    start = next((text_of(element) for element in root.iter("startTime")), "")
    if start:
        scene["StartTime"] = start
    with suppress(ValueError):
        scene["SolarZenith"] = 90.0 - float(text_of(next(root.iter("sunElevationAngle"), root).find("center")))
    return scene


ENMAP = Sensor(
    name="ENMAP",
    title="EnMAP level 2A, 224 bands",
    patterns=("enmap*-spectral_image*",),
    bad_nm=WATER_NM,
    open=open_product,
)
