"""Gaofen-5 AHSI and the same instruments on ZY-1: the folder of a level-1 product as one cube of radiance.

A product is a folder with two images in sensor geometry (`*_VN.*`, `*_SW.*`), a text file of band centres
(`*Spectralresponse*`) and one of gains and offsets (`*RadCal*`) for each of them, and an XML. The names differ between
satellites (`VNIR_RadCal`, `RadCal_VNIR`), so files are found by patterns.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import numpy as np

from geosoil.errors import GeosoilError, RasterError, WavelengthError
from geosoil.sensors.base import Sensor

if TYPE_CHECKING:
    from pathlib import Path

    import xarray as xr

RADIANCE_UNITS = "W m-2 sr-1 um-1"
# Water vapour: the gains are 1e-4 to 1e-3, so that radiance is almost zero.
WATER_NM = ((1342.0, 1451.0), (1771.0, 1977.0))

_IMAGES = (".tif", ".tiff", ".geotiff")
_TEXTS = (".raw", ".txt")
_FIELDS = (
    "SatelliteID", "SensorID", "ProductLevel", "ProductID", "StartTime", "CenterTime", "EndTime",
    "SolarZenith", "SatelliteZenith", "CloudPercent",
)  # fmt: skip
_NUMBERS = ("SolarZenith", "SatelliteZenith", "CloudPercent")
_LARGEST_XML = 16 * 2**20


def open_product(folder: Path, *, nodata: float | None = None) -> xr.DataArray:
    """Open the folder of a product as one lazy cube: VN bands, then SW bands, in the order of the files.

    Parameters
    ----------
    folder : Path
        The unpacked product.
    nodata : float, optional
        Digital number of no data (default: 0).

    Returns
    -------
    DataArray of shape (band, y, x), float32
        gain * DN + offset in W m-2 sr-1 um-1 if both RadCal files are present, digital numbers otherwise (see
        `attrs["units"]`), with the wavelengths of the Spectralresponse files.

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
    >>> import pathlib, tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     open_product(pathlib.Path(folder))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    geosoil.errors.RasterError: ...: found no files that could be the VN image; expected one; unpack one whole ...
    """
    from geosoil.io.rasters.reader import open_raster
    from geosoil.io.rasters.wavelengths import HIGHEST_NM, LOWEST_NM

    images = {
        detector: _find_file(folder, f"the {detector} image", rf"[_-]{detector}$", _IMAGES) for detector in _DETECTORS
    }
    tables = {detector: _texts(folder, detector) for detector in _DETECTORS}
    centres, widths, gains, offsets = [], [], [], []
    for detector, image in images.items():
        count = open_raster(image).sizes["band"]
        response, calibration = tables[detector]
        if response is None:
            raise WavelengthError(
                folder,
                found=f"no Spectralresponse file of {detector}",
                expected="one beside the image",
                way_out="unpack the whole product",
            )
        table = _numbers(response, count, columns=(2,), error=WavelengthError)
        centre_nm = table[:, 0]
        if not ((centre_nm >= LOWEST_NM) & (centre_nm <= HIGHEST_NM)).all() or not (table[:, 1] > 0).all():
            raise WavelengthError(
                response,
                found=f"centres of {centre_nm.min():g} to {centre_nm.max():g}, widths from {table[:, 1].min():g}",
                expected="nanometers",
                way_out="check the file",
            )
        centres.append(centre_nm)
        widths.append(table[:, 1])
        if calibration is not None:
            table = _numbers(calibration, count, columns=(1, 2), error=RasterError)
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
    metadata, note = _metadata(folder)
    return cube.assign_coords(
        wavelength_nm=("band", np.concatenate(centres)), fwhm_nm=("band", np.concatenate(widths))
    ).assign_attrs(source=str(folder), notes=notes + note, **metadata)


_DETECTORS = ("VN", "SW")


def _texts(folder: Path, detector: str) -> tuple[Path | None, Path | None]:
    """Find the response and the calibration file; `VNIR_RadCal` of some satellites is `RadCal_VNIR` of others."""
    texts = []
    for kind in ("spectralresponse", "radcal"):
        matches = [
            path
            for path in _files(folder, _TEXTS)
            if kind in path.stem.lower()
            and re.search(rf"(?:^|[_-]){detector}(?:IR)?(?=$|[_-])", path.stem, re.IGNORECASE)
        ]
        if len(matches) > 1:
            raise RasterError(
                folder,
                found=f"{len(matches)} {kind} files of {detector}",
                expected="one",
                way_out="keep a single product in the folder",
            )
        texts.append(matches[0] if matches else None)
    return texts[0], texts[1]


def _find_file(folder: Path, what: str, pattern: str, endings: tuple[str, ...]) -> Path:
    matches = [path for path in _files(folder, endings) if re.search(pattern, path.stem, re.IGNORECASE)]
    if len(matches) != 1:
        raise RasterError(
            folder,
            found=f"{len(matches) or 'no'} files that could be {what}",
            expected="one",
            way_out="unpack one whole product into an empty folder",
        )
    return matches[0]


def _files(folder: Path, endings: tuple[str, ...]) -> list[Path]:
    return [
        path
        for path in sorted(folder.iterdir())
        if path.is_file() and path.suffix.lower() in endings and not path.name.startswith(".")
    ]


def _numbers(path: Path, count: int, *, columns: tuple[int, ...], error: type[GeosoilError]) -> np.ndarray:
    """Read a text of one line per band, separated by comma, tab or space, as `(band, column)`."""
    lines = [line for line in path.read_text("utf-8-sig", errors="replace").splitlines() if line.strip(" \t,\0\x1a")]
    rows: list[list[float]] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = [float(word) for word in re.split(r"[,;\s]+", line.strip(" \t,;"))]
        except ValueError:
            row = []
        if len(row) not in columns or (rows and len(row) != len(rows[0])) or not np.isfinite(row).all():
            raise error(
                path,
                found=f"{line.strip()[:40]!r} in line {number}",
                expected=f"{' or '.join(map(str, columns))} numbers per line",
                way_out="use the file as delivered",
            )
        rows.append(row)
    if len(rows) != count:
        raise error(
            path,
            found=f"{len(rows)} lines",
            expected=f"one for each of the {count} bands of the image",
            way_out="check that both belong to one product",
        )
    return np.array(rows)


def _metadata(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Read the metadata of the scene from the XML of a product; the notes report a missing file."""
    paths = [path for path in _files(folder, (".xml",)) if not path.name.lower().endswith(("check.xml", ".aux.xml"))]
    if not paths:
        return {}, ["no XML: sun angle and time are unknown"]
    fields: dict[str, Any] = dict(_flat_xml(paths[0]))
    for name in _NUMBERS:
        if name in fields:
            try:
                fields[name] = float(fields[name])
            except ValueError:
                raise RasterError(
                    paths[0],
                    found=f"{fields[name]!r} as {name}",
                    expected="a number",
                    way_out="use the file as delivered",
                ) from None
    return fields, ["times are as in the XML: Beijing time, UTC+8"] if "StartTime" in fields else []


def _flat_xml(path: Path) -> dict[str, str]:
    """Read the known elements at any depth, in any namespace; the first with a name counts.

    A document type is refused in any encoding, because entities can expand without limit or read other files.
    """
    if path.stat().st_size > _LARGEST_XML:
        raise RasterError(
            path,
            found=f"an XML of over {_LARGEST_XML >> 20} MiB",
            expected="the metadata of a product",
            way_out="use the file as delivered",
        )
    fields: dict[str, str] = {}
    texts: list[list[str]] = []

    def end(name: str) -> None:
        text, name = "".join(texts.pop()).strip(), name.rpartition(":")[2]
        if name in _FIELDS and text:
            fields.setdefault(name, text)

    def refuse(*_: object) -> None:
        raise RasterError(
            path, found="a document type declaration", expected="plain elements", way_out="do not trust this file"
        )

    content = path.read_bytes()
    if re.match(rb"<\?xml[^>]*encoding=.gb", content, re.IGNORECASE):
        content = content.decode("gb18030", errors="replace").encode()  # expat cannot read Chinese encodings
        parser = expat.ParserCreate("utf-8")
    else:
        parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, attributes: texts.append([])
    parser.CharacterDataHandler = lambda data: texts[-1].append(data)
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = refuse
    try:
        parser.Parse(content, True)
    except (expat.ExpatError, LookupError, ValueError) as error:
        raise RasterError(
            path,
            problem=f"not valid XML ({error})",
            expected="the metadata of a product",
            way_out="use the file as delivered, or remove it",
        ) from error
    return fields


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
