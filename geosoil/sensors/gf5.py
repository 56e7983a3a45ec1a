"""Gaofen-5 AHSI and the same instruments on ZY-1: a level-1 product as one cube of radiance.

A product is a folder or an archive with two images in sensor geometry (`*_VN.*`, `*_SW.*`), a text file of band centres
(`*Spectralresponse*`) and one of gains and offsets (`*RadCal*`) for each of them, and an XML. The names differ between
satellites (`VNIR_RadCal`, `RadCal_VNIR`), so files are found by patterns.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from geosoil.errors import GeosoilError, RasterError, WavelengthError
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM
from geosoil.sensors.base import Product, Sensor
from geosoil.sensors.numbers import finite_number
from geosoil.sensors.product_xml import parse_xml, text_of

if TYPE_CHECKING:
    from geosoil.sensors.files import ProductFiles

RADIANCE_UNITS = "W m-2 sr-1 um-1"
# Water vapour: the gains are 1e-4 to 1e-3, so that radiance is almost zero.
WATER_NM = ((1342.0, 1451.0), (1771.0, 1977.0))

_IMAGES = ("*.tif", "*.tiff", "*.geotiff")
_TEXTS = ("*.raw", "*.txt")
_FIELDS = (
    "SatelliteID", "SensorID", "ProductLevel", "ProductID", "StartTime", "CenterTime", "EndTime",
    "SolarZenith", "SatelliteZenith", "CloudPercent",
)  # fmt: skip
_NUMBERS = ("SolarZenith", "SatelliteZenith", "CloudPercent")
_LARGEST_TEXT = 2**20


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open a product as one lazy cube: VN bands, then SW bands, in the order of the files.

    Parameters
    ----------
    files : ProductFiles
        The product.
    nodata : float, optional
        Digital number of no data (default: 0).

    Returns
    -------
    Product
        Its raster is gain * DN + offset in W m-2 sr-1 um-1 if both RadCal files are present, digital numbers otherwise
        (see `attrs["units"]`), with the wavelengths of the Spectralresponse files.

    Raises
    ------
    RasterError
        If a file is missing or does not have the expected form.
    WavelengthError
        If a response file does not match its image.
    GridError
        If the images differ in shape.

    Examples
    --------
    >>> import tempfile
    >>> from geosoil.sensors.files import ProductFiles
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_product(ProductFiles.of(folder))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    geosoil.errors.RasterError: ...: found no files that could be the VN image; expected one; give one whole product
    """
    images = {detector: files.raster_path(_image(files, detector)) for detector in _DETECTORS}
    tables = {detector: _texts(files, detector) for detector in _DETECTORS}
    centres, widths, gains, offsets = [], [], [], []
    for detector, image in images.items():
        count = open_raster(image).sizes["band"]
        response, calibration = tables[detector]
        if response is None:
            raise WavelengthError(
                files.where,
                found=f"no Spectralresponse file of {detector}",
                expected="one beside the image",
                way_out="give the whole product",
            )
        table = _numbers(files, response, count, columns=(2,), error=WavelengthError)
        centre_nm = table[:, 0]
        if not ((centre_nm >= LOWEST_NM) & (centre_nm <= HIGHEST_NM)).all() or not (table[:, 1] > 0).all():
            raise WavelengthError(
                files.path(response),
                found=f"centres of {centre_nm.min():g} to {centre_nm.max():g}, widths from {table[:, 1].min():g}",
                expected="nanometers",
                way_out="check the file",
            )
        centres.append(centre_nm)
        widths.append(table[:, 1])
        if calibration is not None:
            table = _numbers(files, calibration, count, columns=(1, 2), error=RasterError)
            gains.append(table[:, 0])
            offsets.append(table[:, 1] if table.shape[1] == 2 else np.zeros(count))
    notes = []
    calibrated = len(gains) == len(_DETECTORS)
    if not calibrated:
        notes.append("no RadCal file for each detector: values are digital numbers")
    names = [
        f"{detector} {i}"
        for detector, centre_nm in zip(_DETECTORS, centres, strict=True)
        for i in range(1, centre_nm.size + 1)
    ]
    cube = open_raster(
        list(images.values()),
        nodata=0 if nodata is None else nodata,
        scale=np.concatenate(gains) if calibrated else 1.0,
        offset=np.concatenate(offsets) if calibrated else 0.0,
        names=names,
        units=RADIANCE_UNITS if calibrated else "digital number",
    )
    if cube.rio.crs is None:
        notes.append("in sensor geometry, without CRS: orthorectify with its RPC before placing points on it")
    metadata, note = _metadata(files)
    cube = cube.assign_coords(wavelength_nm=("band", np.concatenate(centres)), fwhm_nm=("band", np.concatenate(widths)))
    return Product(cube.assign_attrs(source=files.where, notes=notes + note, **metadata))


_DETECTORS = ("VN", "SW")


def _texts(files: ProductFiles, detector: str) -> tuple[str | None, str | None]:
    """Find the response and the calibration file; `VNIR_RadCal` of some satellites is `RadCal_VNIR` of others."""
    texts = []
    for kind in ("spectralresponse", "radcal"):
        matches = [
            name
            for name in files.find(*_TEXTS)
            if kind in _stem(name).lower()
            and re.search(rf"(?:^|[_-]){detector}(?:IR)?(?=$|[_-])", _stem(name), re.IGNORECASE)
        ]
        if len(matches) > 1:
            raise RasterError(
                files.where,
                found=f"{len(matches)} {kind} files of {detector}",
                expected="one",
                way_out="keep a single product in the folder",
            )
        texts.append(matches[0] if matches else None)
    return texts[0], texts[1]


def _image(files: ProductFiles, detector: str) -> str:
    return files.one(
        f"the {detector} image", *(f"*{mark}{detector}{ending[1:]}" for mark in "_-" for ending in _IMAGES)
    )


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _numbers(
    files: ProductFiles, name: str, count: int, *, columns: tuple[int, ...], error: type[GeosoilError]
) -> np.ndarray:
    """Read a text of one line per band, separated by comma, tab or space, as `(band, column)`."""
    text = files.read(name, _LARGEST_TEXT).decode("utf-8-sig", errors="replace")
    lines = [line for line in text.splitlines() if line.strip(" \t,\0\x1a")]
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = [float(word) for word in re.split(r"[,;\s]+", line.strip(" \t,;"))]
        except ValueError:
            row = []
        if len(row) not in columns or (rows and len(row) != len(rows[0])) or not np.isfinite(row).all():
            raise error(
                files.path(name),
                found=f"{line.strip()[:40]!r} in line {number}",
                expected=f"{' or '.join(map(str, columns))} numbers per line",
                way_out="use the file as delivered",
            )
        rows.append(row)
    if len(rows) != count:
        raise error(
            files.path(name),
            found=f"{len(rows)} lines",
            expected=f"one for each of the {count} bands of the image",
            way_out="check that both belong to one product",
        )
    return np.array(rows)


def _metadata(files: ProductFiles) -> tuple[dict[str, Any], list[str]]:
    """Read the metadata of the scene from the XML of a product; the notes report a missing file."""
    names = [name for name in files.find("*.xml") if not name.lower().endswith(("check.xml", ".aux.xml"))]
    if not names:
        return {}, ["no XML: sun angle and time are unknown"]
    where = files.path(names[0])
    fields: dict[str, Any] = {}
    for element in parse_xml(files.read(names[0]), where).iter():  # at any depth; the first with a name counts
        if element.tag in _FIELDS and text_of(element):
            fields.setdefault(element.tag, text_of(element))
    for name in _NUMBERS:
        if name in fields:
            fields[name] = finite_number(fields[name], name, where)
    return fields, ["times are as in the XML: Beijing time, UTC+8"] if "StartTime" in fields else []


GF5_AHSI = Sensor(
    name="GF5_AHSI",
    title="Gaofen-5 (01, 01A, 02) AHSI, 330 bands",
    patterns=("gf5*ahsi*vn.*tif*", "gf5*ahsi*sw.*tif*"),
    bad_nm=WATER_NM,
    open=open_product,
)
ZY1_AHSI = Sensor(
    name="ZY1_AHSI",
    title="ZY-1 02D and 02E AHSI, 166 bands",
    patterns=("zy1*ahsi*vn.*tif*", "zy1*ahsi*sw.*tif*"),
    bad_nm=WATER_NM,
    open=open_product,
)
