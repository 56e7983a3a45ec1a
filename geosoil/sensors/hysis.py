"""HySIS: GeoTIFFs that name the satellite, with wavelengths in tags; the layout of its products is not public.

One image, or one of each detector (`*VNIR*`, `*SWIR*`) on one grid, is a cube with the scale that the files state.
"""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import numpy as np

from geosoil.errors import GeosoilError, RasterError, WavelengthError
from geosoil.io.rasters.dataset_cache import absolute_path, dataset, file_stamp
from geosoil.io.rasters.reader import open_raster
from geosoil.io.rasters.wavelengths import find_bands
from geosoil.sensors.base import Product, Sensor

if TYPE_CHECKING:
    from geosoil.sensors.files import ProductFiles

PATTERN = "*hysis*.tif*"
DETECTORS = ("VNIR", "SWIR")
WATER_NM = ((1340.0, 1460.0), (1780.0, 1980.0))


def open_product(files: ProductFiles, *, nodata: float | None = None) -> Product:
    """Open one image, or the images of both detectors: VNIR first.

    Parameters
    ----------
    files : ProductFiles
        The product.
    nodata : float, optional
        The stored value of no data (default: as the files state).

    Returns
    -------
    Product
        Its values are those of the files with their scale; the units are reflectance only if the files state a scale or
        hold decimal numbers.

    Raises
    ------
    RasterError
        If there are other files than these.
    WavelengthError
        If a file has no wavelengths in its tags.
    GridError
        If the images of the detectors are not on one grid.
    """
    names = _images(files)
    paths = [files.raster_path(name) for name in names]
    tables = [find_bands(path) for path in paths]
    for name, table in zip(names, tables, strict=True):
        if table is None:
            raise WavelengthError(
                files.path(name),
                found="no wavelengths in its tags",
                expected="the tags wavelength and wavelength_units of each band, or lists of the file",
                way_out="give a table of bands beside it (NAME.bands.csv with a column wavelength_nm)",
            )
    bands = [table for table in tables if table is not None]
    notes = []
    stated = [_states_scale(path) for path in paths]
    if not all(stated):
        notes.append("whole numbers without a scale: give the scale of the image (--scale), such as 0.0001")
    cube = open_raster(
        paths,
        nodata=nodata,
        names=[f"{detector} {i}" for detector, table in zip(_detectors(names), bands, strict=True)
               for i in range(1, table.centre_nm.size + 1)],
        units="reflectance" if all(stated) else "digital number",
    ).assign_coords(wavelength_nm=("band", np.concatenate([table.centre_nm for table in bands])))  # fmt: skip
    if all(table.fwhm_nm is not None for table in bands):
        cube = cube.assign_coords(fwhm_nm=("band", np.concatenate([np.asarray(table.fwhm_nm) for table in bands])))
    goods = [np.ones(table.centre_nm.size, bool) if table.good is None else table.good for table in bands]
    notes.append("no quality mask is known for this product")
    return Product(cube.assign_attrs(source=files.where, notes=notes), np.concatenate(goods))


def is_product(files: ProductFiles) -> bool:
    """Return whether an image that is named has wavelengths; another one is opened with a table of bands."""
    if files.named is None:
        return True
    try:
        return find_bands(files.raster_path(files.named)) is not None
    except GeosoilError:  # opening the product reports it
        return True


def _images(files: ProductFiles) -> list[str]:
    """Return the image that is named, or all of them, VNIR first."""
    if files.named is not None:
        return [files.named]
    names = files.find(PATTERN)
    if len(names) == 1:
        return names
    pair = [name for detector in DETECTORS for name in names if detector in PurePosixPath(name).name.upper()]
    if sorted(pair) != sorted(names) or len(pair) != len(DETECTORS):
        raise RasterError(
            files.where,
            found=f"{len(names)} images",
            expected="one image, or one of VNIR and one of SWIR",
            way_out="give the path of the image",
        )
    return pair


def _detectors(names: list[str]) -> list[str]:
    return list(DETECTORS) if len(names) > 1 else ["band"]


def _states_scale(path: str) -> bool:
    local = absolute_path(path)
    with dataset(local, file_stamp(local)) as source:
        is_whole = all(np.dtype(dtype).kind in "iu" for dtype in source.dtypes)
        return not is_whole or any(scale != 1.0 for scale in source.scales)


HYSIS = Sensor(
    name="HYSIS",
    title="HySIS as GeoTIFFs with wavelengths in their tags",
    patterns=(PATTERN,),
    bad_nm=WATER_NM,
    open=open_product,
    recognises=is_product,
)
